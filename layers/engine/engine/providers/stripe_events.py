"""Events of Stripe as hints: which object to read again. Formats: docs.stripe.com/api/events/object (snapshot
events) and docs.stripe.com/event-destinations (thin events, `v2.core.event`).

The copy of an object in an event is not believed: it may be old, events come in any order, and a thin one has
none. So nothing but ids is taken from it. What the event's type says about money is left alone for the same
reason.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from engine.providers.wire import child, moment, parsed, text, whole

Kind = Literal["checkout.session", "charge", "dispute", "refund", ""]

READS: Final[Mapping[str, Kind]] = {
    "checkout.session.completed": "checkout.session",
    "checkout.session.async_payment_succeeded": "checkout.session",
    "checkout.session.async_payment_failed": "checkout.session",
    "checkout.session.expired": "checkout.session",
    "charge.refunded": "charge",
    "charge.refund.updated": "refund",
    "refund.created": "refund",
    "refund.updated": "refund",
    "refund.failed": "refund",
    "charge.dispute.created": "dispute",
    "charge.dispute.updated": "dispute",
    "charge.dispute.funds_withdrawn": "dispute",
    "charge.dispute.funds_reinstated": "dispute",
    "charge.dispute.closed": "dispute",
}
"""The types that are listened to, and the kind of object that each is about. `payment_intent.succeeded` is
not among them: with it one payment would be told twice.
"""

THIN: Final = "v2.core.event"
_ID = re.compile(r"[A-Za-z0-9_]{4,255}")


@dataclass(frozen=True, slots=True)
class Event:
    """An event. `created` in epoch seconds; `type` as of a snapshot event, without the `v1.` of a thin one.

    `kind` and `object_id` say what to read, empty for a type that is not listened to; `payment` (its
    payment intent) and `charge` are there where the event names them.
    """

    id: str
    type: str
    created: int
    livemode: bool
    is_thin: bool
    kind: Kind = ""
    object_id: str = ""
    payment: str | None = None
    charge: str | None = None

    @property
    def is_listened_to(self) -> bool:
        return bool(self.kind)


def read(raw: bytes) -> Event | None:
    """The event in a body whose signature was checked; None if it is none. Never raises."""
    document = parsed(raw)
    return None if document is None else of(document)


def of(document: Mapping[str, Any]) -> Event | None:
    """The event in `document`, as in a body or a list of events; None if it is none."""
    id_, type_, livemode = text(document, "id"), text(document, "type"), document.get("livemode")
    if id_ is None or not _ID.fullmatch(id_) or type_ is None or not isinstance(livemode, bool):
        return None
    if document.get("object") == THIN:
        return _thin(document, id_, type_.removeprefix("v1."), livemode)
    created = whole(document, "created")
    if document.get("object") != "event" or created is None:
        return None
    about = child(child(document, "data"), "object")
    event = Event(id_, type_, created, livemode, is_thin=False)
    return _about(event, about, str(about.get("object")))


def _thin(document: Mapping[str, Any], id_: str, type_: str, livemode: bool) -> Event | None:
    created = moment(document, "created")
    if created is None:
        return None
    related = child(document, "related_object")
    event = Event(id_, type_, created, livemode, is_thin=True)
    return _about(event, related, str(related.get("type")))


def _about(event: Event, about: Mapping[str, Any], kind: str) -> Event | None:
    """`event` with what it is about; None where it names another object than its type is about."""
    expected = READS.get(event.type, "")
    if not expected:
        return event
    object_id = reference(about, "id")
    if object_id is None or kind != expected:
        return None
    return Event(
        event.id,
        event.type,
        event.created,
        event.livemode,
        event.is_thin,
        expected,
        object_id,
        reference(about, "payment_intent"),
        object_id if kind == "charge" else reference(about, "charge"),
    )


def reference(members: Mapping[str, Any], name: str) -> str | None:
    """The id of an object that is named by its id, or given whole ("expanded"); None if it is neither."""
    value = members.get(name)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and _ID.fullmatch(value) else None
