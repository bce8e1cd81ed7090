"""The callers of operators' and back ends' routes, and their scopes.

A caller presents one of: `X-API-Key` with the engine's key or a generated one, `Authorization: Bearer`
with the admin secret or a generated key, or a dashboard session's cookie. A function accepts only the secrets
whose rings it is given, so it needs no permission for others.

The scope `admin` includes all others.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.access import api_keys, sessions
from engine.access.keyrings import Ring
from engine.platform.errors import ScopeMissing, Unauthorized
from engine.platform.table import Table
from engine.web.http import Call
from engine.web.scopes import ADMIN, ALL, CREDITS_WRITE, USERS_READ


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is the name in ledger and audit: `api-key:<id>`, `admin:<name>`, `operator:<name>`."""

    actor: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    def require(self, scope: str) -> None:
        """Raises `Forbidden` if the caller lacks `scope`."""
        if not self.may(scope):
            raise ScopeMissing(scope)


ENGINE_CALLER = Caller("api-key:engine", frozenset({CREDITS_WRITE, USERS_READ}))
ADMIN_CALLER = Caller("admin:secret", ALL)

RingSource = Callable[[], Ring]
Session = Callable[[Call], Caller | None]
"""The caller of a dashboard session, None without one. Raises `Unauthorized` for an ended session and
`Forbidden` for a write without its CSRF token."""


def no_session(call: Call) -> Caller | None:
    return None


def by_session(table: Table) -> Session:
    """Callers by the dashboard's cookie, with the scopes of their role."""

    def find(call: Call) -> Caller | None:
        if not sessions.is_presented(call):
            return None
        session = sessions.find(call, table)
        return Caller(session.actor, session.scopes)

    return find


class Access:
    """The callers that one function accepts: by its rings, by generated keys, and by `session`."""

    def __init__(
        self,
        table: Table,
        *,
        engine: RingSource | None = None,
        admin: RingSource | None = None,
        session: Session = no_session,
        engine_as_bearer: bool = False,
    ) -> None:
        """`engine_as_bearer` also accepts the engine's key as a bearer, as older clients send it."""
        self._table = table
        self._engine_as_bearer = engine_as_bearer
        self._engine = engine
        self._admin = admin
        self._session = session

    def require(self, call: Call, scope: str) -> Caller:
        """The caller, who has `scope`. Raises `Unauthorized`, `Forbidden`, `Busy`."""
        caller = self.find(call)
        if caller is None:
            raise Unauthorized("not known" if call.bearer else "missing")
        caller.require(scope)
        return caller

    def find(self, call: Call) -> Caller | None:
        """The caller; None if the call presents none of these credentials (a user token is not one).

        Raises `Unauthorized` for an invalid key or session, `Forbidden`, `Busy`.
        """
        if "x-api-key" in call.headers:
            return self._by_api_key(call)
        if call.bearer.startswith(api_keys.PREFIX):
            return self._by_generated(call, call.bearer, "Bearer")
        if call.bearer:
            return self._by_secret(call.bearer)
        return self._session(call)

    def _by_secret(self, shown: str) -> Caller | None:
        if self._admin is not None and self._admin().matches(shown):
            return ADMIN_CALLER
        if self._engine_as_bearer and self._engine is not None and self._engine().matches(shown):
            return ENGINE_CALLER
        return None

    def _by_api_key(self, call: Call) -> Caller:
        shown = call.headers["x-api-key"]
        if self._engine is not None and shown and self._engine().matches(shown):
            return ENGINE_CALLER
        return self._by_generated(call, shown, "ApiKey")

    def _by_generated(self, call: Call, shown: str, scheme: str) -> Caller:
        if not shown:
            raise Unauthorized(scheme=scheme)
        found = api_keys.find(self._table, shown)
        if found is None:
            raise Unauthorized("not known", scheme=scheme)
        if call.now - found.last_used_at > api_keys.USE_NOTED_S:
            self._note_use(found.id, call.now)
        return Caller(f"api-key:{found.id}", found.scopes)

    def _note_use(self, key_id: str, now: int) -> None:
        """In a thread of its own, so that the request does not wait for it."""
        threading.Thread(
            target=api_keys.note_use, args=(self._table, key_id), kwargs={"now": now}, daemon=True
        ).start()
