"""Payments for subscriptions: each payment of a provider counts once, for ever."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from engine.credits import payments
from engine.credits.payments import Grant, Granted
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import InvalidRequest
from engine.subscriptions import subscription, transitions
from engine.subscriptions.plans import micros, shown
from engine.subscriptions.subscription import Subscriber
from engine.web.request_ids import RequestKey


@dataclass(frozen=True, slots=True)
class TopUp:
    """A payment: `amount` in credits as a decimal in text, `payment_id` unique at its `provider`."""

    user: str
    amount: str
    payment_id: str
    provider: str


def top_up(ledger: Ledger, paid: TopUp, asked: RequestKey, act: Act) -> Granted:
    """Add the payment's credits once; the subscription is created if there is none.

    Raises `InvalidRequest`, `KeyReused`, `Busy` or `OutcomeUnknown`.
    """
    added = micros(Decimal(paid.amount))
    if not added:
        raise InvalidRequest("The amount must not be zero.", details={"field": "amount"})
    transitions.open_subscription(ledger, Subscriber(paid.user), act)
    grant = Grant(
        user=paid.user,
        amount=added,
        type="top_up",
        provider=paid.provider,
        payment_id=paid.payment_id,
        key=asked.key,
        fingerprint=asked.fingerprint,
        act=act,
    )
    return payments.grant(ledger, grant, beside=[subscription.payment(paid.user, added)])


def members(paid: TopUp, granted: Granted) -> dict[str, Any]:
    """The answer, the same for a repeat."""
    return {
        "userId": paid.user,
        "amount": paid.amount,
        "available_credits": shown(granted.new_balance),
        "requestId": granted.request_id,
    }
