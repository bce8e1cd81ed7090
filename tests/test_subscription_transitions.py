"""Each transition of a subscription and its keys is made from the state that was seen, or not at all.

Another writer changes one thing between the reading and the transition; then nothing may have changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import Move, account_pk
from engine.platform.act import Act
from engine.platform.table import Item, Update
from engine.subscriptions import provider_keys, transitions
from engine.subscriptions.provider_keys import CLOSED, LOST, ProviderKey, shard_of
from engine.subscriptions.subscription import PlanChoice, Subscriber, Subscription
from engine.subscriptions.transitions import Replaced
from tests.support.openrouter import SUBSCRIPTION_SK, Studio, fresh_user, key_sk, serving

pytestmark = pytest.mark.enable_socket
NOW = 1_800_000_000
ORIGIN = Act("system:test", "request", "", "", "test", at=NOW)


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Studio]:
    with serving() as standin:
        yield Studio(endpoint, standin)


@dataclass
class Bench:
    """A new subscriber, and the table behind them."""

    studio: Studio
    user: str

    @property
    def ledger(self) -> Any:
        return self.studio.ledger

    @property
    def table(self) -> Any:
        return self.studio.table

    def seen(self) -> Subscription:
        return self.studio.subscription(self.user)

    def key(self, number: int) -> ProviderKey:
        found = provider_keys.find(self.table, self.user, number)
        assert found is not None
        return found

    def edit(self, sk: str, **values: Any) -> None:
        names = {f"#{name}": name for name in values}
        change = "SET " + ", ".join(f"#{name} = :{name}" for name in values)
        new = {f":{name}": value for name, value in values.items()}
        self.table.write(Update(account_pk(self.user), sk, change, "", names, new))

    def stored(self) -> list[Item]:
        items = self.table.ascending(account_pk(self.user), "A", "\uffff", consistent=True)
        return [item for item in items if not item["sk"].startswith("RATE")]

    def intend(self, seen: Subscription | None = None) -> ProviderKey | None:
        return transitions.intend(self.ledger, seen or self.seen(), 1000, "t", ORIGIN)

    def store(self, key: ProviderKey, replaced: int = 0) -> ProviderKey | None:
        created = replace(key, hash="h" * 8, sealed="c2VhbGVk")
        return transitions.store(self.ledger, created, Replaced(replaced, NOW + 300), NOW)

    def give_up(self, key: ProviderKey, to: str = LOST) -> bool:
        return transitions.abandon(self.ledger, key, to, ORIGIN, retry_at=NOW + 9)

    def live(self) -> ProviderKey:
        key = self.intend()
        assert key is not None
        stored = self.store(key, self.seen().current)
        assert stored is not None
        return self.key(key.number)

    def retiring(self) -> ProviderKey:
        old = self.live()
        self.live()
        return self.key(old.number)

    def settling(self) -> ProviderKey:
        key = self.retiring()
        assert transitions.record_disabled(self.ledger, key, NOW)
        return self.key(key.number)

    def lost(self) -> ProviderKey:
        key = self.intend()
        assert key is not None and self.give_up(key)
        return self.key(key.number)


@pytest.fixture
def bench(studio: Studio) -> Bench:
    user = fresh_user("step")
    transitions.open_subscription(studio.ledger, Subscriber(user), ORIGIN)
    return Bench(studio, user)


def unmoved(bench: Bench, act: Callable[[], Any]) -> None:
    """`act` is refused and changes nothing that is stored."""
    before = bench.stored()
    assert not act()
    assert bench.stored() == before


def test_a_subscription_is_opened_once(bench: Bench) -> None:
    first = bench.seen()
    again = transitions.open_subscription(
        bench.ledger, Subscriber(bench.user), replace(ORIGIN, at=NOW + 1)
    )
    assert again == first
    assert bench.studio.types(bench.user) == ["plan_grant"]


def test_email_and_user_name_are_recorded_once(bench: Bench) -> None:
    assert bench.seen().email == ""
    for email in ("ann@example.test", "other@example.test"):
        who = Subscriber(bench.user, email, email[:3])
        transitions.open_subscription(bench.ledger, who, ORIGIN)
        assert (bench.seen().email, bench.seen().username) == ("ann@example.test", "ann")


@pytest.mark.parametrize(
    "change",
    [{"rotations": 5}, {"rotation": 7}, {"state": "blocked"}, {"current": 3}],
    ids=str,
)
def test_a_key_is_not_intended_after_a_change(bench: Bench, change: dict[str, Any]) -> None:
    seen = bench.seen()
    bench.edit(SUBSCRIPTION_SK, **change)
    unmoved(bench, lambda: bench.intend(seen))


def test_a_number_is_assigned_once(bench: Bench) -> None:
    seen = bench.seen()
    assert bench.intend(seen) is not None
    unmoved(bench, lambda: bench.intend(seen))
    bench.edit(SUBSCRIPTION_SK, rotation=0, rotations=0)
    unmoved(bench, lambda: bench.intend(seen))


def test_a_key_is_not_intended_without_the_money(bench: Bench) -> None:
    once = RequestOnce(bench.studio.ledger, Request(bench.user, "x", "x", "", ORIGIN), {})
    bench.ledger.post(Move(bench.user, "admin_deduct", -9_999_001, 0, ORIGIN), once)
    unmoved(bench, bench.intend)


def test_an_intended_key_has_its_limit_set_aside_and_falls_due(bench: Bench) -> None:
    key = bench.intend()
    assert key is not None and key == bench.key(1)
    assert bench.studio.figures(bench.user) == (9_999_000, 1000)
    assert (bench.seen().rotation, bench.seen().rotations) == (1, 1)
    (item,) = [item for item in bench.stored() if item["sk"] == key_sk(1)]
    assert (item["open_shard"], item["expires_at"]) == (shard_of(bench.user), NOW + 20)


@pytest.mark.parametrize(
    ("sk", "change"),
    [
        (key_sk(2), {"state": "lost"}),
        (SUBSCRIPTION_SK, {"rotation": 3}),
        (SUBSCRIPTION_SK, {"current": 5}),
        (SUBSCRIPTION_SK, {"state": "blocked"}),
        (key_sk(1), {"state": "retiring"}),
    ],
    ids=str,
)
def test_a_key_that_is_no_longer_wanted_is_not_stored(
    bench: Bench, sk: str, change: dict[str, Any]
) -> None:
    bench.live()
    key = bench.intend()
    assert key is not None
    bench.edit(sk, **change)
    unmoved(bench, lambda: bench.store(key, 1))


def test_a_stored_key_becomes_current_and_the_old_one_retires(bench: Bench) -> None:
    old, new = bench.retiring(), bench.key(2)
    assert (old.state, old.expires_at, new.state) == ("retiring", NOW + 300, "live")
    assert (bench.seen().current, bench.seen().rotation) == (2, 0)
    shards = {item["sk"]: item.get("open_shard") for item in bench.stored()}
    assert (shards[key_sk(1)], shards[key_sk(2)]) == (shard_of(bench.user), None)


@pytest.mark.parametrize(
    ("sk", "change"),
    [(key_sk(1), {"state": "live"}), (SUBSCRIPTION_SK, {"rotation": 4})],
    ids=str,
)
def test_a_key_that_is_no_longer_intended_is_not_abandoned(
    bench: Bench, sk: str, change: dict[str, Any]
) -> None:
    key = bench.intend()
    assert key is not None
    bench.edit(sk, **change)
    unmoved(bench, lambda: bench.give_up(key))


@pytest.mark.parametrize("to", [LOST, CLOSED])
def test_an_abandoned_key_returns_its_money_once(bench: Bench, to: str) -> None:
    key = bench.intend()
    assert key is not None
    assert bench.give_up(key, to)
    unmoved(bench, lambda: bench.give_up(key, to))
    assert bench.studio.figures(bench.user) == (10_000_000, 0)
    assert (bench.seen().rotation, bench.seen().retry_at) == (0, NOW + 9)
    shards = {item["sk"]: item.get("open_shard") for item in bench.stored()}
    assert (shards[key_sk(1)] is None) is (to == CLOSED)


def charged(bench: Bench, key: ProviderKey, usage: int) -> ProviderKey:
    return transitions.charge(bench.ledger, key, usage, ORIGIN)


def test_the_same_reading_is_charged_once(bench: Bench) -> None:
    seen = bench.live()
    for _ in range(2):
        after = charged(bench, seen, 300)
        assert (after.usage, after.held, after.charged) == (300, 700, 300)
    assert bench.studio.figures(bench.user) == (9_999_000, 700)
    assert bench.studio.types(bench.user).count("usage") == 1
    assert charged(bench, after, 299) == after, "a reading that lags changes nothing"


def test_a_reading_ahead_of_another_charges_the_difference(bench: Bench) -> None:
    seen = bench.live()
    charged(bench, seen, 300)
    after = charged(bench, seen, 500)
    assert (after.usage, after.held) == (500, 500)
    bench.studio.assert_explained(bench.user)


def test_usage_beyond_the_limit_is_charged_once(bench: Bench) -> None:
    seen = charged(bench, bench.live(), 1000)
    assert seen.held == 0
    for _ in range(2):
        assert charged(bench, seen, 1200).usage == 1200
    assert bench.studio.figures(bench.user) == (9_998_800, 0)
    bench.studio.assert_explained(bench.user)


def test_a_key_that_was_closed_meanwhile_is_charged_from_the_account(bench: Bench) -> None:
    seen = bench.settling()
    assert transitions.close(bench.ledger, seen, ORIGIN)
    before = bench.studio.figures(bench.user)
    after = charged(bench, seen, 40)
    assert (after.state, after.usage, after.held) == ("closed", 40, 0)
    available, held = before
    assert bench.studio.figures(bench.user) == (available - 40, held)
    bench.studio.assert_explained(bench.user)


def test_usage_that_the_account_cannot_pay_is_written_off_once(bench: Bench) -> None:
    seen = bench.live()
    once = RequestOnce(bench.studio.ledger, Request(bench.user, "x", "x", "", ORIGIN), {})
    bench.ledger.post(Move(bench.user, "admin_deduct", -9_998_950, 0, ORIGIN), once)
    for _ in range(2):
        after = charged(bench, seen, 1100)
        assert (after.usage, after.charged, after.written_off) == (1100, 1050, 50)
    entries = bench.studio.entries(bench.user)
    usage = [(e.type, e.amount, e.held) for e in entries if e.type.startswith("usage")]
    assert usage == [("usage", -50, -1000), ("usage_write_off", 0, 0)]
    assert entries[-1].reason == "50 micro-dollars beyond what there was"
    bench.studio.assert_explained(bench.user)


def test_usage_is_counted_by_day(bench: Bench) -> None:
    key = charged(bench, bench.live(), 300)
    charged(bench, key, 450)
    days = {i["sk"]: i["used"] for i in bench.stored() if i["sk"].startswith("USED#")}
    assert days == {"USED#2027-01-15": 450}


def test_only_a_retiring_key_is_recorded_as_disabled(bench: Bench) -> None:
    key = bench.retiring()
    bench.edit(key_sk(key.number), state="closed")
    unmoved(bench, lambda: transitions.record_disabled(bench.ledger, key, NOW))


def test_a_key_whose_state_changed_is_not_postponed(bench: Bench) -> None:
    key = bench.settling()
    assert transitions.postpone(bench.ledger, key, 7, NOW + 5)
    assert (bench.key(1).settled_usage, bench.key(1).expires_at) == (7, NOW + 5)
    bench.edit(key_sk(1), state="closed")
    unmoved(bench, lambda: transitions.postpone(bench.ledger, key, 8, NOW + 9))


def test_only_a_lost_key_is_forgotten(bench: Bench) -> None:
    key = bench.lost()
    bench.edit(key_sk(1), state="live")
    unmoved(bench, lambda: transitions.forget(bench.ledger, key))
    bench.edit(key_sk(1), state="lost")
    assert transitions.forget(bench.ledger, key) and bench.key(1).state == "closed"


def close(bench: Bench, key: ProviderKey) -> bool:
    return transitions.close(bench.ledger, key, ORIGIN)


def test_a_closed_key_returns_its_money_once(bench: Bench) -> None:
    key = charged(bench, bench.settling(), 400)
    assert close(bench, key)
    unmoved(bench, lambda: close(bench, key))
    assert bench.studio.figures(bench.user) == (9_998_600, 1000)
    assert bench.key(1).sealed == ""
    assert bench.seen().current == 2
    bench.studio.assert_explained(bench.user)


@pytest.mark.parametrize("change", [{"state": "closed"}, {"usage": 500, "held": 500}], ids=str)
def test_a_key_that_changed_meanwhile_is_not_closed(bench: Bench, change: dict[str, Any]) -> None:
    key = bench.settling()
    bench.edit(key_sk(1), **change)
    unmoved(bench, lambda: close(bench, key))


def test_a_closed_key_is_no_longer_current(bench: Bench) -> None:
    key = bench.live()
    bench.edit(SUBSCRIPTION_SK, current=8)
    unmoved(bench, lambda: close(bench, key))
    bench.edit(SUBSCRIPTION_SK, current=1)
    assert close(bench, key)
    assert bench.seen().current == 0


def renew(bench: Bench, seen: Subscription) -> bool:
    return transitions.renew(bench.ledger, seen, 50, ORIGIN)


@pytest.mark.parametrize("change", [{"period": 2}, {"plan": "pro"}], ids=str)
def test_an_allowance_is_not_renewed_after_a_change(bench: Bench, change: dict[str, Any]) -> None:
    seen = bench.seen()
    bench.edit(SUBSCRIPTION_SK, **change)
    unmoved(bench, lambda: renew(bench, seen))


def test_an_allowance_is_renewed_once(bench: Bench) -> None:
    seen = bench.seen()
    assert renew(bench, seen)
    unmoved(bench, lambda: renew(bench, seen))
    assert bench.studio.figures(bench.user) == (19_999_950, 0)
    assert (bench.seen().period, bench.seen().total) == (2, 10_000_000)


def change_plan(bench: Bench, seen: Subscription) -> Any:
    once = RequestOnce(bench.studio.ledger, Request(bench.user, "p", "p", "", ORIGIN), {})
    return transitions.change_plan(bench.ledger, seen, PlanChoice("pro", None), once, ORIGIN)


@pytest.mark.parametrize("change", [{"period": 2}, {"plan": "enterprise"}], ids=str)
def test_a_plan_is_not_changed_after_a_change(bench: Bench, change: dict[str, Any]) -> None:
    seen = bench.seen()
    bench.edit(SUBSCRIPTION_SK, **change)
    unmoved(bench, lambda: change_plan(bench, seen))


def test_a_changed_plan_grants_the_difference(bench: Bench) -> None:
    assert change_plan(bench, bench.seen()) is not None
    assert bench.studio.figures(bench.user) == (50_000_000, 0)
    assert (bench.seen().plan, bench.seen().total, bench.seen().period) == ("pro", 50_000_000, 2)


def retire(bench: Bench, seen: Subscription) -> bool:
    return transitions.block(bench.ledger, seen, NOW + 3)


@pytest.mark.parametrize(
    ("sk", "change"),
    [
        (SUBSCRIPTION_SK, {"period": 2}),
        (SUBSCRIPTION_SK, {"current": 2}),
        (SUBSCRIPTION_SK, {"state": "blocked"}),
        (key_sk(1), {"state": "retiring"}),
    ],
    ids=str,
)
def test_a_subscription_is_not_blocked_after_a_change(
    bench: Bench, sk: str, change: dict[str, Any]
) -> None:
    bench.live()
    seen = bench.seen()
    bench.edit(sk, **change)
    unmoved(bench, lambda: retire(bench, seen))


def test_a_blocked_subscription_has_no_current_key_and_can_be_unblocked(bench: Bench) -> None:
    bench.live()
    assert retire(bench, bench.seen())
    assert (bench.seen().state, bench.seen().current) == ("blocked", 0)
    assert (bench.key(1).state, bench.key(1).expires_at) == ("retiring", NOW + 3)
    assert transitions.unblock(bench.ledger, bench.user, NOW)
    unmoved(bench, lambda: transitions.unblock(bench.ledger, bench.user, NOW))
    assert bench.seen().state == "active"
