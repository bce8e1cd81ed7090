"""Purchases by Stripe: a Checkout session for an intent, and what its events hint at.

Every event leads to a payment intent, and the payment intent is read again with its charge and its disputes:
one path for whatever happened, in whatever order it is told.
"""

from collections.abc import Callable
from dataclasses import replace

from engine.payments import intents, settlement
from engine.payments.book import Book
from engine.payments.clawback import Losses
from engine.payments.errors import ProviderFailed
from engine.payments.intents import Intent
from engine.payments.settlement import Proof, Settled
from engine.platform.act import Act
from engine.providers.money import BadAmount, Money
from engine.providers.stripe import SessionWanted, Stripe
from engine.providers.stripe_events import Event
from engine.providers.stripe_objects import Session
from engine.providers.wire import NotSent, Refused, Unknown

STRIPE = intents.STRIPE
FAILED = frozenset({"requires_payment_method", "canceled"})
"""What a payment intent says after its payment failed."""


class NotPaid(Exception):
    """Stripe knows no such payment, or it is not paid."""


def begin(book: Book, stripe: Stripe, intent: Intent, return_url: str, title: str) -> Intent:
    """The intent with the address where it is paid. Stripe makes one session for one intent, however often
    it is asked.

    Raises `ProviderFailed`, `Busy`, `OutcomeUnknown`.
    """
    begun = intents.begin_call(book.table, intent, is_repeatable=True)
    if begun is None:
        return intents.find(book.table, intent.id) or intent
    try:
        session = stripe.create_session(_wanted(begun, return_url, title))
    except NotSent:
        raise ProviderFailed() from None
    except Unknown:
        intents.record_call(book.table, begun, call=intents.UNKNOWN)
        raise ProviderFailed() from None
    except (Refused, BadAmount) as refused:
        trouble = refused.code if isinstance(refused, Refused) else "amount"
        intents.record_call(
            book.table, begun, call=intents.REFUSED, state=intents.FAILED, trouble=trouble
        )
        raise ProviderFailed() from None
    called = intents.record_call(
        book.table, begun, call=intents.CALLED, reference=session.id, url=session.url or ""
    )
    return called or intents.find(book.table, intent.id) or begun


def hear(book: Book, stripe: Stripe, event: Event, act: Act) -> Settled | None:
    """What came of the object that `event` hints at; None where there is nothing to do.

    Raises `NotSent`, `Refused`, `Unknown`, `Busy`, `OutcomeUnknown`.
    """
    if event.kind == "checkout.session":
        session = stripe.session(event.object_id)
        return None if session is None else settle_session(book, stripe, session, act)
    payment = _payment_of(stripe, event)
    return None if payment is None else settle_payment(book, stripe, payment, act)


def settle_session(book: Book, stripe: Stripe, session: Session, act: Act) -> Settled | None:
    """What came of a session: its payment is settled, or its intent ends. Raises as `hear` does."""
    if session.is_paid and session.payment is None:
        free = _proof_of_free(session)
        return settlement.settle(book, lambda: free, act)
    if session.is_paid and session.payment is not None:
        return settle_payment(book, stripe, session.payment, act, session.intent or "")
    ended = _end_of(stripe, session)
    if ended and session.intent:
        intents.end(book.table, session.intent, *ended, session.id)
    return None


def settle_payment(
    book: Book, stripe: Stripe, payment: str, act: Act, intent: str = ""
) -> Settled | None:
    """What came of a payment intent; None if it is not paid. Raises as `hear` does."""

    def read() -> Proof:
        proof = read_payment(stripe, payment)
        return replace(proof, intent=proof.intent or intent)

    try:
        return settlement.settle(book, read, act)
    except NotPaid:
        return None


def read_payment(stripe: Stripe, payment: str) -> Proof:
    """The payment as Stripe has it now. Raises `NotPaid`, `NotSent`, `Refused`, `Unknown`."""
    found = stripe.payment(payment)
    charge = found.charge if found is not None else None
    if found is None or charge is None or not charge.is_paid:
        raise NotPaid()
    disputes = stripe.disputes_of(payment).rows if charge.is_disputed else ()
    disputed = sum(one.withdrawn.minor for one in disputes)
    questioned = any(one.is_inquiry for one in disputes) and not disputed
    return Proof(
        STRIPE,
        found.id,
        charge.amount.minor,
        charge.amount.currency,
        is_live=charge.livemode,
        paid_at=charge.created,
        intent=found.intent or charge.intent or "",
        receipt=charge.id,
        losses=Losses(charge.refunded.minor, disputed, is_questioned=questioned),
    )


def _wanted(intent: Intent, return_url: str, title: str) -> SessionWanted:
    code, _, version = intent.pack.rpartition("@")
    return SessionWanted(
        intent=intent.id,
        pack=code,
        pack_version=int(version),
        amount=Money(intent.amount, intent.currency),
        title=title,
        success_url=f"{return_url}?intent={intent.id}&result=paid",
        cancel_url=f"{return_url}?intent={intent.id}&result=cancelled",
        expires_at=intent.ends_at,
    )


def _payment_of(stripe: Stripe, event: Event) -> str | None:
    """The payment intent of a charge, a dispute or a refund, read from Stripe."""
    readers: dict[str, Callable[[str], object]] = {
        "charge": stripe.charge,
        "dispute": stripe.dispute,
        "refund": stripe.refund,
    }
    found = readers[event.kind](event.object_id) if event.kind in readers else None
    payment = getattr(found, "payment", None)
    return payment if isinstance(payment, str) else None


def _proof_of_free(session: Session) -> Proof:
    """A session of an intent without a price: there is no payment, and its id grants once."""
    return Proof(
        STRIPE,
        session.payment_object,
        session.amount.minor,
        session.amount.currency,
        is_live=session.livemode,
        paid_at=session.created,
        intent=session.intent or "",
    )


def _end_of(stripe: Stripe, session: Session) -> tuple[str, str] | tuple[()]:
    """The state and the reason with which an unpaid session ends its intent; empty while it is open."""
    if session.status == "expired":
        return intents.EXPIRED, "expired"
    if session.status == "complete" and session.payment is not None:
        found = stripe.payment(session.payment)
        if found is not None and found.status in FAILED:
            return intents.FAILED, found.status
    return ()
