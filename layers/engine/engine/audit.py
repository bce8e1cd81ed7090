"""The audit: who was refused what, and who did what, with address, user agent, request id and reason.

Vends and admin acts reach it from the ledger, by the projector; refusals leave no entry, so they are
written here. In key form a record is `audit:<user>:<ISO time>:<id>`. Records pass after a setting's
days; the ledger never does.
"""

import contextlib
from dataclasses import dataclass
from typing import Any

from engine.ids import digest, iso
from engine.origin import Origin
from engine.table import ConditionFailed, Item, Put, Table

DAY_S = 86_400
BY_DAY = "audit-by-day"


@dataclass(frozen=True, slots=True)
class Record:
    """One act or refusal. `code` is that of the error, empty where it went through."""

    user: str
    action: str
    ok: bool
    code: str
    origin: Origin
    at: int


def audit_item(record: Record, record_id: str, keep_days: int) -> Item:
    """The item of `record`; the same id and time give the same key."""
    origin = record.origin
    return {
        "pk": audit_pk(record.user),
        "sk": f"{iso(record.at)}#{record_id}",
        "audit_day": iso(record.at)[:10],
        "action": record.action,
        "ok": record.ok,
        "code": record.code,
        "user": record.user,
        "actor": origin.actor,
        "reason": origin.reason,
        "request_id": origin.request_id,
        "address": origin.address,
        "user_agent": origin.user_agent,
        "at": record.at,
        "ttl": record.at + keep_days * DAY_S,
    }


def keep(table: Table, record: Record, keep_days: int) -> None:
    """Write `record` once. Raises `OutcomeUnknown`."""
    item = audit_item(record, digest(record.origin.request_id, record.action), keep_days)
    with contextlib.suppress(ConditionFailed):  # Our own write, sent again by the SDK.
        table.write(Put(item, condition="attribute_not_exists(pk)"))


def of_user(table: Table, user: str, *, limit: int, before: str | None = None) -> list[Item]:
    """A user's records, newest first, below the sort key `before`. Raises `Busy`."""
    return table.query(audit_pk(user), "2", limit=limit, before=before)


def of_day(table: Table, day: str, *, limit: int, before: str | None = None) -> list[Item]:
    """All records of a UTC day (YYYY-MM-DD), newest first, as the index has them by now."""
    return table.query_index(BY_DAY, "audit_day", day, limit=limit, before=before)


def members(item: Item) -> dict[str, Any]:
    """A record as the admin API shows it."""
    moment, _, record_id = str(item["sk"]).partition("#")
    shown = ("action", "ok", "code", "actor", "reason", "address")
    return {
        "key": f"audit:{item['user']}:{moment}:{record_id}",
        "userId": item["user"],
        "timestamp": moment,
        **{name: item.get(name) for name in shown},
        "userAgent": item["user_agent"],
        "requestId": item["request_id"],
    }


def audit_pk(user: str) -> str:
    return f"AUDIT#{user}"
