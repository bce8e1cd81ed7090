"""A failure at every DynamoDB call of every step of a purchase, before and after it took effect; then the
provider's next delivery, or the reconciler.
"""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.payments import intents, settlement
from engine.payments.clawback import Losses
from tests.support.faults import FaultyClient, Killed
from tests.support.gateway import Gateway
from tests.support.payers import ACT, Bought, bought, net_of, selling
from tests.support.shop import begin

WAYS = [(when, how) for when in ("before", "after") for how in ("killed", "timeout", "unreachable")]
MOST_CALLS = 16


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Gateway:
    return selling(endpoint)


def nothing(_: Bought) -> None:
    """No step before."""


def grant(sale: Bought) -> None:
    sale.settle()


def netted(sale: Bought) -> None:
    sale.settle(losses=Losses(refunded=100))


def without_intent(sale: Bought) -> None:
    sale.settle(intent="")


def refund(sale: Bought) -> None:
    sale.lose(refunded=100)


def win(sale: Bought) -> None:
    sale.lose(disputed=0)


def dispute(sale: Bought) -> None:
    sale.settle()
    sale.lose(disputed=499)


def noted(sale: Bought) -> None:
    settlement.note(sale.book, "stripe", sale.proof.payment, Losses(refunded=100), ACT)


def assigned(sale: Bought) -> None:
    path = f"/admin/payments/stripe/{sale.proof.payment}/assign"
    body = {"userId": sale.user, "packId": "p250", "reason": "x"}
    reply = sale.gateway.call("POST", path, body, headers=sale.gateway.admin)
    assert reply.status in (200, 503), reply.text


def second_intent(sale: Bought) -> None:
    reply = begin(sale.gateway, sale.headers, "p250", "second", provider="mpesa", currency="KES")
    assert reply.status in (200, 503), reply.text


@dataclass(frozen=True)
class Step:
    """What is prepared, what is done, and what is available in the end."""

    do: Callable[[Bought], None]
    ends: int
    before: Callable[[Bought], None] = nothing


STEPS = [
    Step(grant, 250),
    Step(netted, 200),
    Step(without_intent, 0),
    Step(refund, 200, grant),
    Step(win, 250, dispute),
    Step(noted, 0),
    Step(assigned, 250, without_intent),
    Step(second_intent, 0),
]


@contextmanager
def failing(shop: Gateway, client: FaultyClient) -> Iterator[None]:
    """Every function's table goes through `client`, and waits for nothing."""
    tables = [shop.function(name).books.table for name in ("payments", "payments_admin")]
    whole = [table._client for table in tables]
    for table in tables:
        table._client = client
    try:
        yield
    finally:
        for table, real in zip(tables, whole, strict=True):
            table._client = real


def attempt(shop: Gateway, sale: Bought, step: Step, client: FaultyClient) -> None:
    with failing(shop, client):
        try:
            step.do(sale)
        except (Killed, Exception):  # noqa: BLE001 - whatever came out, the store is what counts.
            return


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.do.__name__)
@pytest.mark.parametrize(("when", "how"), WAYS, ids=str)
def test_a_failure_at_any_call_is_made_good_by_the_next_delivery(
    shop: Gateway, step: Step, when: str, how: str
) -> None:
    at = 0
    while True:
        sale = bought(shop)
        step.before(sale)
        client = FaultyClient(shop.dynamodb, at, when, how)
        attempt(shop, sale, step, client)
        step.do(sale)
        step.do(sale)
        assert sale.account() == (step.ends, 0)
        shop.assert_explained(sale.user)
        assert net_of(shop, f"stripe:{sale.proof.payment}", sale.user) == step.ends
        listed, _ = intents.of_user(sale.book.table, sale.user, limit=10, before=None)
        assert len(listed) == (2 if step.do in (second_intent, assigned) else 1)
        if client.made <= at:
            break
        at += 1
    assert 1 <= at <= MOST_CALLS


def test_a_thousand_deliveries_of_fifty_payments_grant_each_once(endpoint: str) -> None:
    """In random order by 16 threads, with repeats, and with refunds known before their payments."""
    shop = selling(endpoint)
    sales = [bought(shop) for _ in range(50)]
    chance = random.Random(7)
    lost = {sale.user: chance.choice([0, 0, 100, 499]) for sale in sales}
    deliveries = [sale for sale in sales for _ in range(20)]
    chance.shuffle(deliveries)

    def deliver(sale: Bought) -> Any:
        losses = Losses(refunded=lost[sale.user])
        proof = replace(sale.proof, losses=losses)
        return settlement.settle(sale.book, lambda: proof, ACT).outcome

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(deliver, deliveries))
    assert outcomes.count(settlement.DONE) == 50
    assert outcomes.count(settlement.REPEATED) == 950
    for sale in sales:
        row = sale.row()
        assert sale.account() == (row.granted - row.clawed, 0)
        shop.assert_explained(sale.user)
