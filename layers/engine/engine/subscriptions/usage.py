"""What a subscriber uses by day, and how long the rest lasts at that pace.

One item for each subscriber and UTC day counts what was charged; this module alone writes it.
"""

from collections.abc import Mapping
from typing import Any

from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform.table import Table, Update
from engine.platform.times import DAY_S, iso
from engine.subscriptions.plans import shown
from engine.subscriptions.subscription import Subscription

PACE_S = 7 * DAY_S
"""The pace is that of the last seven days."""

SHOWN_DAYS = 30
LONGEST_DAYS = 3650
KEPT_DAYS = 400
"""How long a day's sum is kept; the ledger keeps every charge for ever."""

_PREFIX = "USED#"


def day(user: str, used: int, at: int) -> Update:
    """Counts `used` micro-dollars on the day of `at`. It needs no condition: the move that it goes with
    happens once.
    """
    return Update(
        account_pk(user),
        f"{_PREFIX}{iso(at)[:10]}",
        "ADD used :used SET #ttl = :ttl",
        condition="",
        names={"#ttl": "ttl"},
        values={":used": used, ":ttl": at + KEPT_DAYS * DAY_S},
    )


def used_by_day(table: Table, user: str, now: int) -> dict[str, int]:
    """Micro-dollars by UTC day, for those of the last `SHOWN_DAYS` with a charge. Raises `Busy`."""
    low, high = (_PREFIX + iso(at)[:10] for at in (now - (SHOWN_DAYS - 1) * DAY_S, now))
    items = table.ascending(account_pk(user), low, high, consistent=True)
    return {str(item["sk"]).removeprefix(_PREFIX): item["used"] for item in items}


def runway_days(remaining: int, used: Mapping[str, int], since: int, now: int) -> int | None:
    """Whole days that `remaining` lasts at the pace of the last seven days, or of the time since `since` if
    that is shorter; None if nothing was used.
    """
    first = iso(now - PACE_S + DAY_S)[:10]
    recently = sum(amount for day, amount in used.items() if day >= first)
    if not recently:
        return None
    span_s = min(PACE_S, max(DAY_S, now - since))
    return min(LONGEST_DAYS, max(0, remaining) * span_s // (recently * DAY_S))


def runway_text(days: int | None) -> str:
    """The same in words."""
    if days is None:
        return "nothing was used lately"
    if days == 0:
        return "lasts less than a day"
    return f"lasts about {days} day{'s' if days > 1 else ''}"


def members(ledger: Ledger, subscription: Subscription, now: int) -> dict[str, Any]:
    """What is left, how long it lasts and what was used by day, newest first; amounts in credits."""
    account = ledger.account(subscription.user)
    remaining = account.available + account.held
    used = used_by_day(ledger.table, subscription.user, now)
    days = runway_days(remaining, used, subscription.created_at, now)
    return {
        "plan": subscription.plan,
        "unlimited": subscription.terms.unlimited,
        "state": subscription.state,
        "remaining_credits": shown(remaining),
        "total_credits": shown(subscription.total),
        "runway_days": days,
        "runway": runway_text(days),
        "days": [
            {"day": name, "used_credits": shown(used[name])} for name in sorted(used, reverse=True)
        ],
    }
