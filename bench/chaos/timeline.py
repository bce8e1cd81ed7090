"""Virtual time: actors that take turns, ordered by when each wants to go on."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable


class Timeline:
    """A clock in epoch seconds that only waiting moves.

    An actor is a thread of its own and runs until it waits or ends; then the actor that is due next runs.
    So actors interleave at every wait, and in the same order whenever the waits are the same.
    """

    def __init__(self, start: float) -> None:
        self.now = start
        self._queue: list[tuple[float, int, threading.Lock]] = []
        self._numbers = itertools.count()
        self._own = threading.local()
        self._paused = threading.Lock()
        self._paused.acquire()
        self._failure: BaseException | None = None

    def time(self) -> float:
        return self.now

    def spawn(self, act: Callable[[], object], delay_s: float = 0.0) -> None:
        """Let `act` begin, as an actor, in `delay_s`."""
        turn = _held()

        def run() -> None:
            with turn:
                self._own.turn = turn
                try:
                    act()
                except BaseException as error:  # noqa: BLE001 - raised again by `run`.
                    self._failure = error
            self._paused.release()

        threading.Thread(target=run, daemon=True).start()
        self._wait(turn, delay_s)

    def sleep(self, seconds: float) -> None:
        """Let the calling actor wait. Outside of actors only the clock moves."""
        turn = getattr(self._own, "turn", None)
        if turn is None:
            self.now += seconds
            return
        self._wait(turn, seconds)
        self._paused.release()
        turn.acquire()

    def run(self) -> None:
        """Let all actors act until each has ended. Raises what an actor raised."""
        while self._queue:
            self.now, _, turn = heapq.heappop(self._queue)
            turn.release()
            self._paused.acquire()
            if self._failure is not None:
                raise self._failure

    def _wait(self, turn: threading.Lock, seconds: float) -> None:
        entry = (self.now + max(0.0, seconds), next(self._numbers), turn)
        heapq.heappush(self._queue, entry)


def _held() -> threading.Lock:
    lock = threading.Lock()
    lock.acquire()
    return lock
