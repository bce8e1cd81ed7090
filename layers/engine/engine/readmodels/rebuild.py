"""Rebuilds every read model from the ledger, and compares stored read models with the ledger.

Read models have a generation number in their keys, and one control item names the generation in use and
the one being built. `write`
1. announces a new generation, from then on projectors project into both, and waits for `SETTLES_S`;
2. projects every account into it, from its first entry on, with the projector's own code;
3. makes it the generation in use, in one write;
4. sets a TTL of a day on the items of the old one.

So readers never see an incomplete generation, and the projector keeps running: each generation of an
account has its own `projected_seq`, so an entry counts once in each. A projector reads which generations it
writes without consistency, so a batch that starts before the wait of 1 is over may write only the old one.
Its entries were in the ledger before the wait was over, so 2, which reads consistently, finds them. A batch
that runs after 3 may write items of the old generation, which are not read.

An interrupted rebuild leaves the new generation incomplete and unused; projectors write both until the next
rebuild, which starts another one. Of two concurrent rebuilds the later wins, the earlier raises `Overtaken`.
An account with an unreadable entry is projected up to that entry and named in the result. A store that does
not answer ends the rebuild.

Missing copies in the feed and missing audit records are written again, and records of vends that are still
stored are written as they should be; notices only for the last day.
"""

import contextlib
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.credits.verification import all_accounts
from engine.ledger.audit import audit_pk, is_record
from engine.ledger.items import SEQ_DIGITS, Entry, account_pk, account_sk, entry_sk
from engine.platform.table import ConditionFailed, Item, Table, Update
from engine.platform.times import DAY_S
from engine.readmodels import figures, folds, open_hours
from engine.readmodels.batches import readable
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK, KEYS_ALONE, Generations
from engine.readmodels.folds import Counts, Folded, Summary, stats_shard
from engine.readmodels.projection import (
    LAST_SEQ,
    Projector,
    Unreadable,
)
from engine.readmodels.writes import audit_record, is_audited, is_vend

SETTLES_S = 5.0
"""After this time every read of the item that names the generations, a consistent one or not, finds what was
written to it: far more than the usual second.
"""

KEEP_OLD_S = DAY_S
HOURS_COMPARED_S = 48 * 3600
PASSES = 3
"""How often everything is read again for figures that changed meanwhile."""

PAUSE_S = 1.0
"""How long the projector may take to catch up with an account before it counts as behind."""


LOWEST, HIGHEST = "!", "~"
"""Below and above every sort key of a read model."""


class Overtaken(Exception):
    """Another rebuild has started; this one will not be used."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored value that differs from the ledger; None for a missing one."""

    key: str
    stored: Any
    expected: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, what differs, and the keys that changed too often to be compared."""

    accounts: int
    entries: int
    differences: list[Difference]
    unsettled: list[str]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The generation now in use, and the stalled accounts, each with the reason."""

    generation: int
    accounts: int
    standing: list[str]


Figures = dict[str, Counts]
"""Hours, days and totals by their key, `<pk> <sk>`; a partition of the feed by its `pk`."""


def write(
    projector: Projector, *, now: int, sleep: Callable[[float], None] = time.sleep
) -> Rebuilt:
    """Replace every read model. After `Stalled`, `Busy` or `Overtaken`, run it again."""
    table = projector.table
    before = figures.generations(table, consistent=True)
    made = _announce(table, before)
    sleep(SETTLES_S)
    accounts, standing = _project_all(projector, made)
    _use(table, made)
    for generation in before.written:
        for unit in sorted({unit for _, unit in accounts}):
            _retire(table, unit, generation, now + KEEP_OLD_S)
    return Rebuilt(made, len(accounts), standing)


def _project_all(projector: Projector, generation: int) -> tuple[set[tuple[str, str]], list[str]]:
    """Projects every account; returns all of them, each with its unit, and the reasons of those that stop."""
    accounts, standing = set[tuple[str, str]](), list[str]()
    for user, unit in all_accounts(projector.table):
        accounts.add((user, unit))
        try:
            projector.project(user, unit, generation)
        except Unreadable as unreadable:
            standing.append(str(unreadable))
    return accounts, standing


def compare(
    table: Table, *, audit_days: int, now: int, sleep: Callable[[float], None] = time.sleep
) -> Comparison:
    """Compare stored read models with the ledger while both are in use.

    A summary is compared at the entry up to which it is projected. A day or a total is compared if it is
    equal before and after all accounts were read, because nothing was then projected into it meanwhile;
    the others are read again, and those that never stabilise are `unsettled`. Raises `Busy`.
    """
    generations = figures.generations(table, consistent=True)
    generation = generations.current
    found: dict[str, Difference | None] = {}
    for _ in range(PASSES):
        accounts = _Accounts(table, generations, audit_days=audit_days, now=now, sleep=sleep)
        units = sorted({unit for _, unit in all_accounts(table)})
        oldest = _oldest_hour(now)
        before = _stored_figures(table, units, generation, oldest)
        expected = accounts.read()
        after = _stored_figures(table, units, generation, oldest)
        keys = before.keys() | after.keys() | expected.keys()
        for key in keys - found.keys():
            if before.get(key) == after.get(key):
                found[key] = _figures_difference(key, after.get(key), expected.get(key))
        if keys <= found.keys():
            break
    differences = [found[key] for key in sorted(found)]
    return Comparison(
        accounts.accounts,
        accounts.entries,
        [*accounts.differences, *(difference for difference in differences if difference)],
        sorted(keys - found.keys()),
    )


class _Accounts:
    """Reads all accounts, compares their summaries and audit records, and sums their figures."""

    def __init__(
        self,
        table: Table,
        generations: Generations,
        *,
        audit_days: int,
        now: int,
        sleep: Callable[[float], None],
    ) -> None:
        self._table = table
        self._generation, self._layout = generations.current, generations.layout
        self._audit_days = audit_days
        self._now = now
        self._sleep = sleep
        self._behind: dict[tuple[str, str], int] = {}
        self._feed: Figures = {}
        self._vends: set[str] = set()
        self.accounts = self.entries = 0
        self.differences: list[Difference] = []

    def read(self) -> Figures:
        """The days and totals from the entries, each account's up to where it is projected."""
        sums: Figures = {}
        known: dict[str, set[str]] = {}
        for user, unit in all_accounts(self._table):
            known.setdefault(unit, set()).add(user)
            folded = self._one(user, unit)
            if folded is not None:
                pk = folds.stats_pk(unit, self._generation, stats_shard(user))
                _add(sums, pk, folded, _oldest_hour(self._now))
            self.accounts += 1
        for unit, users in known.items():
            self._strays(unit, users)
        self._left_behind()
        for key, counts in self._feed.items():
            sums[key] = counts
        return sums

    def _one(self, user: str, unit: str) -> Folded | None:
        """The fold of the account's projected entries; its differences are stored."""
        stored = figures.get_summary(
            self._table, unit, user, generation=self._generation, consistent=True
        )
        projected = stored.seq if stored is not None else 0
        entries = _Entries(self._table, user, unit)
        records: dict[str, Item] = {}
        folded = folds.fold(self._noted(entries.up_to(projected), records))
        expected = folds.summary_of(user, unit, folded) if folded is not None else None
        if stored != expected:
            key = _summary_key(user, unit, self._generation)
            self._differs(key, _shown(stored), _shown(expected))
        if stored is not None and expected is not None and stored.starts_apart:
            self._compare_start(user, unit, expected.first_at)
        self._compare_audit(user, unit, projected, records)
        last = entries.last()
        self.entries += last
        if last > projected:
            self._behind[user, unit] = last
        return folded

    def _noted(self, entries: Iterable[Entry], records: dict[str, Item]) -> Iterator[Entry]:
        """`entries`; adds the expected audit records to `records`, by sort key, and the expected feed to
        `_feed`.
        """
        for entry in entries:
            copy = folds.feed_item(entry)
            self._feed.setdefault(copy["pk"], Counter()).update(_weighed(copy))
            if is_audited(entry):
                record = audit_record(entry, self._audit_days)
                if record["ttl"] > self._now:
                    records[record["sk"]] = record
                    if is_vend(entry):
                        self._vends.add(record["sk"])
            yield entry

    def _compare_start(self, user: str, unit: str, first_at: int) -> None:
        right = folds.start_item(user, unit, self._generation, first_at)
        if self._table.get(right["pk"], right["sk"]) is None:
            self._differs(f"{right['pk']} {right['sk']}", None, right)

    def _compare_audit(
        self, user: str, unit: str, projected: int, expected: Mapping[str, Item]
    ) -> None:
        """Ignores records of entries projected later, records that have expired, that records of earlier
        versions are not in the index by actor, and that records of vends need not be in that by day, nor
        stored from layout 3 on.
        """
        missing = dict(expected)
        pk = audit_pk(user)
        for item in self._table.ascending(pk, "0", "9", consistent=True):
            if item.get("unit") != unit or item["seq"] > projected or item["ttl"] <= self._now:
                continue
            right = missing.pop(item["sk"], None)
            if right is not None and item["sk"] in self._vends and "audit_day" not in item:
                right = {name: value for name, value in right.items() if name != "audit_day"}
            if right is None or not is_record(item, right | {"ttl": item["ttl"]}):
                self._differs(f"{pk} {item['sk']}", item, right)
        for sk, right in missing.items():
            if self._layout < KEYS_ALONE or sk not in self._vends:
                self._differs(f"{pk} {sk}", None, right)

    def _strays(self, unit: str, known: set[str]) -> None:
        """Summaries and starts of accounts that do not exist."""
        for shard in range(folds.USER_SHARDS):
            pk = folds.users_pk(unit, self._generation, shard)
            for item in self._table.ascending(pk, LOWEST, HIGHEST, consistent=True):
                user = item["sk"]
                if (
                    user not in known
                    and self._table.get(account_pk(user), account_sk(unit)) is None
                ):
                    self._differs(f"{pk} {user}", item, None)
            pk = folds.starts_pk(unit, self._generation, shard)
            for item in self._table.ascending(pk, LOWEST, HIGHEST, consistent=True):
                if self._is_stray_start(unit, item["sk"]):
                    self._differs(f"{pk} {item['sk']}", item, None)

    def _is_stray_start(self, unit: str, rank: str) -> bool:
        """Whether no account is projected from an entry of this time and user, or will be."""
        user = rank.partition("#")[2]
        stored = figures.get_summary(
            self._table, unit, user, generation=self._generation, consistent=True
        )
        if stored is not None:
            return folds.start_rank(stored.first_at, user) != rank
        return self._table.get(account_pk(user), account_sk(unit)) is None

    def _left_behind(self) -> None:
        """Accounts that the projector has not caught up with after a pause."""
        if self._behind:
            self._sleep(PAUSE_S)
        for (user, unit), last in self._behind.items():
            stored = figures.get_summary(
                self._table, unit, user, generation=self._generation, consistent=True
            )
            projected = stored.seq if stored is not None else 0
            if projected < last:
                key = _summary_key(user, unit, self._generation)
                self._differs(f"{key} projected_seq", projected, last)

    def _differs(self, key: str, stored: Any, expected: Any) -> None:
        self.differences.append(Difference(key, stored, expected))


class _Entries:
    """An account's entries, streamed; `last` is the newest seq found."""

    def __init__(self, table: Table, user: str, unit: str) -> None:
        items = table.ascending(
            account_pk(user), entry_sk(unit, 1), entry_sk(unit, LAST_SEQ), consistent=True
        )
        self._items = (item for item in items if _seq_in(item["sk"]))
        self._last = 0

    def up_to(self, seq: int) -> Iterator[Entry]:
        """The entries 1 to `seq`, up to the first gap or unreadable one."""
        while self._last < seq:
            item = next(self._items, None)
            entry = readable(item) if item is not None else None
            if entry is None or entry.seq != self._last + 1:
                return
            self._last = entry.seq
            yield entry

    def last(self) -> int:
        for item in self._items:
            self._last = max(self._last, _seq_in(item["sk"]))
        return self._last


def _seq_in(sk: str) -> int:
    """The seq in the sort key `sk`; 0 if it is not the key of an entry."""
    digits = sk.rpartition("#")[2]
    return int(digits) if len(digits) == SEQ_DIGITS and digits.isdecimal() else 0


def _announce(table: Table, before: Generations) -> int:
    """Announces the new generation, into which projectors write from now on; returns its number."""
    made = max(before.written) + 1
    condition = (
        "attribute_not_exists(pk) OR (#current = :current AND attribute_not_exists(#building))"
    )
    values = {":current": before.current, ":made": made}
    if before.building is not None:
        condition = "#current = :current AND #building = :abandoned"
        values[":abandoned"] = before.building
    _change_control(table, "SET #current = :current, #building = :made", condition, values)
    return made


def _use(table: Table, made: int) -> None:
    """Makes the new generation the one in use."""
    change = "SET #current = :made, #layout = :layout REMOVE #building"
    values = {":made": made, ":layout": figures.LAYOUT}
    _change_control(table, change, "#building = :made", values, {"#layout": "layout"})


def _change_control(
    table: Table,
    change: str,
    condition: str,
    values: Mapping[str, int],
    more_names: Mapping[str, str] | None = None,
) -> None:
    names = {"#current": "current", "#building": "building", **(more_names or {})}
    update = Update(CONTROL_PK, GENERATION_SK, change, condition, names=names, values=values)
    try:
        table.write(update)
    except ConditionFailed as refused:
        raise Overtaken(f"another rebuild is running: {refused.item}") from None


def _retire(table: Table, unit: str, generation: int, ttl: int) -> None:
    """Sets the TTL of a generation's items to `ttl` (epoch seconds)."""
    shards = [folds.users_pk(unit, generation, n) for n in range(folds.USER_SHARDS)]
    shards += [folds.starts_pk(unit, generation, n) for n in range(folds.USER_SHARDS)]
    shards += [folds.stats_pk(unit, generation, n) for n in range(folds.STATS_SHARDS)]
    for pk in shards:
        for item in table.ascending(pk, LOWEST, HIGHEST):
            names, values = {"#ttl": "ttl"}, {":ttl": ttl}
            update = Update(
                pk, item["sk"], "SET #ttl = :ttl", "attribute_exists(pk)", names, values
            )
            with contextlib.suppress(ConditionFailed):  # It has already expired.
                table.write(update)


def _stored_figures(
    table: Table, units: Iterable[str], generation: int, oldest_hour: str
) -> Figures:
    figures_: Figures = {}
    for unit in units:
        days = set[str]()
        for shard in range(folds.STATS_SHARDS):
            pk = folds.stats_pk(unit, generation, shard)
            for sk, counts in open_hours.partition(table, pk, [open_hours.ALL]).items():
                kind, _, period = sk.partition("#")
                if kind == "HOUR" and period < oldest_hour:
                    continue
                if kind == "DAY":
                    days.add(period)
                figures_[f"{pk} {sk}"] = counts
        for day in days:
            figures_ |= _stored_feed(table, unit, day)
    return figures_


def _stored_feed(table: Table, unit: str, day: str) -> Figures:
    feed: Figures = {}
    for shard in range(folds.FEED_SHARDS):
        pk = folds.feed_pk(unit, day, shard)
        for item in table.ascending(pk, LOWEST, HIGHEST, consistent=True):
            feed.setdefault(pk, Counter()).update(_weighed(item))
    return feed


def _weighed(copy: Item) -> Counts:
    """A copy in the feed as a sum that identifies a set of copies, in any order."""
    text = json.dumps(copy, sort_keys=True, separators=(",", ":"))
    weight = int.from_bytes(hashlib.sha256(text.encode()).digest()[:12], "big")
    return Counter({"copies": 1, "weight": weight})


def _oldest_hour(now: int) -> str:
    """The first hour that is compared, well within those that are kept."""
    return folds.hour_of(now - HOURS_COMPARED_S)


def _add(sums: Figures, pk: str, folded: Folded, oldest_hour: str) -> None:
    sums.setdefault(f"{pk} {folds.TOTAL_SK}", Counter()).update(folded.counts)
    for day, counts in folded.days.items():
        sums.setdefault(f"{pk} {folds.day_sk(day)}", Counter()).update(counts)
    for hour, counts in folded.hours.items():
        if hour >= oldest_hour:
            sums.setdefault(f"{pk} {folds.hour_sk(hour)}", Counter()).update(counts)


def _figures_difference(
    key: str, stored: Counts | None, expected: Counts | None
) -> Difference | None:
    """Names only the figures that differ; a missing figure counts as zero."""
    have, want = stored or Counter(), expected or Counter()
    names = sorted(name for name in have.keys() | want.keys() if have[name] != want[name])
    if not names:
        return None
    return Difference(
        key, {name: have[name] for name in names}, {name: want[name] for name in names}
    )


def _shown(summary: Summary | None) -> dict[str, Any] | None:
    """A summary as plain members."""
    if summary is None:
        return None
    facts = ("seq", "first_at", "last_at", "by_balance", "by_start")
    return {name: getattr(summary, name) for name in facts} | dict(summary.counts)


def _summary_key(user: str, unit: str, generation: int) -> str:
    return f"{folds.summary_pk(unit, generation, user)} {user}"
