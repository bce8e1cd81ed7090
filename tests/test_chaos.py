"""Minutes of `bench.chaos`: random faults of the service, the store and processes, from one seed."""

import os
from collections.abc import Iterator
from unittest import mock

import pytest

from bench import world
from bench.chaos.hour import Plan, Played, play
from bench.chaos.timeline import Timeline
from bench.engines import Engines
from engine.transcription import outcomes
from local.engine import aws_client, create_table

MINUTES = Plan(seed=1, users=3, minutes=1.5, pause_s=60, one_in=30)
SHOWING = Plan(seed=12, users=3, minutes=1.5, pause_s=60, one_in=30)
"""A history in which a service shows the text of a job that then fails."""


@pytest.fixture(scope="module")
def deployed(endpoint: str) -> Iterator[world.World]:
    with mock.patch.dict(os.environ):
        yield world.prepare(Engines(endpoint, endpoint, "local", "local", counts_reads=False))


@pytest.fixture
def anew(endpoint: str, deployed: world.World) -> world.World:
    """The deployment with an empty table."""
    dynamodb = aws_client("dynamodb", endpoint)
    dynamodb.delete_table(TableName=world.TABLE_NAME)
    create_table(dynamodb, world.TABLE_NAME)
    return deployed


def test_random_faults_leave_every_user_with_either_text_or_credit(anew: world.World) -> None:
    played = play(anew, MINUTES)
    assert played.verdict.violations == []
    assert played.verdict.entries["capture"] and played.verdict.entries["refund"]
    assert len(played.faults) >= 2


def test_one_seed_gives_one_history(endpoint: str, deployed: world.World) -> None:
    histories: list[Played] = []
    for _ in range(2):
        dynamodb = aws_client("dynamodb", endpoint)
        dynamodb.delete_table(TableName=world.TABLE_NAME)
        create_table(dynamodb, world.TABLE_NAME)
        histories.append(play(deployed, Plan(seed=5, users=2, minutes=1, pause_s=60, one_in=30)))
    assert histories[0] == histories[1]


def test_a_text_that_is_shown_without_its_charge_is_found(anew: world.World) -> None:
    with mock.patch.object(outcomes, "without_text", dict):
        violations = play(anew, SHOWING).verdict.violations
    assert any("has the text and the credit" in text for text in violations)


def test_actors_take_turns_in_the_order_of_their_times() -> None:
    timeline = Timeline(100)
    seen: list[tuple[str, float]] = []

    def actor(name: str, pauses: tuple[float, ...]) -> None:
        for pause_s in pauses:
            timeline.sleep(pause_s)
            seen.append((name, timeline.now))

    timeline.spawn(lambda: actor("slow", (5, 5)))
    timeline.spawn(lambda: actor("fast", (2, 2, 2)), delay_s=1)
    timeline.run()
    assert seen == [("fast", 103), ("slow", 105), ("fast", 105), ("fast", 107), ("slow", 110)]


def test_an_error_of_an_actor_ends_the_run() -> None:
    timeline = Timeline(0)
    timeline.spawn(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        timeline.run()
