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
from engine.platform.errors import Busy, InsufficientCredits
from engine.platform.table import Cancelled, ConditionFailed, Item, Put, Table, Update, Write
from engine.subscriptions import outbox, provider_keys, subscription, usage
from engine.subscriptions.outbox import Notices
from engine.subscriptions.plans import BASIC, PLANS
from engine.subscriptions.provider_keys import INTENDED, LIVE, Place, ProviderKey
from engine.subscriptions.subscription import Figures, PlanChoice, Subscriber, Subscription

NO_NOTICES = Notices()
TRIES = 5
PAGE = 500
ADJUSTMENTS = ("admin_add", "admin_deduct")


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
    found = find(ledger, subscriber.user)
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
    return find(ledger, subscriber.user) or created


def find(ledger: Ledger, user: str) -> Subscription | None:
    """The user's subscription with its three figures, None if there is none. The figures of an item of the
    first version are computed from the ledger's entries and recorded.

    Raises `Busy`, `OutcomeUnknown`.
    """
    for _ in range(TRIES):
        seen = subscription.find(ledger.table, user)
        if seen is None or seen.granted is not None:
            return seen
        _written(ledger.table, subscription.figures(seen, _figures(ledger, seen)))
    raise Busy()


def _figures(ledger: Ledger, seen: Subscription) -> Figures:
    """The figures of `seen`, from all entries of its account, newest first."""
    granted = paid = adjusted = 0
    is_renewed, before = False, None
    while entries := ledger.entries(seen.user, limit=PAGE, before=before):
        for entry in entries:
            paid += entry.amount if entry.type == "top_up" else 0
            adjusted += entry.amount if entry.type in ADJUSTMENTS else 0
            if is_renewed:
                continue
            if entry.type == "plan_grant":
                # A renewal fills up to the allowance: all of that counts as granted.
                granted, is_renewed = granted + _allowance(entry), True
            granted += entry.amount if entry.type == "plan_change" else 0
        before = entries[-1].seq
    return Figures(granted, paid, adjusted)


def _allowance(grant: Entry) -> int:
    """The allowance of the plan that the entry of a grant names, `<plan>:<period>`."""
    plan = PLANS.get(grant.subject.partition(":")[0])
    return plan.allowance if plan is not None else grant.amount


def renew(ledger: Ledger, seen: Subscription, left: int, act: Act) -> bool:
    """Fill what is left of the plan's allowance up again; False if another grant came first.

    An allowance is used before other money, so what is left counts as the allowance's only as far as it is
    more than what was paid or added: the rest is not filled up, and stays on top.
    """
    other = max(0, seen.total - (seen.granted or 0))
    amount = seen.terms.allowance - max(0, left - other)
    update = subscription.renewal(seen, left + amount, act.at)
    subject = f"{seen.plan}:{seen.period + 1}"
    move = Move(seen.user, "plan_grant", amount, 0, act, subject=subject)
    once = SeenOnce(ledger.table, update, lambda item: item["period"] == seen.period)
    return _posted(ledger, move, once)


def adjust(ledger: Ledger, seen: Subscription, amount: int, once: Once, act: Act) -> Entry:
    """Add `amount` micro-dollars, or take them from what is available; the entry.

    Raises `AlreadyDone`, `InsufficientCredits`.
    """
    type_ = "admin_add" if amount > 0 else "admin_deduct"
    move = Move(seen.user, type_, amount, 0, act)
    counted = subscription.adjustment(seen.user, amount)
    return ledger.post(move, once, also=lambda _: [counted]).entry


def change_plan(
    ledger: Ledger,
    seen: Subscription,
    choice: PlanChoice,
    once: Once,
    act: Act,
    beside: Sequence[Write] = (),
) -> Entry | None:
    """Put the subscription on another plan, and grant the part of its allowance that no plan has granted
    since the last renewal; None if another grant came first. `beside` joins the transaction.

    Raises `AlreadyDone`.
    """
    amount = max(0, PLANS[choice.plan].allowance - (seen.granted or 0))
    update = subscription.plan_change(seen, choice, amount, act.at)
    subject = f"{seen.plan}->{choice.plan}"
    move = Move(seen.user, "plan_change", amount, 0, act, subject=subject)
    try:
        return ledger.post(move, once, also=lambda _: [update, *beside]).entry
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


def close(ledger: Ledger, key: ProviderKey, act: Act, *, is_missing: bool = False) -> bool:
    """Return what is left of the money of a key that was deleted, or that was missing in two answers
    (`is_missing`); it is no longer current.

    False if it was charged or closed meanwhile, or is no longer missing.
    """
    closing = provider_keys.closing_missing if is_missing else provider_keys.closing
    update = closing(key, act.at)
    move = Move(key.user, "key_return", key.held, -key.held, act, subject=key.name)
    seen = (key.state, key.usage, key.missing_since if is_missing else None)

    def is_as_seen(item: Item) -> bool:
        since = item.get("missing_since", 0) if is_missing else None
        return (item["state"], item["usage"], since) == seen

    once = SeenOnce(ledger.table, update, is_as_seen)
    beside = [subscription.demotion(key.user, key.number, act.at)] if key.state == LIVE else []
    return _posted(ledger, move, once, beside)


def block(ledger: Ledger, seen: Subscription, at: int, beside: Sequence[Write] = ()) -> bool:
    """Block the subscription; its key begins to retire and is due at once. False if it had changed. `beside`
    joins the transaction.
    """
    writes: list[Write] = [subscription.block(seen, at), *beside]
    if seen.current:
        writes.append(provider_keys.retirement(seen.user, seen.current, at))
    return _transacted(ledger, writes)


def unblock(ledger: Ledger, user: str, at: int, beside: Sequence[Write] = ()) -> bool:
    """Make a blocked subscription active; False if it is not blocked. `beside` joins the transaction."""
    return _transacted(ledger, [subscription.unblock(user, at), *beside])


def replay(ledger: Ledger, notice: Item, at: int, beside: Sequence[Write] = ()) -> bool:
    """Make a notice due again; False if it had changed. `beside` joins the transaction."""
    return _transacted(ledger, [outbox.replay(notice, at), *beside])


def record_disabled(ledger: Ledger, key: ProviderKey, look_at: int) -> bool:
    """The retiring key is disabled; its usage is read at `look_at`. False if it had changed."""
    return _written(ledger.table, provider_keys.disabling(key, look_at))


def postpone(ledger: Ledger, key: ProviderKey, settled_usage: int, look_at: int) -> bool:
    """The key keeps its state, and its next step is due at `look_at`. False if it had changed."""
    return _written(ledger.table, provider_keys.postponement(key, settled_usage, look_at))


def delay(ledger: Ledger, key: ProviderKey, look_at: int) -> bool:
    """The step of a due key failed; it is due again at `look_at`. False if it had changed."""
    return _written(ledger.table, provider_keys.delay(key, look_at))


def set_aside(ledger: Ledger, place: Place, now: int) -> bool:
    """Pass over a due item that cannot be read. False if it is no longer due."""
    return _written(ledger.table, provider_keys.set_aside(place, now))


def record_missing(ledger: Ledger, key: ProviderKey, since: int, look_at: int) -> bool:
    """OpenRouter answered at `since` that there is no such key. False if that was recorded before."""
    return _written(ledger.table, provider_keys.missing(key, since, look_at))


def record_present(ledger: Ledger, key: ProviderKey) -> bool:
    """A key that was missing is there. False if it had changed."""
    return _written(ledger.table, provider_keys.presence(key))


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
        table.write(replace(update, mark="written_by"))
    except ConditionFailed:
        return False
    return True
