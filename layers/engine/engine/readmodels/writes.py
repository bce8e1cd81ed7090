"""The writes by which the projector changes the items of the read models (`engine.readmodels.folds`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.credits.hold_items import is_of_backend
from engine.ledger.audit import Record, record_item
from engine.ledger.items import Entry
from engine.platform.act import Act
from engine.platform.table import Item, Put, Update, Write
from engine.platform.times import DAY_S
from engine.readmodels import folds
from engine.readmodels.folds import Counts, Folded

Account = tuple[str, str, int]
"""User, unit and generation."""

RECORD_ID_LENGTH = 22
AUDITED: Mapping[str, str] = {
    "spend": "vend",
    "admin_add": "admin_add",
    "admin_deduct": "admin_deduct",
}
"""Entry types of vends and admin acts, each with its action in the audit."""


@dataclass(frozen=True, slots=True)
class LowBalance:
    """A balance that fell below the threshold. `at` in epoch seconds."""

    user: str
    unit: str
    seq: int
    available: int
    threshold: int
    at: int


def is_audited(entry: Entry) -> bool:
    """Whether `entry` is a vend or an admin act; a spend that reverses a refund is neither."""
    return entry.type in AUDITED and (entry.type != "spend" or entry.reverses is None)


def audit_record(entry: Entry, audit_days: int) -> Item:
    """The audit item of a vend or an admin act, with the entry's `unit`, `seq` and origin id."""
    act = Act(entry.actor, entry.request_id, "", "", entry.reason, at=entry.at)
    action = "hold" if is_of_backend(entry.subject) else AUDITED[entry.type]
    record = Record(entry.user, action, True, "", act)
    item = record_item(record, entry.hash[:RECORD_ID_LENGTH], audit_days)
    return {**item, "origin_id": entry.origin_id, "unit": entry.unit, "seq": entry.seq}


def copies(entry: Entry, audit_days: int) -> list[Put]:
    """The items that are the same whenever they are put: the copy in the feed and the audit record."""
    items = [folds.feed_item(entry)]
    if is_audited(entry):
        items.append(audit_record(entry, audit_days))
    return [Put(item, condition="") for item in items]


def notice(low: LowBalance, keep_days: int) -> Update:
    """An update, so that members added by operators survive a rebuild."""
    return Update(
        folds.notice_pk(low.user),
        folds.notice_sk(low.seq),
        "SET kind = :kind, #unit = :unit, #seq = :seq, available = :available, "
        "threshold = :threshold, #at = :at, #ttl = :ttl",
        condition="",
        names={"#unit": "unit", "#seq": "seq", "#at": "at", "#ttl": "ttl"},
        values={
            ":kind": "low_balance",
            ":unit": low.unit,
            ":seq": low.seq,
            ":available": low.available,
            ":threshold": low.threshold,
            ":at": low.at,
            ":ttl": low.at + keep_days * DAY_S,
        },
    )


def summary(account: Account, seen: int, folded: Folded, available: int) -> Update:
    """Advances the summary if it is unchanged since `seen`; `available` is the balance after it."""
    user, unit, generation = account
    add, names, values = _adding(folded.counts)
    pk = folds.summary_pk(unit, generation, user)
    change = "SET projected_seq = :next, last_at = :last, by_balance = :by_balance"
    values |= {":next": folded.seq, ":last": folded.last_at}
    values[":by_balance"] = folds.balance_rank(available, user)
    if seen:
        condition = "projected_seq = :seen"
        values |= {":seen": seen}
    else:
        condition = "attribute_not_exists(pk)"
        change += ", #unit = :unit, first_at = :first, by_start = :by_start, users_shard = :shard"
        names |= {"#unit": "unit"}
        values |= {":unit": unit, ":first": folded.first_at, ":shard": pk}
        values[":by_start"] = folds.start_rank(folded.first_at, user)
    return Update(pk, user, f"{change} {add}", condition, names=names, values=values)


def statistics(account: Account, folded: Folded, now: int) -> list[Write]:
    user, unit, generation = account
    pk = folds.stats_pk(unit, generation, folds.stats_shard(user))
    sums = {folds.day_sk(day): counts for day, counts in folded.days.items()}
    sums[folds.TOTAL_SK] = folded.counts
    oldest = folds.hour_of(now - folds.HOURS_KEPT_S)
    hours = {hour: counts for hour, counts in folded.hours.items() if hour > oldest}
    return [
        *(_stats_write(pk, sk, counts) for sk, counts in sums.items()),
        *(_hour_write(pk, hour, counts) for hour, counts in hours.items()),
    ]


def _stats_write(pk: str, sk: str, counts: Counts) -> Update:
    """Needs no condition: the summary's condition in the same transaction makes it happen once."""
    add, names, values = _adding(counts)
    return Update(pk, sk, add, condition="", names=names, values=values)


def _hour_write(pk: str, hour: str, counts: Counts) -> Update:
    """Likewise; the item expires by TTL."""
    add, names, values = _adding(counts)
    ttl = folds.hour_start(hour) + folds.HOURS_KEPT_S
    return Update(
        pk,
        folds.hour_sk(hour),
        f"SET #ttl = :ttl {add}",
        condition="",
        names={**names, "#ttl": "ttl"},
        values={**values, ":ttl": ttl},
    )


def _adding(counts: Counts) -> tuple[str, dict[str, str], dict[str, Any]]:
    """The ADD clause for `counts`, with its names and values."""
    changed = [(name, value) for name, value in sorted(counts.items()) if value]
    terms = ", ".join(f"#c{n} :c{n}" for n in range(len(changed)))
    names = {f"#c{n}": name for n, (name, _) in enumerate(changed)}
    return f"ADD {terms}", names, {f":c{n}": value for n, (_, value) in enumerate(changed)}
