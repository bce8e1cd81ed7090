"""Reads the read models: summaries in pages, days, totals, notices. Nothing scans.

Read models lag behind the ledger, mostly by well under a second. Everything here raises `Busy`.
"""

import contextlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from engine.platform.table import ConditionFailed, Item, Put, Table
from engine.readmodels import folds, open_hours
from engine.readmodels.folds import Counts, Stats, Summary

CONTROL_PK = "READMODELS"
GENERATION_SK = "GENERATION"
FIRST_GENERATION = 1
FIRST_LAYOUT, OPEN_HOURS, KEYS_ALONE = 1, 2, 3
LAYOUT = KEYS_ALONE
"""The layout of generations that this version begins; a layout decides what the projector writes. In layout 1
every entry is added to hour, day and totals at once. Up to layout 2 the list by balance is an index of whole
summaries, and the audit records of vends are stored. Readers understand every layout, also several in one
generation.
"""

LOWEST_RANK = "0"
ABOVE_IDS = "$"
"""After the digits of a balance: sorts above every place of this balance."""

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


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a list: its cursor, and the summary if the index has it."""

    cursor: str
    item: Item | None = None

    @property
    def user(self) -> str:
        return self.cursor.partition("#")[2]


def ranked_summaries(table: Table, unit: str, index: str, cursor: str | None, limit: int) -> Page:
    """At most `limit` accounts in the order of `index` (`folds.BY_BALANCE` or `BY_START`), the highest first,
    below the place `cursor`. Costs sixteen queries, for any number of users, because a generation may have
    accounts of all layouts, and a read of each account shown.
    """
    found = _generation(table, None)
    ranked = _by_start if index == folds.BY_START else _by_balance
    places = ranked(table, unit, found, cursor, limit + 1)
    order = sorted(places, reverse=True)
    shown = [places[place] for place in order[:limit]]
    more = len(order) > limit
    return Page(_summaries(table, unit, found, shown), shown[-1].cursor if more else None)


def _by_start(
    table: Table, unit: str, generation: int, cursor: str | None, count: int
) -> dict[Any, _Place]:
    """The first places of each shard, by what they are sorted by: starts, and accounts of layout 1."""
    places: dict[Any, _Place] = {}
    for shard in range(folds.USER_SHARDS):
        pk = folds.starts_pk(unit, generation, shard)
        for start in table.query(pk, LOWEST_RANK, limit=count, before=cursor):
            places[start["sk"]] = _Place(start["sk"])
        pk = folds.users_pk(unit, generation, shard)
        summaries = table.query_index(
            folds.BY_START, "users_shard", pk, sort_by="by_start", limit=count, before=cursor
        )
        for item in summaries:
            places[item["by_start"]] = _Place(item["by_start"], item)
    return places


def _by_balance(
    table: Table, unit: str, generation: int, cursor: str | None, count: int
) -> dict[Any, _Place]:
    """Likewise. Of equal balances, accounts of the index of keys alone come first, in the order of their
    ranks, then those of layouts 1 and 2, in the order of their ids.
    """
    places: dict[Any, _Place] = {}
    below_rank, below = _below(table, unit, generation, cursor)
    for shard in range(folds.USER_SHARDS):
        pk = folds.users_pk(unit, generation, shard)
        for item in _unranked(table, pk, below, count):
            place = item["by_balance"]
            places[int(place.partition("#")[0]), False, place] = _Place(place, item)
        keys = table.query_index(
            folds.BY_RANK,
            "open_shard",
            folds.ranks_of(pk),
            sort_by="expires_at",
            limit=count,
            before=below_rank,
        )
        for key in keys:
            rank = int(key["expires_at"])
            balance = rank // folds.RANKS_APART
            places[balance, True, rank] = _Place(folds.balance_rank(balance, key["sk"]))
    return places


def _below(
    table: Table, unit: str, generation: int, cursor: str | None
) -> tuple[int | None, str | None]:
    """The rank, and the place of layouts 1 and 2, below which the page after `cursor` is. The summary says in
    which of both indexes the account is; if it has moved there, accounts of its balance are shown again.
    """
    if cursor is None:
        return None, None
    digits, _, user = cursor.partition("#")
    pk = folds.summary_pk(unit, generation, user)
    summary = table.get(pk, user, consistent=False)
    if summary is not None and not folds.is_ranked(summary):
        return int(digits) * folds.RANKS_APART, cursor
    return folds.rank(int(digits), user), digits + ABOVE_IDS


def _unranked(table: Table, pk: str, before: str | None, count: int) -> list[Item]:
    """The highest `count` summaries of the index of layouts 1 and 2. One that versions of several layouts
    have written may be in both indexes, and is left out here.
    """
    found: list[Item] = []
    while True:
        items = table.query_index(
            folds.BY_BALANCE, "users_shard", pk, sort_by="by_balance", limit=count, before=before
        )
        found += [item for item in items if not folds.is_ranked(item)]
        if len(items) < count or len(found) >= count:
            return found[:count]
        before = items[-1]["by_balance"]


def _summaries(table: Table, unit: str, generation: int, places: Sequence[_Place]) -> list[Summary]:
    """The accounts at these places, in their order, with their present figures. One whose summary is not read
    yet is read, and left out if it is not written yet.
    """
    users = dict.fromkeys(place.user for place in places if place.item is None)
    keys = [(folds.summary_pk(unit, generation, user), user) for user in users]
    read = {item["sk"]: item for item in table.get_many(keys)}
    items = (place.item or read.get(place.user) for place in places)
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
