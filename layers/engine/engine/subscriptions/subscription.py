"""The subscription item: one for each subscriber, and the only module that writes its expressions.

Each function gives the write of one transition, refused unless the item still is as it was seen; the module
`transitions` puts it into a transaction with the ledger's entry and the writes of other items.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.ledger.items import account_pk
from engine.platform.table import Item, Put, Table, Update
from engine.subscriptions.plans import PLANS, RESET, Plan

_SK = "SUBSCRIPTION"

ACTIVE, BLOCKED = "active", "blocked"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One user's subscription; amounts in micro-dollars, times in epoch seconds."""

    user: str
    plan: str
    state: str
    period: int
    """Counts the grants, so that each is made from the state that was seen."""
    total: int
    """All that there was to use since the last renewal: what was left then, and what was added or taken."""
    current: int
    """The number of the key that is handed out, 0 for none."""
    rotation: int
    """The number of the key that is being created, 0 for none."""
    rotations: int
    """The last number that was assigned."""
    retry_at: int
    """No key is created before: OpenRouter has just failed, or asked to wait."""
    created_at: int
    updated_at: int
    policy: str | None = None
    """None for the deployment's."""
    email: str | None = None
    username: str | None = None
    granted: int | None = None
    """What the plan has granted since the last renewal. This, `paid` and `adjusted` are None in an item of
    the first version, which kept only `total`.
    """
    paid: int | None = None
    """The sum of all payments."""
    adjusted: int | None = None
    """The sum of all adjustments by operators; negative if more was taken than added."""

    @property
    def terms(self) -> Plan:
        return PLANS[self.plan]

    def policy_or(self, default: str) -> str:
        """What happens when the subscription is used up; an unlimited plan is always renewed."""
        return RESET if self.terms.unlimited else self.policy or default


@dataclass(frozen=True, slots=True)
class Figures:
    """What the plan has granted since the last renewal, and the sums of all payments and all adjustments."""

    granted: int
    paid: int
    adjusted: int


@dataclass(frozen=True, slots=True)
class Subscriber:
    """Who subscribes, as their token says; `email` and `username` are empty where it does not."""

    user: str
    email: str = ""
    username: str = ""


@dataclass(frozen=True, slots=True)
class PlanChoice:
    """A plan, and the policy for it; None for the deployment's."""

    plan: str
    policy: str | None


def find(table: Table, user: str) -> Subscription | None:
    """The user's subscription, None if there is none. Raises `Busy`."""
    item = table.get(account_pk(user), _SK)
    return read(item) if item is not None else None


def read(item: Mapping[str, Any]) -> Subscription:
    facts: dict[str, Any] = {name: item.get(name) for name in Subscription.__dataclass_fields__}
    return Subscription(**facts)


def opening(subscriber: Subscriber, plan: Plan, at: int) -> Put:
    """Creates the item of a new subscription with the plan's first allowance."""
    item: Item = {
        "pk": account_pk(subscriber.user),
        "sk": _SK,
        "user": subscriber.user,
        "plan": plan.name,
        "state": ACTIVE,
        "period": 1,
        "total": plan.allowance,
        "granted": plan.allowance,
        "paid": 0,
        "adjusted": 0,
        "current": 0,
        "rotation": 0,
        "rotations": 0,
        "retry_at": 0,
        "created_at": at,
        "updated_at": at,
        "email": subscriber.email,
        "username": subscriber.username,
    }
    return Put(item, condition="attribute_not_exists(pk)")


def introduction(subscriber: Subscriber) -> Update:
    """Records e-mail and user name where they are not known yet."""
    return _update(
        subscriber.user,
        "SET email = :email, username = :username",
        condition="email = :unknown",
        values={":email": subscriber.email, ":username": subscriber.username, ":unknown": ""},
    )


def figures(seen: Subscription, found: Figures) -> Update:
    """Adds the three figures to an item of the first version."""
    return _update(
        seen.user,
        "SET granted = :granted, paid = :paid, adjusted = :adjusted",
        condition="period = :seen AND attribute_not_exists(granted)",
        values={
            ":granted": found.granted,
            ":paid": found.paid,
            ":adjusted": found.adjusted,
            ":seen": seen.period,
        },
    )


def renewal(seen: Subscription, total: int, at: int) -> Update:
    """Begins the next allowance of the plan, with `total` in all to use."""
    return _update(
        seen.user,
        "SET period = :next, #total = :total, granted = :allowance, updated_at = :now",
        condition="period = :seen AND #plan = :plan",
        names={"#total": "total", "#plan": "plan"},
        values={
            ":next": seen.period + 1,
            ":seen": seen.period,
            ":plan": seen.plan,
            ":total": total,
            ":allowance": seen.terms.allowance,
            ":now": at,
        },
    )


def payment(user: str, amount: int) -> Update:
    """Counts a payment. It needs no condition, as it depends on nothing that was seen; it moves the period,
    so that no grant is made from a state that was seen before.
    """
    return _update(
        user,
        "ADD period :one, #total :amount, paid :amount",
        condition="",
        names={"#total": "total"},
        values={":one": 1, ":amount": amount},
    )


def adjustment(user: str, amount: int) -> Update:
    """Counts what an operator added or, if negative, took. It needs no condition, as a payment needs none."""
    return _update(
        user,
        "ADD period :one, #total :amount, adjusted :amount",
        condition="",
        names={"#total": "total"},
        values={":one": 1, ":amount": amount},
    )


def plan_change(seen: Subscription, choice: PlanChoice, amount: int, at: int) -> Update:
    """Puts the subscription on another plan, for which `amount` was granted."""
    return _update(
        seen.user,
        "SET #plan = :plan, #policy = :policy, period = :next, #total = :total, granted = :granted, "
        "updated_at = :now",
        condition="period = :seen AND #plan = :was",
        names={"#plan": "plan", "#policy": "policy", "#total": "total"},
        values={
            ":plan": choice.plan,
            ":policy": choice.policy,
            ":next": seen.period + 1,
            ":total": seen.total + amount,
            ":granted": (seen.granted or 0) + amount,
            ":seen": seen.period,
            ":was": seen.plan,
            ":now": at,
        },
    )


def claim(seen: Subscription, at: int) -> Update:
    """Assigns the next number to a key that is about to be created."""
    return _update(
        seen.user,
        "SET rotation = :number, rotations = :number, updated_at = :now",
        condition="rotations = :seen AND rotation = :none AND #state = :active AND #current = :current",
        names={"#state": "state", "#current": "current"},
        values={
            ":number": seen.rotations + 1,
            ":seen": seen.rotations,
            ":none": 0,
            ":active": ACTIVE,
            ":current": seen.current,
            ":now": at,
        },
    )


def unclaim(user: str, number: int, retry_at: int, at: int) -> Update:
    """Ends the creation of key `number` without a key; the next may begin at `retry_at`."""
    return _update(
        user,
        "SET rotation = :none, retry_at = :retry_at, updated_at = :now",
        condition="rotation = :number",
        values={":none": 0, ":number": number, ":retry_at": retry_at, ":now": at},
    )


def promotion(user: str, number: int, replaced: int, at: int) -> Update:
    """Makes key `number`, whose creation was claimed, the current one in place of `replaced`."""
    return _update(
        user,
        "SET #current = :number, rotation = :none, retry_at = :none, updated_at = :now",
        condition="rotation = :number AND #current = :replaced AND #state = :active",
        names={"#state": "state", "#current": "current"},
        values={
            ":number": number,
            ":replaced": replaced,
            ":none": 0,
            ":active": ACTIVE,
            ":now": at,
        },
    )


def demotion(user: str, number: int, at: int) -> Update:
    """Leaves the subscription without a current key, because key `number` is gone."""
    return _update(
        user,
        "SET #current = :none, updated_at = :now",
        condition="#current = :number",
        names={"#current": "current"},
        values={":none": 0, ":number": number, ":now": at},
    )


def block(seen: Subscription, at: int) -> Update:
    """Blocks the subscription and leaves it without a current key."""
    return _update(
        seen.user,
        "SET #current = :none, #state = :blocked, updated_at = :now",
        condition="#current = :seen AND #state = :was AND period = :period",
        names={"#state": "state", "#current": "current"},
        values={
            ":none": 0,
            ":seen": seen.current,
            ":blocked": BLOCKED,
            ":was": seen.state,
            ":period": seen.period,
            ":now": at,
        },
    )


def unblock(user: str, at: int) -> Update:
    """Makes a blocked subscription active."""
    return _update(
        user,
        "SET #state = :active, updated_at = :now",
        condition="#state = :blocked",
        names={"#state": "state"},
        values={":active": ACTIVE, ":blocked": BLOCKED, ":now": at},
    )


def erasure(user: str, at: int) -> Update:
    """Removes e-mail and user name where one is kept."""
    return _update(
        user,
        "REMOVE email, username SET updated_at = :now",
        condition="attribute_exists(email) OR attribute_exists(username)",
        values={":now": at},
    )


def _update(
    user: str,
    change: str,
    *,
    condition: str,
    values: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
) -> Update:
    return Update(account_pk(user), _SK, change, condition, names or {}, values)
