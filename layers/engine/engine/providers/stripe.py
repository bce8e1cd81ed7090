"""Calls to Stripe: sessions, payments, refunds, disputes, and what its webhooks did not deliver.

Format: docs.stripe.com/api. Requests are form-encoded, with the version pinned, so that the account's default
does not change what we read. A creation carries an idempotency key: the same key with the same members gets
the first answer for at least 24 hours, so an unknown outcome is repeated with the same key.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from engine.providers import money, stripe_events, stripe_objects
from engine.providers.money import Money
from engine.providers.stripe_events import Event
from engine.providers.stripe_objects import (
    INTENT,
    Charge,
    Dispute,
    NotOurs,
    Payment,
    Refund,
    Session,
)
from engine.providers.wire import (
    Api,
    Page,
    Reply,
    Unknown,
    bearer,
    child,
    is_missing,
    success,
    word,
)

VERSION: Final = "2026-06-24.dahlia"
PAGE = 100
EVENTS_KEPT_S = 30 * 24 * 3600
"""How long Stripe keeps events, delivered or not."""

SHORTEST_LIFE_S = 30 * 60
LONGEST_LIFE_S = 24 * 3600
"""Between them lies how long a session may be open."""

_ID = re.compile(r"[A-Za-z0-9_]{4,255}")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """A session to create for one intent. `price` is the id of a price at Stripe; where it is empty the
    session has a price of its own, of `amount`, under the name `title`.
    """

    intent: str
    pack: str
    pack_version: int
    amount: Money
    title: str
    success_url: str
    cancel_url: str
    expires_at: int
    price: str = ""


@dataclass(frozen=True, slots=True)
class RefundWanted:
    """A refund to create; `key` names it for ever, so that a repeat refunds once."""

    payment: str
    amount: Money
    key: str
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] = "requested_by_customer"


class Stripe:
    """Stripe at `base`; `secret_key` gives the key of the account, and raises `NotSent` if there is none."""

    def __init__(self, base: str, secret_key: Callable[[], str]) -> None:
        self._secret_key = secret_key
        self._api = Api(base)

    def create_session(self, wanted: SessionWanted) -> Session:
        """The session, open for payment at its `url`. The same intent gets the same session.

        Raises `NotSent`, `Refused`, `Unknown`; `money.BadAmount` for an amount Stripe cannot write.
        """
        reply = self._create("/v1/checkout/sessions", form_of(wanted), f"pluct-cs-{wanted.intent}")
        made = _read(reply, stripe_objects.session)
        if made.intent != wanted.intent:
            raise Unknown("not_json")
        return made

    def session(self, id_: str) -> Session | None:
        """None if Stripe has none of this id. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._one("/v1/checkout/sessions", id_, stripe_objects.session)

    def payment(self, id_: str) -> Payment | None:
        """A payment intent with its latest charge; None if there is none.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        query = {"expand[]": "latest_charge"}
        return self._one("/v1/payment_intents", id_, stripe_objects.payment, query)

    def charge(self, id_: str) -> Charge | None:
        """None if there is none. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._one("/v1/charges", id_, stripe_objects.charge)

    def dispute(self, id_: str) -> Dispute | None:
        """None if there is none. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._one("/v1/disputes", id_, stripe_objects.dispute)

    def refund(self, id_: str) -> Refund | None:
        """None if there is none. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._one("/v1/refunds", id_, stripe_objects.refund)

    def disputes_of(self, payment: str) -> Page[Dispute]:
        """Every dispute of a payment intent. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._list("/v1/disputes", {"payment_intent": payment}, stripe_objects.dispute)

    def refunds_of(self, payment: str) -> Page[Refund]:
        """Every refund of a payment intent. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._list("/v1/refunds", {"payment_intent": payment}, stripe_objects.refund)

    def undelivered(self, since: int, after: str | None = None) -> Page[Event]:
        """Events created at `since` or later that no endpoint has accepted, newest first.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        query = {"delivery_success": "false", "created[gte]": str(since)}
        return self._list("/v1/events", query, _event, after)

    def sessions(self, since: int, after: str | None = None) -> Page[Session]:
        """Sessions created at `since` or later, newest first. Raises `NotSent`, `Refused`, `Unknown`."""
        query = {"created[gte]": str(since)}
        return self._list("/v1/checkout/sessions", query, stripe_objects.session, after)

    def charges(self, since: int, after: str | None = None) -> Page[Charge]:
        """Charges created at `since` or later, newest first. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._list("/v1/charges", {"created[gte]": str(since)}, stripe_objects.charge, after)

    def refunds(self, since: int, after: str | None = None) -> Page[Refund]:
        """Refunds created at `since` or later, newest first. Raises `NotSent`, `Refused`, `Unknown`."""
        return self._list("/v1/refunds", {"created[gte]": str(since)}, stripe_objects.refund, after)

    def disputes(self, since: int, after: str | None = None) -> Page[Dispute]:
        """Disputes created at `since` or later, newest first. Raises `NotSent`, `Refused`, `Unknown`."""
        query = {"created[gte]": str(since)}
        return self._list("/v1/disputes", query, stripe_objects.dispute, after)

    def create_refund(self, wanted: RefundWanted) -> Refund:
        """The refund, which may still be pending or fail later.

        Raises `NotSent`, `Refused` (with Stripe's code, such as `charge_already_refunded`), `Unknown`.
        """
        amount, _ = money.to_stripe(wanted.amount)
        form = [
            ("payment_intent", wanted.payment),
            ("amount", str(amount)),
            ("reason", wanted.reason),
        ]
        return _read(
            self._create("/v1/refunds", form, f"pluct-re-{wanted.key}"), stripe_objects.refund
        )

    def _headers(self) -> dict[str, str]:
        return {**bearer(self._secret_key()), "Stripe-Version": VERSION}

    def _create(self, path: str, form: list[tuple[str, str]], key: str) -> Reply:
        return self._api.send_form(path, {**self._headers(), "Idempotency-Key": key}, form)

    def _one(
        self,
        path: str,
        id_: str,
        read: Callable[[Mapping[str, Any]], T],
        query: Mapping[str, str] | None = None,
    ) -> T | None:
        # The id may come from an event; only its form makes it part of a path.
        if not _ID.fullmatch(id_):
            return None
        reply = self._api.get(f"{path}/{id_}", self._headers(), query)
        return None if is_missing(reply, frozenset({404})) else _read(reply, read)

    def _list(
        self,
        path: str,
        query: Mapping[str, str],
        read: Callable[[Mapping[str, Any]], T],
        after: str | None = None,
    ) -> Page[T]:
        wanted = {**query, "limit": str(PAGE), **({"starting_after": after} if after else {})}
        members = success_of(self._api.get(path, self._headers(), wanted))
        listed = members.get("data")
        if not isinstance(listed, list):
            raise Unknown("not_json")
        rows = []
        for member in listed:
            try:
                rows.append(read(member if isinstance(member, dict) else {}))
            except NotOurs:
                continue
        last = listed[-1] if listed and members.get("has_more") is True else None
        next_after = stripe_events.reference({"last": last}, "last")
        return Page(tuple(rows), next_after, len(listed) - len(rows))


def form_of(wanted: SessionWanted) -> list[tuple[str, str]]:
    """The members of the creation. The intent is in every place that Stripe echoes: only what is in
    `payment_intent_data` reaches the charge and its refunds.
    """
    return [
        ("mode", "payment"),
        ("client_reference_id", wanted.intent),
        ("line_items[0][quantity]", "1"),
        *_price(wanted),
        (f"metadata[{INTENT}]", wanted.intent),
        ("metadata[pluct_pack]", wanted.pack),
        ("metadata[pluct_pack_version]", str(wanted.pack_version)),
        (f"payment_intent_data[metadata][{INTENT}]", wanted.intent),
        # A buyer who pays in another currency would change what the session says was paid.
        ("adaptive_pricing[enabled]", "false"),
        ("expires_at", str(wanted.expires_at)),
        ("success_url", wanted.success_url),
        ("cancel_url", wanted.cancel_url),
    ]


def success_of(reply: Reply) -> Mapping[str, Any]:
    """The members of a success. Raises `Refused` with Stripe's code, `Unknown`."""
    error = child(reply.members, "error")
    return success(reply, word(error, "code") or word(error, "type"))


def _price(wanted: SessionWanted) -> list[tuple[str, str]]:
    if wanted.price:
        return [("line_items[0][price]", wanted.price)]
    amount, currency = money.to_stripe(wanted.amount)
    return [
        ("line_items[0][price_data][currency]", currency),
        ("line_items[0][price_data][unit_amount]", str(amount)),
        ("line_items[0][price_data][product_data][name]", wanted.title),
    ]


def _read(reply: Reply, read: Callable[[Mapping[str, Any]], T]) -> T:
    members = success_of(reply)
    try:
        return read(members)
    except NotOurs:
        raise Unknown("not_json") from None


def _event(members: Mapping[str, Any]) -> Event:
    event = stripe_events.of(members)
    if event is None:
        raise NotOurs("event")
    return event
