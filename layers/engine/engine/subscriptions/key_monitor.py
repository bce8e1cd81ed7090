"""The monitor of keys: takes up whatever was left half done, charges keys that nobody asks for, makes new
ones ahead, deletes keys that nobody knows of, and watches the operator's own balance.

It reads OpenRouter's list page by page. Page 0, where new keys are, is read in every round; the others in
turn, as far as rate limits and time allow, and the next round goes on where this one ended. One key's
trouble does not keep it from the others, and two rounds at once are safe: every step is conditional.
Keys whose names are not ours are never touched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice

from engine.platform.act import Act
from engine.platform.errors import Busy, EngineError
from engine.platform.logs import logger
from engine.platform.table import Put
from engine.subscriptions import key_steps as steps
from engine.subscriptions.items import (
    CLOSED,
    INDEX,
    LIVE,
    LOST,
    SHARDS,
    ProviderKey,
    parse_key_name,
    read_key,
)
from engine.subscriptions.key_rotation import TROUBLE, NotMade
from engine.subscriptions.openrouter import PAGE, House, KeyFacts
from engine.subscriptions.subscribing import Subscribing, wants_new_key

BATCH = 100
RESERVE_S = 20.0
"""Nothing is begun with less time than this left."""

AHEAD_GRACE_S = 3600
"""A key that was replaced without its user asking works longer: they do not know of the new one yet."""

CURSOR = ("MONITOR", "KEYS")


@dataclass(slots=True)
class Watched:
    """What one round did, for its log line."""

    due: int = 0
    seen: int = 0
    charged: int = 0
    rotated: int = 0
    deleted: int = 0
    troubles: int = 0
    next_offset: int = 0
    house: House | None = None

    def counts(self) -> dict[str, int]:
        names = ("due", "seen", "charged", "rotated", "deleted", "troubles", "next_offset")
        return {name: getattr(self, name) for name in names}


@dataclass
class _Listing:
    """OpenRouter's list; page 0 is read once a round."""

    read: Callable[[int], list[KeyFacts]]
    newest: list[KeyFacts] | None = field(default=None)

    def first(self) -> list[KeyFacts]:
        if self.newest is None:
            self.newest = self.read(0)
        return self.newest


class Monitor:
    """Looks after all keys of a deployment."""

    def __init__(self, subscribing: Subscribing) -> None:
        self._subscribing = subscribing
        self._rotation = subscribing.rotation
        self._ledger = subscribing.ledger
        self._provider = subscribing.rotation.provider

    def round(self, act: Act, *, remaining_s: Callable[[], float]) -> Watched:
        """One round. Raises `Busy` where not even what is due can be read."""
        watched = Watched()
        listing = _Listing(self._provider.page)
        for key in self._due(act.at):
            if remaining_s() < RESERVE_S:
                break
            watched.due += 1
            self._guarded(watched, key.name, partial(self._advance, key, listing, act))
        self._guarded(watched, "list", lambda: self._walk(watched, listing, act, remaining_s))
        self._guarded(watched, "house", lambda: self._look_at_the_house(watched))
        return watched

    def _guarded(self, watched: Watched, what: str, step: Callable[[], None]) -> None:
        """What OpenRouter or the store do not let happen now is left for the next round."""
        try:
            step()
        except (*TROUBLE, EngineError) as trouble:
            watched.troubles += 1
            logger.warning("be:keys-later", extra={"what": what, "trouble": type(trouble).__name__})

    def _due(self, now: int) -> Iterator[ProviderKey]:
        table = self._ledger.table
        for shard in range(SHARDS):
            for place in islice(table.due(INDEX, f"keys#{shard}", now + 1, page=BATCH), BATCH):
                item = table.get(place["pk"], place["sk"])
                if item is not None:
                    yield read_key(item)

    def _advance(self, key: ProviderKey, listing: _Listing, act: Act) -> None:
        state = self._rotation.advance(key, listing.first, act)
        logger.info("be:key-step", extra={"key_name": key.name, "was": key.state, "state": state})

    def _walk(
        self, watched: Watched, listing: _Listing, act: Act, remaining_s: Callable[[], float]
    ) -> None:
        """Page 0, then on from where the last round ended."""
        deleted = self._check_page(watched, listing.first(), act)
        offset = max(PAGE - deleted, self._cursor())
        page = listing.first() if len(listing.first()) == PAGE else []
        while page and remaining_s() >= RESERVE_S:
            try:
                page = self._provider.page(offset)
            except TROUBLE:
                self._keep_cursor(offset)
                watched.next_offset = offset
                raise
            deleted = self._check_page(watched, page, act)
            offset = offset + PAGE - deleted if len(page) == PAGE else 0
            page = page if offset else []
        watched.next_offset = offset if page else 0
        self._keep_cursor(watched.next_offset)

    def _check_page(self, watched: Watched, page: list[KeyFacts], act: Act) -> int:
        """How many keys of the page were deleted."""
        before = watched.deleted
        for facts in page:
            place = parse_key_name(self._rotation.deployment, facts.name)
            if place is not None:
                watched.seen += 1
                self._guarded(
                    watched,
                    facts.name,
                    partial(self._check, watched, facts, place, act),
                )
        return watched.deleted - before

    def _check(self, watched: Watched, facts: KeyFacts, place: tuple[str, int], act: Act) -> None:
        key = steps.find_key(self._ledger.table, *place)
        if key is None or key.state in (LOST, CLOSED) or key.hash not in ("", facts.hash):
            if key is not None and key.hash == facts.hash:
                self._charge(watched, key, facts, act)
            self._provider.delete(facts.hash)
            watched.deleted += 1
            logger.warning("be:orphan-deleted", extra={"key_name": facts.name})
            return
        if key.state == LIVE:
            key = self._charge(watched, key, facts, act)
            self._ahead(watched, key, act)

    def _charge(self, watched: Watched, key: ProviderKey, facts: KeyFacts, act: Act) -> ProviderKey:
        charged = self._rotation.charge(key, facts.usage, act)
        watched.charged += charged.usage > key.usage
        return charged

    def _ahead(self, watched: Watched, key: ProviderKey, act: Act) -> None:
        """A new key before the user asks, where one is due."""
        available = self._ledger.account(key.user).available
        if key.state != LIVE or available <= 0 or not wants_new_key(key, available, act.at):
            return
        try:
            made = self._subscribing.replace(key.user, key.number, act, grace_s=AHEAD_GRACE_S)
        except NotMade as trouble:
            raise Busy(retry_after_s=trouble.retry_after_s) from trouble
        watched.rotated += made

    def _cursor(self) -> int:
        item = self._ledger.table.get(*CURSOR)
        return item["offset"] if item is not None else 0

    def _keep_cursor(self, offset: int) -> None:
        pk, sk = CURSOR
        self._ledger.table.write(Put({"pk": pk, "sk": sk, "offset": offset}, condition=""))

    def _look_at_the_house(self, watched: Watched) -> None:
        watched.house = self._provider.house()
