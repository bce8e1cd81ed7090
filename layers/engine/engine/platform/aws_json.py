"""A client of the services of AWS that speak JSON: DynamoDB and Parameter Store.

It does what botocore's standard mode does with a quarter of the CPU; `tests/test_aws_json.py` compares them.
Failure policy: `Limits` bound connecting, and request and answer together, of each attempt. An attempt
without an answer, a 5xx, a throttled one and a wrong checksum are repeated after a wait with full jitter, as
long as the quota lasts; at once where AWS refused the time, or credentials that had run out.
"""

import base64
import contextlib
import email.utils
import io
import json
import os
import random
import select
import socket
import ssl
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from engine.platform import http_answers, snapshots
from engine.platform.signing import Credentials, NoCredentials, Role, Signer

ROOTS = Path(__file__).parents[2] / "amazon_roots.pem"
"""Written when the layer is built: reading all of certifi's takes three times as long."""
POOLED = 10
"""Connections of a client."""
QUOTA, COST, THROTTLED_COST = 500, 14, 5
THROTTLED_S, LONGEST_PAUSE_S, LONGER_S, SKEW_S = 1.0, 20.0, 5.0, 60.0
SERVICES = {
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0", 0.025),
    "ssm": ("AmazonSSM", "application/x-amz-json-1.1", 0.05),
}
"""Target, content type and first pause in seconds."""
_THROTTLED = {
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
}  # fmt: skip
_TRANSIENT = ("RequestTimeout", "RequestTimeoutException", "ReplicatedWriteConflictException")
_EXPIRED = ("ExpiredToken", "ExpiredTokenException")
_SKEWED = ("InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one call; seconds are those of one attempt."""

    attempts: int
    connect_s: float = 1.0
    read_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Answer:
    """As it came; names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class AwsError(Exception):
    """A call without a result. `cost` is what a repetition takes of the quota, 0 where there is none."""

    cost = 0
    is_unknown = True
    """Whether the call may have taken effect, by any of its attempts."""


class NoAnswer(AwsError):
    """There was no usable answer."""

    def __init__(self, kind: str, *, cost: int = COST, is_unknown: bool = True) -> None:
        super().__init__(kind)
        self.cost, self.is_unknown = cost, is_unknown


class ErrorAnswer(AwsError):
    """AWS answered with an error; `members` are those of its body."""

    def __init__(
        self, code: str, status: int = 400, members: Mapping[str, Any] | None = None
    ) -> None:
        self.code, self.status, self.members = code, status, members or {}
        super().__init__(code, status, self.members.get("message", self.members.get("Message", "")))
        self.is_unknown = status >= 500
        if code in _THROTTLED or status == 429:
            self.cost = THROTTLED_COST
        elif code in _TRANSIENT or status in (500, 502, 503, 504):
            self.cost = COST


class Client:
    """Operations of one service under botocore's names: `client.get_item(TableName=...)`.

    They return the members of the answer and raise `ErrorAnswer` or `NoAnswer`. Region, endpoint and
    credentials are those of the environment unless they are given.
    """

    sleep = staticmethod(time.sleep)

    def __init__(
        self,
        service: str,
        limits: Limits,
        *,
        endpoint: str = "",
        region: str = "",
        credentials: Callable[[], Credentials] | None = None,
    ) -> None:
        own, environ = f"AWS_ENDPOINT_URL_{service.upper()}", os.environ
        region = region or environ.get("AWS_REGION") or environ["AWS_DEFAULT_REGION"]
        usual = f"https://{service}.{region}.amazonaws.com" + ".cn" * region.startswith("cn-")
        self.service, self.limits = service, limits
        self.endpoint = endpoint or environ.get(own) or environ.get("AWS_ENDPOINT_URL") or usual
        self._url, self._signer = urlsplit(self.endpoint), Signer(service, region)
        self._credentials, self._skew_s = credentials or Role(), 0.0
        self._idle: list[socket.socket] = []
        self._places = threading.BoundedSemaphore(POOLED)
        self._quota, self._lock = QUOTA, threading.Lock()
        weakref.finalize(self, _close, self._idle)
        snapshots.renews(self, Client.close)

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self.call, _operation(name))

    def close(self) -> None:
        """Closes the connections that wait; calls open new ones."""
        _close(self._idle)

    def call(self, operation: str, /, **request: Any) -> dict[str, Any]:
        """The members of the answer. Raises `ErrorAnswer`, `NoAnswer`."""
        if operation == "TransactWriteItems":
            request.setdefault("ClientRequestToken", str(uuid4()))
        cost, is_unknown, attempt = 1, False, 0
        while True:
            attempt, answer = attempt + 1, None
            try:
                answer = self.exchange(operation, request)
                members = _members(answer)
            except AwsError as error:
                is_unknown = error.is_unknown = is_unknown or error.is_unknown
                is_renewed = isinstance(error, ErrorAnswer) and self._renews(error.code, answer)
                cost = COST if is_renewed else error.cost
                if attempt >= self.limits.attempts or not cost or not self._takes(cost):
                    raise
                if not is_renewed:
                    self.sleep(self._pause_s(attempt, cost == THROTTLED_COST, answer))
            else:
                self._takes(-cost)
                return members

    def exchange(self, operation: str, request: dict[str, Any]) -> Answer:
        """One attempt. This is what meters and tests wrap to see or change requests and answers."""
        target, content, _ = SERVICES[self.service]
        host, body = self._url.netloc.rpartition("@")[2], _encode(request).encode()
        headers = {"content-type": content, "host": host, "x-amz-target": f"{target}.{operation}"}
        try:
            credentials = self._credentials()
        except NoCredentials as error:
            raise NoAnswer("credentials", cost=0, is_unknown=False) from error
        headers = self._signer.signed(credentials, headers, body, time.time() + self._skew_s)
        headers |= {
            "accept-encoding": "identity",
            "content-length": str(len(body)),
            "user-agent": "pluct",
        }
        if trace := os.environ.get("_X_AMZN_TRACE_ID"):
            headers["x-amzn-trace-id"] = trace
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        with self._places:
            return self._sent(f"POST / HTTP/1.1\r\n{head}\r\n".encode() + body)

    def _sent(self, request: bytes) -> Answer:
        connection = self._connection()
        try:
            wire = _Wire(connection, time.monotonic() + self.limits.read_s)
            wire.send(request)
            status, headers, body, is_kept = http_answers.read(io.BufferedReader(wire))
        except (OSError, ValueError) as error:
            connection.close()
            raise NoAnswer("timeout" if isinstance(error, TimeoutError) else "broken") from error
        if is_kept:
            self._idle.append(connection)
        else:
            connection.close()
        return Answer(status, headers, body)

    def _connection(self) -> socket.socket:
        with contextlib.suppress(IndexError):
            while True:
                connection = self._idle.pop()
                if not _is_over(connection):
                    return connection
                connection.close()
        host, is_tls = self._url.hostname or "", self._url.scheme == "https"
        try:
            address = (host, self._url.port or (443 if is_tls else 80))
            connection = socket.create_connection(address, self.limits.connect_s)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return _tls().wrap_socket(connection, server_hostname=host) if is_tls else connection
        except OSError as error:
            raise NoAnswer(f"{self._url.netloc} is unreachable", is_unknown=False) from error

    def _takes(self, cost: int) -> bool:
        """Whether the quota of repetitions has `cost` left, which is taken; below 0, it is given back."""
        with self._lock:
            has_it = cost <= self._quota
            self._quota = min(QUOTA, self._quota - cost) if has_it else self._quota
            return has_it

    def _renews(self, code: str, answer: Answer | None) -> bool:
        """Whether what AWS refused is another one now: credentials that ran out, or a wrong clock."""
        if code in _EXPIRED and isinstance(self._credentials, Role):
            return self._credentials.forget()
        if code not in _SKEWED or answer is None:
            return False
        try:
            said = email.utils.parsedate_to_datetime(answer.headers["date"]).timestamp()
        except (KeyError, ValueError, OverflowError):
            return False
        was_s, self._skew_s = self._skew_s, said - time.time()
        return abs(self._skew_s - was_s) > SKEW_S

    def _pause_s(self, attempt: int, is_throttled: bool, answer: Answer | None) -> float:
        first_s = THROTTLED_S if is_throttled else SERVICES[self.service][2]
        pause_s: float = random.random() * min(first_s * 2 ** (attempt - 1), LONGEST_PAUSE_S)
        asked = answer.headers.get("x-amz-retry-after", "") if answer else ""
        asked_s = int(asked) / 1000 if asked.isdecimal() and len(asked) < 9 else 0.0
        return max(pause_s, min(asked_s, pause_s + LONGER_S))


class _Wire(io.RawIOBase):
    """A socket for one exchange, every step of which has what is left of its time."""

    def __init__(self, connection: socket.socket, ends_at: float) -> None:
        self._connection, self._ends_at = connection, ends_at
        self._left = http_answers.LARGEST

    def readable(self) -> bool:
        return True

    def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[self._in_time().send(rest) :]

    def readinto(self, buffer: Any, /) -> int:
        size = self._in_time().recv_into(buffer)
        self._left -= size
        if self._left < 0:
            raise OSError("too large")
        return size

    def _in_time(self) -> socket.socket:
        left_s = self._ends_at - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection


@cache
def _operation(name: str) -> str:
    """`GetItem` of `get_item`."""
    return "".join(part.capitalize() for part in name.split("_"))


def _members(answer: Answer) -> dict[str, Any]:
    """Those of an answer without error. Raises `ErrorAnswer`, `NoAnswer`."""
    checksum = answer.headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(zlib.crc32(answer.body)):
        raise NoAnswer("checksum")
    try:
        hook = _decoded if b'"B"' in answer.body else None
        members = json.loads(answer.body or b"{}", object_hook=hook)
    except (ValueError, RecursionError):
        members = None
    if answer.status < 300:
        if not isinstance(members, dict):
            raise NoAnswer("broken", cost=0)
        return members
    members = members if isinstance(members, dict) else {}
    code = str(members.get("__type", answer.status)).partition(":")[0].rpartition("#")[2]
    raise ErrorAnswer(code, answer.status, members)


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise TypeError(f"{type(value).__name__} cannot be sent")
    return base64.b64encode(value).decode()


_encode = json.JSONEncoder(separators=(",", ":"), default=_text).encode


def _decoded(members: dict[str, Any]) -> dict[str, Any]:
    """A binary value with its bytes."""
    is_binary = len(members) == 1 and isinstance(members.get("B"), str)
    return {"B": base64.b64decode(members["B"])} if is_binary else members


def _is_over(connection: socket.socket) -> bool:
    """Whether the server has closed a connection on which nothing is asked."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


def _close(connections: list[socket.socket]) -> None:
    while connections:
        connections.pop().close()


@cache
def _tls() -> ssl.SSLContext:
    given = os.environ.get("AWS_CA_BUNDLE")
    return ssl.create_default_context(cafile=given or (ROOTS if ROOTS.exists() else _all_roots()))


def _all_roots() -> str:
    import certifi  # A deployed function has `ROOTS`.

    return certifi.where()
