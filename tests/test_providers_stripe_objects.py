"""Events of Stripe name what to read; its objects are read exactly, and odd bytes are neither."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import stripe_events, stripe_objects
from engine.providers.money import Money
from engine.providers.stripe_objects import NotOurs
from tests.support import odd
from tests.support.properties import PROPERTY
from tests.support.vectors import FOLDER, raw, vectors

EVENTS = {
    path.stem: json.loads(path.read_text()) for path in (FOLDER / "stripe").glob("event_*.json")
}
PAYMENT, CHARGE = "pi_3Sx1AbC2dEfG3hIj0KlMnOpQ", "ch_3Sx1AbC2dEfG3hIj0KlMnOpR"
DISPUTE = "du_1Sx1AbC2dEfG3hIjKlMnOpDa"
INTENT = "pin_01KE6B3T5W8Y2Z4A6C8E0G2J4K"


def test_there_are_16_events() -> None:
    assert len(EVENTS) == 16


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_an_event_names_the_object_to_read(name: str) -> None:
    document = EVENTS[name]
    event = stripe_events.read(raw(document))
    assert event is not None
    about = document["data"]["object"]
    assert (event.id, event.type) == (document["id"], document["type"])
    assert (event.kind, event.object_id) == (about["object"], about["id"])
    assert event.livemode is (name == "event_15_livemode_mismatch")
    assert event.payment == about["payment_intent"]
    assert event.charge == (CHARGE if about["object"] != "checkout.session" else None)
    assert event.is_listened_to and not event.is_thin


def test_a_thin_event_names_the_same_object_as_its_snapshot() -> None:
    event = stripe_events.read(raw(vectors("stripe/thin_event_charge_refunded")))
    assert event is not None and event.is_thin
    assert (event.type, event.kind, event.object_id) == ("charge.refunded", "charge", CHARGE)
    assert event.created == 1_767_603_600


def test_an_event_of_another_type_is_known_and_not_listened_to() -> None:
    document = {**EVENTS["event_01_checkout_session_completed_paid"], "type": "invoice.paid"}
    event = stripe_events.read(raw(document))
    assert event is not None and not event.is_listened_to


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "evt/../x"},
        {"object": "charge"},
        {"type": 7},
        {"livemode": "false"},
        {"created": "yesterday"},
        {"data": {"object": {"object": "charge", "id": "ch_1234"}}},
        {"data": {"object": {"object": "checkout.session", "id": "../../v1/charges"}}},
        {"data": []},
    ],
)
def test_a_malformed_event_is_none(changed: dict[str, Any]) -> None:
    document = {**EVENTS["event_01_checkout_session_completed_paid"], **changed}
    assert stripe_events.read(raw(document)) is None


def test_a_listed_event_is_read_like_a_pushed_one() -> None:
    listed = [stripe_events.of(one) for one in vectors("stripe/list_events_undelivered")["data"]]
    assert [event and event.kind for event in listed] == ["charge", "checkout.session"]


def session(name: str) -> stripe_objects.Session:
    return stripe_objects.session(EVENTS[name]["data"]["object"])


def test_a_session_is_read_with_what_it_echoes() -> None:
    found = stripe_objects.session(vectors("stripe/object_checkout_session_get"))
    assert found.is_paid and found.intent == INTENT
    assert (found.amount, found.payment_object) == (Money(499, "USD"), PAYMENT)


@pytest.mark.parametrize(
    ("name", "is_paid", "status"),
    [
        ("event_01_checkout_session_completed_paid", True, "complete"),
        ("event_02_checkout_session_completed_unpaid", False, "complete"),
        ("event_03_async_payment_succeeded", True, "complete"),
        ("event_04_async_payment_failed", False, "complete"),
        ("event_05_checkout_session_expired", False, "expired"),
    ],
)
def test_only_a_complete_paid_session_is_paid(name: str, is_paid: bool, status: str) -> None:
    assert (session(name).is_paid, session(name).status) == (is_paid, status)


def test_a_session_without_payment_is_paid_only_if_it_costs_nothing() -> None:
    members = copy.deepcopy(vectors("stripe/object_checkout_session_get"))
    members |= {"payment_status": "no_payment_required", "payment_intent": None}
    assert not stripe_objects.session(members).is_paid
    free = stripe_objects.session({**members, "amount_total": 0})
    assert free.is_paid and free.payment_object == free.id


def test_a_session_that_is_not_complete_is_not_paid_whatever_it_says_of_the_payment() -> None:
    members = copy.deepcopy(vectors("stripe/object_checkout_session_get"))
    for status in ("open", "expired"):
        assert not stripe_objects.session({**members, "status": status}).is_paid


def test_another_currency_environment_and_product_are_told() -> None:
    # Stripe writes hundredths of a shilling of Uganda.
    assert session("event_14_wrong_currency_same_number").amount == Money(4, "UGX")
    assert session("event_15_livemode_mismatch").livemode
    assert session("event_16_foreign_session_no_intent").intent is None


@pytest.mark.parametrize(
    ("name", "refunded"),
    [
        ("event_06_charge_refunded_100_of_499", 100),
        ("event_07_charge_refunded_300_of_499", 300),
        ("event_08_charge_refunded_499_of_499", 499),
    ],
)
def test_the_refunds_of_a_charge_are_cumulative(name: str, refunded: int) -> None:
    found = stripe_objects.charge(EVENTS[name]["data"]["object"])
    assert (found.amount, found.refunded) == (Money(499, "USD"), Money(refunded, "USD"))
    assert (found.id, found.payment, found.intent) == (CHARGE, PAYMENT, INTENT)
    assert found.is_paid and not found.is_disputed


def test_a_failed_refund_is_read() -> None:
    found = stripe_objects.refund(EVENTS["event_09_refund_failed_199"]["data"]["object"])
    assert (found.status, found.amount, found.charge) == ("failed", Money(199, "USD"), CHARGE)


@pytest.mark.parametrize(
    ("name", "is_inquiry", "withdrawn"),
    [
        ("event_10_dispute_created_inquiry", True, 0),
        ("event_11_dispute_funds_withdrawn", False, 499),
        ("event_12_dispute_funds_reinstated", False, 0),
        ("event_13_dispute_closed_lost", False, 499),
    ],
)
def test_a_dispute_says_what_was_withdrawn(name: str, is_inquiry: bool, withdrawn: int) -> None:
    found = stripe_objects.dispute(EVENTS[name]["data"]["object"])
    assert (found.is_inquiry, found.withdrawn) == (is_inquiry, Money(withdrawn, "USD"))
    assert (found.id, found.charge, found.payment) == (DISPUTE, CHARGE, PAYMENT)


@pytest.mark.parametrize(
    ("status", "withdrawn"),
    [("needs_response", 499), ("lost", 499), ("won", 0), ("warning_closed", 0), ("prevented", 0)],
)
def test_a_dispute_settled_in_another_currency_goes_by_its_status(
    status: str, withdrawn: int
) -> None:
    members = copy.deepcopy(EVENTS["event_11_dispute_funds_withdrawn"]["data"]["object"])
    members["balance_transactions"][0] |= {"currency": "kes", "amount": -64_000}
    found = stripe_objects.dispute({**members, "status": status})
    assert found.withdrawn == Money(withdrawn, "USD")


def test_a_payment_has_its_charge_only_if_it_is_given_whole() -> None:
    charge = EVENTS["event_06_charge_refunded_100_of_499"]["data"]["object"]
    members = {
        "object": "payment_intent",
        "id": PAYMENT,
        "status": "succeeded",
        "amount_received": 499,
        "currency": "usd",
        "livemode": False,
        "created": 1,
        "metadata": {"pluct_intent": INTENT},
        "latest_charge": charge,
    }
    found = stripe_objects.payment(members)
    assert found.charge is not None and found.charge.refunded == Money(100, "USD")
    assert found.intent == INTENT
    assert stripe_objects.payment({**members, "latest_charge": CHARGE}).charge is None


READERS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "session": (stripe_objects.session, "event_01_checkout_session_completed_paid"),
    "charge": (stripe_objects.charge, "event_06_charge_refunded_100_of_499"),
    "refund": (stripe_objects.refund, "event_09_refund_failed_199"),
    "dispute": (stripe_objects.dispute, "event_11_dispute_funds_withdrawn"),
}
USED = {
    "id", "object", "status", "payment_status", "amount", "amount_total", "amount_refunded", "currency",
    "livemode", "created", "client_reference_id", "metadata", "payment_intent", "charge", "url", "expires_at",
    "paid", "disputed", "balance_transactions",
}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
def test_an_object_with_any_member_spoiled_is_read_or_refused(kind: str) -> None:
    read, name = READERS[kind]
    about = EVENTS[name]["data"]["object"]
    members = {member: value for member, value in about.items() if member in USED}
    refused = 0
    for document in odd.spoiled(members):
        try:
            read(document)
        except NotOurs:
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("kind", READERS)
def test_an_object_of_another_kind_is_refused(kind: str) -> None:
    read, name = READERS[kind]
    about = EVENTS[name]["data"]["object"]
    assert read(about) is not None
    with pytest.raises(NotOurs):
        read({**about, "object": "payment_link"})


def test_an_event_with_any_member_spoiled_is_read_or_none() -> None:
    document = copy.deepcopy(EVENTS["event_09_refund_failed_199"])
    thin = vectors("stripe/thin_event_charge_refunded")
    spoiled = [stripe_events.of(one) for one in (*odd.spoiled(document), *odd.spoiled(thin))]
    assert None in spoiled


@PROPERTY
@given(st.binary(max_size=200))
def test_odd_bytes_are_no_event(body: bytes) -> None:
    assert stripe_events.read(body) is None
