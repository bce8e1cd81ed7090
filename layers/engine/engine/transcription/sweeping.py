"""The sweeper: holds past their time are resolved, so that no credit stays set aside for ever.

It finds them by the sparse index of open holds, reads each again from the table, and asks upstream
before it resolves anything that has a job. One hold's trouble does not keep it from the others. Two
sweeps at once are safe: every step is conditional on what was seen, and the second finds the hold
resolved.

- never claimed: released; the condition fails if a claim came in between, and the hold is left alone;
- claimed, no job known (the call's answer was lost): released after `LOST_AFTER_S`;
- a job: completed captures, failed releases, still running waits, forgotten by upstream for longer than
  `jobs.FORGOTTEN_AFTER_S` releases, older than `GIVE_UP_AFTER_S` releases;
- upstream away: it waits, up to `GIVE_UP_AFTER_S`.
A release that was wrong is put right by `holds.settle` when the true outcome arrives.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest

from engine.credits import holds
from engine.credits.holds import CAPTURED, OPEN, RELEASED, SHARDS, SPENT, Hold
from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform.act import by_system
from engine.platform.circuit import AlwaysClosed, Breaker
from engine.platform.errors import Busy, CircuitOpen, UpstreamFailed, UpstreamTimedOut
from engine.platform.logs import logger
from engine.platform.table import ConditionFailed, Item, Update
from engine.transcription import jobs
from engine.transcription.jobs import Gateway
from engine.transcription.upstream import Upstream

INDEX = "open-holds"
PAGE = 100
RESERVE_S = 45.0
"""No hold is begun with less time than this left: upstream may take 25 s and the store 10."""

LOOK_AGAIN_S = 300
LOST_AFTER_S = 900
GIVE_UP_AFTER_S = 6 * 3600
LET_LIVE = "let live"


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did, for its log line and metrics."""

    looked_at: int = 0
    captured: int = 0
    released: int = 0
    waiting: int = 0
    is_cut: bool = False
    """Its time ran out, and holds are left that are past theirs."""

    def counting(self, verdict: str) -> "Swept":
        return Swept(
            self.looked_at + 1,
            self.captured + (verdict == CAPTURED),
            self.released + (verdict == RELEASED),
            self.waiting + (verdict == LET_LIVE),
        )


def sweep(
    ledger: Ledger,
    upstream: Upstream,
    secret: str,
    *,
    now: int,
    request_id: str,
    timeout_s: float,
    remaining_s: Callable[[], float],
    breaker: Breaker | None = None,
) -> Swept:
    """Resolve what is past its time, the oldest first, for as long as `remaining_s` allows.

    Raises `Busy`.
    """
    gateway = Gateway(ledger, upstream, secret, timeout_s, "", breaker or AlwaysClosed())
    swept = Swept()
    for key in _due(ledger, now):
        if remaining_s() < RESERVE_S:
            return replace(swept, is_cut=True)
        item = ledger.table.get(key["pk"], key["sk"])
        if item is None or item["state"] not in (OPEN, SPENT):
            continue
        swept = swept.counting(_swept(gateway, holds.read(item), now, request_id))
    return swept


def _due(ledger: Ledger, now: int) -> Iterator[Item]:
    """Keys of holds past their time, from each shard in turn, so that a full one keeps none waiting."""
    shards = (ledger.table.due(INDEX, f"open#{n}", now, page=PAGE) for n in range(SHARDS))
    for keys in zip_longest(*shards):
        yield from (key for key in keys if key is not None)


def _swept(gateway: Gateway, hold: Hold, now: int, request_id: str) -> str:
    """What was done with one hold: `CAPTURED`, `RELEASED` or `LET_LIVE`."""
    try:
        verdict, why = _verdict(gateway, hold, now)
        _carry_out(gateway.ledger, hold, verdict, why, now, request_id)
    except Busy:
        logger.warning("left for the next sweep", extra={"jti": hold.jti})
        return LET_LIVE
    return verdict


def _verdict(gateway: Gateway, hold: Hold, now: int) -> tuple[str, str]:
    """`CAPTURED`, `RELEASED` or `LET_LIVE`, and the reason in words."""
    if hold.claim is None or hold.claimed_at is None:
        return RELEASED, "the token was not used in time"
    age_s = now - hold.claimed_at
    if hold.job_id is None:
        lost = age_s >= LOST_AFTER_S
        return (RELEASED, "the call's outcome was never known") if lost else (LET_LIVE, "")
    verdict, why = _asked(gateway, hold, now)
    if verdict == LET_LIVE and age_s >= GIVE_UP_AFTER_S:
        return RELEASED, "the job did not end in six hours"
    return verdict, why


def _asked(gateway: Gateway, hold: Hold, now: int) -> tuple[str, str]:
    item = jobs.read(gateway.ledger, str(hold.job_id))
    if item is None:
        return LET_LIVE, "the job has passed"
    try:
        heard = jobs.hear(gateway, item, now)
    except (CircuitOpen, UpstreamFailed, UpstreamTimedOut):
        return LET_LIVE, "upstream did not answer"
    return heard.outcome(now) or (LET_LIVE, "the job is still running")


def _carry_out(
    ledger: Ledger, hold: Hold, verdict: str, why: str, now: int, request_id: str
) -> None:
    if verdict == LET_LIVE:
        _look_again(ledger, hold, now)
        return
    act = by_system("sweeper", request_id, why, at=now)
    found = holds.settle(ledger, hold, verdict, act)
    logger.info("swept", extra={"user": hold.user, "jti": hold.jti, "state": found.state})


def _look_again(ledger: Ledger, hold: Hold, now: int) -> None:
    """Moves the hold back in the index, if it is still open."""
    try:
        ledger.table.write(
            Update(
                account_pk(hold.user),
                holds.hold_sk(hold.name),
                "SET expires_at = :later",
                "#state = :seen AND jti = :jti",
                names={"#state": "state"},
                values={":later": now + LOOK_AGAIN_S, ":seen": hold.state, ":jti": hold.jti},
            )
        )
    except ConditionFailed:
        logger.info("resolved meanwhile", extra={"user": hold.user, "jti": hold.jti})
