"""Purchases by Google Play: read from Google by their token, granted, and then consumed.

The app says a token and nothing else that counts: products, quantities and whose purchase it is come from
Google. Consuming is repeated by the reconciler until Google shows it done; an unconsumed product cannot be
bought again, and one that is not acknowledged within three days is refunded.
"""

from dataclasses import replace
from typing import Final

from engine.credits.users import CREATION
from engine.ledger.items import Entry
from engine.ledger.posting import Ledger
from engine.payments import intents, rows, settlement
from engine.payments.book import Book
from engine.payments.clawback import Losses
from engine.payments.errors import PaymentNotFound, ProviderFailed, PurchaseRefused
from engine.payments.rows import CONSUME, Row
from engine.payments.settlement import Proof, Settled
from engine.platform import logs
from engine.platform.act import Act
from engine.platform.times import HOUR_S
from engine.products.product import TRANSCRIPT
from engine.providers import play_messages
from engine.providers.play import FULL_MILLIUNITS, Play, Preference, Review, Usage
from engine.providers.play_messages import Notice, Purchase
from engine.providers.wire import NotSent, Refused, Unknown
from engine.readmodels.folds import CONSUMING

GOOGLE: Final = intents.GOOGLE
PENDING: Final = "pending"
CLAIM: Final = "claim"
GRANTS = (settlement.PURCHASE, settlement.TOP_UP)
PAGE, MOST_PAGES = 1000, 10
"""How many entries are looked at for what was used of a purchase."""

REVIEW_S = 24 * HOUR_S
"""How long Google takes the answer to a review."""

CLAIM_S = 900
"""How long a purchase that Google reported may stay unclaimed by its app."""


class NotBought(Exception):
    """Google knows no such purchase, or it is not paid; the text is its state."""


class Unclaimed(Exception):
    """Google does not say whose purchase it is, and its app may still claim it."""


def claim(book: Book, play: Play, user: str, token: str, act: Act) -> Settled | None:
    """What came of a purchase that the user's app claims; None while it is pending.

    Raises `PaymentNotFound`, `PurchaseRefused`, `ProviderFailed`, `Busy`, `OutcomeUnknown`.
    """
    if not play_messages.is_token(token):
        raise PaymentNotFound()
    try:
        found = play.purchase(token)
        if found is not None and found.account not in (None, play_messages.account_id(user)):
            raise PurchaseRefused(details={"reason": "other_account"})
        settled = settle(book, play, token, act, user)
    except NotBought as state:
        _require_pending(str(state))
        return None
    except (NotSent, Unknown, Refused):
        raise ProviderFailed() from None
    if settled.row.user and settled.row.user != user:
        raise PurchaseRefused(details={"reason": "other_account"})
    return settled


def settle(
    book: Book,
    play: Play,
    token: str,
    act: Act,
    user: str = "",
    *,
    is_claim_awaited: bool = False,
) -> Settled:
    """What came of a purchase; it is consumed after it was granted. Without `user` it is whose account
    Google names.

    Raises `NotBought`, `NotSent`, `Refused`, `Unknown`, `Busy`, `OutcomeUnknown`; where a claim is awaited,
    `Unclaimed` for a purchase of which Google names no user, which the reconciler looks at again.
    """

    def read() -> Proof:
        proof = _read(book, play, token, user)
        if is_claim_awaited and not proof.user:
            _await_claim(book, proof, act)
            raise Unclaimed()
        return proof

    settled = settlement.settle(book, read, act)
    if settled.row.to_finish:
        settled = replace(settled, row=finish(book, play, settled.row))
    return settled


def _await_claim(book: Book, proof: Proof, act: Act) -> None:
    """Remembers a purchase until its app claims it, or the reconciler puts it before an operator."""
    if rows.find(book.table, GOOGLE, proof.payment) is None:
        row = Row(GOOGLE, proof.payment, rows.NOTED, seen_at=act.at, handle=proof.handle)
        rows.write(book.table, None, replace(row, to_finish=CLAIM, look_at=act.at + CLAIM_S))


def finish(book: Book, play: Play, row: Row) -> Row:
    """The row after Google was told that the purchase was delivered; unchanged if it was not reached.

    Raises `Busy`, `OutcomeUnknown`.
    """
    try:
        found = play.purchase(row.handle)
        for line in found.lines if found is not None else ():
            if not line.is_consumed and found is not None and found.state == "purchased":
                play.consume(line.product, row.handle)
    except (NotSent, Unknown, Refused):
        return row
    return rows.write(book.table, row, replace(row, to_finish="")) or row


def hear(book: Book, play: Play, notice: Notice, act: Act) -> Settled | None:
    """What came of what a notification hints at: the purchase is read again by its token.

    Raises `NotSent`, `Refused`, `Unknown`, `Busy`, `OutcomeUnknown`.
    """
    if notice.kind == "refund_review":
        _review(book, play, notice, act.at)
    if notice.kind == "voided":
        return settle_voided(book, play, notice.token, act)
    if notice.kind not in ("purchased", "cancelled"):
        return None
    try:
        return settle(book, play, notice.token, act, is_claim_awaited=True)
    except (NotBought, Unclaimed):
        return None


def settle_voided(book: Book, play: Play, token: str, act: Act) -> Settled:
    """What came of a purchase that was voided, in whole or in part. One that was voided before it was granted
    is remembered, so that it never is. Raises as `settle` does.
    """
    try:
        return settle(book, play, token, act)
    except NotBought:
        key = play_messages.token_key(token)
        row = settlement.note(book, GOOGLE, key, Losses(refunded=1), act)
        return Settled(settlement.REPEATED, row)


def _read(book: Book, play: Play, token: str, user: str) -> Proof:
    found = play.purchase(token)
    if found is None:
        raise NotBought("unknown")
    known = rows.find(book.table, GOOGLE, play_messages.token_key(token))
    is_granted = known is not None and known.is_granted
    if found.state != "purchased" and not (found.state == "cancelled" and is_granted):
        raise NotBought(found.state)
    price = play.order(found.order) if found.order and not is_granted else None
    owner = user or intents.user_of_account(book.table, found.account or "")
    return Proof(
        GOOGLE,
        play_messages.token_key(token),
        sum(line.quantity for line in found.lines),
        "",
        is_live=not found.is_test,
        paid_at=found.completed_at or 0,
        user=owner,
        products=tuple((line.product, line.quantity) for line in found.lines),
        receipt=found.order or "",
        handle=token,
        to_finish="" if found.is_consumed else CONSUME,
        price=price.total.minor if price is not None else 0,
        price_currency=price.total.currency if price is not None else "",
        losses=_losses(found),
        aliases=(found.order,) if found.order else (),
        # Only we consume, after the grant: what is consumed and unknown was delivered by somebody else.
        unfit="already_consumed" if found.is_consumed and not is_granted else "",
    )


def _losses(found: Purchase) -> Losses:
    """How many units of a purchase were refunded."""
    if found.state == "cancelled":
        return Losses(sum(line.quantity for line in found.lines))
    left = [line.quantity if line.refundable is None else line.refundable for line in found.lines]
    return Losses(max(0, sum(line.quantity for line in found.lines) - sum(left)))


def _require_pending(state: str) -> None:
    """Raises `PaymentNotFound` or `PurchaseRefused` unless the purchase is pending."""
    if state == "unknown":
        raise PaymentNotFound()
    if state != PENDING:
        raise PurchaseRefused(details={"reason": state})


def _review(book: Book, play: Play, notice: Notice, now: int) -> None:
    """Answers Google's question about a refund with what is known of the purchase. A question that is over,
    or was answered before, is not asked again.

    Raises `NotSent`, `Unknown`, `Busy`.
    """
    if now - notice.at_ms // 1000 >= REVIEW_S:
        return
    row = rows.find(book.table, GOOGLE, notice.order)
    try:
        play.review_refund(notice.order, notice.refund_token, review_of(book, row))
    except Refused as refused:
        logs.not_reconciled(GOOGLE, notice.order, f"review {refused.status}")


def review_of(book: Book, row: Row | None) -> Review:
    """What is known of a purchase: what was used of it, oldest credits first, and when. Nothing used: Google
    should refund it; all used: it should not. Raises `Busy`.
    """
    if row is None or rows.is_reported_otherwise(row):
        return Review("NEUTRAL")
    if not row.is_granted or not row.granted:
        return Review("APPROVE", 0)
    ledger = book.ledger(row.unit)
    since = _since_grant(ledger, row)
    if not since:
        return Review("NEUTRAL")
    *later, grant = since
    used = [entry for entry in later if entry.type in CONSUMING and entry.charged > 0]
    older = max(0, grant.available_after + grant.held_after - grant.amount)
    spent = min(row.granted, max(0, sum(entry.charged for entry in used) - older))
    return Review(
        _preference(spent, row.granted),
        spent * FULL_MILLIUNITS // row.granted,
        _had_sample(ledger, row.user),
        _uses(row.user, used) if spent else (),
    )


def _since_grant(ledger: Ledger, row: Row) -> list[Entry]:
    """The account's entries from the newest back to the grant; none if the grant is too far back."""
    found: list[Entry] = []
    for _ in range(MOST_PAGES):
        page = ledger.entries(row.user, limit=PAGE, before=found[-1].seq if found else None)
        for entry in page:
            found.append(entry)
            if entry.subject == row.subject and entry.type in GRANTS:
                return found
        if len(page) < PAGE:
            break
    return []


def _preference(spent: int, granted: int) -> Preference:
    if not spent:
        return "APPROVE"
    return "DECLINE" if spent >= granted else "NEUTRAL"


def _had_sample(ledger: Ledger, user: str) -> bool:
    """Whether the user got credits when the account was made, which is its first entry."""
    first = ledger.entries(user, limit=1, before=2)
    return any(entry.type == CREATION and entry.amount > 0 for entry in first)


def _uses(user: str, used: list[Entry]) -> list[Usage]:
    account = play_messages.account_id(user)
    names = (entry.product.partition("@")[0] or TRANSCRIPT.code for entry in used)
    return [Usage(entry.at, account, name) for entry, name in zip(used, names, strict=True)]
