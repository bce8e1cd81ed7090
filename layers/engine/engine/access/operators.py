"""Named operators of the dashboard: their roles and the hashes of their passwords.

Passwords are generated here, shown once and stored as scrypt hashes with their cost parameters, so the
cost can be raised without new passwords. Every act is written together with its audit record.

`open_shard` and `expires_at` (when it was created) list an operator in the index of open holds; one that an
earlier version created is listed from the next log-in on.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

from engine.ledger.audit import Audit, Record
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import NotFound, OperatorExists, ScopeMissing
from engine.platform.ids import OPERATOR_NAME
from engine.platform.table import Cancelled, Item, Put, Table, Update, Write
from engine.platform.times import EVER, iso
from engine.web.scopes import ADMIN, ROLES

_NAME = re.compile(OPERATOR_NAME)
SK = "OPERATOR"
PASSWORD_BYTES = 18
INDEX: Final = "open-holds"
LIST: Final = "operators"
"""The partition of the index that has all operators."""

ACTOR: Final = "operator:"
"""Before an operator's name in ledger and audit."""

MOST = 500


@dataclass(frozen=True, slots=True)
class Cost:
    """scrypt's parameters; the defaults take 32 MB and a quarter of a second of one core."""

    n: int = 2**15
    r: int = 8
    p: int = 3


@dataclass(frozen=True, slots=True)
class Operator:
    """One person. Sessions with another `generation` have ended."""

    name: str
    role: str
    disabled: bool
    generation: int
    created_at: int
    salt: str
    hash: str
    cost: Cost
    last_login_at: int = 0
    """0 if there was none, or none since this is recorded."""

    @property
    def scopes(self) -> frozenset[str]:
        return ROLES.get(self.role, frozenset())

    @property
    def actor(self) -> str:
        """The operator's name in ledger and audit."""
        return f"{ACTOR}{self.name}"


UNKNOWN = Operator("", "", True, 0, 0, "00" * 16, "00" * 32, Cost())
"""Dummy for unknown names, so that their check takes as long as any other."""


def is_name(value: str) -> bool:
    """2 to 32 of `a-z 0-9 . _ -`, the first a letter."""
    return _NAME.match(value) is not None


def get(table: Table, name: str) -> Operator | None:
    """The operator; None if the name is unknown. Raises `Busy`."""
    item = table.get(_pk(name), SK) if is_name(name) else None
    return None if item is None else _read(item)


def create(audit: Audit, name: str, role: str, act: Act, *, cost: Cost | None = None) -> str:
    """Creates an operator and returns the password, which is not stored. Raises `OperatorExists`, `Busy`,
    `OutcomeUnknown`.
    """
    if not is_name(name) or role not in ROLES:
        raise ValueError("not an operator's name or role")
    password = _new_password()
    item: Item = {
        "pk": _pk(name),
        "sk": SK,
        "name": name,
        "role": role,
        "disabled": False,
        "generation": 1,
        "created_at": act.at,
        "open_shard": LIST,
        "expires_at": act.at,
        **_kept(password, cost or Cost()),
    }
    put = Put(item, "attribute_not_exists(pk)")
    try:
        why = f"role {role}: {act.reason}" if act.reason else f"role {role}"
        _write(audit, put, name, "operator_create", replace(act, reason=why))
    except Cancelled:
        raise OperatorExists() from None
    return password


def new_password(audit: Audit, name: str, act: Act, *, cost: Cost | None = None) -> str:
    """Replaces the password; every session ends. Raises `NotFound`, `Busy`, `OutcomeUnknown`."""
    password = _new_password()
    kept = _kept(password, cost or Cost())
    names = {f"#{member}": member for member in kept}
    values = {f":{member}": value for member, value in kept.items()}
    terms = ", ".join(f"#{member} = :{member}" for member in kept)
    change = _change(name, f"SET {terms} ADD generation :one", names, {**values, ":one": 1})
    _write_known(audit, change, name, "operator_password", act)
    return password


def change(
    audit: Audit, name: str, act: Act, *, role: str | None = None, disabled: bool | None = None
) -> None:
    """Changes the role, or disables or enables the operator, in one write; effective from the next request.

    Raises `NotFound`, `Busy`, `OutcomeUnknown`, `ValueError` for an unknown role, and `ScopeMissing` for an
    operator who is no admin any more: of two who shut each other out at once, one stays.
    """
    if role is not None and role not in ROLES:
        raise ValueError("not a role")
    terms: list[str] = []
    values: dict[str, Any] = {}
    acts: list[tuple[str, Act]] = []
    if role is not None:
        terms.append("#role = :role")
        values[":role"] = role
        why = f"role {role}: {act.reason}" if act.reason else f"role {role}"
        acts.append(("operator_role", replace(act, reason=why)))
    if disabled is not None:
        terms.append("disabled = :disabled")
        values[":disabled"] = disabled
        acts.append(("operator_disable" if disabled else "operator_enable", act))
    if not acts:
        return
    values[":ended"] = int(disabled is True)
    text = f"SET {', '.join(terms)} ADD generation :ended"
    write = _change(name, text, {"#role": "role"} if role is not None else {}, values)
    records = [_record(audit, name, action, own) for action, own in acts]
    _write_by_admin(audit.table, [write, *records], act.actor)


def sessions_ending(name: str) -> Update:
    """Logs the operator out everywhere."""
    return Update(_pk(name), SK, "ADD generation :one", "attribute_exists(pk)", values={":one": 1})


def end_sessions(audit: Audit, name: str, act: Act) -> None:
    """Logs the operator out everywhere. Raises `NotFound`, `Busy`, `OutcomeUnknown`."""
    _write_known(audit, sessions_ending(name), name, "operator_log_out", act)


def note_login(table: Table, operator: Operator, at: int) -> None:
    """Records that the operator has logged in. Raises `Busy`."""
    table.write(
        Update(
            _pk(operator.name),
            SK,
            "SET last_login_at = :now, open_shard = :list, expires_at = created_at",
            "attribute_exists(pk)",
            values={":now": at, ":list": LIST},
        )
    )


def listed(table: Table) -> list[Operator]:
    """All operators by name, as the index has them. Raises `Busy`."""
    places = islice(table.latest(INDEX, LIST, (0, EVER), page=MOST), MOST)
    items = table.get_many([(place["pk"], place["sk"]) for place in places])
    return sorted(map(_read, items), key=lambda operator: operator.name)


def members(operator: Operator) -> dict[str, Any]:
    """An operator as the admin API shows it."""
    return {
        "name": operator.name,
        "role": operator.role,
        "disabled": operator.disabled,
        "createdAt": iso(operator.created_at),
        "lastLoginAt": iso(operator.last_login_at) if operator.last_login_at else None,
    }


def everyone(table: Table) -> list[Operator]:
    """All operators by name. Reads the whole table: for operators' commands only. Raises `Busy`."""
    items = table.scan("sk = :sk AND begins_with(pk, :pk)", {":sk": SK, ":pk": _pk("")})
    return sorted(map(_read, items), key=lambda operator: operator.name)


def matches(operator: Operator, password: str) -> bool:
    """Whether `password` is the operator's, compared in constant time."""
    found = _hash(password, operator.salt, operator.cost)
    return hmac.compare_digest(found, operator.hash)


def _change(name: str, text: str, names: dict[str, str], values: dict[str, Any]) -> Update:
    return Update(_pk(name), SK, text, "attribute_exists(pk)", names, values)


def _write_known(audit: Audit, update: Update, name: str, action: str, act: Act) -> None:
    try:
        _write(audit, update, name, action, act)
    except Cancelled:
        raise NotFound() from None


def _write(audit: Audit, write: Write, name: str, action: str, act: Act) -> None:
    """The act and its audit record. Raises `Cancelled` where the act's condition refused it."""
    Ledger(audit.table).transact_patiently([write, _record(audit, name, action, act)])


def _record(audit: Audit, name: str, action: str, act: Act) -> Put:
    return audit.write(Record(f"{ACTOR}{name}", action, True, "", act))


def _write_by_admin(table: Table, writes: list[Write], actor: str) -> None:
    """Makes `writes`, the first of which is of an operator. If `actor` is one as well, only while they are an
    admin. Raises `NotFound`, `ScopeMissing`, `Busy`, `OutcomeUnknown`.
    """
    name = actor.removeprefix(ACTOR)
    if name != actor:
        writes = [*writes, _while_admin(name)]
    try:
        Ledger(table).transact_patiently(writes)
    except Cancelled as cancelled:
        refused = NotFound() if cancelled.refusals[0] else ScopeMissing(ADMIN)
        raise refused from None


def _while_admin(name: str) -> Update:
    """Changes nothing of an operator who is an admin; refuses for any other."""
    return Update(
        _pk(name),
        SK,
        "SET disabled = :no",
        "#role = :admin AND disabled = :no",
        {"#role": "role"},
        {":no": False, ":admin": "admin"},
    )


def _new_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def _kept(password: str, cost: Cost) -> dict[str, Any]:
    salt = secrets.token_hex(16)
    shown = {"n": cost.n, "r": cost.r, "p": cost.p}
    return {"salt": salt, "hash": _hash(password, salt, cost), "cost": shown}


def _hash(password: str, salt: str, cost: Cost) -> str:
    memory = 256 * cost.n * cost.r
    return hashlib.scrypt(
        password.encode(),
        salt=bytes.fromhex(salt),
        n=cost.n,
        r=cost.r,
        p=cost.p,
        maxmem=memory,
        dklen=32,
    ).hex()


def _read(item: Item) -> Operator:
    names = ("name", "role", "disabled", "generation", "created_at", "salt", "hash")
    facts: dict[str, Any] = {name: item[name] for name in names}
    cost = Cost(**item["cost"])
    return Operator(**facts, cost=cost, last_login_at=item.get("last_login_at", 0))


def _pk(name: str) -> str:
    return f"OPERATOR#{name}"
