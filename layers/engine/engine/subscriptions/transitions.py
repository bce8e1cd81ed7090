"""Every transition of a subscription and its keys: one transaction over the items that it changes, with the
ledger's entry where money moves.

A key's limit is set aside on the account when the key is intended (`key_fund`), taken from there as
OpenRouter counts usage (`usage`), and returned when the key is gone (`key_return`). So all keys of a user
together can never spend more than there is. Usage beyond a key's limit is taken from what is available;
the rest is written off on record (`usage_write_off`).

Each function makes one transition if the state still is as it was seen, and changes nothing otherwise.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.ledger.items import Entry, Move
from engine.ledger.posting import AlreadyDone, BesideRefused, Ledger, Once
from engine.platform.act import Act
from engine.platform.errors import InsufficientCredits
from engine.platform.table import Cancelled, ConditionFailed, Item, Put, Table, Update, Write
from engine.subscriptions import provider_keys, subscription, usage
from engine.subscriptions.outbox import Notices
from engine.subscriptions.plans import BASIC, PLANS
from engine.subscriptions.provider_keys import INTENDED, LIVE, ProviderKey
from engine.subscriptions.subscription import PlanChoice, Subscriber, Subscription

NO_NOTICES = Notices()


class SeenOnce:
    """An item that the move changes, if it still is as it was seen."""

    def __init__(self, table: Table, update: Update, is_as_seen: Callable[[Item], bool]) -> None:
        self._table = table
        self._update = update
        self._is_as_seen = is_as_seen

    def earlier(self) -> Item | None:
        """The item after another writer's change, None while it is as it was seen."""
        item = self._table.get(self._update.pk, self._update.sk)
        return None if item is None or self._is_as_seen(item) else item

    def write(self, entry: Entry) -> Update:
        return self._update


class PutOnce:
    """An item that the move creates, if there is none."""

    def __init__(self, table: Table, put: Put) -> None:
        self._table = table
        self._put = put

    def earlier(self) -> Item | None:
        return self._table.get(self._put.item["pk"], self._put.item["sk"])

    def write(self, entry: Entry) -> Put:
        return self._put


@dataclass(frozen=True, slots=True)
class Replaced:
    """The key that a new one replaces, 0 for none, and how long it still works."""

    number: int
    works_until: int


def open_subscription(ledger: Ledger, subscriber: Subscriber, act: Act) -> Subscription:
    """The user's subscription, created with its first allowance if there is none. E-mail and user name are
    recorded as soon as they are known.

    Raises `Busy`, `OutcomeUnknown`.
    """
    found = subscription.find(ledger.table, subscriber.user)
    if found is not None:
        if subscriber.email and not found.email:
            _written(ledger.table, subscription.introduction(subscriber))
        return found
    plan = PLANS[BASIC]
    put = subscription.opening(subscriber, plan, act.at)
    subject = f"{plan.name}:1"
    move = Move(subscriber.user, "plan_grant", plan.allowance, 0, act, subject=subject)
    created = subscription.read(put.item)
    with contextlib.suppress(AlreadyDone):
        ledger.post(move, PutOnce(ledger.table, put))
        return created
    return subscription.find(ledger.table, subscriber.user) or created


def renew(ledger: Ledger, seen: Subscription, left: int, act: Act) -> bool:
    """Fill what is left up to the plan's allowance; False if another grant came first."""
    update = subscription.renewal(seen, act.at)
    subject = f"{seen.plan}:{seen.period + 1}"
    amount = seen.terms.allowance - left
    move = Move(seen.user, "plan_grant", amount, 0, act, subject=subject)
    once = SeenOnce(ledger.table, update, lambda item: item["period"] == seen.period)
    return _posted(ledger, move, once)


def adjust(ledger: Ledger, seen: Subscription, amount: int, once: Once, act: Act) -> Entry:
    """Add `amount` micro-dollars, or take them from what is available; the entry.

    Raises `AlreadyDone`, `InsufficientCredits`.
    """
    type_ = "admin_add" if amount > 0 else "admin_deduct"
    move = Move(seen.user, type_, amount, 0, act)
    counted = subscription.addition(seen.user, amount)
    return ledger.post(move, once, also=lambda _: [counted]).entry


def change_plan(
    ledger: Ledger, seen: Subscription, choice: PlanChoice, once: Once, act: Act
) -> Entry | None:
    """Put the subscription on another plan, and grant the part of its allowance that was not granted since
    the last renewal; None if another grant came first. Raises `AlreadyDone`.
    """
    amount = max(0, PLANS[choice.plan].allowance - seen.total)
    update = subscription.plan_change(seen, choice, amount, act.at)
    subject = f"{seen.plan}->{choice.plan}"
    move = Move(seen.user, "plan_change", amount, 0, act, subject=subject)
    try:
        return ledger.post(move, once, also=lambda _: [update]).entry
    except BesideRefused:
        return None


def intend(
    ledger: Ledger, seen: Subscription, limit: int, deployment: str, act: Act
) -> ProviderKey | None:
    """Claim the next number, set `limit` aside, and record that a key of its name is about to be created;
    None if another claim came first, or the money is no longer there.
    """
    key = provider_keys.new(deployment, seen.user, seen.rotations + 1, limit, act.at)
    claim = subscription.claim(seen, act.at)
    move = Move(seen.user, "key_fund", -limit, limit, act, subject=key.name)
    once = PutOnce(ledger.table, provider_keys.intention(key))
    try:
        ledger.post(move, once, also=lambda _: [claim])
    except (AlreadyDone, BesideRefused, InsufficientCredits):
        return None
    return key


def store(
    ledger: Ledger, key: ProviderKey, replaced: Replaced, at: int, beside: Sequence[Write] = ()
) -> ProviderKey | None:
    """Make the intended key, which now has its hash and sealed secret, the current one, and begin to retire
    the one it replaces; None if the key is no longer wanted. `beside` joins the transaction.
    """
    writes: list[Write] = [
        provider_keys.storing(key, at),
        subscription.promotion(key.user, key.number, replaced.number, at),
    ]
    if replaced.number:
        retired = provider_keys.retirement(key.user, replaced.number, replaced.works_until)
        writes.append(retired)
    if not _transacted(ledger, [*writes, *beside]):
        return None
    return replace(key, state=LIVE)


def abandon(ledger: Ledger, key: ProviderKey, to: str, act: Act, *, retry_at: int) -> bool:
    """Return the money of an intended key that will not be handed out, and allow another from `retry_at` on.
    `to` is `CLOSED` where it certainly was not created, else `LOST`.

    Nobody has the secret of such a key, so nothing can be spent on it. False if it is no longer intended.
    """
    update = provider_keys.abandonment(key, to, act.at)
    unclaim = subscription.unclaim(key.user, key.number, retry_at, act.at)
    move = Move(key.user, "key_return", key.held, -key.held, act, subject=key.name)
    once = SeenOnce(ledger.table, update, lambda item: item["state"] == INTENDED)
    return _posted(ledger, move, once, [unclaim])


def charge(
    ledger: Ledger, key: ProviderKey, counted: int, act: Act, *, notices: Notices = NO_NOTICES
) -> ProviderKey:
    """Charge what OpenRouter's count `counted` is beyond the last charge; the key afterwards.

    The money set aside for the key pays first, then what is available; what neither can pay is written off.
    A reading that lags behind another changes nothing.
    """
    while counted > key.usage:
        delta = counted - key.usage
        from_held = min(delta, key.held)
        from_available = min(delta - from_held, ledger.account(key.user).available)
        paid = from_held + from_available
        move = Move(key.user, "usage", -from_available, -from_held, act, subject=key.name)
        written_off = 0
        if not paid:
            written_off = delta
            reason = f"{delta} micro-dollars beyond what there was"
            move = Move(
                key.user, "usage_write_off", 0, 0, replace(act, reason=reason), subject=key.name
            )
        after = replace(
            key,
            usage=key.usage + (paid or delta),
            held=key.held - from_held,
            written_off=key.written_off + written_off,
        )
        key = _charged(ledger, key, after, move, notices)
    return key


def _charged(
    ledger: Ledger, key: ProviderKey, after: ProviderKey, move: Move, notices: Notices
) -> ProviderKey:
    at = move.act.at
    seen = (key.usage, key.held)
    update = provider_keys.charge(key, after, at)
    once = SeenOnce(ledger.table, update, lambda item: (item["usage"], item["held"]) == seen)
    day = usage.day(key.user, after.usage - key.usage, at)
    try:
        ledger.post(move, once, also=lambda entry: [day, *notices.of_charge(entry)])
    except AlreadyDone as done:
        return provider_keys.read(done.item)
    except InsufficientCredits:
        return provider_keys.find(ledger.table, key.user, key.number) or key
    return after


def close(ledger: Ledger, key: ProviderKey, act: Act) -> bool:
    """Return what is left of the money of a key that is gone; it is no longer current.

    False if it was charged or closed meanwhile.
    """
    update = provider_keys.closing(key, act.at)
    move = Move(key.user, "key_return", key.held, -key.held, act, subject=key.name)
    seen = (key.state, key.usage)
    once = SeenOnce(ledger.table, update, lambda item: (item["state"], item["usage"]) == seen)
    beside = [subscription.demotion(key.user, key.number, act.at)] if key.state == LIVE else []
    return _posted(ledger, move, once, beside)


def block(ledger: Ledger, seen: Subscription, at: int) -> bool:
    """Block the subscription; its key begins to retire and is due at once. False if it had changed."""
    writes: list[Write] = [subscription.block(seen, at)]
    if seen.current:
        writes.append(provider_keys.retirement(seen.user, seen.current, at))
    return _transacted(ledger, writes)


def unblock(ledger: Ledger, user: str, at: int) -> bool:
    """Make a blocked subscription active; False if it is not blocked."""
    return _written(ledger.table, subscription.unblock(user, at))


def record_disabled(ledger: Ledger, key: ProviderKey, look_at: int) -> bool:
    """The retiring key is disabled; its usage is read at `look_at`. False if it had changed."""
    return _written(ledger.table, provider_keys.disabling(key, look_at))


def postpone(ledger: Ledger, key: ProviderKey, settled_usage: int, look_at: int) -> bool:
    """The key keeps its state, and its next step is due at `look_at`. False if it had changed."""
    return _written(ledger.table, provider_keys.postponement(key, settled_usage, look_at))


def forget(ledger: Ledger, key: ProviderKey) -> bool:
    """Close a lost key: it was deleted, or it never appeared. False if it is no longer lost."""
    return _written(ledger.table, provider_keys.forgetting(key))


def _posted(ledger: Ledger, move: Move, once: Once, beside: Sequence[Write] = ()) -> bool:
    try:
        ledger.post(move, once, also=lambda _: list(beside))
    except (AlreadyDone, BesideRefused):
        return False
    return True


def _transacted(ledger: Ledger, writes: Sequence[Write]) -> bool:
    try:
        ledger.transact_patiently(writes)
    except Cancelled:
        return False
    return True


def _written(table: Table, update: Update) -> bool:
    try:
        table.write(update)
    except ConditionFailed:
        return False
    return True
