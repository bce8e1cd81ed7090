"""`python -m bench.chaos`: an hour of random faults against users, in virtual time; exits with 1 when a
promise was broken.
"""

from __future__ import annotations

import argparse
import time

from bench import engines, world
from bench.chaos.hour import Plan, Played, play

SHOWN = 40


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--users", type=int, choices=range(1, 501), default=50, metavar="1..500")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    began = time.monotonic()
    with engines.running() as running:
        print(f"store: {running.dynamodb_name}")
        played = play(world.build(running), Plan(asked.seed, asked.users, asked.minutes))
    print(report(played))
    print(f"real time: {time.monotonic() - began:.0f} s")
    return 1 if played.verdict.violations else 0


def report(played: Played) -> str:
    """The figures as text."""
    verdict = played.verdict
    statuses = sorted((route, status, count) for (route, status), count in played.answers.items())
    figures: dict[str, object] = {
        "requests": played.requests,
        "vends": verdict.vends,
        "jobs": verdict.jobs,
        "virtual minutes until nothing was open": round(played.ran_s / 60),
        "longest hold, in virtual minutes": round(verdict.longest_held_s / 60, 1),
        "refunds": verdict.entries["refund"],
        "compensations": verdict.compensations,
        "write-offs": verdict.gifts,
        "charged empty texts": verdict.empty_texts,
        "entries": dict(verdict.entries.most_common()),
        "faults of store and processes": dict(played.faults.most_common()),
        "submissions": dict(played.submitted.most_common()),
        "taps ended in": dict(played.ends.most_common()),
    }
    lines = [
        *(f"{name}: {value}" for name, value in figures.items()),
        "",
        *(f"{route:<32}{status:>5}{count:>8}" for route, status, count in statuses),
        "",
        *(
            f"{kind:<46}" + ", ".join(f"{end}: {count}" for end, count in ends.most_common())
            for kind, ends in sorted(verdict.outcomes.items())
        ),
        "",
        f"{len(verdict.violations)} promises broken",
        *verdict.violations[:SHOWN],
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
