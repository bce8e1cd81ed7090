"""The audit: who was refused what, and who did what, with address, user agent, request id and reason.

Vends and admin acts reach it from the ledger, by the projector, with the id of their origin; refusals
leave no entry, so they are written here, with address and user agent. In key form a record is
`audit:<user>:<ISO time>:<id>`. Records pass after a setting's days; the ledger never does.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
OPERATORS = ("operator:", "admin:", "api-key:")
"""How the names of actors begin who are not the user."""


@dataclass(frozen=True, slots=True)
class Record:
    """One act or refusal. `code` is that of the error, empty where it went through."""

    user: str
    action: str
    ok: bool
    code: str
    act: Act


class Audit:
    """The audit of one table; its records are kept for `days`."""

    def __init__(self, table: Table, days: int) -> None:
        self.table = table
        self._days = days

    def write(self, record: Record) -> Put:
        """The write of `record`, for the transaction of the act that it records, which happens once."""
        record_id = digest(record.act.request_id, record.action)
        return Put(record_item(record, record_id, self._days), condition="")

    def keep(self, record: Record) -> None:
        """Write `record` once, and count it where it is a refusal. Raises `OutcomeUnknown`."""
        record_id = digest(record.act.request_id, record.action)
        item = record_item(record, record_id, self._days)
        try:
            self.table.write(Put(item, condition="attribute_not_exists(pk)"))
        except ConditionFailed:  # Our own write, sent again by the SDK.
            return
        if not record.ok:
            _count_refusal(self.table, record)


def record_item(record: Record, record_id: str, keep_days: int) -> Item:
    """The item of `record`, which passes after `keep_days`; the same id and time give the same key."""
    act = record.act
    return {
        "pk": audit_pk(record.user),
        "sk": f"{iso(record.act.at)}#{record_id}",
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


def refusals(table: Table, first: str, last: str) -> dict[str, Counter[str]]:
    """How many refusals of which code there were on each UTC day (YYYY-MM-DD) from `first` to `last`.

    Raises `Busy`.
    """
    counts: dict[str, Counter[str]] = {}
    for number in range(SHARDS):
        for item in table.ascending(f"{REFUSALS_PK}{number}", first, last):
            found = {code: n for code, n in item.items() if code not in ("pk", "sk")}
            counts.setdefault(item["sk"], Counter()).update(found)
    return counts


def _count_refusal(table: Table, record: Record) -> None:
    """A figure for charts: nobody's call fails for it, and one may be missing after a failure."""
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
class Wanted:
    """Which records to show: those of a user, of a UTC day (YYYY-MM-DD), or of a user on a day; one of
    the two is given. None lets all through.
    """

    user: str | None = None
    day: str | None = None
    action: str | None = None
    ok: bool | None = None

    def takes(self, item: Item) -> bool:
        return self.action in (None, item["action"]) and self.ok in (None, item["ok"])


@dataclass(frozen=True, slots=True)
class Page:
    """Records, newest first; `cursor` asks for those after them, None where there are no more."""

    items: list[Item]
    cursor: str | None


def page(table: Table, wanted: Wanted, cursor: str | None, limit: int) -> Page:
    """At most `limit` records, looked for among `MOST_LOOKED`: a short page need not be the last.

    Raises `Busy`.
    """
    found: list[Item] = []
    last = None
    for looked, item in enumerate(_newest_first(table, wanted, cursor)):
        if len(found) == limit or looked == MOST_LOOKED:
            return Page(found, last)
        last = item["sk"]
        if wanted.takes(item):
            found.append(item)
    return Page(found, None)


def _newest_first(table: Table, wanted: Wanted, before: str | None) -> Iterator[Item]:
    size = PAGE
    while True:
        if wanted.user is not None:
            items = of_user(table, wanted.user, limit=size, before=before, day=wanted.day)
        else:
            items = of_day(table, str(wanted.day), limit=size, before=before)
        yield from items
        if len(items) < size:
            return
        before, size = items[-1]["sk"], MOST_LOOKED // 4


def of_user(
    table: Table, user: str, *, limit: int, before: str | None = None, day: str | None = None
) -> list[Item]:
    """A user's records, newest first, below the sort key `before`. Raises `Busy`."""
    lowest = day or "2"
    if before is not None and before < lowest:
        return []
    return table.query(audit_pk(user), lowest, limit=limit, before=_before(day, before))


def _before(day: str | None, before: str | None) -> str | None:
    """The lower of `before` and the end of `day`: a query goes from the day's start to there."""
    return before if day is None or before is None or before.startswith(day) else None


def of_day(table: Table, day: str, *, limit: int, before: str | None = None) -> list[Item]:
    """All records of a UTC day (YYYY-MM-DD), newest first, as the index has them by now."""
    return table.query_index(BY_DAY, "audit_day", day, limit=limit, before=before)


def members(item: Item, known: Mapping[Name, Texts]) -> dict[str, Any]:
    """A record as the admin API shows it; `known` has the texts of the origin that it names, if it
    names one.
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
    }


def origin_name(item: Item) -> Name:
    """The origin that a record names, if it was made from an entry."""
    return str(item["user"]), item.get("origin_id", "")


def with_texts(table: Table, user: str) -> Iterator[Item]:
    """Records of what the user did that say from where themselves; not those of operators' acts.

    Raises `Busy`.
    """
    kept = table.ascending(audit_pk(user), "!", "~", consistent=True)
    told = (item for item in kept if item.get("address") or item.get("user_agent"))
    return (item for item in told if not str(item["actor"]).startswith(OPERATORS))


def blank(item: Item, now: int) -> Update:
    """Erases address and user agent of a record; what was done stays until it passes."""
    return Update(
        item["pk"],
        item["sk"],
        "REMOVE address, user_agent SET erased_at = :now",
        condition="attribute_exists(pk)",
        values={":now": now},
    )


def audit_pk(user: str) -> str:
    return f"AUDIT#{user}"
