"""Operators' changes of a balance: add, deduct, and undo an entry, each with a reason and an actor.

The projector copies each act from its entry to the audit; a refusal is recorded there here. An undo adds a
reversing entry that names the original, at most once: a mark under the original's seq prevents a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.ledger import idempotency
from engine.ledger.audit import Audit, Record
from engine.ledger.idempotency import PaymentOnce, RequestOnce
from engine.ledger.items import Entry, Move, account_pk, entry_sk, read_entry
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
from engine.web.request_ids import RequestKey

ADD: Final = "admin_add"
DEDUCT: Final = "admin_deduct"
UNDOABLE = frozenset({ADD, DEDUCT, "api_add", "add_webhook"})
"""Types that add or deduct credits. A vend is not undone: its hold is settled."""

MOST_MARKS = 1000
BY_ROW = "adjustment"
"""The provider of the ids of rows; see `engine.credits.bulk`."""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`amount` is signed and not zero; `key` is the client's request id, None if it sent none."""

    user: str
    amount: int
    key: str | None
    fingerprint: str
    act: Act
    row: str | None = None
    """In a bulk adjustment, the row's id, with which it happens once for ever."""

    @property
    def type(self) -> str:
        return ADD if self.amount > 0 else DEDUCT


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The facts of the first answer, which a repeat returns. `at` in epoch seconds."""

    user: str
    amount: int
    seq: int
    new_balance: int
    reason: str
    request_id: str
    at: int
    replayed: bool


def adjust(ledger: Ledger, audit: Audit, asked: Adjustment) -> Adjusted:
    """Add or deduct, once. Adding creates a missing account; deducting never goes below 0.

    Raises `InsufficientCredits`, `NotFound`, `KeyReused` (each recorded in the audit), `Busy` or
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
    """Undo the entry `seq` by a reversing entry, once.

    Raises `NotFound`, `NotUndoable`, `AlreadyUndone`, `KeyReused`, `InsufficientCredits` (all but the
    first recorded in the audit), `Busy`, `OutcomeUnknown`.
    """
    item = ledger.table.get(account_pk(user), entry_sk(ledger.unit, seq))
    if item is None:
        raise NotFound()
    original = read_entry(item)
    move = Move(
        user,
        DEDUCT if original.amount > 0 else ADD,
        -original.amount,
        0,
        act,
        reverses=seq,
    )
    facts = _facts(act)
    once = UndoOnce(ledger.table, original, asked.key or act.request_id, asked.fingerprint, facts)
    try:
        return _undone(ledger, original, move, once, facts)
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
    """The undone entries of the account: seq of the entry to seq of the reversing entry. Raises `Busy`."""
    prefix = _mark_sk(ledger.unit, "")
    marks = ledger.table.query(account_pk(user), prefix, limit=MOST_MARKS, consistent=True)
    return {int(mark["sk"].removeprefix(prefix)): mark["seq"] for mark in marks}


def is_undoable(entry: Entry) -> bool:
    """Whether `entry` has a type that can be undone, even if it was already undone."""
    return entry.type in UNDOABLE and entry.reverses is None and entry.amount != 0


class UndoOnce:
    """Makes an undo happen once, for ever; `key` and `fingerprint` identify the request."""

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
    """Makes the move, or returns the result of the same earlier request. Raises `KeyReused`."""
    try:
        entry = ledger.post(move, once).entry
    except AlreadyDone as done:
        item = idempotency.replayed(done.item, fingerprint)
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
