"""Objects of Stripe as read from its API: sessions, payments, charges, disputes, refunds.

Formats: docs.stripe.com/api, version `stripe.VERSION`; members that are not named here are ignored. Amounts
are what the customer pays, tax included, without Stripe's fees.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.providers import money
from engine.providers.money import BadAmount, Money
from engine.providers.stripe_events import reference
from engine.providers.wire import child, children, text, whole

INTENT: Final = "pluct_intent"
"""The name in `metadata` under which an intent's id is sent and echoed."""

NOT_WITHDRAWN = ("won", "prevented")
INQUIRY = "warning_"


class NotOurs(ValueError):
    """The object does not have the documented form."""


@dataclass(frozen=True, slots=True)
class Session:
    """A Checkout session. `status` is open, complete or expired; `payment_status` paid, unpaid or
    no_payment_required. `intent` is what the session echoes, `payment` its payment intent.
    """

    id: str
    status: str
    payment_status: str
    amount: Money
    livemode: bool
    created: int
    intent: str | None
    payment: str | None
    url: str | None
    expires_at: int | None

    @property
    def is_paid(self) -> bool:
        """Whether the money is there; a session that needs no payment is paid if its amount is 0."""
        free = self.payment_status == "no_payment_required" and self.amount.minor == 0
        return self.status == "complete" and (self.payment_status == "paid" or free)

    @property
    def payment_object(self) -> str:
        """The id that grants once: the payment intent, the session where there is none."""
        return self.payment or self.id


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge; `refunded` is cumulative and falls when a refund fails."""

    id: str
    payment: str | None
    amount: Money
    refunded: Money
    livemode: bool
    created: int
    is_paid: bool
    is_disputed: bool
    intent: str | None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment intent; `charge` is its latest charge, given whole."""

    id: str
    status: str
    received: Money
    livemode: bool
    created: int
    intent: str | None
    charge: Charge | None


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute. `withdrawn` is what Stripe has taken back for it so far, 0 for an inquiry and after it was
    won; it may differ from `amount`.
    """

    id: str
    charge: str | None
    payment: str | None
    status: str
    amount: Money
    withdrawn: Money
    livemode: bool
    created: int

    @property
    def is_inquiry(self) -> bool:
        return self.status.startswith(INQUIRY)


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund; `status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    charge: str | None
    payment: str | None
    status: str
    amount: Money
    created: int


def session(members: Mapping[str, Any]) -> Session:
    """Raises `NotOurs`."""
    id_, status, payment_status = _named(members, "checkout.session", "status", "payment_status")
    return Session(
        id_,
        status,
        payment_status,
        _amount(members, "amount_total"),
        _livemode(members),
        _created(members),
        _intent(members),
        reference(members, "payment_intent"),
        text(members, "url", 4096),
        whole(members, "expires_at"),
    )


def charge(members: Mapping[str, Any]) -> Charge:
    """Raises `NotOurs`."""
    (id_,) = _named(members, "charge")
    return Charge(
        id_,
        reference(members, "payment_intent"),
        _amount(members, "amount"),
        _amount(members, "amount_refunded"),
        _livemode(members),
        _created(members),
        is_paid=members.get("paid") is True and members.get("status") == "succeeded",
        is_disputed=members.get("disputed") is True,
        intent=_intent(members),
    )


def payment(members: Mapping[str, Any]) -> Payment:
    """A payment intent that was read with its latest charge expanded. Raises `NotOurs`."""
    id_, status = _named(members, "payment_intent", "status")
    latest = members.get("latest_charge")
    return Payment(
        id_,
        status,
        _amount(members, "amount_received"),
        _livemode(members),
        _created(members),
        _intent(members),
        charge(latest) if isinstance(latest, dict) else None,
    )


def dispute(members: Mapping[str, Any]) -> Dispute:
    """Raises `NotOurs`."""
    id_, status = _named(members, "dispute", "status")
    amount = _amount(members, "amount")
    return Dispute(
        id_,
        reference(members, "charge"),
        reference(members, "payment_intent"),
        status,
        amount,
        _withdrawn(members, status, amount),
        _livemode(members),
        _created(members),
    )


def refund(members: Mapping[str, Any]) -> Refund:
    """Raises `NotOurs`."""
    id_, status = _named(members, "refund", "status")
    return Refund(
        id_,
        reference(members, "charge"),
        reference(members, "payment_intent"),
        status,
        _amount(members, "amount"),
        _created(members),
    )


def _withdrawn(members: Mapping[str, Any], status: str, amount: Money) -> Money:
    """The sum of the movements for the dispute, without fees. Where the account is settled in another
    currency than was charged, the movements say nothing about the charge, and the status decides.
    """
    moves = list(children(members, "balance_transactions"))
    amounts = [whole(move, "amount") for move in moves]
    known = [part for part in amounts if part is not None]
    is_same = all(move.get("currency") == members.get("currency") for move in moves)
    if moves and is_same and len(known) == len(moves):
        return _money(max(0, -sum(known)), members.get("currency"))
    is_withdrawn = bool(moves) and not status.startswith(INQUIRY) and status not in NOT_WITHDRAWN
    return Money(amount.minor if is_withdrawn else 0, amount.currency)


def _named(members: Mapping[str, Any], kind: str, *names: str) -> tuple[str, ...]:
    """The id of an object of `kind`, and its members `names`, which are texts."""
    id_ = reference(members, "id")
    found = tuple(text(members, name, 64) for name in names)
    if members.get("object") != kind or id_ is None or None in found:
        raise NotOurs(kind)
    return id_, *(str(value) for value in found)


def _intent(members: Mapping[str, Any]) -> str | None:
    """What the object echoes: only a session has `client_reference_id`."""
    return text(members, "client_reference_id", 64) or text(child(members, "metadata"), INTENT, 64)


def _amount(members: Mapping[str, Any], name: str) -> Money:
    return _money(members.get(name), members.get("currency"))


def _money(amount: Any, currency: Any) -> Money:
    try:
        return money.of_stripe(amount, currency)
    except BadAmount:
        raise NotOurs("amount") from None


def _livemode(members: Mapping[str, Any]) -> bool:
    value = members.get("livemode")
    if not isinstance(value, bool):
        raise NotOurs("livemode")
    return value


def _created(members: Mapping[str, Any]) -> int:
    created = whole(members, "created")
    if created is None:
        raise NotOurs("created")
    return created
