"""Runs tests against a copy of the layer with one mutant in it."""

import contextlib
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from local.engine import running_engine
from local.settings import ROOT
from tests.mutation.mutants import LAYER, Mutant, path_of
from tests.mutation.plugin import COPY, ENDPOINT

LIMIT_S = 60.0
"""A test file that takes longer does not come to an end: the mutant is killed."""

KILLED, SURVIVED, TIMED_OUT, INVALID = "killed", "survived", "timed out", "INVALID"
PASSED, FAILED = 0, 1
"""pytest's exit codes; every other one says that nothing was tested."""

_FAILURE = re.compile(r"^(?:FAILED|ERROR) tests/(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant, and the test that killed it; of an `INVALID` one the end of the output."""

    mutant: Mutant
    verdict: str
    killer: str
    took_s: float


@dataclass(frozen=True)
class _Run:
    code: int | None
    """None where the time was over."""
    output: str


class Runner:
    """Runs mutants, `jobs` at once, each job with an engine of its own for as long as it lasts."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._endpoints: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._sound: dict[str, bool] = {}
        self._lock = threading.Lock()

    def run(self, mutants: Sequence[Mutant], tell: Callable[[Outcome], None]) -> list[Outcome]:
        """The outcomes in the order of `mutants`; `tell` hears of each when it is there."""
        with contextlib.ExitStack() as stack:
            for _ in range(self._jobs):
                self._endpoints.put(stack.enter_context(running_engine()).endpoint)
            pool = stack.enter_context(ThreadPoolExecutor(self._jobs))
            return list(pool.map(lambda mutant: self._one(mutant, tell), mutants))

    def _one(self, mutant: Mutant, tell: Callable[[Outcome], None]) -> Outcome:
        began = time.monotonic()
        endpoint = self._endpoints.get()
        try:
            with _copied(mutant) as copy:
                verdict, killer = self._judged(mutant, copy, endpoint)
        finally:
            self._endpoints.put(endpoint)
        outcome = Outcome(mutant, verdict, killer, time.monotonic() - began)
        tell(outcome)
        return outcome

    def _judged(self, mutant: Mutant, copy: Path, endpoint: str) -> tuple[str, str]:
        for name in mutant.tests:
            run = _pytest(copy, f"tests/{name}.py", endpoint)
            if run.code == PASSED:
                continue
            if run.code not in (FAILED, None) or "ValidationException" in run.output:
                return INVALID, run.output[-2000:]
            if not self._is_sound(name, endpoint):
                return INVALID, f"{name} fails without any mutant"
            failure = _FAILURE.search(run.output)
            killer = failure[1] if failure is not None else f"{name}.py"
            return (TIMED_OUT if run.code is None else KILLED), killer
        return SURVIVED, ""

    def _is_sound(self, name: str, endpoint: str) -> bool:
        """Whether the tests pass without a mutant: only then does their failure say something."""
        with self._lock:
            if name not in self._sound:
                with _copied(None) as copy:
                    run = _pytest(copy, f"tests/{name}.py", endpoint)
                self._sound[name] = run.code == PASSED
            return self._sound[name]


@contextlib.contextmanager
def _copied(mutant: Mutant | None) -> Iterator[Path]:
    """A copy of the layer, with `mutant` in it."""
    with tempfile.TemporaryDirectory(prefix="pluct-mutant-") as folder:
        copy = Path(folder).resolve() / LAYER.name
        shutil.copytree(LAYER, copy)
        if mutant is not None:
            (copy / path_of(mutant.module).relative_to(LAYER)).write_bytes(mutant.source())
        yield copy


def _pytest(copy: Path, tests: str, endpoint: str) -> _Run:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "tests.mutation.plugin"]
    command += ["-p", "no:cacheprovider", "-o", f"pythonpath={copy.parent} .", tests]
    environment = os.environ | {ENDPOINT: endpoint, COPY: str(copy)}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return _Run(None, "")
    return _Run(process.returncode, output)
