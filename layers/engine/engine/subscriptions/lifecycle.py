"""A key's life at OpenRouter as a saga: each step can fail or crash, and any later call resumes it.

    intend (claim, money set aside, the name recorded: one transaction)
      -> create at OpenRouter -> seal -> store (current; the old one begins to retire: one transaction)
    retiring -> disable -> settling -> read and charge, until two readings agree -> delete -> closed

- A key whose creation has no known outcome is `lost`: nobody has its secret. It is looked for by its name
  and deleted, for as long as its creation may still surface.
- "No such key" (404) counts only if it is answered twice, at least `MISSING_S` apart, with no other answer
  between: a lagging replica or a proxy answers it for a living key too. Until then the key is left as it is.
- Two processes may work on one key: the conditions of `engine.subscriptions.transitions` let each step happen
  once, and whoever finds that their new key is not wanted deletes it.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy
from engine.platform.logs import logger
from engine.platform.outgoing import NotSent, Unknown
from engine.platform.sealing import Sealer
from engine.platform.table import Write
from engine.subscriptions import provider_keys, transitions
from engine.subscriptions.openrouter import CreatedKey, KeyFacts, OpenRouter, Refused
from engine.subscriptions.outbox import Notices
from engine.subscriptions.plans import KEY_LIMIT
from engine.subscriptions.provider_keys import (
    CLOSED,
    INTENDED,
    LIVE,
    LOST,
    RETIRING,
    SETTLING,
    ProviderKey,
)
from engine.subscriptions.subscription import Subscription
from engine.subscriptions.transitions import Replaced

GRACE_S = 300
"""How long a replaced key still works, for requests that use it."""

SETTLE_S = 120
"""The time between two readings of a disabled key; they must agree before it is deleted."""

MISSING_S = 120
"""The least time between two answers that a key is missing, for them to count."""

LOST_S = 900
"""How long a lost creation may still surface."""

RETRY_S = 10

PROVIDER_ERRORS = (NotSent, Unknown, Refused)


class Overtaken(Exception):
    """Another process creates a key for this user, or has just changed the subscription."""


class NotCreated(Exception):
    """OpenRouter gave no key; the next attempt may be made in `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key with its secret, just created."""

    key: ProviderKey
    secret: str

    def __repr__(self) -> str:
        return f"NewKey({self.key.name})"


@dataclass(frozen=True, slots=True)
class Reading:
    """What OpenRouter answers about a key: its facts, or None if it is missing. `is_closed` says that it was
    missing for the second time, and that the key was closed.
    """

    facts: KeyFacts | None
    is_closed: bool = False


class KeyLifecycle:
    """Creates keys and ends them; `deployment` is part of their names."""

    def __init__(
        self,
        ledger: Ledger,
        provider: OpenRouter,
        sealer: Sealer,
        deployment: str,
        notices: Notices,
    ) -> None:
        self.ledger = ledger
        self.provider = provider
        self.sealer = sealer
        self.deployment = deployment
        self.notices = notices

    def create(
        self,
        seen: Subscription,
        available: int,
        act: Act,
        *,
        grace_s: int = GRACE_S,
        beside: Sequence[Write] = (),
    ) -> NewKey:
        """A new current key, limited to what is available; the one it replaces works for `grace_s` more.
        `beside` joins the transaction that makes it current.

        Raises `Overtaken`, `NotCreated`, `Busy` or `OutcomeUnknown`.
        """
        limit = min(KEY_LIMIT, available)
        key = transitions.intend(self.ledger, seen, limit, self.deployment, act)
        if key is None:
            raise Overtaken()
        created = self._created(key, act)
        replaced = Replaced(seen.current, act.at + grace_s)
        notices = self.notices.of_rotation(key, replaced.number, act.at)
        return self._store(key, created, replaced, act, [*notices, *beside])

    def release_claim(self, seen: Subscription, act: Act) -> bool:
        """Ends a creation whose process is gone; False while that may still be at work."""
        key = provider_keys.find(self.ledger.table, seen.user, seen.rotation)
        if key is None or key.state != INTENDED or act.at < key.expires_at:
            return False
        return transitions.abandon(self.ledger, key, LOST, act, retry_at=0)

    def advance(self, key: ProviderKey, listed: Callable[[], Iterable[KeyFacts]], act: Act) -> str:
        """Makes the next step of a key that is due; its state afterwards. `listed` gives the newest keys at
        OpenRouter. Raises `Busy`, and `NotSent`, `Refused` or `Unknown`, which leave it unchanged.
        """
        if act.at < key.expires_at:
            return key.state
        if key.state == LOST:
            return self._look_for(key, listed(), act.at)
        steps = {
            INTENDED: self._lose,
            LIVE: self._look_again,
            RETIRING: self._disable,
            SETTLING: self._settle,
        }
        return steps[key.state](key, act) if key.state in steps else key.state

    def charge(self, key: ProviderKey, counted: int, act: Act) -> ProviderKey:
        """Charges what OpenRouter has counted; the key afterwards. Raises `Busy`, `OutcomeUnknown`."""
        return transitions.charge(self.ledger, key, counted, act, notices=self.notices)

    def read(self, key: ProviderKey, act: Act) -> Reading:
        """OpenRouter's answer about the key, recorded as far as it says that the key is missing or there.

        Raises `Busy`, `NotSent`, `Refused`, `Unknown`.
        """
        began = time.monotonic()
        facts = self.provider.read(key.hash)
        if facts is None:
            waited = int(time.monotonic() - began)
            return Reading(None, self.missed(key, act, answered_at=act.at + waited))
        self.confirm(key)
        return Reading(facts)

    def missed(self, key: ProviderKey, act: Act, *, answered_at: int) -> bool:
        """Records that OpenRouter answered at `answered_at`, when asked at `act.at`, that there is no such
        key; whether that closed it.
        """
        if not key.missing_since:
            look_at = answered_at + MISSING_S
            transitions.record_missing(self.ledger, key, answered_at, look_at)
            return False
        if act.at < key.missing_since + MISSING_S:
            return False
        logger.warning("be:key-gone", extra={"user": key.user, "key_name": key.name})
        return transitions.close(self.ledger, key, act, is_missing=True)

    def confirm(self, key: ProviderKey) -> None:
        """Records that the key is there, if it was recorded as missing, also since `key` was read."""
        now = provider_keys.find(self.ledger.table, key.user, key.number)
        if now is not None and now.missing_since:
            transitions.record_present(self.ledger, now)

    def _created(self, key: ProviderKey, act: Act) -> CreatedKey:
        """The key at OpenRouter. Raises `NotCreated`, after the money set aside has been returned."""
        try:
            return self.provider.create(key.name, key.limit, key.ends_at)
        except NotSent:
            failed, state = NotCreated(RETRY_S), CLOSED
        except Refused as refused:
            failed, state = NotCreated(refused.retry_after_s), CLOSED
            logger.error("be:openrouter refused", extra={"status": refused.status})
        except Unknown as unknown:
            failed, state = NotCreated(RETRY_S), LOST
            logger.warning("be:key-lost", extra={"key_name": key.name, "kind": unknown.kind})
        retry_at = act.at + failed.retry_after_s
        transitions.abandon(self.ledger, key, state, act, retry_at=retry_at)
        raise failed

    def _store(
        self,
        key: ProviderKey,
        created: CreatedKey,
        replaced: Replaced,
        act: Act,
        beside: Sequence[Write],
    ) -> NewKey:
        try:
            sealed = self.sealer.seal(created.secret, user=key.user, hash_=created.hash)
        except Busy:
            self._discard(key, created, act, retry_at=act.at + RETRY_S)
            raise NotCreated(RETRY_S) from None
        stored = transitions.store(
            self.ledger,
            replace(key, hash=created.hash, sealed=sealed),
            replaced,
            act.at,
            beside,
        )
        if stored is None:
            self._discard(key, created, act, retry_at=0)
            raise Overtaken()
        logger.info(
            "be:key-made", extra={"user": key.user, "key_name": key.name, "limit": key.limit}
        )
        return NewKey(stored, created.secret)

    def _discard(self, key: ProviderKey, created: CreatedKey, act: Act, *, retry_at: int) -> None:
        """Deletes a key that cannot be handed out; if that fails, it is looked for by its name."""
        try:
            state = CLOSED if self.provider.delete(created.hash) else LOST
        except PROVIDER_ERRORS:
            state = LOST
        transitions.abandon(self.ledger, key, state, act, retry_at=retry_at)

    def _lose(self, key: ProviderKey, act: Act) -> str:
        is_lost = transitions.abandon(self.ledger, key, LOST, act, retry_at=0)
        return LOST if is_lost else key.state

    def _look_again(self, key: ProviderKey, act: Act) -> str:
        """Asks again for a live key that was missing."""
        reading = self.read(key, act)
        return CLOSED if reading.is_closed else key.state

    def _disable(self, key: ProviderKey, act: Act) -> str:
        if not self.provider.disable(key.hash):
            return CLOSED if self.missed(key, act, answered_at=act.at) else key.state
        moved = transitions.record_disabled(self.ledger, key, act.at + SETTLE_S)
        return SETTLING if moved else key.state

    def _settle(self, key: ProviderKey, act: Act) -> str:
        reading = self.read(key, act)
        facts = reading.facts
        if facts is None:
            return CLOSED if reading.is_closed else key.state
        counted = max(facts.usage, key.usage)
        key = self.charge(key, counted, act)
        if not facts.disabled:
            self.provider.disable(key.hash)
        if not facts.disabled or counted != key.settled_usage:
            transitions.postpone(self.ledger, key, counted, act.at + SETTLE_S)
            return key.state
        if self.provider.delete(key.hash):
            is_closed = transitions.close(self.ledger, key, act)
        else:
            is_closed = self.missed(key, act, answered_at=act.at)
        return CLOSED if is_closed else key.state

    def _look_for(self, key: ProviderKey, listed: Iterable[KeyFacts], now: int) -> str:
        """Deletes a lost key that has surfaced; after `LOST_S` it no longer will."""
        found = [facts.hash for facts in listed if facts.name == key.name]
        deleted = [self.provider.delete(hash_) for hash_ in found]
        if all(deleted) and (deleted or now >= key.created_at + LOST_S):
            return CLOSED if transitions.forget(self.ledger, key) else key.state
        transitions.postpone(self.ledger, key, -1, now + SETTLE_S)
        return key.state


def is_spendable(key: ProviderKey | None, now: int) -> bool:
    """Whether `key` can be handed out."""
    return key is not None and key.state == LIVE and key.held > 0 and now < key.ends_at
