"""Who calls an app's route: the user of a token or, where the deployment allows it, of the app's headers.

The released app has no credential. It sends `X-User-Id: mobile-<16 hex>` and `X-Device-Id: device-<the
same 16 hex>`, the start of a SHA-256 over a random 64-bit id of the phone. Whoever knows the id acts as
its user; what that is worth is in docs/security.md. The rules:

- only with the setting `allow_header_identity`;
- only for a call without any other credential: a bad `Authorization` is refused, whatever else is sent;
- only the app's strict form. The two ids that the app uses when it cannot make one are not secret, and are
  refused in every deployment; a local run also takes the longer ids of the app's own test journeys;
- counted by address as well as by user;
- an id that has taken a device token (`engine.credits.users.claim_device`) no longer passes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from engine.access import bearer
from engine.access.keyrings import Ring
from engine.ledger.items import account_pk
from engine.platform.config import Settings
from engine.platform.errors import Unauthorized
from engine.platform.table import Table
from engine.web import rate_limits, scopes
from engine.web.http import Call

HEADER: Final = "header"
"""How a call, an entry and a log line are marked whose user was known by headers alone."""

DEVICE_SK: Final = "DEVICE"
FALLBACKS: Final = frozenset({"error-fallback"})
"""What the app puts behind `mobile-` and `device-` when it cannot compute its id: equal on every phone."""

_STRICT, _IN_TESTS = r"[0-9a-f]{16}", r"[A-Za-z0-9._:-]{6,120}"
_USER, _DEVICE = "mobile-", "device-"


@dataclass(frozen=True, slots=True)
class Person:
    """The user that a call acts for; `actor` is how ledger and audit name them."""

    user: str
    scopes: frozenset[str]
    actor: str


class People:
    """The users that the routes of one function accept."""

    def __init__(self, table: Table, ring: Callable[[], Ring], settings: Settings) -> None:
        self._table = table
        self._ring = ring
        self._settings = settings

    def require(self, call: Call) -> Person:
        """The caller. Raises `Unauthorized`, `RateLimited`, `Busy`."""
        if has_credential(call) or not self._settings.allow_header_identity:
            token = bearer.user(call, self._ring(), self._settings)
            return Person(token.user, token.scopes, f"user:{token.user}")
        user = user_in_headers(call, self._settings)
        limit = self._settings.rate_limit * rate_limits.ADDRESS_FACTOR
        rate_limits.take(self._table, rate_limits.of_address(call.address), HEADER, limit, call.now)
        if self._table.get(account_pk(user), DEVICE_SK) is not None:
            raise Unauthorized("this id has a device token")
        call.identified_by = HEADER
        return Person(user, frozenset({scopes.TRANSCRIBE}), f"{HEADER}:{user}")

    def reader(self, call: Call, vend_ring: Ring) -> str:
        """The user whose jobs the call may read: also that of a vended token. Raises as `require`."""
        if has_credential(call) or not self._settings.allow_header_identity:
            return bearer.job_reader(call, vend_ring, self._ring(), self._settings)
        return self.require(call).user


def has_credential(call: Call) -> bool:
    """Whether the call presents a credential of any kind, good or bad."""
    return "authorization" in call.headers or "x-api-key" in call.headers


def user_in_headers(call: Call, settings: Settings) -> str:
    """The user id in the app's headers. Raises `Unauthorized` where they are missing or malformed."""
    user, device = call.headers.get("x-user-id", ""), call.headers.get("x-device-id", "")
    if not user or not device:
        raise Unauthorized()
    name = user.removeprefix(_USER)
    form = _IN_TESTS if settings.is_local else _STRICT
    if (user, device) != (_USER + name, _DEVICE + name) or name in FALLBACKS:
        raise Unauthorized("not an id of the app")
    if not re.fullmatch(form, name):
        raise Unauthorized("not an id of the app")
    return user
