"""Named operators of the dashboard: their roles and the hashes of their passwords.

Passwords are generated here, shown once and stored as scrypt hashes with their cost parameters, so the
cost can be raised without new passwords. Every act is written together with its audit record.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, replace
from typing import Any

from engine.ledger.audit import Audit, Record
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import NotFound, OperatorExists
from engine.platform.table import Cancelled, Item, Put, Table, Update, Write
from engine.web.scopes import ROLES

NAME = r"^[a-z][a-z0-9._-]{1,31}\Z"
_NAME = re.compile(NAME)
SK = "OPERATOR"
PASSWORD_BYTES = 18


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

    @property
    def scopes(self) -> frozenset[str]:
        return ROLES.get(self.role, frozenset())

    @property
    def actor(self) -> str:
        """The operator's name in ledger and audit."""
        return f"operator:{self.name}"


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
        **_kept(password, cost or Cost()),
    }
    put = Put(item, "attribute_not_exists(pk)")
    try:
        _write(audit, put, name, "operator_create", replace(act, reason=f"role {role}"))
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
    """Changes the role, or disables or enables the operator; effective from the next request.

    Raises `NotFound`, `Busy`, `OutcomeUnknown`, and `ValueError` for an unknown role.
    """
    if role is not None:
        if role not in ROLES:
            raise ValueError("not a role")
        update = _change(name, "SET #role = :role", {"#role": "role"}, {":role": role})
        _write_known(audit, update, name, "operator_role", replace(act, reason=f"role {role}"))
    if disabled is not None:
        text = "SET disabled = :disabled ADD generation :one"
        update = _change(name, text, {}, {":disabled": disabled, ":one": int(disabled)})
        _write_known(
            audit, update, name, "operator_disable" if disabled else "operator_enable", act
        )


def sessions_ending(name: str) -> Update:
    """Logs the operator out everywhere."""
    return Update(_pk(name), SK, "ADD generation :one", "attribute_exists(pk)", values={":one": 1})


def end_sessions(audit: Audit, name: str, act: Act) -> None:
    """Logs the operator out everywhere. Raises `NotFound`, `Busy`, `OutcomeUnknown`."""
    _write_known(audit, sessions_ending(name), name, "operator_log_out", act)


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
    record = audit.write(Record(f"operator:{name}", action, True, "", act))
    Ledger(audit.table).transact_patiently([write, record])


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
    return Operator(**facts, cost=Cost(**item["cost"]))


def _pk(name: str) -> str:
    return f"OPERATOR#{name}"
