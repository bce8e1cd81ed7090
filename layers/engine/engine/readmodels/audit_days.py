"""The audit records of a day, of all users: those in the index by day, and those of vends.

From layout 2 on a vend's record is not in that index, which all vends of a day would share one partition
of, and from layout 3 on it is not stored. Such a record says what its entry says, so it is made from the
entry's copy in the feed.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby, islice

from engine.ledger import audit
from engine.ledger.items import CREDITS, read_entry
from engine.platform.table import Item, Table
from engine.readmodels import feed, folds, writes


class AuditDays:
    """Reads the records of days; records are kept for `keep_days`."""

    def __init__(self, keep_days: int, now: int) -> None:
        self._keep_days = keep_days
        self._now = now

    def of_day(
        self, table: Table, day: str, *, limit: int, before: str | None = None
    ) -> list[Item]:
        """At most `limit` records of a UTC day (YYYY-MM-DD), newest first, below the sort key `before`.

        Raises `Busy`.
        """
        found = list(islice(self._vends(table, day, before), limit))
        found += audit.of_day(table, day, limit=limit, before=before)
        records = {(item["pk"], item["sk"]): item for item in found}
        return sorted(records.values(), key=_sk, reverse=True)[:limit]

    def _vends(self, table: Table, day: str, before: str | None) -> Iterator[Item]:
        """The records of the day's vends, whichever layout they were projected in."""
        copies = feed.of_day(table, CREDITS, day, _below(before))
        for _, second in groupby(copies, key=lambda item: int(item["at"])):
            entries = (read_entry(item) for item in second)
            made = [
                writes.audit_record(entry, self._keep_days)
                for entry in entries
                if writes.is_vend(entry)
            ]
            for record in sorted(made, key=_sk, reverse=True):
                if record["ttl"] > self._now and (before is None or record["sk"] < before):
                    yield record


def _below(before: str | None) -> str | None:
    """A sort key of the feed above every entry of the second of `before`; None if that is no time."""
    try:
        at = int(datetime.fromisoformat((before or "").partition("#")[0]).timestamp())
    except ValueError:
        return None
    return f"{at + 1:0{folds.AT_DIGITS}d}"


def _sk(item: Item) -> str:
    return str(item["sk"])
