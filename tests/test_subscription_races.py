"""Concurrent callers: one key is created, and all of them get it."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from tests.support.gateway import Reply
from tests.support.openrouter import Standin, Studio, fresh_user, serving
from tests.test_subscription_crashes import drain

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def studio(endpoint: str, standin: Standin) -> Studio:
    made = Studio(endpoint, standin)
    made.app.issuer._clock, made.app.issuer._sleep = time.monotonic, time.sleep
    return made


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    gate = Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        gate.wait(30)
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def keys_of(replies: list[Reply]) -> set[str]:
    assert [reply.status for reply in replies] == [200] * len(replies), replies[0].text
    return {reply.json["data"]["key"] for reply in replies}


@pytest.mark.parametrize("turn", range(3))
def test_25_first_calls_make_one_key(studio: Studio, turn: int) -> None:
    user = fresh_user("first")
    keys = keys_of(at_once(*[lambda: studio.ask(user)] * 25))
    assert len(keys) == 1
    assert len(studio.standin.keys(user)) == 1
    assert studio.types(user) == ["plan_grant", "key_fund"]
    studio.assert_settled(user)


@pytest.mark.parametrize("turn", range(3))
def test_10_rotations_make_one_key_and_charge_once(studio: Studio, turn: int) -> None:
    user = fresh_user("rotate")
    old = studio.key(user)["key"]
    assert studio.standin.spend(old, "0.654321")
    keys = keys_of(at_once(*[lambda: studio.ask(user)] * 10))
    assert len(keys) == 1 and old not in keys
    assert len(studio.standin.keys(user)) == 2
    assert studio.types(user) == ["plan_grant", "key_fund", "usage", "key_fund"]
    assert studio.items(user)[0].charged == 654_321
    studio.assert_explained(user)


def test_the_monitor_and_callers_together_make_one_key(studio: Studio) -> None:
    user = fresh_user("both")
    assert studio.standin.spend(studio.key(user)["key"], "0.6")
    at_once(studio.monitor, studio.monitor, *[lambda: studio.ask(user)] * 6)
    assert len(studio.standin.keys(user)) == 2
    studio.assert_explained(user)


def test_10_resets_grant_once(studio: Studio) -> None:
    user = fresh_user("reset")
    key = studio.key(user)["key"]
    drain(studio, user)
    assert studio.standin.spend(key, "0.97")
    assert len(keys_of(at_once(*[lambda: studio.ask(user)] * 10))) == 1
    assert studio.types(user).count("plan_grant") == 2
    assert sum(studio.figures(user)) == 10_000_000
    studio.assert_explained(user)


def test_a_caller_that_waits_too_long_is_503(studio: Studio) -> None:
    """The one that makes the key hangs: the others do not wait for ever, and nothing is made twice."""
    user = fresh_user("slow")
    studio.app.issuer._clock, studio.app.issuer._sleep = (
        studio.patience.clock,
        studio.patience.sleep,
    )
    studio.standin.fault("create_key", "delay", seconds=2)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(studio.ask, user)
        while not studio.items(user):
            pass
        other = studio.ask(user)
        assert (other.status, other.code) == (503, "keys_unavailable")
        studio.standin.forward(3)
        assert slow.result().status == 200
    assert len(studio.standin.keys(user)) == 1
