"""The figures of the whole system, from the read models only; no account is read."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from engine.access import api_keys
from engine.ledger import audit
from engine.ledger.items import CREDITS
from engine.platform.table import Table
from engine.platform.times import DAY_S, HOUR_S, iso
from engine.products.product import TRANSCRIPT
from engine.readmodels import figures, folds
from engine.readmodels.folds import ProductStats, Stats

HOURS_SHOWN = 48


def members(table: Table, *, days: int, now: int) -> dict[str, Any]:
    """Totals, and a series of `days` UTC days and one of 48 hours, today and this hour included.

    Raises `Busy`.
    """
    shown_days = [folds.day_of(now - DAY_S * back) for back in reversed(range(days))]
    shown_hours = [folds.hour_of(now - HOUR_S * back) for back in reversed(range(HOURS_SHOWN))]
    found = figures.statistics(
        table,
        CREDITS,
        days=(shown_days[0], shown_days[-1]),
        hours=(shown_hours[0], shown_hours[-1]),
    )
    refused = audit.refusals(table, shown_days[0], shown_days[-1])
    return {
        "ok": True,
        "asOf": iso(now),
        **_totals(found.total),
        "apiKeys": _key_counts(table),
        "refusals": _refusals(refused),
        "days": [
            {
                "day": day,
                **_period(found.days.get(day, Stats())),
                "refusals": sum(refused.get(day, Counter()).values()),
                "products": _products(found.days.get(day, Stats())),
            }
            for day in shown_days
        ],
        "hours": [
            {"hour": f"{hour}:00:00.000Z", **_period(found.hours.get(hour, Stats()))}
            for hour in shown_hours
        ],
    }


def _totals(stats: Stats) -> dict[str, Any]:
    return {
        "totalUsers": stats.users,
        "totalCredits": stats.available + stats.held,
        "creditsAvailable": stats.available,
        "creditsHeld": stats.held,
        "creditsOwed": stats.owed,
        "creditsAdded": stats.granted,
        "creditsDeducted": stats.deducted,
        "creditsSpent": stats.spent,
        "creditsRefunded": stats.refunded,
        "holds": {
            "placed": stats.holds_placed,
            "captured": stats.holds_captured,
            "released": stats.holds_released,
        },
        "transactions": {
            "total": stats.entries,
            "byType": {
                name: {"count": found.count, "sum": found.sum}
                for name, found in stats.types.items()
            },
        },
    }


def _period(stats: Stats) -> dict[str, int]:
    """The figures of a day or an hour."""
    return {
        "newUsers": stats.users,
        "transactions": stats.entries,
        "added": stats.granted,
        "deducted": stats.deducted,
        "spent": stats.spent,
        "refunded": stats.refunded,
        "vended": stats.types["spend"].count if "spend" in stats.types else 0,
        "change": stats.available + stats.held,
    }


def _products(stats: Stats) -> dict[str, dict[str, int]]:
    """The figures of a day by product; what names no product is of the built-in one."""
    spent = sum(one.spent for one in stats.products.values())
    placed = sum(one.holds_placed for one in stats.products.values())
    named = stats.products.get(TRANSCRIPT.code, ProductStats(0, 0))
    transcript = ProductStats(
        named.spent + stats.spent - spent, named.holds_placed + stats.holds_placed - placed
    )
    shown = {**stats.products, TRANSCRIPT.code: transcript}
    return {
        code: {"spent": shown[code].spent, "holds": shown[code].holds_placed}
        for code in sorted(shown)
        if shown[code] != ProductStats(0, 0)
    }


def _refusals(refused: Mapping[str, Counter[str]]) -> dict[str, Any]:
    """The refusals of the shown days."""
    by_code: Counter[str] = Counter()
    for counts in refused.values():
        by_code.update(counts)
    return {"total": sum(by_code.values()), "byCode": dict(sorted(by_code.items()))}


def _key_counts(table: Table) -> dict[str, int]:
    keys = api_keys.listed(table)
    revoked = sum(1 for key in keys if key.revoked_at)
    return {"total": len(keys), "active": len(keys) - revoked, "revoked": revoked}
