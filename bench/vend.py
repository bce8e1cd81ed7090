"""The cost of one vend: `python -m bench.vend [--json]`. `README.md` explains the figures."""

from __future__ import annotations

import argparse
import itertools
import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from uuid import uuid4

from bench import cold, engines, warm
from bench.cold import Invocations, Start
from bench.engines import Engines
from bench.meter import Meter, Metered
from bench.warm import CREDITS, Warm
from bench.world import Event, World, build, load

FIRST = "vend, first"


@dataclass(frozen=True)
class Budget:
    """The budgets of a first vend of an existing account."""

    round_trips: int = 2
    write_units: float = 7.0
    read_units: float = 1.5
    cpu_ms: float = 2.5


@dataclass(frozen=True)
class Report:
    """All figures of one run."""

    engines: Engines
    python: str
    budget: Budget
    scenarios: dict[str, Metered]
    warm: Warm
    starts: dict[str, Start]
    invocations: Invocations


def measure(stores: Engines) -> Report:
    world = build(stores)
    return Report(
        engines=stores,
        python=platform.python_version(),
        budget=Budget(),
        scenarios=scenarios(world),
        warm=warm.measure(world),
        starts=cold.starts(["tokens"], world.environ),
        invocations=_invocations(world),
    )


def scenarios(world: World) -> dict[str, Metered]:
    """The AWS calls of each scenario, with connected clients that have read their secrets."""
    meter = Meter()
    vend, balance = load("tokens", meter.watch), load("credits", meter.watch)
    rich, poor, other = (f"{name}-{uuid4().hex}" for name in ("rich", "poor", "other"))
    world.give(rich, 10)
    for user in (poor, other):
        world.give(user, 1)
    for handler, event in (
        (vend, world.vend_event(other)),
        (vend, world.vend_event(poor)),
        (balance, world.balance_event(poor)),
    ):
        handler(event, None)
    request_id = str(uuid4())
    return {
        FIRST: meter.measure(vend, world.vend_event(rich, request_id)),
        "vend, just served": meter.measure(vend, world.vend_event(rich)),
        "vend, replay": meter.measure(vend, world.vend_event(rich, request_id)),
        "vend, balance 0": meter.measure(vend, world.vend_event(poor)),
        "balance, new minute": meter.measure(balance, world.balance_event(rich)),
        "balance": meter.measure(balance, world.balance_event(rich)),
    }


def _invocations(world: World) -> Invocations:
    user = f"cold-{uuid4().hex}"
    world.give(user, CREDITS)
    with cold.packaged("tokens", compiled=True) as folders:
        return cold.invocations(folders, world.environ, _vends(world, user))


def _vends(world: World, user: str) -> Iterator[Event]:
    return (world.vend_event(user) for _ in itertools.count())


def text(report: Report) -> str:
    """The figures for a terminal."""
    parts = (
        _heading(report.engines, report.python),
        _scenario_lines(report),
        _budget_lines(report),
        _warm_lines(report.warm),
        [cold.table(report.starts)],
        _invocation_lines(report.invocations),
    )
    return "\n\n".join("\n".join(part) for part in parts)


def _heading(stores: Engines, python: str) -> list[str]:
    counted = "" if stores.counts_reads else " (its read units are not DynamoDB's)"
    return [f"DynamoDB: {stores.dynamodb_name}{counted}; SSM: {stores.ssm_name}; Python {python}"]


def _scenario_lines(report: Report) -> list[str]:
    lines = [f"{'':<22}{'status':>6}{'trips':>7}{'write':>7}{'read':>6}  calls"]
    for name, seen in report.scenarios.items():
        calls = ", ".join(f"{call} {count}" for call, count in seen.calls.items())
        mark = "+" if seen.unreported else ""
        lines.append(
            f"{name:<22}{seen.status:>6}{seen.round_trips:>7}"
            f"{f'{seen.write_units:g}{mark}':>7}{f'{seen.read_units:g}{mark}':>6}  {calls}"
        )
    lines += [
        f"  {part.call} at {part.at}: {part.write:g} write, {part.read:g} read"
        for part in report.scenarios[FIRST].units
    ]
    if any(seen.unreported for seen in report.scenarios.values()):
        lines.append("  + and what a refused call took, which DynamoDB charges but does not report")
    return lines


def _budget_lines(report: Report) -> list[str]:
    first, budget = report.scenarios[FIRST], report.budget
    figures: tuple[tuple[str, float, float], ...] = (
        ("sequential round trips", first.round_trips, budget.round_trips),
        ("write units", first.write_units, budget.write_units),
        ("read units", first.read_units, budget.read_units),
        ("CPU ms, warm", report.warm.cpu_ms, budget.cpu_ms),
    )
    lines = [f"{'budget of a vend':<26}{'seen':>8}{'at most':>9}"]
    for name, seen, most in figures:
        verdict = "within" if seen <= most else "OVER"
        lines.append(f"{name:<26}{seen:>8.2f}{most:>9g}  {verdict}")
    return lines


def _warm_lines(found: Warm) -> list[str]:
    lines = [
        f"a warm vend, ms (median of {found.rounds} rounds of {found.calls} calls)",
        f"  wall, store and loopback included{found.wall_ms:>8.2f}",
        f"  CPU of this process              {found.cpu_ms:>8.2f}",
        f"  the same, account just served    {found.served_cpu_ms:>8.2f}",
        f"  CPU of a route that does nothing {found.nothing_cpu_ms:>8.3f}   ratio {found.ratio:.1f}",
        f"  where it goes, with each part timed ({found.split_whole_cpu_ms:.2f} in all)",
    ]
    lines += [f"    {name:<31}{spent:>8.3f}" for name, spent in found.split_cpu_ms.items()]
    return lines


def _invocation_lines(found: Invocations) -> list[str]:
    return [
        f"vends through awslambdaric, ms (compiled; {found.calls} warm calls)",
        f"  first call: wall {found.first_wall_ms:.1f}, CPU {found.first_cpu_ms:.1f}",
        f"  warm calls: p50 {found.p50_ms:.2f}, p99 {found.p99_ms:.2f}, CPU {found.cpu_ms:.2f}",
        f"  peak memory {found.peak_mb:.0f} MB",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.vend", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--ministack", action="store_true", help="use MiniStack even where dynoxide is installed"
    )
    asked = parser.parse_args()
    with engines.running(ministack_only=asked.ministack) as stores:
        report = measure(stores)
    if asked.json:
        figures: dict[str, Any] = asdict(report)
        for name, seen in report.scenarios.items():
            figures["scenarios"][name] |= {
                "write_units": seen.write_units,
                "read_units": seen.read_units,
            }
        print(json.dumps(figures, indent=2))
    else:
        print(text(report))


if __name__ == "__main__":
    main()
