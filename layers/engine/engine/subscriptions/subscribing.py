"""What a subscriber gets for a call: the key, after what it has used is charged; a new one when half of it
is used; a new allowance, or a refusal, when everything is.

Failure policy: while OpenRouter does not answer, the stored key is given as long as it was good when last
seen; without one the answer is 503 with the seconds to wait. Callers that meet while a key is made wait up
to `PATIENCE_S` for it and all get that one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from engine.ledger.items import Account
from engine.platform.act import Act
from engine.platform.errors import KeysUnavailable, SubscriptionBlocked, SubscriptionUsedUp
from engine.platform.logs import logger
from engine.platform.times import DAY_S
from engine.subscriptions import key_steps as steps
from engine.subscriptions import moves
from engine.subscriptions.items import BLOCKED, ProviderKey, Subscription
from engine.subscriptions.key_rotation import (
    SETTLE_S,
    TROUBLE,
    Made,
    NotMade,
    Overtaken,
    Rotation,
    is_spendable,
)
from engine.subscriptions.plans import KEY_LIMIT, RESET, TOP_UP, shown

PATIENCE_S = 8.0
POLL_S = 0.15
BUSY_S = 2
"""What a caller is told to wait where a key is just being made."""

ENDING_S = 7 * DAY_S
"""A key that ends within this time is replaced."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who asks, as their token says."""

    user: str
    email: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class Handed:
    """A key that is handed out, with the account as it was just before."""

    subscription: Subscription
    key: ProviderKey
    secret: str
    remaining: int
    is_fresh: bool
    """False where OpenRouter did not answer, and what was last known was given."""

    def __repr__(self) -> str:
        return f"Handed({self.key.name})"

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


class Subscribing:
    """Hands out keys; `policy` is what happens to the used up, where neither plan nor operator say."""

    def __init__(
        self,
        rotation: Rotation,
        policy: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.rotation = rotation
        self.ledger = rotation.ledger
        self._policy = policy
        self._clock = clock
        self._sleep = sleep

    def obtain(self, who: Subscriber, act: Act) -> Handed:
        """The subscriber's key. Raises `SubscriptionBlocked`, `SubscriptionUsedUp`, `KeysUnavailable`,
        `Busy` or `OutcomeUnknown`.
        """
        moves.open_subscription(self.ledger, who.user, act, email=who.email, username=who.username)
        give_up_at = self._clock() + PATIENCE_S
        while True:
            subscription = self._subscription(who.user)
            try:
                return self._attempt(subscription, act)
            except Overtaken:
                if self._clock() >= give_up_at:
                    return self._stored(self._see(subscription, fresh=False), act.at, BUSY_S)
                self._sleep(POLL_S)

    def replace(self, user: str, number: int, act: Act, *, grace_s: int) -> bool:
        """Make a new key in place of the current one, `number`, whatever is left of that; False where
        there is no money for one, it is not current any more, or somebody else is at it.

        Raises `NotMade`, `Busy`, `OutcomeUnknown`.
        """
        subscription = self._subscription(user)
        account = self.ledger.account(user)
        if subscription.state == BLOCKED or account.available <= 0:
            return False
        if subscription.current != number:
            return False
        if subscription.rotation or act.at < subscription.retry_at:
            return False
        try:
            self.rotation.make(subscription, account.available, act, grace_s=grace_s)
        except Overtaken:
            return False
        return True

    def _subscription(self, user: str) -> Subscription:
        found = steps.find_subscription(self.ledger.table, user)
        if found is None:
            raise KeysUnavailable()
        return found

    def _attempt(self, subscription: Subscription, act: Act) -> Handed:
        """One attempt from one look. Raises `Overtaken` where it is to be tried again."""
        if subscription.state == BLOCKED:
            raise SubscriptionBlocked()
        if subscription.rotation:
            self.rotation.take_over(subscription, act)
            raise Overtaken()
        seen = self._looked_up(subscription, act)
        if seen.remaining <= subscription.terms.used_up_at:
            self._used_up(seen, act)
        if not wants_new_key(seen.key, seen.account.available, act.at):
            return self._handed(seen)
        return self._rotated(seen, act)

    def _looked_up(self, subscription: Subscription, act: Act) -> _Seen:
        """The current key charged for what OpenRouter says of it, as far as OpenRouter answers."""
        key = steps.find_key(self.ledger.table, subscription.user, subscription.current)
        if key is None:
            return self._see(subscription, fresh=True)
        try:
            facts = self.rotation.provider.read(key.hash)
        except TROUBLE as trouble:
            logger.warning("be:openrouter", extra={"trouble": type(trouble).__name__})
            return self._see(subscription, fresh=False)
        if facts is None:
            self.rotation.gone(key, act)
            raise Overtaken()
        key = self.rotation.charge(key, facts.usage, act)
        account = self.ledger.account(subscription.user)
        return _Seen(subscription, None if facts.disabled else key, account, True)

    def _see(self, subscription: Subscription, *, fresh: bool) -> _Seen:
        key = steps.find_key(self.ledger.table, subscription.user, subscription.current)
        return _Seen(subscription, key, self.ledger.account(subscription.user), fresh)

    def _used_up(self, seen: _Seen, act: Act) -> None:
        """Raises `Overtaken` once there is a new allowance, else the refusal."""
        policy = seen.subscription.policy_here(self._policy)
        if policy == RESET:
            moves.renew(self.ledger, seen.subscription, seen.remaining, act)
            raise Overtaken()
        if policy == TOP_UP:
            raise SubscriptionUsedUp(details={"remaining_credits": shown(seen.remaining)})
        if steps.retire(self.ledger, seen.subscription, state=BLOCKED, now=act.at, look_at=act.at):
            raise SubscriptionBlocked()
        raise Overtaken()

    def _rotated(self, seen: _Seen, act: Act) -> Handed:
        subscription = seen.subscription
        if not seen.is_fresh or act.at < subscription.retry_at:
            return self._stored(seen, act.at, max(BUSY_S, subscription.retry_at - act.at))
        if seen.account.available <= 0:
            return self._stored(seen, act.at, SETTLE_S)
        try:
            made = self.rotation.make(subscription, seen.account.available, act)
        except NotMade as not_made:
            return self._stored(seen, act.at, not_made.retry_after_s)
        return self._new(seen, made)

    def _new(self, seen: _Seen, made: Made) -> Handed:
        return Handed(seen.subscription, made.key, made.secret, seen.remaining, True)

    def _stored(self, seen: _Seen, now: int, retry_after_s: int) -> Handed:
        """The stored key while it is good. Raises `KeysUnavailable`."""
        if seen.key is None or not is_spendable(seen.key, now):
            raise KeysUnavailable(retry_after_s=retry_after_s)
        return self._handed(seen)

    def _handed(self, seen: _Seen) -> Handed:
        key = seen.key
        if key is None or not key.sealed:
            raise Overtaken()
        secret = self.rotation.sealer.open(key.sealed, user=key.user, hash_=key.hash)
        return Handed(seen.subscription, key, secret, seen.remaining, seen.is_fresh)


def wants_new_key(key: ProviderKey | None, available: int, now: int) -> bool:
    """Whether a new key is due: there is none that can be handed out, or half of it is used and a new one
    would carry more, or it ends soon.
    """
    if key is None or not is_spendable(key, now):
        return True
    if min(KEY_LIMIT, available) > key.held and 2 * key.held <= key.limit:
        return True
    return now >= key.ends_at - ENDING_S and available > 0
