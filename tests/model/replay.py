"""The engine's own code as a program of single calls.

A handler is run from its beginning with the answers that its earlier calls got; at the first call
without an answer it stops, and that call is its next step. The code is deterministic given answers,
clock and ids, so nothing of it is copied here and the model cannot drift from it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, NoReturn

from engine.credits import hold_items
from engine.ledger.posting import PATIENCE_S, Ledger
from engine.platform.aws_json import ErrorAnswer, NoAnswer
from engine.platform.errors import EngineError
from engine.platform.table import Table
from engine.transcription import sweeping
from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer
from tests.model.store import Answer, Call

TABLE = "model"
SECRET = "upstream-secret"


class Reached(BaseException):
    """A call that has no answer yet. Not an `Exception`, so that no handler catches it."""

    def __init__(self, call: Call) -> None:
        super().__init__(call.kind)
        self.call = call


@dataclass(frozen=True)
class Outcome:
    """How a handler ended: `kind` is `ok`, an error's code, or `crash`; `facts` is its answer."""

    kind: str
    facts: Any = None


class Tape:
    """The answers that a handler gets, in order."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self._at = 0

    def ask(self, kind: str, request: Mapping[str, Any]) -> Answer:
        if self._at == len(self._answers):
            raise Reached(Call(kind, request))
        self._at += 1
        return self._answers[self._at - 1]


class Client:
    """Stands where the client of DynamoDB stands."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def get_item(self, **request: Any) -> Any:
        return self._call("get_item", request)

    def query(self, **request: Any) -> Any:
        return self._call("query", request)

    def put_item(self, **request: Any) -> Any:
        return self._call("put_item", request)

    def update_item(self, **request: Any) -> Any:
        return self._call("update_item", request)

    def transact_write_items(self, **request: Any) -> Any:
        return self._call("transact_write_items", request)

    def _call(self, kind: str, request: Mapping[str, Any]) -> Any:
        answer = self._tape.ask(kind, request)
        return answer["ok"] if "ok" in answer else _raise(answer)


class ModelUpstream:
    """Stands where `engine.transcription.upstream.Upstream` stands."""

    base = "https://upstream.test"

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def transcribe(
        self, url: str, request_id: str, secret: str, timeout_s: float
    ) -> UpstreamAnswer:
        return self._call("upstream_transcribe", {"request_id": request_id})

    def status(self, job_id: str, secret: str, timeout_s: float) -> UpstreamAnswer:
        return self._call("upstream_status", {"job_id": job_id})

    def _call(self, kind: str, request: Mapping[str, Any]) -> UpstreamAnswer:
        answer = self._tape.ask(kind, request)
        if "not_sent" in answer:
            raise NotSent()
        if "timeout" in answer:
            raise Unknown("timeout")
        return UpstreamAnswer(answer["status"], dict(answer["members"]))


class Desk:
    """What a program works with."""

    def __init__(self, answers: Sequence[Answer], tries: int, name: str) -> None:
        tape, numbers = Tape(answers), count(1)
        self.table = Table(
            Client(tape),  # type: ignore[arg-type]
            TABLE,
            new_mark=lambda: f"{name}-{next(numbers)}",
        )
        self.ledger = Ledger(
            self.table, clock=_clock(tries), sleep=lambda _: None, new_salt=lambda: "salt"
        )
        self.upstream: Any = ModelUpstream(tape)


Run = Callable[[Desk], Any]


def advanced(
    run: Run, answers: Sequence[Answer], tries: int, name: str = "alone"
) -> Call | Outcome:
    """The next call of `run` after `answers`, or how it ended.

    `tries` is how often a money move is tried before it is given up.
    """
    try:
        with stage():
            return Outcome("ok", run(Desk(answers, tries, name)))
    except Reached as reached:
        return reached.call
    except EngineError as error:
        return Outcome(error.code, {"status": error.status})
    except Exception as error:  # noqa: BLE001  A handler that would answer 500.
        return Outcome("crash", repr(error))


@contextmanager
def stage() -> Iterator[None]:
    """No logs, and an index of one shard: a sweep of empty ones would be steps that change nothing.

    A search takes it once for all its replays, as each change of what is logged clears every logger's cache.
    """
    shards, disabled = hold_items.SHARDS, logging.root.manager.disable
    if (shards, disabled) == (1, logging.CRITICAL):
        yield
        return
    _set_shards(1, 1)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        _set_shards(shards, hold_items.SHARDS_SWEPT)
        logging.disable(disabled)


def _set_shards(number: int, swept: int) -> None:
    vars(hold_items)["SHARDS"] = number
    vars(sweeping)["SHARDS_SWEPT"] = swept


def _clock(tries: int) -> Callable[[], float]:
    """A clock that lets `PATIENCE_S` pass at the end of each `tries` looks at it: no try takes long."""
    looks = -1

    def clock() -> float:
        nonlocal looks
        looks += 1
        return looks // tries * PATIENCE_S

    return clock


def _raise(answer: Answer) -> NoReturn:
    if "timeout" in answer:
        raise NoAnswer("timeout")
    members: dict[str, Any] = {}
    if "reasons" in answer:
        members["CancellationReasons"] = answer["reasons"]
    if answer.get("item") is not None:
        members["Item"] = answer["item"]
    code = answer.get("error", "TransactionCanceledException")
    raise ErrorAnswer(code, 500 if answer.get("server") else 400, members)
