"""Operators' changes of a balance: add, deduct, and undo an entry, each with a reason and an actor.

The projector copies each act from its entry to the audit; a refusal is recorded there here. An undo adds a
reversing entry that names the original, at most once: a mark under the original's seq prevents a second.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.ledger import idempotency
from engine.ledger.audit import Audit, Record
from engine.ledger.idempotency import ItemOnce, Request, RequestOnce
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
from engine.platform.table import Item, Table
from engine.web.request_ids import RequestKey

ADD: Final = "admin_add"
DEDUCT: Final = "admin_deduct"
UNDOABLE = frozenset({ADD, DEDUCT, "api_add", "add_webhook"})
"""Types that add or deduct credits. A vend is not undone: its hold is settled."""

MOST_MARKS = 1000
ROWS_PK = "P#adjustment"
"""The partition of rows of bulk adjustments, by their id; see `engine.credits.bulk`."""


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
    older_row: str | None = None
    """The id that earlier versions gave the row, if another."""

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
    """Add or deduct, once. Adding creates a missing account, and pays what the account owes first;
    deducting never goes below 0.

    Raises `InsufficientCredits`, `NotFound`, `KeyReused` (each recorded in the audit), `Busy` or
    `OutcomeUnknown`.
    """
    move = Move(
        asked.user, asked.type, asked.amount, 0, asked.act, asked.row or "",
        pays_owed=asked.amount > 0,
    )  # fmt: skip
    try:
        return _post(ledger, asked, move)
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
    """Undo the entry `seq` by a reversing entry, once; what the entry paid is owed again.

    Raises `NotFound`, `NotUndoable`, `AlreadyUndone`, `KeyReused`, `InsufficientCredits` (all but the
    first recorded in the audit), `Busy`, `OutcomeUnknown`.
    """
    item = ledger.table.get(account_pk(user), entry_sk(ledger.unit, seq))
    if item is None:
        raise NotFound()
    original = read_entry(item)
    move = Move(
        user,
        DEDUCT if original.charged < 0 else ADD,
        -original.amount,
        0,
        act,
        reverses=seq,
        owed=-original.owed,
    )
    try:
        return _undone(ledger, original, move, asked)
    except (AlreadyUndone, NotUndoable, KeyReused, InsufficientCredits) as refused:
        _keep(audit, move, refused)
        raise


def _undone(ledger: Ledger, original: Entry, move: Move, asked: RequestKey) -> Adjusted:
    """The undo, or the result of the same earlier request of the same caller."""
    if not is_undoable(original):
        raise NotUndoable(details={"type": original.type})
    key = asked.key or move.act.request_id
    marked = {"key": digest(key), "fingerprint": digest(key, asked.fingerprint)}
    facts = idempotency.facts_of(move.act)
    sk = _mark_sk(ledger.unit, str(original.seq))
    once = ItemOnce(ledger.table, account_pk(move.user), sk, {**marked, "facts": facts})
    try:
        return _made(move, ledger.post(move, once).entry, facts)
    except AlreadyDone as done:
        first = done.item
    if first["key"] != marked["key"] or not idempotency.is_by(ledger, move.user, first, move.act):
        raise AlreadyUndone(details={"undoneBy": first["seq"]})
    return _repeated(move, idempotency.replayed(first, marked["fingerprint"]))


def undone_by(ledger: Ledger, user: str) -> dict[int, int]:
    """The undone entries of the account: seq of the entry to seq of the reversing entry. Raises `Busy`."""
    prefix = _mark_sk(ledger.unit, "")
    marks = ledger.table.query(account_pk(user), prefix, limit=MOST_MARKS, consistent=True)
    return {int(mark["sk"].removeprefix(prefix)): mark["seq"] for mark in marks}


def is_undoable(entry: Entry) -> bool:
    """Whether `entry` has a type that can be undone, even if it was already undone."""
    return entry.type in UNDOABLE and entry.reverses is None and entry.charged != 0


def _mark_sk(unit: str, seq: str) -> str:
    return f"U#{unit}#{seq}"


def _post(ledger: Ledger, asked: Adjustment, move: Move) -> Adjusted:
    """Makes the move, or returns the result of the same earlier request. Raises `KeyReused`."""
    facts = idempotency.facts_of(asked.act)
    try:
        return _made(move, ledger.post(move, _once(ledger, asked, facts)).entry, facts)
    except AlreadyDone as done:
        return _repeated(move, idempotency.replayed(done.item, asked.fingerprint))


def _once(ledger: Ledger, asked: Adjustment, facts: Mapping[str, Any]) -> Once:
    if asked.row is None:
        request = Request(asked.user, asked.type, asked.key, asked.fingerprint, asked.act)
        return RequestOnce(ledger, request, facts)
    members = {"fingerprint": asked.fingerprint, "facts": dict(facts), "user": asked.user}
    return RowOnce(ledger.table, asked.row, asked.older_row, members)


class RowOnce(ItemOnce):
    """Makes a row of a bulk adjustment happen once, for ever."""

    def __init__(
        self, table: Table, row: str, older_row: str | None, members: Mapping[str, Any]
    ) -> None:
        super().__init__(table, ROWS_PK, row, members)
        self._older_row = older_row

    def _older(self) -> Item | None:
        return None if self._older_row is None else self._table.get(ROWS_PK, self._older_row)


def _made(move: Move, entry: Entry, facts: Mapping[str, Any]) -> Adjusted:
    return _adjusted(
        move, {"seq": entry.seq, "balance_after": entry.available_after, "facts": facts}
    )


def _repeated(move: Move, item: Item) -> Adjusted:
    """The first answer; the SDK may also have repeated our own write."""
    is_own = item["facts"]["request_id"] == move.act.request_id
    return replace(_adjusted(move, item), replayed=not is_own)


def _adjusted(move: Move, item: Item) -> Adjusted:
    facts = item["facts"]
    return Adjusted(
        move.user,
        move.amount - move.owed,
        item["seq"],
        item["balance_after"],
        facts["reason"],
        facts["request_id"],
        facts["at"],
        replayed=False,
    )


def _keep(audit: Audit, move: Move, error: EngineError) -> None:
    audit.keep(Record(move.user, move.type, False, error.code, move.act))
