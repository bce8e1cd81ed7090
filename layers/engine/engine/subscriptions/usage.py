"""What a subscriber uses by day, and how long the rest lasts at that pace."""

from collections.abc import Mapping
from typing import Any

from engine.ledger.items import account_pk
from engine.ledger.posting import Ledger
from engine.platform.table import Table
from engine.platform.times import DAY_S, iso
from engine.subscriptions.items import USED_PREFIX, Subscription
from engine.subscriptions.plans import shown

PACE_S = 7 * DAY_S
"""The pace is that of the last seven days."""

SHOWN_DAYS = 30
LONGEST_DAYS = 3650


def used_by_day(table: Table, user: str, now: int) -> dict[str, int]:
    """Micro-dollars by UTC day, of the last `SHOWN_DAYS` in which something was charged. Raises `Busy`."""
    low, high = (USED_PREFIX + iso(at)[:10] for at in (now - (SHOWN_DAYS - 1) * DAY_S, now))
    items = table.ascending(account_pk(user), low, high, consistent=True)
    return {str(item["sk"]).removeprefix(USED_PREFIX): item["used"] for item in items}


def runway_days(remaining: int, used: Mapping[str, int], since: int, now: int) -> int | None:
    """Whole days that `remaining` lasts at the pace of the last seven, or of the time since `since`, if
    that is shorter; None where nothing was used.
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
            {"day": day, "used_credits": shown(used[day])} for day in sorted(used, reverse=True)
        ],
    }
