"""Calls to Stripe against its stand-in: what is sent, what is read, and what an outcome says."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest

from engine.providers import stripe as provider
from engine.providers.money import Money
from engine.providers.stripe import RefundWanted, SessionWanted, Stripe
from engine.providers.stripe_objects import Session
from engine.providers.wire import NotSent, Page, Refused, Unknown
from standins import stripe
from standins.clock import Clock
from tests.support.standins import STARTED_AT, Standin, standing
from tests.support.vectors import vectors

pytestmark = pytest.mark.enable_socket
KEY = "sk_test_of_all_tests"
EXCHANGE = vectors("stripe/create_session_exchange")
UNREADABLE: list[tuple[str, dict[str, Any]]] = [
    ("garbage", {}),
    ("html", {}),
    ("empty", {}),
    ("not_object", {}),
    ("truncated", {}),
    ("oversized", {"megabytes": 2}),
    ("redirect", {"location": "http://127.0.0.1:1/"}),
    ("status", {"status": 500}),
    ("status", {"status": 409, "body": EXCHANGE["response_409_in_flight"]["body"]}),
    ("drop", {"when": "after"}),
]


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    clock = Clock(lambda: float(STARTED_AT))
    with standing(stripe.create_app(KEY, "whsec_of_all_tests", clock=clock)) as running:
        yield running


@pytest.fixture
def account(standin: Standin) -> Stripe:
    standin.faults()
    return Stripe(standin.base, lambda: KEY)


def wanted(intent: str, **changed: Any) -> SessionWanted:
    facts: dict[str, Any] = {
        "intent": intent,
        "pack": "p250",
        "pack_version": 3,
        "amount": Money(499, "USD"),
        "title": "250 credits",
        "success_url": "https://pluct.example/pay/done?s={CHECKOUT_SESSION_ID}",
        "cancel_url": "https://pluct.example/pay/cancel",
        "expires_at": STARTED_AT + 1800,
    }
    return SessionWanted(**{**facts, **changed})


def bought(account: Stripe, standin: Standin, intent: str, **how: Any) -> Session:
    made = account.create_session(wanted(intent))
    standin.order("pay", session=made.id, **how)
    found = account.session(made.id)
    assert found is not None
    return found


def test_the_form_is_that_of_the_recorded_exchange() -> None:
    form = provider.form_of(
        wanted(
            "pin_01KE6B3T5W8Y2Z4A6C8E0G2J4K", price="price_1SxPack250Usd", expires_at=1_767_601_800
        )
    )
    assert form == [tuple(pair) for pair in EXCHANGE["request"]["form"]]


def test_a_creation_is_pinned_keyed_and_echoed(account: Stripe, standin: Standin) -> None:
    made = account.create_session(wanted("pin_1"))
    assert (made.intent, made.amount, made.status) == ("pin_1", Money(499, "USD"), "open")
    assert made.url is not None and made.url.startswith(standin.base)
    call = standin.calls("create_session")[-1]
    recorded = EXCHANGE["request"]["headers"]
    assert call["headers"]["Stripe-Version"] == recorded["Stripe-Version"] == provider.VERSION
    assert call["headers"]["Idempotency-Key"] == "pluct-cs-pin_1"
    assert KEY not in str(call)
    form = dict(parse_qsl(call["body"]))
    assert form["line_items[0][price_data][unit_amount]"] == "499"
    assert form["payment_intent_data[metadata][pluct_intent]"] == "pin_1"


def test_the_same_intent_gets_the_same_session_also_after_a_lost_answer(
    account: Stripe, standin: Standin
) -> None:
    standin.fault("create_session", "drop", when="after")
    with pytest.raises(Unknown):
        account.create_session(wanted("pin_2"))
    made = account.create_session(wanted("pin_2"))
    assert account.create_session(wanted("pin_2")) == made
    with pytest.raises(Refused) as refused:
        account.create_session(wanted("pin_2", amount=Money(500, "USD")))
    expected = EXCHANGE["response_400_param_mismatch_on_same_key"]["body"]["error"]["type"]
    assert (refused.value.status, refused.value.code) == (400, expected)


@pytest.mark.parametrize(("kind", "options"), UNREADABLE, ids=lambda one: str(one)[:20])
def test_an_answer_that_says_nothing_is_unknown(
    account: Stripe, standin: Standin, kind: str, options: dict[str, Any]
) -> None:
    standin.fault("create_session", kind, **options)
    with pytest.raises(Unknown):
        account.create_session(wanted("pin_3"))


def test_a_refusal_names_stripe_s_code_and_wait(account: Stripe, standin: Standin) -> None:
    body = EXCHANGE["response_429"]["body"]
    standin.fault("create_session", "status", status=429, body=body, headers={"Retry-After": "7"})
    with pytest.raises(Refused) as refused:
        account.create_session(wanted("pin_4"))
    assert (refused.value.status, refused.value.code, refused.value.retry_after_s) == (
        429,
        "rate_limit",
        7,
    )
    with pytest.raises(Refused) as refused:
        Stripe(account._api._base, lambda: "sk_test_other").create_session(wanted("pin_4"))
    assert refused.value.status == 401


def test_an_unreachable_stripe_got_nothing() -> None:
    with pytest.raises(NotSent):
        Stripe("http://127.0.0.1:1", lambda: KEY).session("cs_test_1")


def test_a_paid_session_leads_to_its_payment_and_charge(account: Stripe, standin: Standin) -> None:
    found = bought(account, standin, "pin_5")
    assert found.is_paid and found.payment is not None
    paid = account.payment(found.payment)
    assert paid is not None and paid.charge is not None
    assert (paid.received, paid.intent, paid.charge.intent) == (Money(499, "USD"), "pin_5", "pin_5")
    assert account.charge(paid.charge.id) == paid.charge


def test_a_session_that_is_paid_later_is_not_paid_before(account: Stripe, standin: Standin) -> None:
    found = bought(account, standin, "pin_6", later=True)
    assert (found.status, found.is_paid) == ("complete", False)
    standin.order("settle", session=found.id, paid=True)
    settled = account.session(found.id)
    assert settled is not None and settled.is_paid


def test_a_payment_of_another_currency_and_amount_is_told(
    account: Stripe, standin: Standin
) -> None:
    found = bought(account, standin, "pin_7", currency="kes", amount=100)
    assert found.amount == Money(100, "KES")


def test_what_stripe_does_not_know_is_none(account: Stripe) -> None:
    assert account.session("cs_test_unknown") is None
    assert account.payment("pi_unknown") is None
    assert account.charge("ch_unknown") is None
    assert account.dispute("du_unknown") is None
    assert account.refund("re_unknown") is None


@pytest.mark.parametrize("odd", ["", "../events", "a/b", "a?b", "é", "x" * 300])
def test_an_id_of_another_form_is_not_asked_for(
    account: Stripe, standin: Standin, odd: str
) -> None:
    before = standin.order("calls", "GET")["counts"]
    assert account.session(odd) is None
    assert standin.order("calls", "GET")["counts"] == before


def test_refunds_add_up_and_a_failed_one_is_taken_off(account: Stripe, standin: Standin) -> None:
    payment = str(bought(account, standin, "pin_8").payment)
    first = account.create_refund(RefundWanted(payment, Money(100, "USD"), "pin_8-1"))
    assert account.create_refund(RefundWanted(payment, Money(100, "USD"), "pin_8-1")) == first
    second = account.create_refund(RefundWanted(payment, Money(399, "USD"), "pin_8-2"))
    with pytest.raises(Refused) as refused:
        account.create_refund(RefundWanted(payment, Money(1, "USD"), "pin_8-3"))
    assert refused.value.code == "charge_already_refunded"
    assert refunded(account, payment) == 499
    standin.order("fail_refund", refund=second.id)
    assert refunded(account, payment) == 100
    failed = account.refund(second.id)
    assert failed is not None and failed.status == "failed"
    assert {one.id for one in account.refunds_of(payment).rows} == {first.id, second.id}


def refunded(account: Stripe, payment: str) -> int:
    found = account.payment(payment)
    assert found is not None and found.charge is not None
    return found.charge.refunded.minor


@pytest.mark.parametrize(
    ("inquiry", "won", "during", "after"),
    [(False, True, 499, 0), (False, False, 499, 499), (True, True, 0, 0)],
)
def test_a_dispute_takes_the_money_until_it_is_won(
    account: Stripe, standin: Standin, inquiry: bool, won: bool, during: int, after: int
) -> None:
    payment = str(bought(account, standin, f"pin_9{inquiry}{won}").payment)
    made = standin.order("dispute", payment=payment, inquiry=inquiry)
    (open_,) = account.disputes_of(payment).rows
    assert (open_.withdrawn.minor, open_.is_inquiry) == (during, inquiry)
    standin.order("end_dispute", dispute=made["id"], won=won)
    ended = account.dispute(made["id"])
    assert ended is not None and ended.withdrawn.minor == after


def test_events_that_no_endpoint_accepted_are_listed(account: Stripe, standin: Standin) -> None:
    standin.order("settings", webhook_url="http://127.0.0.1:1/")
    found = bought(account, standin, "pin_10")
    standin.order("settings", webhook_url=None)
    # With no endpoint nothing counts as undelivered.
    assert account.undelivered(STARTED_AT - 1).rows == ()
    standin.order("settings", webhook_url="http://127.0.0.1:1/")
    page = account.undelivered(STARTED_AT - 1)
    assert [(row.type, row.object_id) for row in page.rows] == [
        ("checkout.session.completed", found.id)
    ]
    assert account.undelivered(STARTED_AT + 1).rows == ()
    standin.order("settings", webhook_url=None)


def test_every_list_is_read_to_its_end(standin: Standin) -> None:
    clock = Clock(lambda: float(STARTED_AT))
    with standing(stripe.create_app(KEY, "whsec_x", clock=clock)) as other:
        account = Stripe(other.base, lambda: KEY)
        for number in range(provider.PAGE + 5):
            account.create_session(wanted(f"pin_{number}"))
        first = account.sessions(STARTED_AT)
        assert len(first.rows) == provider.PAGE and first.after == first.rows[-1].id
        second = account.sessions(STARTED_AT, first.after)
        assert (len(second.rows), second.after) == (5, None)
        intents = {row.intent for row in (*first.rows, *second.rows)}
        assert len(intents) == provider.PAGE + 5
        payment = str(bought(account, other, "pin_paid").payment)
        account.create_refund(RefundWanted(payment, Money(1, "USD"), "r1"))
        other.order("dispute", payment=payment)
        assert [len(page.rows) for page in lists(account)] == [1, 1, 1]


def lists(account: Stripe) -> list[Page[Any]]:
    since = STARTED_AT - 1
    return [account.charges(since), account.refunds(since), account.disputes(since)]


def test_a_row_that_cannot_be_read_hides_no_other(account: Stripe, standin: Standin) -> None:
    good = vectors("stripe/object_checkout_session_get")
    body = {"object": "list", "has_more": True, "data": [{"id": 7}, None, good]}
    standin.fault("list_session", "status", status=200, body=body)
    page = account.sessions(0)
    assert ([row.id for row in page.rows], page.unreadable) == ([good["id"]], 2)
    assert page.after == good["id"]
