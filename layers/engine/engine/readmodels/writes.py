"""The writes by which the projector changes the items of the read models (`engine.readmodels.folds`)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.credits.hold_items import is_of_backend
from engine.ledger.audit import Record, record_item
from engine.ledger.items import CREDITS, Entry
from engine.platform.act import Act
from engine.platform.table import Item, Put, Update, Write
from engine.platform.times import DAY_S
from engine.readmodels import folds, open_hours
from engine.readmodels.figures import KEYS_ALONE, OPEN_HOURS
from engine.readmodels.folds import Counts, Folded


@dataclass(frozen=True, slots=True)
class Account:
    """An account in one generation, whose items have the layout `layout`."""

    user: str
    unit: str
    generation: int
    layout: int


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


def is_vend(entry: Entry) -> bool:
    """Whether readers can make the record of `entry` from the entry or its copy in the feed."""
    return entry.type == "spend" and entry.unit == CREDITS and is_audited(entry)


def stored_record(entry: Entry, audit_days: int, layout: int) -> Item | None:
    """The audit item as it is stored, None if none is. That of a vend is not in the index by day in layout 2,
    and from layout 3 on readers make it from the entry.
    """
    if not is_audited(entry) or (layout >= KEYS_ALONE and is_vend(entry)):
        return None
    record = audit_record(entry, audit_days)
    if layout >= OPEN_HOURS and is_vend(entry):
        del record["audit_day"]
    return record


def repair(entry: Entry, audit_days: int) -> Put:
    """The record of a vend as layout 2 stores it, for the place of one that is stored."""
    record = stored_record(entry, audit_days, OPEN_HOURS)
    assert record is not None  # noqa: S101 - of a vend
    return Put(record, condition="attribute_exists(pk)")


def copies(entry: Entry, account: Account, audit_days: int) -> list[Put]:
    """The items that are the same whenever they are put: the copy in the feed, the start of the account, and
    the audit record if one is stored.
    """
    items = [folds.feed_item(entry)]
    if entry.seq == 1 and account.layout >= OPEN_HOURS:
        items.append(folds.start_item(entry.user, entry.unit, account.generation, entry.at))
    record = stored_record(entry, audit_days, account.layout)
    if record is not None:
        items.append(record)
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
    user, unit = account.user, account.unit
    add, names, values = open_hours.adding(folded.counts)
    pk = folds.summary_pk(unit, account.generation, user)
    change = "SET projected_seq = :next, last_at = :last"
    values |= {":next": folded.seq, ":last": folded.last_at}
    if account.layout >= KEYS_ALONE:
        change += ", open_shard = :ranks, expires_at = :rank"
        add = f"REMOVE by_balance {add}"  # An earlier version may have begun the account.
        values |= {":ranks": folds.ranks_of(pk), ":rank": folds.rank(available, user)}
    else:
        change += ", by_balance = :by_balance"
        values[":by_balance"] = folds.balance_rank(available, user)
    if seen:
        condition = "projected_seq = :seen"
        values |= {":seen": seen}
    else:
        condition = "attribute_not_exists(pk)"
        change += ", #unit = :unit, first_at = :first"
        names |= {"#unit": "unit"}
        values |= {":unit": unit, ":first": folded.first_at}
        if account.layout < KEYS_ALONE:
            change += ", users_shard = :shard"
            values[":shard"] = pk
        if account.layout < OPEN_HOURS:
            change += ", by_start = :by_start"
            values[":by_start"] = folds.start_rank(folded.first_at, user)
    return Update(pk, user, f"{change} {add}", condition, names=names, values=values)


def statistics(account: Account, folded: Sequence[Folded], now: int) -> list[Write]:
    """Adds entries of the shard of `account` to the figures of their periods. Needs no condition: those of
    the summaries in the same transaction make it happen once.
    """
    pk = folds.stats_pk(account.unit, account.generation, folds.stats_shard(account.user))
    if account.layout >= OPEN_HOURS:
        return _by_hours(pk, _sums(one.full_hours for one in folded), now)
    hours, days = _sums(one.hours for one in folded), _sums(one.days for one in folded)
    total = _sums({folds.TOTAL_SK: one.counts} for one in folded)
    return [
        *(open_hours.figures(pk, folds.day_sk(day), counts) for day, counts in days.items()),
        *(open_hours.figures(pk, sk, counts) for sk, counts in total.items()),
        *(
            open_hours.hour(pk, hour, counts)
            for hour, counts in hours.items()
            if folds.is_kept(hour, now)
        ),
    ]


def _sums(parts: Iterable[Mapping[str, Counts]]) -> dict[str, Counts]:
    sums: dict[str, Counts] = {}
    for part in parts:
        for name, counts in part.items():
            sums.setdefault(name, Counter()).update(counts)
    return sums


def _by_hours(pk: str, full_hours: Mapping[str, Counts], now: int) -> list[Write]:
    """Adds to open hours alone; entries that are too old for an hour, to their day and the totals."""
    recent, old = list[Write](), dict[str, Counts]()
    for hour, counts in full_hours.items():
        if folds.is_kept(hour, now):
            recent.append(open_hours.add(pk, hour, counts))
            continue
        old.setdefault(folds.day_sk(folds.day_of_hour(hour)), Counter()).update(counts)
        old.setdefault(folds.TOTAL_SK, Counter()).update(folds.without_products(counts))
    return [*recent, *(open_hours.figures(pk, sk, counts) for sk, counts in old.items())]
