"""The outbox item: notices to the operator's own system, by the pattern of the transactional outbox.

A notice is written in the transaction of the change that it reports, so there is one for each such change and
for no other, and sent afterwards: at least once, always with the same id, until the receiver answers 2xx, for
about two days. The item keeps its attempts for a month. In the index of open holds it is in `hooks#<shard>`
while it is due some time, then in `notices#<state>`. This module alone writes its expressions.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

from engine.ledger.items import Entry
from engine.platform.ids import digest, shard
from engine.platform.table import ConditionFailed, Item, Put, Table, Update, Write
from engine.platform.times import DAY_S, EVER, iso
from engine.subscriptions.plans import CREDIT, shown
from engine.subscriptions.provider_keys import INDEX, ProviderKey

LOW_AT = CREDIT
"""A notice is made when what is left falls below this."""

LOW_BALANCE, KEY_ROTATED = "subscription.low_balance", "subscription.key_rotated"
PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"
DELAYS_S = (60, 300, 1800, 7200, 18_000, 36_000, 72_000)
"""The wait after each failed attempt; after the last one the notice has failed."""

KEEP_S = 30 * DAY_S
LEASE_S = 60
"""Longer than the deadline of one attempt."""

LONGEST_WAIT_S = DAY_S
"""The longest `Retry-After` that is kept to."""

SPREADS = 64
SET_ASIDE_S = 3600
SHARDS = 4
KEPT_ATTEMPTS = 50
TIME_DIGITS = 12


_FORM = {"user": str, "type": str, "facts": str, "at": int, "round": int, "attempts": list}


@dataclass(frozen=True, slots=True)
class Notices:
    """Gives the notices of changes; none unless `is_on`."""

    is_on: bool = False

    def of_charge(self, entry: Entry) -> Sequence[Write]:
        """The notice of an entry that took the remaining money below `LOW_AT`."""
        left = entry.available_after + entry.held_after
        before = left - entry.amount - entry.held
        if not self.is_on or not before >= LOW_AT > left:
            return ()
        facts = {
            "userId": entry.user,
            "remaining_credits": shown(left),
            "threshold_credits": shown(LOW_AT),
        }
        return (_put(entry.user, LOW_BALANCE, str(entry.seq), facts, entry.at),)

    def of_rotation(self, key: ProviderKey, replaced: int, now: int) -> Sequence[Write]:
        """The notice of a key that replaced another; none for a first key."""
        if not self.is_on or not replaced:
            return ()
        facts = {
            "userId": key.user,
            "keyNumber": key.number,
            "replacedNumber": replaced,
            "limit_credits": shown(key.limit),
        }
        return (_put(key.user, KEY_ROTATED, str(key.number), facts, now),)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt to send a notice. `outcome` is a status or a word; `is_final` says that the receiver has the
    notice, or asks for no further attempt; `retry_after_s` is how long it asks to wait.
    """

    outcome: str
    is_final: bool = False
    retry_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the index has a notice: `at` is its next attempt, or when it got its last state."""

    at: int
    user: str
    message_id: str

    @classmethod
    def of(cls, key: Item) -> Self:
        return cls(int(key["expires_at"]), key["pk"].removeprefix(_pk("")), key["sk"])

    @property
    def key(self) -> tuple[int, str, str]:
        return self.at, _pk(self.user), self.message_id


class Unreadable(Exception):
    """The item does not have the form of a notice."""


def body_of(item: Item) -> bytes:
    """The message as it is sent, the same in each attempt. Raises `Unreadable`."""
    if any(not isinstance(item.get(name), kind) for name, kind in _FORM.items()):
        raise Unreadable(item["sk"])
    message = {
        "type": item["type"],
        "timestamp": iso(item["at"]),
        "data": json.loads(item["facts"]),
    }
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def due(table: Table, shard_number: int, now: int, limit: int) -> Iterator[Item]:
    """At most `limit` notices of the shard that are due, the longest first. Raises `Busy`."""
    places = table.due(INDEX, f"hooks#{shard_number}", now + 1, page=limit)
    for place in islice(places, limit):
        item = table.get(place["pk"], place["sk"])
        # The index lags behind: another process may have leased or finished the notice.
        if item is not None and item.get("state") == PENDING and item["expires_at"] <= now:
            yield item


def claim(table: Table, item: Item, now: int) -> bool:
    """Whether this process sends the due notice: no other does for `LEASE_S`."""
    return _is_changed(
        table,
        item,
        "SET expires_at = :until",
        condition="#state = :pending AND expires_at = :seen AND expires_at <= :now",
        values={
            ":until": now + LEASE_S,
            ":pending": PENDING,
            ":seen": item["expires_at"],
            ":now": now,
        },
    )


def record_attempt(table: Table, item: Item, attempt: Attempt, now: int) -> bool:
    """Record what came of the lease taken at `now`; False if the lease is no longer ours."""
    attempts = [*item["attempts"][-KEPT_ATTEMPTS + 1 :], {"at": now, "outcome": attempt.outcome}]
    round_ = item["round"]
    values: dict[str, Any] = {":attempts": attempts, ":pending": PENDING, ":until": now + LEASE_S}
    change = "SET attempts = :attempts, #state = :state"
    if attempt.is_final or round_ >= len(DELAYS_S):
        values[":state"] = DELIVERED if attempt.is_final else FAILED
        values |= {":next": now, ":list": list_of(values[":state"])}
        change += ", open_shard = :list, expires_at = :next"
    else:
        values[":state"] = PENDING
        values |= {":next": now + wait_s(item["sk"], round_, attempt), ":round": round_ + 1}
        change += ", expires_at = :next, #round = :round"
    names = {"#round": "round"} if ":round" in values else {}
    return _is_changed(
        table,
        item,
        change,
        condition="#state = :pending AND expires_at = :until",
        values=values,
        names=names,
    )


def wait_s(message_id: str, round_: int, attempt: Attempt) -> int:
    """The wait after a failed attempt: the delay of its round or the receiver's `Retry-After`, up to
    `LONGEST_WAIT_S`, whichever is longer, and up to a quarter more. That part depends on the notice, so
    that notices which failed together are not sent together again.
    """
    wait = max(DELAYS_S[round_], min(attempt.retry_after_s, LONGEST_WAIT_S))
    return wait + shard(f"{message_id}:{round_}", SPREADS) * wait // (4 * SPREADS)


def set_aside(table: Table, item: Item, now: int) -> bool:
    """Pass over a notice that cannot be handled, for `SET_ASIDE_S`; False if it had changed."""
    return _is_changed(
        table,
        item,
        "SET expires_at = :later",
        condition="#state = :pending AND expires_at <= :now",
        values={":later": now + SET_ASIDE_S, ":pending": PENDING, ":now": now + LEASE_S},
    )


def find(table: Table, user: str, message_id: str) -> Item | None:
    """The notice, None if there is none. Raises `Busy`."""
    return table.get(_pk(user), message_id)


def in_state(
    table: Table, state: str, limit: int, after: Place | None
) -> tuple[list[Item], Place | None]:
    """At most `limit` notices in a state, as the index has them, and the place to continue after; None at the
    end. Raises `Busy`.

    Pending ones come by their next attempt, others by when they got the state, newest first.
    """
    if state == PENDING:
        keys = _waiting(table, limit + 1, after)
    else:
        newest = table.latest(
            INDEX,
            list_of(state),
            (0, EVER),
            after=None if after is None else after.key,
            page=limit + 1,
        )
        keys = list(islice(newest, limit + 1))
    page = [(key["pk"], key["sk"]) for key in keys[:limit]]
    items = {(item["pk"], item["sk"]): item for item in table.get_many(page)}
    # The index lags behind: a notice may have another state by now, or be gone.
    found = [items[key] for key in page if key in items and items[key]["state"] == state]
    return found, Place.of(keys[limit - 1]) if len(keys) > limit else None


def _waiting(table: Table, limit: int, after: Place | None) -> list[Item]:
    """Keys of notices by their next attempt, then by shard, so that the order is the same for each page."""
    at, own = (after.at, shard(after.user, SHARDS)) if after is not None else (0, -1)
    found: list[Item] = []
    for number in range(SHARDS):
        start = after.key if after is not None and number == own else None
        since = at + 1 if number < own else at
        places = table.latest(
            INDEX, f"hooks#{number}", (since, EVER), after=start, page=limit, is_reversed=True
        )
        found += islice(places, limit)
    return sorted(found, key=lambda key: int(key["expires_at"]))[:limit]


def list_of(state: str) -> str:
    """The partition of the index that has the notices which ended in `state`."""
    return f"notices#{state}"


def replay(item: Item, at: int) -> Update:
    """Makes a notice due again, in whatever state it is."""
    return Update(
        item["pk"],
        item["sk"],
        "SET #state = :pending, expires_at = :now, open_shard = :shard, #round = :first",
        condition="#state = :seen",
        names={"#state": "state", "#round": "round"},
        values={
            ":pending": PENDING,
            ":seen": item["state"],
            ":now": at,
            ":shard": shard_of(item["user"]),
            ":first": 0,
        },
    )


def of_user(table: Table, user: str, *, limit: int, before: str | None) -> list[Item]:
    """A user's notices, newest first, below the id `before`."""
    return table.query(_pk(user), "msg_", limit=limit, before=before)


def members(item: Item) -> dict[str, Any]:
    """A notice in the admin API."""
    return {
        "id": item["sk"],
        "type": item["type"],
        "timestamp": iso(item["at"]),
        "state": item["state"],
        "data": json.loads(item["facts"]),
        "attempts": [
            {"timestamp": iso(attempt["at"]), "outcome": attempt["outcome"]}
            for attempt in item["attempts"]
        ],
        "nextAttemptAt": iso(item["expires_at"]) if item["state"] == PENDING else None,
    }


def notice(user: str, type_: str, about: str, facts: Mapping[str, Any], at: int) -> Put:
    """The write of a notice of `user`, for the transaction of what it reports; `about` tells notices of one
    user, type and second apart.
    """
    return _put(user, type_, about, facts, at)


def shard_of(user: str) -> str:
    """The partition of the index in which the notices of `user` lie."""
    return f"hooks#{shard(user, SHARDS)}"


def _pk(user: str) -> str:
    return f"HOOK#{user}"


def _put(user: str, type_: str, about: str, facts: Mapping[str, Any], at: int) -> Put:
    """It needs no condition: the transaction that it joins happens once."""
    message_id = f"msg_{at:0{TIME_DIGITS}d}_{digest(user, type_, about)}"
    item: Item = {
        "pk": _pk(user),
        "sk": message_id,
        "user": user,
        "type": type_,
        "facts": json.dumps(facts),
        "at": at,
        "state": PENDING,
        "round": 0,
        "attempts": [],
        "open_shard": shard_of(user),
        "expires_at": at,
        "ttl": at + KEEP_S,
    }
    return Put(item, condition="")


def _is_changed(
    table: Table,
    item: Item,
    change: str,
    *,
    condition: str,
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> bool:
    named = {"#state": "state", **(names or {})}
    try:
        table.write(Update(item["pk"], item["sk"], change, condition, named, values, "changed_by"))
    except ConditionFailed:
        return False
    return True
