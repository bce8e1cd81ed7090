"""The operator's own system, which receives notices: where it may be, and one POST to it.

The receiver is called over https alone, at public addresses alone: protection against server-side request
forgery. All addresses of its name must be public, and are tried in turn. `engine.platform.outgoing` holds
the exchange to one deadline and follows no redirect; only status and `Retry-After` of the answer are used. A
local deployment may also call loopback, by http too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.access.keyrings import Ring
from engine.platform import public_addresses
from engine.platform.outgoing import Client, Limits, NotSent, Request, Unknown

LIMITS = Limits(seconds=10.0, size=0)


class NotAllowed(Exception):
    """The address must not be called; the text says why."""


class NotDelivered(Exception):
    """No answer came; the text is a word for the log."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What is used of an answer."""

    status: int
    retry_after: str | None


class Receiver:
    """The receiver at `url`; `ring` signs what is sent to it."""

    def __init__(self, url: str, ring: Ring, *, is_local: bool) -> None:
        self.ring = ring
        self._url = url
        self._is_local = is_local
        allows = public_addresses.is_public
        if is_local:
            allows = _is_local_or_public if url.startswith("https:") else _is_local
        self._client = Client(allows=allows, is_tls_only=not is_local)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Answered:
        """The answer to `body`. Raises `NotAllowed`, `NotDelivered`."""
        self._check()
        sent = {"Content-Type": "application/json", **headers}
        try:
            with self._client.open(Request("POST", self._url, sent, body), LIMITS) as answer:
                return Answered(answer.status, answer.header("Retry-After"))
        except (NotSent, Unknown) as lost:
            if lost.kind == "not_allowed":
                raise NotAllowed("not a public address") from None
            raise NotDelivered(lost.kind) from None

    def _check(self) -> None:
        """Raises `NotAllowed` if the URL is none that may be called."""
        try:
            parts = urlsplit(self._url)
            is_complete = bool(parts.hostname) and parts.port != 0
        except ValueError:
            raise NotAllowed("no address") from None
        if not is_complete or parts.username is not None or parts.password is not None:
            raise NotAllowed("no address")
        if parts.scheme != "https" and not (self._is_local and parts.scheme == "http"):
            raise NotAllowed("not https")


def _is_local(text: str) -> bool:
    """Whether a local deployment may call the address by http."""
    address = public_addresses.read(text)
    return address is not None and address.is_loopback


def _is_local_or_public(text: str) -> bool:
    """Whether a local deployment may call the address by https."""
    return _is_local(text) or public_addresses.is_public(text)
