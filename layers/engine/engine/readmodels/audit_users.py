"""The audit records of a user: those that are stored, and those of vends.

From layout 3 on a vend's record is not stored. It says what its entry says, so it is made from the user's
own entries. These are in the order in which they were written, which differs a little from that of their
times: a vend has the time at which its request began. A page costs queries in proportion to its size, and to
the entries of a minute; to find the place of a cursor or a day costs a read for each doubling of the entries.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from engine.ledger import audit
from engine.ledger.audit import Places
from engine.ledger.items import CREDITS, account_pk, entry_prefix, entry_sk, read_entry
from engine.platform.table import Item, Table
from engine.platform.times import DAY_S, iso, start_of
from engine.readmodels import writes

PAGE = 100
"""Entries read at a time: a span of `audit.page`, so a page looks at 6,200 of them at most."""

VENDED_WITHIN_S = 60
"""A vend is written less than this long after its time: its request has ended by then, and clocks agree."""

WRITTEN_WITHIN_S = 900
"""Likewise any other entry: a sweep or a batch has one time for all that it writes."""

AFTER_ALL, BEFORE_ALL = 10**11, -1
"""Times after and before every entry."""


class AuditUsers:
    """Reads the records of users; records are kept for `keep_days`."""

    def __init__(self, keep_days: int, now: int) -> None:
        self._keep_days = keep_days
        self._now = now

    def of_user(self, table: Table, user: str, below: str, first: str | None) -> Places:
        """The records of `user` from the day `first` on, below the sort key `below`, each once.

        Raises `Busy`.
        """
        stored = audit.stored_of_user(table, user, below, first)
        merged = heapq.merge(
            stored, self._vends(table, user, below, first), key=_place, reverse=True
        )
        for _, same in groupby(merged, key=_place):
            yield next(same)

    def _vends(self, table: Table, user: str, below: str, first: str | None) -> Places:
        """The records of vends. They wait until no entry that is not read yet can be newer."""
        oldest = max(self._now - self._keep_days * DAY_S + 1, start_of(first) if first else 0)
        waiting: list[Item] = []
        place = below
        for entries, reach in _spans(table, user, below):
            records = (self._record(item) for item in entries)
            waiting += [r for r in records if r and r["at"] >= oldest and r["sk"] < below]
            is_last = reach < oldest
            ready = [record for record in waiting if is_last or record["at"] > reach]
            for record in sorted(ready, key=_sk, reverse=True):
                yield record["sk"], record
            if is_last:
                return
            waiting = [record for record in waiting if record["at"] <= reach]
            above_rest = f"{iso(reach + 1)}#-"
            if above_rest < place:
                place = above_rest
                yield place, None

    def _record(self, item: Item) -> Item | None:
        """The record of the entry in `item`, if it is a vend."""
        if item.get("type") != "spend":
            return None
        entry = read_entry(item)
        return writes.audit_record(entry, self._keep_days) if writes.is_vend(entry) else None


def _spans(table: Table, user: str, below: str) -> Iterator[tuple[list[Item], int]]:
    """The entries that may have been vended below the sort key `below`, newest first, each page with the
    latest time that a vend after it can have.
    """
    pk, prefix = account_pk(user), entry_prefix(CREDITS)
    before = _start(table, user, below)
    reach = AFTER_ALL
    while True:
        entries = table.query(pk, prefix, limit=PAGE, before=before)
        reach = min([reach, *(_written_by(item) for item in entries)])
        if len(entries) < PAGE:
            yield entries, BEFORE_ALL
            return
        yield entries, reach
        before = entries[-1]["sk"]


def _written_by(item: Item) -> int:
    """When the entry in `item` was written at the latest."""
    within = VENDED_WITHIN_S if item.get("type") == "spend" else WRITTEN_WITHIN_S
    return int(item.get("at", AFTER_ALL)) + within


def _start(table: Table, user: str, below: str) -> str | None:
    """The key of an entry that all vends below the sort key `below` precede; None if there may be none."""
    if below >= audit.HIGHEST:
        return None
    until = _second_of(below) + VENDED_WITHIN_S
    pk = account_pk(user)
    newest = table.query(pk, entry_prefix(CREDITS), limit=1)
    if not newest or _at(newest[0]) <= until:
        return None
    low, high = 0, int(newest[0]["sk"].rpartition("#")[2])
    while high - low > PAGE:
        middle = (low + high) // 2
        item = table.get(pk, entry_sk(CREDITS, middle), consistent=False)
        if item is not None and _at(item) > until:
            high = middle
        else:
            low = middle
    return entry_sk(CREDITS, high)


def _at(item: Item) -> int:
    return int(item.get("at", 0))


def _second_of(below: str) -> int:
    """The second of a sort key; of a day or of no time, when its day ends."""
    try:
        return int(datetime.fromisoformat(below.partition("#")[0]).timestamp())
    except ValueError:
        return start_of(below[:10]) + DAY_S


def _place(found: tuple[str, Item | None]) -> str:
    return found[0]


def _sk(item: Item) -> str:
    return str(item["sk"])
