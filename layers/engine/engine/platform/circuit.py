"""The circuit breaker of a service: after several failures in a row no calls are made for a while.

- closed: calls pass; `FAILURES_TO_OPEN` failures in a row, counted in this process, open it;
- open: calls are refused for `OPEN_S`, then one caller makes a trial call;
- half open: one trial at a time; `TRIALS_TO_CLOSE` successful trials close it, a failed one opens it.

The table is written only when the state changes, on condition of the version that was read, so exactly
one instance makes each change. It is read at most every `LOOK_S`. When the table does not answer, calls
pass: the breaker must not itself become the failure.

The item `CIRCUIT` / `<service>` holds `state`, `version`, `until` (of open), `trial_until`, `trials`,
`slow_until`; times in epoch seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from engine.platform import snapshots
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
"""How long a trial may take before another caller makes one."""

LOOK_S = 5
SLOW_S = 120
"""How long a service counts as slow after a call to it timed out."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The state as last read or written; `version` is 0 if the table has none."""

    state: str = CLOSED
    version: int = 0
    until: int = 0
    trial_until: int = 0
    trials: int = 0
    slow_until: int = 0


class Breaker(Protocol):
    """What callers of a service ask before a call and report after it."""

    def admit(self) -> None:
        """Raises `CircuitOpen` while calls are refused."""

    def succeeded(self) -> None:
        """The service answered, even if it refused the request."""

    def failed(self) -> None:
        """The service did not answer, or answered with a failure of its own."""

    def refuses_for_s(self) -> int:
        """For how many seconds calls are refused, 0 while they pass. Unlike `admit` it takes no trial."""

    def is_slow(self) -> bool:
        """Whether a call timed out recently."""

    def slowed(self) -> None:
        """A call timed out."""


class AlwaysClosed:
    """No breaker: every call passes."""

    def admit(self) -> None:
        return None

    def succeeded(self) -> None:
        return None

    def failed(self) -> None:
        return None

    def refuses_for_s(self) -> int:
        return 0

    def is_slow(self) -> bool:
        return False

    def slowed(self) -> None:
        return None


class Circuit:
    """The breaker of `service`, shared by all instances through the table."""

    def __init__(self, table: Table, service: str, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self._table = table
        self._service = service
        self.forget()
        snapshots.renews(self, Circuit.forget)

    def forget(self) -> None:
        """Know nothing of the service: the next call looks at the table."""
        self.failures = 0
        """In a row, seen by this process."""
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

    def refuses_for_s(self) -> int:
        seen = self.look()
        return max(0, seen.until - self._now()) if seen.state == OPEN else 0

    def is_slow(self) -> bool:
        return self.look().slow_until > self._now()

    def slowed(self) -> None:
        seen = self.look()
        self._change(seen, replace(seen, slow_until=self._now() + SLOW_S))

    def look(self) -> Seen:
        """The state, at most `LOOK_S` old. Closed if the table does not answer."""
        now = self._now()
        if now >= self._look_again_at:
            try:
                self._keep(self._table.get("CIRCUIT", self._service, consistent=False))
            except Busy:
                self._seen = Seen()
            self._look_again_at = now + LOOK_S
        return self._seen

    def _change(self, seen: Seen, after: Seen) -> bool:
        """Whether this instance made the change. If another did, its state is taken over."""
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
