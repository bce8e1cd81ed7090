"""A DynamoDB client that takes virtual time and fails at random, as networks and processes do."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

from bench.chaos.timeline import Timeline
from engine.platform.aws_json import ErrorAnswer, NoAnswer

CALLS = frozenset(
    {
        "get_item", "put_item", "update_item", "query", "transact_write_items", "delete_item",
        "batch_get_item",
    }
)  # fmt: skip
WRITES = frozenset({"put_item", "update_item", "transact_write_items", "delete_item"})
KILLED_BEFORE, KILLED_AFTER, UNREACHABLE, LOST, REPEATED, THROTTLED, CONFLICT = (
    "killed before a call", "killed after a call", "not reached", "answer lost",
    "repeated by the client", "throttled", "conflict",
)  # fmt: skip
WEIGHTS = {
    KILLED_BEFORE: 2, KILLED_AFTER: 2, UNREACHABLE: 1, LOST: 3, REPEATED: 4, THROTTLED: 1, CONFLICT: 4,
}  # fmt: skip


class Killed(BaseException):
    """The function's process ended here: nothing of it runs any more, no handler and no `except`."""


class Faults:
    """What befalls the calls of all instances: one in `one_in` fails while `is_on`."""

    def __init__(self, timeline: Timeline, rng: random.Random, one_in: int) -> None:
        self.is_on = False
        self.met: Counter[str] = Counter()
        self._timeline = timeline
        self._rng = rng
        self._one_in = one_in

    def call(self, name: str, real: Callable[[], Any]) -> Any:
        self._timeline.sleep(self._rng.uniform(0.002, 0.012))
        fault = self._drawn(name)
        if fault:
            self.met[fault] += 1
        if fault == KILLED_BEFORE:
            raise Killed()
        if fault in (UNREACHABLE, THROTTLED, CONFLICT):
            raise _REFUSALS[fault]()
        if fault == REPEATED:
            real()
        answer = real()
        if fault == KILLED_AFTER:
            raise Killed()
        if fault == LOST:
            raise NoAnswer("timeout")
        return answer

    def _drawn(self, name: str) -> str:
        if not self.is_on or self._rng.randrange(self._one_in):
            return ""
        fault = self._rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if fault == CONFLICT and name != "transact_write_items":
            return ""
        if fault == REPEATED and name not in WRITES:
            return ""
        return fault


def _cancelled() -> Exception:
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}, {"Code": "None"}]
    return ErrorAnswer("TransactionCanceledException", 400, {"CancellationReasons": reasons})


def _throttled() -> Exception:
    return ErrorAnswer("ThrottlingException", 400, {"message": "slow down"})


_REFUSALS: dict[str, Callable[[], Exception]] = {
    UNREACHABLE: lambda: NoAnswer("unreachable", is_unknown=False),
    THROTTLED: _throttled,
    CONFLICT: _cancelled,
}


class UnreliableClient:
    """`client`, whose calls pass through `faults`."""

    def __init__(self, client: Any, faults: Faults) -> None:
        self.faults = faults
        self._client = client

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name not in CALLS:
            return real
        return lambda **request: self.faults.call(name, partial(real, **self._whole(name, request)))

    def _whole(self, name: str, request: dict[str, Any]) -> dict[str, Any]:
        """`request` with the token that the client gives every transaction, for all its repeats."""
        if name != "transact_write_items":
            return request
        return {**request, "ClientRequestToken": str(uuid4())}
