"""What the plan granted, what was paid and what was adjusted are three figures, and the entries explain all.

Random sequences of payments, adjustments, changes of plan, usage and renewals are compared with a small model
that knows only the rules: nothing is given or taken that they do not name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import Move
from engine.platform.act import Act
from engine.platform.errors import InsufficientCredits
from engine.platform.table import Item, Put, Update
from engine.subscriptions import subscription, top_ups, transitions
from engine.subscriptions.plans import CREDIT, PLANS
from engine.subscriptions.subscription import PlanChoice, Subscriber
from engine.subscriptions.top_ups import TopUp
from engine.web.request_ids import RequestKey
from tests.support.openrouter import SUBSCRIPTION_SK, Studio, fresh_user, serving
from tests.support.template import document
from tests.test_subscription_admin import act as operator_act
from tests.test_subscription_admin import look, pay

pytestmark = pytest.mark.enable_socket
NOW = 1_800_000_000


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Studio]:
    with serving() as standin:
        yield Studio(endpoint, standin)


@dataclass
class Model:
    """The rules of plans and money, without a ledger. Amounts in micro-dollars.

    An allowance is used before other money. A renewal fills up the allowance; a change of plan grants what
    the new allowance has beyond what plans have granted since the last renewal.
    """

    plan: str = "basic"
    left: int = PLANS["basic"].allowance
    granted: int = PLANS["basic"].allowance
    paid: int = 0
    adjusted: int = 0
    other: int = 0
    """Paid and adjusted since the last renewal, with what was left of such money then."""

    def pay(self, amount: int) -> None:
        self.left, self.paid, self.other = (
            self.left + amount,
            self.paid + amount,
            self.other + amount,
        )

    def adjust(self, amount: int) -> bool:
        if self.left + amount < 0:
            return False
        self.left += amount
        self.adjusted, self.other = self.adjusted + amount, self.other + amount
        return True

    def change_plan(self, plan: str) -> None:
        more = max(0, PLANS[plan].allowance - self.granted)
        self.plan, self.left, self.granted = plan, self.left + more, self.granted + more

    def use(self, amount: int) -> None:
        self.left -= amount

    def renew(self) -> None:
        own = max(0, self.left - max(0, self.other))
        self.other = self.left - own
        self.granted = PLANS[self.plan].allowance
        self.left = self.other + self.granted


AMOUNTS = st.integers(1, 60 * CREDIT)
STEPS = st.one_of(
    st.tuples(st.just("pay"), AMOUNTS),
    st.tuples(st.just("adjust"), AMOUNTS),
    st.tuples(st.just("adjust"), AMOUNTS.map(lambda amount: -amount)),
    st.tuples(st.just("plan"), st.sampled_from(sorted(PLANS))),
    st.tuples(st.just("use"), st.integers(0, 1000)),
    st.tuples(st.just("renew"), st.none()),
)


class Book:
    """The same steps on the real items."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.user, self.number = studio, fresh_user("money"), 0
        transitions.open_subscription(studio.ledger, Subscriber(self.user), self.act())

    def act(self) -> Act:
        self.number += 1
        return Act("system:test", f"{self.user}-{self.number}", "", "", "test", at=NOW)

    def once(self) -> RequestOnce:
        act = Act("system:test", f"once-{self.number}", "", "", "", at=NOW)
        return RequestOnce(
            self.studio.ledger, Request(self.user, "t", str(self.number), "", act), {}
        )

    def seen(self) -> subscription.Subscription:
        found = transitions.find(self.studio.ledger, self.user)
        assert found is not None
        return found

    def pay(self, amount: int) -> None:
        act = self.act()
        text = f"{amount // CREDIT}.{amount % CREDIT:06d}"
        paid = TopUp(self.user, text, f"order-{self.user}-{self.number}", "shop")
        for _ in range(2):
            top_ups.top_up(self.studio.ledger, paid, RequestKey(None, "f"), act)

    def adjust(self, amount: int) -> bool:
        act = self.act()
        try:
            transitions.adjust(self.studio.ledger, self.seen(), amount, self.once(), act)
        except InsufficientCredits:
            return False
        return True

    def change_plan(self, plan: str) -> None:
        act, choice = self.act(), PlanChoice(plan, None)
        seen, once = self.seen(), self.once()
        assert transitions.change_plan(self.studio.ledger, seen, choice, once, act)

    def use(self, amount: int) -> None:
        act = self.act()
        self.studio.ledger.post(Move(self.user, "used_by_test", -amount, 0, act), self.once())

    def renew(self, left: int) -> None:
        assert transitions.renew(self.studio.ledger, self.seen(), left, self.act())

    def sum_of(self, *types: str) -> int:
        return sum(entry.amount for entry in self.studio.entries(self.user) if entry.type in types)


def test_no_sequence_gives_or_takes_what_the_rules_do_not_name(studio: Studio) -> None:
    @settings(
        max_examples=40,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(STEPS, min_size=1, max_size=9))
    def run(steps: list[tuple[str, Any]]) -> None:
        book, model = Book(studio), Model()
        for kind, asked in steps:
            play(book, model, kind, asked)
            seen = book.seen()
            assert studio.figures(book.user) == (model.left, 0)
            assert (seen.granted, seen.paid, seen.adjusted) == (
                model.granted, model.paid, model.adjusted,
            )  # fmt: skip
            assert seen.total == model.granted + model.other
        assert book.sum_of("top_up") == model.paid
        assert book.sum_of("admin_add", "admin_deduct") == model.adjusted
        studio.assert_explained(book.user)

    run()


def play(book: Book, model: Model, kind: str, asked: Any) -> None:
    match kind:
        case "pay":
            book.pay(asked)
            model.pay(asked)
        case "adjust":
            assert book.adjust(asked) is model.adjust(asked)
        case "plan":
            book.change_plan(asked)
            model.change_plan(asked)
        case "use":
            # All but so much is used: what is left decides what a renewal fills up.
            used = max(0, model.left - asked)
            if used:
                book.use(used)
                model.use(used)
        case "renew":
            if model.left <= model.granted:
                book.renew(model.left)
                model.renew()


def test_a_payment_does_not_lessen_the_allowance_of_a_plan(studio: Studio) -> None:
    for paid, total in ((None, 50), ("40", 90), ("10", 60)):
        user = fresh_user("bought")
        studio.key(user)
        if paid is not None:
            pay(studio, user, paid, f"order-{user}")
        operator_act(studio, user, "plan", plan="pro")
        data = studio.key(user)
        assert (data["remaining_credits"], data["total_credits"]) == (total, total)
        assert look(studio, user)["granted_credits"] == 50
        assert look(studio, user)["paid_credits"] == float(paid or 0)


def test_a_change_of_plan_does_not_give_back_what_an_operator_took(studio: Studio) -> None:
    user = fresh_user("taken")
    studio.key(user)
    operator_act(studio, user, "adjust", amount="-9")
    assert operator_act(studio, user, "plan", plan="pro").json["available_credits"] == 40
    story = look(studio, user)
    assert (story["granted_credits"], story["adjusted_credits"]) == (50, -9)
    assert (story["total_credits"], story["remaining_credits"]) == (41, 41)


def test_a_renewal_leaves_paid_money_on_top(studio: Studio) -> None:
    """The plan's money is used first, so the last tenth of a credit is what was paid."""
    user = fresh_user("ontop")
    key = studio.key(user)["key"]
    operator_act(studio, user, "adjust", amount="-9")
    pay(studio, user, "0.05", f"order-{user}")
    assert studio.standin.spend(key, "1")
    operator_act(studio, user, "adjust", amount="9")
    assert studio.key(user)["remaining_credits"] == 9.05


def first_version(user: str, **facts: Any) -> Item:
    """The item as the first version stored it."""
    return {
        "pk": f"A#{user}", "sk": SUBSCRIPTION_SK, "user": user, "plan": "basic", "state": "active",
        "period": 1, "total": 10 * CREDIT, "current": 0, "rotation": 0, "rotations": 0, "retry_at": 0,
        "created_at": NOW, "updated_at": NOW, "email": "", "username": "", **facts,
    }  # fmt: skip


def post(studio: Studio, user: str, type_: str, amount: int, subject: str = "") -> None:
    number = len(studio.entries(user))
    act = Act("system:test", f"old-{user}-{number}", "", "", "", at=NOW)
    once = RequestOnce(studio.ledger, Request(user, "old", str(number), "", act), {})
    studio.ledger.post(Move(user, type_, amount, 0, act, subject=subject), once)


def test_an_item_of_the_first_version_gets_its_figures_from_the_entries(studio: Studio) -> None:
    user = fresh_user("old")
    for type_, amount, subject in (
        ("plan_grant", 10 * CREDIT, "basic:1"),
        ("top_up", 5 * CREDIT, "order-1"),
        ("usage", -14_900_000, ""),
        ("plan_grant", 9_900_000, "basic:3"),
        ("admin_deduct", -CREDIT, ""),
        ("plan_change", 41 * CREDIT, "basic->pro"),
        ("top_up", 2 * CREDIT, "order-2"),
    ):
        post(studio, user, type_, amount, subject)
    old = first_version(user, plan="pro", period=6, total=52 * CREDIT)
    studio.table.write(Put(old, condition=""))
    seen = subscription.find(studio.table, user)
    assert seen is not None and (seen.granted, seen.paid, seen.adjusted) == (None, None, None)
    story = look(studio, user)
    assert (story["granted_credits"], story["paid_credits"], story["adjusted_credits"]) == (
        51,
        7,
        -1,
    )
    assert (story["total_credits"], story["remaining_credits"]) == (52, 52)
    pay(studio, user, "1", f"order-{user}")
    assert look(studio, user)["paid_credits"] == 8
    assert operator_act(studio, user, "plan", plan="enterprise").json["available_credits"] == 102


def test_an_item_of_the_first_version_is_completed_once_under_a_race(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process of the first version adds a payment while the figures are computed."""
    user = fresh_user("old")
    post(studio, user, "plan_grant", 10 * CREDIT, "basic:1")
    studio.table.write(Put(first_version(user), condition=""))
    entries, paid = studio.ledger.entries, []

    def interrupted(*asked: Any, **named: Any) -> Any:
        found = entries(*asked, **named)
        if not paid:
            paid.append(1)
            post(studio, user, "top_up", 3 * CREDIT, "order-3")
            change = "ADD period :one, #total :amount"
            values = {":one": 1, ":amount": 3 * CREDIT}
            names = {"#total": "total"}
            studio.table.write(Update(f"A#{user}", SUBSCRIPTION_SK, change, "", names, values))
        return found

    monkeypatch.setattr(studio.ledger, "entries", interrupted)
    seen = transitions.find(studio.ledger, user)
    assert seen is not None
    assert (seen.granted, seen.paid, seen.adjusted) == (10 * CREDIT, 3 * CREDIT, 0)


def test_by_default_a_used_up_subscription_gets_no_money(endpoint: str) -> None:
    """The default of the deployment gives no allowance without end."""
    policy = document()["Parameters"]["PlanPolicy"]["Default"]
    with serving() as standin:
        studio = Studio(endpoint, standin, PLAN_POLICY=policy)
        user = fresh_user("default")
        key = studio.key(user)["key"]
        operator_act(studio, user, "adjust", amount="-9")
        assert standin.spend(key, "0.95")
        for _ in range(3):
            assert studio.ask(user).status == 402
        assert studio.types(user).count("plan_grant") == 1
        pay(studio, user, "2", f"order-{user}")
        assert studio.key(user)["remaining_credits"] == 2.05
