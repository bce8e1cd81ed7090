"""Issues keys to subscribers: the current key once its usage is charged; a new one when half of it is used;
a new allowance or a refusal when everything is used.

Failure policy: while OpenRouter does not answer, the stored key is issued if it was good at the last reading;
without one the answer is 503 with `Retry-After`. Callers that come while a key is being created wait up to
`PATIENCE_S` for it, and all get that one.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.ledger.items import Account
from engine.platform.act import Act
from engine.platform.errors import KeysUnavailable, SubscriptionBlocked, SubscriptionUsedUp
from engine.platform.logs import logger
from engine.platform.table import Write
from engine.platform.times import DAY_S
from engine.subscriptions import provider_keys, transitions
from engine.subscriptions.lifecycle import (
    PROVIDER_ERRORS,
    SETTLE_S,
    KeyLifecycle,
    NotCreated,
    Overtaken,
    is_spendable,
)
from engine.subscriptions.plans import KEY_LIMIT, RESET, TOP_UP, shown
from engine.subscriptions.provider_keys import ProviderKey
from engine.subscriptions.subscription import BLOCKED, Subscriber, Subscription

PATIENCE_S = 8.0
POLL_S = 0.15
BUSY_S = 2
"""`Retry-After` where a key is being created."""

ENDING_S = 7 * DAY_S
"""A key with less than this left is replaced."""


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with its secret, and the account just before it was issued."""

    subscription: Subscription
    key: ProviderKey
    secret: str
    remaining: int
    is_fresh: bool
    """False where OpenRouter did not answer: the figures are those of the last reading."""

    def __repr__(self) -> str:
        return f"IssuedKey({self.key.name})"

    def members(self) -> dict[str, Any]:
        """The answer's `data`; amounts in credits."""
        plan = self.subscription.terms
        return {
            "key": self.secret,
            "remaining_credits": shown(self.remaining),
            "total_credits": shown(self.subscription.total),
            "daily_limit": shown(KEY_LIMIT),
            "key_remaining": shown(self.key.held),
            "plan": plan.name,
            "unlimited": plan.unlimited,
            "fresh": self.is_fresh,
        }


@dataclass(frozen=True, slots=True)
class _Seen:
    """A subscription with its key and account at one moment."""

    subscription: Subscription
    key: ProviderKey | None
    account: Account
    is_fresh: bool

    @property
    def remaining(self) -> int:
        return self.account.available + self.account.held


class KeyIssuer:
    """Issues keys; `policy` applies to used-up subscriptions that have none of their own."""

    def __init__(
        self,
        lifecycle: KeyLifecycle,
        policy: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.lifecycle = lifecycle
        self.ledger = lifecycle.ledger
        self._policy = policy
        self._clock = clock
        self._sleep = sleep

    def obtain(self, who: Subscriber, act: Act) -> IssuedKey:
        """The subscriber's key. Raises `SubscriptionBlocked`, `SubscriptionUsedUp`, `KeysUnavailable`,
        `Busy` or `OutcomeUnknown`.
        """
        transitions.open_subscription(self.ledger, who, act)
        began = self._clock()
        while True:
            found = self._subscription(who.user)
            try:
                waited_s = int(self._clock() - began)
                return self._attempt(found, replace(act, at=act.at + waited_s))
            except Overtaken:
                if self._clock() >= began + PATIENCE_S:
                    return self._stored(self._see(found, fresh=False), act.at, BUSY_S)
                self._sleep(POLL_S)

    def replace(
        self, user: str, number: int, act: Act, *, grace_s: int, beside: Sequence[Write] = ()
    ) -> bool:
        """Create a new key in place of the current one, `number`, whatever is left of that; False if there
        is no money for one, `number` is no longer current, or another process is creating one. `beside`
        joins the transaction that makes it current.

        Raises `NotCreated`, `Busy`, `OutcomeUnknown`.
        """
        seen = self._subscription(user)
        account = self.ledger.account(user)
        if seen.state == BLOCKED or account.available <= 0:
            return False
        if seen.current != number:
            return False
        if seen.rotation or act.at < seen.retry_at:
            return False
        try:
            self.lifecycle.create(seen, account.available, act, grace_s=grace_s, beside=beside)
        except Overtaken:
            return False
        return True

    def _subscription(self, user: str) -> Subscription:
        found = transitions.find(self.ledger, user)
        if found is None:
            raise KeysUnavailable()
        return found

    def _attempt(self, found: Subscription, act: Act) -> IssuedKey:
        """One attempt from one reading. Raises `Overtaken` if it is to be repeated."""
        if found.state == BLOCKED:
            raise SubscriptionBlocked()
        if found.rotation:
            self.lifecycle.release_claim(found, act)
            raise Overtaken()
        seen = self._charged(found, act)
        if seen.remaining <= found.terms.used_up_at:
            self._used_up(seen, act)
        if not wants_new_key(seen.key, seen.account.available, act.at):
            return self._issued(seen)
        return self._replaced(seen, act)

    def _charged(self, found: Subscription, act: Act) -> _Seen:
        """The state after the current key's usage is charged, if OpenRouter answers."""
        key = provider_keys.find(self.ledger.table, found.user, found.current)
        if key is None:
            return self._see(found, fresh=True)
        try:
            reading = self.lifecycle.read(key, act)
        except PROVIDER_ERRORS as error:
            logger.warning("be:openrouter", extra={"trouble": type(error).__name__})
            return self._see(found, fresh=False)
        facts = reading.facts
        if reading.is_closed:
            raise Overtaken()
        if facts is None:
            return self._see(found, fresh=False)
        key = self.lifecycle.charge(key, facts.usage, act)
        account = self.ledger.account(found.user)
        return _Seen(found, None if facts.disabled else key, account, True)

    def _see(self, found: Subscription, *, fresh: bool) -> _Seen:
        key = provider_keys.find(self.ledger.table, found.user, found.current)
        return _Seen(found, key, self.ledger.account(found.user), fresh)

    def _used_up(self, seen: _Seen, act: Act) -> None:
        """Raises `Overtaken` after a new allowance was granted, else the refusal."""
        policy = seen.subscription.policy_or(self._policy)
        if policy == RESET:
            transitions.renew(self.ledger, seen.subscription, seen.remaining, act)
            raise Overtaken()
        if policy == TOP_UP:
            raise SubscriptionUsedUp(details={"remaining_credits": shown(seen.remaining)})
        if transitions.block(self.ledger, seen.subscription, act.at):
            raise SubscriptionBlocked()
        raise Overtaken()

    def _replaced(self, seen: _Seen, act: Act) -> IssuedKey:
        found = seen.subscription
        if not seen.is_fresh or act.at < found.retry_at:
            return self._stored(seen, act.at, max(BUSY_S, found.retry_at - act.at))
        if seen.account.available <= 0:
            return self._stored(seen, act.at, SETTLE_S)
        try:
            new = self.lifecycle.create(found, seen.account.available, act)
        except NotCreated as failed:
            return self._stored(seen, act.at, failed.retry_after_s)
        return IssuedKey(found, new.key, new.secret, seen.remaining, True)

    def _stored(self, seen: _Seen, now: int, retry_after_s: int) -> IssuedKey:
        """The stored key if it can be handed out. Raises `KeysUnavailable`."""
        if seen.key is None or not is_spendable(seen.key, now):
            raise KeysUnavailable(retry_after_s=retry_after_s)
        return self._issued(seen)

    def _issued(self, seen: _Seen) -> IssuedKey:
        key = seen.key
        if key is None or not key.sealed:
            raise Overtaken()
        secret = self.lifecycle.sealer.open(key.sealed, user=key.user, hash_=key.hash)
        return IssuedKey(seen.subscription, key, secret, seen.remaining, seen.is_fresh)


def wants_new_key(key: ProviderKey | None, available: int, now: int) -> bool:
    """Whether a new key is due: there is none that can be handed out, or half of its limit is used and a new
    one would have more left, or it ends soon.
    """
    if key is None or not is_spendable(key, now):
        return True
    if min(KEY_LIMIT, available) > key.held and 2 * key.held <= key.limit:
        return True
    return now >= key.ends_at - ENDING_S and available > 0
