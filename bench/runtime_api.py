"""Lambda's Runtime API on loopback, with one process of a function that runs the real `awslambdaric`.

Protocol: "Using the Lambda runtime API" in the Lambda developer guide, version 2018-06-01. CPU and
memory are read from `/proc`, so this runs on Linux only.
"""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

INVOCATION = "/2018-06-01/runtime/invocation/"
RESTORE = "/2018-06-01/runtime/restore/next"
INIT_ERROR = "/2018-06-01/runtime/init/error"
FUNCTION_LIMIT_MS = 29_000
PATIENCE_S = 60.0


class FunctionFailed(RuntimeError):
    """The function stopped or reported that it cannot start; the text is its message."""


@dataclass(frozen=True)
class Usage:
    """The time and memory of a process since it was started."""

    wall_ms: float
    cpu_ms: float
    peak_mb: float


@dataclass(frozen=True)
class Answer:
    """The answer of the function, and the time since it got the event."""

    body: Any
    failed: bool
    wall_ms: float


class Function:
    """One process of a function. `init` is its usage at its first request for an event."""

    def __init__(self, process: subprocess.Popen[bytes], api: _Api, started: float) -> None:
        self._process = process
        self._api = api
        self._started = started
        self.init = self._await_idle()

    def invoke(self, event: Mapping[str, Any]) -> Answer:
        """Invokes the function once. Raises FunctionFailed without an answer."""
        self._await_idle()
        self._api.idle.clear()
        given = time.perf_counter()
        self._api.events.put(json.dumps(event).encode())
        try:
            body, failed, answered = self._api.answers.get(timeout=PATIENCE_S)
        except queue.Empty:
            raise FunctionFailed("no answer") from None
        return Answer(json.loads(body), failed, (answered - given) * 1000)

    def usage(self) -> Usage:
        """The usage when the process waits for the next event."""
        return self._await_idle()

    def _await_idle(self) -> Usage:
        deadline = time.monotonic() + PATIENCE_S
        while not self._api.idle.wait(0.05):
            if self._api.init_error is not None:
                raise FunctionFailed(self._api.init_error.decode(errors="replace"))
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise FunctionFailed("the process ended or hangs")
        wall_ms = (self._api.idle_since - self._started) * 1000
        pid = self._process.pid
        return Usage(wall_ms, _cpu_ms(pid), peak_mb(Path(f"/proc/{pid}/status").read_text()))


@contextlib.contextmanager
def running(
    command: Sequence[str],
    env: Mapping[str, str],
    cwd: Path,
    asleep: Callable[[], None] | None = None,
) -> Iterator[Function]:
    """Starts `command` with the environment `env`; yields it once it waits for an event.

    With `asleep` it starts as for a snapshot: `asleep` is called while the process waits to be restored.
    Raises FunctionFailed when it stops before.
    """
    api = _Api(asleep)
    if asleep is not None:
        env = {**env, "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}
    serving = threading.Thread(target=api.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    started = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**env, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield Function(process, api, started)
    finally:
        process.kill()
        process.wait()
        api.events.put(None)
        api.shutdown()
        serving.join()
        api.server_close()


class _Api(ThreadingHTTPServer):
    """The server side of the protocol, one event at a time."""

    daemon_threads = True

    def __init__(self, asleep: Callable[[], None] | None) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.asleep = asleep
        self.events: queue.Queue[bytes | None] = queue.Queue()
        self.answers: queue.Queue[tuple[bytes, bool, float]] = queue.Queue()
        self.idle = threading.Event()
        self.idle_since = 0.0
        self.init_error: bytes | None = None


class _Exchange(BaseHTTPRequestHandler):
    server: _Api
    protocol_version = "HTTP/1.1"
    # The answer is sent at once in one packet, so that only the function is measured.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """`invocation/next`: waits for an event. `restore/next`: the snapshot is taken, and restored."""
        if self.path == RESTORE and self.server.asleep is not None:
            self.server.asleep()
            self._answer(200, b"{}", {})
            return
        self.server.idle_since = time.perf_counter()
        self.server.idle.set()
        event = self.server.events.get()
        if event is None:
            self.close_connection = True
            return
        deadline_ms = time.time_ns() // 1_000_000 + FUNCTION_LIMIT_MS
        self._answer(
            200,
            event,
            {
                "Lambda-Runtime-Aws-Request-Id": str(uuid4()),
                "Lambda-Runtime-Deadline-Ms": str(deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:bench",
            },
        )

    def do_POST(self) -> None:
        """`invocation/<id>/response`, `invocation/<id>/error` or `init/error`."""
        answered = time.perf_counter()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == INIT_ERROR:
            self.server.init_error = body
        elif self.path.startswith(INVOCATION):
            self.server.answers.put((body, self.path.endswith("/error"), answered))
        self._answer(202, b'{"status":"OK"}', {})

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _cpu_ms(pid: int) -> float:
    """CPU time of all threads, from `schedstat`, which is in nanoseconds; `stat` is in ticks."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


def peak_mb(status: str) -> float:
    """The peak memory of a process, from its `/proc/<pid>/status`."""
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
