"""The projector: turns entries from the table's stream into read models, exactly once, in order per account.

A record says that its account has entries up to a seq. The account's summary stores how far the account
is projected. The entries after that are folded, at most `CHUNK` at a time. First their copies in the feed
and their audit records are put, which are the same whenever they are put. Then one transaction advances the
summary, on condition that it is unchanged, adds the entries to their days, hours and the totals, and writes
notices. So a duplicate or older record changes nothing, two concurrent projectors count an entry once, and
a transaction whose answer was lost is not repeated.

The first condition of an account is guessed from its records instead of read: they mostly follow what is
projected. A wrong guess is refused, and then the summary is read.

An entry is taken from its record's image. One that was not delivered (lost with a poison batch) or whose
image is not an entry is read from the ledger.

Failure policy
- `TransactionConflict`, throttling, a lost answer: the summary is read again and the chunk retried with full
  jitter for `PATIENCE_S`. After that the account has failed; the other accounts of the batch continue.
- An entry that is not as it was written (by another version, or edited from outside) is never projected,
  and neither is anything after it: the account is stalled until a version that reads it is deployed, or
  `pluct ledger verify` has shown the cause. The other accounts continue.
- A failure is reported to Lambda, which delivers the records again, five times, and then sends their
  position to the dead-letter queue. The account's next record, or a rebuild, completes the account.
- The log line and the metric of a low balance are written at most once, its notice exactly once. Entries
  older than a day make no notice.
"""

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.ledger.items import (
    CREDITS,
    SEQ_DIGITS,
    Entry,
    account_pk,
    entry_sk,
    read_entry,
)
from engine.platform.errors import Busy
from engine.platform.table import Cancelled, Item, Table, Write, unmarshal
from engine.platform.times import DAY_S
from engine.readmodels import figures, folds, open_hours, writes
from engine.readmodels.figures import Generations
from engine.readmodels.writes import Account, LowBalance

CHUNK = 19
"""Entries in one transaction: with a day, an hour and a notice each far under 100 items."""

LAST_SEQ = 10**SEQ_DIGITS - 1
PATIENCE_S = 2.0
BACKOFF_S = 0.01
BACKOFF_CAP_S = 0.2
RESERVE_S = 5.0
"""No account is started with less time left."""

SETTLE_EVERY_S = 600.0
"""How often a process settles open hours, at most."""

NEWS_S = DAY_S
"""How long a record stays in the stream."""


class Stalled(Exception):
    """An account could not be projected from `seq` on; a retry may succeed."""

    def __init__(self, user: str, seq: int, why: str) -> None:
        super().__init__(f"{user} from {seq} on: {why}")
        self.user = user
        self.seq = seq


class Unreadable(Stalled):
    """The entry `seq` in the ledger is not as it was written; a retry does not help."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record of a batch: the key of its entry, and the entry if the image contains one."""

    position: int
    user: str
    unit: str
    seq: int
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Projected:
    """The result of a batch: the record to deliver again from, the failures, and the notices."""

    failed_from: str | None
    """Sequence number of the first record that was not projected."""
    troubles: list[str]
    notices: list[LowBalance]
    entries: Mapping[str, int]
    """Number of entries projected by this batch, by type; an entry is counted by one batch only."""


@dataclass(frozen=True, slots=True)
class _Work:
    """An account to project up to the entry `until`, or to its last; `known` are entries by seq."""

    account: Account
    known: Mapping[int, Entry]
    until: int | None
    copied: set[int] = field(default_factory=set)
    """The entries whose copies are put."""

    def is_run(self) -> bool:
        """Whether the known entries are consecutive, end with `until`, and fit into one chunk."""
        if not self.known or self.until is None:
            return False
        return len(self.known) == self.until - min(self.known) + 1 <= CHUNK


class Projector:
    """Writes the read models of one table."""

    def __init__(
        self,
        table: Table,
        *,
        low_balance: int,
        audit_days: int,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.table = table
        self._low_balance = low_balance
        self._audit_days = audit_days
        self._now = now
        self._clock = clock
        self._sleep = sleep
        self.beside: Callable[[LowBalance], Sequence[Write]] = _nothing
        """Further writes of the transaction that first projects a low balance; of several, the last one."""
        self._is_first = False
        self._is_earlier = False
        """Whether the table has statistics of an earlier version, and no control item."""
        self._settle_at = clock()

    def batch(
        self, records: Sequence[Mapping[str, Any]], remaining_s: Callable[[], float]
    ) -> Projected:
        """Project the entries of `records`; `remaining_s` returns the time left.

        Only the first failure is reported, because Lambda delivers everything from the lowest sequence
        number again; what was already projected is then a duplicate, which does nothing. Raises `Busy`
        if the generation cannot be read.
        """
        accounts, failed, troubles = _by_account(records)
        generations = self._generations({unit for _, unit in accounts})
        notices: list[LowBalance] = []
        types: Counter[str] = Counter()
        for (user, unit), delivered in accounts.items():
            if remaining_s() < RESERVE_S:
                failed.append(delivered[0].position)
                troubles.append(f"{user}: no time left")
                continue
            try:
                for generation in generations.written:
                    self._is_first = generation == generations.current
                    counted = types if generation == generations.current else Counter()
                    account = Account(user, unit, generation, generations.layout_of(generation))
                    made = self._deliver(account, delivered, counted)
                    notices += made if generation == generations.current else []
            except Stalled as stalled:
                failed.append(_first_position(delivered, stalled.seq))
                troubles.append(str(stalled))
        if remaining_s() >= RESERVE_S:
            self._settle(generations, {unit for _, unit in accounts})
        first = records[min(failed)]["dynamodb"]["SequenceNumber"] if failed else None
        return Projected(first, troubles, notices, types)

    def _generations(self, units: set[str]) -> Generations:
        found = figures.generations(self.table, consistent=True)
        if found.is_stored or self._is_earlier:
            return found
        found = figures.begin(self.table, sorted({CREDITS, *units}))
        self._is_earlier = not found.is_stored
        return found

    def _settle(self, generations: Generations, units: set[str]) -> None:
        """Settle open hours from time to time. A failure matters to nobody: they are settled later."""
        if self._clock() < self._settle_at:
            return
        self._settle_at = self._clock() + SETTLE_EVERY_S
        with contextlib.suppress(Busy):
            for generation in generations.written:
                for unit in sorted(units):
                    open_hours.settle(self.table, unit, generation, int(self._now()))

    def project(self, user: str, unit: str, generation: int) -> list[LowBalance]:
        """Project all entries of the account into a generation that is being built; returns the notices.

        Raises `Stalled` or `Unreadable`.
        """
        account = Account(user, unit, generation, figures.LAYOUT)
        return self._project(_Work(account, {}, None), Counter())

    def _project(self, work: _Work, counted: Counter[str]) -> list[LowBalance]:
        """Do `work`; returns the notices made. Projected entries are added to `counted` by type.

        Raises `Stalled` or `Unreadable`.
        """
        notices = self._at_once(work)
        if notices is not None:
            counted.update(entry.type for entry in work.known.values())
            return notices
        notices, seen, tries = [], -1, 0
        give_up_at = self._clock() + PATIENCE_S
        while True:
            try:
                before, seen = seen, self._projected_seq(work)
                if seen > before:  # Whoever it was: something was projected.
                    give_up_at, tries = self._clock() + PATIENCE_S, 0
                entries = self._entries_after(work, seen)
                if not entries:
                    return notices
                notices += self._write(work, seen, entries)
                counted.update(entry.type for entry in entries)
                if entries[-1].seq == work.until:
                    return notices
            except (Busy, Cancelled) as trouble:
                if self._clock() >= give_up_at:
                    raise Stalled(work.account.user, max(seen, 0) + 1, str(trouble)) from trouble
                self._sleep(random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_S * 2**tries)))
                tries = min(tries + 1, 10)

    def _deliver(
        self, account: Account, delivered: list[Delivered], counted: Counter[str]
    ) -> list[LowBalance]:
        known = {record.seq: record.entry for record in delivered if record.entry is not None}
        until = max(record.seq for record in delivered)
        return self._project(_Work(account, known, until), counted)

    def _at_once(self, work: _Work) -> list[LowBalance] | None:
        """Project the known entries as if the account were projected up to the first of them, which the
        transaction's condition checks. None if that is not sure to have been so.
        """
        if not work.is_run():
            return None
        entries = [work.known[seq] for seq in sorted(work.known)]
        try:
            return self._write(work, entries[0].seq - 1, entries)
        except (Busy, Cancelled):
            return None

    def _projected_seq(self, work: _Work) -> int:
        account = work.account
        pk = folds.summary_pk(account.unit, account.generation, account.user)
        item = self.table.get(pk, account.user)
        return item["projected_seq"] if item is not None else 0

    def _entries_after(self, work: _Work, seen: int) -> list[Entry]:
        """The next consecutive entries, at most `CHUNK`; none at `until` or at the end.

        Raises `Unreadable` if the first cannot be read.
        """
        user, unit, known, until = work.account.user, work.account.unit, work.known, work.until
        delivered = list(_contiguous(known.get, seen + 1))
        if delivered or (until is not None and seen >= until):
            return delivered
        low, high = entry_sk(unit, seen + 1), entry_sk(unit, until or LAST_SEQ)
        items = list(
            self.table.ascending(account_pk(user), low, high, limit=CHUNK, consistent=True)
        )
        stored = {entry.seq: entry for entry in map(readable, items) if entry is not None}
        entries = list(_contiguous(stored.get, seen + 1))
        if not entries and (items or until is not None):
            raise Unreadable(user, seen + 1, "the ledger has no intact entry with this seq")
        return entries

    def _write(self, work: _Work, seen: int, entries: list[Entry]) -> list[LowBalance]:
        """Write `entries`, which follow `seen`: their copies, then all figures in one transaction. Returns
        the notices.

        Raises `Cancelled` (another writer was first, or a conflict) or `Busy`.
        """
        folded = folds.fold(entries)
        assert folded is not None  # noqa: S101 - there are entries
        notices = self._notices(entries)
        self._copy(work, entries)
        account, available = work.account, entries[-1].available_after
        self.table.transact(
            [
                writes.summary(account, seen, folded, available),
                *writes.statistics(account, folded, int(self._now())),
                *(writes.notice(notice, self._audit_days) for notice in notices),
                *(self.beside(notices[-1]) if notices and self._is_first else ()),
            ]
        )
        return notices

    def _copy(self, work: _Work, entries: list[Entry]) -> None:
        """Put the copies of `entries`, unless an earlier attempt has."""
        for entry in entries:
            if entry.seq not in work.copied:
                for copy in writes.copies(entry, self._audit_days):
                    self.table.write(copy)
                work.copied.add(entry.seq)

    def _notices(self, entries: list[Entry]) -> list[LowBalance]:
        news_from = self._now() - NEWS_S
        low = self._low_balance
        return [
            LowBalance(entry.user, entry.unit, entry.seq, entry.available_after, low, entry.at)
            for entry in entries
            if entry.at >= news_from and folds.falls_low(entry, low)
        ]


def _nothing(_: LowBalance) -> Sequence[Write]:
    return ()


def readable(item: Item) -> Entry | None:
    """The entry in `item`; None if it is not exactly as this version writes one."""
    try:
        entry = read_entry(item)
        intact = entry.hash == entry.expected_hash() and entry.item() == item
    except (TypeError, ValueError):
        return None
    return entry if intact else None


def _by_account(
    records: Sequence[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str], list[Delivered]], list[int], list[str]]:
    """The records by account in their order, and positions and descriptions of unreadable records."""
    accounts: dict[tuple[str, str], list[Delivered]] = {}
    poison: list[int] = []
    troubles: list[str] = []
    for position, record in enumerate(records):
        try:
            delivered = _delivered(position, record)
        except (KeyError, TypeError, ValueError, AttributeError) as trouble:
            poison.append(position)
            troubles.append(f"record {position} cannot be read: {trouble!r}")
            continue
        if delivered is not None:
            accounts.setdefault((delivered.user, delivered.unit), []).append(delivered)
    return accounts, poison, troubles


def _delivered(position: int, record: Mapping[str, Any]) -> Delivered | None:
    """The entry that `record` announces; None if it announces none.

    The event source's filter passes only new entries; without it the projector is slower but correct.
    """
    keys = unmarshal(record["dynamodb"]["Keys"])
    kind, _, rest = keys["sk"].partition("#")
    if record["eventName"] != "INSERT" or kind != "E":
        return None
    unit, _, digits = rest.partition("#")
    user, seq = keys["pk"].removeprefix("A#"), int(digits)
    if (account_pk(user), entry_sk(unit, seq)) != (keys["pk"], keys["sk"]):
        raise ValueError(f"no key of an entry: {keys}")
    return Delivered(position, user, unit, seq, _image(record["dynamodb"], user, unit, seq))


def _image(change: Mapping[str, Any], user: str, unit: str, seq: int) -> Entry | None:
    """The entry in a record's image; None if it is missing or has another key."""
    try:
        entry = readable(unmarshal(change["NewImage"]))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if entry is None or (entry.user, entry.unit, entry.seq) != (user, unit, seq):
        return None
    return entry


def _contiguous(get: Callable[[int], Entry | None], first: int) -> Iterator[Entry]:
    """At most `CHUNK` consecutive entries from the seq `first` on."""
    for seq in range(first, first + CHUNK):
        entry = get(seq)
        if entry is None:
            return
        yield entry


def _first_position(delivered: list[Delivered], seq: int) -> int:
    """The position of the account's first record for `seq` or later."""
    return next(
        (record.position for record in delivered if record.seq >= seq), delivered[0].position
    )
