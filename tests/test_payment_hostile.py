"""Hostile and odd input to payments: what is refused, what is acknowledged, and that none of it grants."""

import base64
import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from engine.access.keyrings import STRIPE_WEBHOOK_SECRET
from engine.payments.clawback import Losses
from engine.providers import daraja, stripe_signature
from tests.support.payers import Bought, bought
from tests.support.paying import SECRETS, Market, market, signed, stripe_event, told
from tests.support.shop import edit_pack, unmatched

pytestmark = pytest.mark.enable_socket
_numbers = itertools.count(1)
SECRET = SECRETS["STRIPE_WEBHOOK_SECRET"]


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        edit_pack(made.gateway, "g250", prices={}, googleProductId="credits_250")
        for provider in (made.stripe, made.play):
            provider.fault("push", "push", mode="never")
        yield made


def paid(shop: Market, **changed: Any) -> tuple[str, dict[str, Any]]:
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    shop.stripe.order("pay", {"session": shop.session(intent), **changed})
    return user, intent


def completed(shop: Market, intent: dict[str, Any], **changed: Any) -> dict[str, Any]:
    about = {"id": shop.session(intent), "object": "checkout.session"}
    return stripe_event("checkout.session.completed", about, **changed)


def test_a_header_with_several_signatures_needs_one_that_is_right(shop: Market) -> None:
    user, intent = paid(shop)
    body = json.dumps(completed(shop, intent))
    stamp, right = signed(body).split(",")
    wrong = "v1=" + "0" * 64
    for header in (
        f"{stamp},{wrong}",
        f"{stamp},v0={right[3:]}",
        f"{stamp},{stamp},{right}",
        right,
    ):
        assert told(shop, json.loads(body), header).status == 401
    assert shop.account(user) == (0, 0)
    assert told(shop, json.loads(body), f"{stamp},{wrong},{right},v0=x").status == 200
    assert shop.account(user) == (250, 0)


@pytest.mark.parametrize("off_s", [-300, 300])
def test_a_signature_counts_to_the_edge_of_its_time(shop: Market, off_s: int) -> None:
    user, intent = paid(shop)
    body, now = json.dumps(completed(shop, intent)), int(time.time())
    shop.gateway.now = now
    try:
        beyond = now + off_s + (1 if off_s > 0 else -1)
        assert told(shop, json.loads(body), signed(body, at=beyond)).status == 401
        assert told(shop, json.loads(body), signed(body, at=now + off_s)).status == 200
    finally:
        shop.gateway.now = None
    assert shop.account(user) == (250, 0)


def test_an_old_secret_of_the_ring_signs_too_and_another_does_not(shop: Market) -> None:
    user, intent = paid(shop)
    event = completed(shop, intent)
    assert told(shop, event, signed(json.dumps(event), "whsec_of_somebody_else_0")).status == 401
    assert shop.account(user) == (0, 0)
    function = shop.gateway.function("payments")
    assert function.rings[STRIPE_WEBHOOK_SECRET].secrets == (SECRET,)
    assert stripe_signature.is_signed(signed("{}"), b"{}", ("whsec_new", SECRET), int(time.time()))


@pytest.mark.parametrize("is_thin", [False, True])
def test_an_event_that_lies_is_a_hint_only(shop: Market, is_thin: bool) -> None:
    """Amount, currency, credits, mode and state in the event count for nothing: the object is read again."""
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    about = {"id": shop.session(intent), "object": "checkout.session", "type": "checkout.session"}
    about |= {"payment_status": "paid", "status": "complete", "amount_total": 10**9}
    about |= {"currency": "USD", "metadata": {"credits": "100000", "pluct_pack": "p250"}}
    event = stripe_event("checkout.session.completed", about)
    if is_thin:
        event = {**event, "object": "v2.core.event", "type": "v1.checkout.session.completed"}
        event |= {"created": "2026-03-02T10:15:30.000Z", "related_object": about}
        del event["data"]
    for livemode in (False, True):
        assert told(shop, {**event, "livemode": livemode}).status == 200
        assert shop.account(user) == (0, 0)
    shop.stripe.order("pay", {"session": shop.session(intent)})
    assert told(shop, event).json["outcome"] == "granted"
    assert shop.account(user) == (250, 0)


def test_a_payment_of_the_other_mode_waits_whatever_its_event_says(shop: Market) -> None:
    shop.stripe.order("settings", {"livemode": True})
    user, intent = paid(shop)
    shop.stripe.order("settings", {"livemode": False})
    for livemode in (True, False):
        assert told(shop, completed(shop, intent, livemode=livemode)).status == 200
    found = {one["paymentId"]: one["reason"] for one in unmatched(shop.gateway)}
    assert found[shop.payment(intent)] == "other_environment"
    assert shop.account(user) == (0, 0)


ODD_EVENTS: list[Any] = [
    {"type": "account.updated", "data": {"object": {"id": "acct_1", "object": "account"}}},
    {"type": "checkout.session.completed", "data": {"object": {"id": "../../v1/charges/ch_1"}}},
    {"type": "checkout.session.completed", "data": {"object": {"id": "ch_1", "object": "charge"}}},
    {"type": "checkout.session.completed", "data": None},
    {"type": 7},
    {"type": "x" * 4000},
    {"livemode": "false"},
    {"id": None},
    {"object": "v2.core.event", "created": "yesterday"},
    {"created": 1e400},
]


@pytest.mark.parametrize("changed", ODD_EVENTS, ids=lambda one: str(one)[:40])
def test_a_signed_event_of_another_kind_or_form_is_acknowledged(shop: Market, changed: Any) -> None:
    event = {**stripe_event("charge.refunded", {"id": "ch_unknown", "object": "charge"}), **changed}
    reply = told(shop, event)
    assert (reply.status, reply.json["outcome"]) == (200, "ignored")


@pytest.mark.parametrize("body", ["", "[]", "null", "{", "\ud83d", "[" * 9000, '"x"', "1e9999"])
def test_a_signed_body_that_is_no_event_is_acknowledged(shop: Market, body: str) -> None:
    text = body.encode(errors="replace").decode()
    headers = {"stripe-signature": signed(text)}
    reply = shop.gateway.call("POST", "/webhooks/stripe", raw=text, headers=headers)
    assert (reply.status, reply.json["outcome"]) == (200, "ignored")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "html", "status": 200},
        {"kind": "html", "status": 404},
        {"kind": "garbage"},
        {"kind": "truncated"},
        {"kind": "oversized", "megabytes": 2},
        {"kind": "empty"},
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 429},
        {"kind": "redirect", "location": "http://127.0.0.1:9/"},
        {"kind": "drop"},
        {"kind": "members", "set": {"currency": "USD", "latest_charge": None}},
        {"kind": "members", "set": {"latest_charge": "ch_not_expanded"}},
    ],
    ids=str,
)
def test_an_odd_answer_of_stripe_is_asked_for_again(shop: Market, fault: dict[str, Any]) -> None:
    user, intent = paid(shop)
    shop.stripe.order("faults", [{"route": "get_payment_intent", "times": 1, "action": fault}])
    first = told(shop, completed(shop, intent))
    assert first.status in (200, 503) and shop.account(user) == (0, 0)
    if fault["kind"] != "members":
        assert (first.status, first.code) == (503, "payment_provider_failed")
    shop.stripe.fault("push", "push", mode="never")
    assert told(shop, completed(shop, intent)).json["outcome"] == "granted"
    assert shop.account(user) == (250, 0)


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_in_place_of_google_does_not_lose_a_purchase(shop: Market, status: int) -> None:
    user, headers = shop.buyer()
    token = shop.play.order("buy", {"product": "credits_250"})["token"]
    fault = {"kind": "html", "status": status}
    shop.play.order("faults", [{"route": "purchase", "times": 1, "action": fault}])
    refused = shop.claim(headers, token)
    assert (refused.status, refused.code) == (503, "payment_provider_failed")
    shop.play.fault("push", "push", mode="never")
    assert shop.claim(headers, token).json["status"] == "granted"
    assert shop.account(user) == (250, 0)


def sale_of(shop: Market) -> Bought:
    return bought(shop.gateway)


@pytest.mark.parametrize(
    ("losses", "left"),
    [
        ([(600, 0)], 0),
        ([(499, 0), (499, 499)], 0),
        ([(499, 0), (499, 499), (499, 0)], 0),
        ([(0, 499), (499, 499), (499, 0), (0, 0)], 250),
        ([(250, 499), (250, 0)], 125),
        ([(10**15, 10**15)], 0),
    ],
)
def test_more_never_goes_back_than_was_granted(
    shop: Market, losses: list[tuple[int, int]], left: int
) -> None:
    sale = sale_of(shop)
    sale.settle()
    for refunded, disputed in losses:
        sale.settle(losses=Losses(refunded, disputed))
    assert sale.account() == (left, 0)
    shop.gateway.assert_explained(sale.user)


@pytest.mark.parametrize("losses", [(499, 0), (0, 499), (600, 499)])
def test_what_went_back_before_the_grant_is_never_granted(
    shop: Market, losses: tuple[int, int]
) -> None:
    sale = sale_of(shop)
    sale.settle(losses=Losses(*losses))
    sale.settle(losses=Losses(*losses))
    assert sale.account() == (0, 0)


def confirm(shop: Market, body: Any) -> None:
    path = shop.gateway.function("payments").providers.callback_url("", "confirmation", "174379")
    reply = shop.gateway.call("POST", path, body)
    assert (reply.status, reply.json["ResultCode"]) == (200, 0)


def confirmation(code: str, **changed: Any) -> dict[str, Any]:
    body = {"TransID": f"UE17{next(_numbers):06d}", "TransAmount": "650.00"}
    return {**body, "BusinessShortCode": "174379", "BillRefNumber": code, **changed}


@pytest.mark.parametrize("amount", [650, 650.0, "650", "650.0", "650.00", "700"])
def test_an_amount_may_be_a_number_or_a_text(shop: Market, amount: Any) -> None:
    user, headers = shop.buyer()
    confirm(shop, confirmation(shop.by_mpesa(headers)["payCode"], TransAmount=amount))
    assert shop.account(user) == (250, 0)


@pytest.mark.parametrize(
    "amount",
    [
        649.99,
        "649",
        "-650",
        "6,500.00",
        "6e9",
        "١٢٣٤",
        "",
        None,
        True,
        [650],
        {"a": 1},
        "650.001",
        1e300,
    ],
)
def test_an_amount_that_is_none_or_too_low_grants_nothing(shop: Market, amount: Any) -> None:
    user, headers = shop.buyer()
    confirm(shop, confirmation(shop.by_mpesa(headers)["payCode"], TransAmount=amount))
    assert shop.account(user) == (0, 0)


def typed(code: str) -> list[str]:
    return [code.lower(), f"  {code[:4]} {code[4:]} ", f"{code[:4]}-{code[4:]}", f"\t{code}\u00a0"]


def test_a_pay_code_is_read_as_people_type_it(shop: Market) -> None:
    for form in range(4):
        user, headers = shop.buyer()
        confirm(shop, confirmation(typed(shop.by_mpesa(headers)["payCode"])[form]))
        assert shop.account(user) == (250, 0)


@pytest.mark.parametrize("swap", ["O", "0", "I", "1", "\u017f", "\u041a", ""])
def test_a_pay_code_with_a_wrong_character_is_nobodys(shop: Market, swap: str) -> None:
    user, headers = shop.buyer()
    body = confirmation(shop.by_mpesa(headers)["payCode"][:-1] + swap)
    confirm(shop, body)
    found = {one["paymentId"]: one["reason"] for one in unmatched(shop.gateway)}
    assert (shop.account(user), found[body["TransID"]]) == ((0, 0), "unknown_account")


@pytest.mark.parametrize(
    ("phone", "read"),
    [
        ("0708374149", "254708374149"),
        ("+254 708 374 149", "254708374149"),
        ("254-708-374149", "254708374149"),
        ("708374149", "254708374149"),
        ("(0)110 374 149", "254110374149"),
        ("0208374149", None),
        ("255708374149", None),
        ("07083741490", None),
        ("٠٧٠٨٣٧٤١٤٩", None),
        ("0708374149;", None),
        ("", None),
    ],
)
def test_a_phone_of_kenya_is_read_in_its_forms(phone: str, read: str | None) -> None:
    assert daraja.phone_of(phone) == read


def test_a_phone_may_be_sent_as_people_write_it(shop: Market) -> None:
    _, headers = shop.buyer()
    shop.by_mpesa(headers, phone="+254 (708) 374-150")
    assert "254708374150" in {
        str(one["asked"]["PhoneNumber"]) for one in shop.daraja.state()["pushes"]
    }
    for phone in ("0208 374 149", "(((((((((", "+254 708 374 1499"):
        body = {"packId": "p250", "provider": "mpesa", "currency": "KES", "phone": phone}
        body["clientRequestId"] = phone
        refused = shop.gateway.call("POST", "/v1/payments/intents", body, headers=headers)
        assert (refused.status, refused.json["details"]["field"]) == (400, "phone")


NAMED = {"iss": "https://accounts.google.com", "aud": "audience", "email_verified": "true"}
PUSHER = "play-rtdn@pluct-pay.iam.gserviceaccount.com"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "another"},
        {"aud": ["audience"]},
        {"email": "stranger@evil.iam.gserviceaccount.com"},
        {"email": PUSHER.upper()},
        {"email": None},
        {"email_verified": "false"},
        {"email_verified": None},
        {"iss": "https://accounts.google.com.evil.example"},
        {"exp": "1"},
        {"exp": None},
    ],
    ids=str,
)
def test_a_push_with_a_wrong_or_missing_claim_is_refused(
    shop: Market, changed: dict[str, Any]
) -> None:
    right = {**NAMED, "email": PUSHER, "exp": str(int(time.time()) + 600)}
    claims = {name: value for name, value in {**right, **changed}.items() if value is not None}
    assert pushed(shop, {"jwt": {"claims": claims}}) == 401
    assert pushed(shop, {"jwt": {"claims": right}}) == 200


@pytest.mark.parametrize(
    "authorizer", [None, {}, {"jwt": None}, {"jwt": {"claims": []}}, {"lambda": {}}]
)
def test_a_push_without_an_authorizer_is_refused(shop: Market, authorizer: Any) -> None:
    assert pushed(shop, authorizer) == 401


def pushed(shop: Market, authorizer: Any) -> int:
    """The status of a test notification with what the authorizer found."""
    data = base64.b64encode(json.dumps({"packageName": "app.pluct"}).encode()).decode()
    context = {"requestId": "r", "domainName": "api.example.test", "stage": "$default"}
    context |= {"http": {"method": "POST", "path": "/webhooks/play", "sourceIp": "203.0.113.7"}}
    event = {"version": "2.0", "routeKey": "POST /webhooks/play", "rawPath": "/webhooks/play"}
    event |= {
        "rawQueryString": "",
        "headers": {"host": "api.example.test"},
        "isBase64Encoded": False,
    }
    context |= {"authorizer": authorizer} if authorizer is not None else {}
    body = json.dumps({"message": {"messageId": "1", "data": data}})
    found = shop.gateway.function("payments").lambda_handler(
        {**event, "requestContext": context, "body": body}, None
    )
    return int(found["statusCode"])
