"""Calls to services outside: one deadline and one size limit for each exchange, and two errors.

The deadline covers resolution, connection, TLS, request, headers and body; the size limit is on the
body after it is decompressed, checked while it comes in. One attempt a call, no redirect followed and
none of its body read, no proxy, credential or cookie of the surroundings. Only gzip and deflate are
unpacked.

Whatever the peer sends, the only errors are `NotSent` (the service cannot have the request) and
`Unknown` (it may).
"""

import json
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from typing import Any

import certifi
from urllib3 import BaseHTTPResponse, PoolManager
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as PoolTimeoutError

from engine.platform import dialing, snapshots
from engine.platform.dialing import Exchange, NotSent, Unknown

__all__ = [
    "Answer",
    "Client",
    "Limits",
    "NotSent",
    "Request",
    "Response",
    "Unknown",
    "json_request",
]

CHUNK = 64 * 1024
POOLED = 10
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})


@dataclass(frozen=True, slots=True)
class Request:
    """`url` must be one that we made: its host is called."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one exchange: seconds in all, and bytes of the decompressed body."""

    seconds: float
    size: int


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer with its whole body; empty where it redirects."""

    status: int
    raw: bytes
    retry_after: str | None

    @property
    def wait_s(self) -> int:
        """`Retry-After` in seconds, between 1 and 60; 5 if it is absent or has another form."""
        text = self.retry_after or ""
        is_number = text.isascii() and text.isdigit() and len(text) < 7
        return min(60, max(1, int(text))) if is_number else 5


class Response:
    """An answer whose headers are there and whose body can be read."""

    def __init__(self, raw: BaseHTTPResponse, exchange: Exchange, size: int) -> None:
        self._raw = raw
        self._exchange = exchange
        self._size = size

    @property
    def status(self) -> int:
        return self._raw.status

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status < 400

    def header(self, name: str) -> str | None:
        """The value as ISO 8859-1, which no byte can fail."""
        return self._raw.headers.get(name)

    def read(self) -> bytes:
        """The whole body. Raises `Unknown`."""
        with _errors_of(self._exchange):
            if self._raw.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
                raise Unknown("broken")
            body = bytearray()
            while chunk := self._next():
                body += chunk
                if len(body) > self._size:
                    raise Unknown("too_large")
            return bytes(body)

    def _next(self) -> bytes:
        # Bytes that wait in a buffer reach no socket: the time is checked here as well.
        self._exchange.left_s()
        # One byte more than may be kept, so that a small body that unpacks to gigabytes is not unpacked.
        return self._raw.read1(min(CHUNK, self._size + 1), decode_content=True)


def anywhere(address: str) -> bool:
    """Every address is allowed: for origins that the deployment names."""
    return True


class Client:
    """Calls, with connections that are used again. `allows` says which IP addresses may be called."""

    def __init__(
        self, *, allows: Callable[[str], bool] = anywhere, is_tls_only: bool = False
    ) -> None:
        self._allows = allows
        self._is_tls_only = is_tls_only
        snapshots.renews(self, Client.close)

    def close(self) -> None:
        """Closes the connections that wait to be used again; calls open new ones."""
        for name in ("_tls_pools", "_plain_pools"):
            if name in self.__dict__:
                self.__dict__[name].clear()

    def send(self, request: Request, limits: Limits) -> Answer:
        """The answer with its body. Raises `NotSent`, `Unknown`."""
        with self.open(request, limits) as response:
            raw = b"" if response.is_redirect else response.read()
            return Answer(response.status, raw, response.header("Retry-After"))

    @contextmanager
    def open(self, request: Request, limits: Limits) -> Iterator[Response]:
        """The answer once its headers are there; a body that was not read whole is dropped with its
        connection.

        Raises `NotSent`, `Unknown`.
        """
        is_tls = request.url.startswith("https://")
        if self._is_tls_only and not is_tls:
            raise NotSent("not_allowed")
        # Reading the certificates takes milliseconds once, and belongs to no exchange.
        pools = self._tls_pools if is_tls else self._plain_pools
        exchange = Exchange(time.monotonic() + limits.seconds, self._allows)
        token = dialing.current.set(exchange)
        raw = None
        try:
            with _errors_of(exchange):
                raw = pools.urlopen(
                    request.method,
                    request.url,
                    headers={"Accept-Encoding": "gzip, deflate", **request.headers},
                    body=request.body,
                    redirect=False,
                    retries=False,
                    preload_content=False,
                )
            exchange.is_head = False
            yield Response(raw, exchange, limits.size)
        finally:
            if raw is not None:
                # A body that was read whole has returned its connection by now; any other is cut off here.
                raw.close()
                raw.release_conn()
            dialing.current.reset(token)

    @cached_property
    def _tls_pools(self) -> PoolManager:
        pools = PoolManager(maxsize=POOLED, ssl_context=dialing.tls_context(certifi.where()))
        pools.pool_classes_by_scheme = {"https": dialing.TlsPool}
        return pools

    @cached_property
    def _plain_pools(self) -> PoolManager:
        pools = PoolManager(maxsize=POOLED)
        pools.pool_classes_by_scheme = {"http": dialing.Pool}
        return pools


def json_request(method: str, url: str, headers: Mapping[str, str], body: Any = None) -> Request:
    """A request that wants JSON, and carries it unless `body` is None."""
    wanted = {"Accept": "application/json", **headers}
    if body is None:
        return Request(method, url, wanted)
    raw = json.dumps(body, allow_nan=False).encode()
    return Request(method, url, {"Content-Type": "application/json", **wanted}, raw)


@contextmanager
def _errors_of(exchange: Exchange) -> Iterator[None]:
    """Turns whatever goes wrong on a connection into `NotSent` or `Unknown`."""
    try:
        yield
    except (HTTPError, HTTPException, OSError, ValueError, zlib.error) as error:
        kind = _kind(error)
        raise (Unknown(kind) if exchange.is_sent else NotSent(kind)) from error


def _kind(error: Exception) -> str:
    # urllib3 keeps what it wraps as the last argument of its own error.
    wrapped = error.args[-1] if error.args else None
    for one in (error, wrapped):
        if isinstance(one, (TimeoutError, PoolTimeoutError)):
            return "timeout"
        if isinstance(one, dialing.HeadTooLarge):
            return "too_large"
    return "broken"
