"""Writes of a subscription's item that are refused where somebody else has made them meanwhile."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.platform.ids import new_id
from engine.platform.table import ConditionFailed, Table, Write
from engine.subscriptions import subscription
from engine.subscriptions.plans import BASIC, PLANS
from engine.subscriptions.subscription import Figures, Subscriber, Subscription
from tests.support.gateway import Gateway

NOW = 1_900_000_000
LATER = NOW + 60


@pytest.fixture(scope="module")
def table(endpoint: str) -> Table:
    return Gateway(endpoint).ledger.table


@pytest.fixture
def opened(table: Table) -> Subscription:
    user = new_id("user")
    table.write(subscription.opening(Subscriber(user, "a@x.example", "a"), PLANS[BASIC], NOW))
    found = subscription.find(table, user)
    assert found is not None
    return found


def again(seen: Subscription) -> Write:
    return subscription.opening(Subscriber(seen.user), PLANS[BASIC], LATER)


def introduced(seen: Subscription) -> Write:
    return subscription.introduction(Subscriber(seen.user, "b@x.example", "b"))


def counted(seen: Subscription) -> Write:
    return subscription.figures(seen, Figures(1, 2, 3))


def counted_for_an_earlier_period(seen: Subscription) -> Write:
    return counted(replace(seen, period=seen.period - 1))


@pytest.mark.parametrize(
    "made",
    [again, introduced, counted, counted_for_an_earlier_period],
    ids=lambda made: made.__name__,
)
def test_what_another_has_made_is_not_made_again(
    table: Table, opened: Subscription, made: Callable[[Subscription], Write]
) -> None:
    with pytest.raises(ConditionFailed):
        table.write(made(opened))
    assert subscription.find(table, opened.user) == opened
