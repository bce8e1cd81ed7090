"""Hours whose figures are not yet part of their day and of the totals.

From layout 2 on (`engine.readmodels.figures.Generations`) a projected entry adds its figures to one item of
the statistics: the open hour in which it was made. `settle` moves the figures of hours that are over into
the hour, its day and the totals, in one transaction. Until then, `partition` adds them when it reads. So
every figure is exact at every moment, whether and when hours are settled. An entry that is projected
into an hour that was settled opens it again.

An open hour is `STATS#<unit>#<generation>#<shard>` / `OPEN#<YYYY-MM-DDTHH>`: the figures of a day, with those
of products, and `moves`, how often they were moved. Once it is empty it has a `ttl`, which the next figures
remove: figures that were not moved never expire.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from engine.platform.errors import Busy
from engine.platform.table import Cancelled, Item, Table, Update, Write
from engine.platform.times import DAY_S
from engine.readmodels import folds
from engine.readmodels.folds import Counts

PREFIX = "OPEN#"
KEEP_EMPTY_S = DAY_S
"""Longer than any process could hold the figures that it read before they were moved."""

READINGS = 5
"""How often a partition is read until no hour is moved meanwhile."""

Span = tuple[str, str]
"""The first and the last sort key."""

ALL: Span = ("!", "~")


def sk(hour: str) -> str:
    return f"{PREFIX}{hour}"


def add(pk: str, hour: str, counts: Counts) -> Update:
    """Needs no condition: the summary's condition in the same transaction makes it happen once."""
    clause, names, values = adding(counts)
    names["#ttl"] = "ttl"
    return Update(pk, sk(hour), f"REMOVE #ttl {clause}", condition="", names=names, values=values)


def settle(table: Table, unit: str, generation: int, now: int) -> None:
    """Move the figures of hours that are over. Raises `Busy`; whatever was not moved stays open."""
    current = folds.hour_of(now)
    for shard in range(folds.STATS_SHARDS):
        pk = folds.stats_pk(unit, generation, shard)
        for item in _open(table, pk):
            if _hour(item) < current:
                with contextlib.suppress(Cancelled):  # Figures came in, or another one moved them.
                    _move(table, item, now)


def partition(table: Table, pk: str, spans: Sequence[Span]) -> dict[str, Counts]:
    """The figures of the days, hours and totals of one partition by sort key, those within `spans`.

    The figures of open hours are added. Hours that were moved while this was read would count twice or not
    at all; so it is read again then. Raises `Busy`.
    """
    for _ in range(READINGS):
        opened = _open(table, pk)
        found = {
            str(item["sk"]): folds.counts_in(item)
            for low, high in spans
            for item in table.ascending(pk, low, high, consistent=True)
            if not item["sk"].startswith(PREFIX)
        }
        if not opened or _moves(opened).items() <= _moves(_open(table, pk)).items():
            break
    else:
        raise Busy()
    for item in opened:
        for key, counts in _shares(item).items():
            if any(low <= key <= high for low, high in spans):
                found.setdefault(key, Counter()).update(counts)
    return found


def days(table: Table, pk: str, before: str) -> set[str]:
    """The days before the day `before` that have open hours."""
    items = table.ascending(pk, PREFIX, sk(before), keys_only=True)
    return {item["sk"].removeprefix(PREFIX)[: len("YYYY-MM-DD")] for item in items}


def adding(counts: Counts) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The ADD clause for `counts`, with its names and values."""
    changed = [(name, value) for name, value in sorted(counts.items()) if value]
    terms = ", ".join(f"#c{n} :c{n}" for n in range(len(changed)))
    names = {f"#c{n}": name for n, (name, _) in enumerate(changed)}
    return f"ADD {terms}", names, {f":c{n}": value for n, (_, value) in enumerate(changed)}


def hour(pk: str, hour: str, counts: Counts) -> Update:
    """Adds to an hour that is not open; the item expires by TTL."""
    clause, names, values = adding(counts)
    names, values = {**names, "#ttl": "ttl"}, {**values}
    values[":ttl"] = folds.hour_start(hour) + folds.HOURS_KEPT_S
    change = f"SET #ttl = :ttl {clause}"
    return Update(pk, folds.hour_sk(hour), change, condition="", names=names, values=values)


def figures(pk: str, sk: str, counts: Counts) -> Update:
    """Adds to a day or the totals."""
    clause, names, values = adding(counts)
    return Update(pk, sk, clause, condition="", names=names, values=values)


def _open(table: Table, pk: str) -> list[Item]:
    return list(table.ascending(pk, PREFIX, PREFIX + "~", consistent=True))


def _hour(item: Item) -> str:
    return str(item["sk"]).removeprefix(PREFIX)


def _moves(items: Sequence[Item]) -> dict[str, int]:
    return {item["sk"]: item.get("moves", 0) for item in items}


def _shares(item: Item) -> dict[str, Counts]:
    """What the figures of an open hour are part of, by sort key. Only a day has those of products."""
    counts, hour = folds.counts_in(item), _hour(item)
    if not counts:
        return {}
    plain = folds.without_products(counts)
    return {
        folds.day_sk(folds.day_of_hour(hour)): counts,
        folds.hour_sk(hour): plain,
        folds.TOTAL_SK: plain,
    }


def _move(table: Table, item: Item, now: int) -> None:
    """Raises `Cancelled` if the item is not as it was read, or `Busy`."""
    shares = _shares(item)
    if shares:
        writes = _added(item["pk"], _hour(item), shares, now)
        table.transact([_emptied(item, folds.counts_in(item), now), *writes])


def _added(pk: str, name: str, shares: dict[str, Counts], now: int) -> Iterator[Write]:
    for key, counts in shares.items():
        if key != folds.hour_sk(name):
            yield figures(pk, key, counts)
        elif folds.is_kept(name, now):
            yield hour(pk, name, counts)


def _emptied(item: Item, counts: Counts, now: int) -> Update:
    """Takes the figures out of an open hour if they are those that were read. `entries` grows with every
    entry, and `moves` with every move.
    """
    names = {f"#c{n}": name for n, name in enumerate(sorted(counts))}
    change = f"SET moves = :next, #ttl = :ttl REMOVE {', '.join(names)}"
    moves = item.get("moves", 0)
    values = {":next": moves + 1, ":ttl": now + KEEP_EMPTY_S, ":entries": counts["entries"]}
    names["#ttl"] = "ttl"
    if moves:
        condition = "entries = :entries AND moves = :moves"
        values[":moves"] = moves
    else:
        condition = "entries = :entries AND attribute_not_exists(moves)"
    return Update(item["pk"], item["sk"], change, condition, names=names, values=values)
