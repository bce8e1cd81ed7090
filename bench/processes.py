"""Memory and open files of the functions' processes over time, from `/proc`."""

from __future__ import annotations

import os
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

MEMORY_SLACK_MB = 4.0
MEMORY_SLACK_SHARE = 0.10
FILES_SLACK = 3
_FUNCTION = re.compile(r"-(\w+Function)-")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


@dataclass(frozen=True)
class Held:
    """Resident memory and open files of a process, sockets included."""

    memory_mb: float
    files: int


@dataclass(frozen=True)
class Growth:
    """Medians of the first and the last quarter of the samples of one process."""

    function: str
    pid: int
    memory_mb: tuple[float, float]
    files: tuple[int, int]

    @property
    def is_leak(self) -> bool:
        """Whether it is more than allocators and connection pools explain."""
        allowed = self.memory_mb[0] * MEMORY_SLACK_SHARE + MEMORY_SLACK_MB
        return (
            self.memory_mb[1] - self.memory_mb[0] > allowed
            or self.files[1] - self.files[0] > FILES_SLACK
        )


class Watch:
    """Samples of all function processes that descend from this process."""

    def __init__(self) -> None:
        self._seen: defaultdict[tuple[str, int], list[Held]] = defaultdict(list)

    def sample(self) -> None:
        for pid in descendants(os.getpid()):
            function = function_of(pid)
            if function and (held := _held(pid)):
                self._seen[function, pid].append(held)

    def growths(self, fewest: int) -> list[Growth]:
        """The growth of the processes that have at least `fewest` samples."""
        return [
            _growth(function, pid, samples)
            for (function, pid), samples in sorted(self._seen.items())
            if len(samples) >= fewest
        ]


def descendants(pid: int) -> Iterator[int]:
    """All descendants of the process `pid`."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield int(child)
            yield from descendants(int(child))


def cpu_seconds(pid: int) -> float:
    """The CPU seconds of `pid` and its descendants, including ended children that were waited for."""
    ticks = 0
    for one in (pid, *descendants(pid)):
        try:
            # The name, in brackets, may contain any character; only numbers follow it.
            facts = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, facts[11:15]))
    return ticks / _TICKS


def function_of(pid: int) -> str | None:
    """The logical id of the function that a process of the local engine runs, or None."""
    try:
        told = Path(f"/proc/{pid}/cmdline").read_text() + os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return None
    found = _FUNCTION.search(told)
    return found[1] if found else None


def _held(pid: int) -> Held | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Held(pages * _PAGE_MB, len(os.listdir(f"/proc/{pid}/fd")))
    except OSError:
        return None


def _growth(function: str, pid: int, samples: Sequence[Held]) -> Growth:
    quarter = max(1, len(samples) // 4)
    ends = samples[:quarter], samples[-quarter:]
    memory = [statistics.median(held.memory_mb for held in end) for end in ends]
    files = [int(statistics.median(held.files for held in end)) for end in ends]
    return Growth(function, pid, (memory[0], memory[1]), (files[0], files[1]))
