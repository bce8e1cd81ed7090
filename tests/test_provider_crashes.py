"""The process ends, or an answer is lost, at every call to the store and to a provider; then the buyer, the
operator or the provider tries again, and the reconciler runs.
"""

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from engine.payments import by_mpesa, by_stripe
from engine.providers.daraja_results import PulledPayment
from engine.providers.money import KES, Money
from tests.support.faults import FaultyClient, FaultyWire, Killed
from tests.support.gateway import Reply
from tests.support.payers import ACT
from tests.support.paying import Market, eventually, market
from tests.support.shop import begin, edit_pack

pytestmark = pytest.mark.enable_socket
MOST_CALLS = 40
WAYS = [("killed", "before"), ("killed", "after"), ("lost", "before"), ("lost", "after")]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        edit_pack(made.gateway, "g250", prices={}, googleProductId="credits_250")
        # Nothing may be on the way while a call fails.
        for provider in (made.stripe, made.daraja, made.play):
            provider.fault("push", "push", mode="never")
        yield made


@contextmanager
def failing(shop: Market, how: str, when: str, at: int) -> Iterator[FaultyClient]:
    """Call number `at` fails: of all calls where the process is killed, of those to providers where an answer
    is lost.
    """
    functions: list[Any] = [shop.gateway.function(name) for name in ("payments", "payments_admin")]
    calls = FaultyClient(shop.gateway.dynamodb, at, when, "killed")
    changed: list[tuple[Any, str, Any]] = []
    for function in functions:
        if how == "killed":
            changed.append((function.books.table, "_client", calls))
        for one in (function.providers.stripe, function.providers.daraja, function.providers.play):
            wire = FaultyWire(calls, one._api._client, is_killed=how == "killed")
            changed.append((one._api, "_client", wire))
    whole = [(owner, name, getattr(owner, name)) for owner, name, _ in changed]
    try:
        for owner, name, instead in changed:
            setattr(owner, name, instead)
        yield calls
    finally:
        for owner, name, real in whole:
            setattr(owner, name, real)


def crashed(
    shop: Market, how: str, when: str, step: Callable[[int], object], prove: Callable[[int], None]
) -> None:
    """`step` of a new buyer with each of its calls failing once, and `prove` after each."""
    for at in itertools.count():
        number = next(_numbers)
        # Whatever came out, the store is what counts.
        with failing(shop, how, when, at) as calls, suppress(Killed, Exception):
            step(number)
        prove(number)
        if calls.made <= at:
            assert 1 <= at <= MOST_CALLS
            return


def headers_of(shop: Market, number: int) -> dict[str, str]:
    return shop.gateway.user_headers(user_of(number))


def user_of(number: int) -> str:
    return f"crashed-{number}"


def phone_of(number: int) -> str:
    return f"2547{number:08d}"


def buy(shop: Market, number: int, **more: Any) -> Reply:
    headers = headers_of(shop, number)
    return begin(shop.gateway, headers, "p250", "the one request", **more)


def only_intent(shop: Market, number: int) -> str:
    listed = shop.gateway.call("GET", "/v1/payments", headers=headers_of(shop, number)).json
    (one,) = listed["payments"]
    return str(one["intentId"])


def balance(shop: Market, number: int) -> int:
    return shop.account(user_of(number))[0]


@pytest.mark.parametrize(("how", "when"), WAYS)
def test_a_session_is_made_once_and_its_payment_is_found(shop: Market, how: str, when: str) -> None:
    def step(number: int) -> None:
        buy(shop, number, provider="stripe")

    def prove(number: int) -> None:
        again, third = (buy(shop, number, provider="stripe") for _ in range(2))
        assert (again.status, third.json) == (200, again.json)
        assert only_intent(shop, number) == again.json["intentId"]
        sessions = [
            one["id"]
            for one in shop.stripe.state()["session"]
            if one["client_reference_id"] == again.json["intentId"]
        ]
        assert sessions == [shop.session(again.json)]
        shop.stripe.order("pay", {"session": sessions[0]})
        stripe = shop.gateway.function("payments").providers.stripe
        payment = shop.payment(again.json)
        for _ in range(2):
            by_stripe.settle_payment(shop.gateway.function("payments").books, stripe, payment, ACT)
        assert balance(shop, number) == 250

    crashed(shop, how, when, step, prove)


@pytest.mark.parametrize(("how", "when"), WAYS)
def test_a_prompt_is_never_sent_twice_and_its_payment_is_granted(
    shop: Market, how: str, when: str
) -> None:
    shop.daraja.order("settings", {"answer": None})

    def ask(number: int) -> Reply:
        return buy(shop, number, provider="mpesa", currency="KES", phone=phone_of(number))

    def prove(number: int) -> None:
        again = ask(number)
        assert again.status == 200, again.text
        assert only_intent(shop, number) == again.json["intentId"]
        code = again.json["payCode"]
        pushes = [
            one["checkout_id"]
            for one in shop.daraja.state()["pushes"]
            if one["asked"]["AccountReference"] == code
        ]
        assert len(pushes) <= 1
        shop.daraja.sound()
        if pushes:
            shop.daraja.order("answer", {"checkout": pushes[0], "answer": "pays"})
        else:
            shop.daraja.order("c2b", {"reference": code, "amount": 650})
            shop.by_hand()
        eventually(lambda: balance(shop, number) == 250, "granted")
        shop.daraja.fault("push", "push", mode="never")

    crashed(shop, how, when, ask, prove)


@pytest.mark.parametrize(("how", "when"), WAYS)
def test_a_purchase_of_the_store_is_granted_once_and_consumed(
    shop: Market, how: str, when: str
) -> None:
    tokens: dict[int, str] = {}

    def step(number: int) -> None:
        tokens[number] = shop.play.order("buy", {"product": "credits_250"})["token"]
        shop.claim(headers_of(shop, number), tokens[number])

    def prove(number: int) -> None:
        again = shop.claim(headers_of(shop, number), tokens[number])
        assert (again.status, again.json["status"]) == (200, "granted"), again.text
        reconcile_later(shop)
        assert balance(shop, number) == 250
        (bought,) = (
            one for one in shop.play.state()["purchases"] if one["token"] == tokens[number]
        )
        assert bought["is_consumed"]

    crashed(shop, how, when, step, prove)


def reconcile_later(shop: Market) -> None:
    """What the store must still be told is due."""
    function: Any = shop.gateway.function("reconciler")
    clock = function.clock
    function.clock = lambda: clock() + 3600
    shop.reconcile()
    function.clock = clock


@pytest.mark.parametrize(("how", "when"), WAYS)
def test_a_refund_at_stripe_takes_back_once(shop: Market, how: str, when: str) -> None:
    function: Any = shop.gateway.function("payments")
    payments: dict[int, str] = {}

    def step(number: int) -> None:
        payment = payments[number]
        by_stripe.settle_payment(function.books, function.providers.stripe, payment, ACT)

    def prepared(number: int) -> None:
        made = buy(shop, number, provider="stripe").json
        shop.stripe.order("pay", {"session": shop.session(made)})
        payments[number] = shop.payment(made)
        step(number)
        assert balance(shop, number) == 250
        shop.stripe.order("refund", {"payment": payments[number], "amount": 250})

    def prove(number: int) -> None:
        for _ in range(2):
            step(number)
        assert balance(shop, number) == 125
        prepared(number + 1)

    first = next(_numbers)
    prepared(first + 1)
    crashed(shop, how, when, step, prove)


@pytest.mark.parametrize(("how", "when"), WAYS)
def test_a_reversal_is_made_once_and_takes_back(shop: Market, how: str, when: str) -> None:
    receipts: dict[int, str] = {}

    def step(number: int) -> None:
        path = f"/admin/payments/mpesa/{receipts[number]}/reverse"
        body = {"reason": "paid twice"}
        reply = shop.gateway.call("POST", path, body, headers=shop.gateway.admin)
        assert reply.status == 202, reply.text

    def prepared(number: int) -> None:
        code = buy(shop, number, provider="mpesa", currency="KES").json["payCode"]
        paid = shop.daraja.order("c2b", {"reference": code, "amount": 650})
        receipts[number] = paid["receipt"]
        proof = PulledPayment(paid["receipt"], Money(65000, KES), code, ACT.at, "")
        by_mpesa.hear_pulled(shop.gateway.function("payments").books, proof, ACT)
        assert balance(shop, number) == 250

    def prove(number: int) -> None:
        shop.daraja.sound()
        step(number)
        eventually(lambda: balance(shop, number) == 0, "taken back")
        shop.gateway.assert_explained(user_of(number))
        shop.daraja.fault("push", "push", mode="never")
        prepared(number + 1)

    first = next(_numbers)
    prepared(first + 1)
    crashed(shop, how, when, step, prove)
