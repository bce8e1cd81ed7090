"""A key's life at OpenRouter as a saga: each step can fail or crash, and any later call takes it up.

    intend (claim, money set aside, the name written down: one transaction)
      -> create at OpenRouter -> seal -> store (it is current, the old one begins to retire: one transaction)
    retiring -> disable -> settling -> read and charge, until two readings agree -> delete -> closed

- A key whose creation has no known outcome is `lost`: nobody has its secret. It is looked for by its name
  and deleted, for as long as its creation may still arrive.
- Two processes may both be at it: the conditions of `engine.subscriptions.moves` let each step happen
  once, and whoever finds their key unwanted deletes it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy
from engine.platform.logs import logger
from engine.platform.outgoing import NotSent, Unknown
from engine.platform.sealing import Sealer
from engine.platform.times import DAY_S
from engine.subscriptions import key_steps as steps
from engine.subscriptions import moves
from engine.subscriptions.items import (
    CLOSED,
    INTENDED,
    LIVE,
    LOST,
    RETIRING,
    SETTLING,
    ProviderKey,
    Subscription,
)
from engine.subscriptions.notices import Notices
from engine.subscriptions.openrouter import CreatedKey, KeyFacts, OpenRouter, Refused
from engine.subscriptions.plans import KEY_LIMIT

LEASE_S = 20
"""Longer than one call to OpenRouter, one to KMS and one to the table may take together."""

LIFETIME_S = 90 * DAY_S
"""A dead man's switch: a key ends by itself when nothing looks after it any more."""

GRACE_S = 300
"""How long a replaced key still works, for what is under way with it."""

SETTLE_S = 120
"""Between two readings of a disabled key; they must agree before it is deleted."""

LOST_S = 900
"""As long, a creation whose outcome nobody knows may still come up."""

RETRY_S = 10

TROUBLE = (NotSent, Unknown, Refused)


class Overtaken(Exception):
    """Somebody else makes a key for this user, or has just changed the subscription."""


class NotMade(Exception):
    """OpenRouter gave no key; there may be one in `retry_after_s`."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Made:
    """A key with its secret, just created."""

    key: ProviderKey
    secret: str

    def __repr__(self) -> str:
        return f"Made({self.key.name})"


class Rotation:
    """Makes keys and ends them; `deployment` stands in their names."""

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

    def make(self, seen: Subscription, available: int, act: Act, *, grace_s: int = GRACE_S) -> Made:
        """A new current key, limited to what is available; the one it replaces works for `grace_s` more.

        Raises `Overtaken`, `NotMade`, `Busy` or `OutcomeUnknown`.
        """
        limit = min(KEY_LIMIT, available)
        key = moves.intend(
            self.ledger,
            seen,
            limit,
            self.deployment,
            act,
            lease_s=LEASE_S,
            lifetime_s=LIFETIME_S,
        )
        if key is None:
            raise Overtaken()
        created = self._create(key, act)
        return self._keep(key, seen.current, created, act, grace_s)

    def take_over(self, seen: Subscription, act: Act) -> bool:
        """Frees the subscription of a rotation whose process is gone; False while it may be at work."""
        key = steps.find_key(self.ledger.table, seen.user, seen.rotation)
        if key is None or key.state != INTENDED or act.at < key.expires_at:
            return False
        return self._lose(key, act, retry_at=0)

    def advance(self, key: ProviderKey, listed: Callable[[], Iterable[KeyFacts]], act: Act) -> str:
        """The next step of a key whose time has come; its state after it. `listed` gives all keys at
        OpenRouter. Raises `Busy`, and `NotSent`, `Refused` or `Unknown`: then it stays as it is.
        """
        match key.state:
            case _ if act.at < key.expires_at:
                return key.state
            case state if state == INTENDED:
                return LOST if self._lose(key, act, retry_at=0) else key.state
            case state if state == RETIRING:
                return self._disable(key, act.at)
            case state if state == SETTLING:
                return self._settle(key, act)
            case state if state == LOST:
                return self._look_for(key, listed(), act.at)
        return key.state

    def charge(self, key: ProviderKey, usage: int, act: Act) -> ProviderKey:
        """Charge what OpenRouter has counted; the key as it then is. Raises `Busy`, `OutcomeUnknown`."""
        return moves.charge(self.ledger, key, usage, act, notices=self.notices)

    def gone(self, key: ProviderKey, act: Act) -> None:
        """Somebody deleted the key at OpenRouter: it is closed as it was last charged."""
        logger.warning("be:key-gone", extra={"user": key.user, "key_name": key.name})
        moves.close(self.ledger, key, act)

    def _create(self, key: ProviderKey, act: Act) -> CreatedKey:
        """The key at OpenRouter. Raises `NotMade`, after what was set aside has been given back."""
        try:
            return self.provider.create(key.name, key.limit, key.ends_at)
        except NotSent:
            not_made, state = NotMade(RETRY_S), CLOSED
        except Refused as refused:
            not_made, state = NotMade(refused.retry_after_s), CLOSED
            logger.error("be:openrouter refused", extra={"status": refused.status})
        except Unknown as unknown:
            not_made, state = NotMade(RETRY_S), LOST
            logger.warning("be:key-lost", extra={"key_name": key.name, "kind": unknown.kind})
        self._give_up(key, state, act, retry_at=act.at + not_made.retry_after_s)
        raise not_made

    def _keep(
        self, key: ProviderKey, replaced: int, created: CreatedKey, act: Act, grace_s: int
    ) -> Made:
        try:
            sealed = self.sealer.seal(created.secret, user=key.user, hash_=created.hash)
        except Busy:
            self._discard(key, created, act, retry_at=act.at + RETRY_S)
            raise NotMade(RETRY_S) from None
        stored = steps.store(
            self.ledger,
            key,
            replaced,
            hash_=created.hash,
            sealed=sealed,
            now=act.at,
            grace_s=grace_s,
            beside=self.notices.of_rotation(key, replaced, act.at),
        )
        if stored is None:
            self._discard(key, created, act, retry_at=0)
            raise Overtaken()
        logger.info(
            "be:key-made", extra={"user": key.user, "key_name": key.name, "limit": key.limit}
        )
        return Made(stored, created.secret)

    def _discard(self, key: ProviderKey, created: CreatedKey, act: Act, *, retry_at: int) -> None:
        """Delete a key that can not be handed out; where that fails, it is looked for by its name."""
        try:
            self.provider.delete(created.hash)
            state = CLOSED
        except TROUBLE:
            state = LOST
        self._give_up(key, state, act, retry_at=retry_at)

    def _lose(self, key: ProviderKey, act: Act, *, retry_at: int) -> bool:
        return self._give_up(key, LOST, act, retry_at=retry_at)

    def _give_up(self, key: ProviderKey, state: str, act: Act, *, retry_at: int) -> bool:
        return moves.give_up(self.ledger, key, state, act, retry_at=retry_at, look_at=act.at)

    def _disable(self, key: ProviderKey, now: int) -> str:
        self.provider.disable(key.hash)
        moved = steps.disabled(self.ledger.table, key, look_at=now + SETTLE_S)
        return SETTLING if moved else key.state

    def _settle(self, key: ProviderKey, act: Act) -> str:
        facts = self.provider.read(key.hash)
        if facts is None:
            return CLOSED if moves.close(self.ledger, key, act) else key.state
        usage = max(facts.usage, key.usage)
        key = self.charge(key, usage, act)
        if not facts.disabled:
            self.provider.disable(key.hash)
        if not facts.disabled or usage != key.settled_usage:
            steps.look_again(self.ledger.table, key, settled_usage=usage, look_at=act.at + SETTLE_S)
            return key.state
        self.provider.delete(key.hash)
        return CLOSED if moves.close(self.ledger, key, act) else key.state

    def _look_for(self, key: ProviderKey, listed: Iterable[KeyFacts], now: int) -> str:
        """A lost key that came up is deleted; one that did not in time never will."""
        found = [facts.hash for facts in listed if facts.name == key.name]
        for hash_ in found:
            self.provider.delete(hash_)
        if found or now >= key.created_at + LOST_S:
            return CLOSED if steps.forget(self.ledger.table, key) else key.state
        steps.look_again(self.ledger.table, key, settled_usage=-1, look_at=now + SETTLE_S)
        return key.state


def is_spendable(key: ProviderKey | None, now: int) -> bool:
    """Whether `key` can be handed out."""
    return key is not None and key.state == LIVE and key.held > 0 and now < key.ends_at
