"""The projector: turns entries from the table's stream into read models, exactly once, in order per account.

A record says that its account has entries up to a seq. The account's summary stores how far the account
is projected. The entries after that are folded, at most `CHUNK` at a time. First their copies in the feed
and the audit records of admin acts are put, which are the same whenever they are put. Then one transaction
advances the summary, on condition that it is unchanged, adds the entries to their days, hours and the totals,
and writes notices. So a duplicate or older record changes nothing, two concurrent projectors count an entry
once, and a transaction whose answer was lost is not repeated.

Accounts of one shard of the statistics are projected together, up to `ENTRIES_TOGETHER` entries in one
transaction, which adds them to the statistics once. An account whose condition is refused is taken out and
projected alone, and so is each of them after a lost answer.

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.ledger.items import (
    CREDITS,
    SEQ_DIGITS,
    Entry,
    account_pk,
    entry_sk,
)
from engine.platform.errors import Busy
from engine.platform.table import Cancelled, ConditionFailed, Table, Write
from engine.platform.times import DAY_S
from engine.readmodels import figures, folds, open_hours, writes
from engine.readmodels.batches import (
    CHUNK,
    TRIES_TOGETHER,
    Chunk,
    Work,
    by_account,
    contiguous,
    first_position,
    grouped,
    readable,
    works_of,
)
from engine.readmodels.figures import Generations
from engine.readmodels.folds import Folded
from engine.readmodels.writes import Account, LowBalance

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
class Projected:
    """The result of a batch: the record to deliver again from, the failures, and the notices."""

    failed_from: str | None
    """Sequence number of the first record that was not projected."""
    troubles: list[str]
    notices: list[LowBalance]
    entries: Mapping[str, int]
    """Number of entries projected by this batch, by type; an entry is counted by one batch only."""


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
        accounts, failed, troubles = by_account(records)
        generations = self._generations({unit for _, unit in accounts})
        types: Counter[str] = Counter()
        works = {key: works_of(key, generations, found) for key, found in accounts.items()}
        alone = [made[0] for made in works.values() if len(made) == 1]
        notices = self._together(alone, types, remaining_s)
        for key, delivered in accounts.items():
            left = [work for work in works[key] if not work.is_done]
            if left and remaining_s() < RESERVE_S:
                failed.append(delivered[0].position)
                troubles.append(f"{key[0]}: no time left")
                continue
            try:
                for work in left:
                    is_first = work.account.generation == generations.current
                    made = self._project(work, types if is_first else Counter())
                    notices += made if is_first else []
            except Stalled as stalled:
                failed.append(first_position(delivered, stalled.seq))
                troubles.append(str(stalled))
        if remaining_s() >= RESERVE_S:
            self._settle(generations, {unit for _, unit in accounts})
        first = records[min(failed)]["dynamodb"]["SequenceNumber"] if failed else None
        return Projected(first, troubles, notices, types)

    def _generations(self, units: set[str]) -> Generations:
        """An old answer does no harm: a rebuild waits before it reads what this batch projects."""
        found = figures.generations(self.table)
        if found.is_stored or self._is_earlier:
            return found
        found = figures.generations(self.table, consistent=True)
        if found.is_stored:
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
        return self._project(Work(account, {}, None, is_first=False), Counter())

    def _project(self, work: Work, counted: Counter[str]) -> list[LowBalance]:
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
                if seen > before:  # This or another process has projected something.
                    give_up_at, tries = self._clock() + PATIENCE_S, 0
                entries = self._entries_after(work, seen)
                if not entries:
                    return notices
                notices += self._write([Chunk(work, seen, entries)])
                counted.update(entry.type for entry in entries)
                if entries[-1].seq == work.until:
                    return notices
            except (Busy, Cancelled) as trouble:
                if self._clock() >= give_up_at:
                    raise Stalled(work.account.user, max(seen, 0) + 1, str(trouble)) from trouble
                self._sleep(random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_S * 2**tries)))
                tries = min(tries + 1, 10)

    def _together(
        self, works: Sequence[Work], counted: Counter[str], remaining_s: Callable[[], float]
    ) -> list[LowBalance]:
        """Project accounts whose records are all that is missing, several of one shard of the statistics in
        one transaction, which adds to the statistics once. What is refused is left to be projected alone.
        """
        notices: list[LowBalance] = []
        for group in grouped(works):
            if remaining_s() >= RESERVE_S:
                made = self._write_together(group)
                notices += made
                done = (work for work in group if work.is_done)
                counted.update(entry.type for work in done for entry in work.known.values())
        return notices

    def _write_together(self, works: list[Work]) -> list[LowBalance]:
        """Project `works` as if each account were projected up to its first record; marks those that are
        done. Returns their notices.
        """
        for _ in range(TRIES_TOGETHER):
            if len(works) < 2:  # Nothing is won.
                break
            try:
                notices = self._write([work.whole() for work in works])
            except Cancelled as cancelled:
                _take_out_refused(works, cancelled)
                self._sleep(random.uniform(0, BACKOFF_S))
                works = [work for work in works if work.may_guess]
            except Busy:  # Perhaps it took effect: the summaries say so.
                for work in works:
                    work.may_guess = False
                break
            else:
                for work in works:
                    work.is_done = True
                return notices
        return []

    def _at_once(self, work: Work) -> list[LowBalance] | None:
        """Project the known entries as if the account were projected up to the first of them, which the
        transaction's condition checks. None if that is not sure to have been so.
        """
        if not (work.may_guess and work.is_run()):
            return None
        try:
            return self._write([work.whole()])
        except (Busy, Cancelled):
            return None

    def _projected_seq(self, work: Work) -> int:
        account = work.account
        pk = folds.summary_pk(account.unit, account.generation, account.user)
        item = self.table.get(pk, account.user)
        return item["projected_seq"] if item is not None else 0

    def _entries_after(self, work: Work, seen: int) -> list[Entry]:
        """The next consecutive entries, at most `CHUNK`; none at `until` or at the end.

        Raises `Unreadable` if the first cannot be read.
        """
        user, unit, known, until = work.account.user, work.account.unit, work.known, work.until
        delivered = list(contiguous(known.get, seen + 1))
        if delivered or (until is not None and seen >= until):
            return delivered
        low, high = entry_sk(unit, seen + 1), entry_sk(unit, until or LAST_SEQ)
        items = list(
            self.table.ascending(account_pk(user), low, high, limit=CHUNK, consistent=True)
        )
        stored = {entry.seq: entry for entry in map(readable, items) if entry is not None}
        entries = list(contiguous(stored.get, seen + 1))
        if not entries and (items or until is not None):
            raise Unreadable(user, seen + 1, "the ledger has no intact entry with this seq")
        return entries

    def _write(self, chunks: Sequence[Chunk]) -> list[LowBalance]:
        """Write the entries of `chunks`, which are of one shard of the statistics: their copies, then all
        figures in one transaction, the summaries first. Returns the notices.

        Raises `Cancelled` (another writer was first, or a conflict) or `Busy`.
        """
        all_notices: list[LowBalance] = []
        summaries, besides, folded = list[Write](), list[Write](), list[Folded]()
        for chunk in chunks:
            self._copy(chunk)
            notices = self._notices(chunk.entries)
            all_notices += notices
            folded.append(chunk.folded())
            available = chunk.entries[-1].available_after
            account = chunk.work.account
            summaries.append(writes.summary(account, chunk.seen, folded[-1], available))
            besides += (writes.notice(notice, self._audit_days) for notice in notices)
            besides += self.beside(notices[-1]) if notices and chunk.work.is_first else ()
        statistics = writes.statistics(chunks[0].work.account, folded, int(self._now()))
        self.table.transact([*summaries, *statistics, *besides])
        return all_notices

    def _copy(self, chunk: Chunk) -> None:
        """Put the copies of the entries, unless an earlier attempt has. A rebuild also puts the records of
        vends that an earlier layout stored, where they are still there.
        """
        work = chunk.work
        for entry in chunk.entries:
            if entry.seq not in work.copied:
                for copy in writes.copies(entry, work.account, self._audit_days):
                    self.table.write(copy)
                if work.until is None and writes.is_vend(entry):
                    with contextlib.suppress(ConditionFailed):
                        self.table.write(writes.repair(entry, self._audit_days))
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


def _take_out_refused(works: Sequence[Work], cancelled: Cancelled) -> None:
    """Marks those of `works` whose summaries are not as they were guessed; they are the first writes."""
    for work, refusal in zip(works, cancelled.refusals, strict=False):
        work.may_guess = refusal is None or not refusal.is_condition
