"""A failure at every call that the subscription service makes, before and after it took effect: to the
table, to KMS, to OpenRouter; by a killed process, a time-out and a lost connection. Then calls continue.

Afterwards there is at most one live key, no key that the table does not know, and what was charged is what
was spent, to the micro-dollar.
"""

import contextlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import Move
from engine.platform.act import Act
from engine.subscriptions.subscription import BLOCKED
from tests.support.faults import Killed
from tests.support.fuse import WAYS, Fuse, fused
from tests.support.openrouter import Studio, fresh_user, serving
from tests.support.sampling import PROVING

pytestmark = pytest.mark.enable_socket
MOST_CALLS = 60
SHORT = [("before", "killed"), ("after", "timeout")]
STEP = 1 if PROVING else 2
"""In the short form every other call fails. Before call n, n calls have taken effect; after it, n + 1 have.
So each number of calls that may have taken effect is still left behind, by the one way or the other.
"""


def nothing(studio: Studio, user: str) -> None:
    """The user is new."""


def half_used(studio: Studio, user: str) -> None:
    """The key is due to be replaced."""
    assert studio.standin.spend(studio.key(user)["key"], "0.5")


def replaced(studio: Studio, user: str) -> None:
    """One key has just replaced another, whose last spending nobody has read yet."""
    half_used(studio, user)
    old = studio.items(user)[-1].hash
    studio.key(user)
    assert studio.standin.spend(old, "0.125001")
    studio.forward(301)


def disabled(studio: Studio, user: str) -> None:
    """The old key is disabled and about to be deleted."""
    replaced(studio, user)
    for _ in range(2):
        studio.monitor()
        studio.forward(121)


def lost(studio: Studio, user: str) -> None:
    """A key was created and its answer lost."""
    studio.standin.fault("create_key", "drop", when="after")
    assert studio.ask(user).status == 503
    studio.forward(11)


def used_up(studio: Studio, user: str) -> None:
    """Ten cents are left: nine keys' money was taken away by an operator, as it were."""
    key = studio.key(user)["key"]
    drain(studio, user)
    assert studio.standin.spend(key, "0.9")


_drains = itertools.count(1)


def drain(studio: Studio, user: str) -> None:
    available, _ = studio.figures(user)
    origin = Act("system:test", "drain", "", "", "drained", at=int(studio.now))
    request = Request(user, "drain", f"drain-{next(_drains)}", "", origin)
    once = RequestOnce(studio.ledger, request, {})
    studio.ledger.post(Move(user, "admin_deduct", -available, 0, origin), once)


def ask(studio: Studio, user: str) -> None:
    studio.ask(user)


def monitor(studio: Studio, user: str) -> None:
    studio.monitor()


@dataclass(frozen=True)
class Scene:
    """What has happened, and what is done while a call fails."""

    before: Callable[[Studio, str], None]
    act: Callable[[Studio, str], None]
    policy: str = "reset"

    def __str__(self) -> str:
        return f"{self.before.__name__}-{self.act.__name__}-{self.policy}"


SCENES = [
    Scene(nothing, ask),
    Scene(half_used, ask),
    Scene(half_used, monitor),
    Scene(replaced, monitor),
    Scene(disabled, monitor),
    Scene(lost, ask),
    Scene(lost, monitor),
    Scene(used_up, ask),
    Scene(used_up, ask, "block"),
]


@pytest.mark.parametrize("scene", SCENES, ids=str)
@pytest.mark.parametrize(("when", "how"), WAYS if PROVING else SHORT, ids=str)
def test_no_failure_loses_a_key_or_money(endpoint: str, scene: Scene, when: str, how: str) -> None:
    with serving() as standin:
        studio = Studio(endpoint, standin, PLAN_POLICY=scene.policy)
        at = 0
        while True:
            user = fresh_user("crash")
            scene.before(studio, user)
            fuse = Fuse(at, when, how)
            with contextlib.suppress(Killed, Exception), fused(studio, fuse):
                scene.act(studio, user)  # What came out does not matter, what is stored does.
            carries_on(studio, user)
            if not fuse.blown:
                break
            at += STEP
        assert 2 <= at <= MOST_CALLS


def carries_on(studio: Studio, user: str) -> None:
    """The user asks again, spends a little, and time passes."""
    for _ in range(2):
        reply = studio.ask(user)
        if reply.status == 200:
            studio.standin.spend(reply.json["data"]["key"], "0.000017")
        studio.forward(25)
    studio.settle(rounds=5)
    if studio.subscription(user).state != BLOCKED:
        assert studio.standin.spend(studio.key(user)["key"], "0.01")
        studio.key(user)
        studio.settle(rounds=4, step_s=1300)
        assert len(studio.standin.live(user)) == 1
    studio.assert_settled(user)
    studio.standin.forget(user)
