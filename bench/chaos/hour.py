"""The hour: who acts in it, and the time after it in which every rule comes to its end."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.chaos.deployment import Deployment
from bench.chaos.phones import Phone, phones
from bench.chaos.provider import Provider
from bench.chaos.store import Faults, UnreliableClient
from bench.chaos.timeline import Timeline
from bench.chaos.verdict import Verdict, judge
from bench.world import TABLE_NAME, World
from engine.access.keyrings import TTT_SHARED_SECRET
from engine.credits.hold_items import SHARDS_SWEPT
from engine.ledger.posting import Ledger
from engine.platform.table import Table
from engine.transcription.sweeping import INDEX
from local.engine import json_client

BEGINNING = 1_900_000_000
FOR_EVER = 10**10
LATEST_END_S = 30 * 3600
"""Beyond the longest rule: what is open then stays open."""


@dataclass(frozen=True)
class Plan:
    """What a run is made of; a fault befalls one call to the store in `one_in`."""

    seed: int
    users: int = 50
    minutes: float = 60
    pause_s: float = 240
    one_in: int = 150


@dataclass(frozen=True)
class Played:
    """A run's verdict and figures."""

    verdict: Verdict
    answers: Counter[tuple[str, int]]
    faults: Counter[str]
    ends: Counter[str]
    submitted: Counter[str]
    ran_s: float

    @property
    def requests(self) -> int:
        return sum(self.answers.values())


def play(world: World, plan: Plan) -> Played:
    """Run `plan` over `world`, whose table must be empty, and judge what is left."""
    with (
        _quiet(),
        closing(json_client("dynamodb", world.environ["AWS_ENDPOINT_URL_DYNAMODB"])) as store,
    ):
        return _played(world, plan, store)


def _played(world: World, plan: Plan, store: Any) -> Played:
    rng = random.Random(plan.seed)
    random.seed(plan.seed)
    timeline = Timeline(BEGINNING)
    faults = Faults(timeline, random.Random(rng.getrandbits(64)), plan.one_in)
    secret = world.rings[TTT_SHARED_SECRET].signing
    provider = Provider(timeline, random.Random(rng.getrandbits(64)), secret)
    own = random.Random(rng.getrandbits(64))
    deployment = Deployment(world, timeline, own, provider, UnreliableClient(store, faults))
    provider.deliver = deployment.notify
    everyone = list(phones(plan.users, deployment, rng))
    ledger = Ledger(Table(store, TABLE_NAME))
    _act(plan, deployment, everyone, ledger)
    timeline.run()
    ended_at = timeline.now
    verdict = judge(ledger, provider, everyone)
    for failure in deployment.failures:
        verdict.wrong(failure)
    ends: Counter[str] = Counter()
    for phone in everyone:
        ends.update(phone.shown.ends)
    submitted = Counter(provider.submissions.values())
    return Played(verdict, deployment.answers, faults.met, ends, submitted, ended_at - BEGINNING)


def _act(plan: Plan, deployment: Deployment, everyone: Sequence[Phone], ledger: Ledger) -> None:
    timeline, provider, faults = deployment.timeline, deployment.provider, deployment.faults
    until = timeline.now + plan.minutes * 60
    left = len(everyone)

    def life(phone: Phone) -> None:
        nonlocal left
        phone.live(until, plan.pause_s)
        left -= 1

    def end_of_the_hour() -> None:
        faults.is_on = False
        provider.calm = True

    def sweeper() -> None:
        every_s = deployment.sweep_every_s()
        while timeline.now < BEGINNING + LATEST_END_S:
            timeline.sleep(every_s)
            timeline.spawn(deployment.sweep)
            if timeline.now > until and not left and not _is_open(ledger):
                return

    faults.is_on = True
    for phone in everyone:
        timeline.spawn(partial(life, phone))
    timeline.spawn(lambda: provider.weather(until))
    timeline.spawn(sweeper)
    timeline.spawn(end_of_the_hour, plan.minutes * 60)


def _is_open(ledger: Ledger) -> bool:
    """Whether any hold may still change by itself."""
    shards = (f"open#{shard}" for shard in range(SHARDS_SWEPT))
    return any(True for shard in shards for _ in ledger.table.due(INDEX, shard, FOR_EVER, page=1))


@contextmanager
def _quiet() -> Iterator[None]:
    """No log lines: a run of an hour writes a hundred thousand."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
