"""The sweeper: holds past their time are resolved, so that no credit stays held without end.

It finds them by the sparse index of open holds, reads each again from the table, and asks upstream
before it resolves anything that has a job. A hold that meets a busy store is left for the next sweep; one
that cannot be handled at all is set aside for an hour, counted, and does not stop the sweep. Two sweeps at
once are safe: every step is conditional on what was seen, and the second finds the hold resolved.

- never claimed: released, on condition that it is still unclaimed;
- a back end's, or one that was committed in parts: released once its end and its grace are over, on
  condition that it was neither extended nor committed meanwhile;
- claimed, no job known (the call's answer was lost): released after `LOST_AFTER_S`;
- a job: resolved by what upstream says of it (`engine.transcription.outcomes`), and released where it is
  older than `Gateway.job_limit_s` without an end;
- upstream away: it waits, up to `Gateway.job_limit_s`.
A release that proves wrong is corrected by `holds.settle` when the true outcome arrives.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

from engine.credits import backend_holds, hold_items, holds
from engine.credits.hold_items import CAPTURED, EXPIRED, RELEASED, SHARDS_SWEPT, UNRESOLVED, Hold
from engine.ledger.posting import Ledger
from engine.platform import logs
from engine.platform.act import Act, by_system
from engine.platform.errors import (
    Busy,
    CircuitOpen,
    UpstreamFailed,
    UpstreamTimedOut,
)
from engine.platform.logs import logger
from engine.platform.table import Item
from engine.transcription import asking, jobs, settling
from engine.transcription.gateway import Gateway

INDEX = "open-holds"
PAGE = 100
RESERVE_S = 45.0
"""The sweep ends when less time than this is left: upstream may take 25 s and the store 10."""

LOOK_AGAIN_S = 300
SET_ASIDE_S = 3600
"""When a hold is looked at again that the sweeper could not handle; an alarm names it meanwhile."""

LOST_AFTER_S = 900
LET_LIVE = "let live"


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, for its log line and metrics."""

    looked_at: int = 0
    captured: int = 0
    released: int = 0
    waiting: int = 0
    is_cut: bool = False
    """Its time ran out before all holds that are due were handled."""

    def counting(self, verdict: str) -> "Swept":
        return Swept(
            self.looked_at + 1,
            self.captured + (verdict == CAPTURED),
            self.released + (verdict in (RELEASED, EXPIRED)),
            self.waiting + (verdict == LET_LIVE),
        )


def sweep(
    gateway: Gateway, *, now: int, request_id: str, remaining_s: Callable[[], float]
) -> Swept:
    """Resolve what is past its time, the oldest first, for as long as `remaining_s` allows.

    Raises `Busy` where the index cannot be read.
    """
    swept = Swept()
    for key in _due(gateway.ledger, now):
        if remaining_s() < RESERVE_S:
            return replace(swept, is_cut=True)
        try:
            verdict = _looked_at(gateway, key, now, request_id)
        except Busy:
            logger.warning("left for the next sweep", extra={"hold": key["sk"]})
            verdict = LET_LIVE
        except Exception as error:  # noqa: BLE001 - one hold must not stop the sweep for the others.
            logs.set_aside("sweeper", str(key["sk"]), type(error).__name__)
            with contextlib.suppress(Busy):
                holds.set_aside(gateway.ledger, key, now + SET_ASIDE_S)
            verdict = LET_LIVE
        if verdict is not None:
            swept = swept.counting(verdict)
    return swept


def _looked_at(gateway: Gateway, key: Item, now: int, request_id: str) -> str | None:
    """What was done with the hold at `key`; None where it needs nothing any more."""
    item = gateway.ledger.table.get(key["pk"], key["sk"])
    if item is None or item["state"] not in UNRESOLVED:
        return None
    return _swept(gateway, hold_items.read(item), now, request_id)


def _due(ledger: Ledger, now: int) -> Iterator[Item]:
    """Keys of holds past their time, from each shard in turn, so that a full one delays no other."""
    shards = (ledger.table.due(INDEX, f"open#{n}", now, page=PAGE) for n in range(SHARDS_SWEPT))
    for keys in zip_longest(*shards):
        yield from (key for key in keys if key is not None)


def _swept(gateway: Gateway, hold: Hold, now: int, request_id: str) -> str:
    """What was done with one hold: `CAPTURED`, `RELEASED`, `EXPIRED` or `LET_LIVE`. Raises `Busy`."""
    act = by_system("sweeper", request_id, "", at=now)
    facts = {"user": hold.user, "jti": hold.jti}
    found = _resolved(gateway, hold, act)
    if found.is_resolved:
        logger.info("swept", extra={**facts, "state": found.state})
        return found.state
    if not holds.postpone(gateway.ledger, hold, _again_at(hold, now)):
        logger.info("resolved meanwhile", extra=facts)
    return LET_LIVE


def _again_at(hold: Hold, now: int) -> int:
    """When to look at a hold again that must wait."""
    if hold.is_timed:
        return hold.grace_ends_at
    if hold.job_id is None and hold.claimed_at is not None:
        return min(now + LOOK_AGAIN_S, hold.claimed_at + LOST_AFTER_S)
    return now + LOOK_AGAIN_S


def _resolved(gateway: Gateway, hold: Hold, act: Act) -> Hold:
    """The hold after the sweep; unresolved where it must wait. Raises `Busy` or `OutcomeUnknown`."""
    if hold.is_timed:
        return hold if act.at < hold.grace_ends_at else _expired(gateway, hold, act)
    age_s = act.at - (hold.claimed_at or 0)
    why = ""
    if hold.claim is None:
        why = holds.UNUSED
    elif hold.job_id is None:
        why = "the call's outcome was never known" if age_s >= LOST_AFTER_S else ""
    else:
        hold = _asked(gateway, hold, act)
        if age_s >= gateway.job_limit_s and not hold.is_resolved:
            why = "the job did not end in time"
    if why and hold.claim is not None:
        jobs.keep_cause(gateway.ledger, hold, why, act.at)
    return holds.settle(gateway.ledger, hold, RELEASED, replace(act, reason=why)) if why else hold


def _expired(gateway: Gateway, hold: Hold, act: Act) -> Hold:
    return backend_holds.expired(gateway.ledger, hold, replace(act, reason=backend_holds.OVER))


def _asked(gateway: Gateway, hold: Hold, act: Act) -> Hold:
    """The hold after upstream was asked for its job."""
    item = jobs.read(gateway.ledger, str(hold.job_id))
    if item is None:
        return hold
    try:
        heard = asking.hear(gateway, item, act.at)
    except (CircuitOpen, UpstreamFailed, UpstreamTimedOut):
        return hold
    return settling.settled(gateway, hold, heard, act)[0]
