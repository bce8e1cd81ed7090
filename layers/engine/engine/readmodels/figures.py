"""Reads the read models: summaries in pages, days, totals, notices. Nothing scans.

Read models lag behind the ledger, mostly by well under a second. Everything here raises `Busy`.
"""

import contextlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from engine.platform.table import ConditionFailed, Item, Put, Table
from engine.readmodels import folds, open_hours
from engine.readmodels.folds import Counts, Stats, Summary

CONTROL_PK = "READMODELS"
GENERATION_SK = "GENERATION"
FIRST_GENERATION = 1
FIRST_LAYOUT, OPEN_HOURS = 1, 2
LAYOUT = OPEN_HOURS
"""The layout of generations that this version begins. In layout 1, which earlier versions read and write,
every entry is added to hour, day and totals at once. Readers understand every layout.
"""

RANKS = {folds.BY_BALANCE: "by_balance", folds.BY_START: "by_start"}
"""The sort attribute of each index of the accounts."""

LOWEST_RANK = "0"
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
    layout: int = FIRST_LAYOUT
    """The layout of the one in use; one that is being built has this version's."""
    is_stored: bool = True
    """Whether a control item names them."""

    @property
    def written(self) -> tuple[int, ...]:
        """The generations into which entries are projected."""
        return (self.current,) if self.building is None else (self.current, self.building)

    def layout_of(self, generation: int) -> int:
        return self.layout if generation == self.current else LAYOUT


def generations(table: Table, *, consistent: bool = False) -> Generations:
    item = table.get(CONTROL_PK, GENERATION_SK, consistent=consistent)
    if item is None:
        return Generations(FIRST_GENERATION, is_stored=False)
    layout = item.get("layout", FIRST_LAYOUT)
    return Generations(item["current"], item.get("building"), layout)


def begin(table: Table, units: Iterable[str]) -> Generations:
    """The first generation of a table without a control item: in this version's layout if it is new, and as
    it is if an earlier version has written totals. Raises `Busy`.
    """
    for unit in units:
        for shard in range(folds.STATS_SHARDS):
            pk = folds.stats_pk(unit, FIRST_GENERATION, shard)
            if table.get(pk, folds.TOTAL_SK) is not None:
                return Generations(FIRST_GENERATION, is_stored=False)
    item = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": FIRST_GENERATION, "layout": LAYOUT}
    with contextlib.suppress(ConditionFailed):  # Another one was first.
        table.write(Put(item, condition="attribute_not_exists(pk)"))
    return generations(table, consistent=True)


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
    highest first, below the rank `cursor`. Costs eight queries, for any number of users; by age eight more,
    and a read of each account shown, because a generation may have accounts of both layouts.
    """
    found, ranked = _generation(table, None), dict[str, Item | None]()
    for shard in range(folds.USER_SHARDS):
        if index == folds.BY_START:
            pk = folds.starts_pk(unit, found, shard)
            starts = table.query(pk, LOWEST_RANK, limit=limit + 1, before=cursor)
            ranked |= dict.fromkeys((item["sk"] for item in starts), None)
        summaries = table.query_index(
            index,
            "users_shard",
            folds.users_pk(unit, found, shard),
            sort_by=RANKS[index],
            limit=limit + 1,
            before=cursor,
        )
        ranked |= {item[RANKS[index]]: item for item in summaries}
    ranks = sorted(ranked, reverse=True)
    shown = ranks[:limit]
    more = len(ranks) > limit
    return Page(
        _summaries(table, unit, found, {r: ranked[r] for r in shown}), shown[-1] if more else None
    )


def _summaries(
    table: Table, unit: str, generation: int, ranked: Mapping[str, Item | None]
) -> list[Summary]:
    """The accounts of these ranks, in their order. One whose summary is not read yet is read, and left out
    if it is not written yet.
    """
    users = [rank.partition("#")[2] for rank, item in ranked.items() if item is None]
    keys = [(folds.summary_pk(unit, generation, user), user) for user in users]
    read = {item["sk"]: item for item in table.get_many(keys)}
    items = (item or read.get(rank.partition("#")[2]) for rank, item in ranked.items())
    return [folds.read_summary(item) for item in items if item is not None]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Figures by UTC day (YYYY-MM-DD), by UTC hour (YYYY-MM-DDTHH), and of all time. Days and hours without
    entries are left out.
    """

    days: dict[str, Stats]
    hours: dict[str, Stats]
    total: Stats


def statistics(
    table: Table,
    unit: str,
    *,
    days: tuple[str, str] | None = None,
    hours: tuple[str, str] | None = None,
    generation: int | None = None,
) -> Statistics:
    """The totals, and the days and hours from the first to the last. Hours are kept for three days."""
    found, spans = _generation(table, generation), [(folds.TOTAL_SK, folds.TOTAL_SK)]
    spans += [(folds.day_sk(days[0]), folds.day_sk(days[1]))] if days else []
    spans += [(folds.hour_sk(hours[0]), folds.hour_sk(hours[1]))] if hours else []
    sums: dict[str, Counts] = {}
    for shard in range(folds.STATS_SHARDS):
        pk = folds.stats_pk(unit, found, shard)
        for sk, counts in open_hours.partition(table, pk, spans).items():
            sums.setdefault(sk, Counter()).update(counts)
    by_day, by_hour = (_periods(sums, name) for name in (folds.DAY_PREFIX, folds.HOUR_PREFIX))
    return Statistics(by_day, by_hour, folds.stats(sums.get(folds.TOTAL_SK, Counter())))


def days(
    table: Table, unit: str, first: str, last: str, *, generation: int | None = None
) -> dict[str, Stats]:
    """The figures of each UTC day from `first` to `last` that has entries."""
    return statistics(table, unit, days=(first, last), generation=generation).days


def hours(
    table: Table, unit: str, first: str, last: str, *, generation: int | None = None
) -> dict[str, Stats]:
    """The figures of each UTC hour from `first` to `last` that has entries."""
    return statistics(table, unit, hours=(first, last), generation=generation).hours


def _periods(sums: Mapping[str, Counts], prefix: str) -> dict[str, Stats]:
    return {
        sk.removeprefix(prefix): folds.stats(sums[sk])
        for sk in sorted(sums)
        if sk.startswith(prefix)
    }


def days_until(table: Table, unit: str, before: str, *, limit: int) -> list[str]:
    """At most `limit` UTC days before the day `before` that have entries, newest first."""
    found = _generation(table, None)
    names: set[str] = set()
    for shard in range(folds.STATS_SHARDS):
        pk = folds.stats_pk(unit, found, shard)
        items = table.query(pk, folds.DAY_PREFIX, limit=limit, before=folds.day_sk(before))
        names |= {item["sk"].removeprefix(folds.DAY_PREFIX) for item in items}
        names |= open_hours.days(table, pk, before)
    return sorted(names, reverse=True)[:limit]


def totals(table: Table, unit: str, *, generation: int | None = None) -> Stats:
    """The figures of all accounts over all time."""
    return statistics(table, unit, generation=generation).total


def notices(table: Table, user: str, *, limit: int) -> list[Item]:
    """The user's low-balance notices, newest first: `at`, `seq`, `available`, `threshold`."""
    return table.query(folds.notice_pk(user), "0", limit=limit)


def _generation(table: Table, given: int | None) -> int:
    return generations(table).current if given is None else given


def _sk(item: Item) -> str:
    return str(item["sk"])
