"""The local engine waits neither for a silent log nor for each record of a stream; uvicorn serves it."""

import base64
import io
import queue
import socket
import threading
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from local import engine_main
from local.engine import Engine, aws_client, running_engine
from local.function_entry import END_OF_LOG

LONG_S = 20.0


class Worker:
    """The log of a function's process, as the engine's `Worker` has it."""

    def __init__(self, *lines: str) -> None:
        self._stderr_queue: queue.Queue[str] = queue.Queue()
        for line in lines:
            self._stderr_queue.put(line)

    def _drain_stderr(self) -> str:
        left = []
        while not self._stderr_queue.empty():
            left.append(self._stderr_queue.get())
        return "\n".join(left)


drained = engine_main._log_until(END_OF_LOG)


def test_a_log_ends_at_its_mark_without_a_wait() -> None:
    worker, started = Worker("one", "two", END_OF_LOG), time.monotonic()
    assert drained(worker, LONG_S, LONG_S, LONG_S) == "one\ntwo"
    assert time.monotonic() - started < LONG_S


def test_a_line_that_comes_late_is_waited_for() -> None:
    worker = Worker("one")
    late = threading.Timer(0.05, lambda: [worker._stderr_queue.put(x) for x in ("two", END_OF_LOG)])
    late.start()
    assert drained(worker, LONG_S, LONG_S, LONG_S) == "one\ntwo"
    late.join()


def test_a_log_without_a_mark_ends_when_it_is_silent() -> None:
    assert drained(Worker("one", "two"), LONG_S, 0.01, LONG_S) == "one\ntwo"
    assert drained(Worker(), 0.01, LONG_S, LONG_S) == ""
    assert drained(Worker("one"), LONG_S, LONG_S, 0.01) == "one"


def test_the_rest_of_a_log_that_was_cut_off_does_not_shift_the_logs_after_it() -> None:
    worker = Worker("late line of the call before", END_OF_LOG, "one", END_OF_LOG)
    assert drained(worker, LONG_S, LONG_S, LONG_S) == "late line of the call before\none"
    assert worker._stderr_queue.empty()


class Stream:
    """What the engine reads streams with: `records` are left, `polls` is how often it looked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, records: int) -> None:
        self.records, self.polls, self.now = records, 0, 100.0
        self.due: list[float] = []
        self.woken = threading.Event()
        monkeypatch.setattr(engine_main.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(engine_main, "_later", self._later)
        self.poll, self._since = engine_main._in_batches(self._poll, self._read, self.woken)

    def _read(self, _table: str, _position: int, limit: int) -> list[int]:
        return list(range(min(self.records, limit)))

    def _poll(self) -> bool:
        self.polls += 1
        taken = self._since("t", 0, 3)
        self.records -= len(taken)
        return bool(taken)

    def _later(self, seconds: float, act: Any) -> None:
        self.due.append(self.now + seconds)
        act()


def test_a_stream_is_looked_at_once_in_a_while_and_again_when_it_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Stream(monkeypatch, records=1)
    assert stream.poll() is True
    stream.records = 1
    assert stream.poll() is False
    assert stream.polls == 1
    assert stream.due == [stream.now + engine_main.STREAM_EVERY_S]
    assert stream.woken.is_set()
    stream.now += engine_main.STREAM_EVERY_S
    assert stream.poll() is True
    assert stream.records == 0


def test_a_full_batch_is_followed_by_the_next_one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(monkeypatch, records=7)
    assert [stream.poll() for _ in range(4)] == [True, True, True, False]
    assert stream.polls == 3


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with running_engine() as started:
        yield started


@pytest.fixture(scope="module")
def lambdas(engine: Engine) -> Any:
    return aws_client("lambda", engine.endpoint)


@pytest.mark.enable_socket
def test_the_real_engine_is_served_by_uvicorn(engine: Engine) -> None:
    """Its own server answers a request that is not HTTP without a text."""
    port = int(engine.endpoint.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"not HTTP\r\n\r\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"Invalid HTTP request received.")


CODE = """
import sys
def handler(event, context):
    print("said before")
    print({mark!r}, file=sys.__stderr__, flush=True)
    return {{"answer": event["n"]}}
"""


@pytest.mark.enable_socket
def test_the_real_engine_ends_a_log_at_the_mark(lambdas: Any) -> None:
    """Whichever names the engine gives its parts: the log has the line before the mark, and not the mark."""
    packed = zipped(CODE.format(mark=END_OF_LOG))
    lambdas.create_function(
        FunctionName="marked", Runtime="python3.13", Handler="app.handler", Code={"ZipFile": packed},
        Role="arn:aws:iam::000000000000:role/any",
    )  # fmt: skip
    lambdas.get_waiter("function_active_v2").wait(FunctionName="marked")
    answer = lambdas.invoke(FunctionName="marked", Payload=b'{"n": 1}', LogType="Tail")
    assert answer["Payload"].read() == b'{"answer": 1}'
    log = base64.b64decode(answer["LogResult"]).decode()
    assert "said before" in log
    assert END_OF_LOG not in log


def zipped(source: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", source)
    return packed.getvalue()
