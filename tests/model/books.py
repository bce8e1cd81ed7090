"""The ledger's invariants, looked for in every table that is reached."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, WRITTEN_OFF, Hold, read
from engine.ledger.items import CREDITS, START, Account, Entry, read_account, read_entry
from engine.wallet.fulfilment import REPLACED
from engine.web.request_ids import KEEP_S
from tests.model.store import UPSTREAM, Content, Key

RESOLVED_BY = {
    (CAPTURED, "capture"), (CAPTURED, "spend"), (RELEASED, "refund"), (WRITTEN_OFF, "write_off"),
}  # fmt: skip
UNUSED = "the token was not used in time"
"""What the sweeper says of a hold that nobody claimed."""


class Wrong(Exception):
    """An invariant does not hold."""


@dataclass(frozen=True)
class Books:
    """A table, read."""

    accounts: Mapping[str, Account]
    entries: Mapping[str, tuple[Entry, ...]]
    holds: tuple[Hold, ...]
    items: Content

    def all_entries(self) -> Iterator[Entry]:
        for entries in self.entries.values():
            yield from entries

    def charges(self, request: str) -> list[Entry]:
        """The entries that attempts of the client's `request` made."""
        return [e for e in self.all_entries() if e.request_id.rpartition(".")[0] == request]


def books(content: Content) -> Books:
    """What `content` says."""
    return _books(_Identity(content))


class _Identity:
    """A table as a key of the memo: the same object is the same table."""

    def __init__(self, content: Content) -> None:
        self.content = content

    def __hash__(self) -> int:
        return id(self.content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.content is self.content


@lru_cache(maxsize=4096)
def _books(identity: _Identity) -> Books:
    accounts, entries, found = {}, dict[str, list[Entry]](), []
    for (pk, sk), item in sorted(identity.content.items()):
        user = pk.removeprefix("A#")
        if sk == f"ACCOUNT#{CREDITS}":
            accounts[user] = read_account(user, CREDITS, item)
        elif sk.startswith("E#"):
            entries.setdefault(user, []).append(read_entry(item))
        elif sk.startswith("H#"):
            found.append(read(item))
    in_order = {user: tuple(made) for user, made in entries.items()}
    return Books(accounts, in_order, tuple(found), identity.content)


def audit(content: Content) -> str | None:
    """The first invariant that `content` breaks."""
    kept = books(content)
    try:
        for user in kept.accounts.keys() | kept.entries.keys():
            _check_account(kept, user)
        for hold in kept.holds:
            _check_hold(kept, hold)
        _check_onces(kept)
        _check_jobs(kept)
        _check_total(kept)
    except Wrong as wrong:
        return str(wrong)
    return None


def append_only(old: Content, new: Content) -> str | None:
    """Entries and payments are neither changed nor removed."""
    changed = [key for key in old if _is_kept(key) and new.get(key) != old[key]]
    return f"changed or removed: {changed}" if changed else None


def _is_kept(key: Key) -> bool:
    return key[1].startswith("E#") or key[0].startswith("PAYMENT#")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Wrong(message)


def _check_account(kept: Books, user: str) -> None:
    """The entries are contiguous, chained, never below zero, and add up to the balance."""
    account, entries = kept.accounts.get(user), kept.entries.get(user, ())
    _require(account is not None and len(entries) > 0, f"{user}: an account without entries")
    available, held, head = 0, 0, START
    for seq, entry in enumerate(entries, 1):
        available, held = available + entry.amount, held + entry.held
        _require(entry.seq == seq, f"{user}: entry {seq} is missing")
        _require(entry.prev == head, f"{user}: the chain breaks at entry {seq}")
        _require(entry.hash == entry.expected_hash(), f"{user}: entry {seq} was edited")
        after = (entry.available_after, entry.held_after)
        _require(
            after == (available, held), f"{user}: entry {seq} says {after} of {available, held}"
        )
        _require(available >= 0 and held >= 0, f"{user}: below zero at entry {seq}")
        head = entry.hash
    seen = (account.available, account.held, account.seq, account.head) if account else None
    _require(
        seen == (available, held, len(entries), head), f"{user}: {seen} is not the entries' sum"
    )
    open_holds = sum(hold.amount for hold in kept.holds if hold.user == user and hold.state == OPEN)
    _require(held == open_holds, f"{user}: {held} held for open holds of {open_holds}")


def _check_hold(kept: Books, hold: Hold) -> None:
    """Taken once, resolved at most once, reconciled at most once; its state is its last entry's."""
    about = [e for e in kept.entries.get(hold.user, ()) if e.subject == hold.jti]
    _require(len(about) in {1, 2, 3}, f"hold {hold.jti}: {len(about)} entries")
    taken, *later = about
    state = OPEN if taken.held else SPENT
    _require((taken.seq, taken.reverses) == (hold.seq, None), f"hold {hold.jti}: not its entry")
    _require(taken.available_after == hold.balance_after, f"hold {hold.jti}: wrong balance_after")
    for before, entry in zip(about, later, strict=False):
        _require(
            entry.reverses == before.seq, f"hold {hold.jti}: entry {entry.seq} reverses another"
        )
    if later:
        _require((hold.state, later[-1].type) in RESOLVED_BY, f"hold {hold.jti}: {hold.state}")
        _require(hold.resolved_seq == later[-1].seq, f"hold {hold.jti}: another resolved it")
    else:
        _require(hold.state == state, f"hold {hold.jti}: {hold.state} without an entry")
    _require(bool(hold.reconciled) == (len(later) == 2), f"hold {hold.jti}: reconciled unsaid")
    _check_index(kept, hold)
    unused = any(entry.reason == UNUSED for entry in later)
    _require(not (unused and hold.claim), f"hold {hold.jti}: released as unused, and claimed")


def _check_index(kept: Books, hold: Hold) -> None:
    """A hold is in the sweeper's index and stays, or it is not and passes: an open one stays, a resolved
    one passes, and one that was paid at once stays while it has a job.
    """
    item = kept.items[f"A#{hold.user}", f"H#{hold.name}"]
    is_open = hold.state == OPEN
    _require(not is_open or {"open_shard", "expires_at"} <= set(item), f"hold {hold.jti}: lost")
    resolved = hold.state in {CAPTURED, RELEASED, WRITTEN_OFF}
    _require(not resolved or "open_shard" not in item, f"hold {hold.jti}: still in the index")
    kept_on = "open_shard" in item
    _require(kept_on != ("ttl" in item), f"hold {hold.jti}: ttl of a hold that is {hold.state}")


def _check_onces(kept: Books) -> None:
    """One debit and one grant for each request of a client, one grant for each payment. A vend whose unused
    token gave its credit to a fulfilment buys anew.
    """
    taken: dict[object, Entry] = {}
    for entry in kept.all_entries():
        if entry.reason == REPLACED:
            given_up = (entry.user, entry.reverses)
            taken = {n: made for n, made in taken.items() if (made.user, made.seq) != given_up}
        if entry.reverses is None:
            request = entry.request_id.rpartition(".")[0]
            _check_window(taken, entry, ("request", request))
        if entry.type in {"add_webhook", "api_add"} and entry.subject:
            _require(("payment", entry.subject) not in taken, f"{entry.subject}: granted twice")
            taken["payment", entry.subject] = entry
        if entry.type == "spend" and entry.reverses is None:
            _check_window(taken, entry, ("user, operation and key", entry.subject[:22]))


def _check_window(taken: dict[object, Entry], entry: Entry, name: tuple[str, str]) -> None:
    """One entry under `name` for as long as its record is kept."""
    before = taken.get(name)
    again = before is not None and entry.at - before.at <= KEEP_S
    _require(not again, f"{' '.join(name)}: charged twice")
    taken[name] = entry


def _check_jobs(kept: Books) -> None:
    """One job for one hold at most, and none for a hold that nothing claimed."""
    claimed = {f"upjob-{hold.jti}" for hold in kept.holds if hold.claim is not None}
    for (pk, sk), item in kept.items.items():
        if pk == UPSTREAM:
            _require(item["starts"] == 1, f"job {sk}: started {item['starts']} times")
            _require(sk in claimed, f"job {sk}: started for a hold that is not claimed")


def _check_total(kept: Books) -> None:
    """What was issued is spent or outstanding."""
    moves = {"spend", "refund", "capture", "write_off"}
    issued = sum(entry.amount for entry in kept.all_entries() if entry.type not in moves)
    outstanding = sum(account.available + account.held for account in kept.accounts.values())
    last: dict[str, str] = {}
    for entry in kept.all_entries():
        if entry.type in moves:
            last[entry.subject] = "held" if entry.held > 0 else entry.type
    spent = sum(word in {"spend", "capture"} for word in last.values())
    _require(issued == spent + outstanding, f"issued {issued}, spent {spent} + {outstanding} there")
