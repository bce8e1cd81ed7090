"""Runs tests against the layer with one mutant in it."""

import contextlib
import math
import queue
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from local.engine import running_engine
from tests.mutation import baseline
from tests.mutation.baseline import Baseline
from tests.mutation.mutants import Mutant
from tests.mutation.zygote import Ended, Order, Zygote

LEAST_CPU_S = 20
TIMES_CPU = 3
"""A run may use three times the CPU time that its tests need without a mutant, and `LEAST_CPU_S` more."""

WALL_S = 600.0
"""The limit for runs that only wait; a multiple of what any file takes on a loaded machine."""

KILLED, SURVIVED, TIMED_OUT, INVALID = "killed", "survived", "timed out", "INVALID"
PASSED, FAILED, NOT_FOUND = 0, 1, 4
"""pytest's exit codes: tests that are not there any more say nothing; every other code is an error."""


MISSING = "The provided expression refers to an attribute that does not exist in the item"


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant, and the test that killed it; of an `INVALID` one the end of the output."""

    mutant: Mutant
    verdict: str
    killer: str
    took_s: float


@dataclass(frozen=True)
class _Place:
    """Where runs happen one after another: an engine, and a process that forks for each."""

    endpoint: str
    zygote: Zygote

    def run(self, order: Order) -> Ended:
        _reset(self.endpoint)
        return self.zygote.run(order)


class Runner:
    """Runs mutants, `jobs` at once, each job with an engine of its own for as long as it lasts."""

    def __init__(self, jobs: int, tell: Callable[[str], None]) -> None:
        self._jobs = jobs
        self._tell = tell
        self._places: queue.SimpleQueue[_Place] = queue.SimpleQueue()
        self._baselines: dict[str, Baseline] = {}
        self._sound: dict[str, bool] = {}
        self._lock = threading.Lock()

    def run(self, mutants: Sequence[Mutant], judged: Callable[[Outcome], None]) -> list[Outcome]:
        """The outcomes in the order of `mutants`; `judged` hears of each when it is there."""
        with contextlib.ExitStack() as stack:
            for _ in range(self._jobs):
                self._places.put(stack.enter_context(_place()))
            pool = stack.enter_context(ThreadPoolExecutor(self._jobs))
            return list(pool.map(lambda mutant: self._one(mutant, judged), mutants))

    def _one(self, mutant: Mutant, judged: Callable[[Outcome], None]) -> Outcome:
        place = self._places.get()
        began = time.monotonic()
        try:
            verdict, killer = self._judged(mutant, place)
        finally:
            self._places.put(place)
        outcome = Outcome(mutant, verdict, killer, time.monotonic() - began)
        judged(outcome)
        return outcome

    def _judged(self, mutant: Mutant, place: _Place) -> tuple[str, str]:
        """The verdict, and the killer. First, file by file, run the tests that enter the changed function;
        a mutant survives only where all tests of all its files pass.
        """
        cpu_s = 0.0
        for name in mutant.tests:
            known = self._baseline(name, place)
            cpu_s += known.cpu_s
            likely = known.entering(mutant.function)
            verdict = self._tried(mutant, likely, place, known.cpu_s) if likely else None
            if verdict is not None:
                return verdict
        everything = [f"tests/{name}.py" for name in mutant.tests]
        return self._tried(mutant, everything, place, cpu_s) or (SURVIVED, "")

    def _tried(
        self, mutant: Mutant, tests: Sequence[str], place: _Place, cpu_s: float
    ) -> tuple[str, str] | None:
        """What `tests`, which take `cpu_s` without it, say of the mutant; None where they pass."""
        most_s = math.ceil(LEAST_CPU_S + TIMES_CPU * cpu_s)
        source = mutant.source().decode()
        order = Order(tuple(tests), place.endpoint, most_s, WALL_S, mutant.module, source)
        ended = place.run(order)
        if ended.code in (PASSED, NOT_FOUND):
            return None
        if ended.code is None:
            return TIMED_OUT, f"after {ended.cpu_s:.0f} s of CPU"
        if ended.code != FAILED or _is_malformed(ended.output):
            return INVALID, ended.output[-2000:]
        if not self._is_sound(ended.failed, place):
            return INVALID, f"{ended.failed} fails without any mutant"
        return KILLED, ended.failed.removeprefix("tests/")

    def _is_sound(self, test: str, place: _Place) -> bool:
        """Whether `test` passes without a mutant: only then does its failure say something."""
        with self._lock:
            if test not in self._sound:
                order = Order((test,), place.endpoint, baseline.CPU_S, baseline.WALL_S)
                self._sound[test] = place.run(order).code == PASSED
            return self._sound[test]

    def _baseline(self, name: str, place: _Place) -> Baseline:
        with self._lock:
            if name not in self._baselines:
                _reset(place.endpoint)
                made, is_kept = baseline.of_file(name, place.zygote, place.endpoint)
                self._baselines[name] = made
                if not is_kept:
                    self._tell(f"{name}: {made.cpu_s:.1f} s of CPU without a mutant")
            return self._baselines[name]


def _is_malformed(output: str) -> bool:
    """Whether the store refused an expression as it is written. It also refuses a change of an attribute that
    the item does not have, which is how a deleted condition can show.
    """
    return "ValidationException" in output and MISSING not in output


@contextlib.contextmanager
def _place() -> Iterator[_Place]:
    with running_engine() as engine:
        zygote = Zygote()
        try:
            yield _Place(engine.endpoint, zygote)
        finally:
            zygote.stop()


def _reset(endpoint: str) -> None:
    """Empties the engine, so that no run sees what a mutant left behind."""
    asked = urllib.request.Request(f"{endpoint}/_ministack/reset", method="POST")
    urllib.request.urlopen(asked, timeout=60).close()
