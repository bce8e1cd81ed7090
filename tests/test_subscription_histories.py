"""Random histories of subscribers, OpenRouter's troubles, crashes of our processes, and time.

After every step the entries explain every account, what is held is what the keys have left, and nothing is
charged that was not spent. At the end of every history, once OpenRouter works and the monitor has come by,
there is at most one live key for each user, no key that nobody knows of, and charged is spent.
"""

import os
import sys
from contextlib import ExitStack, suppress
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)  # fmt: skip

from tests.support.faults import Killed
from tests.support.fuse import WAYS, Fuse, fused
from tests.support.openrouter import Studio, serving
from tests.test_subscription_crashes import drain

pytestmark = pytest.mark.enable_socket

PROVING = os.environ.get("PROVE") == "1"
HISTORIES, STEPS = (120, 40) if PROVING else (30, 25)
USERS = ("ann", "bob")
ROUTES = ("create_key", "get_key", "update_key", "delete_key", "list_keys", "*")
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("drop", {"when": "before"}),
    ("drop", {"when": "after"}),
    ("status", {"status": 500, "when": "before"}),
    ("status", {"status": 500, "when": "after"}),
    ("status", {"status": 429}),
    ("garbage", {"when": "after"}),
    ("truncated", {"when": "after"}),
]
WAITS_S = (1, 11, 21, 61, 121, 301, 901, 3601)

users = st.sampled_from(USERS)
fuses = st.one_of(st.none(), st.tuples(st.integers(0, 25), st.sampled_from(WAYS)))


class Histories(RuleBasedStateMachine):
    endpoint: ClassVar[str]
    policy: ClassVar[str]
    played: ClassVar[list[int]] = []

    def __init__(self) -> None:
        super().__init__()
        self.lag = 0
        self.held = ExitStack()
        self.standin = self.held.enter_context(serving())
        self.studio = Studio(self.endpoint, self.standin, PLAN_POLICY=self.policy)
        self.played.append(1)

    @initialize(lag=st.sampled_from((0, 90)))
    def begin(self, lag: int) -> None:
        self.lag = lag
        self.standin.order("settings", {"usage_lag_seconds": lag})

    def teardown(self) -> None:
        failed = sys.exc_info()[0] is not None
        try:
            if not failed:
                self._end()
        finally:
            self.held.close()

    def _do(self, act: Any, fuse: tuple[int, tuple[str, str]] | None) -> None:
        if fuse is None:
            act()
            return
        at, (when, how) = fuse
        with suppress(Killed, Exception), fused(self.studio, Fuse(at, when, how)):
            act()

    @rule(user=users, fuse=fuses)
    def ask(self, user: str, fuse: Any) -> None:
        self._do(lambda: self.studio.ask(user), fuse)

    @rule(fuse=fuses)
    def monitor(self, fuse: Any) -> None:
        self._do(self.studio.monitor, fuse)

    @rule(
        user=users,
        back=st.integers(0, 2),
        micros=st.integers(1, 700_000),
        overshoot=st.booleans(),
        late=st.booleans(),
    )
    def spend(self, user: str, back: int, micros: int, overshoot: bool, late: bool) -> None:
        """On a key whose secret was given to the user, which OpenRouter has not deleted yet."""
        given = {key.hash for key in self.studio.items(user)}
        there = [k for k in self.standin.keys(user) if not k["deleted"] and k["hash"] in given]
        if there:
            key = there[-1 - back % len(there)]["hash"]
            in_flight = late and not self.lag
            usd = f"{micros / 1e6:.6f}"
            self.standin.spend(key, usd, overshoot=overshoot, in_flight=in_flight)

    @rule(route=st.sampled_from(ROUTES), fault=st.sampled_from(FAULTS), times=st.integers(1, 3))
    def trouble(self, route: str, fault: tuple[str, dict[str, Any]], times: int) -> None:
        kind, options = fault
        self.standin.fault(route, kind, times=times, **options)

    @rule()
    def sound(self) -> None:
        self.standin.sound()

    @rule(seconds=st.sampled_from(WAITS_S))
    def pass_time(self, seconds: int) -> None:
        self.studio.forward(seconds)

    @rule(user=users)
    def nearly_nothing_is_left(self, user: str) -> None:
        if self.studio.figures(user)[0]:
            drain(self.studio, user)

    @rule(user=users)
    def somebody_disables_it(self, user: str) -> None:
        for key in self.standin.live(user)[-1:]:
            self.standin.sound()
            self.studio.app.lifecycle.provider.disable(key["hash"])

    @invariant()
    def everything_is_explained(self) -> None:
        for user in USERS:
            if self.studio.figures(user) != (0, 0):
                self.studio.assert_explained(user)
                counted = sum(key.usage for key in self.studio.items(user))
                assert counted <= self.standin.spent(user)

    def _end(self) -> None:
        self.studio.forward(self.lag)
        self.studio.settle(rounds=12, step_s=950)
        for user in USERS:
            if self.studio.entries(user):
                self.studio.ask(user)
        self.studio.settle(rounds=5, step_s=1300)
        for user in USERS:
            if self.studio.entries(user):
                self.studio.assert_settled(user)


@pytest.fixture(params=["reset", "block", "top_up"])
def policy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_random_histories_lose_no_key_and_no_money(endpoint: str, policy: str) -> None:
    Histories.endpoint, Histories.policy = endpoint, policy
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES // 3,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            derandomize=not PROVING,
            suppress_health_check=list(HealthCheck),
        ),
    )
