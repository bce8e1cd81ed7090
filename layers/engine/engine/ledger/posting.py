"""Money moves: each is one transaction over the account, a new entry, and a once-item.

- The account changes only if `available` is sufficient and `seq` is the one the move was computed from.
  A grant pays what the account owes first.
- The entry is put only if none exists.
- An origin that the account does not list is stored in the same transaction, under the account's salt.
- The once-item (the request's record, the hold, the payment) is written only if no earlier one exists.

So a balance cannot go below zero, a request cannot be charged twice, and no entry can be missing, whatever
crashes at any point. After a refusal the once-item is checked first: a retry of a charged attempt must
find its answer, not a lowered balance.
"""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from engine.ledger import origins
from engine.ledger.items import (
    CARRIED,
    CREDITS,
    Account,
    Entry,
    Move,
    account_pk,
    account_sk,
    entry_prefix,
    entry_sk,
    next_entry,
    read_account,
    read_entry,
)
from engine.ledger.served import Served
from engine.platform.errors import Busy, EngineError, InsufficientCredits, RateLimited
from engine.platform.table import Cancelled, Item, Put, Table, Update, Write
from engine.web.rate_limits import Window, policy_headers

PATIENCE_S = 10.0
"""How long a move is retried: 32 concurrent debits of one account take up to 3 s on a busy engine, and
waiting is better for a client than an error. API Gateway waits for 30 s."""

BACKOFF_S = 0.02
BACKOFF_CAP_S = 4.0
"""A thousand callers who try again within half a second would only keep each other from the account."""

CROWDED_S = 0.25
SPREAD = 2
"""A try that took so long stood in a queue. The next one is spread over twice its time, in which the queue
passes."""

ACCOUNT, ENTRY, ONCE = 0, 1, 2
"""The positions of a move's writes in its transaction."""


class Once(Protocol):
    """The item whose condition makes a move happen at most once."""

    def earlier(self) -> Item | None:
        """The item that an earlier move wrote, None if there is none."""

    def write(self, entry: Entry) -> Write:
        """The write that is refused if an earlier move exists."""


class AlreadyDone(Exception):
    """The move was made earlier; `item` is the once-item it wrote."""

    def __init__(self, item: Item) -> None:
        super().__init__("already done")
        self.item = item


class BesideRefused(Exception):
    """A condition of an additional write of the transaction refused the move."""


@dataclass(frozen=True, slots=True)
class Posted:
    """A completed move: its entry, and the account's rate window after it."""

    entry: Entry
    window: Window | None


class Ledger:
    """The accounts of one unit in one table."""

    def __init__(
        self,
        table: Table,
        unit: str = CREDITS,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        new_salt: Callable[[], str] = origins.new_salt,
        served: Served | None = None,
    ) -> None:
        """With `served`, a move of an account that was just served begins without a read."""
        self.table = table
        self.unit = unit
        self._clock = clock
        self._sleep = sleep
        self._new_salt = new_salt
        self._served = served

    def account(self, user: str) -> Account:
        """The account as it is now. Raises `Busy`."""
        item = self.table.get(account_pk(user), account_sk(self.unit))
        return read_account(user, self.unit, item)

    def entries(self, user: str, *, limit: int, before: int | None = None) -> list[Entry]:
        """Newest first; `before` is a seq. Raises `Busy`."""
        items = self.table.query(
            account_pk(user),
            entry_prefix(self.unit),
            limit=limit,
            before=entry_sk(self.unit, before) if before else None,
            consistent=True,
        )
        return [read_entry(item) for item in items]

    def post(
        self,
        move: Move,
        once: Once,
        *,
        rate_limit: int | None = None,
        new_account: EngineError | None = None,
        also: Callable[[Entry], list[Write]] = lambda _: [],
    ) -> Posted:
        """Make `move` at most once.

        `rate_limit` counts it in the account's window; `new_account` is raised if the account exists;
        `also` returns further writes of the same transaction.

        Raises `AlreadyDone`, `BesideRefused`, `InsufficientCredits`, `RateLimited`, the refusal of a hold
        too many (`Opening`), `Busy` (nothing was changed) or `OutcomeUnknown` (retry with the same
        once-item).
        """
        patience = _Patience(self._clock, self._sleep)
        account = self._likely(move, rate_limit, new_account) or self.account(move.user)
        while True:
            window = _window(account, move.act.at, rate_limit)
            self._refuse(account, move, once, window, new_account)
            if not account.exists:
                account = replace(account, origin_salt=self._new_salt())
            entry = next_entry(account, move)
            writes = [
                _account_write(account, entry, window, move),
                _entry_write(entry, move),
                once.write(entry),
                *also(entry),
                *_origin_writes(account, entry, move),
            ]
            try:
                self.table.transact(writes)
            except Cancelled as cancelled:
                self._raise_if_done(cancelled, once)
                patience.count()
                account = self._seen_anew(cancelled, move, patience)
            else:
                if self._served is not None and account.exists and patience.is_alone:
                    self._served.keep(_account_after(account, entry, window, move), move.act.at)
                return Posted(entry, window)

    def transact_patiently(self, writes: Sequence[Write]) -> None:
        """Make `writes` in one transaction, retried on conflicts. Raises `Cancelled` if a condition
        refused one, `Busy` or `OutcomeUnknown`.
        """
        patience = _Patience(self._clock, self._sleep)
        while True:
            try:
                self.table.transact(writes)
                return
            except Cancelled as cancelled:
                if any(refusal and refusal.is_condition for refusal in cancelled.refusals):
                    raise
                patience.count()
                patience.pause()

    def _likely(
        self, move: Move, rate_limit: int | None, new_account: EngineError | None
    ) -> Account | None:
        """The account as this process left it a moment ago, or by a read that may be a moment old, if it
        allows the move: then the transaction's conditions decide. Only a fresh read refuses a move.
        """
        account = self._served.take(move.user, move.act.at) if self._served is not None else None
        if account is None:
            pk, sk = account_pk(move.user), account_sk(self.unit)
            account = read_account(move.user, self.unit, self.table.get(pk, sk, consistent=False))
        window = _window(account, move.act.at, rate_limit)
        return None if _refusal(account, move, window, new_account) is not None else account

    def _refuse(
        self,
        account: Account,
        move: Move,
        once: Once,
        window: Window | None,
        new_account: EngineError | None,
    ) -> None:
        """Raises if the account does not allow the move; `AlreadyDone` if it was made before."""
        refusal = _refusal(account, move, window, new_account)
        if refusal is not None:
            earlier = once.earlier()
            if earlier is not None:
                raise AlreadyDone(earlier)
            raise refusal

    def _raise_if_done(self, cancelled: Cancelled, once: Once) -> None:
        """The once-item's refusal takes precedence over every other."""
        refusal = cancelled.refusals[ONCE]
        if refusal is not None and refusal.is_condition:
            item = refusal.item or once.earlier()
            if item is not None:
                raise AlreadyDone(item)
        if any(beside and beside.is_condition for beside in cancelled.refusals[ONCE + 1 :]):
            raise BesideRefused()

    def _seen_anew(self, cancelled: Cancelled, move: Move, patience: "_Patience") -> Account:
        """The account to retry from.

        After the first refusal it is the item that the refusal returned, which is enough for two
        concurrent writers. If there are many, each pauses and reads again, unless that item has too little
        for the move.
        """
        refusal = cancelled.refusals[ACCOUNT]
        if refusal is not None and refusal.is_condition and refusal.item is not None:
            account = read_account(move.user, self.unit, refusal.item)
            if not patience.is_crowded or account.available + move.amount < 0:
                return account
        patience.pause()
        return self.account(move.user)


class _Patience:
    """The tries of one move: how many there were, how long the last one took, and when to give up."""

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._clock, self._sleep = clock, sleep
        self._began = clock()
        self._give_up_at = self._began + PATIENCE_S
        self._tries, self._took_s = 0, 0.0

    def count(self) -> None:
        """Count a try that was refused. Raises `Busy` if there is no time for another."""
        now = self._clock()
        self._tries, self._took_s, self._began = self._tries + 1, now - self._began, now
        if now >= self._give_up_at:
            raise Busy() from None

    @property
    def is_alone(self) -> bool:
        """Whether no try was refused."""
        return self._tries == 0

    @property
    def is_crowded(self) -> bool:
        """Whether there are more writers than two."""
        return self._tries > 1 or self._took_s > CROWDED_S

    def pause(self) -> None:
        """Full jitter, so that conflicting writers do not conflict again."""
        longest_s = max(BACKOFF_S * 2 ** min(self._tries, 10), SPREAD * self._took_s)
        pause_s = random.uniform(0, min(BACKOFF_CAP_S, longest_s))
        self._sleep(pause_s)
        self._began += pause_s


def _refusal(
    account: Account, move: Move, window: Window | None, new_account: EngineError | None
) -> EngineError | None:
    """Why the account does not allow the move, None if it does."""
    if account.exists and new_account is not None:
        return new_account
    if window is not None and window.used > window.limit:
        return RateLimited(window.resets_in_s, policy_headers(window))
    if account.available + move.amount < 0:
        return InsufficientCredits(account.available, -move.amount)
    if move.opens is not None and len(account.open_holds) >= move.opens.most:
        return move.opens.refusal
    return None


def _account_after(account: Account, entry: Entry, window: Window | None, move: Move) -> Account:
    """An account that existed, as the move left it."""
    return replace(
        account,
        available=entry.available_after,
        held=entry.held_after,
        seq=entry.seq,
        head=entry.hash,
        rate_from=window.start if window else account.rate_from,
        rate_used=window.used if window else account.rate_used,
        updated_at=entry.at,
        recent_origins=origins.remembered(account.recent_origins, entry.origin_id),
        owed=entry.owed_after,
        open_holds=move.open_after(account.open_holds),
    )


def _window(account: Account, now: int, limit: int | None) -> Window | None:
    """The account's rate window including this move."""
    if limit is None:
        return None
    return Window(account.rate_from, account.rate_used, limit).counted(now)


def _account_write(account: Account, entry: Entry, window: Window | None, move: Move) -> Write:
    if account.exists:
        return _account_change(account, entry, window, move.open_after(account.open_holds))
    rate_from, rate_used = (window.start, window.used) if window else (0, 0)
    item: Item = {
        "pk": account_pk(account.user),
        "sk": account_sk(account.unit),
        "user": account.user,
        "unit": account.unit,
        "available": entry.available_after,
        "held": entry.held_after,
        "seq": entry.seq,
        "head": entry.hash,
        "rate_from": rate_from,
        "rate_used": rate_used,
        "created_at": entry.at,
        "updated_at": entry.at,
        "origin_salt": account.origin_salt,
        "recent_origins": origins.remembered((), entry.origin_id),
    }
    if entry.owed_after:
        item["owed"] = entry.owed_after
    return Put(item, condition="attribute_not_exists(pk)")


def _account_change(
    account: Account, entry: Entry, window: Window | None, open_holds: tuple[str, ...]
) -> Update:
    change = (
        "SET available = available + :amount, held = held + :held_change, "
        "seq = :next, head = :head, updated_at = :now"
    )
    condition = "seq = :seq AND origin_salt = :salt AND available >= :needed AND held >= :released"
    values: dict[str, Any] = {
        ":amount": entry.amount,
        ":held_change": entry.held,
        ":needed": max(0, -entry.amount),
        ":released": max(0, -entry.held),
        ":seq": account.seq,
        ":salt": account.origin_salt,
        ":next": entry.seq,
        ":head": entry.hash,
        ":now": entry.at,
    }
    if entry.owed:
        change += ", owed = if_not_exists(owed, :nothing) + :owed_change"
        values |= {":owed_change": entry.owed, ":nothing": 0}
    if entry.owed < 0:
        condition += " AND owed >= :repaid"
        values[":repaid"] = -entry.owed
    if window is not None:
        change += ", rate_from = :rate_from, rate_used = :rate_used"
        condition += " AND rate_from = :seen_from AND rate_used = :seen_used"
        values |= {":rate_from": window.start, ":rate_used": window.used}
        values |= {":seen_from": account.rate_from, ":seen_used": account.rate_used}
    if open_holds != account.open_holds:
        change += ", open_holds = :open_holds"
        values[":open_holds"] = open_holds
    recent = origins.remembered(account.recent_origins, entry.origin_id)
    if recent != account.recent_origins:
        change += ", recent_origins = :recent"
        values[":recent"] = recent
    return Update(
        account_pk(account.user), account_sk(account.unit), change, condition, values=values
    )


def _origin_writes(account: Account, entry: Entry, move: Move) -> list[Write]:
    """Stores the move's origin, unless the account lists it as stored."""
    if not entry.origin_id or entry.origin_id in account.recent_origins:
        return []
    return [origins.put(account.user, account.unit, entry.origin_id, move.act)]


def _entry_write(entry: Entry, move: Move) -> Put:
    carried = {CARRIED: move.carries} if move.carries else {}
    return Put(entry.item() | carried, condition="attribute_not_exists(pk)")
