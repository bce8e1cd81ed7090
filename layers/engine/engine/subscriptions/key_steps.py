"""Steps of a subscription and its keys that move no money: each is made where everything is still as it was
seen, and nothing otherwise.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform.table import Cancelled, ConditionFailed, Table, Update, Write
from engine.subscriptions.items import (
    ACTIVE,
    BLOCKED,
    CLOSED,
    INTENDED,
    LIVE,
    LOST,
    RETIRING,
    SETTLING,
    SUBSCRIPTION_SK,
    ProviderKey,
    Subscription,
    key_sk,
    read_key,
    read_subscription,
    shard_of,
)

STATE = {"#state": "state"}


def find_subscription(table: Table, user: str) -> Subscription | None:
    item = table.get(account_pk(user), SUBSCRIPTION_SK)
    return read_subscription(item) if item is not None else None


def find_key(table: Table, user: str, number: int) -> ProviderKey | None:
    item = table.get(account_pk(user), key_sk(number)) if number else None
    return read_key(item) if item is not None else None


def introduce(table: Table, user: str, email: str, username: str) -> None:
    """Write down who the user is, where that is not known yet."""
    update = Update(
        account_pk(user),
        SUBSCRIPTION_SK,
        "SET email = :email, username = :username",
        "email = :unknown",
        values={":email": email, ":username": username, ":unknown": ""},
    )
    with contextlib.suppress(ConditionFailed):
        table.write(update)


def store(
    ledger: Ledger,
    key: ProviderKey,
    replaced: int,
    *,
    hash_: str,
    sealed: str,
    now: int,
    grace_s: int,
    beside: Sequence[Write] = (),
) -> ProviderKey | None:
    """Make the intended key the current one and begin to retire the one it replaces, all or nothing;
    None where the key is no longer wanted. `beside` goes into the same transaction.
    """
    writes: list[Write] = [
        key_update(
            key,
            "SET #state = :live, #hash = :hash, sealed = :sealed, stored_at = :now "
            "REMOVE open_shard",
            "#state = :intended",
            {
                ":live": LIVE,
                ":intended": INTENDED,
                ":hash": hash_,
                ":sealed": sealed,
                ":now": now,
            },
            {"#hash": "hash"},
        ),
        Update(
            account_pk(key.user),
            SUBSCRIPTION_SK,
            "SET #current = :number, rotation = :none, retry_at = :none, updated_at = :now",
            "rotation = :number AND #current = :replaced AND #state = :active",
            names={**STATE, "#current": "current"},
            values={
                ":number": key.number,
                ":replaced": replaced,
                ":none": 0,
                ":active": ACTIVE,
                ":now": now,
            },
        ),
    ]
    if replaced:
        writes.append(_retire_write(key.user, replaced, now + grace_s))
    writes.extend(beside)
    try:
        ledger.transact_patiently(writes)
    except Cancelled:
        return None
    return replace(key, state=LIVE, hash=hash_, sealed=sealed)


def disabled(table: Table, key: ProviderKey, *, look_at: int) -> bool:
    """The retiring key does not work any more; its last usage is awaited until `look_at`."""
    return _step(
        table,
        key,
        "SET #state = :settling, expires_at = :look_at",
        "#state = :retiring",
        {":settling": SETTLING, ":retiring": RETIRING, ":look_at": look_at},
    )


def look_again(table: Table, key: ProviderKey, *, settled_usage: int, look_at: int) -> bool:
    """The key stays as it is and is looked at again at `look_at`."""
    return _step(
        table,
        key,
        "SET settled_usage = :usage, expires_at = :look_at",
        "#state = :seen",
        {":usage": settled_usage, ":look_at": look_at, ":seen": key.state},
    )


def forget(table: Table, key: ProviderKey) -> bool:
    """No key of the lost one's name has come up, or it was deleted: it is closed."""
    return _step(
        table,
        key,
        "SET #state = :closed REMOVE open_shard",
        "#state = :lost",
        {":closed": CLOSED, ":lost": LOST},
    )


def retire(ledger: Ledger, seen: Subscription, *, state: str, now: int, look_at: int) -> bool:
    """Take the current key away without another in its place, and bring the subscription to `state`.

    False where it was not as it was seen.
    """
    writes: list[Write] = [
        Update(
            account_pk(seen.user),
            SUBSCRIPTION_SK,
            "SET #current = :none, #state = :state, updated_at = :now",
            "#current = :seen AND #state = :was AND period = :period",
            names={**STATE, "#current": "current"},
            values={
                ":none": 0,
                ":seen": seen.current,
                ":state": state,
                ":was": seen.state,
                ":period": seen.period,
                ":now": now,
            },
        )
    ]
    if seen.current:
        writes.append(_retire_write(seen.user, seen.current, look_at))
    try:
        ledger.transact_patiently(writes)
    except Cancelled:
        return False
    return True


def unblock(table: Table, seen: Subscription, *, now: int) -> bool:
    """A blocked subscription is active again; False where it was not blocked."""
    update = Update(
        account_pk(seen.user),
        SUBSCRIPTION_SK,
        "SET #state = :active, updated_at = :now",
        "#state = :blocked",
        names=STATE,
        values={":active": ACTIVE, ":blocked": BLOCKED, ":now": now},
        mark="unblocked_by",
    )
    try:
        table.write(update)
    except ConditionFailed:
        return False
    return True


def _retire_write(user: str, number: int, look_at: int) -> Update:
    return Update(
        account_pk(user),
        key_sk(number),
        "SET #state = :retiring, expires_at = :look_at, open_shard = :shard",
        "#state = :live",
        names=STATE,
        values={
            ":retiring": RETIRING,
            ":live": LIVE,
            ":look_at": look_at,
            ":shard": shard_of(user),
        },
    )


def key_update(
    key: ProviderKey,
    change: str,
    condition: str,
    values: dict[str, Any],
    names: dict[str, str] | None = None,
    *,
    state: bool = True,
) -> Update:
    named = {**(STATE if state else {}), **(names or {})}
    return Update(account_pk(key.user), key_sk(key.number), change, condition, named, values)


def _step(
    table: Table, key: ProviderKey, change: str, condition: str, values: dict[str, Any]
) -> bool:
    """A step that moves no money; False where the key was not as it was seen."""
    try:
        table.write(replace(key_update(key, change, condition, values), mark="stepped_by"))
    except ConditionFailed:
        return False
    return True
