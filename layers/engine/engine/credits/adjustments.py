"""What operators do to a balance: add, deduct, and take an entry back; each with a reason and a name.

An act reaches the audit with its entry, by the projector; a refusal is kept there here. An entry is
taken back by a reversing entry that names it, once: the mark of that lies where nothing else can be put.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.ledger import once as requests_once
from engine.ledger.audit import Audit, Record
from engine.ledger.items import Entry, Move, account_pk, entry_sk, read_entry
from engine.ledger.once import PaymentOnce, RequestOnce
from engine.ledger.posting import AlreadyDone, Ledger, Once
from engine.platform.act import Act
from engine.platform.errors import (
    AlreadyUndone,
    EngineError,
    InsufficientCredits,
    KeyReused,
    NotFound,
    NotUndoable,
)
from engine.platform.ids import digest
from engine.platform.table import Item, Put, Table
from engine.web.idempotency import RequestKey

ADD: Final = "admin_add"
DEDUCT: Final = "admin_deduct"
UNDOABLE = frozenset({ADD, DEDUCT, "api_add", "add_webhook"})
"""Entries that put credits in or take them out; what a vend did is settled by its hold."""

MOST_MARKS = 1000
BY_ROW = "adjustment"
"""The provider under which the ids of rows lie; see `engine.credits.bulk`."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` is signed and not zero; `key` is the client's id of the request, if it sent one."""

    user: str
    amount: int
    key: str | None
    fingerprint: str
    act: Act
    row: str | None = None
    """Of a bulk adjustment: the id that lets it happen once for ever."""

    @property
    def type(self) -> str:
        return ADD if self.amount > 0 else DEDUCT


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What the first answer said: a repeat says the same. `at` in epoch seconds."""

    user: str
    amount: int
    seq: int
    new_balance: int
    reason: str
    request_id: str
    at: int
    replayed: bool


def adjust(ledger: Ledger, audit: Audit, asked: Adjustment) -> Adjusted:
    """Add or deduct, once. Adding makes an account where there is none; deducting never goes below 0.

    Raises `InsufficientCredits`, `NotFound`, `KeyReused` (each kept in the audit), `Busy` or
    `OutcomeUnknown`.
    """
    facts = _facts(asked.act)
    move = Move(asked.user, asked.type, asked.amount, 0, asked.act, subject=asked.row or "")
    try:
        return _post(ledger, move, _once(ledger, asked, facts), asked.fingerprint, facts)
    except InsufficientCredits as refused:
        there = refused.balance > 0 or ledger.account(asked.user).exists
        error: EngineError = refused if there else NotFound()
        _keep(audit, move, error)
        raise error from None
    except KeyReused as refused:
        _keep(audit, move, refused)
        raise


def undo(
    ledger: Ledger, audit: Audit, user: str, seq: int, asked: RequestKey, act: Act
) -> Adjusted:
    """Take the entry `seq` back by a reversing entry, once.

    Raises `NotFound`, `NotUndoable`, `AlreadyUndone`, `KeyReused`, `InsufficientCredits` (all but the
    first kept in the audit), `Busy`, `OutcomeUnknown`.
    """
    item = ledger.table.get(account_pk(user), entry_sk(ledger.unit, seq))
    if item is None:
        raise NotFound()
    taken_back = read_entry(item)
    move = Move(
        user,
        DEDUCT if taken_back.amount > 0 else ADD,
        -taken_back.amount,
        0,
        act,
        reverses=seq,
    )
    facts = _facts(act)
    once = UndoOnce(ledger.table, taken_back, asked.key or act.request_id, asked.fingerprint, facts)
    try:
        return _undone(ledger, taken_back, move, once, facts)
    except (AlreadyUndone, NotUndoable, KeyReused, InsufficientCredits) as refused:
        _keep(audit, move, refused)
        raise


def _undone(
    ledger: Ledger, entry: Entry, move: Move, once: "UndoOnce", facts: dict[str, Any]
) -> Adjusted:
    if not is_undoable(entry):
        raise NotUndoable(details={"type": entry.type})
    try:
        return _post(ledger, move, once, once.fingerprint, facts)
    except KeyReused:
        first = once.earlier() or {}
        if first.get("key") == once.key:
            raise
        raise AlreadyUndone(details={"undoneBy": first.get("seq")}) from None


def undone_by(ledger: Ledger, user: str) -> dict[int, int]:
    """The entries of the account that were taken back, each with the one that did it. Raises `Busy`."""
    prefix = _mark_sk(ledger.unit, "")
    marks = ledger.table.query(account_pk(user), prefix, limit=MOST_MARKS, consistent=True)
    return {int(mark["sk"].removeprefix(prefix)): mark["seq"] for mark in marks}


def is_undoable(entry: Entry) -> bool:
    """Whether `entry` is of a kind that is taken back; whether it was already is another question."""
    return entry.type in UNDOABLE and entry.reverses is None and entry.amount != 0


class UndoOnce:
    """Lets an entry be taken back once, for ever; `key` and `fingerprint` are of the request."""

    def __init__(
        self, table: Table, entry: Entry, key: str, payload: str, facts: Mapping[str, Any]
    ) -> None:
        self._table = table
        self._pk = account_pk(entry.user)
        self._sk = _mark_sk(entry.unit, str(entry.seq))
        self._facts = dict(facts)
        self.key = digest(key)
        self.fingerprint = digest(key, payload)

    def earlier(self) -> Item | None:
        return self._table.get(self._pk, self._sk)

    def write(self, entry: Entry) -> Put:
        item = {
            "pk": self._pk,
            "sk": self._sk,
            "key": self.key,
            "fingerprint": self.fingerprint,
            "facts": self._facts,
            "seq": entry.seq,
            "balance_after": entry.available_after,
        }
        return Put(item, condition="attribute_not_exists(pk)")


def _mark_sk(unit: str, seq: str) -> str:
    return f"U#{unit}#{seq}"


def _post(
    ledger: Ledger, move: Move, once: Once, fingerprint: str, facts: dict[str, Any]
) -> Adjusted:
    """The move, or what the same request did before. Raises `KeyReused` where it was another."""
    try:
        entry = ledger.post(move, once).entry
    except AlreadyDone as done:
        item = requests_once.replayed(done.item, fingerprint)
        replayed = item["facts"]["request_id"] != move.act.request_id
        return _adjusted(move, item["seq"], item["balance_after"], item["facts"], replayed)
    return _adjusted(move, entry.seq, entry.available_after, facts, False)


def _adjusted(
    move: Move, seq: int, balance: int, facts: Mapping[str, Any], replayed: bool
) -> Adjusted:
    return Adjusted(
        move.user,
        move.amount,
        seq,
        balance,
        facts["reason"],
        facts["request_id"],
        facts["at"],
        replayed,
    )


def _once(ledger: Ledger, asked: Adjustment, facts: Mapping[str, Any]) -> PaymentOnce | RequestOnce:
    if asked.row is not None:
        return PaymentOnce(
            ledger.table,
            provider=BY_ROW,
            payment_id=asked.row,
            fingerprint=asked.fingerprint,
            facts=facts,
        )
    return RequestOnce(
        ledger.table,
        user=asked.user,
        operation=asked.type,
        key=asked.key or asked.act.request_id,
        fingerprint=asked.fingerprint,
        now=asked.act.at,
        facts=facts,
    )


def _facts(act: Act) -> dict[str, Any]:
    return {"request_id": act.request_id, "at": act.at, "reason": act.reason}


def _keep(audit: Audit, move: Move, error: EngineError) -> None:
    audit.keep(Record(move.user, move.type, False, error.code, move.act))
