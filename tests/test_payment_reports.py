"""Faults that the public reported about other systems, as `tests/data/payments/reports.json` lists them."""

import ast
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.providers import play_messages
from engine.providers.money import Money
from engine.providers.stripe import SessionWanted
from engine.providers.stripe_events import READS
from local.settings import ROOT
from tests.support.loglines import caught
from tests.support.paying import PHONE, Market, eventually, market, stripe_event, told
from tests.support.shop import edit_pack, unmatched

pytestmark = pytest.mark.enable_socket
REPORTS = json.loads((ROOT / "tests" / "data" / "payments" / "reports.json").read_text())


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        edit_pack(made.gateway, "g250", prices={}, googleProductId="credits_250")
        edit_pack(made.gateway, "world", prices={"JPY": 700, "UGX": 18000, "ISK": 690, "KWD": 1500})
        # Events come from the test alone.
        made.stripe.fault("push", "push", mode="never")
        yield made


def test_all_22_groups_of_reports_have_tests() -> None:
    assert [one["group"] for one in REPORTS] == list(range(1, 23))
    assert all(one["tests"] and one["reports"] and one["fault"] for one in REPORTS)


@pytest.mark.parametrize("name", sorted({name for one in REPORTS for name in one["tests"]}))
def test_a_test_that_a_report_names_exists(name: str) -> None:
    path, _, function = name.partition("::")
    tree = ast.parse(Path(ROOT / path).read_text(encoding="utf-8"))
    assert function in {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


def test_the_documentation_lists_the_groups() -> None:
    lines = (ROOT / "docs" / "payments.md").read_text(encoding="utf-8").splitlines()
    for one in REPORTS:
        assert any(line.startswith(f"| {one['group']} | {one['fault']} |") for line in lines)


def paid(
    shop: Market, pack: str = "p250", **changed: Any
) -> tuple[str, dict[str, str], dict[str, Any]]:
    """A new buyer with an intent that is paid at Stripe and not reported."""
    user, headers = shop.buyer()
    intent = shop.intent(headers, pack, **changed)
    shop.stripe.order("pay", {"session": shop.session(intent)})
    return user, headers, intent


def objects_of(shop: Market, payment: str) -> dict[str, dict[str, Any]]:
    """An object of each kind that belongs to the payment."""
    state, kinds = shop.stripe.state(), {"session": "checkout.session", "charge": "charge"}
    return {
        kind: one
        for name, kind in kinds.items()
        for one in state[name]
        if one["payment_intent"] == payment
    }


def test_every_type_of_event_about_one_payment_grants_once(shop: Market) -> None:
    user, _, intent = paid(shop)
    payment = shop.payment(intent)
    others = ("payment_intent.succeeded", "invoice.paid", "charge.succeeded", "charge.updated")
    for type_ in others:
        ignored = told(shop, stripe_event(type_, {"id": payment, "object": "payment_intent"}))
        assert (ignored.status, ignored.json["outcome"]) == (200, "ignored")
    assert shop.account(user) == (0, 0)
    found = objects_of(shop, payment)
    for type_, kind in sorted(READS.items()):
        if kind in found:
            reply = told(shop, stripe_event(type_, found[kind]))
            assert (reply.status, shop.account(user)) == (200, (250, 0)), type_
    shop.gateway.assert_explained(user)


def test_a_repeated_event_is_answered_200(shop: Market) -> None:
    user, _, intent = paid(shop)
    session = {"id": shop.session(intent), "object": "checkout.session"}
    event = stripe_event("checkout.session.completed", session)
    outcomes = [told(shop, event) for _ in range(3)]
    assert [(one.status, one.json["outcome"]) for one in outcomes] == [
        (200, "granted"),
        (200, "repeated"),
        (200, "repeated"),
    ]
    assert shop.account(user) == (250, 0)


def test_a_payment_that_fails_later_ends_its_purchase(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    session = shop.session(intent)
    shop.stripe.order("pay", {"session": session, "later": True})
    shop.stripe.order("settle", {"session": session, "paid": False})
    about = {"id": session, "object": "checkout.session"}
    assert told(shop, stripe_event("checkout.session.async_payment_failed", about)).status == 200
    assert (shop.status(headers, intent), shop.account(user)) == ("failed", (0, 0))


def test_a_payment_of_no_purchase_is_answered_200_put_before_an_operator_and_counted(
    shop: Market,
) -> None:
    intent = f"pin_of_another_system_{int(time.time())}"
    wanted = SessionWanted(
        intent, "p250", 1, Money(499, "USD"), "Credits", "https://a.example", "https://a.example", 0
    )
    wanted = replace(wanted, expires_at=int(time.time()) + 7200)
    made = shop.gateway.function("payments").providers.stripe.create_session(wanted)
    shop.stripe.order("pay", {"session": made.id})
    payment = shop.payment({"intentId": intent})
    about = {"id": made.id, "object": "checkout.session"}
    with caught() as lines:
        reply = told(shop, stripe_event("checkout.session.completed", about))
    assert (reply.status, reply.json["outcome"]) == (200, "unmatched")
    assert (payment, "no_intent") in {
        (one["paymentId"], one["reason"]) for one in unmatched(shop.gateway)
    }
    assert any(line.get("PaymentsUnmatched") == 1 for line in lines.json)


@pytest.mark.parametrize(("amount", "left"), [(1, 250), (2, 249), (199, 151), (200, 150), (498, 1)])
def test_a_refund_of_any_size_takes_its_share(shop: Market, amount: int, left: int) -> None:
    user, _, intent = paid(shop)
    payment = shop.payment(intent)
    charge = objects_of(shop, payment)["charge"]
    told(shop, stripe_event("charge.refunded", charge))
    shop.stripe.order("refund", {"payment": payment, "amount": amount})
    assert told(shop, stripe_event("charge.refunded", charge)).status == 200
    assert shop.account(user) == (left, 0)


@pytest.mark.parametrize("currency", ["JPY", "UGX", "ISK", "KWD"])
def test_a_currency_that_stripe_writes_otherwise_is_granted_at_its_price(
    shop: Market, currency: str
) -> None:
    user, headers, intent = paid(shop, "world", currency=currency)
    charge = objects_of(shop, shop.payment(intent))["charge"]
    told(shop, stripe_event("charge.refunded", charge))
    assert shop.account(user) == (250, 0)
    path = f"/v1/payments/{intent['intentId']}"
    receipt = shop.gateway.call("GET", path, headers=headers).json["receipt"]
    assert (receipt["amountMinor"], receipt["currency"]) == (intent["amountMinor"], currency)


def test_a_prompt_that_is_still_open_stays_open(shop: Market) -> None:
    shop.daraja.order("settings", {"answer": None})
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers, phone="254700000013")
    function: Any = shop.gateway.function("reconciler")
    clock = function.clock
    function.clock = lambda: clock() + 300
    shop.reconcile()
    function.clock = clock
    assert (shop.status(headers, intent), shop.account(user)) == ("pending", (0, 0))
    (push,) = [
        one
        for one in shop.daraja.state()["pushes"]
        if one["asked"]["AccountReference"] == intent["payCode"]
    ]
    shop.daraja.order("answer", {"checkout": push["checkout_id"], "answer": "pays"})
    shop.daraja.order("settings", {"answer": "pays"})
    eventually(lambda: shop.account(user) == (250, 0), "granted")


def test_a_receipt_counts_once_by_prompt_by_short_code_and_by_report(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers, phone=PHONE)
    eventually(lambda: shop.account(user) == (250, 0), "granted by the prompt")
    (row,) = shop.gateway.call(
        "GET", "/admin/payments", query={"user": user}, headers=shop.gateway.admin
    ).json["payments"]
    paid_ = {"TransID": row["paymentId"], "TransAmount": "650.00", "BusinessShortCode": "174379"}
    path = shop.gateway.function("payments").providers.callback_url("", "confirmation", "174379")
    for reference in (intent["payCode"], "", "22222222"):
        body = {**paid_, "BillRefNumber": reference}
        assert shop.gateway.call("POST", path, body).status == 200
    text = f"{row['paymentId']} Confirmed. Ksh650.00 sent to PLUCT LTD for account X on 2/3/26 at 1:00 PM"
    other, by_other = shop.buyer()
    for who in (headers, by_other):
        body = {"amount": 0, "reason": "top-up", "reference": text, "clientRequestId": "one"}
        assert shop.gateway.call("POST", "/v1/credits/request", body, headers=who).status == 202
    shop.by_hand()
    assert (shop.account(user), shop.account(other)) == ((250, 0), (0, 0))
    assert row["paymentId"] not in {one["paymentId"] for one in unmatched(shop.gateway)}


def test_a_purchase_that_was_consumed_before_waits_for_an_operator(shop: Market) -> None:
    user, headers = shop.buyer()
    token = shop.play.order("buy", {"product": "credits_250"})["token"]
    play = shop.gateway.function("payments").providers.play
    play.consume("credits_250", token)
    assert shop.claim(headers, token).json["reason"] == "already_consumed"
    assert shop.account(user) == (0, 0)


def test_a_purchase_of_another_account_is_refused(shop: Market) -> None:
    (user, headers), (other, by_other) = shop.buyer(), shop.buyer()
    account = play_messages.account_id(user)
    token = shop.play.order("buy", {"product": "credits_250", "account": account})["token"]
    refused = shop.claim(by_other, token)
    assert (refused.code, refused.json["details"]) == (
        "purchase_refused",
        {"reason": "other_account"},
    )
    assert shop.claim(headers, token).json["status"] == "granted"
    assert (shop.account(user), shop.account(other)) == ((250, 0), (0, 0))
