"""Transactions, newest first: of all accounts from the feed that the projector writes, of one account
from its entries.

A page costs queries in proportion to its size. Filters other than user and days are applied to at most
`MOST_LOOKED` entries per call, and the cursor continues after them, so a page can be short, or even empty,
without being the last. Everything here raises `Busy`.
"""

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from engine.credits import hold_items
from engine.ledger.items import Entry, read_entry
from engine.ledger.posting import Ledger
from engine.platform import ids
from engine.platform.errors import InvalidRequest
from engine.platform.table import Item, Table
from engine.platform.times import start_of
from engine.products.product import TRANSCRIPT
from engine.readmodels import figures, folds

MOST_LOOKED = 5000
DAYS_AT_ONCE = 31
END_OF_TIME = "9999-12-31"
LOWEST_SK = "0"
CLOCKS_APART_S = 600

_USER_PART = ids.USER_ID.removeprefix("^").removesuffix(r"\Z")
_FEED_CURSOR = re.compile(rf"\d{{4}}-\d{{2}}-\d{{2}}~0\d{{10}}#{_USER_PART}#\d{{12}}")
_SEQ_CURSOR = re.compile(r"[1-9]\d{0,11}")


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Selects entries; None matches all. Amounts are compared without their sign."""

    user: str | None = None
    type: str | None = None
    actor: str | None = None
    first: str | None = None
    """The first day in UTC, YYYY-MM-DD."""
    last: str | None = None
    """The last day, likewise."""
    least: int | None = None
    most: int | None = None
    product: str | None = None
    """The code of a product, in any version."""
    text: str | None = None
    """A part, in any case, of the user's id, the subject, the request's id, the reason or the actor."""

    def takes(self, entry: Entry) -> bool:
        size = abs(entry.amount)
        return (
            self.type in (None, entry.type)
            and self.actor in (None, entry.actor)
            and self.product in (None, product_of(entry))
            and self._covers(folds.day_of(entry.at))
            and (self.least is None or size >= self.least)
            and (self.most is None or size <= self.most)
            and (self.text is None or self._has(self.text.casefold(), entry))
        )

    @staticmethod
    def _has(text: str, entry: Entry) -> bool:
        said = (entry.user, entry.subject, entry.request_id, entry.reason, entry.actor)
        return any(text in one.casefold() for one in said)

    def _covers(self, day: str) -> bool:
        return (self.first or "") <= day <= (self.last or END_OF_TIME)


def product_of(entry: Entry) -> str | None:
    """The code of the product that `entry` is about; entries of holds and tokens that name none are of the
    built-in product. None for grants and deductions.
    """
    if entry.product:
        return entry.product.partition("@")[0]
    return TRANSCRIPT.code if entry.type in folds.CONSUMING else None


@dataclass(frozen=True, slots=True)
class Found:
    """Entries, newest first; `cursor` requests the next page, None on the last."""

    entries: list[Entry]
    cursor: str | None
    looked: int = 0
    """How many entries were looked at."""


def page(ledger: Ledger, wanted: EntryFilter, cursor: str | None, limit: int) -> Found:
    """At most `limit` entries of the ledger's unit. Raises `InvalidRequest` for a malformed cursor."""
    if wanted.user is not None:
        before = _checked(cursor, _SEQ_CURSOR)
        mine = _of_user(ledger, wanted.user, int(before) if before else None)
        return _taken(_until(mine, wanted.first), wanted, limit)
    return _taken(_of_all(ledger.table, ledger.unit, wanted, cursor), wanted, limit)


def of_subject(table: Table, unit: str, subject: str, user: str | None = None) -> Iterator[Entry]:
    """The entry that opened the hold of `subject`, whose id says when that was; at most one. Without the
    user, the copies of all entries of that second are read.
    """
    at = hold_items.opened_at(subject)
    if at is None:
        return
    day, low = folds.day_of(at), f"{at:0{folds.AT_DIGITS}d}#{user + '#' if user else ''}"
    shards = range(folds.FEED_SHARDS) if user is None else [ids.shard(user, folds.FEED_SHARDS)]
    for number in shards:
        for item in table.ascending(folds.feed_pk(unit, day, number), low, low + "~"):
            if item["subject"] == subject:
                yield read_entry(item)
                return


def cursor_after(entry: Entry, wanted: EntryFilter) -> str:
    """The cursor of the page that follows `entry`."""
    if wanted.user is not None:
        return str(entry.seq)
    return f"{folds.day_of(entry.at)}~{folds.feed_sk(entry)}"


def shortened(found: Found, wanted: EntryFilter, count: int) -> Found:
    """The first `count` entries, which is at least one, of `found`."""
    if count >= len(found.entries):
        return found
    kept = found.entries[: max(1, count)]
    return Found(kept, cursor_after(kept[-1], wanted))


def _taken(entries: Iterator[tuple[str, Entry]], wanted: EntryFilter, limit: int) -> Found:
    """The page of the entries that match `wanted`; `entries` are pairs of cursor and entry."""
    found: list[Entry] = []
    cursor = None
    looked = 0
    for place, entry in entries:
        if len(found) == limit or looked == MOST_LOOKED:
            return Found(found, cursor, looked)
        cursor, looked = place, looked + 1
        if wanted.takes(entry):
            found.append(entry)
    return Found(found, None, looked)


def _of_user(ledger: Ledger, user: str, before: int | None) -> Iterator[tuple[str, Entry]]:
    size = 100
    while True:
        entries = ledger.entries(user, limit=size, before=before)
        yield from ((str(entry.seq), entry) for entry in entries)
        if len(entries) < size:
            return
        before = entries[-1].seq


def _until(entries: Iterator[tuple[str, Entry]], first: str | None) -> Iterator[tuple[str, Entry]]:
    """The entries down to the day `first`: those of one account are in the order of their times, as far
    as the clocks that gave them agree.
    """
    earliest = start_of(first) - CLOCKS_APART_S if first else 0
    return takewhile(lambda pair: pair[1].at >= earliest, entries)


def _of_all(
    table: Table, unit: str, wanted: EntryFilter, cursor: str | None
) -> Iterator[tuple[str, Entry]]:
    begin, _, before = (_checked(cursor, _FEED_CURSOR) or "").partition("~")
    if begin and not (wanted.first or "") <= begin <= (wanted.last or END_OF_TIME):
        raise InvalidRequest("The cursor belongs to another day.", details={"field": "cursor"})
    days = _days(table, unit, begin or wanted.last or "")
    for one in takewhile(lambda day: day >= (wanted.first or ""), days):
        below = before if one == begin else None
        for item in of_day(table, unit, one, below):
            yield f"{one}~{item['sk']}", read_entry(item)


def _days(table: Table, unit: str, begin: str) -> Iterator[str]:
    """The day `begin`, if given, and the earlier days that have entries, newest first."""
    if begin:
        yield begin
    before = begin or END_OF_TIME
    while found := figures.days_until(table, unit, before, limit=DAYS_AT_ONCE):
        yield from found
        before = found[-1]


def of_day(table: Table, unit: str, day: str, below: str | None = None) -> Iterator[Item]:
    """The copies of a day's entries, newest first, below the sort key `below`."""
    shards = (folds.feed_pk(unit, day, shard) for shard in range(folds.FEED_SHARDS))
    streams = [_newest_first(table, pk, below) for pk in shards]
    return heapq.merge(*streams, key=lambda item: str(item["sk"]), reverse=True)


def _newest_first(table: Table, pk: str, before: str | None) -> Iterator[Item]:
    size = 50
    while True:
        items = table.query(pk, LOWEST_SK, limit=size, before=before)
        yield from items
        if len(items) < size:
            return
        before = items[-1]["sk"]
        size = 500


def _checked(cursor: str | None, form: re.Pattern[str]) -> str | None:
    if cursor is not None and form.fullmatch(cursor) is None:
        raise InvalidRequest(
            "The cursor does not belong to this list.", details={"field": "cursor"}
        )
    return cursor
