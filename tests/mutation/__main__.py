"""`python -m tests.mutation`: each mutant of the layer must make a test fail; exits 1 when one survives."""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, all_mutants
from tests.mutation.runner import KILLED, TIMED_OUT, Outcome, Runner


def main(arguments: Sequence[str]) -> int:
    """0 when all were killed, 1 when not, 2 when there is no such mutant."""
    asked = _parsed(arguments)
    mutants = all_mutants()
    unknown = EQUIVALENT.keys() - {mutant.id for mutant in mutants}
    chosen = [mutant for mutant in mutants if _is_asked(mutant, asked.only)]
    if unknown or not chosen:
        print(f"no such mutant: {', '.join(unknown or asked.only)}", file=sys.stderr)
        return 2
    if asked.list:
        print("\n".join(_described(mutant) for mutant in chosen))
        return 0
    tried = [m for m in chosen if m.id not in EQUIVALENT or m.id in (asked.only or [])]
    began = time.monotonic()
    outcomes = Runner(asked.jobs, _say).run(tried, _tell)
    return _summed(outcomes, len(chosen) - len(tried), time.monotonic() - began)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--list", action="store_true", help="show the mutants, run nothing")
    parser.add_argument(
        "--only", metavar="ID", nargs="+", help="mutants, or those of these modules or rooms"
    )
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (default: 2)")
    return parser.parse_args(arguments)


def _is_asked(mutant: Mutant, only: Sequence[str] | None) -> bool:
    room = mutant.module.partition(".")[0]
    return only is None or any(name in only for name in (mutant.id, mutant.module, room))


def _described(mutant: Mutant) -> str:
    why = f"\n    equivalent: {EQUIVALENT[mutant.id]}" if mutant.id in EQUIVALENT else ""
    return f"{mutant.id}\n    {mutant.what}{why}"


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(outcome: Outcome) -> None:
    mutant = outcome.mutant
    print(
        f"{outcome.verdict:9} {outcome.took_s:5.1f} s  {mutant.id:45} {outcome.killer}", flush=True
    )


def _summed(outcomes: Sequence[Outcome], equivalent: int, took_s: float) -> int:
    alive = [outcome for outcome in outcomes if outcome.verdict not in (KILLED, TIMED_OUT)]
    for outcome in alive:
        print(f"\n{outcome.verdict}: {_described(outcome.mutant)}")
    counts = Counter(outcome.verdict for outcome in outcomes)
    parts = [f"{count} {verdict}" for verdict, count in sorted(counts.items())]
    print(f"\n{len(outcomes)} mutants: {', '.join(parts)}; {equivalent} equivalent; {took_s:.0f} s")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
