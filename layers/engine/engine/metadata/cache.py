"""Answers of TikTok, kept in the table; one instance at a time asks for each.

An item is fresh, then stale, and is deleted by TTL; its times are checked when it is read, because DynamoDB
deletes late. A caller that finds no fresh answer claims the item with a lease; the others wait for the new
answer, or get the stale one. A lease that ends without an answer can be claimed by the next caller.
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
"""A page that failed may soon be readable again; an hour is the shortest time that an answer is kept."""

REFUSED_S = (60, 300)
STALE_S = 24 * 3600
"""How old a stale answer may be: its thumbnail is signed for about two days."""

POLL_S = (0.05, 0.5)
STALE_AFTER_S = 1.0
"""How long a caller waits for a fresh answer when there is a stale one."""

LEASE_MARGIN_S = 2
LEAST_S = 0.5
"""With less time left, nothing is started."""


class Watch:
    """A request's time: epoch seconds, counted on from its start, and what is left of its limit."""

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
        """A function that gives the seconds left of a part that starts now and takes at most `limit_s`."""
        ends = time.monotonic() + min(limit_s, self.left_s)
        return lambda: ends - time.monotonic()


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer: `members`, or the code of a `refusal`; `age_s` counts from when TikTok gave it."""

    members: dict[str, Any]
    refusal: str
    age_s: int
    fresh_s: int
    """Seconds that it is still fresh, at least 1."""
    cached: bool
    stale: bool = False


Ask = Callable[[Callable[[], float]], dict[str, Any]]
"""Asks TikTok within the seconds that its argument says are left; returns the members to keep, or raises."""


class Cache:
    """Answers in `table`. Refusals with a code of `final` or `outages` are kept; an outage says nothing about
    the post. Any other refusal concerns the caller alone.
    """

    def __init__(self, table: Table, final: frozenset[str], outages: frozenset[str]) -> None:
        self._table = table
        self._kept_codes = final | outages
        self._outages = outages

    def fetch(self, key: str, ask: Ask, watch: Watch, limit_s: float) -> Kept:
        """What is kept under `key`, or what `ask` returns within `limit_s`.

        Raises `Busy` when there is neither in time or the table does not answer, and whatever `ask` raises
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
                    return self._ask(item, ask, watch, limit_s)
                continue
            if _is_stale_answer(item, now) and patience_s() <= 0:
                return _kept(item, now, stale=True)
            if watch.left_s <= LEAST_S:
                raise Busy("This video is being looked up.")
            time.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(POLL_S[1], pause_s * 1.5)
            item = self._table.get(key, SK) or {}

    def peek(self, key: str) -> dict[str, Any]:
        """The members that are kept under `key`, also stale ones; empty if none are. Raises `Busy`."""
        item = self._table.get(key, SK, consistent=False) or {}
        return dict(item.get("members", {}))

    def _claim(
        self, key: str, seen: Item, lease: str, watch: Watch, limit_s: float
    ) -> tuple[bool, Item]:
        """Whether this caller has the lease, and the item as it is now. Raises `Busy`."""
        if watch.left_s <= LEAST_S:
            raise Busy("This video is being looked up.")
        until = watch.now + int(limit_s) + LEASE_MARGIN_S
        values = {":now": watch.now, ":until": until, ":lease": lease}
        claim = Update(
            key,
            SK,
            "SET lease_until = :until, lease_by = :lease, #ttl = :ttl",
            # No other caller is asking, or its lease has ended.
            "(attribute_not_exists(lease_until) OR lease_until <= :now)"
            # No answer has been stored since the item was read.
            " AND (attribute_not_exists(fresh_until) OR fresh_until <= :now)",
            names={"#ttl": "ttl"},
            values={**values, ":ttl": max(seen.get("ttl", 0), until + REFUSED_S[1])},
            mark="claimed_by",
        )
        try:
            return True, self._table.write(claim)
        except ConditionFailed as refused:
            return False, refused.item or {}

    def _ask(self, claimed: Item, ask: Ask, watch: Watch, limit_s: float) -> Kept:
        """Asks TikTok, keeps the answer and returns it; a stale answer where TikTok is down."""
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
        """Releases the item to the next caller; returns the stale answer, or raises `refusal`."""
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
        """Stores the item unless the lease was lost; the answer is given even when it cannot be stored."""
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
    """How long it is fresh: a random time, so that answers that came together do not expire together."""
    if "refusal" in found or "is_stale" in found:
        return random.randint(*REFUSED_S)
    return random.randint(*(PARTIAL_S if found["members"].get("partial") else FRESH_S))
