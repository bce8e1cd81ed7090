"""Dashboard sessions: a secret in the browser's cookie, and its hash in the table.

The CSRF token that writes must carry is derived from the cookie's secret, so it needs no storage, and a
page of another origin can neither read the cookie nor compute the token.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from engine.access import operators
from engine.access.operators import Operator
from engine.platform.act import Act
from engine.platform.errors import CsrfRefused, SessionEnded
from engine.platform.ids import digest
from engine.platform.table import Item, Put, Table, Update
from engine.web.http import Call

COOKIE = "__Host-pluct"
"""The prefix makes browsers require Secure and Path=/, and refuse the cookie from other hosts."""

PATH_COOKIE = "__Secure-pluct"
"""Under a base path other services share the host, and must not get the cookie: it has that path, which
the stronger prefix does not allow."""

CSRF_HEADER = "x-csrf-token"
LIFETIME_S = 12 * 3600
SK = "SESSION"
READS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Session:
    """One browser of one operator, until `expires_at` (epoch seconds)."""

    operator: Operator
    secret: str
    expires_at: int

    @property
    def csrf(self) -> str:
        """The value of `X-CSRF-Token` that every write of this session must send."""
        return hmac.new(self.secret.encode(), b"csrf", hashlib.sha256).hexdigest()

    @property
    def actor(self) -> str:
        return self.operator.actor

    @property
    def scopes(self) -> frozenset[str]:
        return self.operator.scopes


def begin(table: Table, operator: Operator, act: Act) -> Session:
    """A new session of `operator`. Raises `OutcomeUnknown`."""
    secret = secrets.token_urlsafe(32)
    item: Item = {
        "pk": _pk(secret),
        "sk": SK,
        "operator": operator.name,
        "generation": operator.generation,
        "ended": False,
        "address": act.address,
        "user_agent": act.user_agent,
        "created_at": act.at,
        "expires_at": act.at + LIFETIME_S,
        "ttl": act.at + LIFETIME_S,
    }
    table.write(Put(item, condition=""))
    return Session(operator, secret, item["expires_at"])


def is_presented(call: Call) -> bool:
    """Whether the call has a session cookie, valid or not."""
    return bool(call.cookies.get(cookie_name(call.base_path)))


def find(call: Call, table: Table) -> Session:
    """The session of the call's cookie; a write must also carry its CSRF token.

    Reads the operator, so a change of role is effective at once. Raises
    `SessionEnded`, `CsrfRefused`, `Busy`.
    """
    secret = call.cookies.get(cookie_name(call.base_path), "")
    item = table.get(_pk(secret), SK) if secret else None
    if item is None or item["ended"] or item["expires_at"] <= call.now:
        raise SessionEnded()
    operator = operators.get(table, item["operator"])
    if operator is None or operator.disabled or operator.generation != item["generation"]:
        raise SessionEnded()
    session = Session(operator, secret, item["expires_at"])
    if call.method not in READS:
        _require_csrf(call, session)
    return session


def ending(session: Session) -> Update:
    """Logs this browser out, if it is not."""
    return Update(
        _pk(session.secret), SK, "SET ended = :true", "ended = :false",
        values={":true": True, ":false": False},
    )  # fmt: skip


def cookie_name(base_path: str) -> str:
    """The name of the session cookie of a gateway that clients reach under `base_path`."""
    return PATH_COOKIE if base_path else COOKIE


def cookie(session: Session, base_path: str = "") -> str:
    """The Set-Cookie header of a new session."""
    return _set_cookie(session.secret, LIFETIME_S, base_path)


def no_cookie(base_path: str = "") -> str:
    """The Set-Cookie header that removes the cookie."""
    return _set_cookie("", 0, base_path)


def _set_cookie(value: str, max_age_s: int, base_path: str) -> str:
    return (
        f"{cookie_name(base_path)}={value}; Max-Age={max_age_s}; Path={base_path or '/'}; "
        "HttpOnly; Secure; SameSite=Strict"
    )


def _require_csrf(call: Call, session: Session) -> None:
    given = call.headers.get(CSRF_HEADER, "")
    if not hmac.compare_digest(given.encode(), session.csrf.encode()):
        raise CsrfRefused()


def _pk(secret: str) -> str:
    return f"SESSION#{digest('session', secret)}"
