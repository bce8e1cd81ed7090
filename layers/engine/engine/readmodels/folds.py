"""The read models as pure folds of entries: account summaries, days, totals, and their keys.

Every figure is a sum over entries, so projecting, rebuilding and comparing share one function, `fold`. An
account's share of the totals is the figures of its summary.

A day also has the figures of each product, in the same item, so that they cost no further write:
`spent.<code>` and `placed.<code>`. Entries of `transcript@1` name no product, and their part is not stored:
it is what the products of a day leave of its figures (see `engine.readmodels.overview`).

Invariant, in every figure and at every prefix: issued + owed = spent + available + held.

| item | key |
|---|---|
| generation in use | `READMODELS` / `GENERATION` |
| summary | `USERS#<unit>#<generation>#<shard 0..7>` / `<userId>` |
| day | `STATS#<unit>#<generation>#<shard 0..3>` / `DAY#<YYYY-MM-DD>` |
| hour, for three days | `STATS#<unit>#<generation>#<shard 0..3>` / `HOUR#<YYYY-MM-DDTHH>` |
| totals | `STATS#<unit>#<generation>#<shard 0..3>` / `TOTAL` |
| open hour | `STATS#<unit>#<generation>#<shard 0..3>` / `OPEN#<YYYY-MM-DDTHH>` (`open_hours`) |
| start of an account | `STARTS#<unit>#<generation>#<shard 0..7>` / `<time, 11 digits>#<userId>` |
| copy of an entry | `FEED#<unit>#<YYYY-MM-DD>#<shard 0..3>` / `<time, 11 digits>#<userId>#<seq>` |
| low-balance notice | `NOTICE#<userId>` / `<seq, 12 digits>` |

A summary also stores its places in two other lists, each unique. In layout 1 these are `by_balance` and
`by_start`, under `users_shard` in two indexes. From layout 2 on it has no `by_start`: the place in the list
by age never changes, and is an item of its own, the start. From layout 3 on it has neither, and its place in
the list by balance is a number, `expires_at`, under `open_shard` in an index of keys alone: a change that
leaves the balance as it is writes no index. The feed has no generation: an entry's copy is always the same.

The shard is chosen by a digest of the user, so that no partition is hot. `engine.readmodels.rebuild`
explains generations.
"""

import calendar
import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.ledger.items import CREDITS, SEQ_DIGITS, Entry
from engine.platform.ids import shard
from engine.platform.table import Item
from engine.platform.times import HOUR_S, iso

Counts = Counter[str]
"""Figures by name, as they are stored: the names of `contribution`."""

USER_SHARDS = 8
STATS_SHARDS = 4
FEED_SHARDS = 4
TOTAL_SK = "TOTAL"
DAY_PREFIX = "DAY#"
HOUR_PREFIX = "HOUR#"
HOURS_KEPT_S = 72 * HOUR_S
"""Hours expire this long after their start; older entries are counted in no hour."""

AT_DIGITS = 11
BALANCE_DIGITS = 15
RANKS_APART = 10**18
"""Between the ranks of two balances; a rank has at most 33 digits, and a number in DynamoDB 38."""

USERS, RANKS = "USERS#", "balance#"
BY_BALANCE = "users-by-balance"
BY_RANK = "open-holds"
"""The index of holds that are open; ranks have partitions of their own."""

BY_START = "users-by-start"
PRODUCT_FIGURES = ("spent.", "placed.")
"""The figures of a day that are kept for each product, before its code."""

CONSUMING = frozenset({"spend", "capture", "refund", "write_off", "usage", "usage_write_off"})
"""Types that move credits between issued and spent; every other type issues credits or withdraws them."""

FIGURES = (
    "users",
    "entries",
    "available",
    "held",
    "owed",
    "granted",
    "deducted",
    "spent",
    "holds_placed",
    "holds_captured",
    "holds_released",
)


@dataclass(frozen=True, slots=True)
class TypeStats:
    """Entries of one type; `sum` adds up their changes of `available`, so it is signed."""

    count: int
    sum: int


@dataclass(frozen=True, slots=True)
class ProductStats:
    """What was spent on one product, and how many holds of it were placed."""

    spent: int
    holds_placed: int


@dataclass(frozen=True, slots=True)
class Stats:
    """Figures of an account, a period or all accounts; amounts in the unit's smallest coin.

    For a period, `available`, `held` and `owed` are changes and `users` counts new users. Only a day has
    `products`: those that its entries name, by code.
    """

    users: int = 0
    entries: int = 0
    available: int = 0
    held: int = 0
    owed: int = 0
    granted: int = 0
    deducted: int = 0
    spent: int = 0
    holds_placed: int = 0
    holds_captured: int = 0
    holds_released: int = 0
    types: Mapping[str, TypeStats] = field(default_factory=dict)
    products: Mapping[str, ProductStats] = field(default_factory=dict)

    @property
    def issued(self) -> int:
        return self.granted - self.deducted

    @property
    def refunded(self) -> int:
        return self.types["refund"].sum if "refund" in self.types else 0


@dataclass(frozen=True, slots=True)
class Summary:
    """One account up to the entry `seq`. Times in epoch seconds."""

    user: str
    unit: str
    seq: int
    first_at: int
    last_at: int
    counts: Counts
    by_balance: str
    by_start: str
    starts_apart: bool = field(default=False, compare=False)
    """Whether its place in the list by age is an item of its own."""

    @property
    def stats(self) -> Stats:
        return stats(self.counts)


@dataclass(frozen=True, slots=True)
class Folded:
    """The sums over consecutive entries of one account. `first_at` and `last_at` in epoch seconds."""

    seq: int
    first_at: int
    last_at: int
    counts: Counts
    days: Mapping[str, Counts]
    hours: Mapping[str, Counts]
    full_hours: Mapping[str, Counts]
    """The hours with the figures of products, which only a day shows."""


def fold(entries: Iterable[Entry]) -> Folded | None:
    """The sums over consecutive entries of one account; None without entries."""
    first: Entry | None = None
    last: Entry | None = None
    counts: Counts = Counter()
    days: dict[str, Counts] = {}
    hours: dict[str, Counts] = {}
    full_hours: dict[str, Counts] = {}
    for entry in entries:
        first, last = first or entry, entry
        share = contribution(entry)
        _add(counts, share)
        _add(hours.setdefault(hour_of(entry.at), Counter()), share)
        for sums in (
            days.setdefault(day_of(entry.at), Counter()),
            full_hours.setdefault(hour_of(entry.at), Counter()),
        ):
            _add(sums, share)
            _add(sums, product_contribution(entry, share))
    if first is None or last is None:
        return None
    return Folded(last.seq, first.at, last.at, counts, days, hours, full_hours)


def contribution(entry: Entry) -> Counts:
    """The figures that one entry adds to its account, its periods and the totals.

    A hold counts as placed once it reserves something, and as captured or released once it reserves
    nothing, so that placed - captured - released is the number of holds that reserve something.
    """
    share: Counts = Counter({"entries": 1, "available": entry.amount, "held": entry.held})
    share["owed"] = entry.owed
    share["users"] = int(entry.seq == 1)
    share[f"count.{entry.type}"] = 1
    share[f"sum.{entry.type}"] = entry.amount
    if entry.type in CONSUMING:
        share["spent"] = entry.charged
    else:
        share["granted"] = max(0, -entry.charged)
        share["deducted"] = max(0, entry.charged)
    is_first = entry.reverses is None or entry.left == entry.held
    share["holds_placed"] = int(entry.held > 0 and is_first)
    is_end = entry.held < 0 and not entry.left
    is_capture = entry.type == "capture" or entry.amount == 0
    share["holds_captured"] = int(is_end and is_capture)
    share["holds_released"] = int(is_end and not is_capture and entry.amount > 0)
    return share


def product_contribution(entry: Entry, share: Counts) -> Counts:
    """The figures that one entry, whose other figures are `share`, adds to its product on its day."""
    code = entry.product.partition("@")[0]
    if not code or entry.type not in CONSUMING:
        return Counter()
    return Counter({f"spent.{code}": share["spent"], f"placed.{code}": share["holds_placed"]})


def falls_low(entry: Entry, low_balance: int) -> bool:
    """Whether `entry` lowers the balance from at least `low_balance` to below it."""
    before = entry.available_after - entry.amount
    return entry.unit == CREDITS and before >= low_balance > entry.available_after


def stats(counts: Mapping[str, int]) -> Stats:
    """Stored figures as `Stats`."""
    types = {
        name.removeprefix("count."): TypeStats(
            count, counts.get(f"sum.{name.removeprefix('count.')}", 0)
        )
        for name, count in sorted(counts.items())
        if name.startswith("count.")
    }
    codes = sorted({name.partition(".")[2] for name in counts if name.startswith(PRODUCT_FIGURES)})
    products = {
        code: ProductStats(counts.get(f"spent.{code}", 0), counts.get(f"placed.{code}", 0))
        for code in codes
    }
    figures = {name: counts.get(name, 0) for name in FIGURES}
    return Stats(**figures, types=types, products=products)


def counts_in(item: Mapping[str, Any]) -> Counts:
    """The figures of a stored item, without zeros."""
    return Counter(
        {
            name: value
            for name, value in item.items()
            if (name in FIGURES or name.startswith(("count.", "sum.", *PRODUCT_FIGURES))) and value
        }
    )


def without_products(counts: Counts) -> Counts:
    return Counter({n: value for n, value in counts.items() if not n.startswith(PRODUCT_FIGURES)})


def read_summary(item: Item) -> Summary:
    """The summary in `item`; missing members read as zero or empty."""
    seq, first_at, last_at = (item.get(n, 0) for n in ("projected_seq", "first_at", "last_at"))
    starts_apart = "by_start" not in item
    by_balance, by_start = "", ""
    if is_ranked(item):
        listed = item["open_shard"] == ranks_of(item["pk"])
        place = _ranked_balance(item)
    else:
        listed = item.get("users_shard") == item["pk"]
        place = item.get("by_balance", "")
    if listed:
        by_balance = place
        by_start = item.get("by_start", start_rank(first_at, item["sk"]))
    return Summary(
        item["sk"],
        item.get("unit", ""),
        seq,
        first_at,
        last_at,
        counts_in(item),
        by_balance,
        by_start,
        starts_apart,
    )


def summary_of(user: str, unit: str, folded: Folded) -> Summary:
    """The summary of an account from the fold of all its entries."""
    counts = Counter({name: value for name, value in folded.counts.items() if value})
    return Summary(
        user,
        unit,
        folded.seq,
        folded.first_at,
        folded.last_at,
        counts,
        balance_rank(counts["available"], user),
        start_rank(folded.first_at, user),
    )


def is_ranked(summary: Item) -> bool:
    """Whether its place in the list by balance is in the index of keys alone."""
    return "open_shard" in summary


def _ranked_balance(summary: Item) -> str:
    """The place that the rank of a summary says; empty for a rank of no balance of this user."""
    user, number = summary["sk"], summary.get("expires_at", 0)
    balance = number // RANKS_APART
    return balance_rank(balance, user) if number == rank(balance, user) else ""


def balance_rank(available: int, user: str) -> str:
    """The place in the list by balance: the cursor, and the sort key of layouts 1 and 2."""
    return f"{available:0{BALANCE_DIGITS}d}#{user}"


def rank(available: int, user: str) -> int:
    """The place in the list by balance as a number that is unique; the order is that of the balances."""
    digest = hashlib.sha256(user.encode()).digest()
    return available * RANKS_APART + int.from_bytes(digest[8:16], "big") % RANKS_APART


def start_rank(first_at: int, user: str) -> str:
    """The sort key of the list by creation."""
    return f"{first_at:0{AT_DIGITS}d}#{user}"


def feed_item(entry: Entry) -> Item:
    """The copy of `entry` in the feed of its day."""
    key = {"pk": feed_pk(entry.unit, day_of(entry.at), shard(entry.user, FEED_SHARDS))}
    return {**entry.item(), **key, "sk": feed_sk(entry)}


def feed_pk(unit: str, day: str, shard: int) -> str:
    return f"FEED#{unit}#{day}#{shard}"


def feed_sk(entry: Entry) -> str:
    return f"{entry.at:0{AT_DIGITS}d}#{entry.user}#{entry.seq:0{SEQ_DIGITS}d}"


def users_pk(unit: str, generation: int, shard: int) -> str:
    return f"{USERS}{unit}#{generation}#{shard}"


def ranks_of(users_pk: str) -> str:
    """The partition of the index by rank that has the accounts of the partition `users_pk`."""
    return RANKS + users_pk.removeprefix(USERS)


def starts_pk(unit: str, generation: int, shard: int) -> str:
    return f"STARTS#{unit}#{generation}#{shard}"


def start_item(user: str, unit: str, generation: int, first_at: int) -> Item:
    """The place of an account in the list by age; `first_at` is the time of its first entry."""
    pk = starts_pk(unit, generation, shard(user, USER_SHARDS))
    return {"pk": pk, "sk": start_rank(first_at, user)}


def summary_pk(unit: str, generation: int, user: str) -> str:
    return users_pk(unit, generation, shard(user, USER_SHARDS))


def stats_pk(unit: str, generation: int, shard: int) -> str:
    return f"STATS#{unit}#{generation}#{shard}"


def stats_shard(user: str) -> int:
    return shard(user, STATS_SHARDS)


def day_of(at: int) -> str:
    """The UTC day of `at` (epoch seconds), YYYY-MM-DD."""
    return iso(at)[:10]


def hour_of(at: int) -> str:
    """The UTC hour of `at` (epoch seconds), YYYY-MM-DDTHH."""
    return iso(at)[:13]


def day_of_hour(hour: str) -> str:
    """The day of `hour` (YYYY-MM-DDTHH)."""
    return hour[: len("YYYY-MM-DD")]


def is_kept(hour: str, now: int) -> bool:
    """Whether `hour` is recent enough to have figures of its own."""
    return hour > hour_of(now - HOURS_KEPT_S)


def hour_start(hour: str) -> int:
    """When `hour` (YYYY-MM-DDTHH) begins, epoch seconds."""
    return calendar.timegm(time.strptime(hour, "%Y-%m-%dT%H"))


def hour_sk(hour: str) -> str:
    return f"{HOUR_PREFIX}{hour}"


def day_sk(day: str) -> str:
    return f"{DAY_PREFIX}{day}"


def notice_pk(user: str) -> str:
    return f"NOTICE#{user}"


def notice_sk(seq: int) -> str:
    return f"{seq:0{SEQ_DIGITS}d}"


def _add(sums: Counts, share: Counts) -> None:
    for name, value in share.items():
        sums[name] += value
