"""What was granted goes back as far as the money went back: by new entries, each naming the one before.

The target follows what the customer has back of what they paid, taxes included: all of it takes back the
whole grant, a part its share, rounded down. What was spent already becomes `owed`, which later grants pay
first. A refund that failed and a dispute that was won give back, first what is owed. Open holds are not
touched.

Dollars of a subscription have no `owed`: what is not there any more is recorded with the payment, as `short`.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from engine.ledger.items import CREDITS, Entry, Move
from engine.ledger.posting import AlreadyDone, BesideRefused
from engine.payments import notices, rows
from engine.payments.book import Book
from engine.payments.rows import Row, RowOnce
from engine.platform.act import Act
from engine.platform.errors import Busy, InsufficientCredits
from engine.platform.table import Cancelled, Write
from engine.subscriptions import subscription

CLAWED: Final = "clawback"
RETURNED: Final = "clawback_return"
TRIES = 8


@dataclass(frozen=True, slots=True)
class Losses:
    """What the customer has back of a payment, in all, in minor units; `refunded` counts what succeeded.

    `is_questioned` is a dispute in which no money was withdrawn yet.
    """

    refunded: int = 0
    disputed: int = 0
    is_questioned: bool = False


class Overtaken(Exception):
    """The payment was changed by another process since it was read: read it again, and its provider."""


class _Moved(Exception):
    """The account was not as it was when the move was computed."""


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of a payment's row, and the act; `beside` joins the transaction."""

    seen: Row
    row: Row
    act: Act
    beside: Sequence[Write]


def target(granted: int, gross: int, lost: int) -> int:
    """What of `granted` is taken back in all where `lost` of `gross` went back."""
    return granted if lost >= gross else granted * lost // gross


def apply(book: Book, row: Row, losses: Losses, act: Act, beside: Sequence[Write] = ()) -> Row:
    """The granted row after its money went back as `losses` say, which must be read after the row. `beside`
    joins the transaction if anything changes; it must have no condition.

    Raises `Overtaken`, `Busy`, `OutcomeUnknown`.
    """
    seen = row
    row = replace(row, refunded=losses.refunded, disputed=losses.disputed)
    row = replace(row, state=rows.state_of(row), trouble=_trouble(row, losses))
    due = target(row.granted, row.gross, row.lost) - row.clawed
    if not due:
        row = replace(row, short=0)
        return seen if row == seen else _written(book, seen, row, beside)
    change = _Change(seen, row, act, beside)
    for _ in range(TRIES):
        with contextlib.suppress(_Moved):
            return _taken(book, change, due) if due > 0 else _returned(book, change, -due)
    raise Busy()


def _trouble(row: Row, losses: Losses) -> str:
    if losses.is_questioned:
        return rows.QUESTIONED
    return "" if row.trouble in (rows.QUESTIONED, rows.NOT_REVERSED) else row.trouble


def _written(book: Book, seen: Row, row: Row, beside: Sequence[Write]) -> Row:
    try:
        book.credits.transact_patiently([rows.put(seen, row), *beside])
    except Cancelled:
        raise Overtaken() from None
    return replace(row, revision=seen.revision + 1)


def _taken(book: Book, change: _Change, due: int) -> Row:
    """Takes `due` back: from what is available, and the rest is owed."""
    row = change.row
    available = book.ledger(row.unit).account(row.user).available
    taken = min(due, available)
    is_owed = row.unit == CREDITS
    becomes = replace(row, clawed=row.clawed + (due if is_owed else taken))
    if not is_owed:
        becomes = replace(becomes, short=due - taken)
        if not taken:
            seen = change.seen
            return seen if becomes == seen else _written(book, seen, becomes, change.beside)

    def beside(entry: Entry) -> list[Write]:
        if taken < due and entry.available_after > 0:
            raise _Moved()  # More has become available, which goes before owing.
        return _beside(book, change, becomes, -taken)

    move = _move(change, CLAWED, -taken)
    return _posted(book, change, becomes, replace(move, owed=due - taken if is_owed else 0), beside)


def _returned(book: Book, change: _Change, due: int) -> Row:
    """Gives `due` back; what is owed is paid first."""
    row = change.row
    becomes = replace(row, clawed=row.clawed - due, short=0)
    move = replace(_move(change, RETURNED, due), pays_owed=row.unit == CREDITS)
    return _posted(book, change, becomes, move, lambda _: _beside(book, change, becomes, due))


def _move(change: _Change, type_: str, amount: int) -> Move:
    row = change.row
    return Move(row.user, type_, amount, 0, change.act, subject=row.subject, reverses=row.seq)


def _beside(book: Book, change: _Change, becomes: Row, amount: int) -> list[Write]:
    """The subscription's figures, the notice, and what the caller adds."""
    counted = [] if becomes.unit == CREDITS else [subscription.payment(becomes.user, amount)]
    told = book.notices.of_row(notices.REFUNDED, becomes, change.act.at)
    return [*counted, *told, *change.beside]


def _posted(
    book: Book,
    change: _Change,
    becomes: Row,
    move: Move,
    also: Callable[[Entry], list[Write]],
) -> Row:
    once = RowOnce(book.table, change.seen, becomes)
    try:
        posted = book.ledger(becomes.unit).post(move, once, also=also)
    except (AlreadyDone, BesideRefused):
        raise Overtaken() from None
    except InsufficientCredits:
        raise _Moved() from None
    return replace(becomes, seq=posted.entry.seq, revision=change.seen.revision + 1)
