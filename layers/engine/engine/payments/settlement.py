"""A payment that a provider has proved: granted once, or put before an operator.

What counts is what the provider's own answer or signature proves, never an event's text, metadata or a word
of the app: the payment names an intent, and the intent names the pack. A payment that fits no intent grants
nothing and becomes a row of the inbox, and the provider is told that it has arrived.

Every write names the revision of the row that was read, and the provider's object is read after the row: so
an old reading never takes back or gives back anything.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from engine.ledger.items import CREDITS, Entry, Move
from engine.ledger.posting import AlreadyDone, BesideRefused
from engine.payments import clawback, intents, notices, rows
from engine.payments.book import Book
from engine.payments.clawback import Losses, Overtaken
from engine.payments.intents import Intent
from engine.payments.packs import Pack
from engine.payments.rows import NOTED, UNMATCHED, Row, RowOnce
from engine.platform import logs
from engine.platform.act import Act
from engine.platform.errors import Busy
from engine.platform.ids import digest
from engine.platform.table import Cancelled, Write
from engine.subscriptions import subscription, transitions
from engine.subscriptions.subscription import Subscriber

PURCHASE: Final = "purchase"
TOP_UP: Final = "top_up"
"""The type of dollars bought for a subscription, as its figures count it."""

TRIES = 8
OVERPAID = "overpaid"
USED: Final = "receipt_used"
"""Of a row of the inbox: its payment was granted for another intent, so it can only be closed."""

DONE, REPEATED, WAITS, HELD_BACK = "granted", "repeated", "unmatched", "held_back"
"""What came of a proof: granted now; known before; put before an operator now; decided by an operator."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A payment as its provider shows it; money in minor units of `currency`, times in epoch seconds.

    Without a currency `gross` is a number of units: see `engine.payments.rows`.
    """

    provider: str
    payment: str
    """The provider's id of the payment, unique for ever."""
    gross: int
    currency: str
    is_live: bool
    paid_at: int
    intent: str = ""
    """Our id of the intent, as the provider echoes it."""
    account: str = ""
    """What the payer typed as the account."""
    user: str = ""
    """Whose purchase it is, where the provider shows that and there is no intent."""
    products: tuple[tuple[str, int], ...] = ()
    """Product ids and quantities of a store."""
    receipt: str = ""
    payer: str = ""
    handle: str = ""
    to_finish: str = ""
    price: int = 0
    price_currency: str = ""
    losses: Losses | None = None
    """None where the provider did not say."""
    aliases: tuple[str, ...] = ()
    """Other ids of the payment at its provider, such as its order."""
    unfit: str = ""
    """Why it cannot be a purchase, whatever it names; empty where it can."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of a proof."""

    outcome: str
    row: Row


class _Unfit(Exception):
    """The payment fits no purchase; the text is the reason that operators see."""


@dataclass(frozen=True, slots=True)
class _Sale:
    """What a payment buys: `amount` in the unit of `pack`."""

    intent: Intent
    pack: Pack
    amount: int
    is_new: bool = False
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """An operator's decision that a payment is of this user and pack; `beside` records it."""

    user: str
    pack: Pack
    beside: list[Write] = field(default_factory=list)


def settle(
    book: Book, read: Callable[[], Proof], act: Act, decision: Decision | None = None
) -> Settled:
    """Do what the payment asks for: grant it, take back, give back, or put it before an operator.

    `read` answers the payment as the provider has it now; it is called again where the row has changed.

    Raises what `read` raises, `Busy`, `OutcomeUnknown`.
    """
    proof = read()
    for _ in range(TRIES):
        row = rows.find(book.table, proof.provider, proof.payment)
        if row is not None and _is_news(row, proof):
            proof = read()
        try:
            return _step(book, row, proof, act, decision)
        except Overtaken:
            proof = read()
    raise Busy()


def note(book: Book, provider: str, payment: str, losses: Losses, act: Act) -> Row:
    """Remember what went back of a payment that has granted nothing so far; a later grant is netted with it.

    Raises `Busy`, `OutcomeUnknown`.
    """
    for _ in range(TRIES):
        seen = rows.find(book.table, provider, payment)
        if seen is not None and (seen.is_granted or (seen.refunded, seen.disputed) == _of(losses)):
            return seen
        base = seen or Row(provider, payment, NOTED, seen_at=act.at)
        noted = replace(base, refunded=losses.refunded, disputed=losses.disputed, to_finish="")
        written = rows.write(book.table, seen, noted)
        if written is not None:
            return written
    raise Busy()


def _is_news(row: Row, proof: Proof) -> bool:
    """Whether the proof says something else about the losses of a payment than its row."""
    return proof.losses is not None and _of(proof.losses) != (row.refunded, row.disputed)


def _of(losses: Losses) -> tuple[int, int]:
    return losses.refunded, losses.disputed


def _step(
    book: Book, row: Row | None, proof: Proof, act: Act, decision: Decision | None
) -> Settled:
    """One attempt. Raises `Overtaken` if something has changed since it was read."""
    if row is not None and rows.is_reported_otherwise(row):
        return Settled(REPEATED, row)
    if row is not None and row.is_granted:
        return _known_again(book, row, proof, act)
    if row is not None and row.state in (rows.IGNORED, rows.RETURNED):
        return Settled(HELD_BACK, row)
    try:
        sale = _decided(proof, decision, act) if decision else _sale(book, proof, act)
    except _Unfit as unfit:
        return _held_back(book, row, proof, str(unfit), act)
    if sale.intent.payment:
        return Settled(REPEATED, _same_payment(book, sale.intent, proof, act))
    return Settled(DONE, _granted(book, row, proof, sale, act, decision))


def _known_again(book: Book, row: Row, proof: Proof, act: Act) -> Settled:
    """A granted payment that is proved again: its losses count. A report without any that names another
    intent than the one that was paid is a conflict.
    """
    if proof.losses is not None:
        return Settled(REPEATED, clawback.apply(book, row, proof.losses, act))
    if proof.intent and row.intent and proof.intent not in (row.intent, row.account):
        return _conflict(book, proof, act)
    return Settled(REPEATED, row)


def _conflict(book: Book, proof: Proof, act: Act) -> Settled:
    """A payment that was granted for another intent: a row of its own, which grants nothing."""
    other = replace(proof, payment=f"{proof.payment}.{proof.intent}", losses=None)
    seen = rows.find(book.table, other.provider, other.payment)
    if seen is not None:
        return Settled(REPEATED, seen)
    return _held_back(book, None, other, USED, act)


def _sale(book: Book, proof: Proof, act: Act) -> _Sale:
    """What the payment buys by itself. Raises `_Unfit`, `Busy`."""
    if proof.is_live != book.is_live:
        raise _Unfit("other_environment")
    if proof.unfit:
        raise _Unfit(proof.unfit)
    if proof.products:
        return _store_sale(book, proof, act)
    intent = intents.find(book.table, proof.intent)
    if intent is None and proof.account:
        intent = intents.by_code(book.table, proof.account)
    if intent is None:
        raise _Unfit("unknown_account" if proof.account else "no_intent")
    _require_price(intent, proof)
    trouble = OVERPAID if proof.gross > intent.amount else ""
    return _Sale(intent, book.packs.named(intent.pack), intent.grants, trouble=trouble)


def _require_price(intent: Intent, proof: Proof) -> None:
    """Raises `_Unfit` unless the payment is the one that the intent asks for."""
    if intent.currency != proof.currency:
        raise _Unfit("other_currency")
    if proof.gross < intent.amount:
        raise _Unfit("amount_too_low")
    if intent.payment and not _is_same(intent, proof):
        raise _Unfit("intent_already_paid")


def _store_sale(book: Book, proof: Proof, act: Act) -> _Sale:
    """What a store's products grant, all items of the purchase together. Raises `_Unfit`, `Busy`."""
    packs = [(book.packs.of_google(product), quantity) for product, quantity in proof.products]
    sold = [(pack, quantity) for pack, quantity in packs if pack is not None and quantity > 0]
    if len(sold) != len(packs):
        raise _Unfit("unknown_product")
    if len({pack.unit for pack, _ in sold}) != 1:
        raise _Unfit("mixed_products")
    if not proof.user:
        raise _Unfit("unknown_account")
    amount = sum(pack.amount * quantity for pack, quantity in sold)
    pack = sold[0][0]
    return _Sale(_own_intent(proof, proof.user, pack, amount, act), pack, amount, is_new=True)


def _decided(proof: Proof, decision: Decision, act: Act) -> _Sale:
    pack = decision.pack
    intent = _own_intent(proof, decision.user, pack, pack.amount, act)
    return _Sale(intent, pack, pack.amount, is_new=True)


def _own_intent(proof: Proof, user: str, pack: Pack, amount: int, act: Act) -> Intent:
    """The intent of a payment that had none: the same payment has the same one."""
    return Intent(
        id=f"pin_{digest('intent', proof.provider, proof.payment)}",
        user=user,
        pack=pack.name,
        unit=pack.unit,
        grants=amount,
        amount=proof.price if proof.price_currency else proof.gross,
        currency=proof.price_currency or proof.currency,
        provider=proof.provider,
        pay_code="",
        created_at=act.at,
        ends_at=act.at,
        look_at=act.at,
    )


def _is_same(intent: Intent, proof: Proof) -> bool:
    """Whether the proof is of the payment that the intent was granted by, under another id: of an M-Pesa
    payment that was known by its request alone, the first receipt; of one known by its receipt, the request.
    """
    if proof.payment in (intent.payment, intent.reference):
        return True
    return intent.payment == intent.reference and not intent.receipt and bool(proof.receipt)


def _same_payment(book: Book, intent: Intent, proof: Proof, act: Act) -> Row:
    """The row of the payment, with the receipt where it had none. Raises `Overtaken`, `Busy`."""
    row = rows.find(book.table, intent.provider, intent.payment)
    if row is None:
        raise Overtaken()
    if proof.payment in (row.id, intent.reference) or not proof.receipt:
        return row
    known = replace(row, receipt=proof.receipt, payer=row.payer or proof.payer, to_finish="")
    writes: list[Write] = [
        rows.put(row, known),
        rows.same_as(row, proof.payment),
        intents.attach_receipt(intent, proof.receipt),
    ]
    _transact(book, writes)
    return replace(known, revision=row.revision + 1)


def _granted(
    book: Book,
    seen: Row | None,
    proof: Proof,
    sale: _Sale,
    act: Act,
    decision: Decision | None,
) -> Row:
    """Grants the sale, less what went back already: one transaction of account, entry, row and intent."""
    becomes = _row_of(proof, seen, sale, act)
    amount = becomes.granted - becomes.clawed
    is_credits = becomes.unit == CREDITS
    if not is_credits:
        transitions.open_subscription(book.dollars, Subscriber(becomes.user), act)

    def also(_: Entry) -> list[Write]:
        counted = [] if is_credits else [subscription.payment(becomes.user, amount)]
        decided = decision.beside if decision is not None else []
        told = book.notices.of_row(notices.GRANTED, becomes, act.at)
        known_as = [rows.same_as(becomes, alias) for alias in proof.aliases]
        return [*_intent_writes(sale, becomes), *known_as, *counted, *decided, *told]

    move = Move(
        becomes.user,
        PURCHASE if is_credits else TOP_UP,
        amount,
        0,
        act,
        subject=becomes.subject,
        pays_owed=is_credits,
    )
    once = RowOnce(book.table, seen, becomes)
    try:
        posted = book.ledger(becomes.unit).post(move, once, also=also)
    except (AlreadyDone, BesideRefused):
        raise Overtaken() from None
    logs.payment(becomes.provider, becomes.id, "granted", amount=amount, unit=becomes.unit)
    revision = 1 if seen is None else seen.revision + 1
    return replace(becomes, seq=posted.entry.seq, revision=revision)


def _row_of(proof: Proof, seen: Row | None, sale: _Sale, act: Act) -> Row:
    """The row of a granted payment, netted with what went back of it before."""
    base = _known(proof, seen, act)
    row = replace(
        base,
        user=sale.intent.user,
        intent=sale.intent.id,
        pack=sale.pack.name,
        unit=sale.pack.unit,
        granted=sale.amount,
        to_finish=proof.to_finish,
        trouble=sale.trouble,
    )
    clawed = clawback.target(row.granted, row.gross, row.lost) if row.lost else 0
    return replace(row, clawed=clawed, state=rows.state_of(row))


def _known(proof: Proof, seen: Row | None, act: Act) -> Row:
    """What is known of a payment, whatever becomes of it."""
    losses = proof.losses or Losses(
        seen.refunded if seen is not None else 0, seen.disputed if seen is not None else 0
    )
    return Row(
        provider=proof.provider,
        id=proof.payment,
        state=UNMATCHED,
        gross=proof.gross,
        currency=proof.currency,
        paid_at=proof.paid_at,
        seen_at=seen.seen_at if seen is not None else act.at,
        refunded=losses.refunded,
        disputed=losses.disputed,
        price=proof.price,
        price_currency=proof.price_currency,
        receipt=proof.receipt,
        payer=proof.payer,
        account=proof.account or proof.intent,
        handle=proof.handle,
    )


def _intent_writes(sale: _Sale, row: Row) -> list[Write]:
    if sale.is_new:
        return intents.creation(intents.granted(sale.intent, row.id, row.receipt))
    return [intents.grant(sale.intent, row.provider, row.id, row.receipt)]


def _held_back(book: Book, seen: Row | None, proof: Proof, trouble: str, act: Act) -> Settled:
    """Puts the payment before an operator, once. Raises `Overtaken`, `Busy`."""
    becomes = replace(_known(proof, seen, act), trouble=trouble)
    if seen is not None and replace(becomes, revision=seen.revision) == seen:
        return Settled(REPEATED, seen)
    is_first = seen is None or seen.state != UNMATCHED
    told = book.notices.of_row(notices.UNMATCHED, becomes, act.at) if is_first else ()
    _transact(book, [rows.put(seen, becomes), *told])
    if is_first:
        logs.payment_unmatched(becomes.provider, becomes.id, trouble)
    revision = 1 if seen is None else seen.revision + 1
    return Settled(WAITS if is_first else REPEATED, replace(becomes, revision=revision))


def _transact(book: Book, writes: list[Write]) -> None:
    """Raises `Overtaken` if a condition refused a write, `Busy`, `OutcomeUnknown`."""
    try:
        book.credits.transact_patiently(writes)
    except Cancelled:
        raise Overtaken() from None
