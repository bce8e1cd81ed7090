"""A failure at every DynamoDB call of every money move, before and after it took effect; then the retry.

Whatever fails where: the retry with the same request id ends well, the money moved once, the entries
explain the balance.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.credits import hold_items, holds
from engine.credits.hold_items import CAPTURED, RELEASED, Hold
from engine.platform.act import Act
from engine.transcription import sweeping
from engine.transcription.upstream import NotSent
from tests.support.faults import FaultyClient, Killed
from tests.support.gateway import Gateway, Reply
from tests.support.proxy import proxy
from tests.support.replays import timeless

SYSTEM = Act("system:test", "request-of-the-test", "", "", "test", at=0)
FAILURES = [
    (when, how) for when in ("before", "after") for how in ("killed", "timeout", "unreachable")
]
MOST_CALLS = 12


@dataclass
class Scene:
    """A user with three credits, and what is done to them."""

    gateway: Gateway
    user: str
    headers: dict[str, str]
    hold: Hold | None = None

    def faced(self) -> list[Any]:
        """Every ledger that a move of this scene may go through."""
        names = ("tokens", "credits", "users")
        return [self.gateway.function(name).ledger.table for name in names]

    @contextmanager
    def failing(self, client: FaultyClient) -> Iterator[None]:
        tables = [*self.faced(), self.gateway.ledger.table]
        whole = [table._client for table in tables]
        for table in tables:
            table._client = client
        try:
            yield
        finally:
            for table, real in zip(tables, whole, strict=True):
                table._client = real


def vend(scene: Scene) -> Reply:
    return scene.gateway.vend(scene.headers, "the-key")


def vend_at_once(scene: Scene) -> Reply:
    return scene.gateway.call(
        "POST", "/vend-token", {"userId": scene.user, "clientRequestId": "the-key"}
    )


def add(scene: Scene) -> Reply:
    body = {"userId": scene.user, "amount": 2, "clientRequestId": "the-key"}
    return scene.gateway.call("POST", "/v1/credits/add", body, headers=scene.gateway.api_key)


def pay(scene: Scene) -> Reply:
    body = {"userId": scene.user, "amount": 2, "transactionId": f"payment-of-{scene.user}"}
    secret = scene.gateway.rings["WEBHOOK_SECRET"].signing
    return scene.gateway.call("POST", "/add-credits", body, headers={"x-webhook-secret": secret})


def pay_a_stranger(scene: Scene) -> Reply:
    body = {"userId": f"new-{scene.user}", "amount": 2, "clientRequestId": "the-key"}
    return scene.gateway.call("POST", "/v1/credits/add", body, headers=scene.gateway.api_key)


def create(scene: Scene) -> Reply:
    body = {"userId": f"new-{scene.user}", "initialCredits": 2, "clientRequestId": "the-key"}
    return scene.gateway.call("POST", "/user/create", body)


def placed(scene: Scene) -> Hold:
    """The scene's hold, vended before anything fails."""
    if scene.hold is None:
        token = scene.gateway.vend(scene.headers, "held").json
        account_hold = scene.gateway.ledger.table.query(f"A#{scene.user}", "H#", limit=1)
        scene.hold = hold_items.read(account_hold[0])
        assert token["balanceAfter"] == 2
    return scene.hold


def settled(outcome: str) -> Callable[[Scene], Hold]:
    def settle(scene: Scene) -> Hold:
        return holds.settle(
            scene.gateway.ledger, placed(scene), outcome, replace(SYSTEM, at=1_900_000_000)
        )

    settle.__name__ = f"settle_{outcome}"
    return settle


class NoUpstream:
    """An upstream that is away: an unused hold needs none."""

    def status(self, *_: object) -> None:
        raise NotSent()


def sweep(scene: Scene) -> object:
    return sweeping.sweep(
        proxy(scene.gateway.ledger, NoUpstream()),
        now=placed(scene).issued_at + 2000,
        request_id="sweep",
        remaining_s=lambda: 60.0,
    )


@dataclass(frozen=True)
class Move:
    """What is done, whom it concerns, and the (available, held) that it must end in."""

    do: Callable[[Scene], Any]
    ends: tuple[int, int]
    other: bool = False
    prepared: bool = False
    alone: bool = False
    """It looks at every user's holds, so it needs a table of its own."""


MOVES = [
    Move(vend, (2, 1)),
    Move(vend_at_once, (2, 0)),
    Move(add, (5, 0)),
    Move(pay, (5, 0)),
    Move(pay_a_stranger, (2, 0), other=True),
    Move(create, (2, 0), other=True),
    Move(settled(CAPTURED), (2, 0), prepared=True),
    Move(settled(RELEASED), (3, 0), prepared=True),
    Move(sweep, (3, 0), prepared=True, alone=True),
]


def scene_for(gateway: Gateway, move: Move) -> Scene:
    if move.alone:
        gateway = Gateway(gateway.endpoint)
    user, headers = gateway.user(balance=3)
    scene = Scene(gateway, user, headers)
    if move.prepared:
        placed(scene)
    return scene


def attempt(scene: Scene, move: Move, client: FaultyClient) -> Any:
    """What came of the attempt: an answer, or None where the process was killed or an error got out."""
    with scene.failing(client):
        try:
            return move.do(scene)
        except (Killed, Exception):  # noqa: BLE001 - whatever came out, the store is what counts.
            return None


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.do.__name__)
@pytest.mark.parametrize(("when", "how"), FAILURES, ids=str)
def test_a_failure_at_any_call_is_made_good_by_the_retry(
    gateway: Gateway, move: Move, when: str, how: str
) -> None:
    at = 0
    while True:
        scene = scene_for(gateway, move)
        client = FaultyClient(scene.gateway.dynamodb, at, when, how)
        first = attempt(scene, move, client)
        subject = f"new-{scene.user}" if move.other else scene.user
        ledger = scene.gateway.ledger
        if isinstance(first, Reply) and client.made > at:
            assert first.status in (200, 503), first.text
        retried = move.do(scene)
        if isinstance(retried, Reply):
            assert retried.status == 200, retried.text
            assert timeless(move.do(scene).text) == timeless(retried.text)
            if isinstance(first, Reply) and first.status == 200:
                assert timeless(retried.text) == timeless(first.text)
        account = ledger.account(subject)
        assert (account.available, account.held) == move.ends
        scene.gateway.assert_explained(subject)
        if client.made <= at:
            break
        at += 1
    assert 2 <= at <= MOST_CALLS
