"""Login and logout of the dashboard; every attempt is recorded in the audit."""

import contextlib
from dataclasses import replace

from engine.access import attempts, operators, sessions
from engine.access.operators import UNKNOWN
from engine.access.sessions import Session
from engine.ledger.audit import Audit, Record
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import LoginRefused
from engine.platform.table import Cancelled
from engine.web import rate_limits


def log_in(audit: Audit, name: str, password: str, act: Act) -> Session:
    """A new session. The actor of `act` is not yet known and is ignored.

    A wrong name, a wrong password and a disabled operator get the same answer in the same time. Raises
    `LoginRefused`, `TooManyAttempts`, `Busy`.
    """
    table, name = audit.table, name.strip().lower()
    where = rate_limits.of_address(act.address)
    attempts.take(table, attempts.address(where), attempts.ADDRESS, act.at)
    attempts.take(table, attempts.account(name), attempts.ACCOUNT, act.at)
    operator = operators.get(table, name) or UNKNOWN
    good = operators.matches(operator, password)
    if not good or operator.disabled:
        _keep(audit, name, "login", LoginRefused.code, act)
        raise LoginRefused()
    attempts.succeeded(table, name, where)
    session = sessions.begin(table, operator, act)
    operators.note_login(table, operator, act.at)
    _keep(audit, name, "login", "", act)
    return session


def log_out(audit: Audit, session: Session, act: Act, *, everywhere: bool) -> None:
    """Ends this session or, `everywhere`, all sessions of its operator, together with the audit record of it.

    Raises `Busy`, `OutcomeUnknown`.
    """
    name = session.operator.name
    ending = operators.sessions_ending(name) if everywhere else sessions.ending(session)
    action = "logout_everywhere" if everywhere else "logout"
    record = audit.write(_record(name, action, "", act))
    with contextlib.suppress(Cancelled):  # It had ended already, in another tab.
        Ledger(audit.table).transact_patiently([ending, record])


def _keep(audit: Audit, name: str, action: str, code: str, act: Act) -> None:
    audit.keep(_record(name, action, code, act))


def _record(name: str, action: str, code: str, act: Act) -> Record:
    """A record under the operator's name; malformed names share one."""
    who = operators.ACTOR + (name if operators.is_name(name) else "unnamed")
    return Record(who, action, not code, code, replace(act, actor=who))
