"""What each test file does without any mutant: the CPU time that it takes, and which functions of the layer
each of its tests enters. Both are hints: they say what to run first, and for how long. So they are kept in
`.cache` until the file itself changes.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from local.settings import ROOT
from tests.mutation.zygote import Order, Zygote

CACHE = ROOT / ".cache" / "mutation"
CPU_S = 600
WALL_S = 3600.0
"""Limits of a run without a mutant, which ends by itself."""


@dataclass(frozen=True)
class Baseline:
    """A test file without a mutant: `touched` are the functions (`room.module:name`) by test."""

    cpu_s: float
    touched: Mapping[str, Sequence[str]]

    def entering(self, function: str) -> list[str]:
        """The tests that enter `function`."""
        return [test for test, functions in self.touched.items() if function in functions]


def of_file(name: str, zygote: Zygote, endpoint: str) -> tuple[Baseline, bool]:
    """The baseline of `tests/<name>.py`, and whether it was kept from an earlier run."""
    digest = hashlib.sha256((ROOT / "tests" / f"{name}.py").read_bytes()).hexdigest()[:16]
    kept = CACHE / f"{name.replace('/', '.')}-{digest}.json"
    if kept.exists():
        return Baseline(**json.loads(kept.read_text())), True
    ended = zygote.run(Order((f"tests/{name}.py",), endpoint, CPU_S, WALL_S, trace=True))
    made = Baseline(ended.cpu_s, ended.touched)
    CACHE.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(asdict(made)))
    return made, False
