"""Money that comes in for subscriptions: each payment of the provider counts once, for ever."""

from decimal import Decimal
from typing import Any

from engine.credits import payments
from engine.credits.payments import Grant, Granted
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import InvalidRequest
from engine.subscriptions import moves
from engine.subscriptions.plans import micros, shown
from engine.web.idempotency import RequestKey

PROVIDER = "subscription"


def top_up(
    ledger: Ledger, user: str, amount: str, payment_id: str, asked: RequestKey, act: Act
) -> Granted:
    """Add `amount` credits, a decimal in text, once for `payment_id`; the subscription is opened if there
    is none. Raises `InvalidRequest`, `KeyReused`, `Busy` or `OutcomeUnknown`.
    """
    added = micros(Decimal(amount))
    if not added:
        raise InvalidRequest("The amount must not be zero.", details={"field": "amount"})
    moves.open_subscription(ledger, user, act)
    grant = Grant(
        user=user,
        amount=added,
        type="top_up",
        provider=PROVIDER,
        payment_id=payment_id,
        key=asked.key,
        fingerprint=asked.fingerprint,
        act=act,
    )
    return payments.grant(ledger, grant, beside=[moves.granted_beside(user, added)])


def members(user: str, amount: str, paid: Granted) -> dict[str, Any]:
    """The answer; a repeat gets the same."""
    return {
        "userId": user,
        "amount": amount,
        "available_credits": shown(paid.new_balance),
        "requestId": paid.request_id,
    }
