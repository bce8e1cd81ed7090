"""Prints the log lines of functions, which arrive as one datagram for each line (see `function_entry`)."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable

_BUFFER_BYTES = 4 * 1024 * 1024
# Metrics in CloudWatch's embedded format are not for people.
_METRICS = '{"_aws"'
_ALARMING = re.compile(
    r'"level": ?"(ERROR|CRITICAL)"|Traceback \(most recent|^\S*(Error|Exception)\b|^ {2,}'
)


class FunctionLogs(asyncio.DatagramProtocol):
    """Passes each log line to `show` as "  tokens | <line>"; when quiet, only errors."""

    def __init__(self, show: Callable[[str], None], quiet: bool) -> None:
        self._show = show
        self._quiet = quiet

    def datagram_received(self, data: bytes, addr: object) -> None:
        function, _, line = data.decode(errors="replace").partition(" ")
        if line.startswith(_METRICS) or (self._quiet and not _ALARMING.search(line)):
            return
        self._show(f"  {_short(function)} | {printable(line)}\n")


def printable(text: str) -> str:
    """`text` with control characters escaped, so that a terminal does not interpret them."""
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def log_socket() -> socket.socket:
    """A loopback datagram socket on a free port, with a buffer for bursts."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
    receiver.bind(("127.0.0.1", 0))
    receiver.setblocking(False)
    return receiver


def _short(function: str) -> str:
    """The short name of a function: `tokens` for `pluct-local-TokensFunction-1A2B`."""
    parts = function.split("-")
    return parts[-2].removesuffix("Function").lower() if len(parts) > 2 else function
