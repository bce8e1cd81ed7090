"""Purchases by M-Pesa: a prompt on the buyer's phone, or a payment to the short code with the pay code.

Daraja signs nothing. A callback counts because its path has our own mac, and a prompt is sent once: after an
unknown outcome it may be on the phone, so the query, a confirmation or Pull tells what became of it.

A transaction status proves a payment whose confirmation was lost, and a reversal gives one back: both are
asked for under the receipt, and their results come later, under a path that has the receipt in it.

This module alone writes these items:

| item | key |
|---|---|
| addresses that Daraja was told | `PROVIDER#daraja` / `ADDRESSES` |
| status that was asked for | `PROVIDER#daraja` / `ASKED#<receipt>` |
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from engine.ledger.audit import Record
from engine.payments import inbox, intents, rows, settlement
from engine.payments.book import Book
from engine.payments.clawback import Losses
from engine.payments.errors import PaymentInProgress, ProviderFailed, ProviderRefused
from engine.payments.inbox import Place
from engine.payments.intents import Intent
from engine.payments.rows import Row
from engine.payments.settlement import Decision, Proof, Settled
from engine.platform import logs
from engine.platform.act import Act
from engine.platform.errors import InvalidRequest
from engine.platform.ids import digest
from engine.platform.table import ConditionFailed, Item, Put, Table, Update
from engine.platform.times import DAY_S, EVER, HOUR_S
from engine.providers import callback_paths, daraja_results, mpesa_messages
from engine.providers import daraja_callbacks as callbacks
from engine.providers.daraja import ALREADY_REGISTERED, Daraja, PushWanted, Replies
from engine.providers.daraja_callbacks import C2bPayment, StkResult
from engine.providers.daraja_results import PulledPayment, Result
from engine.providers.money import KES, BadAmount, Money
from engine.providers.mpesa_messages import Message
from engine.providers.wire import NotSent, Refused, Unknown
from engine.wallet import credit_requests

MPESA: Final = intents.MPESA
DESCRIPTION: Final = "Credits"
CLAIMABLE = frozenset({"no_intent", "unknown_account"})
"""Why a payment waits that a report of its payer may complete."""

MOST_DAYS = 1
"""How far the day of a message may be from the day of the payment: clocks and midnights differ."""

DARAJA_PK: Final = "PROVIDER#daraja"
ASK_AGAIN_S = 6 * HOUR_S
"""How long the result of a status may take before it is asked for again."""

REGISTERED, ASKED, REVERSED = "payment_addresses", "payment_status", "payment_reversal"

RECEIPT: Final = "receipt"
"""What a payment that was granted by its request still lacks."""

RECEIPT_S = 2 * DAY_S
"""How long a receipt may come: Pull lists payments for as long."""

PROMPT_S = 900
"""The longest time from a prompt to its payment."""

MOST_PROMPTS = 1000

RepliesOf = Callable[[str], Replies]
"""Where Daraja reports the result of a request about a receipt."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where Daraja reports payments to the short code. `base` is the origin of both."""

    base: str
    short_code: str
    confirmation: str
    validation: str

    @property
    def fingerprint(self) -> str:
        return digest(self.short_code, self.confirmation, self.validation)


def begin(
    book: Book, daraja: Daraja, intent: Intent, phone: str, callback_url: str, now: int
) -> Intent:
    """The intent after its prompt was sent to `phone` (as `daraja.phone_of` returns it), once for ever.

    Raises `PaymentInProgress` while the user has another prompt, `ProviderFailed`, `Busy`.
    """
    if not intents.may_call(intent):
        return intent
    if not intents.take_turn(book.table, intent, now):
        raise PaymentInProgress()
    begun = intents.begin_call(book.table, intent, is_repeatable=False)
    if begun is None:
        return intents.find(book.table, intent.id) or intent
    amount = Money(intent.amount, intent.currency)
    wanted = PushWanted(phone, amount, intent.pay_code, DESCRIPTION, callback_url)
    known = _pushed(daraja, wanted)
    if known["call"] == intents.NOT_CALLED:
        intents.end_turn(book.table, intent.user)
    called = intents.record_call(book.table, begun, **known)
    return called or intents.find(book.table, intent.id) or begun


def _pushed(daraja: Daraja, wanted: PushWanted) -> dict[str, Any]:
    """What is known after the prompt: a refusal leaves the intent open for a payment by hand."""
    try:
        return {"call": intents.CALLED, "reference": daraja.push(wanted).checkout_id}
    except NotSent:
        return {"call": intents.NOT_CALLED}
    except Unknown:
        return {"call": intents.UNKNOWN}
    except Refused as refused:
        return {"call": intents.REFUSED, "trouble": refused.code or "refused"}
    except BadAmount:
        raise ProviderFailed() from None


def hear_prompt(book: Book, intent_id: str, result: StkResult, act: Act) -> Settled | None:
    """What came of the outcome of a prompt, pushed under the path of its intent.

    Raises `Busy`, `OutcomeUnknown`.
    """
    if result.amount is not None and result.receipt is not None and result.is_paid:
        intent = intents.find(book.table, intent_id)
        is_other = intent is not None and intent.reference not in ("", result.checkout_id)
        proof = Proof(
            MPESA,
            result.receipt,
            result.amount.minor,
            result.amount.currency,
            is_live=book.is_live,
            paid_at=result.paid_at or act.at,
            intent=intent_id,
            receipt=result.receipt,
            payer=result.payer,
            unfit="other_request" if is_other else "",
        )
        return settlement.settle(book, lambda: proof, act)
    if not result.is_paid:
        intents.end(book.table, intent_id, intents.FAILED, result.code, result.checkout_id)
    return None


def hear_payment(book: Book, paid: C2bPayment, numbers: Collection[str], act: Act) -> Settled:
    """What came of a payment to one of our `numbers`, short code or till. Raises `Busy`, `OutcomeUnknown`."""
    proof = _proof(book, paid.receipt, paid.amount, paid.reference, paid.paid_at or act.at)
    unfit = "" if paid.short_code in numbers else "other_business"
    proof = replace(proof, payer=paid.payer, unfit=unfit)
    return settlement.settle(book, lambda: proof, act)


def hear_pulled(book: Book, paid: PulledPayment, act: Act) -> Settled:
    """What came of a payment that Pull lists. Raises `Busy`, `OutcomeUnknown`."""
    proof = _proof(book, paid.receipt, paid.amount, paid.reference, paid.paid_at or act.at)
    proof = replace(proof, payer=paid.payer)
    return settlement.settle(book, lambda: proof, act)


def hear_status(
    book: Book, receipt: str, result: Result, numbers: Collection[str], act: Act
) -> Settled | None:
    """What came of the status of the payment `receipt`; None unless it proves one to us. A status names no
    account, so a payment that is not known yet waits for its payer's report or an operator.

    Raises `Busy`, `OutcomeUnknown`.
    """
    proofs = (daraja_results.proved(result, receipt, number) for number in numbers)
    paid = next(filter(None, proofs), None)
    if paid is None:
        return None
    row = rows.find(book.table, MPESA, receipt)
    if row is not None and row.state != rows.NOTED:
        return Settled(settlement.REPEATED, row)
    proof = _proof(book, receipt, paid.amount, "", paid.paid_at or act.at)
    proof = replace(proof, payer=paid.payer)
    return settlement.settle(book, lambda: proof, act)


def hear_reversal(book: Book, receipt: str, result: Result, act: Act) -> Row | None:
    """What came of a reversal of the payment `receipt`: it is taken back like a refund, and one that is not
    known yet is remembered. A refused one is left as it is, for an operator to look at.

    Raises `Busy`, `OutcomeUnknown`.
    """
    row = rows.find(book.table, MPESA, receipt)
    amount = daraja_results.reversed_amount(result, receipt)
    back = amount.minor if amount is not None else 0
    if row is not None and result.code == daraja_results.ALREADY_REVERSED:
        back = row.gross
    if not back:
        logs.set_aside("payments", f"reversal of {receipt}", result.code)
        return _not_reversed(book, row)
    if row is None or row.state == rows.NOTED:
        return settlement.note(book, MPESA, receipt, Losses(refunded=back), act)
    if row.state in (rows.IGNORED, rows.RETURNED):
        return row
    total = min(row.gross, max(row.refunded, back))
    return inbox.mark_refunded(book, Place(MPESA, row.id), total, result.transaction, act)


def _not_reversed(book: Book, row: Row | None) -> Row | None:
    if row is None or not row.is_granted or row.trouble == rows.NOT_REVERSED:
        return row
    return rows.write(book.table, row, replace(row, trouble=rows.NOT_REVERSED)) or row


def validated(book: Book, paid: C2bPayment) -> dict[str, str]:
    """Whether a payment may go through: one whose account is no pay code, or that is below the price, is
    stopped before money moves. Without an account (a till) it goes through. Raises `Busy`.
    """
    if not paid.reference.strip():
        return callbacks.admitted()
    intent = intents.by_code(book.table, paid.reference)
    if intent is None:
        return callbacks.rejected(callbacks.WRONG_ACCOUNT)
    if paid.amount.minor < intent.amount or intent.currency != KES:
        return callbacks.rejected(callbacks.WRONG_AMOUNT)
    return callbacks.admitted(intent.id)


def look(book: Book, daraja: Daraja, intent: Intent, act: Act) -> Settled | None:
    """What became of a prompt whose callback has not come; None while it is open or after it failed.

    A paid one has no receipt here: it is granted by its request, and a confirmation adds the receipt.
    Raises `NotSent`, `Refused`, `Busy`, `OutcomeUnknown`.
    """
    outcome = daraja.query(intent.reference)
    if outcome.state == "failed":
        intents.end(book.table, intent.id, intents.FAILED, outcome.code, intent.reference)
    if outcome.state != "paid":
        return None
    proof = replace(
        _proof(
            book, intent.reference, Money(intent.amount, intent.currency), "", intent.created_at
        ),
        intent=intent.id,
        receipt="",
        to_finish=RECEIPT,
    )
    return settlement.settle(book, lambda: proof, act)


def is_listed(book: Book, daraja: Daraja, row: Row, receipts: Collection[str]) -> bool:
    """Whether M-Pesa has the payment: its prompt was paid, or it is among `receipts`, those that Pull lists.

    Raises `NotSent`, `Refused`, `Busy`.
    """
    if row.id in receipts or row.receipt in receipts:
        return True
    intent = intents.find(book.table, row.intent)
    return bool(
        intent is not None and intent.reference and daraja.query(intent.reference).state == "paid"
    )


def ask_status(book: Book, daraja: Daraja, place: Place, replies: RepliesOf, act: Act) -> None:
    """Asks for the status of a payment, known or not; its result is heard by `hear_status`.

    Raises `InvalidRequest`, `ProviderFailed`, `ProviderRefused`, `Busy`, `OutcomeUnknown`.
    """
    receipt = _require_receipt(place.provider, place.payment)
    book.audit.keep(Record(f"payment:{MPESA}:{receipt}", ASKED, True, "", act))
    with _told():
        daraja.ask_status(receipt, replies(receipt))


def may_ask(table: Table, receipt: str, now: int) -> bool:
    """Whether the status of a payment is asked for now, and not so soon after it was. Raises `Busy`."""
    asked = Update(
        DARAJA_PK,
        f"ASKED#{receipt}",
        "SET asked_at = :now, #ttl = :until",
        "attribute_not_exists(asked_at) OR asked_at <= :before",
        names={"#ttl": "ttl"},
        values={":now": now, ":before": now - ASK_AGAIN_S, ":until": now + DAY_S},
        mark="changed_by",
    )
    try:
        table.write(asked)
    except ConditionFailed:
        return False
    return True


def reverse(book: Book, daraja: Daraja, place: Place, replies: RepliesOf, act: Act) -> Row:
    """Asks M-Pesa to give a payment back, whole; its result is heard by `hear_reversal`. M-Pesa gives one
    payment back once, however often it is asked.

    Raises `PaymentNotFound`, `InvalidRequest`, `ProviderFailed`, `ProviderRefused`, `Busy`, `OutcomeUnknown`.
    """
    row = inbox.find(book, place)
    receipt = _require_receipt(row.provider, row.receipt)
    book.credits.transact_patiently([inbox.record(book, row, REVERSED, act)])
    with _told():
        daraja.reverse(receipt, Money(row.gross, row.currency), replies(receipt))
    return row


def register(
    book: Book, daraja: Daraja, addresses: Addresses, act: Act, *, is_again: bool = False
) -> bool:
    """Tells Daraja where payments to the short code are reported; False if it was told the same before.

    Daraja takes addresses once in production. That it has some already counts as done if we asked for these.
    Raises `InvalidRequest`, `ProviderFailed`, `ProviderRefused`, `Busy`, `OutcomeUnknown`.
    """
    for url in (addresses.confirmation, addresses.validation):
        if word := callback_paths.banned_in(url):
            raise InvalidRequest(
                "Daraja refuses addresses with this word.",
                details={"field": "publicBase", "word": word},
            )
    seen = book.table.get(DARAJA_PK, "ADDRESSES") or {}
    is_same = seen.get("fingerprint") == addresses.fingerprint
    if is_same and seen["is_done"] and not is_again:
        return False
    put = Put(_addresses_item(addresses, act, is_done=False), condition="")
    book.credits.transact_patiently([put, book.audit.write(_registration(addresses, act))])
    with _told(*([ALREADY_REGISTERED] if is_same else [])):
        daraja.register_urls(addresses.confirmation, addresses.validation)
    book.table.write(Put(_addresses_item(addresses, act, is_done=True), condition=""))
    return True


def registered_base(table: Table) -> str:
    """The origin at which Daraja was told to report payments; empty if it was not. Raises `Busy`."""
    item = table.get(DARAJA_PK, "ADDRESSES")
    return "" if item is None else str(item["base"])


def _require_receipt(provider: str, receipt: str) -> str:
    """Raises `InvalidRequest` unless it is a receipt of M-Pesa."""
    if provider != MPESA or callbacks.receipt_of(receipt) is None:
        raise InvalidRequest("This payment has no receipt of M-Pesa.", details={"field": "id"})
    return receipt


def _addresses_item(addresses: Addresses, act: Act, *, is_done: bool) -> Item:
    return {
        "pk": DARAJA_PK,
        "sk": "ADDRESSES",
        "base": addresses.base,
        "short_code": addresses.short_code,
        "fingerprint": addresses.fingerprint,
        "is_done": is_done,
        "at": act.at,
    }


def _registration(addresses: Addresses, act: Act) -> Record:
    return Record(f"payment:mpesa:{addresses.short_code}", REGISTERED, True, "", act)


@contextmanager
def _told(*done: str) -> Iterator[None]:
    """Turns what Daraja answers to a request into errors of ours; a refusal with a code of `done` is none."""
    try:
        yield
    except (NotSent, Unknown, BadAmount):
        raise ProviderFailed() from None
    except Refused as refused:
        if refused.code not in done:
            raise ProviderRefused(details={"providerCode": refused.code or None}) from None


def match_request(book: Book, item: Item, act: Act) -> Settled | None:
    """What came of a report of a payment that waits: it grants where its receipt is a payment of the inbox,
    with amount, day and account in agreement, and a pack has that price; else it goes on waiting.

    Raises `Busy`, `OutcomeUnknown`.
    """
    row = rows.find(book.table, MPESA, str(item.get("receipt") or "-"))
    if row is None or row.state != rows.UNMATCHED or row.trouble not in CLAIMABLE:
        return None
    said = next(
        (one for one in mpesa_messages.read(item["text"]) if one.receipt == row.receipt), None
    )
    sold = [pack for pack in book.packs.all() if pack.prices.get(KES) == row.gross]
    if said is None or not _agrees(said, row, str(item["user"])) or len(sold) != 1:
        return None
    if not row.account and _may_be_of_a_prompt(book, row):
        return None
    beside = credit_requests.completion(book.audit, item, sold[0].amount, act)
    decision = Decision(str(item["user"]), sold[0], beside)
    proof = inbox.proof_of(row, book.is_live)
    return settlement.settle(book, lambda: proof, act, decision)


def _may_be_of_a_prompt(book: Book, row: Row) -> bool:
    """Whether a payment without an account may be that of a prompt whose receipt is not known, which grants
    by itself. Raises `Busy`.
    """
    granted = rows.unfinished(book.table, EVER, MOST_PROMPTS)
    begun = [one.paid_at for one in granted if one.to_finish == RECEIPT and one.gross == row.gross]
    asked = [one for one in intents.waiting(book.table, MOST_PROMPTS) if one.provider == MPESA]
    begun += [one.created_at for one in asked if one.call and one.amount == row.gross]
    is_any = len(asked) >= MOST_PROMPTS
    return is_any or any(-60 <= row.paid_at - at <= PROMPT_S for at in begun)


def _agrees(said: Message, row: Row, user: str) -> bool:
    """Whether a message says what the provider has proved, and nothing names another user as its buyer: it is
    text that anyone can write.
    """
    paid = Money(row.gross, row.currency)
    if not said.is_payment or said.amount != paid or said.day is None:
        return False
    account = _plain(row.account)
    if account not in ("", _plain(user)) or _plain(said.account or account) != account:
        return False
    days = abs((said.day - datetime.fromtimestamp(row.paid_at, callbacks.NAIROBI).date()).days)
    return days <= MOST_DAYS


def _plain(account: str) -> str:
    """An account without what people type differently."""
    return "".join(account.split()).upper()


def _proof(book: Book, payment: str, amount: Money, account: str, paid_at: int) -> Proof:
    return Proof(
        MPESA,
        payment,
        amount.minor,
        amount.currency,
        is_live=book.is_live,
        paid_at=paid_at,
        account=account,
        receipt=payment,
    )
