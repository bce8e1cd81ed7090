"""What bends first as journeys become more, computed from the code's shards and what a journey takes.

A partition of DynamoDB takes 1,000 write units a second. A transaction writes an item of up to 1 KB for
two units, an index for one. What several transactions write at once they also wait for: such a place
is bounded by `SERIAL_MS` as well.
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
"""Assumed: how long a transaction keeps others from an item that it writes."""
REQUESTS_EACH = quantities.requests()
FACTORS = (1, 10, 100, 1000)
START = 100
"""Requests a second from which the factors count."""


@dataclass(frozen=True)
class Bend:
    """A place that journeys share. `units` are those that one journey takes there; `turns` is how many
    transactions of a journey wait there for those of others.
    """

    name: str
    shards: int
    units: float
    turns: int
    whom: str
    then: str
    capacity: int = PARTITION_UNITS

    @property
    def most(self) -> int:
        """Journeys a second that it carries."""
        by_units = self.shards * self.capacity / self.units
        by_turns = self.shards * 1000 / SERIAL_MS / self.turns if self.turns else by_units
        return int(min(by_units, by_turns))


ENTRIES = len(quantities.PROJECTED)
BENDS = (
    Bend(
        "statistics: day, hour, total", folds.STATS_SHARDS, 2 * ENTRIES, ENTRIES,
        "read models lag; sales go on",
        "more `STATS_SHARDS`; or one write for all accounts of a batch",
    ),
    Bend(
        "the table's default quota", 1, quantities.writes(), 0, "everybody: 503 `busy`",
        "a higher quota, asked for in advance; `WarmThroughput` before launches",
        capacity=TABLE_UNITS,
    ),
    Bend(
        "index `audit-by-day`", 1, quantities.on_index("audit-by-day"), 0,
        "the projector is held back, and with it all read models",
        "shard `audit_day` and merge when reading, as the feed does",
    ),
    Bend(
        "index `open-holds`", hold_items.SHARDS, quantities.on_index("open-holds"), 0,
        "vends and jobs: 503 `busy`", "more `SHARDS` of holds",
    ),
    Bend(
        "feed of a day", folds.FEED_SHARDS, 2 * ENTRIES, 0, "read models lag",
        "more `FEED_SHARDS`",
    ),
    Bend(
        "index `users-by-balance`", folds.USER_SHARDS, quantities.on_index("users-by-balance"), 0,
        "read models lag", "more `USER_SHARDS`",
    ),
    Bend(
        "one user's partition", 1, 2 * 3 * ENTRIES, ENTRIES, "that user alone: 503 `busy`",
        "the rate limit (100 a minute) comes first; a giant customer gets an account for each department",
    ),
)  # fmt: skip


def table() -> str:
    rows = [
        (bend.name, str(bend.shards), f"{bend.units:g}", f"{bend.most:,}", f"{bend.most * REQUESTS_EACH:,}",
         bend.whom, bend.then)
        for bend in sorted(BENDS, key=lambda bend: bend.most)
    ]  # fmt: skip
    heads = (
        "place",
        "shards",
        "write units a journey",
        "journeys/s",
        "requests/s",
        "who notices",
        "then",
    )
    return markdown(heads, rows)


def rates_table() -> str:
    """At each factor: journeys, units, and the places that have bent by then, one user's apart."""
    rows = []
    for factor in FACTORS:
        requests = START * factor
        journeys = requests / REQUESTS_EACH
        bent = [b.name for b in sorted(BENDS[:-1], key=lambda b: b.most) if b.most < journeys]
        units = journeys * quantities.writes()
        whole = (f"{factor:,}x", f"{requests:,}", f"{journeys:,.0f}", f"{units:,.0f}")
        rows.append((*whole, "; ".join(bent) or "nothing"))
    heads = ("", "requests/s", "journeys/s", "write units/s", "what has bent")
    return markdown(heads, rows)
