"""Every change of a subscription and its keys: money moves of the ledger, and steps of a key's life.

What a key may spend is set aside on the account when the key is intended (`key_fund`), taken from there
as OpenRouter counts it (`usage`), and given back when the key is gone (`key_return`). So all keys of a user
together can never spend more than there is. What OpenRouter lets through beyond a key's limit is taken
from what is available, and the rest is on record (`usage_write_off`).

Each function makes one step where everything is still as it was seen, and nothing otherwise.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.ledger.items import Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, BesideRefused, Ledger, Once
from engine.platform.act import Act
from engine.platform.errors import InsufficientCredits
from engine.platform.table import Item, Put, Table, Update, Write
from engine.platform.times import DAY_S, iso
from engine.subscriptions.items import (
    ACTIVE,
    CLOSED,
    INTENDED,
    LIVE,
    LOST,
    SUBSCRIPTION_SK,
    USED_PREFIX,
    ProviderKey,
    Subscription,
    key_item,
    key_name,
    read_key,
    read_subscription,
)
from engine.subscriptions.key_steps import STATE, find_key, find_subscription, introduce, key_update
from engine.subscriptions.notices import Notices
from engine.subscriptions.plans import BASIC, PLANS

NO_NOTICES = Notices()
USAGE_DAYS = 400
"""How long what was used on a day is kept for its own sake; the ledger has it for ever."""


class SeenOnce:
    """An item that the move changes from what was seen of it."""

    def __init__(self, table: Table, update: Update, was: Callable[[Item], bool]) -> None:
        self._table = table
        self._update = update
        self._was = was

    def earlier(self) -> Item | None:
        """The item as somebody else left it, None while it is as it was seen."""
        item = self._table.get(self._update.pk, self._update.sk)
        return None if item is None or self._was(item) else item

    def write(self, entry: Entry) -> Update:
        return self._update


class PutOnce:
    """An item that the move puts where none is."""

    def __init__(self, table: Table, item: Item) -> None:
        self._table = table
        self._item = item

    def earlier(self) -> Item | None:
        return self._table.get(self._item["pk"], self._item["sk"])

    def write(self, entry: Entry) -> Put:
        return Put(self._item, condition="attribute_not_exists(pk)")


def open_subscription(
    ledger: Ledger, user: str, act: Act, *, email: str = "", username: str = ""
) -> Subscription:
    """The user's subscription, made with its first allowance if there is none; who was not known by name
    when a payment opened it is known from the first call on.
    """
    found = find_subscription(ledger.table, user)
    if found is not None:
        if email and not found.email:
            introduce(ledger.table, user, email, username)
        return found
    plan = PLANS[BASIC]
    item: Item = {
        "pk": account_pk(user),
        "sk": SUBSCRIPTION_SK,
        "user": user,
        "plan": plan.name,
        "state": ACTIVE,
        "period": 1,
        "total": plan.allowance,
        "current": 0,
        "rotation": 0,
        "rotations": 0,
        "retry_at": 0,
        "created_at": act.at,
        "updated_at": act.at,
        "email": email,
        "username": username,
    }
    move = Move(user, "plan_grant", plan.allowance, 0, act, subject=f"{plan.name}:1")
    with contextlib.suppress(AlreadyDone):
        ledger.post(move, PutOnce(ledger.table, item))
        return read_subscription(item)
    return find_subscription(ledger.table, user) or read_subscription(item)


def renew(ledger: Ledger, seen: Subscription, left: int, act: Act) -> bool:
    """Bring what is left to the plan's whole allowance; False where something was granted meanwhile."""
    allowance = seen.terms.allowance
    update = Update(
        account_pk(seen.user),
        SUBSCRIPTION_SK,
        "SET period = :next, #total = :total, updated_at = :now",
        "period = :seen AND #plan = :plan",
        names={"#total": "total", "#plan": "plan"},
        values={
            ":next": seen.period + 1,
            ":seen": seen.period,
            ":plan": seen.plan,
            ":total": allowance,
            ":now": act.at,
        },
    )
    subject = f"{seen.plan}:{seen.period + 1}"
    move = Move(seen.user, "plan_grant", allowance - left, 0, act, subject=subject)
    once = SeenOnce(ledger.table, update, lambda item: item["period"] == seen.period)
    try:
        ledger.post(move, once)
    except AlreadyDone:
        return False
    return True


def adjust(
    ledger: Ledger, seen: Subscription, type_: str, amount: int, once: Once, act: Act
) -> Entry:
    """Add `amount` micro-dollars, or take them from what is available; the entry.

    Raises `AlreadyDone`, `InsufficientCredits`.
    """
    move = Move(seen.user, type_, amount, 0, act)
    total = granted_beside(seen.user, amount)
    return ledger.post(move, once, also=lambda _: [total]).entry


def granted_beside(user: str, amount: int) -> Update:
    """What a grant changes of a subscription that is there: it is made from nothing seen, so it needs no
    condition, and it moves the period, so that nothing is made from what was seen before it.
    """
    return Update(
        account_pk(user),
        SUBSCRIPTION_SK,
        "ADD period :one, #total :amount",
        condition="",
        names={"#total": "total"},
        values={":one": 1, ":amount": amount},
    )


def change_plan(
    ledger: Ledger, seen: Subscription, plan: str, policy: str | None, once: Once, act: Act
) -> Entry | None:
    """Put the subscription on `plan` with `policy`, and grant what the plan's allowance is beyond what was
    granted since the last reset; None where something was granted meanwhile. Raises `AlreadyDone`.
    """
    amount = max(0, PLANS[plan].allowance - seen.total)
    update = Update(
        account_pk(seen.user),
        SUBSCRIPTION_SK,
        "SET #plan = :plan, #policy = :policy, period = :next, #total = :total, updated_at = :now",
        "period = :seen AND #plan = :was",
        names={"#plan": "plan", "#policy": "policy", "#total": "total"},
        values={
            ":plan": plan,
            ":policy": policy,
            ":next": seen.period + 1,
            ":total": seen.total + amount,
            ":seen": seen.period,
            ":was": seen.plan,
            ":now": act.at,
        },
    )
    move = Move(seen.user, "plan_change", amount, 0, act, subject=f"{seen.plan}->{plan}")
    try:
        return ledger.post(move, once, also=lambda _: [update]).entry
    except BesideRefused:
        return None


def intend(
    ledger: Ledger,
    seen: Subscription,
    limit: int,
    deployment: str,
    act: Act,
    *,
    lease_s: int,
    lifetime_s: int,
) -> ProviderKey | None:
    """Claim the next number, set `limit` aside for it, and write down that a key of its name is about to
    be made; None where somebody else was first, or the money is not there any more.
    """
    number = seen.rotations + 1
    key = ProviderKey(
        user=seen.user,
        number=number,
        name=key_name(deployment, seen.user, number),
        state=INTENDED,
        limit=limit,
        held=limit,
        usage=0,
        written_off=0,
        created_at=act.at,
        ends_at=act.at + lifetime_s,
        expires_at=act.at + lease_s,
    )
    claim = Update(
        account_pk(seen.user),
        SUBSCRIPTION_SK,
        "SET rotation = :number, rotations = :number, updated_at = :now",
        "rotations = :seen AND rotation = :none AND #state = :active AND #current = :current",
        names={**STATE, "#current": "current"},
        values={
            ":number": number,
            ":seen": seen.rotations,
            ":none": 0,
            ":active": ACTIVE,
            ":current": seen.current,
            ":now": act.at,
        },
    )
    move = Move(seen.user, "key_fund", -limit, limit, act, subject=key.name)
    once = PutOnce(ledger.table, key_item(key))
    try:
        ledger.post(move, once, also=lambda _: [claim])
    except (AlreadyDone, BesideRefused, InsufficientCredits):
        return None
    return key


def give_up(
    ledger: Ledger, key: ProviderKey, to: str, act: Act, *, retry_at: int, look_at: int
) -> bool:
    """Give back what was set aside for an intended key that will not be handed out, and let another be
    made from `retry_at` on. `to` is `CLOSED` where it was certainly not created, else `LOST`.

    Nobody has the secret of such a key, so nothing can be spent on it. False where it was not so any more.
    """
    change = "SET #state = :to, held = :nothing, expires_at = :look_at"
    update = key_update(
        key,
        change if to == LOST else f"{change} REMOVE open_shard",
        "#state = :intended",
        {":to": to, ":nothing": 0, ":intended": INTENDED, ":look_at": look_at},
    )
    free = Update(
        account_pk(key.user),
        SUBSCRIPTION_SK,
        "SET rotation = :none, retry_at = :retry_at, updated_at = :now",
        "rotation = :number",
        values={":none": 0, ":number": key.number, ":retry_at": retry_at, ":now": act.at},
    )
    move = Move(key.user, "key_return", key.held, -key.held, act, subject=key.name)
    once = SeenOnce(ledger.table, update, lambda item: item["state"] == INTENDED)
    try:
        ledger.post(move, once, also=lambda _: [free])
    except (AlreadyDone, BesideRefused):
        return False
    return True


def charge(
    ledger: Ledger, key: ProviderKey, usage: int, act: Act, *, notices: Notices = NO_NOTICES
) -> ProviderKey:
    """Charge what `usage` says beyond what was charged before; the key as it then is.

    What was set aside for the key pays first, then what is available; what neither can pay is written
    off. A reading that lags behind another changes nothing.
    """
    while usage > key.usage:
        delta = usage - key.usage
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
        key = _charged(ledger, key, after, move, act.at, notices)
    return key


def _charged(
    ledger: Ledger, key: ProviderKey, after: ProviderKey, move: Move, now: int, notices: Notices
) -> ProviderKey:
    update = key_update(
        key,
        "SET #usage = :usage, held = :after, written_off = :written_off, charged_at = :now",
        "#usage = :seen AND held = :held",
        {
            ":usage": after.usage,
            ":after": after.held,
            ":written_off": after.written_off,
            ":seen": key.usage,
            ":held": key.held,
            ":now": now,
        },
        {"#usage": "usage"},
        state=False,
    )
    once = SeenOnce(
        ledger.table,
        update,
        lambda item: (item["usage"], item["held"]) == (key.usage, key.held),
    )
    day = _day_write(key.user, after.usage - key.usage, now)
    try:
        ledger.post(move, once, also=lambda entry: [day, *notices.of_charge(entry)])
    except AlreadyDone as done:
        return read_key(done.item)
    except InsufficientCredits:
        return find_key(ledger.table, key.user, key.number) or key
    return after


def _day_write(user: str, used: int, now: int) -> Update:
    """What was used on a day, for the answers; it needs no condition, as the move's lets it happen once."""
    return Update(
        account_pk(user),
        f"{USED_PREFIX}{iso(now)[:10]}",
        "ADD used :used SET #ttl = :ttl",
        condition="",
        names={"#ttl": "ttl"},
        values={":used": used, ":ttl": now + USAGE_DAYS * DAY_S},
    )


def close(ledger: Ledger, key: ProviderKey, act: Act) -> bool:
    """The key is gone: what is left of its money is given back, and it is current no more.

    False where it was charged or closed meanwhile.
    """
    update = key_update(
        key,
        "SET #state = :closed, held = :nothing, closed_at = :now REMOVE open_shard, sealed",
        "#state = :seen AND #usage = :usage",
        {
            ":closed": CLOSED,
            ":nothing": 0,
            ":seen": key.state,
            ":usage": key.usage,
            ":now": act.at,
        },
        {"#usage": "usage"},
    )
    move = Move(key.user, "key_return", key.held, -key.held, act, subject=key.name)
    seen = (key.state, key.usage)
    once = SeenOnce(ledger.table, update, lambda item: (item["state"], item["usage"]) == seen)
    beside: Sequence[Write] = [_not_current(key, act.at)] if key.state == LIVE else []
    try:
        ledger.post(move, once, also=lambda _: list(beside))
    except (AlreadyDone, BesideRefused):
        return False
    return True


def _not_current(key: ProviderKey, now: int) -> Update:
    return Update(
        account_pk(key.user),
        SUBSCRIPTION_SK,
        "SET #current = :none, updated_at = :now",
        "#current = :number",
        names={"#current": "current"},
        values={":none": 0, ":number": key.number, ":now": now},
    )
