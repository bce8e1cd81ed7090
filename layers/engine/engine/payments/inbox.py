"""Operators' decisions about payments, each with a reason, recorded in the audit in the same transaction.

A payment in the inbox is assigned to a user and a pack, marked as returned to the payer, or ignored. Of a
payment that was granted, a refund that was made by hand is recorded, with its receipt; it takes back.
"""

from dataclasses import dataclass, replace
from typing import Any

from engine.ledger.audit import Record
from engine.ledger.items import CREDITS
from engine.payments import answers, clawback, intents, rows, settlement
from engine.payments.book import Book
from engine.payments.clawback import Losses, Overtaken
from engine.payments.errors import PaymentNotFound, PaymentNotOpen
from engine.payments.rows import CONSUME, IGNORED, RETURNED, UNMATCHED, Row
from engine.payments.settlement import Decision, Proof
from engine.platform.act import Act
from engine.platform.errors import Busy, InvalidRequest
from engine.platform.table import Cancelled, Write
from engine.platform.times import DAY_S, EVER, start_of
from engine.wallet import credit_requests
from engine.web.desk_forms import AdminPaymentsQuery

ASSIGNED, MARKED, PASSED = "payment_assign", "payment_refund", "payment_ignore"
EVERY = "decided"
MOST_READ = 400
"""How many payments are looked at for one page."""

TRIES = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A payment's provider and the provider's id of it."""

    provider: str
    payment: str


def find(book: Book, place: Place) -> Row:
    """The payment. Raises `PaymentNotFound`, `Busy`."""
    row = rows.find(book.table, place.provider, place.payment)
    if row is None or rows.is_reported_otherwise(row):
        raise PaymentNotFound()
    return row


def page(book: Book, query: AdminPaymentsQuery, now: int) -> dict[str, Any]:
    """Payments that wait for a decision, those of a state, or all of a user, as far as they fit the query.

    A page has fewer payments than asked for where few fit; its cursor says whether there may be more.

    Raises `Busy`.
    """
    if query.user is not None:
        found, cursor = _of_user(book, query)
    elif query.state == UNMATCHED:
        waiting = rows.unmatched(book.table, limit=MOST_READ)
        found, cursor = [row for row in waiting if _fits(row, query)][: query.limit], None
    else:
        found, cursor = _decided(book, query)
    shown = [answers.row_members(row, now) for row in found]
    return {"ok": True, "payments": shown, "nextCursor": cursor}


def _decided(book: Book, query: AdminPaymentsQuery) -> tuple[list[Row], str | None]:
    after = None
    if query.cursor is not None and "#" not in query.cursor.partition(".")[0]:
        at, provider, name = query.cursor.split(".", 2)
        after = int(at), provider, name
    found: list[Row] = []
    last: Row | None = None
    for count, row in enumerate(rows.decided(book.table, _span(query), after)):
        if last is not None and (len(found) == query.limit or count == MOST_READ):
            return found, f"{last.seen_at}.{last.provider}.{last.id}"
        last = row
        found += [row] if _fits(row, query) else []
    return found, None


def _span(query: AdminPaymentsQuery) -> tuple[int, int]:
    """The first and the last second of the query's days."""
    first = start_of(query.from_day) if query.from_day else 0
    last = start_of(query.to_day) + DAY_S - 1 if query.to_day else EVER
    return first, last


def _fits(row: Row, query: AdminPaymentsQuery) -> bool:
    first, last = _span(query)
    is_in_state = query.user is not None or query.state in (row.state, EVERY)
    return (
        is_in_state
        and query.provider in (None, row.provider)
        and query.currency in (None, row.currency)
        and (query.min_minor or 0) <= row.gross
        and (query.max_minor is None or row.gross <= query.max_minor)
        and first <= row.seen_at <= last
    )


def _of_user(book: Book, query: AdminPaymentsQuery) -> tuple[list[Row], str | None]:
    """The user's granted payments, newest intent first, and the cursor of the next page."""
    before = query.cursor if query.cursor and "#" in query.cursor else None
    bought, cursor = intents.of_user(book.table, query.user or "", limit=query.limit, before=before)
    names = list(dict.fromkeys((one.provider, one.payment) for one in bought if one.payment))
    found = rows.many(book.table, names)
    known = [found[name] for name in names if name in found]
    return [row for row in known if _fits(row, query)], cursor


def assign(book: Book, place: Place, user: str, pack_code: str, act: Act) -> Row:
    """Grant the pack to the user for a payment of the inbox, and answer the user's report of it if one waits.
    The same decision again answers the same.

    Raises `PaymentNotFound`, `PaymentNotOpen`, `PackNotFound`, `Busy`, `OutcomeUnknown`.
    """
    row = find(book, place)
    pack = book.packs.current(pack_code)
    if row.is_granted and (row.user, row.pack.partition("@")[0]) == (user, pack_code):
        return row
    if row.state != UNMATCHED or row.trouble == settlement.USED:
        raise PaymentNotOpen(details={"status": row.state})
    beside = [record(book, row, ASSIGNED, act)]
    reported = credit_requests.of_receipt(book.table, user, row.receipt or row.id)
    if reported is not None and pack.unit == CREDITS:
        beside += credit_requests.completion(book.audit, reported, pack.amount, act)
    decision = Decision(user, pack, beside)
    made = settlement.settle(book, lambda: proof_of(row, book.is_live), act, decision).row
    if made.user != user:  # Another decision, or the payment's own intent, came first.
        raise PaymentNotOpen(details={"status": made.state})
    return made


def ignore(book: Book, place: Place, act: Act) -> Row:
    """Close a payment of the inbox without doing anything. Raises as `assign` does."""
    return _closed(book, place, IGNORED, PASSED, act)


def mark_refunded(book: Book, place: Place, amount: int | None, receipt: str, act: Act) -> Row:
    """Record a refund that was made by hand: `amount` in minor units in all, everything if None.

    Raises `PaymentNotFound`, `PaymentNotOpen`, `InvalidRequest`, `Busy`, `OutcomeUnknown`.
    """
    row = find(book, place)
    if not row.is_granted:
        return _closed(book, place, RETURNED, MARKED, act, note=receipt)
    total = row.gross if amount is None else amount
    if not 0 <= total <= row.gross:
        raise InvalidRequest("More than was paid cannot go back.", details={"field": "amountMinor"})
    marked = [record(book, row, MARKED, act)]
    for _ in range(TRIES):
        try:
            noted = replace(row, refund_receipt=receipt)
            return clawback.apply(book, noted, Losses(total, row.disputed), act, marked)
        except Overtaken:
            row = find(book, place)
    raise Busy()


def _closed(book: Book, place: Place, state: str, action: str, act: Act, note: str = "") -> Row:
    row = find(book, place)
    if row.state == state:
        return row
    if row.state != UNMATCHED:
        raise PaymentNotOpen(details={"status": row.state})
    closed = replace(row, state=state, refund_receipt=note)
    writes: list[Write] = [rows.put(row, closed), record(book, row, action, act)]
    try:
        book.credits.transact_patiently(writes)
    except Cancelled:
        raise Busy() from None
    return replace(closed, revision=row.revision + 1)


def record(book: Book, row: Row, action: str, act: Act) -> Write:
    """The decision in the audit, under the payment."""
    return book.audit.write(Record(f"payment:{row.subject}", action, True, "", act))


def proof_of(row: Row, is_live: bool) -> Proof:
    """The payment as it was proved when it came into the inbox."""
    facts: dict[str, Any] = {
        name: getattr(row, name)
        for name in (
            "gross", "currency", "paid_at", "account", "receipt", "payer", "handle", "price",
            "price_currency",
        )
    }  # fmt: skip
    losses = Losses(row.refunded, row.disputed)
    # A store's purchase must be consumed, or it is refunded by itself.
    to_finish = CONSUME if row.handle else ""
    return Proof(row.provider, row.id, is_live=is_live, losses=losses, to_finish=to_finish, **facts)
