"""Stands before a function's handler in the local engine and gives it what AWS would have given it.

Copied into every function's package, where it is the handler that the engine calls, so it imports the
standard library only. The engine leaves out of HTTP events the caller's address, the domain and the
cookies, ends a process whose handler raised, and keeps log lines to itself. Nothing else is changed.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, TextIO

WARM_UP = {"pluct-local": "warm-up"}
LOG_PORT_VARIABLE = "PLUCT_LOCAL_LOG_PORT"
# Tells the front an answer of the function from one that the engine made up.
ANSWER_MARK = "x-pluct-local-answer"
_LONGEST_LINE_BYTES = 60_000


class _Tee(io.TextIOBase):
    """Writes on to `stream` and sends each full line to the local run's terminal, if there is one."""

    def __init__(self, stream: TextIO, terminal: socket.socket, name: str) -> None:
        self._stream = stream
        self._terminal = terminal
        self._name = name
        self._rest = ""

    def write(self, text: str) -> int:
        self._stream.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in filter(None, lines):
            self._send(line)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def _send(self, line: str) -> None:
        # A line that the terminal misses is not worth a request.
        with contextlib.suppress(OSError):
            self._terminal.send(
                f"{self._name} {line}".encode(errors="replace")[:_LONGEST_LINE_BYTES]
            )


def _show_output_on_the_terminal() -> None:
    port = os.environ.get(LOG_PORT_VARIABLE)
    if not port:
        return
    terminal = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    terminal.connect(("127.0.0.1", int(port)))
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function")
    sys.stdout = sys.stderr = _Tee(sys.stderr, terminal, name)


def _load_handler() -> Callable[[Any, Any], Any]:
    module, _, function = os.environ["_HANDLER"].rpartition(".")
    handler: Callable[[Any, Any], Any] = getattr(importlib.import_module(module), function)
    return handler


@contextlib.contextmanager
def _exceptions_shown() -> Iterator[None]:
    """Writes an exception where the log lines go, as AWS does, and passes it on to the engine."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        raise


# Under its own name it stands in a function's package; as part of `local` it is only read.
if __name__ == "function_entry":
    _show_output_on_the_terminal()
    with _exceptions_shown():
        _handler = _load_handler()


def lambda_handler(event: Any, context: Any) -> Any:
    """Calls the function's own handler with `event` as AWS would have made it; answers as it answers."""
    if event == WARM_UP:
        return None
    try:
        with _exceptions_shown():
            return _answer_http(event, context) if _is_http(event) else _handler(event, context)
    finally:
        # The engine waits 50 ms for the log lines of a handler that wrote none.
        print(file=sys.__stderr__)


def _is_http(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and event.get("version") == "2.0"
        and "http" in event.get("requestContext", {})
    )


def _answer_http(event: dict[str, Any], context: Any) -> Any:
    """As awslambdaric and API Gateway: an exception is logged, answered by 500, and survived."""
    try:
        answer = _handler(_complete(event), context)
    except Exception:  # noqa: BLE001 - whatever the handler may raise, as the real runtime does
        traceback.print_exc()
        answer = {
            "statusCode": 500,
            "headers": {"content-type": "application/json"},
            "body": '{"message":"Internal Server Error"}',
        }
    if isinstance(answer, dict) and "statusCode" in answer:
        answer["headers"] = {**(answer.get("headers") or {}), ANSWER_MARK: "1"}
    return answer


def _complete(event: dict[str, Any]) -> dict[str, Any]:
    """Fills in the caller's address and the domain, which the front puts into headers, and the cookies."""
    if event.get("pathParameters") is None:
        event.pop("pathParameters", None)
    headers: dict[str, str] = event["headers"]
    request = event["requestContext"]
    if "x-forwarded-for" in headers:
        # API Gateway appends the address that it saw, so the last one is the only one to trust.
        request["http"]["sourceIp"] = headers["x-forwarded-for"].rpartition(",")[2].strip()
    if "host" in headers:
        request["domainName"] = headers["host"]
    if "cookie" in headers:
        event["cookies"] = [cookie.strip() for cookie in headers.pop("cookie").split(";")]
    return event
