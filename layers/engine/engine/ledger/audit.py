"""The audit: acts and refusals with actor, address, user agent, request id and reason.

The record of a vend or an admin act says what its entry says, with the id of its origin. The projector
stores those of admin acts; those of vends are made from the entries, as `engine.readmodels.writes` explains.
A refusal has no entry, so it is written here, with address and user agent. A record's public key is
`audit:<user>:<ISO time>:<id>`. Records expire after the days of a setting; the ledger is kept for ever.

Records of operators' acts are in an index by actor, too: `open_shard` is `actor#<actor>`, `expires_at` the
time with a number of the record behind it, so that no two are alike. Records of earlier versions, and those
of other actors, are not: they are searched for by their days, after those of the index.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any

from engine.ledger.origins import Name, Texts
from engine.platform.act import Act
from engine.platform.errors import EngineError
from engine.platform.ids import digest, shard
from engine.platform.table import ConditionFailed, Item, Put, Table, Update
from engine.platform.times import DAY_S, iso

BY_DAY = "audit-by-day"
REFUSALS_PK = "REFUSALS#"
SHARDS = 4
PAGE = 101
MOST_LOOKED = 2000
MOST_DAYS = 62
OLD = "old~"
"""Begins the cursor of a list by actor where it has come to the records that are not in the index."""

HIGHEST = "9999-12-31~"
"""Sorts after every record."""

BY_ACTOR = "open-holds"
"""The index of holds that are open; the records of an operator have a partition of their own."""

INDEXED = ("operator:", "admin:")
"""Prefixes of the actors whose records are in it."""

_IN_INDEX = ("open_shard", "expires_at")
SPREAD = 10**6
OPERATORS = ("operator:", "admin:", "api-key:")
"""Prefixes of actors other than the user."""


@dataclass(frozen=True, slots=True)
class Record:
    """One act or refusal. `code` is the error's code, empty for an act."""

    user: str
    action: str
    ok: bool
    code: str
    act: Act


class Audit:
    """The audit in one table; records are kept for `days`."""

    def __init__(self, table: Table, days: int) -> None:
        self.table = table
        self._days = days

    def write(self, record: Record) -> Put:
        """The write of `record`, for the transaction of the act that it records, which happens once."""
        record_id = digest(record.act.request_id, record.action)
        return Put(record_item(record, record_id, self._days), condition="")

    def keep(self, record: Record) -> None:
        """Write `record` once, and count it if it is a refusal. Raises `OutcomeUnknown`."""
        record_id = digest(record.act.request_id, record.action)
        item = record_item(record, record_id, self._days)
        try:
            self.table.write(Put(item, condition="attribute_not_exists(pk)"))
        except ConditionFailed:  # The SDK repeated our own write.
            return
        if not record.ok:
            _count_refusal(self.table, record)


def record_item(record: Record, record_id: str, keep_days: int) -> Item:
    """The item of `record`, which expires after `keep_days`; the same id and time give the same key."""
    act = record.act
    sk = f"{iso(record.act.at)}#{record_id}"
    return {
        "pk": audit_pk(record.user),
        "sk": sk,
        **(_by_actor(act.actor, sk) if act.actor.startswith(INDEXED) else {}),
        "audit_day": iso(record.act.at)[:10],
        "action": record.action,
        "ok": record.ok,
        "code": record.code,
        "user": record.user,
        "actor": act.actor,
        "reason": act.reason,
        "request_id": act.request_id,
        "address": act.address,
        "user_agent": act.user_agent,
        "at": record.act.at,
        "ttl": record.act.at + keep_days * DAY_S,
    }


def is_record(item: Item, expected: Item) -> bool:
    """Whether `item` is the record `expected`; records of earlier versions are not in the index by actor."""
    if any(name in item for name in _IN_INDEX):
        return item == expected
    return item == {name: value for name, value in expected.items() if name not in _IN_INDEX}


def _by_actor(actor: str, sk: str) -> Item:
    """The keys in the index by actor of the record `sk`."""
    return {"open_shard": f"actor#{actor}", "expires_at": _place_of(sk)}


def _place_of(sk: str) -> int:
    """The place of a record among those of its actor; the order is that of the times."""
    moment, _, record_id = sk.partition("#")
    at = round(datetime.fromisoformat(moment).timestamp())
    return at * SPREAD + int.from_bytes(digest(record_id).encode()[:6], "big") % SPREAD


def refusals(table: Table, first: str, last: str) -> dict[str, Counter[str]]:
    """The number of refusals by code, for each UTC day (YYYY-MM-DD) from `first` to `last`.

    Raises `Busy`.
    """
    counts: dict[str, Counter[str]] = {}
    for number in range(SHARDS):
        for item in table.ascending(f"{REFUSALS_PK}{number}", first, last):
            found = {code: n for code, n in item.items() if code not in ("pk", "sk")}
            counts.setdefault(item["sk"], Counter()).update(found)
    return counts


def _count_refusal(table: Table, record: Record) -> None:
    """A figure for charts: a failure of this write fails no call, so a count may be missing."""
    update = Update(
        f"{REFUSALS_PK}{shard(record.user, SHARDS)}",
        iso(record.act.at)[:10],
        "ADD #code :one",
        condition="",
        names={"#code": record.code},
        values={":one": 1},
    )
    with contextlib.suppress(EngineError):
        table.write(update)


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Which records to show: those about a user, by an actor, or of everybody, from the UTC day `first` to
    `last` (YYYY-MM-DD). Without a user both days are needed. None lets all through.
    """

    user: str | None = None
    first: str | None = None
    last: str | None = None
    action: str | None = None
    ok: bool | None = None
    actor: str | None = None

    @property
    def is_by_index(self) -> bool:
        """Whether the index by actor has the newest of these records."""
        return self.user is None and self.actor is not None and self.actor.startswith(INDEXED)

    def takes(self, item: Item) -> bool:
        return (
            self.action in (None, item["action"])
            and self.ok in (None, item["ok"])
            and self.actor in (None, item["actor"])
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first; `cursor` requests the next page, None on the last."""

    items: list[Item]
    cursor: str | None


Places = Iterator[tuple[str, Item | None]]
"""Records with their sort keys, newest first; a span that was searched to its end stands as (a sort key above
what follows, None).
"""


@dataclass(frozen=True, slots=True)
class Readers:
    """What reads the records of a day, as `of_day` does, and those of a user, as `stored_of_user` does."""

    of_day: Callable[..., list[Item]]
    of_user: Callable[..., Places]


def page(
    table: Table, wanted: RecordFilter, cursor: str | None, limit: int, readers: Readers
) -> Page:
    """At most `limit` records, searched for among `MOST_LOOKED` and within `MOST_DAYS` days, or of a user
    within as many spans: a short page need not be the last. Raises `Busy`, and `ValueError` for a day that no
    calendar has.
    """
    found: list[Item] = []
    last = None
    looked = days = 0
    for place, item in _newest_first(table, wanted, cursor, readers):
        if item is None:
            days += 1
            if days == MOST_DAYS:
                return Page(found, place)
            continue
        if len(found) == limit or looked == MOST_LOOKED:
            return Page(found, last)
        last, looked = place, looked + 1
        if wanted.takes(item):
            found.append(item)
    return Page(found, None)


def _newest_first(
    table: Table, wanted: RecordFilter, before: str | None, readers: Readers
) -> Places:
    if wanted.user is not None:
        highest = min(before or HIGHEST, f"{wanted.last}~" if wanted.last else HIGHEST)
        yield from readers.of_user(table, wanted.user, highest, wanted.first)
        return
    read_day = partial(readers.of_day, table)
    if wanted.is_by_index:
        older = before.removeprefix(OLD) if before is not None and before.startswith(OLD) else None
        if older is None:
            yield from _of_actor(table, wanted, before)
        for place, found in _of_days(read_day, wanted, older):
            if found is None or "open_shard" not in found:
                yield OLD + place, found
        return
    yield from _of_days(read_day, wanted, before)


def _of_actor(table: Table, wanted: RecordFilter, before: str | None) -> Places:
    """The records of an actor that are in the index, and within the days."""
    shard_of, page = f"actor#{wanted.actor}", PAGE
    place = _place_of(before) if before is not None else None
    while True:
        keys = table.query_index(
            BY_ACTOR, "open_shard", shard_of, limit=page, before=place, sort_by="expires_at"
        )
        found = table.get_many([(key["pk"], key["sk"]) for key in keys])
        for item in sorted(found, key=lambda one: int(one["expires_at"]), reverse=True):
            if str(item["sk"])[:10] < str(wanted.first):
                return
            if str(item["sk"])[:10] <= str(wanted.last):
                yield item["sk"], item
        if len(keys) < page:
            return
        place = int(keys[-1]["expires_at"])


def _of_days(
    read_day: Callable[..., list[Item]], wanted: RecordFilter, before: str | None
) -> Places:
    first, last = str(wanted.first), min(str(wanted.last), (before or HIGHEST)[:10])
    for day in _days_down(last, first):
        below = before if before is not None and before.startswith(day) else None
        for item in _paged(partial(read_day, day), below):
            yield item["sk"], item
        yield f"{day}T00:00:00.000Z#-", None


def _days_down(last: str, first: str) -> Iterator[str]:
    day, end = date.fromisoformat(last), date.fromisoformat(first)
    while day >= end:
        yield day.isoformat()
        day -= timedelta(days=1)


def _paged(query: Callable[..., list[Item]], before: str | None) -> Iterator[Item]:
    size = PAGE
    while True:
        items = query(limit=size, before=before)
        yield from items
        if len(items) < size:
            return
        before, size = items[-1]["sk"], MOST_LOOKED // 4


def of_user(
    table: Table, user: str, *, limit: int, before: str | None = None, first: str | None = None
) -> list[Item]:
    """A user's stored records from the day `first` on, newest first, below the sort key `before`. Those of
    vends are not stored from layout 3 of the read models on: `engine.readmodels.audit_users` has them too.
    Raises `Busy`.
    """
    lowest, highest = first or "2", before or HIGHEST
    if highest < lowest:
        return []
    return table.query(audit_pk(user), lowest, limit=limit, before=highest)


def stored_of_user(table: Table, user: str, below: str, first: str | None) -> Places:
    """A user's stored records from the day `first` on, below the sort key `below`, read as the iterator
    advances.
    """
    for item in _paged(partial(of_user, table, user, first=first), below):
        yield item["sk"], item


def of_day(table: Table, day: str, *, limit: int, before: str | None = None) -> list[Item]:
    """Records of a UTC day (YYYY-MM-DD) in the index, newest first; it lags behind the table. Vends are not
    in it from layout 2 of the read models on: `engine.readmodels.audit_days` has them too.
    """
    return table.query_index(BY_DAY, "audit_day", day, limit=limit, before=before)


def members(item: Item, known: Mapping[Name, Texts]) -> dict[str, Any]:
    """A record as the admin API shows it; `known` has the texts of the origin that it names, if it
    names one. `unit` and `seq` are of the entry that the act made, None for a refusal and for an act
    without one.
    """
    moment, _, record_id = str(item["sk"]).partition("#")
    said = Texts(item.get("address", ""), item.get("user_agent", ""))
    origin = known.get(origin_name(item), said)
    shown = ("action", "ok", "code", "actor", "reason")
    return {
        "key": f"audit:{item['user']}:{moment}:{record_id}",
        "userId": item["user"],
        "timestamp": moment,
        **{name: item.get(name) for name in shown},
        "address": origin.address,
        "userAgent": origin.user_agent,
        "requestId": item["request_id"],
        "unit": item.get("unit"),
        "seq": item.get("seq"),
    }


def origin_name(item: Item) -> Name:
    """The origin that a record names; only records copied from entries name one."""
    return str(item["user"]), item.get("origin_id", "")


def with_texts(table: Table, user: str) -> Iterator[Item]:
    """Records of the user's own acts that contain an address or user agent; operators' acts are left out.

    Raises `Busy`.
    """
    kept = table.ascending(audit_pk(user), "!", "~", consistent=True)
    told = (item for item in kept if item.get("address") or item.get("user_agent"))
    return (item for item in told if not str(item["actor"]).startswith(OPERATORS))


def blank(item: Item, now: int) -> Update:
    """Erases address and user agent of a record; the record itself stays until it expires."""
    return Update(
        item["pk"],
        item["sk"],
        "REMOVE address, user_agent SET erased_at = :now",
        condition="attribute_exists(pk)",
        values={":now": now},
    )


def audit_pk(user: str) -> str:
    return f"AUDIT#{user}"
