"""Connections on which one deadline covers everything: resolution, connect, TLS, request, headers, body.

A socket's own timeout restarts with every byte, so a peer that sends one byte a second is never late. The
sockets here ask the exchange that is going on how much time is left before each operation. They also count
what arrives before the body, which no HTTP library limits as a whole.
"""

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from engine.platform import public_addresses

CONNECT_S = 3.0
"""The longest wait for one address; several addresses share the time that is left."""

HEAD_LIMIT = 64 * 1024
"""Bytes of status lines and headers, interim answers included; a read ahead of 8 KB comes on top."""

_READ_AHEAD = 8 * 1024


class NotSent(Exception):
    """No byte of the request was sent, so the service cannot have it."""

    def __init__(self, kind: str = "not_sent") -> None:
        super().__init__(kind)
        self.kind = kind
        """`timeout`, `not_resolved`, `not_allowed`, `refused`, `broken`, or `not_sent`."""


class Unknown(Exception):
    """The request was sent, and no usable answer came back: the service may have acted on it."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        """`timeout`, `broken`, `too_large`, `not_json`, or `failed` where it answered that it failed."""


class HeadTooLarge(OSError):
    """More than `HEAD_LIMIT` bytes came before the body."""


@dataclass(slots=True)
class Exchange:
    """One request and its answer: when it must be over, where it may go, and how far it is."""

    ends: float
    """A `time.monotonic()`."""
    allows: Callable[[str], bool]
    """Whether an IP address may be called."""
    is_sent: bool = False
    is_head: bool = True
    received: int = 0

    def left_s(self) -> float:
        """Seconds until the deadline. Raises `TimeoutError` once it has passed."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def count(self, size: int) -> None:
        """Records that `size` bytes arrived. Raises `HeadTooLarge`."""
        self.received += size
        if self.is_head and self.received > HEAD_LIMIT + _READ_AHEAD:
            raise HeadTooLarge


current: ContextVar[Exchange] = ContextVar("exchange")
"""The exchange that this thread is in."""


def _in_time(connection: socket.socket) -> Exchange:
    """The current exchange, with what it has left as the timeout of the next operation."""
    exchange = current.get()
    connection.settimeout(exchange.left_s())
    return exchange


class _Socket(socket.socket):
    def recv_into(self, *args: Any, **options: Any) -> int:
        exchange = _in_time(self)
        size = super().recv_into(*args, **options)
        exchange.count(size)
        return size

    def sendall(self, *args: Any, **options: Any) -> None:
        _in_time(self).is_sent = True
        super().sendall(*args, **options)


class _TlsSocket(ssl.SSLSocket):
    def do_handshake(self, block: bool = False) -> None:
        _in_time(self)
        super().do_handshake(block)

    def recv_into(self, *args: Any, **options: Any) -> int:
        exchange = _in_time(self)
        size = super().recv_into(*args, **options)
        exchange.count(size)
        return size

    def send(self, *args: Any, **options: Any) -> int:
        # `sendall` of a TLS socket gives each of its parts the whole timeout.
        _in_time(self).is_sent = True
        return super().send(*args, **options)


class _Connection(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return dial(self._dns_host, self.port)


class _TlsConnection(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return dial(self._dns_host, self.port or 443)


class Pool(HTTPConnectionPool):
    """Connections without TLS to one host."""

    ConnectionCls = _Connection


class TlsPool(HTTPSConnectionPool):
    """Connections with TLS to one host."""

    ConnectionCls = _TlsConnection


def tls_context(certificates: str) -> ssl.SSLContext:
    """Verifies names and certificates against the file `certificates`."""
    context = ssl.create_default_context(cafile=certificates)
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = _TlsSocket
    return context


def dial(host: str, port: int) -> socket.socket:
    """A connection to the first address of `host` that takes one, within the current exchange's time.

    The addresses that were checked are the ones connected to: a name that resolves to something else a
    moment later changes nothing. Raises `NotSent`.
    """
    exchange = current.get()
    found = _resolved(host.strip("[]"), port, exchange)
    if not all(exchange.allows(str(address[0])) for *_, address in found):
        raise NotSent("not_allowed")
    kind = "not_resolved"
    for place, (family, type_, protocol, _, address) in enumerate(found):
        connection = _Socket(family, type_, protocol)
        try:
            share_s = exchange.left_s() / (len(found) - place)
            connection.settimeout(min(CONNECT_S, share_s))
            connection.connect(address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            connection.close()
            kind = "timeout" if isinstance(error, TimeoutError) else "refused"
            continue
        return connection
    raise NotSent(kind)


def _resolved(host: str, port: int, exchange: Exchange) -> list[Any]:
    """What `getaddrinfo` gives. It knows no timeout, so a name is looked up in a thread of its own, which
    is left behind when the time is over. Raises `NotSent`.
    """
    if public_addresses.is_address(host):
        return _look_up(host, port)
    answer: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()
    threading.Thread(target=lambda: answer.put(_look_up(host, port)), daemon=True).start()
    try:
        return answer.get(timeout=exchange.left_s())
    except (queue.Empty, TimeoutError):
        raise NotSent("timeout") from None


def _look_up(host: str, port: int) -> list[Any]:
    """No entry where the name has no address."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
