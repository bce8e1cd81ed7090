"""Purchases by M-Pesa: a prompt on the buyer's phone, or a payment to the short code with the pay code.

Daraja signs nothing. A callback counts because its path has our own mac, and a prompt is sent once: after an
unknown outcome it may be on the phone, so the query, a confirmation or Pull tells what became of it.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from engine.payments import inbox, intents, rows, settlement
from engine.payments.book import Book
from engine.payments.errors import PaymentInProgress, ProviderFailed
from engine.payments.intents import Intent
from engine.payments.rows import Row
from engine.payments.settlement import Decision, Proof, Settled
from engine.platform.act import Act
from engine.platform.table import Item
from engine.providers import daraja_callbacks as callbacks
from engine.providers import mpesa_messages
from engine.providers.daraja import Daraja, PushWanted
from engine.providers.daraja_callbacks import C2bPayment, StkResult
from engine.providers.daraja_results import PulledPayment
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


def begin(book: Book, daraja: Daraja, intent: Intent, phone: str, callback_url: str) -> Intent:
    """The intent after its prompt was sent to `phone` (as `daraja.phone_of` returns it), once for ever.

    Raises `PaymentInProgress` while the user has another prompt, `ProviderFailed`, `Busy`.
    """
    if not intents.may_call(intent):
        return intent
    if not intents.take_turn(book.table, intent.user, intent.created_at):
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
    intent = intents.find(book.table, intent_id)
    if result.amount is not None and result.receipt is not None and result.is_paid:
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
    if intent is not None and not result.is_paid and intent.reference in ("", result.checkout_id):
        intents.close(book.table, intent, intents.FAILED, result.code)
    return None


def hear_payment(book: Book, paid: C2bPayment, short_code: str, act: Act) -> Settled:
    """What came of a payment to the short code. Raises `Busy`, `OutcomeUnknown`."""
    proof = _proof(book, paid.receipt, paid.amount, paid.reference, paid.paid_at or act.at)
    unfit = "" if paid.short_code == short_code else "other_business"
    proof = replace(proof, payer=paid.payer, unfit=unfit)
    return settlement.settle(book, lambda: proof, act)


def hear_pulled(book: Book, paid: PulledPayment, act: Act) -> Settled:
    """What came of a payment that Pull lists. Raises `Busy`, `OutcomeUnknown`."""
    proof = _proof(book, paid.receipt, paid.amount, paid.reference, paid.paid_at or act.at)
    proof = replace(proof, payer=paid.payer)
    return settlement.settle(book, lambda: proof, act)


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
        intents.close(book.table, intent, intents.FAILED, outcome.code)
    if outcome.state != "paid":
        return None
    proof = replace(
        _proof(book, intent.reference, Money(intent.amount, intent.currency), "", act.at),
        intent=intent.id,
        receipt="",
    )
    return settlement.settle(book, lambda: proof, act)


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
    beside = credit_requests.completion(book.audit, item, sold[0].amount, act)
    decision = Decision(str(item["user"]), sold[0], beside)
    proof = inbox.proof_of(row, book.is_live)
    return settlement.settle(book, lambda: proof, act, decision)


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
