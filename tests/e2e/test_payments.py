"""Purchases over HTTP against the local run: real processes, the stand-ins' own webhooks, the reconciler."""

import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from engine.providers import callback_paths, play_messages
from local.engine import json_client
from tests.e2e.conftest import App
from tests.support.paying import PHONE, Provider

WAIT_S = 60
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Shop:
    """The running gateway, and the control APIs of its payment providers."""

    app: App
    stripe: Provider
    daraja: Provider
    play: Provider

    def buyer(self) -> tuple[str, dict[str, str]]:
        return self.app.device()

    def intent(
        self, headers: dict[str, str], provider: str = "stripe", currency: str = "USD", **more: Any
    ) -> dict[str, Any]:
        body = {"packId": "p250", "provider": provider, "currency": currency, **more}
        body["clientRequestId"] = f"e2e-buy-{next(_numbers)}"
        made = self.app.call("POST", "/v1/payments/intents", body, headers=headers)
        assert made.status == 200, made.text
        return made.json

    def pay(self, intent: dict[str, Any], **changed: Any) -> str:
        """The payment intent of a session that was paid now."""
        session = intent["checkoutUrl"].rpartition("/")[2]
        return str(self.stripe.order("pay", {"session": session, **changed})["payment_intent"])

    def balance(self, user: str) -> int:
        return self.app.ledger.account(user).available

    def admin(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {self.app.run['adminSecret']}"}
        reply = self.app.call(method, path, body, headers=headers)
        assert reply.status == 200, reply.text
        return reply.json

    def unmatched(self) -> dict[str, str]:
        """The reasons of the inbox by payment."""
        found = self.admin("GET", "/admin/payments?state=unmatched&limit=100")["payments"]
        return {one["paymentId"]: one["reason"] for one in found}

    def reconcile(self) -> dict[str, int]:
        """Rounds by hand until nothing is left."""
        while True:
            done = self.admin("POST", "/admin/payments/reconcile", {"reason": "test"})
            if done["isDone"]:
                return dict(done["counts"])


@pytest.fixture(scope="module")
def shop(app: App) -> Shop:
    names = ("stripeUrl", "darajaUrl", "playUrl")
    return Shop(app, *(Provider(app.run[name]) for name in names))


def eventually(holds: Callable[[], bool], what: str) -> None:
    ends_at = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < ends_at, what
        time.sleep(0.2)


def test_packs_are_sold_and_a_card_buys_one(shop: Shop) -> None:
    packs = shop.app.call("GET", "/v1/packs").json["packs"]
    assert "p250" in {pack["packId"] for pack in packs}
    user, headers = shop.buyer()
    intent = shop.intent(headers)
    shop.pay(intent)
    eventually(lambda: shop.balance(user) == 250, "the webhook grants")
    path = f"/v1/payments/{intent['intentId']}"
    shown = shop.app.call("GET", path, headers=headers).json
    assert (shown["status"], shown["receipt"]["amountMinor"]) == ("granted", 499)


def test_half_is_refunded_then_disputed_and_the_dispute_is_won(shop: Shop) -> None:
    user, headers = shop.buyer()
    payment = shop.pay(shop.intent(headers))
    eventually(lambda: shop.balance(user) == 250, "granted")
    shop.stripe.order("refund", {"payment": payment, "amount": 250})
    eventually(lambda: shop.balance(user) == 125, "half is taken back")
    dispute = shop.stripe.order("dispute", {"payment": payment})
    eventually(lambda: shop.balance(user) == 0, "all is taken back")
    shop.stripe.order("end_dispute", {"dispute": dispute["id"], "won": True})
    eventually(lambda: shop.balance(user) == 125, "the dispute gives back")


def test_too_little_waits_for_an_operator_who_assigns_it(shop: Shop) -> None:
    user, headers = shop.buyer()
    payment = shop.pay(shop.intent(headers), amount=100)
    eventually(lambda: shop.unmatched().get(payment) == "amount_too_low", "in the inbox")
    assert shop.balance(user) == 0
    body = {"userId": user, "packId": "p50", "reason": "agreed on the smaller pack"}
    made = shop.admin("POST", f"/admin/payments/stripe/{payment}/assign", body)
    assert made["payment"]["status"] == "granted"
    assert shop.balance(user) == 50


def test_a_prompt_of_mpesa_is_paid(shop: Shop) -> None:
    user, headers = shop.buyer()
    shop.intent(headers, "mpesa", "KES", phone=PHONE)
    eventually(lambda: shop.balance(user) == 250, "granted")


def test_a_purchase_at_google_play_is_claimed_once_and_by_its_account(shop: Shop) -> None:
    user, headers = shop.buyer()
    asked = {"product": "pluct_p250", "account": play_messages.account_id(user), "test": True}
    body = {"purchaseToken": shop.play.order("buy", asked)["token"]}
    _, other = shop.buyer()
    refused = shop.app.call("POST", "/v1/payments/google/claim", body, headers=other)
    assert refused.code == "purchase_refused"
    for _ in range(2):
        claimed = shop.app.call("POST", "/v1/payments/google/claim", body, headers=headers)
        assert claimed.json["status"] == "granted", claimed.text
    assert shop.balance(user) == 250


def test_a_payment_with_anothers_code_is_the_others_and_is_given_back(shop: Shop) -> None:
    """Confirmed at the registered addresses, granted once, reversed by M-Pesa on an operator's order."""
    reason = {"reason": "test"}
    registered = shop.admin("POST", "/admin/payments/addresses", reason)
    assert registered["confirmationUrl"].endswith("/c/174379.***")
    assert not shop.admin("POST", "/admin/payments/addresses", reason)["isNew"]
    (ann, by_ann), (ben, by_ben) = shop.buyer(), shop.buyer()
    shop.intent(by_ann, "mpesa", "KES")
    code = shop.intent(by_ben, "mpesa", "KES")["payCode"]
    paid = shop.daraja.order("c2b", {"reference": code.lower(), "amount": 650})["receipt"]
    eventually(lambda: shop.balance(ben) == 250, "the other has it")
    again = shop.daraja.order("c2b", {"reference": code, "amount": 650})["receipt"]
    eventually(lambda: shop.unmatched().get(again) == "intent_already_paid", "in the inbox")
    for verb, word in (("status", "asked"), ("reverse", "granted")):
        headers = {"authorization": f"Bearer {shop.app.run['adminSecret']}"}
        path = f"/admin/payments/mpesa/{paid}/{verb}"
        reply = shop.app.call("POST", path, reason, headers=headers)
        assert (reply.status, word in reply.text) == (202, True), reply.text
    eventually(lambda: shop.balance(ben) == 0, "given back")
    assert shop.balance(ann) == 0


def test_every_webhook_is_lost_and_the_reconciler_heals_it(shop: Shop) -> None:
    for provider in (shop.stripe, shop.daraja):
        provider.fault("push", "push", mode="never")
    try:
        (ann, by_ann), (ben, by_ben) = shop.buyer(), shop.buyer()
        payment = shop.pay(shop.intent(by_ann))
        code = shop.intent(by_ben, "mpesa", "KES")["payCode"]
        shop.daraja.order("c2b", {"reference": code, "amount": 650})
        time.sleep(1)
        assert (shop.balance(ann), shop.balance(ben)) == (0, 0)
        shop.reconcile()
        assert (shop.balance(ann), shop.balance(ben)) == (250, 250)
        shop.stripe.order("refund", {"payment": payment})
        shop.reconcile()
        assert (shop.balance(ann), shop.balance(ben)) == (0, 250)
    finally:
        shop.stripe.sound()
        shop.daraja.sound()


def test_deliveries_in_any_order_and_number_grant_each_payment_once(shop: Shop) -> None:
    """Callbacks posted by 16 threads: 120 of 10 payments, and with PROVE=1 1,000 of 50."""
    payments, each = (50, 20) if os.environ.get("PROVE") else (10, 12)
    shop.daraja.fault("push", "push", mode="never")
    try:
        sales = [sale_of(shop, number) for number in range(payments)]
        path = _confirmation_path(shop)
        deliveries = [sale for sale in sales for _ in range(each)]
        random.Random(7).shuffle(deliveries)

        def deliver(sale: tuple[str, str, str]) -> int:
            _, code, receipt = sale
            body = {"TransID": receipt, "TransAmount": "650.00", "BusinessShortCode": "174379"}
            body |= {"BillRefNumber": code, "TransTime": "20260105120142"}
            return shop.app.call("POST", path, body, described=False).status

        began = time.monotonic()
        with ThreadPoolExecutor(16) as pool:
            statuses = Counter(pool.map(deliver, deliveries))
        print(f"{len(deliveries)} deliveries in {time.monotonic() - began:.1f} s: {dict(statuses)}")
        # Where too many come at once some are asked to come again.
        assert statuses.keys() <= {200, 503}
        for sale in sales:
            assert deliver(sale) == 200
            assert shop.balance(sale[0]) == 250
    finally:
        shop.daraja.sound()


def sale_of(shop: Shop, number: int) -> tuple[str, str, str]:
    """A new buyer, the pay code of an intent, and the receipt that will pay it."""
    user, headers = shop.buyer()
    code = shop.intent(headers, "mpesa", "KES")["payCode"]
    return user, code, f"UA5E2E{number:04d}"


def _confirmation_path(shop: Shop) -> str:
    """The path of confirmations, with the callback secret of this run."""
    ssm = json_client("ssm", shop.app.run["engineUrl"])
    name = f"{shop.app.run['secretsPrefix']}CALLBACK_SECRET"
    stored = json.loads(ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    return callback_paths.path("confirmation", stored["keys"][-1]["secret"], "174379")
