"""What was granted goes back as far as the money went back: a new entry each time, which names the one before.

The target follows what the customer has back of what they paid, taxes included: all of it takes back the whole
grant, a part its share, rounded down. What was spent already becomes `owed`, which later grants pay first. A
refund that failed and a dispute that was won give back, first what is owed. Open holds are not touched.

Dollars of a subscription have no `owed`: what is not there any more is recorded with the payment, as `short`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from engine.ledger.items import CREDITS, Entry, Move
from engine.ledger.posting import AlreadyDone, BesideRefused
from engine.payments import notices, rows
from engine.payments.book import Book
from engine.payments.rows import Row, RowOnce
from engine.platform.act import Act
from engine.platform.errors import Busy, InsufficientCredits
from engine.platform.table import Write
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


def target(granted: int, gross: int, lost: int) -> int:
    """What of `granted` is taken back in all where `lost` of `gross` went back."""
    return granted if lost >= gross else granted * lost // gross


def apply(book: Book, row: Row, losses: Losses, act: Act) -> Row:
    """The granted row after its money went back as `losses` say, which must be read after the row.

    Raises `Overtaken`, `Busy`, `OutcomeUnknown`.
    """
    seen = row
    row = replace(row, refunded=losses.refunded, disputed=losses.disputed)
    row = replace(row, state=rows.state_of(row), trouble=_trouble(row, losses))
    due = target(row.granted, row.gross, row.lost) - row.clawed
    if not due:
        return seen if row == seen else _written(book, seen, replace(row, short=0))
    for _ in range(TRIES):
        try:
            return _taken(book, seen, row, due, act) if due > 0 else _returned(book, seen, row, -due, act)
        except _Moved:
            continue
    raise Busy()


def _trouble(row: Row, losses: Losses) -> str:
    if losses.is_questioned:
        return "dispute_opened"
    return "" if row.trouble == "dispute_opened" else row.trouble


def _written(book: Book, seen: Row, row: Row) -> Row:
    written = rows.write(book.table, seen, row)
    if written is None:
        raise Overtaken()
    return written


def _taken(book: Book, seen: Row, row: Row, due: int, act: Act) -> Row:
    """Takes `due` back: from what is available, and the rest is owed."""
    available = book.ledger(row.unit).account(row.user).available
    taken = min(due, available)
    if row.unit == CREDITS:
        move = _move(row, CLAWED, -taken, act, owed=due - taken)
        becomes = replace(row, clawed=row.clawed + due)
    else:
        becomes = replace(row, clawed=row.clawed + taken, short=due - taken)
        if not taken:
            return seen if becomes == seen else _written(book, seen, becomes)
        move = _move(row, CLAWED, -taken, act)

    def beside(entry: Entry) -> list[Write]:
        if taken < due and entry.available_after > 0:
            raise _Moved()  # More has become available, which goes before owing.
        return _beside(book, becomes, -taken, act)

    return _posted(book, seen, becomes, move, beside)


def _returned(book: Book, seen: Row, row: Row, due: int, act: Act) -> Row:
    """Gives `due` back; what is owed is paid first."""
    move = _move(row, RETURNED, due, act, pays_owed=row.unit == CREDITS)
    becomes = replace(row, clawed=row.clawed - due, short=0)
    return _posted(book, seen, becomes, move, lambda _: _beside(book, becomes, due, act))


def _move(row: Row, type_: str, amount: int, act: Act, *, owed: int = 0, pays_owed: bool = False) -> Move:
    return Move(
        row.user,
        type_,
        amount,
        0,
        act,
        subject=row.subject,
        reverses=row.seq,
        owed=owed,
        pays_owed=pays_owed,
    )


def _beside(book: Book, becomes: Row, amount: int, act: Act) -> list[Write]:
    """The subscription's figures, and the notice."""
    counted = [] if becomes.unit == CREDITS else [subscription.payment(becomes.user, amount)]
    return [*counted, *book.notices.of_row(notices.REFUNDED, becomes, act.at)]


def _posted(
    book: Book, seen: Row, becomes: Row, move: Move, also: Callable[[Entry], list[Write]]
) -> Row:
    once = RowOnce(book.table, seen, becomes)
    try:
        posted = book.ledger(becomes.unit).post(move, once, also=also)
    except (AlreadyDone, BesideRefused):
        raise Overtaken() from None
    except InsufficientCredits:
        raise _Moved() from None
    return replace(becomes, seq=posted.entry.seq, revision=seen.revision + 1)
