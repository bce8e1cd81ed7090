"""The cost of a cold start, with the real `awslambdaric`: `python -m bench.cold [function ...]`.

INIT is the time from starting the process to its first request for an event. The layer is built by its
Makefile for this machine; the interpreter has no site-packages, so that nothing of the developers'
environment is imported.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from bench import ROOT, engines, runtime_api, world
from bench.runtime_api import Usage
from bench.world import Event
from local.package import build_dependencies, dependencies_folder, layers
from local.template import load_template, resources_of_type

PYTHON = str(Path(sys.executable).resolve())
FLAGS = ["-S", "-s"]
"""Without site-packages, because Lambda does not have this machine's packages."""

RUNTIME_MODULES = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")
ROUNDS = 9
WARM_CALLS = 200
WARM_UP_CALLS = 20

INIT_BUDGET_MS = {"tokens": 200}
"""CPU above the bare interpreter. Printed for comparison; times are never asserted."""

BARE = "bare interpreter"
EMPTY = "empty handler"
BARE_PROGRAM = "print(open('/proc/self/status').read())"
EMPTY_HANDLER = "def lambda_handler(event, context):\n    return {}\n"


@dataclass(frozen=True)
class Start:
    """Medians of `rounds` starts, also as differences to the bare interpreter and to the empty handler."""

    wall_ms: float
    cpu_ms: float
    peak_mb: float
    rounds: int
    cpu_above_bare_ms: float = 0.0
    cpu_above_empty_ms: float = 0.0
    wall_above_bare_ms: float = 0.0
    wall_above_empty_ms: float = 0.0


@dataclass(frozen=True)
class Invocations:
    """Invocations through the Runtime API: the first of a process, and the following ones."""

    first_wall_ms: float
    first_cpu_ms: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    peak_mb: float
    calls: int


@dataclass(frozen=True)
class Folders:
    """The folders of the function, the layer and the runtime, as on Lambda."""

    task: Path
    opt: Path
    runtime: Path

    @property
    def command(self) -> list[str]:
        return [PYTHON, *FLAGS, "-m", "awslambdaric", "app.lambda_handler"]

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """`environ` and the variables that Lambda adds; as on its read-only disk, no .pyc is written."""
        path = os.pathsep.join(map(str, (self.task, self.opt / "python", self.runtime)))
        return {
            "LAMBDA_TASK_ROOT": str(self.task),
            "LANG": "en_US.UTF-8",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": path,
            "TZ": ":UTC",
            "_HANDLER": "app.lambda_handler",
            "AWS_LAMBDA_FUNCTION_NAME": "bench",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            **environ,
        }


def starts(
    functions: Sequence[str], environ: Mapping[str, str], rounds: int = ROUNDS
) -> dict[str, Start]:
    """The starts of the functions by name, from sources and compiled, and of the two baselines.

    The variants take turns, so that a slow phase of the machine affects all of them.
    """
    with contextlib.ExitStack() as held:
        variants = {EMPTY: held.enter_context(empty_function())}
        for name in functions:
            variants[naive(name)] = held.enter_context(packaged(name, compiled=False, trim=False))
            variants[f"{name}, sources"] = held.enter_context(packaged(name, compiled=False))
            variants[compiled(name)] = held.enter_context(packaged(name, compiled=True))
        seen: dict[str, list[Usage]] = {BARE: [], **{name: [] for name in variants}}
        for _ in range(rounds + 1):
            seen[BARE].append(_bare_interpreter())
            for name, folders in variants.items():
                with runtime_api.running(
                    folders.command, folders.environ(environ), folders.task
                ) as started:
                    seen[name].append(started.init)
    # The first round only fills the page cache.
    return _compared({name: usages[1:] for name, usages in seen.items()})


def invocations(
    folders: Folders, environ: Mapping[str, str], events: Iterator[Event], calls: int = WARM_CALLS
) -> Invocations:
    """Invokes one process with `events`. Raises RuntimeError when an invocation fails."""
    with runtime_api.running(folders.command, folders.environ(environ), folders.task) as function:
        first = _invoke(function, next(events))
        first_cpu_ms = function.usage().cpu_ms - function.init.cpu_ms
        for _ in range(WARM_UP_CALLS):
            _invoke(function, next(events))
        before = function.usage()
        walls = sorted(_invoke(function, next(events)) for _ in range(calls))
        after = function.usage()
    return Invocations(
        first_wall_ms=first,
        first_cpu_ms=first_cpu_ms,
        p50_ms=statistics.median(walls),
        p99_ms=walls[int(len(walls) * 0.99)],
        cpu_ms=(after.cpu_ms - before.cpu_ms) / calls,
        peak_mb=after.peak_mb,
        calls=calls,
    )


def naive(name: str) -> str:
    """The name of the variant whose layer is as pip installs it: all services, sources only."""
    return f"{name}, naive"


def compiled(name: str) -> str:
    """The name of the variant that is packed as for a deployment."""
    return f"{name}, compiled"


@contextlib.contextmanager
def packaged(function: str, *, compiled: bool, trim: bool = True) -> Iterator[Folders]:
    """`functions/<function>` and the layer in a temporary folder."""
    with runtime_folders() as folders:
        _copy(ROOT / "functions" / function, folders.task)
        for layer in layers(load_template(ROOT / "template.yaml"), ROOT):
            build_dependencies(layer, ROOT / ".cache", trim=trim)
            _copy(dependencies_folder(layer, ROOT / ".cache", trim=trim), folders.opt / "python")
            for package in layer.source.glob("*/__init__.py"):
                _copy(package.parent, folders.opt / "python" / package.parent.name)
        if compiled:
            _compile(folders.task)
            _compile(folders.opt)
        yield folders


@contextlib.contextmanager
def empty_function() -> Iterator[Folders]:
    """A compiled handler that does nothing, without a layer."""
    with runtime_folders() as folders:
        folders.task.mkdir()
        (folders.task / "app.py").write_text(EMPTY_HANDLER)
        _compile(folders.task)
        yield folders


def _invoke(function: runtime_api.Function, event: Event) -> float:
    answer = function.invoke(event)
    if answer.failed or answer.body["statusCode"] != 200:
        raise RuntimeError(f"the function failed: {answer.body}")
    return answer.wall_ms


@contextlib.contextmanager
def runtime_folders() -> Iterator[Folders]:
    """The three folders; the runtime's is filled and compiled, as on Lambda, the others do not exist."""
    with tempfile.TemporaryDirectory(prefix="pluct-bench-") as root:
        folders = Folders(Path(root) / "task", Path(root) / "opt", Path(root) / "runtime")
        folders.runtime.mkdir()
        for name in RUNTIME_MODULES:
            spec = importlib.util.find_spec(name)
            if spec is None or spec.origin is None:
                raise RuntimeError(f"{name} is not installed")
            origin = Path(spec.origin)
            if origin.name == "__init__.py":
                _copy(origin.parent, folders.runtime / name)
            else:
                shutil.copy(origin, folders.runtime)
        _compile(folders.runtime)
        yield folders


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(
        source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True
    )


def _compile(folder: Path) -> None:
    """With unchecked hashes, because a zip archive changes the times that the default check compares."""
    compileall.compile_dir(folder, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def _bare_interpreter() -> Usage:
    """The process reports its own memory, because that of `wait4` includes the parent's before the exec."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [PYTHON, *FLAGS, "-c", BARE_PROGRAM],
        env={},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout as told:
        status = told.read().decode()
    _, ended, taken = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(ended)
    wall_ms = (time.perf_counter() - started) * 1000
    cpu_ms = (taken.ru_utime + taken.ru_stime) * 1000
    return Usage(wall_ms, cpu_ms, runtime_api.peak_mb(status))


def _compared(seen: Mapping[str, Sequence[Usage]]) -> dict[str, Start]:
    def median(name: str, member: str) -> float:
        figures: list[float] = [getattr(usage, member) for usage in seen[name]]
        return statistics.median(figures)

    return {
        name: Start(
            wall_ms=median(name, "wall_ms"),
            cpu_ms=median(name, "cpu_ms"),
            peak_mb=median(name, "peak_mb"),
            rounds=len(usages),
            cpu_above_bare_ms=median(name, "cpu_ms") - median(BARE, "cpu_ms"),
            cpu_above_empty_ms=median(name, "cpu_ms") - median(EMPTY, "cpu_ms"),
            wall_above_bare_ms=median(name, "wall_ms") - median(BARE, "wall_ms"),
            wall_above_empty_ms=median(name, "wall_ms") - median(EMPTY, "wall_ms"),
        )
        for name, usages in seen.items()
    }


def table(found: Mapping[str, Start]) -> str:
    """The starts as lines for a terminal."""
    heading = (
        f"{'INIT, ms (median)':<26}{'wall':>8}{'CPU':>8}"
        f"{'CPU above bare':>16}{'above empty':>13}{'peak MB':>9}{'n':>4}"
    )
    lines = [
        f"{name:<26}{start.wall_ms:>8.0f}{start.cpu_ms:>8.0f}{start.cpu_above_bare_ms:>16.0f}"
        f"{start.cpu_above_empty_ms:>13.0f}{start.peak_mb:>9.0f}{start.rounds:>4}"
        for name, start in found.items()
    ]
    return "\n".join([heading, *lines, *_verdicts(found)])


def _verdicts(found: Mapping[str, Start]) -> Iterator[str]:
    """A line for each function: its start, the ratio to a naive build in the same run, and the budget."""
    for name, start in found.items():
        function = name.removesuffix(compiled(""))
        if name == compiled(function):
            ratio = start.cpu_above_bare_ms / found[naive(function)].cpu_above_bare_ms
            budget = f", budget {INIT_BUDGET_MS[function]} ms" if function in INIT_BUDGET_MS else ""
            yield f"{function}: {start.cpu_above_bare_ms:.0f} ms CPU{budget}; {ratio:.2f} of naive"


def main() -> None:
    functions = sorted(
        Path(function["Properties"]["CodeUri"]).name
        for function in resources_of_type(
            load_template(ROOT / "template.yaml"), "AWS::Serverless::Function"
        ).values()
    )
    parser = argparse.ArgumentParser(prog="python -m bench.cold", description=__doc__)
    parser.add_argument("functions", nargs="*", metavar="function", help=", ".join(functions))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    if unknown := set(asked.functions) - set(functions):
        parser.error(f"no such function: {', '.join(sorted(unknown))}")
    with engines.running() as stores:
        found = starts(asked.functions or functions, world.build(stores).environ, asked.rounds)
    if asked.json:
        print(json.dumps({name: asdict(start) for name, start in found.items()}, indent=2))
    else:
        print(table(found))


if __name__ == "__main__":
    main()
