"""The throughput limits of the system, computed from the code's shards and the units of a journey.

A DynamoDB partition has 1,000 write units a second. A transactional write of an item up to 1 KB takes
two units, its write to an index one. Transactions that write the same item also wait for each other: such
a place is limited by `SERIAL_MS` too.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench import quantities
from bench.tables import markdown
from engine.credits import hold_items
from engine.readmodels import folds

PARTITION_UNITS = 1000
TABLE_UNITS = 40_000
"""DynamoDB's default quota of a table on demand."""
SERIAL_MS = 10
"""Assumed: how long a transaction locks an item that it writes."""
REQUESTS_EACH = quantities.requests()
FACTORS = (1, 10, 100, 1000)
START = 100
"""The requests a second to which the factors apply."""


@dataclass(frozen=True)
class Limit:
    """A shared resource with limited throughput.

    `units` are the write units of one journey; `turns` is how many transactions of a journey write an item
    that other journeys write too.
    """

    name: str
    shards: int
    units: float
    turns: float
    effect: str
    remedy: str
    capacity: int = PARTITION_UNITS
    is_shared: bool = True
    """Whether journeys of all users share it, and not those of one user or video."""

    @property
    def most(self) -> int:
        """The maximum of journeys a second."""
        by_units = self.shards * self.capacity / self.units
        by_turns = self.shards * 1000 / SERIAL_MS / self.turns if self.turns else by_units
        return int(min(by_units, by_turns))


ENTRIES = len(quantities.PROJECTED)
TOGETHER = 10
"""Assumed: entries of one shard in a transaction of a projector that is behind. A full batch has 100 records,
25 of each shard, which make transactions of at most 19.
"""
LIMITS = (
    Limit(
        "statistics: open hours", folds.STATS_SHARDS, 2 * ENTRIES / TOGETHER, ENTRIES / TOGETHER,
        "read models lag; sales go on",
        "more `STATS_SHARDS`",
    ),
    Limit(
        "the table's default quota", 1, quantities.writes(), 0, "everybody: 503 `busy`",
        "a higher quota, asked for in advance; `WarmThroughput` before launches",
        capacity=TABLE_UNITS,
    ),
    Limit(
        "index `open-holds`: holds", hold_items.SHARDS,
        quantities.on_index("open-holds", ["vend", "status, ended"]), 0,
        "vends and jobs: 503 `busy`", "`SHARDS` of holds as many as are swept, 8",
    ),
    Limit(
        "index `open-holds`: jobs of one video", 1, quantities.on_index("open-holds", ["submit"]), 0,
        "that video alone: 503 `busy`", "none: the partition is named after the video",
        is_shared=False,
    ),
    Limit(
        "index `open-holds`: balances", folds.USER_SHARDS,
        quantities.on_index("open-holds", quantities.PROJECTED), 0,
        "read models lag", "more `USER_SHARDS`",
    ),
    Limit(
        "feed of a day", folds.FEED_SHARDS, ENTRIES, 0, "read models lag",
        "more `FEED_SHARDS`",
    ),
    Limit(
        "one user's partition", 1, 2 * 3 * ENTRIES, ENTRIES, "that user alone: 503 `busy`",
        "the rate limit (100 a minute) comes first; a giant customer gets an account for each department",
        is_shared=False,
    ),
)  # fmt: skip


def table() -> str:
    rows = [
        (limit.name, str(limit.shards), f"{limit.units:g}", f"{limit.most:,}",
         f"{limit.most * REQUESTS_EACH:,}", limit.effect, limit.remedy)
        for limit in sorted(LIMITS, key=lambda limit: limit.most)
    ]  # fmt: skip
    heads = (
        "limit",
        "shards",
        "write units a journey",
        "journeys/s",
        "requests/s",
        "effect",
        "remedy",
    )
    return markdown(heads, rows)


def rates_table() -> str:
    """For each factor: journeys, units, and the shared limits that are exceeded."""
    rows = []
    for factor in FACTORS:
        requests = START * factor
        journeys = requests / REQUESTS_EACH
        shared = sorted((one for one in LIMITS if one.is_shared), key=lambda limit: limit.most)
        exceeded = [limit.name for limit in shared if limit.most < journeys]
        units = journeys * quantities.writes()
        whole = (f"{factor:,}x", f"{requests:,}", f"{journeys:,.0f}", f"{units:,.0f}")
        rows.append((*whole, "; ".join(exceeded) or "none"))
    heads = ("", "requests/s", "journeys/s", "write units/s", "limits exceeded")
    return markdown(heads, rows)
