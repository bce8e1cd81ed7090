"""A failure at every DynamoDB call of every request on a hold, before and after its effect; then a repeat.

Wherever it fails, the repeat gets one answer, which stays the same, and the credits move once.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from engine.credits import backend_holds, hold_parts, holds, payments
from engine.credits.backend_holds import HoldDesk, Placing, Request, Told, Wanted
from engine.credits.hold_items import OPEN
from engine.credits.hold_parts import Part
from engine.credits.payments import Grant
from engine.credits.verification import verify_user
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.table import Table
from engine.products.product import Overage, Product
from engine.transcription import sweeping
from tests.support.faults import FaultyClient, Killed
from tests.support.gateway import Gateway
from tests.support.proxy import proxy
from tests.support.sampling import share
from tests.support.streams import fresh

NOW = 1_800_000_000
LIFETIME_S, GRACE_S = 600, 100
OVER = NOW + LIFETIME_S + GRACE_S
CALLER = "api-key:of-the-test"
FAILURES = [
    (when, how) for when in ("before", "after") for how in ("killed", "timeout", "unreachable")
]
MOST_CALLS = 13
ACT = Act(CALLER, "", "192.0.2.1", "pluct-tests/1", "", at=NOW)
_numbers = itertools.count(1)


def product(overage: Overage) -> Product:
    return Product(
        f"steps_{overage}", 1, "Steps", "call", 1, 50, "steps:run", "steps", LIFETIME_S, GRACE_S, overage,
    )  # fmt: skip


class Sold:
    """A product for each overage."""

    def at(self, code: str, version: int) -> Product:
        overages: tuple[Overage, ...] = ("reject", "cap", "owed")
        return next(made for made in map(product, overages) if made.code == code)


@dataclass
class Scene:
    """A user with 100 credits, and a hold of 30 of them where the move needs one."""

    gateway: Gateway
    user: str
    table: Table
    hold_id: str
    overage: Overage

    def act(self, at: int) -> Act:
        return replace(ACT, request_id=f"r-{next(_numbers)}", at=at)

    def place(self, at: int = NOW) -> Told:
        asked = Placing(
            self.user, CALLER, self.hold_id, product(self.overage), 0, 30, LIFETIME_S, "30",
            self.act(at),
        )  # fmt: skip
        return backend_holds.place(Ledger(self.table), asked, most_open=5)

    @property
    def desk(self) -> HoldDesk:
        return HoldDesk(Ledger(self.table), Sold(), CALLER)

    def request(self, at: int) -> Request:
        return Request("the-key", "print", self.act(at))

    def commit(self, amount: int, at: int = NOW + 60, *, final: bool = False) -> Told:
        return self.desk.commit(self.hold_id, Wanted(amount=amount), self.request(at), final=final)

    def extend(self, amount: int = 0, seconds: int | None = None, at: int = NOW + 60) -> Told:
        wanted = Wanted(amount=amount or None)
        return self.desk.extend(self.hold_id, wanted, self.request(at), seconds=seconds)

    def prolong(self) -> None:
        """One more request that the hold keeps, and nothing else; written as earlier versions did."""
        hold = self.desk.find(self.hold_id)
        ids = hold_parts.ids_of("extend", fresh("earlier"), "print")
        part = Part(hold_parts.EXTEND, ids, 0, 0, hold.reserved, LIFETIME_S, 70)
        self.table.write(holds.as_seen(hold, "SET parts = :parts", {}, {}, part))

    def release(self) -> Told:
        return self.desk.release(self.hold_id, self.request(NOW + 60))

    def show(self, at: int = OVER) -> Told:
        return self.desk.told(self.hold_id, self.act(at))

    def sweep(self, at: int = OVER + 1) -> None:
        gateway = proxy(Ledger(self.table), None)
        sweeping.sweep(gateway, now=at, request_id="sweep", remaining_s=lambda: 60.0)


@dataclass(frozen=True)
class Move:
    """What is done, and the (available, held, owed, committed) that it must end in."""

    name: str
    do: Callable[[Scene], Any]
    ends: tuple[int, int, int, int]
    overage: Overage = "reject"
    is_placed: bool = True
    parts: int = 0
    """How many requests the hold has had."""
    alone: bool = False
    """It looks at every user's holds, so it needs a table of its own."""


MOVES = [
    Move("place", Scene.place, (70, 30, 0, 0), is_placed=False),
    Move("part", lambda scene: scene.commit(20), (70, 10, 0, 20)),
    Move("final", lambda scene: scene.commit(20, final=True), (80, 0, 0, 20)),
    Move("beyond", lambda scene: scene.commit(120), (0, 0, 20, 120), "owed"),
    Move("final beyond", lambda scene: scene.commit(40, final=True), (60, 0, 0, 40), "owed"),
    Move("capped", lambda scene: scene.commit(40), (70, 0, 0, 30), "cap"),
    Move("longer", lambda scene: scene.extend(seconds=590), (70, 30, 0, 0)),
    Move("more", lambda scene: scene.extend(10), (60, 40, 0, 0)),
    Move("part after a page", lambda scene: scene.commit(20), (70, 10, 0, 20), parts=12),
    Move("longer after a page", lambda s: s.extend(seconds=590), (70, 30, 0, 0), parts=12),
    Move("more after a page", lambda scene: scene.extend(10), (60, 40, 0, 0), parts=15),
    Move("release", Scene.release, (100, 0, 0, 0)),
    Move("expiry by a read", Scene.show, (100, 0, 0, 0)),
    Move("expiry by the sweeper", Scene.sweep, (100, 0, 0, 0), alone=True),
    Move("late, capped", lambda scene: scene.commit(40, OVER), (70, 0, 0, 30), "cap"),
    Move("late, owed", lambda scene: scene.commit(140, OVER), (0, 0, 40, 140), "owed"),
    Move("within the grace", lambda scene: scene.commit(20, OVER - 1, final=True), (80, 0, 0, 20)),
]


def scene_for(gateway: Gateway, move: Move) -> Scene:
    if move.alone:
        gateway = Gateway(gateway.endpoint)
    user = fresh("holder")
    asked = Grant(user, 100, "api_add", "shop", None, None, "print", replace(ACT, actor="bank"))
    payments.grant(gateway.ledger, asked)
    scene = Scene(gateway, user, gateway.ledger.table, fresh("hold"), move.overage)
    if move.is_placed:
        scene.place()
    for _ in range(move.parts):
        scene.prolong()
    return scene


def attempt(scene: Scene, move: Move, client: FaultyClient) -> None:
    failing = Table(client, scene.table.name, sleep=lambda _: None)  # type: ignore[arg-type]
    try:
        move.do(replace(scene, table=failing))
    except (Killed, Exception):  # noqa: BLE001 - whatever came out, the store is what counts.
        return


def said(told: Any) -> Any:
    """The figures of an answer, without the hold as it is now."""
    if not isinstance(told, Told):
        return told
    return (
        told.state, told.reserved, told.committed, told.released, told.available, told.owed, told.ends_at,
    )  # fmt: skip


TRIED = [
    pytest.param(move, *way, id="-".join((*way, move.name)))
    for move in MOVES
    for way in share(FAILURES, move.name, one_in=3)
]
"""Each move with one kind of failure, before and after each call's effect; in `make prove` with all kinds."""


@pytest.mark.parametrize(("move", "when", "how"), TRIED)
def test_a_failure_at_any_call_is_repaired_by_a_repeat(
    gateway: Gateway, move: Move, when: str, how: str
) -> None:
    at = 0
    while True:
        scene = scene_for(gateway, move)
        client = FaultyClient(scene.gateway.dynamodb, at, when, how)
        attempt(scene, move, client)
        first, second = move.do(scene), move.do(scene)
        assert said(first) == said(second)
        _assert_ended(scene, move)
        if client.made <= at:
            break
        at += 1
    assert 2 <= at <= MOST_CALLS


def _assert_ended(scene: Scene, move: Move) -> None:
    scene.gateway.assert_explained(scene.user)
    found = verify_user(scene.table, "credits", scene.user)
    hold = scene.desk.find(scene.hold_id)
    assert (found.findings, (found.available, found.held, found.owed, hold.committed)) == (
        [], move.ends,
    )  # fmt: skip
    listed = (hold.name,) if hold.state == OPEN else ()
    assert scene.gateway.ledger.account(scene.user).open_holds == listed
