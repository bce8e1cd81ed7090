"""Purchases by every provider, over the providers' own protocols and stand-ins."""

from collections.abc import Iterator

import pytest

from tests.support.paying import PHONE, Market, eventually, market
from tests.support.shop import edit_pack, unmatched

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        edit_pack(made.gateway, "g250", prices={}, googleProductId="credits_250")
        yield made


def test_a_purchase_by_stripe(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    shop.stripe.order("pay", {"session": shop.session(intent)})
    eventually(lambda: shop.account(user) == (250, 0), "granted")
    assert shop.status(headers, intent) == "granted"
    assert set(shop.answers) == {200}


def test_the_same_request_has_the_same_session(shop: Market) -> None:
    _, headers = shop.buyer()
    first, again = (shop.intent(headers, key="again") for _ in range(2))
    assert first == again and first["checkoutUrl"]


def test_stripe_refunds_half_disputes_and_loses_the_dispute(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    shop.stripe.order("pay", {"session": shop.session(intent)})
    eventually(lambda: shop.account(user) == (250, 0), "granted")
    payment = shop.payment(intent)
    refund = shop.stripe.order("refund", {"payment": payment, "amount": 250})
    eventually(lambda: shop.account(user) == (125, 0), "half is taken back")
    assert shop.status(headers, intent) == "partially_refunded"
    shop.stripe.order("fail_refund", {"refund": refund["id"]})
    eventually(lambda: shop.account(user) == (250, 0), "the failed refund gives back")
    dispute = shop.stripe.order("dispute", {"payment": payment})
    eventually(lambda: shop.account(user) == (0, 0), "the dispute takes")
    shop.stripe.order("end_dispute", {"dispute": dispute["id"], "won": True})
    eventually(lambda: shop.account(user) == (250, 0), "the won dispute gives back")
    shop.gateway.assert_explained(user)


def test_an_expired_session_ends_its_intent(shop: Market) -> None:
    _, headers = shop.buyer()
    intent = shop.intent(headers)
    shop.stripe.order("end_session", {"session": shop.session(intent)})
    eventually(lambda: shop.status(headers, intent) == "expired", "expired")


def test_a_payment_that_comes_later_is_granted_then(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    session = shop.session(intent)
    shop.stripe.order("pay", {"session": session, "later": True})
    assert shop.account(user) == (0, 0)
    shop.stripe.order("settle", {"session": session, "paid": True})
    eventually(lambda: shop.account(user) == (250, 0), "granted")


def test_another_amount_or_currency_waits_for_an_operator(shop: Market) -> None:
    user, headers = shop.buyer()
    for changed, reason in (
        ({"amount": 100}, "amount_too_low"),
        ({"currency": "eur"}, "other_currency"),
    ):
        intent = shop.intent(headers)
        shop.stripe.order("pay", {"session": shop.session(intent), **changed})
        payment = shop.payment(intent)
        eventually(
            lambda payment=payment, reason=reason: (
                (payment, reason)
                in {(one["paymentId"], one["reason"]) for one in unmatched(shop.gateway)}
            ),
            reason,
        )
    assert shop.account(user) == (0, 0)


def waiting(shop: Market) -> set[tuple[str, str]]:
    """The payments of the inbox with their reasons."""
    return {(one["paymentId"], one["reason"]) for one in unmatched(shop.gateway)}


def test_a_forged_event_changes_nothing(shop: Market) -> None:
    body = {"id": "evt_forged", "object": "event", "type": "checkout.session.completed"}
    for headers in ({}, {"stripe-signature": "t=1,v1=00"}, {"stripe-signature": "t=1,v1=é"}):
        reply = shop.gateway.call("POST", "/webhooks/stripe", body, headers=headers)
        assert (reply.status, reply.code) == (401, "unauthorized")


def test_a_purchase_by_a_prompt_of_mpesa(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers, phone="0708374149")
    eventually(lambda: shop.account(user) == (250, 0), "granted")
    assert shop.status(headers, intent) == "granted"


def test_a_cancelled_prompt_fails_and_a_payment_by_hand_is_granted(shop: Market) -> None:
    shop.daraja.order("settings", {"answer": "cancels"})
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers, phone=PHONE)
    eventually(lambda: shop.status(headers, intent) == "failed", "failed")
    shop.daraja.order("settings", {"answer": "pays"})
    register(shop)
    code = intent["payCode"].lower()
    shop.daraja.order("c2b", {"reference": f" {code[:4]} {code[4:]}", "amount": 650})
    eventually(lambda: shop.account(user) == (250, 0), "granted")


def test_a_second_prompt_waits_for_the_first(shop: Market) -> None:
    shop.daraja.order("settings", {"answer": None})
    _, headers = shop.buyer()
    shop.by_mpesa(headers, phone=PHONE)
    body = {"packId": "p250", "provider": "mpesa", "currency": "KES", "phone": PHONE}
    body["clientRequestId"] = "second"
    refused = shop.gateway.call("POST", "/v1/payments/intents", body, headers=headers)
    assert (refused.status, refused.code) == (409, "payment_in_progress")
    pushes = shop.daraja.state()["pushes"]
    for push in pushes:
        if not push["answer"]:
            shop.daraja.order("answer", {"checkout": push["checkout_id"], "answer": "cancels"})
    shop.daraja.order("settings", {"answer": "pays"})


def register(shop: Market) -> None:
    """Tells Daraja where payments to the short code are reported."""
    function = shop.gateway.function("payments")
    base = shop.gateway.environment["PUBLIC_BASE"]
    urls = [
        function.providers.callback_url(base, kind, "174379")
        for kind in ("confirmation", "validation")
    ]
    function.providers.daraja.register_urls(*urls)


def test_too_little_and_an_unknown_code_wait_for_an_operator(shop: Market) -> None:
    register(shop)
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers)
    reply = validate(shop, intent["payCode"], "1.00")
    assert reply["ResultCode"] == "C2B00013"
    assert validate(shop, "22222222", "650.00")["ResultCode"] == "C2B00012"
    assert validate(shop, intent["payCode"], "650.00")["ResultCode"] == "0"
    assert shop.account(user) == (0, 0)


def validate(shop: Market, reference: str, amount: str) -> dict[str, str]:
    function = shop.gateway.function("payments")
    url = function.providers.callback_url("", "validation", "174379")
    body = {"TransID": "UA541K7T7U", "TransAmount": amount, "BusinessShortCode": "174379"}
    reply = shop.gateway.call("POST", url, {**body, "BillRefNumber": reference})
    assert reply.status == 200
    return dict(reply.json)


def test_a_callback_under_another_path_is_not_found(shop: Market) -> None:
    for path in ("k/pin_x.00", f"c/174379.{'0' * 32}", "z/174379.x"):
        reply = shop.gateway.call("POST", f"/v1/payments/callbacks/{path}", {})
        assert reply.status == 404


def test_a_purchase_at_google_play_is_granted_and_consumed(shop: Market) -> None:
    user, headers = shop.buyer()
    token = shop.play.order("buy", {"product": "credits_250", "quantity": 2, "test": True})["token"]
    claimed = shop.claim(headers, token)
    assert (claimed.status, claimed.json["status"]) == (200, "granted"), claimed.text
    assert shop.account(user) == (500, 0)
    assert shop.claim(headers, token).json == claimed.json
    _, other = shop.buyer()
    assert shop.claim(other, token).code == "purchase_refused"
    (bought,) = [one for one in shop.play.state()["purchases"] if one["token"] == token]
    assert bought["is_consumed"]
    shop.play.order("void", {"token": token, "quantity": 1})
    eventually(lambda: shop.account(user) == (250, 0), "one of two is taken back")
    shop.play.order("void", {"token": token})
    eventually(lambda: shop.account(user) == (0, 0), "all is taken back")


def test_a_pending_purchase_is_granted_when_it_completes(shop: Market) -> None:
    user, headers = shop.buyer()
    asked = {"product": "credits_250", "state": "PENDING", "test": True}
    token = shop.play.order("buy", asked)["token"]
    assert shop.claim(headers, token).json["status"] == "pending"
    shop.play.order("complete", {"token": token, "state": "PURCHASED"})
    assert shop.claim(headers, token).json["status"] == "granted"
    assert shop.account(user) == (250, 0)


def test_a_purchase_with_real_money_waits_in_a_test_deployment(shop: Market) -> None:
    user, headers = shop.buyer()
    token = shop.play.order("buy", {"product": "credits_250", "test": False})["token"]
    claimed = shop.claim(headers, token)
    assert claimed.json["status"] == "unmatched"
    assert claimed.json["reason"] == "other_environment"
    assert shop.account(user) == (0, 0)


def test_an_assigned_purchase_of_google_play_is_consumed_by_the_reconciler(shop: Market) -> None:
    user, headers = shop.buyer()
    token = shop.play.order("buy", {"product": "credits_unknown"})["token"]
    assert shop.claim(headers, token).json["reason"] == "unknown_product"
    (row,) = [one for one in unmatched(shop.gateway) if one["reason"] == "unknown_product"]
    path = f"/admin/payments/google/{row['paymentId']}/assign"
    body = {"userId": user, "packId": "p250", "reason": "the product was renamed"}
    assert shop.gateway.call("POST", path, body, headers=shop.gateway.admin).status == 200
    assert shop.account(user) == (250, 0)
    shop.reconcile()
    (bought,) = [one for one in shop.play.state()["purchases"] if one["token"] == token]
    assert bought["is_consumed"]


def test_every_lost_webhook_is_healed_by_the_reconciler(shop: Market) -> None:
    for provider in (shop.stripe, shop.daraja, shop.play):
        provider.fault("push", "push", mode="never")
    (ann, by_ann), (ben, by_ben) = shop.buyer(), shop.buyer()
    card = shop.intent(by_ann)
    shop.stripe.order("pay", {"session": shop.session(card)})
    shop.by_mpesa(by_ben)
    code = shop.by_mpesa(by_ben)["payCode"]
    shop.daraja.order("c2b", {"reference": code, "amount": 650})
    assert (shop.account(ann), shop.account(ben)) == ((0, 0), (0, 0))
    done = shop.by_hand()
    assert done["isDone"], done
    assert (shop.account(ann), shop.account(ben)) == ((250, 0), (250, 0))
    shop.stripe.order("refund", {"payment": shop.payment(card)})
    shop.by_hand()
    assert shop.account(ann) == (0, 0)
    assert shop.by_hand()["counts"].get("granted", 0) == 0
    for provider in (shop.stripe, shop.daraja, shop.play):
        provider.sound()
