"""The request units of one journey: a vend, its job, and the projection of both. `tests/test_cost.py`
measures them through the real handlers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.meter import Units


@dataclass(frozen=True)
class Taken:
    """The request units of one step; `indexes` is the part of `write` for indexes."""

    write: float
    read: float
    indexes: Mapping[str, float] = field(default_factory=dict)


STEPS: Mapping[str, Taken] = {
    "vend": Taken(7, 0.5, {"open-holds": 1}),
    "project the spend": Taken(7, 0.5, {"open-holds": 2}),
    "submit": Taken(6, 0.5, {"open-holds": 1}),
    "status, running": Taken(0, 2),
    "status, nothing new": Taken(0, 2),
    "status, ended": Taken(9, 1.5, {"open-holds": 1}),
    "project the capture": Taken(5, 0.5),
}
"""For an account that has vended before, and one process of each function. All as measured, but for the read
of a vend: a process that has just served the account needs none.
"""

REQUESTS: Mapping[str, int] = {
    "vend": 1,
    "submit": 1,
    "status, running": 1,
    "status, nothing new": 2,
    "status, ended": 1,
}
"""The requests of a journey: an app asks for the status four times, at the interval that upstream gives, all
within a minute, and upstream says the same twice."""

PROJECTED = ("project the spend", "project the capture")
"""Under low load each entry is projected alone; under high load several are projected together."""

BATCH = 50
"""Accounts in the batch that is measured."""

IN_A_BATCH: Mapping[str, Taken] = {
    "project the spend": Taken(5.16, 0.01),
    "project the capture": Taken(3.16, 0.01),
}
"""The units of an entry in a batch of `BATCH` accounts with an entry each, which fill four transactions."""

STORED_BYTES = 2900
"""Permanent storage: two entries and their copies in the feed, the record of the job under both of its ids
and its place in the index, with DynamoDB's 100 bytes for each. As measured with short ids: 2,875."""


def taken(units: Iterable[Units]) -> Taken:
    """The sum of measured units."""
    parts = list(units)
    indexes: Counter[str] = Counter()
    for part in parts:
        if part.at != "table" and part.write:
            indexes[part.at] += part.write  # type: ignore[assignment]
    return Taken(sum(p.write for p in parts), sum(p.read for p in parts), dict(indexes))


def times(step: str) -> int:
    """How often the step occurs in a journey."""
    return REQUESTS.get(step, 1)


def writes() -> float:
    """Write units of a journey."""
    return sum(step.write * times(name) for name, step in STEPS.items())


def reads() -> float:
    return sum(step.read * times(name) for name, step in STEPS.items())


def requests() -> int:
    return sum(REQUESTS.values())


def on_index(index: str, steps: Iterable[str]) -> float:
    """Write units of these steps of a journey on an index."""
    return sum(STEPS[name].indexes.get(index, 0) * times(name) for name in steps)
