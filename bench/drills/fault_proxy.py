"""A proxy between the functions and the engine that makes calls fail as on AWS."""

from __future__ import annotations

import contextlib
import http.client
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Fault:
    """An answer in place of the engine's after `after_s` seconds; without a body the call is forwarded."""

    status: int = 200
    body: bytes | None = None
    after_s: float = 0.0


def refusal(status: int, name: str) -> Fault:
    """The answer of AWS for the error `name`."""
    return Fault(status, json.dumps({"__type": name, "message": "drill"}).encode())


Trouble = Callable[[str], Fault | None]
"""For an operation ("DynamoDB.PutItem"): the fault, or None to forward the call."""

_HOP_BY_HOP = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


def none(_operation: str) -> None:
    """Forwards every call."""


class FaultProxy(ThreadingHTTPServer):
    """Forwards calls to the engine at `port` of this machine; `met` counts the faults."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.port = port
        self.trouble: Trouble = none
        self.met: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Logs no closed connections, because a drill ends processes."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @contextlib.contextmanager
    def failing(self, trouble: Trouble) -> Iterator[None]:
        self.trouble = trouble
        try:
            yield
        finally:
            self.trouble = none


@contextlib.contextmanager
def standing(port: int) -> Iterator[FaultProxy]:
    between = FaultProxy(port)
    serving = threading.Thread(target=between.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        yield between
    finally:
        between.shutdown()
        serving.join()
        between.server_close()


class _Exchange(BaseHTTPRequestHandler):
    server: FaultProxy
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Every call of DynamoDB and Parameter Store is a POST that names its operation."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        operation = self.headers.get("X-Amz-Target", "")
        fault = self.server.trouble(operation)
        if fault is not None:
            self.server.met[operation.rpartition(".")[2]] += 1
            time.sleep(fault.after_s)
        try:
            if fault is None or fault.body is None:
                self._pass_on(body)
            else:
                self._answer(fault.status, fault.body, {})
        except OSError:
            # The engine has stopped or the caller has closed the connection.
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""

    def _pass_on(self, body: bytes) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        try:
            headers = {n: v for n, v in self.headers.items() if n.lower() not in _HOP_BY_HOP}
            connection.request("POST", self.path, body, headers)
            answer = connection.getresponse()
            kept = {n: v for n, v in answer.getheaders() if n.lower() not in _HOP_BY_HOP}
            self._answer(answer.status, answer.read(), kept)
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not headers:
            self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
