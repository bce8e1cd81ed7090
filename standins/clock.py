"""A clock that tests and the control API of a stand-in can move forward."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

_DAY_S = 86_400.0


class Clock:
    """Unix seconds from ``source`` plus the total of ``advance``.

    With a constant source (``Clock(lambda: 1_700_000_000.0)``) only ``advance`` moves
    the clock, so that tests do not wait.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._ahead_s = 0.0
        self._moved = asyncio.Event()

    def now(self) -> float:
        """Unix time in seconds."""
        return self._source() + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Move forward and wake the sleepers whose time has come.

        Raises ValueError for a negative or non-finite number.
        """
        if not 0 <= seconds < float("inf"):
            raise ValueError("time only moves forward")
        self._ahead_s += seconds
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        """Return when ``seconds`` have passed on this clock."""
        await self.sleep_until(self.now() + seconds)

    async def sleep_until(self, moment: float) -> None:
        """Return at ``moment`` (Unix seconds); with infinity, never."""
        while (left_s := moment - self.now()) > 0:
            moved = self._moved
            try:
                # An event loop's timer does not accept infinity.
                await asyncio.wait_for(moved.wait(), min(left_s, _DAY_S))
            except TimeoutError:
                continue


def iso_millis(moment: float) -> str:
    """``2025-11-29T21:44:30.000Z``, the form of JavaScript's ``toISOString``."""
    text = datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def iso_seconds(moment: float) -> str:
    """``2025-08-24T10:30:00Z``."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
