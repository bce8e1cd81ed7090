"""A store in trouble, as its client sees it and as it is on the wire."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.platform.aws_json import Answer, ErrorAnswer, NoAnswer
from tests.support.faults import CALLS

TRANSACTION = "transact_write_items"


@dataclass(frozen=True)
class Trouble:
    """`error` makes what the client raises, from the request; `after`: the call took effect."""

    name: str
    error: Callable[[Mapping[str, Any]], Exception]
    after: bool = False
    transactions_only: bool = False
    """It comes in the reasons of a cancelled transaction, which no other call has."""

    @property
    def is_plain(self) -> bool:
        """Whether it stands for its kind in a short run."""
        return self.name in PLAIN

    def hits(self, call: str) -> bool:
        return call == TRANSACTION or not self.transactions_only


def cancelled(reason: str) -> Trouble:
    """The transaction was cancelled because of one of its items."""

    def error(request: Mapping[str, Any]) -> ErrorAnswer:
        count = len(request["TransactItems"])
        reasons = [{"Code": "None"}] * count
        reasons[random.Random(count).randrange(count)] = {"Code": reason}
        return refused("TransactionCanceledException", CancellationReasons=reasons)

    return Trouble(f"cancelled by {reason}", error, transactions_only=True)


def refused(code: str, status: int = 400, **members: Any) -> ErrorAnswer:
    return ErrorAnswer(code, status, {"message": code, **members})


def said(code: str, status: int = 400) -> Trouble:
    return Trouble(code, lambda _: refused(code, status))


IN_REASONS = [
    cancelled("TransactionConflict"),
    cancelled("ThrottlingError"),
    cancelled("ProvisionedThroughputExceeded"),
    Trouble("in progress", lambda _: refused("TransactionInProgressException"), False, True),
]
IN_WORDS = [
    said("ThrottlingException"),
    said("ProvisionedThroughputExceededException"),
    said("RequestLimitExceeded"),
    said("InternalServerError", 500),
    said("ServiceUnavailable", 503),
]
AWAY = [
    Trouble("absent", lambda _: NoAnswer("unreachable", is_unknown=False)),
    Trouble("slow to connect", lambda _: NoAnswer("unreachable", is_unknown=False)),
    Trouble("slow", lambda _: NoAnswer("timeout")),
    Trouble("slow, but it did it", lambda _: NoAnswer("timeout"), after=True),
    Trouble("failed, but it did it", lambda _: refused("InternalServerError", 500), after=True),
]


PLAIN = frozenset(
    {
        "cancelled by TransactionConflict",
        "cancelled by ThrottlingError",
        "ThrottlingException",
        "InternalServerError",
        "absent",
        "slow, but it did it",
    }
)


class TroubledClient:
    """Passes calls on to `client`, but those from number `first` on (from 0), `count` of them."""

    def __init__(self, client: Any, trouble: Trouble, first: int, count: int) -> None:
        self._client = client
        self._trouble = trouble
        self._first = first
        self._left = count
        self.made = 0
        self.met = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name not in CALLS or not self._trouble.hits(name):
            return real

        def call(**request: Any) -> Any:
            number, self.made = self.made, self.made + 1
            if number < self._first or not self._left:
                return real(**request)
            self._left -= 1
            self.met += 1
            if self._trouble.after:
                real(**request)
            raise self._trouble.error(request)

        return call


class PatientTime:
    """A clock that only sleeping moves; `naps` are the seconds that were slept each time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def clock(self) -> float:
        return self.now

    time = clock

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.naps.append(seconds)


class Wire:
    """Answers the next HTTP requests of one operation in the store's place, below the client's retries."""

    def __init__(self, client: Any, operation: str, answers: list[tuple[int, str]]) -> None:
        self._answers = answers
        self.bodies: list[dict[str, Any]] = []
        self._operation = operation
        self._real = client.exchange
        client.exchange = self._exchange

    def _exchange(self, operation: str, request: dict[str, Any]) -> Answer:
        if operation == self._operation:
            self.bodies.append(dict(request))
            if self._answers:
                status, code = self._answers.pop(0)
                body = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}
                return Answer(status, {}, json.dumps(body).encode())
        answer: Answer = self._real(operation, request)
        return answer
