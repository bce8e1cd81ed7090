"""Who calls a route of operators and back ends, and what that caller may do.

A caller shows one of: `X-API-Key` with the engine's key or a generated one, `Authorization: Bearer` with
the admin's secret or a generated key, or a dashboard session's cookie. A function accepts the secrets
whose rings it was given, so that none needs to reach a secret that its routes do not take.

Scopes: `admin` includes all the others, each of which opens the routes that name it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from engine.access import api_keys, sessions
from engine.access.keyrings import Ring
from engine.platform.errors import Forbidden, Unauthorized
from engine.platform.table import Table
from engine.web.http import Call
from engine.web.scopes import ADMIN, ALL, CREDITS_WRITE, USERS_READ


@dataclass(frozen=True, slots=True)
class Caller:
    """`actor` is what the ledger and the audit keep: `api-key:<id>`, `admin:<name>`, `operator:<name>`."""

    actor: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        return scope in self.scopes or ADMIN in self.scopes

    def require(self, scope: str) -> None:
        """Raises `Forbidden` where the caller lacks `scope`."""
        if not self.may(scope):
            raise Forbidden(details={"scope": scope})


ENGINE_CALLER = Caller("api-key:engine", frozenset({CREDITS_WRITE, USERS_READ}))
ADMIN_CALLER = Caller("admin:secret", ALL)

RingSource = Callable[[], Ring]
Session = Callable[[Call], Caller | None]
"""The caller of a dashboard session, None where the call brings none. It raises `Unauthorized` for a
session that is over and `Forbidden` for a write without its CSRF token."""


def no_session(call: Call) -> Caller | None:
    return None


def by_session(table: Table) -> Session:
    """Callers by the dashboard's cookie; what they may do is their role's."""

    def find(call: Call) -> Caller | None:
        if not sessions.is_presented(call):
            return None
        session = sessions.find(call, table)
        return Caller(session.actor, session.scopes)

    return find


class Access:
    """The callers that one function knows: by its rings, by generated keys, and by `session`."""

    def __init__(
        self,
        table: Table,
        *,
        engine: RingSource | None = None,
        admin: RingSource | None = None,
        session: Session = no_session,
    ) -> None:
        self._table = table
        self._engine = engine
        self._admin = admin
        self._session = session

    def require(self, call: Call, scope: str) -> Caller:
        """The caller, who has `scope`. Raises `Unauthorized`, `Forbidden`, `Busy`."""
        caller = self.find(call)
        if caller is None:
            scheme = "Bearer" if self._admin is not None else "ApiKey"
            raise Unauthorized("not known" if call.bearer else "missing", scheme=scheme)
        caller.require(scope)
        return caller

    def find(self, call: Call) -> Caller | None:
        """The caller, None where the call shows nothing of the kind (a user's token is not).

        Raises `Unauthorized` for a key or session that is not good, `Forbidden`, `Busy`.
        """
        if "x-api-key" in call.headers:
            return self._by_api_key(call)
        if call.bearer.startswith(api_keys.PREFIX):
            return self._by_generated(call, call.bearer, "Bearer")
        if call.bearer:
            known = self._admin is not None and self._admin().matches(call.bearer)
            return ADMIN_CALLER if known else None
        return self._session(call)

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
        """Beside the call, which goes on with its own work: no move of money waits for it."""
        threading.Thread(
            target=api_keys.note_use, args=(self._table, key_id), kwargs={"now": now}, daemon=True
        ).start()
