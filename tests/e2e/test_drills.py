"""Two of the failure drills, in one run; all of them: `python -m bench.drills`, results in docs/drills.md."""

from collections.abc import Callable, Iterator

import pytest

from bench.drills import aws, changes
from bench.drills.scene import Record, Scene, scene

Drill = Callable[[Scene, Record], None]


@pytest.fixture(scope="module")
def prepared() -> Iterator[Scene]:
    with scene() as made:
        yield made


def secrets_away(scene: Scene, record: Record) -> None:
    few = ("away", "a page of HTML")
    aws.secrets_away(scene, record, {kind: aws.TROUBLES[kind] for kind in few})


@pytest.mark.parametrize("drill", [secrets_away, changes.bad_deployment])
def test_every_promise_of_a_drill_is_kept(prepared: Scene, drill: Drill) -> None:
    record = Record()
    drill(prepared, record)
    assert record.held, "\n".join(record.lines)
