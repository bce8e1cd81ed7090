"""A 404 of OpenRouter counts only twice, two minutes apart, with no other answer between.

A lagging replica or a proxy answers 404 for a living key too: one such answer replaces, closes and repays
nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.platform.act import Act
from engine.subscriptions import lifecycle, provider_keys, transitions
from engine.subscriptions.provider_keys import ProviderKey
from tests.support.openrouter import Studio, fresh_user, serving

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with serving() as standin:
        yield Studio(endpoint, standin)


@pytest.fixture
def studio(module_studio: Studio) -> Iterator[Studio]:
    module_studio.standin.sound()
    yield module_studio
    module_studio.standin.sound()


def missing(studio: Studio, route: str = "get_key", times: int | None = 1) -> None:
    studio.standin.fault(route, "status", times=times, status=404)


def last(studio: Studio, user: str) -> ProviderKey:
    return studio.items(user)[-1]


def test_one_404_leaves_the_key_and_its_money_as_they_are(studio: Studio) -> None:
    user = fresh_user("blip")
    key = studio.key(user)["key"]
    before = studio.figures(user)
    missing(studio)
    data = studio.key(user)
    assert (data["key"], data["fresh"]) == (key, False)
    assert studio.figures(user) == before
    assert last(studio, user).state == "live"
    assert len(studio.standin.keys(user)) == 1
    assert studio.key(user)["fresh"] is True
    assert last(studio, user).missing_since == 0
    assert studio.standin.spend(key, "0.9")


def test_a_key_that_is_missing_twice_in_two_minutes_is_replaced(studio: Studio) -> None:
    user = fresh_user("gone")
    key = studio.key(user)["key"]
    studio.app.lifecycle.provider.delete(last(studio, user).hash)
    assert studio.key(user)["key"] == key
    studio.forward(119)
    assert studio.key(user)["key"] == key
    studio.forward(1)
    assert studio.key(user)["key"] != key
    studio.settle(rounds=3)
    studio.assert_settled(user)


@pytest.mark.parametrize("positive", ["call", "list"])
def test_an_answer_that_shows_the_key_between_two_404s_cancels_the_first(
    studio: Studio, positive: str
) -> None:
    user = fresh_user("between")
    key = studio.key(user)["key"]
    missing(studio)
    studio.key(user)
    studio.forward(60)
    studio.key(user) if positive == "call" else studio.monitor()
    studio.forward(61)
    missing(studio)
    assert studio.key(user)["key"] == key
    assert last(studio, user).state == "live"


def test_the_monitor_asks_again_for_a_key_that_was_missing(studio: Studio) -> None:
    user = fresh_user("again")
    studio.key(user)
    studio.app.lifecycle.provider.delete(last(studio, user).hash)
    studio.key(user)
    studio.monitor()
    assert last(studio, user).state == "live"
    studio.forward(120)
    studio.monitor()
    assert last(studio, user).state == "closed"
    assert studio.figures(user) == (10_000_000, 0)
    studio.assert_settled(user)


def test_the_monitor_finds_a_missing_key_that_is_there(studio: Studio) -> None:
    user = fresh_user("there")
    key = studio.key(user)["key"]
    missing(studio)
    studio.key(user)
    studio.standin.fault("list_keys", "status", status=503)
    studio.forward(120)
    studio.monitor()
    found = last(studio, user)
    assert (found.state, found.missing_since) == ("live", 0)
    assert "open_shard" not in stored(studio, user)
    assert studio.key(user)["key"] == key


def stored(studio: Studio, user: str) -> dict[str, Any]:
    item = studio.table.get(f"A#{user}", f"KEY#{last(studio, user).number:09d}")
    assert item is not None
    return item


def half_used(studio: Studio, user: str) -> str:
    old = str(studio.key(user)["key"])
    assert studio.standin.spend(old, "0.5")
    studio.key(user)
    return old


@pytest.mark.parametrize("route", ["update_key", "get_key", "delete_key"])
def test_one_404_while_a_key_is_ended_returns_no_money(studio: Studio, route: str) -> None:
    """The key lives on at OpenRouter: what it spends is still charged."""
    user = fresh_user("end")
    old = half_used(studio, user)
    studio.forward(301)
    if route != "update_key":
        studio.monitor()
        studio.forward(121)
    if route == "delete_key":
        studio.monitor()
        studio.forward(121)
    held = studio.figures(user)[1]
    missing(studio, route)
    studio.monitor()
    assert studio.items(user)[0].state in ("retiring", "settling")
    assert studio.figures(user)[1] == held
    if route == "update_key":
        assert studio.standin.spend(old, "0.25")
    studio.settle(rounds=5)
    studio.assert_settled(user)
    assert studio.items(user)[0].state == "closed"


def test_a_key_that_cannot_be_deleted_after_a_lost_lease_is_looked_for(studio: Studio) -> None:
    user = fresh_user("discard")
    life, create = studio.app.lifecycle, studio.app.lifecycle.provider.create

    def slow(*asked: Any) -> Any:
        made = create(*asked)
        act = Act("system:test", "late", "", "", "", at=int(studio.now) + 21)
        if not studio.items(user)[1:]:
            life.release_claim(studio.subscription(user), act)
        return made

    life.provider.create = slow
    missing(studio, "delete_key")
    try:
        studio.key(user)
    finally:
        life.provider.create = create
    assert studio.items(user)[0].state == "lost"
    studio.settle(rounds=4)
    studio.assert_settled(user)


def test_a_key_whose_user_was_blocked_meanwhile_and_that_a_404_hides_is_looked_for(
    studio: Studio,
) -> None:
    user = fresh_user("blocked-meanwhile")
    life, create = studio.app.lifecycle, studio.app.lifecycle.provider.create

    def meanwhile(*asked: Any) -> Any:
        made = create(*asked)
        assert transitions.block(life.ledger, studio.subscription(user), int(studio.now))
        missing(studio, "delete_key")
        return made

    life.provider.create = meanwhile
    try:
        studio.ask(user)
    finally:
        life.provider.create = create
    assert studio.items(user)[0].state == "lost"
    studio.settle(rounds=4)
    assert studio.standin.live(user) == []


def test_a_round_that_takes_long_dates_each_answer_by_its_own_time(studio: Studio) -> None:
    """The first answer comes at the end of one round, the second at the start of the next."""
    user = fresh_user("round")
    studio.key(user)
    missing(studio)
    studio.key(user)
    studio.standin.fault("list_keys", "status", times=None, status=503)
    studio.forward(60)
    key = last(studio, user)
    studio.app.lifecycle.confirm(key)
    late = studio.now + 200
    missing(studio)
    act = Act("system:key-monitor", "late", "", "", "", at=int(late))
    assert studio.app.lifecycle.read(last(studio, user), act).is_closed is False
    assert last(studio, user).missing_since == int(late)
    missing(studio)
    soon = replace(act, at=int(late) + 60)
    assert studio.app.lifecycle.read(last(studio, user), soon).is_closed is False
    assert last(studio, user).state == "live"
    studio.app.lifecycle.confirm(last(studio, user))


def test_a_key_that_was_seen_meanwhile_is_not_closed_as_missing(studio: Studio) -> None:
    user = fresh_user("race")
    studio.key(user)
    missing(studio)
    studio.key(user)
    seen = last(studio, user)
    studio.key(user)
    act = Act("system:test", "late", "", "", "", at=int(studio.now) + 500)
    assert not transitions.close(studio.ledger, seen, act, is_missing=True)
    assert last(studio, user).state == "live"


class Replay:
    """The rule, computed from the answers alone."""

    def __init__(self) -> None:
        self.now = self.first_missing = 0
        self.is_closed = False

    def answered(self, after_s: int, is_missing: bool) -> None:
        self.now += after_s
        if not is_missing:
            self.first_missing = 0
        elif not self.first_missing:
            self.first_missing = self.now
        elif self.now - self.first_missing >= lifecycle.MISSING_S:
            self.is_closed = True


ANSWERS = st.lists(
    st.tuples(st.sampled_from([1, 30, 59, 60, 119, 120, 121, 500]), st.booleans()),
    min_size=1,
    max_size=8,
)


def test_a_key_is_closed_exactly_when_the_answers_say_so(studio: Studio) -> None:
    """A model check: any order of answers at any distance, against the rule itself."""

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(ANSWERS)
    def run(answers: list[tuple[int, bool]]) -> None:
        user = fresh_user("model")
        studio.standin.sound()
        studio.key(user)
        key, rule = last(studio, user), Replay()
        rule.now = int(studio.now)
        for after_s, is_missing in answers:
            rule.answered(after_s, is_missing)
            if is_missing:
                missing(studio)
            act = Act("system:test", "x", "", "", "", at=rule.now)
            studio.app.lifecycle.read(last(studio, user), act)
            assert (last(studio, user).state == "closed") is rule.is_closed
            if rule.is_closed:
                break
        assert key.number == last(studio, user).number

    run()


def test_an_item_of_another_form_is_unreadable() -> None:
    good: dict[str, Any] = provider_keys.intention(provider_keys.new("t", "ann", 1, 1000, 5)).item
    assert provider_keys.read(good).name == "sub:ann:t.000000001"
    spoilt: list[Callable[[], dict[str, Any]]] = [
        lambda: {**good, "limit": "many"},
        lambda: {**good, "hash": 7},
        lambda: {name: value for name, value in good.items() if name != "held"},
    ]
    for item in spoilt:
        with pytest.raises(provider_keys.Unreadable):
            provider_keys.read(item())
