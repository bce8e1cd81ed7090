"""The monitor of keys: resumes unfinished steps, charges keys that nobody asks for, replaces keys ahead of
their users, deletes keys that the table does not know, and watches the operator's balance at OpenRouter.

It reads OpenRouter's list page by page. Page 0, where new keys are, is read in every round; the others in
turn, as far as rate limits and time allow, and the next round continues where this one ended. A failure on
one key does not stop the round, and two rounds at once are safe: every step is conditional. Keys under other
names than ours are never touched.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from engine.platform.act import Act
from engine.platform.errors import Busy, EngineError
from engine.platform.logs import logger
from engine.platform.table import Put
from engine.subscriptions import provider_keys
from engine.subscriptions.issuing import KeyIssuer, wants_new_key
from engine.subscriptions.lifecycle import PROVIDER_ERRORS, NotCreated
from engine.subscriptions.openrouter import PAGE, KeyFacts, ProviderBalance
from engine.subscriptions.provider_keys import CLOSED, LIVE, LOST, ProviderKey, parse_key_name

BATCH = 100
RESERVE_S = 20.0
"""Nothing is started with less time than this left."""

AHEAD_GRACE_S = 3600
"""A key that was replaced before its user asked works longer: they do not have the new one yet."""

CURSOR = ("MONITOR", "KEYS")


@dataclass(slots=True)
class Round:
    """What one round did, for its log line."""

    due: int = 0
    seen: int = 0
    charged: int = 0
    rotated: int = 0
    deleted: int = 0
    troubles: int = 0
    next_offset: int = 0
    balance: ProviderBalance | None = None

    def counts(self) -> dict[str, int]:
        names = ("due", "seen", "charged", "rotated", "deleted", "troubles", "next_offset")
        return {name: getattr(self, name) for name in names}


@dataclass
class _Listing:
    """OpenRouter's list; page 0 is read at most once a round."""

    read: Callable[[int], list[KeyFacts]]
    newest: list[KeyFacts] | None = field(default=None)

    def first(self) -> list[KeyFacts]:
        if self.newest is None:
            self.newest = self.read(0)
        return self.newest


class Monitor:
    """Looks after all keys of a deployment."""

    def __init__(self, issuer: KeyIssuer) -> None:
        self._issuer = issuer
        self._lifecycle = issuer.lifecycle
        self._ledger = issuer.ledger
        self._provider = issuer.lifecycle.provider

    def round(self, act: Act, *, remaining_s: Callable[[], float]) -> Round:
        """One round. Raises `Busy` if the keys that are due cannot be read."""
        done = Round()
        listing = _Listing(self._provider.page)
        for key in self._due(act.at):
            if remaining_s() < RESERVE_S:
                break
            done.due += 1
            self._guarded(done, key.name, partial(self._advance, key, listing, act))
        self._guarded(done, "list", lambda: self._walk(done, listing, act, remaining_s))
        self._guarded(done, "balance", lambda: self._read_balance(done))
        return done

    def _guarded(self, done: Round, what: str, step: Callable[[], None]) -> None:
        """Leaves what OpenRouter or the store refuse now for the next round."""
        try:
            step()
        except (*PROVIDER_ERRORS, EngineError) as error:
            done.troubles += 1
            logger.warning("be:keys-later", extra={"what": what, "trouble": type(error).__name__})

    def _due(self, now: int) -> Iterator[ProviderKey]:
        for shard in range(provider_keys.SHARDS):
            yield from provider_keys.due(self._ledger.table, shard, now, BATCH)

    def _advance(self, key: ProviderKey, listing: _Listing, act: Act) -> None:
        state = self._lifecycle.advance(key, listing.first, act)
        logger.info("be:key-step", extra={"key_name": key.name, "was": key.state, "state": state})

    def _walk(
        self, done: Round, listing: _Listing, act: Act, remaining_s: Callable[[], float]
    ) -> None:
        """Page 0, then the others from where the last round ended."""
        deleted = self._check_page(done, listing.first(), act)
        offset = max(PAGE - deleted, self._cursor())
        page = listing.first() if len(listing.first()) == PAGE else []
        while page and remaining_s() >= RESERVE_S:
            try:
                page = self._provider.page(offset)
            except PROVIDER_ERRORS:
                self._keep_cursor(offset)
                done.next_offset = offset
                raise
            deleted = self._check_page(done, page, act)
            offset = offset + PAGE - deleted if len(page) == PAGE else 0
            page = page if offset else []
        done.next_offset = offset if page else 0
        self._keep_cursor(done.next_offset)

    def _check_page(self, done: Round, page: list[KeyFacts], act: Act) -> int:
        """Looks after the keys of one page; how many were deleted."""
        before = done.deleted
        for facts in page:
            place = parse_key_name(self._lifecycle.deployment, facts.name)
            if place is not None:
                done.seen += 1
                self._guarded(
                    done,
                    facts.name,
                    partial(self._check, done, facts, place, act),
                )
        return done.deleted - before

    def _check(self, done: Round, facts: KeyFacts, place: tuple[str, int], act: Act) -> None:
        key = provider_keys.find(self._ledger.table, *place)
        if key is None or key.state in (LOST, CLOSED) or key.hash not in ("", facts.hash):
            if key is not None and key.hash == facts.hash:
                self._charge(done, key, facts, act)
            self._provider.delete(facts.hash)
            done.deleted += 1
            logger.warning("be:orphan-deleted", extra={"key_name": facts.name})
            return
        if key.state == LIVE:
            key = self._charge(done, key, facts, act)
            self._ahead(done, key, act)

    def _charge(self, done: Round, key: ProviderKey, facts: KeyFacts, act: Act) -> ProviderKey:
        charged = self._lifecycle.charge(key, facts.usage, act)
        done.charged += charged.usage > key.usage
        return charged

    def _ahead(self, done: Round, key: ProviderKey, act: Act) -> None:
        """Replaces a key before its user asks, if that is due."""
        available = self._ledger.account(key.user).available
        if key.state != LIVE or available <= 0 or not wants_new_key(key, available, act.at):
            return
        try:
            is_replaced = self._issuer.replace(key.user, key.number, act, grace_s=AHEAD_GRACE_S)
        except NotCreated as failed:
            raise Busy(retry_after_s=failed.retry_after_s) from failed
        done.rotated += is_replaced

    def _cursor(self) -> int:
        item = self._ledger.table.get(*CURSOR)
        return item["offset"] if item is not None else 0

    def _keep_cursor(self, offset: int) -> None:
        pk, sk = CURSOR
        self._ledger.table.write(Put({"pk": pk, "sk": sk, "offset": offset}, condition=""))

    def _read_balance(self, done: Round) -> None:
        done.balance = self._provider.balance()
