"""What each test file does without any mutant: whether it passes, the CPU time that it takes, and which
functions of the layer each of its tests enters. Kept in `.cache`, until anything changes that it depends on.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

from local.settings import ROOT
from tests.mutation.zygote import Order, Zygote

CACHE = ROOT / ".cache" / "mutation"
CPU_S = 600
WALL_S = 3600.0
"""Limits of a run without a mutant, which ends by itself."""

_SOURCES = (
    "layers/engine/engine",
    "functions",
    "local",
    "standins",
    "tools",
    "cli",
    "tests/support",
)
_FILES = ("template.yaml", "tests/conftest.py", "tests/mutation/desk.py", "requirements-dev.txt")
_IMPORTED = re.compile(r"^from tests\.((?:mutation\.)?test_\w+) import", re.MULTILINE)


@dataclass(frozen=True)
class Baseline:
    """A test file without a mutant: `touched` are the functions (`room.module:name`) by test."""

    passed: bool
    cpu_s: float
    touched: Mapping[str, Sequence[str]]
    output: str

    def entering(self, function: str) -> list[str]:
        """The tests that enter `function`."""
        return [test for test, functions in self.touched.items() if function in functions]


def of_file(name: str, zygote: Zygote, endpoint: str) -> tuple[Baseline, bool]:
    """The baseline of `tests/<name>.py`, and whether it was kept from an earlier run."""
    kept = CACHE / f"{name.replace('/', '.')}-{_digest(name)}.json"
    if kept.exists():
        return Baseline(**json.loads(kept.read_text())), True
    order = Order((f"tests/{name}.py",), endpoint, CPU_S, WALL_S, trace=True)
    ended = zygote.run(order)
    touched = ended.touched
    if ended.code != 0:  # Tests that race are slower while they are traced.
        ended = zygote.run(replace(order, trace=False))
    made = Baseline(ended.code == 0, ended.cpu_s, touched, ended.output[-2000:])
    if made.passed:
        CACHE.mkdir(parents=True, exist_ok=True)
        kept.write_text(json.dumps(asdict(made)))
    return made, False


def _digest(name: str) -> str:
    """Of the test file, of those that it imports, and of all that is no test file."""
    text = (ROOT / "tests" / f"{name}.py").read_text()
    found = hashlib.sha256(_digest_of_sources().encode() + text.encode())
    for imported in sorted(_IMPORTED.findall(text)):
        found.update((ROOT / "tests" / f"{imported.replace('.', '/')}.py").read_bytes())
    return found.hexdigest()[:16]


@cache
def _digest_of_sources() -> str:
    paths = [path for folder in _SOURCES for path in (ROOT / folder).rglob("*.py")]
    paths += [ROOT / name for name in _FILES]
    found = hashlib.sha256()
    for path in sorted(paths):
        found.update(_named(path))
    return found.hexdigest()


def _named(path: Path) -> bytes:
    return f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0"
