"""When the steps of a check end: by the clock, and by the processors' time that everything has used."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_WITH_ENDED_CHILDREN = slice(11, 15)


@dataclass
class Clock:
    """Counts from `began`, in seconds of `time.monotonic`.

    In a process namespace of its own, `enclosed`, every process is counted, and `used_before_s` are seconds
    of processors that were used outside. Elsewhere containers cannot be told from others' processes, so
    only this process and its ended children are counted.
    """

    began: float = field(default_factory=time.monotonic)
    enclosed: bool = False
    used_before_s: float = 0.0

    def say(self, what: str) -> None:
        spent = time.monotonic() - self.began
        print(f"[{spent:6.1f} s, {self.used_s():6.1f} s of processors] {what}", flush=True)

    def used_s(self) -> float:
        if self.enclosed:
            return self.used_before_s + _used_by_all()
        used = os.times()
        return used.user + used.system + used.children_user + used.children_system


def _used_by_all() -> float:
    """Of every process of the namespace, with the children that it has waited for."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name in brackets may have blanks. Format: proc(5), the fields from the state on.
            fields = path.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[_WITH_ENDED_CHILDREN]))
    return ticks / _TICKS
