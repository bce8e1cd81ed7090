"""What operators read: pages of users, one user with balance, holds and verification, transactions."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from engine.admin.erasure import Erased
from engine.credits import adjustments, hold_items, users
from engine.credits.adjustments import Adjusted
from engine.credits.hold_items import OPEN, Hold
from engine.credits.verification import Finding, Verification, verify_user
from engine.ledger import audit, origins
from engine.ledger.items import Entry, account_pk, entry_sk, read_entry
from engine.ledger.origins import Name, Texts
from engine.ledger.posting import Ledger
from engine.platform import ids
from engine.platform.errors import InvalidRequest
from engine.platform.table import Item, Table
from engine.platform.times import iso
from engine.readmodels import figures, folds
from engine.readmodels.folds import Summary
from engine.transcription import job_records
from engine.transcription.job_records import Record
from engine.web.http import dump

ANSWER_LIMIT = 5_000_000
"""Bytes of an answer: Lambda's limit is 6 MB, counted after the text is escaped as JSON."""

LAST_TRANSACTIONS = 20
LAST_SUBJECTS = 100
MOST_HOLDS = 1000
HOLDS_SHOWN = 50
INDEXES: Final = {"newest": folds.BY_START, "balance": folds.BY_BALANCE}
_RANK = re.compile(r"\d{11,15}#" + ids.USER_ID.removeprefix("^"))


def users_members(
    ledger: Ledger, *, prefix: str | None, sort: str, cursor: str | None, limit: int
) -> dict[str, Any]:
    """A page of users. Raises `InvalidRequest` for a malformed cursor, `Busy`.

    `stable` is false for the order by balance: a user whose balance rises above the cursor between two
    pages is on neither, because an order by a value that changes cannot be paged completely.
    """
    if sort == "id":
        if cursor is not None and not ids.is_user_id(cursor):
            raise InvalidRequest(details={"field": "cursor"})
        page = figures.list_summaries(ledger.table, ledger.unit, prefix or "", cursor, limit)
    else:
        if prefix is not None:
            raise InvalidRequest("A prefix needs sort=id.", details={"field": "prefix"})
        if cursor is not None and _RANK.match(cursor) is None:
            raise InvalidRequest(details={"field": "cursor"})
        page = figures.ranked_summaries(ledger.table, ledger.unit, INDEXES[sort], cursor, limit)
    return {
        "ok": True,
        "users": [_summary_members(summary) for summary in page.summaries],
        "nextCursor": page.cursor,
        "stable": sort != "balance",
    }


def user_members(
    ledger: Ledger, user: str, build: dict[str, str], job_limit_s: int
) -> dict[str, Any] | None:
    """Everything about a user; None if there is no such user. Raises `Busy`."""
    account = ledger.account(user)
    if not account.exists:
        return None
    newest = _newest_holds(ledger.table, user, account.open_holds)
    summary = figures.get_summary(ledger.table, ledger.unit, user)
    undone = adjustments.undone_by(ledger, user)
    last = ledger.entries(user, limit=LAST_TRANSACTIONS)
    return {
        **users.balance_members(account, build),
        "openHolds": [hold_members(item) for item in newest if item["state"] == OPEN],
        "holds": [hold_members(item) for item in newest[:HOLDS_SHOWN]],
        "transactions": entries_members(ledger.table, last, undone, job_limit_s),
        "erasedAt": iso(account.erased_at) if account.erased_at else None,
        "totals": None if summary is None else _totals(summary),
        "verification": _verification_members(verify_user(ledger.table, ledger.unit, user)),
    }


def holds_members(ledger: Ledger, user: str, *, only_open: bool) -> dict[str, Any] | None:
    """The holds of a user, newest first, also those of back ends; None if there is no such user.

    Of back ends' holds that ended, those of the last entries are found. Raises `Busy`.
    """
    account = ledger.account(user)
    if not account.exists:
        return None
    names = account.open_holds
    if not only_open:
        subjects = dict.fromkeys(one.subject for one in ledger.entries(user, limit=LAST_SUBJECTS))
        ended = [s[: hold_items.NAME_LENGTH] for s in subjects if hold_items.is_of_backend(s)]
        names = tuple(dict.fromkeys([*names, *ended]))
    found = _newest_holds(ledger.table, user, names)
    shown = [item for item in found if not only_open or item["state"] == OPEN]
    return {"ok": True, "userId": user, "holds": [hold_members(item) for item in shown]}


def _newest_holds(table: Table, user: str, names: Iterable[str]) -> list[Item]:
    """The holds of the user's tokens, and those of back ends with these names, newest first."""
    kept = list(table.ascending(account_pk(user), "H#", "H#~", limit=MOST_HOLDS, consistent=True))
    keys = [(hold_items.backend_pk(name), hold_items.BACKEND_SK) for name in names]
    kept += [item for item in table.get_many(keys) if item["user"] == user]
    return sorted(kept, key=lambda item: int(item["seq"]), reverse=True)


def origins_of(table: Table, entries: Iterable[Entry]) -> Mapping[Name, Texts]:
    """The origins of `entries`, without erased ones. Raises `Busy`."""
    return origins.texts(table, ((entry.user, entry.origin_id) for entry in entries))


def entries_members(
    table: Table, entries: Sequence[Entry], undone: Mapping[int, int], job_limit_s: int
) -> list[dict[str, Any]]:
    """`entries` with actor, origin, and the jobs that their credits paid for. Raises `Busy`."""
    known = origins_of(table, entries)
    jobs = job_records.of(table, ((one.user, one.subject) for one in entries), job_limit_s)
    return [entry_members(one, known, undone) | {"job": _job_members(one, jobs)} for one in entries]


def records_members(ledger: Ledger, records: Sequence[Item]) -> list[dict[str, Any]]:
    """Audit records with their origins, and with the amounts of the entries that they name. Raises `Busy`."""
    known = origins.texts(ledger.table, map(audit.origin_name, records))
    keys = {
        (account_pk(item["user"]), entry_sk(item["unit"], item["seq"])): item
        for item in records
        if "seq" in item
    }
    entries = map(read_entry, ledger.table.get_many(list(keys)))
    amounts = {(one.user, one.unit, one.seq): one.amount for one in entries}
    return [
        audit.members(item, known)
        | {"amount": amounts.get((item["user"], item.get("unit", ""), item.get("seq", 0)))}
        for item in records
    ]


def _job_members(entry: Entry, jobs: Mapping[job_records.Name, Record]) -> dict[str, Any] | None:
    """An entry that ends the job says how, also when no hold is stored any more."""
    record = jobs.get((entry.user, entry.subject))
    if record is None:
        return None
    if record.state == job_records.ENDED and entry.type in _ENDS:
        record = replace(record, state=_ENDS[entry.type], ended_at=entry.at)
    return record.members()


_ENDS: Final = {"capture": job_records.COMPLETED, "refund": job_records.FAILED}


def entry_members(
    entry: Entry, known: Mapping[Name, Texts], undone: Mapping[int, int] | None = None
) -> dict[str, Any]:
    """An entry with actor and origin; `undone` maps undone entries of its account to the reversing seq."""
    origin = known.get((entry.user, entry.origin_id), origins.UNKNOWN)
    return {
        **users.transaction_members(entry),
        "actor": entry.actor,
        "address": origin.address,
        "userAgent": origin.user_agent,
        "undoable": adjustments.is_undoable(entry) and entry.seq not in (undone or {}),
        "undoneBy": (undone or {}).get(entry.seq),
    }


def fitting(members: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of `members`, at least one, as an answer with its `data` can contain twice."""
    size = 0
    for number, one in enumerate(members):
        size += 2 * len(json.dumps(dump(one)))
        if size > ANSWER_LIMIT and number:
            return members[:number]
    return members


def erased_members(user: str, erased: Erased, now: int) -> dict[str, Any]:
    """The answer to an erasure."""
    return {
        "ok": True,
        "userId": user,
        "erasedAt": iso(now),
        "origins": erased.origins,
        "auditRecords": erased.audit_records,
        "jobs": erased.jobs,
        "payments": erased.payments,
        "device": erased.device,
        "profile": erased.profile,
        "subscription": erased.subscription,
        "complete": erased.complete,
    }


def adjusted_members(made: Adjusted) -> dict[str, Any]:
    """The answer to an adjustment."""
    return {
        "ok": True,
        "id": f"{made.user}:{made.seq}",
        "userId": made.user,
        "seq": made.seq,
        "amount": made.amount,
        "newBalance": made.new_balance,
        "reason": made.reason,
        "requestId": made.request_id,
    }


def _summary_members(summary: Summary) -> dict[str, Any]:
    stats = summary.stats
    return {
        "userId": summary.user,
        "balance": stats.available,
        "credits": stats.available,
        "heldCredits": stats.held,
        "owed": stats.owed,
        "added": stats.granted,
        "deducted": stats.deducted,
        "spent": stats.spent,
        "refunded": stats.refunded,
        "transactions": stats.entries,
        "createdAt": iso(summary.first_at),
        "updatedAt": iso(summary.last_at),
    }


def _totals(summary: Summary) -> dict[str, Any]:
    stats = summary.stats
    return {
        "added": stats.granted,
        "deducted": stats.deducted,
        "spent": stats.spent,
        "refunded": stats.refunded,
        "transactions": stats.entries,
        "holdsPlaced": stats.holds_placed,
        "holdsCaptured": stats.holds_captured,
        "holdsReleased": stats.holds_released,
        "byType": {
            name: {"count": of.count, "sum": of.sum} for name, of in sorted(stats.types.items())
        },
        "createdAt": iso(summary.first_at),
        "upToSeq": summary.seq,
    }


def hold_members(item: Item) -> dict[str, Any]:
    """A stored hold as operators see it."""
    resolved_at = item.get("resolved_at")
    members = told_members(hold_items.read(item))
    return members | {"resolvedAt": iso(resolved_at) if resolved_at is not None else None}


def told_members(hold: Hold) -> dict[str, Any]:
    """A hold as operators see it, without the time when it was resolved."""
    return {
        "jti": hold.jti,
        "holdId": hold.hold_id,
        "caller": hold.caller,
        "amount": hold.amount,
        "product": {"code": hold.product, "version": hold.version},
        "units": hold.units or None,
        "reserved": hold.reserved,
        "committed": hold.committed,
        "released": hold.released,
        "seq": hold.seq,
        "heldSince": iso(hold.issued_at),
        "expiresAt": iso(hold.ends_at),
        "jobId": hold.job_id,
        "used": hold.claim is not None,
        "state": hold.state,
        "resolvedSeq": hold.resolved_seq,
    }


def _verification_members(found: Verification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "entries": found.entries,
        "findings": [_finding_members(finding) for finding in found.findings],
    }


def _finding_members(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "seq": finding.seq, "text": finding.text}
