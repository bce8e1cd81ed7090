"""What the subscription service keeps: one item for each subscription and one for each key of it.

A key's number counts up in its subscription and is never used twice; its name at OpenRouter says whose it
is and which number, so that a key of ours is known by its name alone, and a key that nobody knows of can
be found and deleted.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.ledger.items import account_pk
from engine.platform.ids import is_user_id, shard
from engine.platform.table import Item
from engine.subscriptions.plans import PLANS, RESET, Plan

SUBSCRIPTION_SK = "SUBSCRIPTION"
KEY_PREFIX = "KEY#"
USED_PREFIX = "USED#"
NUMBER_DIGITS = 9
SHARDS = 4
INDEX = "open-holds"
"""The index of what is to be looked at again; keys lie in partitions of their own."""

ACTIVE, BLOCKED = "active", "blocked"

INTENDED, LIVE, RETIRING, SETTLING, LOST, CLOSED = (
    "intended", "live", "retiring", "settling", "lost", "closed",
)  # fmt: skip
"""A key's way: it is about to be created; it is handed out; it is being replaced and still works; it is
disabled and its last usage is awaited; nobody knows whether it was created; it is gone.
"""

_NUMBER = re.compile(rf"[0-9]{{{NUMBER_DIGITS}}}")


@dataclass(frozen=True, slots=True)
class Subscription:
    """One user's subscription; amounts in micro-dollars, times in epoch seconds."""

    user: str
    plan: str
    state: str
    period: int
    """Counts the times that something was granted, so that a grant is made from what was seen."""
    total: int
    """What was granted since the last reset."""
    current: int
    """The number of the key that is handed out, 0 for none."""
    rotation: int
    """The number of the key that is being made, 0 for none."""
    rotations: int
    """The last number that was given."""
    retry_at: int
    """No key is made before: OpenRouter has just failed, or asked to wait."""
    created_at: int
    updated_at: int
    policy: str | None = None
    """Where it differs from the deployment's."""
    email: str | None = None
    username: str | None = None

    @property
    def terms(self) -> Plan:
        return PLANS[self.plan]

    def policy_here(self, usual: str) -> str:
        """What happens when it is used up; an unlimited plan is always granted anew."""
        return RESET if self.terms.unlimited else self.policy or usual


@dataclass(frozen=True, slots=True)
class ProviderKey:
    """One key at OpenRouter; `held` is what of its limit is set aside for it on the account."""

    user: str
    number: int
    name: str
    state: str
    limit: int
    held: int
    usage: int
    """What OpenRouter had counted when it was last charged; `charged` and `written_off` of it."""
    written_off: int
    created_at: int
    ends_at: int
    expires_at: int
    """When it is to be looked at again."""
    hash: str = ""
    sealed: str = ""
    settled_usage: int = -1
    """What the last reading said after it was disabled, -1 before the first."""

    @property
    def charged(self) -> int:
        return self.usage - self.written_off


def read_subscription(item: Mapping[str, Any]) -> Subscription:
    facts: dict[str, Any] = {name: item.get(name) for name in Subscription.__dataclass_fields__}
    return Subscription(**facts)


def read_key(item: Mapping[str, Any]) -> ProviderKey:
    known = {name: item[name] for name in ProviderKey.__dataclass_fields__ if name in item}
    facts: dict[str, Any] = {**known, "user": str(item["pk"]).removeprefix("A#")}
    return ProviderKey(**facts)


def key_item(key: ProviderKey) -> Item:
    """The item of a key that is about to be made."""
    return {
        "pk": account_pk(key.user),
        "sk": key_sk(key.number),
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


def key_sk(number: int) -> str:
    return f"{KEY_PREFIX}{number:0{NUMBER_DIGITS}d}"


def key_name(deployment: str, user: str, number: int) -> str:
    """`sub:<user>:<deployment>.<number>`."""
    return f"sub:{user}:{deployment}.{number:0{NUMBER_DIGITS}d}"


def parse_key_name(deployment: str, name: str) -> tuple[str, int] | None:
    """The user and number in the name of a key of this deployment, None for any other name."""
    kind, _, rest = name.partition(":")
    user, _, rotation = rest.rpartition(":")
    stack, _, number = rotation.rpartition(".")
    if kind != "sub" or stack != deployment or not is_user_id(user):
        return None
    return (user, int(number)) if _NUMBER.fullmatch(number) else None


def shard_of(user: str) -> str:
    """The partition of the index in which the keys of `user` lie."""
    return f"keys#{_shard(user)}"


def hook_shard(user: str) -> str:
    """The partition of the index in which the notices of `user` lie."""
    return f"hooks#{_shard(user)}"


def _shard(user: str) -> int:
    return shard(user, SHARDS)
