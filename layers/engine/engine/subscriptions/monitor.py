"""The monitor of keys: resumes unfinished steps, charges keys without a call of their user, replaces keys
ahead of their users, deletes keys that the table does not know, and reads the operator's balance.

It reads OpenRouter's list page by page. Page 0, where new keys are, is read in every round; the others in
turn, as far as rate limits and time allow, and the next round continues where this one ended. Each part of a
round has a share of its time. What fails on one key is left for the next round, behind the other keys that
are due; what cannot be handled at all (an item or a member of the list of another form, a page that never
arrives) is set aside and reported. Two rounds at once are safe: every step is conditional. Keys under other
names than ours are never touched.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from engine.platform import logs
from engine.platform.act import Act
from engine.platform.errors import Busy, EngineError
from engine.platform.logs import logger
from engine.platform.outgoing import Unknown
from engine.platform.table import Put
from engine.subscriptions import provider_keys, transitions
from engine.subscriptions.issuing import KeyIssuer, wants_new_key
from engine.subscriptions.lifecycle import PROVIDER_ERRORS, NotCreated
from engine.subscriptions.openrouter import PAGE, KeyFacts, Page, ProviderBalance
from engine.subscriptions.provider_keys import (
    CLOSED,
    LIVE,
    LOST,
    Place,
    ProviderKey,
    parse_key_name,
)

BATCH = 100
RESERVE_S = 20.0
"""Nothing is started with less time than this left."""

DUE_SHARE, NEWEST_SHARE = 0.5, 0.75
"""The parts of a round's time after which no further due key, and no further key of page 0, is started."""

DELAY_S = 30
"""A key whose step failed is due again after this, in the next round, behind those that are due longer."""

AHEAD_GRACE_S = 3600
"""A key that was replaced before its user asked works longer: they do not have the new one yet."""

TRIES_OF_PAGE = 3
"""A page that fails in so many rounds in a row, while page 0 is answered, is passed over."""

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
    set_aside: int = 0
    next_offset: int = 0
    balance: ProviderBalance | None = None

    def counts(self) -> dict[str, int]:
        names = (
            "due", "seen", "charged", "rotated", "deleted", "troubles", "set_aside", "next_offset",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}

    def put_aside(self, what: str, error: str) -> None:
        """Counts and reports what cannot be handled."""
        self.set_aside += 1
        logs.set_aside("key-monitor", what, error)


@dataclass
class _Listing:
    """OpenRouter's list; page 0 is read at most once a round."""

    read: Callable[[int], Page]
    newest: Page | None = field(default=None)

    def first(self) -> Page:
        if self.newest is None:
            self.newest = self.read(0)
        return self.newest


@dataclass(frozen=True, slots=True)
class _Cursor:
    """The page that a round begins with after page 0, and the rounds in which it has failed."""

    offset: int = 0
    failures: int = 0


@dataclass(frozen=True)
class _Time:
    """The time of one round. An act of the round is made at the moment of its step."""

    act: Act
    clock: Callable[[], float]
    remaining_s: Callable[[], float]
    whole_s: float

    def now(self) -> Act:
        return replace(self.act, at=int(self.clock()))

    def is_left(self, share: float = 1.0) -> bool:
        """Whether less than `share` of the round's time is used."""
        return self.remaining_s() >= RESERVE_S + (1 - share) * max(0.0, self.whole_s - RESERVE_S)


class Monitor:
    """Looks after all keys of a deployment."""

    def __init__(self, issuer: KeyIssuer) -> None:
        self._issuer = issuer
        self._lifecycle = issuer.lifecycle
        self._ledger = issuer.ledger
        self._provider = issuer.lifecycle.provider

    def round(
        self, act: Act, *, clock: Callable[[], float], remaining_s: Callable[[], float]
    ) -> Round:
        """One round."""
        done = Round()
        time = _Time(act, clock, remaining_s, remaining_s())
        listing = _Listing(self._provider.page)
        for shard in range(provider_keys.SHARDS):
            self._guarded(done, f"shard {shard}", partial(self._due, done, shard, listing, time))
        self._guarded(done, "list", partial(self._walk, done, listing, time))
        self._guarded(done, "balance", partial(self._read_balance, done))
        return done

    def _guarded(self, done: Round, what: str, step: Callable[[], None]) -> bool:
        """Whether the step was made. What OpenRouter or the store refuse now is left for the next round; any
        other error is set aside, so that it ends no round.
        """
        try:
            step()
        except (*PROVIDER_ERRORS, EngineError) as error:
            done.troubles += 1
            logger.warning("be:keys-later", extra={"what": what, "trouble": type(error).__name__})
            return False
        except Exception as error:  # noqa: BLE001 - one element must not stop the round for the others.
            done.put_aside(what, type(error).__name__)
            return False
        return True

    def _due(self, done: Round, shard: int, listing: _Listing, time: _Time) -> None:
        now = time.now().at
        for place in provider_keys.due(self._ledger.table, shard, now, BATCH):
            if not time.is_left(DUE_SHARE):
                return
            done.due += 1
            if not self._guarded(done, place.sk, partial(self._advance, place, listing, time)):
                self._guarded(done, place.sk, partial(self._delay, place, time.now().at))

    def _advance(self, place: Place, listing: _Listing, time: _Time) -> None:
        key = provider_keys.at(self._ledger.table, place)
        if key is None:
            return
        state = self._lifecycle.advance(key, lambda: listing.first().keys, time.now())
        logger.info("be:key-step", extra={"key_name": key.name, "was": key.state, "state": state})

    def _delay(self, place: Place, now: int) -> None:
        """Puts a key whose step failed behind the others that are due."""
        try:
            key = provider_keys.at(self._ledger.table, place)
        except provider_keys.Unreadable:
            transitions.set_aside(self._ledger, place, now)
            return
        if key is not None and key.expires_at <= now:
            transitions.delay(self._ledger, key, now + DELAY_S)

    def _walk(self, done: Round, listing: _Listing, time: _Time) -> None:
        """Page 0, then the others from where the last round ended."""
        cursor = self._cursor()
        deleted, is_answered = 0, self._guarded(done, "page 0", lambda: self._first(done, listing))
        if is_answered:
            deleted = self._check_page(done, listing.first(), time, NEWEST_SHARE)
        offset = cursor.offset
        if is_answered:
            offset = max(PAGE - deleted, offset) if listing.first().size >= PAGE else 0
        failures = cursor.failures if offset == cursor.offset else 0
        while offset and time.is_left():
            page = self._page(done, _Cursor(offset, failures), is_answered=is_answered)
            deleted = self._check_page(done, page, time)
            offset = offset + PAGE - deleted if page.size >= PAGE else 0
            failures = 0
        done.next_offset = offset
        self._keep_cursor(_Cursor(offset, failures))

    def _first(self, done: Round, listing: _Listing) -> None:
        """Reads page 0. One that cannot be read at all is set aside, as no wait would help."""
        try:
            self._report_unreadable(done, listing.first())
        except Unknown as unknown:
            if unknown.kind not in ("too_large", "not_json"):
                raise
            done.put_aside("page 0", unknown.kind)
            listing.newest = Page([], PAGE)

    def _page(self, done: Round, cursor: _Cursor, *, is_answered: bool) -> Page:
        """The page at the cursor. One that has failed `TRIES_OF_PAGE` times is passed over, unless OpenRouter
        does not answer at all. Raises `NotSent`, `Refused`, `Unknown`.
        """
        try:
            page = self._provider.page(cursor.offset)
        except PROVIDER_ERRORS as error:
            failures = cursor.failures + 1 if is_answered and isinstance(error, Unknown) else 0
            left = _Cursor(cursor.offset, failures)
            if failures >= TRIES_OF_PAGE:
                done.put_aside(f"page at {cursor.offset}", type(error).__name__)
                left = _Cursor(cursor.offset + PAGE)
            done.next_offset = left.offset
            self._keep_cursor(left)
            raise
        self._report_unreadable(done, page)
        return page

    def _report_unreadable(self, done: Round, page: Page) -> None:
        for _ in range(page.size - len(page.keys)):
            done.put_aside("member of the list", "not_json")

    def _check_page(self, done: Round, page: Page, time: _Time, share: float = 1.0) -> int:
        """Looks after the keys of one page; how many were deleted."""
        before = done.deleted
        for facts in page.keys:
            place = parse_key_name(self._lifecycle.deployment, facts.name)
            if place is not None and time.is_left(share):
                done.seen += 1
                check = partial(self._check, done, facts, place, time.now())
                self._guarded(done, facts.name, check)
        return done.deleted - before

    def _check(self, done: Round, facts: KeyFacts, place: tuple[str, int], act: Act) -> None:
        key = provider_keys.find(self._ledger.table, *place)
        if key is None or key.state in (LOST, CLOSED) or key.hash not in ("", facts.hash):
            if key is not None and key.hash == facts.hash:
                self._charge(done, key, facts, act)
            if self._provider.delete(facts.hash):
                done.deleted += 1
                logger.warning("be:orphan-deleted", extra={"key_name": facts.name})
            return
        if key.missing_since:
            self._lifecycle.confirm(key)
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

    def _cursor(self) -> _Cursor:
        item = self._ledger.table.get(*CURSOR)
        return _Cursor() if item is None else _Cursor(item["offset"], item.get("failures", 0))

    def _keep_cursor(self, cursor: _Cursor) -> None:
        pk, sk = CURSOR
        item = {"pk": pk, "sk": sk, "offset": cursor.offset, "failures": cursor.failures}
        self._ledger.table.write(Put(item, condition=""))

    def _read_balance(self, done: Round) -> None:
        done.balance = self._provider.balance()
