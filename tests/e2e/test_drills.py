"""Three of the failure drills, in one run; all of them: `python -m bench.drills` (docs/drills.md)."""

from collections.abc import Callable, Iterator

import pytest

from bench.drills import aws, changes, restore
from bench.drills.scene import Record, Scene, scene

Drill = Callable[[Scene, Record], None]


@pytest.fixture(scope="module")
def prepared() -> Iterator[Scene]:
    with scene() as made:
        yield made


def secrets_away(scene: Scene, record: Record) -> None:
    few = ("away", "a page of HTML")
    aws.secrets_away(scene, record, {kind: aws.TROUBLES[kind] for kind in few})


DRILLS = (secrets_away, restore.restored_table, changes.bad_deployment)
"""The last one publishes a version that would disturb the others, so the order matters."""


@pytest.mark.parametrize("drill", DRILLS)
def test_every_promise_of_a_drill_is_kept(prepared: Scene, drill: Drill) -> None:
    record = Record()
    drill(prepared, record)
    assert record.held, "\n".join(record.lines)
