"""The circuit breaker before a service: after failures in a row it is left alone for a while.

- closed: calls pass; `FAILURES_TO_OPEN` failures in a row, counted in this process, open it;
- open: calls are refused for `OPEN_S`, then one caller is elected to try;
- half open: one trial at a time; `TRIALS_TO_CLOSE` good ones close it, a bad one opens it again.

The table is written only when the state changes, each time on condition of the version that was seen,
so one of many instances makes each change; it is read at most every `LOOK_S`. Where the table does not
answer, calls pass: the breaker protects, it must not be what fails.

The item `CIRCUIT` / `<service>` holds `state`, `version`, `until` (of open), `trial_until`, `trials`,
`slow_until`; times in epoch seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from engine.platform.errors import Busy, CircuitOpen
from engine.platform.logs import circuit_changed
from engine.platform.table import ConditionFailed, Item, Table, Update

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"

FAILURES_TO_OPEN = 5
OPEN_S = 60
TRIALS_TO_CLOSE = 3
TRIAL_S = 30
"""How long a trial may take before another caller is elected."""

LOOK_S = 5
SLOW_S = 120
"""How long a service that let a caller wait in vain counts as slow."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The state as it was last read or written; `version` 0 where the table has none."""

    state: str = CLOSED
    version: int = 0
    until: int = 0
    trial_until: int = 0
    trials: int = 0
    slow_until: int = 0


class Breaker(Protocol):
    """What callers of a service ask and tell."""

    def admit(self) -> None:
        """Raises `CircuitOpen` where the service is left alone."""

    def succeeded(self) -> None:
        """The service answered, whatever it said of the request."""

    def failed(self) -> None:
        """The service did not answer, or answered that it is broken."""

    def is_slow(self) -> bool:
        """Whether somebody waited for the service in vain of late."""

    def slowed(self) -> None:
        """Somebody waited in vain."""


class AlwaysClosed:
    """No breaker: every call passes."""

    def admit(self) -> None:
        return None

    def succeeded(self) -> None:
        return None

    def failed(self) -> None:
        return None

    def is_slow(self) -> bool:
        return False

    def slowed(self) -> None:
        return None


class Circuit:
    """The breaker of `service`, shared by all instances through the table."""

    def __init__(self, table: Table, service: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.failures = 0
        """In a row, seen by this process."""
        self._table = table
        self._service = service
        self._seen = Seen()
        self._look_again_at = 0

    def admit(self) -> None:
        seen, now = self.look(), self._now()
        if seen.state == CLOSED:
            return
        busy_until = seen.until if seen.state == OPEN else seen.trial_until
        if now < busy_until:
            raise CircuitOpen(busy_until - now)
        trials = 0 if seen.state == OPEN else seen.trials
        trial = replace(seen, state=HALF_OPEN, trial_until=now + TRIAL_S, trials=trials)
        if not self._change(seen, trial):
            raise CircuitOpen(LOOK_S)

    def succeeded(self) -> None:
        self.failures = 0
        seen = self.look()
        if seen.state != HALF_OPEN:
            return
        after = replace(seen, trials=seen.trials + 1, trial_until=0)
        if after.trials >= TRIALS_TO_CLOSE:
            after = replace(after, state=CLOSED, trials=0, until=0)
        self._change(seen, after)

    def failed(self) -> None:
        self.failures += 1
        seen = self.look()
        tripped = seen.state == CLOSED and self.failures >= FAILURES_TO_OPEN
        if tripped or seen.state == HALF_OPEN:
            until = self._now() + OPEN_S
            self._change(seen, replace(seen, state=OPEN, until=until, trials=0, trial_until=0))

    def is_slow(self) -> bool:
        return self.look().slow_until > self._now()

    def slowed(self) -> None:
        seen = self.look()
        self._change(seen, replace(seen, slow_until=self._now() + SLOW_S))

    def look(self) -> Seen:
        """The state, at most `LOOK_S` old; the last one known where the table does not answer."""
        now = self._now()
        if now >= self._look_again_at:
            try:
                self._keep(self._table.get("CIRCUIT", self._service, consistent=False))
            except Busy:
                self._seen = Seen()
            self._look_again_at = now + LOOK_S
        return self._seen

    def _change(self, seen: Seen, after: Seen) -> bool:
        """Whether it was us who made the change; a change of somebody else is taken over."""
        after = replace(after, version=seen.version + 1)
        try:
            self._keep(self._table.write(self._write(seen, after)))
        except ConditionFailed as refused:
            self._keep(refused.item)
            return False
        except Busy:
            return True
        if after.state != seen.state:
            circuit_changed(self._service, after.state)
        return True

    def _write(self, seen: Seen, after: Seen) -> Update:
        values: dict[str, Any] = {
            ":state": after.state,
            ":next": after.version,
            ":until": after.until,
            ":trial": after.trial_until,
            ":trials": after.trials,
            ":slow": after.slow_until,
            ":seen": seen.version,
        }
        return Update(
            "CIRCUIT",
            self._service,
            "SET #state = :state, version = :next, #until = :until, trial_until = :trial, "
            "trials = :trials, slow_until = :slow",
            "attribute_not_exists(pk) OR version = :seen",
            names={"#state": "state", "#until": "until"},
            values=values,
            mark="changed_by",
        )

    def _keep(self, item: Item | None) -> None:
        names = Seen.__dataclass_fields__
        self._seen = Seen(**{name: item[name] for name in names}) if item else Seen()

    def _now(self) -> int:
        return int(self.clock())
