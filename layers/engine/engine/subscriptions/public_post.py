"""One POST to a public address: protection against server-side request forgery.

https alone; every address that the name resolves to must be public, and the connection goes to the
address that was checked, under the name's certificate, so a second resolution changes nothing. No redirect
is followed, and only the status of the answer is used. Limits: 3 s to connect, 5 s to read. A local
deployment may also call loopback, by http too.
"""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import certifi
import urllib3
from urllib3.exceptions import HTTPError

from engine.platform import public_addresses

LIMITS = urllib3.Timeout(connect=3, read=5)
Resolve = Callable[[str, int], list[str]]


class NotAllowed(Exception):
    """The address must not be called; the text says why."""


class NotDelivered(Exception):
    """No answer came; the text is a word for the log."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a message goes: the checked `address`, and the name that it was found by."""

    address: str
    host: str
    port: int
    path: str
    is_tls: bool

    @property
    def host_header(self) -> str:
        usual = 443 if self.is_tls else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == usual else f"{host}:{self.port}"


def resolve(host: str, port: int) -> list[str]:
    """All addresses of `host`. Raises `NotDelivered`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotDelivered("not_resolved") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def target(url: str, *, is_local: bool, resolver: Resolve = resolve) -> Target:
    """The checked target of `url`. Raises `NotAllowed`, `NotDelivered`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise NotAllowed("no address") from None
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise NotAllowed("no address")
    is_tls = parts.scheme == "https"
    if not is_tls and not (is_local and parts.scheme == "http"):
        raise NotAllowed("not https")
    port = port or (443 if is_tls else 80)
    addresses = resolver(parts.hostname, port)
    if not addresses or not all(_allowed(address, is_local, is_tls) for address in addresses):
        raise NotAllowed("not a public address")
    path = parts.path or "/"
    return Target(
        addresses[0], parts.hostname, port, f"{path}?{parts.query}" if parts.query else path, is_tls
    )


@dataclass(frozen=True, slots=True)
class Answered:
    """What is used of an answer."""

    status: int
    retry_after: str | None


def post(to: Target, body: bytes, headers: Mapping[str, str]) -> Answered:
    """The answer. Raises `NotDelivered`."""
    pool = _pool(to)
    try:
        answer = pool.request(
            "POST",
            to.path,
            body=body,
            headers={"Host": to.host_header, "Content-Type": "application/json", **headers},
            redirect=False,
            preload_content=False,
        )
        answered = Answered(answer.status, answer.headers.get("Retry-After"))
        answer.close()
    except HTTPError as error:
        raise NotDelivered(type(error).__name__) from error
    finally:
        pool.close()
    return answered


def _pool(to: Target) -> urllib3.HTTPConnectionPool:
    limits: dict[str, Any] = {"timeout": LIMITS, "retries": False, "maxsize": 1}
    if not to.is_tls:
        return urllib3.HTTPConnectionPool(to.address, to.port, **limits)
    return urllib3.HTTPSConnectionPool(
        to.address,
        to.port,
        cert_reqs="CERT_REQUIRED",
        ca_certs=certifi.where(),
        server_hostname=to.host,
        assert_hostname=to.host,
        **limits,
    )


def _allowed(text: str, is_local: bool, is_tls: bool) -> bool:
    address = public_addresses.read(text)
    if address is not None and address.is_loopback:
        return is_local
    return is_tls and public_addresses.is_public(text)
