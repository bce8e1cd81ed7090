"""Notices to the operator's own system: written in the transaction that they tell of, sent afterwards.

So there is a notice for every such change, and for no other. It is sent at least once, with the same id each
time, until the receiver answers 2xx, for about two days; what was tried is kept with it for a month.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.ledger.items import Entry
from engine.platform.ids import digest
from engine.platform.table import ConditionFailed, Item, Put, Table, Update, Write
from engine.platform.times import DAY_S, iso
from engine.subscriptions.items import INDEX, ProviderKey, hook_shard
from engine.subscriptions.plans import CREDIT, shown

LOW_AT = CREDIT
"""A notice is made when what is left falls below this."""

LOW_BALANCE, KEY_ROTATED = "subscription.low_balance", "subscription.key_rotated"
PENDING, DELIVERED, FAILED = "pending", "delivered", "failed"
DELAYS_S = (60, 300, 1800, 7200, 18_000, 36_000, 72_000)
"""After each attempt that failed; after the last one no more."""

KEEP_S = 30 * DAY_S
LEASE_S = 60
KEPT_ATTEMPTS = 50
TIME_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Notices:
    """Makes notices where `is_on`, else none."""

    is_on: bool = False

    def of_charge(self, entry: Entry) -> Sequence[Write]:
        """What is left fell below `LOW_AT` by this entry."""
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
        """A key was put in the place of another."""
        if not self.is_on or not replaced:
            return ()
        facts = {
            "userId": key.user,
            "keyNumber": key.number,
            "replacedNumber": replaced,
            "limit_credits": shown(key.limit),
        }
        return (_put(key.user, KEY_ROTATED, str(key.number), facts, now),)


def body_of(item: Item) -> bytes:
    """The message as it is sent; the same each time."""
    message = {
        "type": item["type"],
        "timestamp": iso(item["at"]),
        "data": json.loads(item["facts"]),
    }
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def due(table: Table, shard: int, now: int, limit: int) -> list[Item]:
    """Notices to send, as they are now."""
    found = (
        table.get(place["pk"], place["sk"])
        for place in islice(table.due(INDEX, f"hooks#{shard}", now + 1, page=limit), limit)
    )
    return [item for item in found if item is not None and item["state"] == PENDING]


def claim(table: Table, item: Item, now: int) -> bool:
    """Whether this process sends it, as nobody else will for `LEASE_S`."""
    return _changed(
        table,
        item,
        "SET expires_at = :until",
        "#state = :pending AND expires_at = :seen",
        {":until": now + LEASE_S, ":pending": PENDING, ":seen": item["expires_at"]},
    )


def tried(table: Table, item: Item, outcome: str, *, is_delivered: bool, now: int) -> None:
    """Keep what came of an attempt; `outcome` is a status or a word."""
    attempts = [*item["attempts"][-KEPT_ATTEMPTS + 1 :], {"at": now, "outcome": outcome}]
    round_ = item["round"]
    values: dict[str, Any] = {":attempts": attempts, ":pending": PENDING, ":until": now + LEASE_S}
    change = "SET attempts = :attempts, #state = :state"
    if is_delivered or round_ >= len(DELAYS_S):
        values[":state"] = DELIVERED if is_delivered else FAILED
        change += " REMOVE open_shard"
    else:
        values[":state"] = PENDING
        values |= {":next": now + DELAYS_S[round_], ":round": round_ + 1}
        change += ", expires_at = :next, #round = :round"
    names = {"#round": "round"} if ":round" in values else {}
    _changed(table, item, change, "#state = :pending AND expires_at = :until", values, names)


def replay(table: Table, user: str, message_id: str, now: int) -> bool:
    """Send a notice again, whatever became of it; False where there is none."""
    item = table.get(hook_pk(user), message_id)
    if item is None:
        return False
    return _changed(
        table,
        item,
        "SET #state = :pending, expires_at = :now, open_shard = :shard, #round = :first",
        "#state = :seen",
        {
            ":pending": PENDING,
            ":seen": item["state"],
            ":now": now,
            ":shard": hook_shard(user),
            ":first": 0,
        },
        {"#round": "round"},
    )


def of_user(table: Table, user: str, *, limit: int, before: str | None) -> list[Item]:
    """A user's notices, newest first, below the id `before`."""
    return table.query(hook_pk(user), "msg_", limit=limit, before=before)


def members(item: Item) -> dict[str, Any]:
    """A notice as operators see it."""
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


def hook_pk(user: str) -> str:
    return f"HOOK#{user}"


def _put(user: str, type_: str, about: str, facts: Mapping[str, Any], at: int) -> Put:
    """It needs no condition: the transaction that it goes with happens once."""
    message_id = f"msg_{at:0{TIME_DIGITS}d}_{digest(user, type_, about)}"
    item: Item = {
        "pk": hook_pk(user),
        "sk": message_id,
        "user": user,
        "type": type_,
        "facts": json.dumps(facts),
        "at": at,
        "state": PENDING,
        "round": 0,
        "attempts": [],
        "open_shard": hook_shard(user),
        "expires_at": at,
        "ttl": at + KEEP_S,
    }
    return Put(item, condition="")


def _changed(
    table: Table,
    item: Item,
    change: str,
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
