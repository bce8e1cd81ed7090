"""Reads the read models: summaries in pages, days, totals, notices. Nothing scans.

Read models lag behind the ledger, mostly by well under a second. Everything here raises `Busy`.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from engine.platform.table import Item, Table
from engine.readmodels import folds
from engine.readmodels.folds import Counts, Stats, Summary

CONTROL_PK = "READMODELS"
GENERATION_SK = "GENERATION"
FIRST_GENERATION = 1
RANKS = {folds.BY_BALANCE: "by_balance", folds.BY_START: "by_start"}
"""The sort attribute of each index of the accounts."""

LOWEST_ID = "!"
"""Sorts before every user id."""


MOST_IDS = 20_000
"""The ids of one shard that a search reads: 160,000 in all, some 60 MB of summaries."""


@dataclass(frozen=True, slots=True)
class Page:
    """Summaries in the requested order; `cursor` requests the next page, None on the last."""

    summaries: list[Summary]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Generations:
    """The generation in use, and the one that a running rebuild fills, None without a rebuild."""

    current: int
    building: int | None = None

    @property
    def written(self) -> tuple[int, ...]:
        """The generations into which entries are projected."""
        return (self.current,) if self.building is None else (self.current, self.building)


def generations(table: Table, *, consistent: bool = False) -> Generations:
    item = table.get(CONTROL_PK, GENERATION_SK, consistent=consistent)
    if item is None:
        return Generations(FIRST_GENERATION)
    return Generations(item["current"], item.get("building"))


def get_summary(
    table: Table, unit: str, user: str, *, generation: int | None = None, consistent: bool = False
) -> Summary | None:
    """The account's summary; None if nothing of it has been projected."""
    pk = folds.summary_pk(unit, _generation(table, generation), user)
    item = table.get(pk, user, consistent=consistent)
    return folds.read_summary(item) if item is not None else None


def list_summaries(
    table: Table,
    unit: str,
    prefix: str,
    cursor: str | None,
    limit: int,
    *,
    generation: int | None = None,
) -> Page:
    """At most `limit` accounts whose user id starts with `prefix`, after the user id `cursor`.

    Costs eight queries of at most `limit` items each, for any number of users.
    """
    found = _generation(table, generation)
    low, high = max(prefix or LOWEST_ID, cursor or ""), prefix + "\uffff"
    if low > high:
        return Page([], None)
    shards = [
        table.ascending(folds.users_pk(unit, found, shard), low, high, limit=limit + 2)
        for shard in range(folds.USER_SHARDS)
    ]
    merged = heapq.merge(*shards, key=_sk)
    after = (item for item in merged if item["sk"] != cursor)
    items = list(islice(after, limit + 1))
    summaries = [folds.read_summary(item) for item in items[:limit]]
    more = len(items) > limit and summaries
    return Page(summaries, summaries[-1].user if more else None)


@dataclass(frozen=True, slots=True)
class IdsFound:
    """Ids of users; not all were searched if `complete` is false."""

    users: list[str]
    looked: int
    complete: bool


def ids_with(table: Table, unit: str, part: str, *, most: int) -> IdsFound:
    """At most `most` users whose id has `part` in it, in any case: first those that begin with it.

    Reads the ids of all accounts, but at most `MOST_IDS` of each shard.
    """
    found, wanted, looked = _generation(table, None), part.casefold(), 0
    users: list[str] = []
    complete = True
    for shard in range(folds.USER_SHARDS):
        pk, seen = folds.users_pk(unit, found, shard), 0
        for item in table.ascending(pk, LOWEST_ID, "\uffff", limit=MOST_IDS, keys_only=True):
            seen += 1
            if wanted in item["sk"].casefold():
                users.append(item["sk"])
        looked, complete = looked + seen, complete and seen < MOST_IDS
    users.sort(key=lambda user: (not user.casefold().startswith(wanted), len(user), user))
    return IdsFound(users[:most], looked, complete and len(users) <= most)


def ranked_summaries(table: Table, unit: str, index: str, cursor: str | None, limit: int) -> Page:
    """At most `limit` accounts in the order of `index` (`readmodels.BY_BALANCE` or `BY_START`), the
    highest first, below the rank `cursor`. Costs eight queries, for any number of users.
    """
    found, rank = _generation(table, None), RANKS[index]
    shards = [
        table.query_index(
            index,
            "users_shard",
            folds.users_pk(unit, found, shard),
            sort_by=rank,
            limit=limit + 1,
            before=cursor,
        )
        for shard in range(folds.USER_SHARDS)
    ]
    merged = heapq.merge(*shards, key=lambda item: str(item[rank]), reverse=True)
    items = list(islice(merged, limit + 1))
    shown = items[:limit]
    more = len(items) > limit
    return Page([folds.read_summary(item) for item in shown], shown[-1][rank] if more else None)


def days(
    table: Table, unit: str, first: str, last: str, *, generation: int | None = None
) -> dict[str, Stats]:
    """The figures of each UTC day (YYYY-MM-DD) from `first` to `last` that has entries."""
    return _periods(table, unit, folds.DAY_PREFIX, first, last, generation)


def hours(
    table: Table, unit: str, first: str, last: str, *, generation: int | None = None
) -> dict[str, Stats]:
    """The figures of each UTC hour (YYYY-MM-DDTHH) from `first` to `last` that has entries;
    hours are kept for three days.
    """
    return _periods(table, unit, folds.HOUR_PREFIX, first, last, generation)


def _periods(
    table: Table, unit: str, prefix: str, first: str, last: str, generation: int | None
) -> dict[str, Stats]:
    found = _generation(table, generation)
    sums: dict[str, Counts] = {}
    for shard in range(folds.STATS_SHARDS):
        pk = folds.stats_pk(unit, found, shard)
        for item in table.ascending(pk, prefix + first, prefix + last):
            period = item["sk"].removeprefix(prefix)
            sums.setdefault(period, Counter()).update(folds.counts_in(item))
    return {period: folds.stats(sums[period]) for period in sorted(sums)}


def days_until(table: Table, unit: str, before: str, *, limit: int) -> list[str]:
    """At most `limit` UTC days before the day `before` that have entries, newest first."""
    found = _generation(table, None)
    names = {
        item["sk"].removeprefix(folds.DAY_PREFIX)
        for shard in range(folds.STATS_SHARDS)
        for item in table.query(
            folds.stats_pk(unit, found, shard),
            folds.DAY_PREFIX,
            limit=limit,
            before=folds.day_sk(before),
        )
    }
    return sorted(names, reverse=True)[:limit]


def totals(table: Table, unit: str, *, generation: int | None = None) -> Stats:
    """The figures of all accounts over all time."""
    found = _generation(table, generation)
    items = (
        table.get(folds.stats_pk(unit, found, shard), folds.TOTAL_SK, consistent=False)
        for shard in range(folds.STATS_SHARDS)
    )
    return folds.stats(_sum(item for item in items if item is not None))


def notices(table: Table, user: str, *, limit: int) -> list[Item]:
    """The user's low-balance notices, newest first: `at`, `seq`, `available`, `threshold`."""
    return table.query(folds.notice_pk(user), "0", limit=limit)


def _generation(table: Table, given: int | None) -> int:
    return generations(table).current if given is None else given


def _sum(items: Iterable[Item]) -> Counts:
    sums: Counts = Counter()
    for item in items:
        sums.update(folds.counts_in(item))
    return sums


def _sk(item: Item) -> str:
    return str(item["sk"])
