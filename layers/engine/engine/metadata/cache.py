"""Answers about TikTok, kept in the table, each asked for by one instance at a time.

An item is fresh for a while, then stale, and passes by TTL; its times are checked when it is read, because
DynamoDB deletes late. Who finds nothing fresh claims the item for a lease; the others wait for what that
brings, or are served what is stale. A lease that ends without an answer is the next one's to claim.
"""

import random
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from engine.platform import logs
from engine.platform.errors import Busy, EngineError
from engine.platform.table import ConditionFailed, Item, Put, Table, Update

SK = "META"
FRESH_S = (3600, 6 * 3600)
PARTIAL_S = (3600, 2 * 3600)
"""A page that failed may be back soon, but an hour is the least that an answer is kept."""

REFUSED_S = (60, 300)
STALE_S = 24 * 3600
"""Thumbnails are signed for about two days."""

POLL_S = (0.05, 0.5)
STALE_AFTER_S = 1.0
"""Who has something stale waits no longer than this for something fresh."""

LEASE_MARGIN_S = 2
LEAST_S = 0.5
"""With less time left nothing is begun any more."""


class Watch:
    """A request's time: epoch seconds that go on from its start, and what is left of its limit."""

    def __init__(self, now: int, limit_s: float) -> None:
        self._now = now
        self._limit_s = limit_s
        self._started = time.monotonic()

    @property
    def now(self) -> int:
        return self._now + int(self._passed_s)

    @property
    def left_s(self) -> float:
        return self._limit_s - self._passed_s

    @property
    def _passed_s(self) -> float:
        return time.monotonic() - self._started

    def part(self, limit_s: float) -> Callable[[], float]:
        """What is left of a part of the time that begins now and takes at most `limit_s`."""
        ends = time.monotonic() + min(limit_s, self.left_s)
        return lambda: ends - time.monotonic()


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer: `members`, or the code of a refusal. `age_s` since TikTok gave it."""

    members: dict[str, Any]
    refusal: str
    age_s: int
    fresh_s: int
    """Seconds that it stays fresh, at least 1."""
    cached: bool
    stale: bool = False


Ask = Callable[[Callable[[], float]], dict[str, Any]]
"""Asks TikTok within the seconds left that it is given; the members to keep. Raises what refuses."""


class Cache:
    """Answers in `table`. Refusals with the codes of `final` are kept, and those of `outages`, which say
    nothing about what was asked; any other is the caller's alone.
    """

    def __init__(self, table: Table, final: frozenset[str], outages: frozenset[str]) -> None:
        self._table = table
        self._kept_codes = final | outages
        self._outages = outages

    def fetch(self, key: str, ask: Ask, watch: Watch, limit_s: float) -> Kept:
        """What is kept under `key`, or what `ask` brings within `limit_s`.

        Raises `Busy` when neither comes in time, or the table does not answer, and what `ask` raises
        that is not kept.
        """
        patience_s = watch.part(STALE_AFTER_S)
        pause_s = POLL_S[0]
        item = self._table.get(key, SK, consistent=False) or {}
        while True:
            now = watch.now
            if item.get("fresh_until", 0) > now:
                return _kept(item, now)
            if item.get("lease_until", 0) <= now:
                lease = secrets.token_hex(8)
                claimed, item = self._claim(key, item, lease, watch, limit_s)
                if claimed:
                    return self._bring(item, ask, watch, limit_s)
                continue
            if _is_stale_answer(item, now) and patience_s() <= 0:
                return _kept(item, now, stale=True)
            if watch.left_s <= LEAST_S:
                raise Busy("This video is being looked up at this moment.")
            time.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(POLL_S[1], pause_s * 1.5)
            item = self._table.get(key, SK) or {}

    def _claim(
        self, key: str, seen: Item, lease: str, watch: Watch, limit_s: float
    ) -> tuple[bool, Item]:
        """Whether the lease is ours, and the item as it is now. Raises `Busy`."""
        if watch.left_s <= LEAST_S:
            raise Busy("This video is being looked up at this moment.")
        until = watch.now + int(limit_s) + LEASE_MARGIN_S
        values = {":now": watch.now, ":until": until, ":lease": lease}
        claim = Update(
            key,
            SK,
            "SET lease_until = :until, lease_by = :lease, #ttl = :ttl",
            # Nobody else asks, or their time is over.
            "(attribute_not_exists(lease_until) OR lease_until <= :now)"
            # Nobody has brought an answer since it was looked for.
            " AND (attribute_not_exists(fresh_until) OR fresh_until <= :now)",
            names={"#ttl": "ttl"},
            values={**values, ":ttl": max(seen.get("ttl", 0), until + REFUSED_S[1])},
            mark="claimed_by",
        )
        try:
            return True, self._table.write(claim)
        except ConditionFailed as refused:
            return False, refused.item or {}

    def _bring(self, claimed: Item, ask: Ask, watch: Watch, limit_s: float) -> Kept:
        """Asks, keeps what comes, and answers it; a stale answer where TikTok is down."""
        started = time.monotonic()
        try:
            found: dict[str, Any] = {"members": ask(watch.part(limit_s))}
        except EngineError as refusal:
            if refusal.code not in self._kept_codes:
                return self._give_up(claimed, refusal, watch.now)
            found = {"refusal": refusal.code}
        _log(claimed["pk"].partition("#")[2], found, started)
        now = watch.now
        if found.get("refusal") in self._outages and _is_stale_answer(claimed, now):
            found = {name: claimed[name] for name in ("members", "fetched_at")}
            found["is_stale"] = True
        fresh_until = now + _fresh_s(found)
        kept = {"fetched_at": now, **found, "fresh_until": fresh_until}
        item = {"pk": claimed["pk"], "sk": SK, **kept, "ttl": fresh_until + STALE_S}
        self._keep(item, claimed["lease_by"])
        return _kept(item, now, cached="is_stale" in item)

    def _give_up(self, claimed: Item, refusal: EngineError, now: int) -> Kept:
        """Leaves the item to the next one; the caller gets what is stale, or the refusal."""
        release = Update(
            claimed["pk"],
            SK,
            "REMOVE lease_until, lease_by",
            "lease_by = :lease",
            values={":lease": claimed["lease_by"]},
        )
        with suppress(ConditionFailed, Busy):
            self._table.write(release)
        if _is_stale_answer(claimed, now):
            return _kept(claimed, now, stale=True)
        raise refusal

    def _keep(self, item: Item, lease: str) -> None:
        """Puts the item unless the lease was lost; without the store, the answer goes out all the same."""
        try:
            self._table.write(Put(item, "lease_by = :lease", values={":lease": lease}))
        except (ConditionFailed, Busy) as error:
            logs.tiktok_not_kept(item["pk"].partition("#")[2], type(error).__name__)


def _log(subject: str, found: Item, started: float) -> None:
    members = found.get("members", {})
    outcome = found.get("refusal") or ("partial" if members.get("partial") else "ok")
    took_ms = int((time.monotonic() - started) * 1000)
    logs.tiktok_asked(subject, outcome, warnings=members.get("warnings", []), took_ms=took_ms)


def _kept(item: Item, now: int, *, cached: bool = True, stale: bool = False) -> Kept:
    return Kept(
        item.get("members", {}),
        item.get("refusal", ""),
        max(0, now - item["fetched_at"]),
        max(1, item["fresh_until"] - now),
        cached,
        stale or "is_stale" in item,
    )


def _is_stale_answer(item: Item, now: int) -> bool:
    return "members" in item and item["fetched_at"] + STALE_S > now


def _fresh_s(found: Item) -> int:
    """How long it is fresh: by chance, so that what was asked together does not end together."""
    if "refusal" in found or "is_stale" in found:
        return random.randint(*REFUSED_S)
    return random.randint(*(PARTIAL_S if found["members"].get("partial") else FRESH_S))
