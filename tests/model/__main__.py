"""`python -m tests.model [--deep] [--mutants] [--only WORDS] [--jobs N]`: explores, and prints what was seen.

Ends with 1 where a rule is broken, a broken design passes, or a mutant lives that is not known to be
the same as the code.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache

from tests.model.checker import Result, searched
from tests.model.everything import every_broken_design, every_scenario
from tests.model.mutants import Verdict, verdicts
from tests.model.scenario import Scenario

HEAD = f"{'scenario':44}{'states':>10}{'transitions':>13}{'depth':>7}{'tables':>8}{'seconds':>9}"
MESSAGE_LENGTH = 120


@dataclass(frozen=True)
class Asked:
    """Scenarios to explore, by their names, `deep` or not; designs that break where that is None."""

    deep: bool | None
    names: Sequence[str]


def main() -> int:
    asked = _arguments()
    built = Asked(asked.deep, [s.name for s in _built(asked.deep) if asked.only in s.name])
    wrong = _explore("The money moves as they are built", built, asked.jobs)
    broken = Asked(None, [s.name for s in _built(None)])
    wrong += len(broken.names) - _explore("Designs that break", broken, asked.jobs)
    if asked.mutants:
        wrong += _mutants()
    return min(wrong, 1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--deep", action="store_true", help="more attempts and faults")
    parser.add_argument(
        "--mutants", action="store_true", help="delete each clause of each condition"
    )
    parser.add_argument(
        "--only", default="", metavar="WORDS", help="scenarios with WORDS in the name"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, metavar="N", help="scenarios that are explored side by side"
    )
    return parser.parse_args()


@cache
def _built(deep: bool | None) -> list[Scenario]:
    """The scenarios, which cannot be sent to another process: each builds its own."""
    return every_broken_design() if deep is None else every_scenario(deep=deep)


def _found(deep: bool | None, name: str) -> Result:
    (scenario,) = (one for one in _built(deep) if one.name == name)
    return searched(scenario)


def _results(asked: Asked, jobs: int) -> Iterator[Result]:
    """In the order of the names, each as soon as it and those before are there."""
    deep = [asked.deep] * len(asked.names)
    if jobs == 1:
        yield from map(_found, deep, asked.names)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(_found, deep, asked.names)


def _explore(title: str, asked: Asked, jobs: int) -> int:
    """How many of the scenarios break a rule."""
    print(f"{title}\n{HEAD}")
    results = [_printed(result) for result in _results(asked, jobs)]
    states, moves = sum(r.states for r in results), sum(r.transitions for r in results)
    seconds = sum(r.seconds for r in results)
    print(f"{'all':44}{states:>10,}{moves:>13,}{'':15}{seconds:>9.1f}\n")
    return sum(result.violation is not None for result in results)


def _printed(result: Result) -> Result:
    print(
        f"{result.scenario:44}{result.states:>10,}{result.transitions:>13,}{result.depth:>7}"
        f"{result.tables:>8}{result.seconds:>9.1f}",
        flush=True,
    )
    if result.violation is not None:
        print(f"  broken: {result.violation}")
    return result


def _mutants() -> int:
    """How many mutants live that should not."""
    print("The code with a clause or a look left out")
    tried = []
    for verdict in verdicts():
        tried.append(verdict)
        print(f"  {verdict.mutant}\n    {_fate(verdict)}", flush=True)
    noticed = sum(verdict.noticed is not None for verdict in tried)
    wrong = sum(not verdict.is_good for verdict in tried)
    print(
        f"{len(tried)} mutants: {noticed} noticed, {len(tried) - noticed - wrong} the same, {wrong} lived"
    )
    return wrong


def _fate(verdict: Verdict) -> str:
    if verdict.noticed is None or verdict.noticed.violation is None:
        return f"lives: {verdict.reason or 'NOTHING NOTICES IT'}"
    violation = verdict.noticed.violation
    message = violation.message[:MESSAGE_LENGTH]
    return f"{len(violation.trace)} steps of '{verdict.noticed.scenario}': {message}"


if __name__ == "__main__":
    sys.exit(main())
