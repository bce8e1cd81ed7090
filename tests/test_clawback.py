"""What was granted goes back as far as the money went back, in whatever order it becomes known."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.credits.verification import verify_user
from engine.payments import clawback, intents, rows, settlement
from engine.payments.clawback import Losses
from engine.payments.settlement import Proof
from tests.support.gateway import Gateway
from tests.support.payers import ACT, Bought, book_of, bought, net_of, selling
from tests.support.properties import PROPERTY
from tests.support.shop import edit_pack, unmatched
from tests.support.vectors import vectors

SEQUENCES = vectors("model/clawback_sequences")["sequences"]
STATES = vectors("model/state_machine")


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Gateway:
    return selling(endpoint)


def spend(sale: Bought, amount: int) -> None:
    """Takes `amount` away from what is available."""
    body = {"userId": sale.user, "amount": amount, "reason": "spent"}
    reply = sale.gateway.call("POST", "/admin/deduct-credits", body, headers=sale.gateway.admin)
    assert reply.status == 200, reply.text


@pytest.mark.parametrize("sequence", SEQUENCES, ids=lambda one: str(one["name"]))
def test_a_sequence_of_refunds_and_disputes(endpoint: str, sequence: dict[str, Any]) -> None:
    shop = selling(endpoint)
    granted, gross = sequence["granted"], sequence["gross"]
    edit_pack(shop, "pack", credits=granted, prices={"USD": gross})
    sale = bought(shop, "pack")
    sale.settle()
    refunded = disputed = clawed = 0
    for result in sequence["result"]:
        kind, amount = result["step"]
        match kind:
            case "spend":
                spend(sale, amount)
            case "grant":
                shop.add(sale.user, amount)
            case "refund_total":
                refunded = amount
            case "dispute":
                disputed = amount
        row = sale.lose(refunded, disputed)
        assert row.clawed == result["target"]
        assert row.clawed - clawed == (result["delta"] if kind not in ("spend", "grant") else 0)
        assert sale.account() == (result["balance"], result["owed"])
        clawed = row.clawed
    shop.assert_explained(sale.user)
    assert net_of(shop, sale.row().subject, sale.user) == granted - clawed


def test_an_older_reading_never_gives_back(shop: Gateway) -> None:
    """A reading of before is dropped: the payment is read again after its row."""
    sale = bought(shop)
    sale.settle()
    now = replace(sale.proof, losses=Losses(refunded=300))
    sale.settle(losses=now.losses)
    readings = iter([replace(now, losses=Losses(refunded=100)), now])
    settlement.settle(sale.book, lambda: next(readings), ACT)
    assert sale.account() == (100, 0)


def test_open_holds_are_not_touched(shop: Gateway) -> None:
    sale = bought(shop)
    sale.settle()
    assert shop.vend(sale.headers).status == 200
    sale.lose(refunded=499)
    account = shop.ledger.account(sale.user)
    assert (account.available, account.held, account.owed) == (0, 1, 1)


def test_a_claw_back_names_the_entry_before_it(shop: Gateway) -> None:
    sale = bought(shop)
    sale.settle()
    sale.lose(refunded=100)
    sale.lose(refunded=300)
    sale.lose(refunded=100)
    entries = shop.entries(sale.user)[1:]
    assert [entry.type for entry in entries] == [
        "purchase", "clawback", "clawback", "clawback_return",
    ]  # fmt: skip
    assert [entry.reverses for entry in entries] == [None, 2, 3, 4]
    assert len({entry.subject for entry in entries}) == 1


def test_accounts_with_claw_backs_pass_the_check_of_the_ledger(shop: Gateway) -> None:
    sale = bought(shop)
    sale.settle()
    spend(sale, 200)
    for lost in (100, 499, 300):
        sale.lose(refunded=lost)
    assert verify_user(sale.book.table, "credits", sale.user).findings == []


def prove(sale: Bought) -> None:
    sale.settle()


def call_unknown(sale: Bought) -> None:
    intent = intents.find(sale.book.table, sale.intent["intentId"])
    assert intent is not None
    intents.record_call(sale.book.table, intent, call=intents.UNKNOWN)


def closed(state: str) -> Callable[[Bought], None]:
    def close(sale: Bought) -> None:
        intent = intents.find(sale.book.table, sale.intent["intentId"])
        assert intent is not None
        intents.close(sale.book.table, intent, state, "test")

    return close


def lost(refunded: int, disputed: int = 0, *, inquiry: bool = False) -> Callable[[Bought], None]:
    def lose(sale: Bought) -> None:
        sale.settle(losses=Losses(refunded, disputed, is_questioned=inquiry))

    return lose


@dataclass(frozen=True)
class Walk:
    """How a payment comes to a state, and what is available then."""

    steps: tuple[Callable[[Bought], None], ...]
    ends: str
    available: int


WALKS = {
    (None, "intent_created"): Walk((), "pending", 0),
    ("pending", "provider_call_unknown"): Walk((call_unknown,), "pending", 0),
    ("pending", "payment_proved"): Walk((prove,), "granted", 250),
    ("failed", "payment_proved"): Walk((closed("failed"), prove), "granted", 250),
    ("expired", "payment_proved"): Walk((closed("expired"), prove), "granted", 250),
    ("pending", "provider_says_failed"): Walk((closed("failed"),), "failed", 0),
    ("pending", "ttl"): Walk((closed("expired"),), "expired", 0),
    ("granted", "payment_proved_again"): Walk((prove, prove), "granted", 250),
    ("granted", "partial_refund"): Walk((prove, lost(100)), "partially_refunded", 200),
    ("granted", "full_refund"): Walk((prove, lost(499)), "refunded", 0),
    ("partially_refunded", "full_refund"): Walk((prove, lost(100), lost(499)), "refunded", 0),
    ("refunded", "refund_failed"): Walk((prove, lost(499), lost(0)), "granted", 250),
    ("granted", "dispute_funds_withdrawn"): Walk((prove, lost(0, 499)), "disputed", 0),
    ("disputed", "dispute_funds_reinstated"): Walk((prove, lost(0, 499), lost(0)), "granted", 250),
    ("disputed", "dispute_closed_lost"): Walk((prove, lost(0, 499), lost(0, 499)), "disputed", 0),
    ("granted", "dispute_inquiry_only"): Walk((prove, lost(0, inquiry=True)), "granted", 250),
}


@pytest.mark.parametrize("step", STATES, ids=lambda one: f"{one['from']}-{one['event']}")
def test_the_state_machine(shop: Gateway, step: dict[str, Any]) -> None:
    """Three of its rows concern payments without an intent, or without a grant: they have no purchase."""
    named = step["from"], step["event"]
    sale = bought(shop)
    if named == (None, "refund_before_grant_event"):
        settlement.note(sale.book, "stripe", sale.proof.payment, Losses(100), ACT)
        assert sale.row().state == rows.NOTED
        assert (sale.settle().row.clawed, sale.account()) == (50, (200, 0))
        return
    if named == (None, "payment_without_intent"):
        sale.settle(intent="")
        assert sale.proof.payment in {one["paymentId"] for one in unmatched(shop)}
        return
    if named == ("unmatched", "admin_assign_or_user_claim"):
        sale.settle(intent="")
        path = f"/admin/payments/stripe/{sale.proof.payment}/assign"
        body = {"userId": sale.user, "packId": "p250", "reason": "claimed"}
        assert shop.call("POST", path, body, headers=shop.admin).status == 200
        assert (sale.row().state, sale.account()) == ("granted", (250, 0))
        return
    walk = WALKS[named]
    for one in walk.steps:
        one(sale)
    assert sale.status() == walk.ends
    assert walk.ends in step["to"]
    assert sale.account() == (walk.available, 0)


def test_an_inquiry_is_flagged_and_takes_nothing(shop: Gateway) -> None:
    sale = bought(shop)
    sale.settle()
    sale.settle(losses=Losses(is_questioned=True))
    assert (sale.row().trouble, sale.row().state) == ("dispute_opened", "granted")


@PROPERTY
@given(st.integers(0, 10**6), st.integers(1, 10**9), st.integers(0, 10**9))
def test_the_target_is_never_more_than_was_granted_nor_than_its_share(
    granted: int, gross: int, lost_: int
) -> None:
    taken = clawback.target(granted, gross, lost_)
    assert 0 <= taken <= granted
    assert lost_ >= gross or taken * gross <= granted * lost_ < (taken + 1) * gross
    assert clawback.target(granted, gross, 0) == 0
    assert clawback.target(granted, gross, gross) == granted


@dataclass(frozen=True)
class Happening:
    """One thing that happens at the provider or to the user, and how often its event comes."""

    payment: int
    kind: str
    amount: int
    deliveries: int


HAPPENINGS = st.builds(
    Happening,
    st.integers(0, 1),
    st.sampled_from(["refund", "refund_failed", "dispute", "won", "spend", "grant"]),
    st.integers(1, 499),
    st.integers(0, 2),
)


class Provider:
    """A payment as its provider has it: the truth that events only hint at."""

    def __init__(self, sale: Bought) -> None:
        self.sale = sale
        self.refunded = self.disputed = 0

    def happen(self, one: Happening) -> None:
        match one.kind:
            case "refund":
                self.refunded = min(499, self.refunded + one.amount)
            case "refund_failed":
                self.refunded = max(0, self.refunded - one.amount)
            case "dispute":
                self.disputed = one.amount
            case "won":
                self.disputed = 0
            case "spend":
                available = self.sale.account()[0]
                if available:
                    spend(self.sale, min(available, one.amount))
            case "grant":
                self.sale.gateway.add(self.sale.user, one.amount)

    def read(self) -> Proof:
        losses = Losses(self.refunded, self.disputed)
        return replace(self.sale.proof, losses=losses)

    def deliver(self) -> None:
        settlement.settle(self.sale.book, self.read, ACT)


@settings(PROPERTY, max_examples=25)
@given(history=st.lists(HAPPENINGS, max_size=14), order=st.randoms(use_true_random=False))
def test_whatever_is_repeated_lost_or_late_the_entries_say_granted_less_taken(
    shop: Gateway, history: list[Happening], order: Any
) -> None:
    """After a last look at every payment, as the reconciler does, each payment and the house agree."""
    providers = [Provider(bought(shop)) for _ in range(2)]
    waiting: list[Provider] = []
    for one in history:
        provider = providers[one.payment]
        provider.happen(one)
        waiting += [provider] * one.deliveries
        order.shuffle(waiting)
        if waiting and order.random() < 0.5:
            waiting.pop().deliver()
    for provider in waiting:
        provider.deliver()
    house = 0
    for provider in providers:
        provider.deliver()
        row = provider.sale.row()
        lost_ = min(499, provider.refunded + provider.disputed)
        assert row.clawed == clawback.target(250, 499, lost_)
        net = net_of(shop, row.subject, provider.sale.user)
        assert net == row.granted - row.clawed
        house += net
        available, owed = provider.sale.account()
        assert available >= 0 and owed >= 0 and not (available and owed)
        shop.assert_explained(provider.sale.user)
    found = rows.many(
        book_of(shop).table, [("stripe", one.sale.proof.payment) for one in providers]
    )
    assert house == sum(row.granted - row.clawed for row in found.values())
