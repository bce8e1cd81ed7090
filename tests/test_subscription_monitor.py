"""The monitor charges keys, replaces them ahead, resumes unfinished steps and deletes orphans alone."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from engine.platform.act import Act
from engine.platform.outgoing import Unknown
from engine.platform.table import Put
from engine.subscriptions import monitor, openrouter, provider_keys
from engine.subscriptions.openrouter import OpenRouter
from engine.subscriptions.provider_keys import key_name, shard_of
from tests.support.faults import Killed
from tests.support.fuse import Fuse, fused
from tests.support.loglines import caught
from tests.support.openrouter import MANAGEMENT_KEY, STARTED_AT, Studio, fresh_user, serving

pytestmark = pytest.mark.enable_socket


@pytest.fixture
def studio(endpoint: str) -> Iterator[Studio]:
    with serving(total_credits="1000") as standin:
        yield Studio(endpoint, standin)


def test_keys_are_charged_without_a_call_of_their_user(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert studio.standin.spend(key, "0.123456")
    assert studio.monitor()["charged"] == 1
    assert studio.monitor()["charged"] == 0
    assert studio.items(user)[0].charged == 123_456
    studio.assert_explained(user)


def test_a_key_is_replaced_ahead_and_the_old_one_works_for_an_hour(studio: Studio) -> None:
    user = fresh_user()
    old = studio.key(user)["key"]
    assert studio.standin.spend(old, "0.5")
    assert studio.monitor()["rotated"] == 1
    assert studio.monitor()["rotated"] == 0
    new = studio.key(user)["key"]
    assert new != old
    studio.forward(3599)
    studio.monitor()
    assert studio.standin.spend(old, "0.1")
    studio.forward(2)
    studio.settle(rounds=4)
    studio.assert_settled(user)
    assert studio.key(user)["key"] == new


def test_a_key_that_is_no_longer_current_is_not_replaced_again(studio: Studio) -> None:
    """The monitor saw it half used; meanwhile its user asked."""
    user = fresh_user()
    studio.key(user)
    act = Act("system:test", "twice", "", "", "", at=int(studio.now))
    assert studio.app.issuer.replace(user, 1, act, grace_s=300)
    assert not studio.app.issuer.replace(user, 1, act, grace_s=300)
    assert [key.number for key in studio.items(user)] == [1, 2]


def test_orphans_are_deleted_and_the_owners_other_keys_are_not_touched(studio: Studio) -> None:
    provider = OpenRouter(studio.standin.base, lambda: MANAGEMENT_KEY)
    deployment = studio.app.lifecycle.deployment
    ours = key_name(deployment, "nobody", 1)
    names = [ours, key_name("another-stack", "nobody", 1), "sub:nobody:1", "mine", ours + "0"]
    made = {name: provider.create(name, 1000, STARTED_AT + 10**6) for name in names}
    assert studio.monitor()["deleted"] == 1
    there = {key["name"] for key in studio.standin.state()["keys"] if not key["deleted"]}
    assert there == set(names) - {ours}
    assert studio.standin.state()["foreign_writes"] == 0
    assert provider.read(made[ours].hash) is None


def test_a_second_key_under_a_known_name_is_deleted(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    provider = OpenRouter(studio.standin.base, lambda: MANAGEMENT_KEY)
    provider.create(studio.items(user)[0].name, 1000, STARTED_AT + 10**6)
    studio.monitor()
    assert studio.key(user)["key"] == key
    studio.assert_settled(user)


def test_a_key_of_a_dead_process_is_deleted_after_its_lease(studio: Studio) -> None:
    user = fresh_user()
    die_storing(studio, user)
    assert len(studio.standin.live(user)) == 1
    studio.monitor()
    assert len(studio.standin.live(user)) == 1, "its process may still be at work"
    studio.forward(21)
    studio.monitor()
    studio.forward(1)
    studio.monitor()
    assert studio.standin.live(user) == []
    assert studio.figures(user) == (10_000_000, 0)
    studio.key(user)
    studio.settle(rounds=4)
    studio.assert_settled(user)


def die_storing(studio: Studio, user: str) -> None:
    """The process ends between OpenRouter's answer and the table."""
    fuse = Fuse(None, "before", "killed")
    with fused(studio, fuse):
        studio.ask(fresh_user("probe"))
    encrypting = fuse.made.index("encrypt")
    with pytest.raises(Killed), fused(studio, Fuse(encrypting, "before", "killed")):
        studio.ask(user)


def test_a_lost_key_that_surfaces_late_is_deleted_by_its_name(studio: Studio) -> None:
    user = fresh_user()
    studio.standin.fault("create_key", "drop", when="before")
    assert studio.ask(user).status == 503
    (lost,) = studio.items(user)
    studio.monitor()
    assert studio.items(user)[0].state == "lost"
    provider = OpenRouter(studio.standin.base, lambda: MANAGEMENT_KEY)
    provider.create(lost.name, 1000, STARTED_AT + 10**6)
    studio.forward(121)
    studio.monitor()
    assert studio.standin.live(user) == []
    assert studio.items(user)[0].state == "closed"
    provider.create(lost.name, 1000, int(studio.now) + 10**6)
    studio.monitor()
    assert studio.standin.live(user) == [], "even after it was given up for good"


def test_a_lost_key_is_deleted_before_it_is_closed(studio: Studio) -> None:
    user = fresh_user()
    studio.standin.fault("create_key", "drop", when="before")
    assert studio.ask(user).status == 503
    (lost,) = studio.items(user)
    life = studio.gateway.function("key_monitor").lifecycle
    made = life.provider.create(lost.name, 1000, STARTED_AT + 10**6)
    listed = [facts for facts in life.provider.page(0).keys if facts.hash == made.hash]
    studio.forward(121)
    by = Act("system:test", "now", "", "", "", at=int(studio.now))
    assert life.advance(lost, lambda: listed, by) == "closed"
    assert studio.standin.live(user) == []


def test_a_lost_key_that_never_surfaces_is_closed_after_a_quarter_of_an_hour(
    studio: Studio,
) -> None:
    user = fresh_user()
    studio.standin.fault("create_key", "drop", when="before")
    studio.ask(user)
    for _ in range(7):
        studio.monitor()
        assert studio.items(user)[0].state == "lost"
        studio.forward(128)
    studio.forward(10)
    studio.monitor()
    assert studio.items(user)[0].state == "closed"


def test_usage_of_a_closed_key_that_surfaces_again_is_charged(studio: Studio) -> None:
    """The final reading was wrong, and the key was not deleted: it is charged, then deleted."""
    user = fresh_user()
    studio.key(user)
    (key,) = studio.items(user)
    studio.gateway.dynamodb.update_item(
        TableName=studio.gateway.table_name,
        Key={"pk": {"S": f"A#{user}"}, "sk": {"S": f"KEY#{1:09d}"}},
        UpdateExpression="SET #s = :closed",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":closed": {"S": "closed"}},
    )
    assert studio.standin.spend(key.hash, "0.25")
    studio.monitor()
    assert studio.items(user)[0].charged == 250_000
    assert studio.standin.live(user) == []


def test_all_pages_are_read_in_turn_under_a_rate_limit(endpoint: str) -> None:
    with serving(rate_limit_per_minute=None) as standin:
        studio = Studio(endpoint, standin)
        users = [fresh_user("page") for _ in range(3)]
        first = {user: studio.key(user)["key"] for user in users}
        provider = OpenRouter(standin.base, lambda: MANAGEMENT_KEY)
        for place in range(260):
            provider.create(f"mine {place}", 1000, STARTED_AT + 10**6)
        for key in first.values():
            assert standin.spend(key, "0.1")
        standin.order("settings", {"rate_limit_per_minute": 2})
        studio.forward(61)
        found = studio.monitor()
        assert (found["seen"], found["next_offset"]) == (0, 200)
        assert found["troubles"] > 0
        studio.forward(61)
        found = studio.monitor()
        assert (found["seen"], found["charged"], found["next_offset"]) == (3, 3, 0)
        assert [studio.items(user)[0].charged for user in users] == [100_000] * 3


def test_nothing_is_started_without_time_left(studio: Studio) -> None:
    user = fresh_user()
    studio.key(user)
    studio.standin.spend(studio.key(user)["key"], "0.6")
    studio.key(user)
    studio.forward(400)
    assert studio.monitor(left_s=1.0)["due"] == 0
    assert studio.items(user)[0].state == "retiring"


def test_a_failure_on_one_key_does_not_stop_the_round(studio: Studio) -> None:
    users = [fresh_user(), fresh_user()]
    for user in users:
        studio.standin.spend(studio.key(user)["key"], "0.6")
        studio.key(user)
    studio.forward(301)
    studio.standin.fault("update_key", "status", status=500)
    found = studio.monitor()
    assert (found["due"], found["troubles"]) == (2, 1)
    assert sorted(studio.items(user)[0].state for user in users) == ["retiring", "settling"]
    studio.settle(rounds=4)
    for user in users:
        studio.assert_settled(user)


def test_a_key_that_was_enabled_again_is_disabled_again(studio: Studio) -> None:
    user = fresh_user()
    old = studio.key(user)["key"]
    studio.standin.spend(old, "0.6")
    studio.key(user)
    studio.forward(301)
    studio.monitor()
    hash_ = studio.items(user)[0].hash
    studio.app.lifecycle.provider._ask("PATCH", f"/keys/{hash_}", body={"disabled": False})
    assert studio.standin.spend(old, "0.1")
    studio.settle(rounds=4)
    studio.assert_settled(user)


@pytest.mark.parametrize(("left", "is_low"), [("24.99", True), ("25", False)])
def test_a_low_provider_balance_is_logged(endpoint: str, left: str, is_low: bool) -> None:
    with serving(total_credits=left, foreign_keys=0) as standin, caught() as lines:
        Studio(endpoint, standin, HOUSE_LOW_USD="25").monitor()
    assert ("be:house-low" in lines.messages) is is_low


def test_keys_settle_once_openrouter_answers_again(studio: Studio) -> None:
    user = fresh_user()
    studio.standin.spend(studio.key(user)["key"], "0.6")
    studio.key(user)
    studio.forward(301)
    studio.standin.fault("*", "drop", times=None)
    assert studio.monitor()["troubles"] == 3
    studio.settle(rounds=4)
    studio.assert_settled(user)


def odd_members(first: dict[str, Any]) -> list[Any]:
    """Members of a list that no key can be read from."""
    return [
        {**first, "name": None},
        {**first, "hash": "../keys"},
        {**first, "hash": 5},
        {**first, "usage": None},
        {**first, "usage": "1e999999999999999999999"},
        {**first, "disabled": "no"},
        {},
        [],
        None,
        7,
        "key",
    ]


def listed(studio: Studio) -> list[dict[str, Any]]:
    answer = studio.app.lifecycle.provider._ask("GET", "/keys", query={"include_disabled": "true"})
    found: list[dict[str, Any]] = json.loads(json.dumps(answer["data"], default=float))
    return found


def test_a_member_of_the_list_that_cannot_be_read_does_not_stop_the_round(studio: Studio) -> None:
    user = fresh_user("odd")
    assert studio.standin.spend(studio.key(user)["key"], "0.2")
    known = listed(studio)
    odd = odd_members(known[0])
    studio.standin.fault("list_keys", "status", status=200, body={"data": [*odd, *known]})
    with caught() as lines:
        found = studio.monitor()
    assert (found["charged"], found["set_aside"]) == (1, len(odd))
    assert studio.items(user)[0].charged == 200_000
    assert any("SetAside" in line for line in lines.json)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "9" * 5000, "1e" + "9" * 30])
def test_a_number_that_is_none_spoils_one_member_alone(studio: Studio, number: str) -> None:
    user = fresh_user("odd")
    assert studio.standin.spend(studio.key(user)["key"], "0.2")
    known = json.dumps(listed(studio))
    odd = f'{{"hash": "abcdefgh", "name": "mine", "disabled": false, "usage": {number}}}'
    raw = f'{{"data": [{odd}, {known[1:-1]}]}}'
    provider = studio.watch.lifecycle.provider
    provider._ask = lambda *_, **__: openrouter._parsed(raw.encode())
    page = provider.page(0)
    del provider._ask
    assert (page.size, len(page.keys)) == (len(json.loads(known)) + 1, len(json.loads(known)))


def test_an_item_that_cannot_be_read_does_not_stop_the_round(studio: Studio) -> None:
    """It is due before the others in every shard."""
    users = [fresh_user("poison") for _ in range(6)]
    for user in users:
        studio.standin.spend(studio.key(user)["key"], "0.6")
        studio.key(user)
    for shard in range(4):
        for place, odd in enumerate(({"state": 5}, {"number": "x"}, {"limit": None})):
            key = provider_keys.new("t", f"poison-{shard}-{place}", 1, 1000, 5)
            item = {**provider_keys.intention(key).item, **odd, "open_shard": f"keys#{shard}"}
            studio.table.write(Put(item, condition=""))
    studio.forward(301)
    found = studio.monitor()
    assert (found["set_aside"], found["troubles"]) == (12, 0)
    assert [studio.items(user)[0].state for user in users] == ["settling"] * 6
    studio.forward(60)
    assert studio.monitor()["set_aside"] == 0, "passed over for an hour"
    studio.forward(3600)
    assert studio.monitor()["set_aside"] == 12


def test_keys_whose_steps_fail_do_not_hold_up_the_others(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More keys fail than a round looks at: the next round begins with the others."""
    monkeypatch.setattr(monitor, "BATCH", 1)
    named = (fresh_user("queue") for _ in itertools.count())
    users = list(itertools.islice((user for user in named if shard_of(user) == "keys#0"), 2))
    for user in users:
        studio.standin.spend(studio.key(user)["key"], "0.6")
        studio.key(user)
        studio.forward(1)
    studio.forward(301)
    failing = studio.items(users[0])[0].hash
    studio.standin.fault("update_key", "status", times=None, status=500, match=failing)
    assert studio.monitor()["troubles"] == 1
    studio.forward(60)
    studio.monitor()
    assert studio.items(users[1])[0].state == "settling"
    studio.settle(rounds=5)
    for user in users:
        studio.assert_settled(user)


def test_a_page_that_never_arrives_is_passed_over(endpoint: str) -> None:
    with serving() as standin:
        studio = Studio(endpoint, standin)
        user = fresh_user("far")
        key = studio.key(user)["key"]
        provider = OpenRouter(standin.base, lambda: MANAGEMENT_KEY)
        for place in range(260):
            provider.create(f"mine {place}", 1000, STARTED_AT + 10**6)
        assert standin.spend(key, "0.1")
        page = studio.watch.lifecycle.provider.page

        def broken(offset: int) -> openrouter.Page:
            if offset == 100:
                raise Unknown("too_large")
            return page(offset)

        studio.watch.lifecycle.provider.page = broken
        offsets = []
        for _ in range(4):
            found = studio.monitor()
            offsets.append(found["next_offset"])
        assert offsets == [100, 100, 200, 0]
        assert studio.items(user)[0].charged == 100_000


def test_a_first_page_that_cannot_be_read_does_not_stop_the_others(endpoint: str) -> None:
    with serving() as standin:
        studio = Studio(endpoint, standin)
        user = fresh_user("far")
        key = studio.key(user)["key"]
        provider = OpenRouter(standin.base, lambda: MANAGEMENT_KEY)
        for place in range(120):
            provider.create(f"mine {place}", 1000, STARTED_AT + 10**6)
        assert standin.spend(key, "0.1")
        standin.fault("list_keys", "garbage", times=1)
        assert studio.monitor()["set_aside"] == 1
        assert studio.items(user)[0].charged == 100_000


def test_slow_due_keys_leave_time_for_the_list(studio: Studio) -> None:
    user = fresh_user("slow")
    studio.standin.spend(studio.key(user)["key"], "0.6")
    studio.key(user)
    studio.forward(301)
    left = iter([200.0, 100.0])
    times = itertools.chain(left, itertools.repeat(90.0))
    act = Act("system:key-monitor", "slow", "", "", "usage", at=int(studio.now))
    done = studio.watch.monitor.round(
        act, clock=lambda: studio.now, remaining_s=lambda: next(times)
    )
    assert (done.due, done.seen) == (0, 2)
    assert studio.items(user)[0].state == "retiring"
    assert done.balance is not None
