"""The handler that the local engine calls; it completes each event as AWS does and calls the function's own.

This file is copied into every function's package, so it imports only the standard library. The engine
omits the caller's address, the domain and the cookies from HTTP events, ends a process whose handler
raises, and does not show log lines. Nothing else is changed.
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
# Marks an answer of the function, so that the front can tell it from one of the engine.
ANSWER_MARK = "x-pluct-local-answer"
# The last line of an invocation's log; the engine waits for it, as no handler writes this control character.
END_OF_LOG = "\x1epluct-local-end"
_LONGEST_LINE_BYTES = 60_000


class _Tee(io.TextIOBase):
    """Writes to `stream` and sends each complete line to the terminal of the local run."""

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
        # A lost log line must not fail the request.
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
    """Writes the traceback of an exception to the log, as AWS does, and raises it again."""
    try:
        yield
    except BaseException:
        traceback.print_exc()
        raise


# Runs in a function's package only, where the module has this name; `local` imports it for its constants.
if __name__ == "function_entry":
    _show_output_on_the_terminal()
    with _exceptions_shown():
        _handler = _load_handler()


def lambda_handler(event: Any, context: Any) -> Any:
    """Calls the function's handler with `event` as AWS would deliver it; returns its answer."""
    if event == WARM_UP:
        return None
    try:
        with _exceptions_shown():
            return _answer_http(event, context) if _is_http(event) else _handler(event, context)
    finally:
        print(END_OF_LOG, file=sys.__stderr__, flush=True)


def _is_http(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and event.get("version") == "2.0"
        and "http" in event.get("requestContext", {})
    )


def _answer_http(event: dict[str, Any], context: Any) -> Any:
    """As awslambdaric and API Gateway do: an exception is logged and answered by 500; the process stays."""
    try:
        answer = _handler(_complete(event), context)
    except Exception:  # noqa: BLE001 - the real runtime catches everything too
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
    """Adds the caller's address and the domain, which the front sends as headers, and the cookies."""
    if event.get("pathParameters") is None:
        event.pop("pathParameters", None)
    headers: dict[str, str] = event["headers"]
    request = event["requestContext"]
    if "x-forwarded-for" in headers:
        # API Gateway appends the address of the caller, so only the last one can be trusted.
        request["http"]["sourceIp"] = headers["x-forwarded-for"].rpartition(",")[2].strip()
    if "host" in headers:
        request["domainName"] = headers["host"]
    if "cookie" in headers:
        event["cookies"] = [cookie.strip() for cookie in headers.pop("cookie").split(";")]
    return event
