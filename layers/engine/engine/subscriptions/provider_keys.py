"""The provider-key item: one for each key at OpenRouter, and the only module that writes its expressions.

A key's number counts up in its subscription and is never assigned twice; its name at OpenRouter says whose it
is and which number, so that a key of ours is known by its name alone, and one that the table does not know
can be found and deleted.

Each function gives the write of one transition, refused unless the item still is as it was seen.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.ledger.items import account_pk
from engine.platform.ids import is_user_id, shard
from engine.platform.table import Put, Table, Update
from engine.platform.times import DAY_S

SHARDS = 4
INDEX = "open-holds"
"""The index of items with a time at which they are due; keys lie in partitions of their own."""

INTENDED, LIVE, RETIRING, SETTLING, LOST, CLOSED = (
    "intended", "live", "retiring", "settling", "lost", "closed",
)  # fmt: skip
"""The states of a key: about to be created; handed out; replaced, but still working; disabled, its last
usage is awaited; creation outcome unknown; gone.
"""

LEASE_S = 20
"""Longer than one call to OpenRouter, one to KMS and one to the table may take together."""

LIFETIME_S = 90 * DAY_S
"""A key that the engine no longer looks after ends by itself."""

SET_ASIDE_S = 3600
"""How long an item that cannot be read is passed over."""

_PREFIX = "KEY#"
_NUMBER_DIGITS = 9
_NUMBER = re.compile(rf"[0-9]{{{_NUMBER_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """One key at OpenRouter; `held` is the part of its limit that is still set aside on the account.

    Amounts in micro-dollars, times in epoch seconds.
    """

    user: str
    number: int
    name: str
    state: str
    limit: int
    held: int
    usage: int
    """OpenRouter's count at the last charge: the sum of what was charged and `written_off`."""
    written_off: int
    created_at: int
    ends_at: int
    expires_at: int
    """When the key is due for its next step."""
    hash: str = ""
    sealed: str = ""
    settled_usage: int = -1
    """The last reading since the key was disabled, -1 before the first."""
    missing_since: int = 0
    """When OpenRouter first answered that there is no such key, 0 if its last answer was another."""

    @property
    def charged(self) -> int:
        return self.usage - self.written_off


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item lies."""

    pk: str
    sk: str


class Unreadable(Exception):
    """The item does not have the form of a key."""


_FIELDS: Mapping[str, type] = {
    name: str if field.type in (str, "str") else int
    for name, field in ProviderKey.__dataclass_fields__.items()
    if name != "user"
}


def key_name(deployment: str, user: str, number: int) -> str:
    """`sub:<user>:<deployment>.<number>`."""
    return f"sub:{user}:{deployment}.{number:0{_NUMBER_DIGITS}d}"


def parse_key_name(deployment: str, name: str) -> tuple[str, int] | None:
    """The user and number in the name of a key of this deployment, None for any other name."""
    kind, _, rest = name.partition(":")
    user, _, rotation = rest.rpartition(":")
    stack, _, number = rotation.rpartition(".")
    if kind != "sub" or stack != deployment or not is_user_id(user):
        return None
    return (user, int(number)) if _NUMBER.fullmatch(number) else None


def find(table: Table, user: str, number: int) -> ProviderKey | None:
    """The key, None if there is none. Raises `Busy`."""
    item = table.get(account_pk(user), _sk(number)) if number else None
    return read(item) if item is not None else None


def newest(table: Table, user: str, limit: int) -> list[ProviderKey]:
    """The user's last `limit` keys, newest first. Raises `Busy`."""
    items = table.query(account_pk(user), _PREFIX, limit=limit, consistent=True)
    return [read(item) for item in items]


def due(table: Table, shard_number: int, now: int, limit: int) -> Iterator[Place]:
    """Where at most `limit` keys of the shard lie that are due, the longest first. Raises `Busy`."""
    places = table.due(INDEX, f"keys#{shard_number}", now + 1, page=limit)
    return (Place(place["pk"], place["sk"]) for place in islice(places, limit))


def at(table: Table, place: Place) -> ProviderKey | None:
    """The key at `place`, None if there is none. Raises `Busy`, `Unreadable`."""
    item = table.get(place.pk, place.sk)
    return read(item) if item is not None else None


def read(item: Mapping[str, Any]) -> ProviderKey:
    """The key in `item`. Raises `Unreadable`."""
    facts: dict[str, Any] = {name: item[name] for name in _FIELDS if name in item}
    kinds = {name: type(value) for name, value in facts.items()}
    if kinds != {name: _FIELDS[name] for name in facts}:
        raise Unreadable(str(item.get("sk")))
    try:
        return ProviderKey(user=str(item["pk"]).removeprefix(account_pk("")), **facts)
    except (KeyError, TypeError):
        raise Unreadable(str(item.get("sk"))) from None


def new(deployment: str, user: str, number: int, limit: int, at: int) -> ProviderKey:
    """The key that is about to be created; all of its limit is set aside."""
    return ProviderKey(
        user=user,
        number=number,
        name=key_name(deployment, user, number),
        state=INTENDED,
        limit=limit,
        held=limit,
        usage=0,
        written_off=0,
        created_at=at,
        ends_at=at + LIFETIME_S,
        expires_at=at + LEASE_S,
    )


def intention(key: ProviderKey) -> Put:
    """Creates the item of a new key."""
    item = {
        "pk": account_pk(key.user),
        "sk": _sk(key.number),
        "number": key.number,
        "name": key.name,
        "state": key.state,
        "limit": key.limit,
        "held": key.held,
        "usage": key.usage,
        "written_off": key.written_off,
        "created_at": key.created_at,
        "ends_at": key.ends_at,
        "expires_at": key.expires_at,
        "open_shard": shard_of(key.user),
    }
    return Put(item, condition="attribute_not_exists(pk)")


def storing(key: ProviderKey, at: int) -> Update:
    """Makes an intended key live; `key` carries its hash and its sealed secret."""
    return _update(
        key,
        "SET #state = :live, #hash = :hash, sealed = :sealed, stored_at = :now REMOVE open_shard",
        condition="#state = :intended",
        names={"#state": "state", "#hash": "hash"},
        values={
            ":live": LIVE,
            ":intended": INTENDED,
            ":hash": key.hash,
            ":sealed": key.sealed,
            ":now": at,
        },
    )


def abandonment(key: ProviderKey, to: str, look_at: int) -> Update:
    """Ends an intended key that will not be handed out, in state `to`: `CLOSED` where it certainly was not
    created, else `LOST`.
    """
    change = "SET #state = :to, held = :nothing, expires_at = :look_at"
    return _update(
        key,
        change if to == LOST else f"{change} REMOVE open_shard",
        condition="#state = :intended",
        names={"#state": "state"},
        values={":to": to, ":nothing": 0, ":intended": INTENDED, ":look_at": look_at},
    )


def retirement(user: str, number: int, look_at: int) -> Update:
    """Begins to retire live key `number`; it works until `look_at`."""
    return Update(
        account_pk(user),
        _sk(number),
        "SET #state = :retiring, expires_at = :look_at, open_shard = :shard",
        condition="#state = :live",
        names={"#state": "state"},
        values={
            ":retiring": RETIRING,
            ":live": LIVE,
            ":look_at": look_at,
            ":shard": shard_of(user),
        },
    )


def disabling(key: ProviderKey, look_at: int) -> Update:
    """Records that a retiring key was disabled; its usage is read at `look_at`."""
    return _update(
        key,
        "SET #state = :settling, expires_at = :look_at REMOVE missing_since",
        condition="#state = :retiring",
        names={"#state": "state"},
        values={":settling": SETTLING, ":retiring": RETIRING, ":look_at": look_at},
    )


def postponement(key: ProviderKey, settled_usage: int, look_at: int) -> Update:
    """Keeps the key's state; its next step is due at `look_at`."""
    return _update(
        key,
        "SET settled_usage = :usage, expires_at = :look_at REMOVE missing_since",
        condition="#state = :seen",
        names={"#state": "state"},
        values={":usage": settled_usage, ":look_at": look_at, ":seen": key.state},
    )


def delay(key: ProviderKey, look_at: int) -> Update:
    """Makes a key that is due due again at `look_at`, as its step failed."""
    return _update(
        key,
        "SET expires_at = :look_at",
        condition="#state = :seen AND expires_at = :due",
        names={"#state": "state"},
        values={":look_at": look_at, ":seen": key.state, ":due": key.expires_at},
    )


def set_aside(place: Place, now: int) -> Update:
    """Passes over a due item that cannot be read, for `SET_ASIDE_S`."""
    return Update(
        place.pk,
        place.sk,
        "SET expires_at = :later",
        condition="expires_at <= :now",
        values={":later": now + SET_ASIDE_S, ":now": now},
    )


def missing(key: ProviderKey, since: int, look_at: int) -> Update:
    """Records the first answer that there is no such key; it is asked for again at `look_at`."""
    return _update(
        key,
        "SET missing_since = :since, expires_at = :look_at, open_shard = :shard",
        condition="#state = :seen AND attribute_not_exists(missing_since)",
        names={"#state": "state"},
        values={
            ":since": since,
            ":look_at": look_at,
            ":shard": shard_of(key.user),
            ":seen": key.state,
        },
    )


def presence(key: ProviderKey) -> Update:
    """Records that a key which was missing is there. A live key is due no more."""
    change = "REMOVE missing_since"
    return _update(
        key,
        f"{change}, open_shard" if key.state == LIVE else change,
        condition="#state = :seen AND missing_since = :since",
        names={"#state": "state"},
        values={":seen": key.state, ":since": key.missing_since},
    )


def charge(seen: ProviderKey, after: ProviderKey, at: int) -> Update:
    """Takes the key from the usage that was seen to that of `after`."""
    return _update(
        seen,
        "SET #usage = :usage, held = :after, written_off = :written_off, charged_at = :now",
        condition="#usage = :seen AND held = :held",
        names={"#usage": "usage"},
        values={
            ":usage": after.usage,
            ":after": after.held,
            ":written_off": after.written_off,
            ":seen": seen.usage,
            ":held": seen.held,
            ":now": at,
        },
    )


def closing(key: ProviderKey, at: int) -> Update:
    """Closes a key that was deleted at OpenRouter, and forgets its secret."""
    return _update(
        key,
        "SET #state = :closed, held = :nothing, closed_at = :now REMOVE open_shard, sealed",
        condition="#state = :seen AND #usage = :usage",
        names={"#state": "state", "#usage": "usage"},
        values={
            ":closed": CLOSED,
            ":nothing": 0,
            ":seen": key.state,
            ":usage": key.usage,
            ":now": at,
        },
    )


def closing_missing(key: ProviderKey, at: int) -> Update:
    """Closes a key that was missing in two answers, unless it was there in an answer between them."""
    return _update(
        key,
        "SET #state = :closed, held = :nothing, closed_at = :now REMOVE open_shard, sealed",
        condition="#state = :seen AND #usage = :usage AND missing_since = :since",
        names={"#state": "state", "#usage": "usage"},
        values={
            ":closed": CLOSED,
            ":nothing": 0,
            ":seen": key.state,
            ":usage": key.usage,
            ":since": key.missing_since,
            ":now": at,
        },
    )


def forgetting(key: ProviderKey) -> Update:
    """Closes a lost key: it was deleted, or it never appeared."""
    return _update(
        key,
        "SET #state = :closed REMOVE open_shard",
        condition="#state = :lost",
        names={"#state": "state"},
        values={":closed": CLOSED, ":lost": LOST},
    )


def shard_of(user: str) -> str:
    """The partition of the index in which the keys of `user` lie."""
    return f"keys#{shard(user, SHARDS)}"


def _sk(number: int) -> str:
    return f"{_PREFIX}{number:0{_NUMBER_DIGITS}d}"


def _update(
    key: ProviderKey,
    change: str,
    *,
    condition: str,
    names: Mapping[str, str],
    values: Mapping[str, Any],
) -> Update:
    return Update(account_pk(key.user), _sk(key.number), change, condition, names, values)
