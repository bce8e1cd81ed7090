"""Logging in to the dashboard and out of it; every attempt is kept in the audit."""

from engine.access import attempts, operators, sessions
from engine.access.operators import NOBODY
from engine.access.sessions import Session
from engine.ledger import audit
from engine.ledger.audit import Record
from engine.platform.act import Origin
from engine.platform.errors import LoginRefused
from engine.platform.table import Table
from engine.web import limits


def log_in(
    table: Table, name: str, password: str, origin: Origin, *, now: int, keep_days: int
) -> Session:
    """A new session. `origin` is that of the call; its actor is not known before this.

    A wrong name, a wrong password and a disabled operator answer alike and take as long. Raises
    `LoginRefused`, `TooManyAttempts`, `Busy`.
    """
    name = name.strip().lower()
    where = limits.of_address(origin.address)
    attempts.take(table, attempts.address(where), attempts.ADDRESS, now)
    attempts.take(table, attempts.account(name), attempts.ACCOUNT, now)
    operator = operators.get(table, name) or NOBODY
    good = operators.matches(operator, password)
    if not good or operator.disabled:
        _keep(table, name, "login", LoginRefused.code, origin, now, keep_days)
        raise LoginRefused()
    attempts.succeeded(table, name, where)
    session = sessions.begin(table, operator, origin, now=now)
    _keep(table, name, "login", "", origin, now, keep_days)
    return session


def log_out(
    table: Table, session: Session, origin: Origin, *, everywhere: bool, now: int, keep_days: int
) -> None:
    """Ends this session or, `everywhere`, all sessions of its operator. Raises `Busy`."""
    if everywhere:
        operators.end_sessions(table, session.operator.name)
    sessions.end(table, session)
    action = "logout_everywhere" if everywhere else "logout"
    _keep(table, session.operator.name, action, "", origin, now, keep_days)


def _keep(
    table: Table, name: str, action: str, code: str, origin: Origin, now: int, keep_days: int
) -> None:
    """A record under the operator's name; names that can not be anybody's share one."""
    who = f"operator:{name if operators.is_name(name) else 'unnamed'}"
    named = Origin(who, origin.request_id, origin.address, origin.user_agent, origin.reason)
    audit.keep(table, Record(who, action, not code, code, named, now), keep_days)
