"""What the records of the table's stream ask the projector for: which entries of which accounts."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.ledger.items import Entry, account_pk, entry_sk, own_members, read_entry
from engine.platform.table import Item, unmarshal
from engine.readmodels import folds
from engine.readmodels.figures import Generations
from engine.readmodels.folds import Folded
from engine.readmodels.writes import Account

CHUNK = 19
"""Entries in one transaction: with a day, an hour and a notice each far under 100 items."""

ENTRIES_TOGETHER, TRIES_TOGETHER = 19, 3
"""Entries of several accounts in one transaction, and how often it is tried before each goes alone."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record of a batch: the key of its entry, and the entry if the image contains one."""

    position: int
    user: str
    unit: str
    seq: int
    entry: Entry | None


@dataclass(slots=True)
class Work:
    """An account to project up to the entry `until`, or to its last; `known` are entries by seq."""

    account: Account
    known: Mapping[int, Entry]
    until: int | None
    is_first: bool
    """Whether its generation is the one in use, and not one that is being built."""
    copied: set[int] = field(default_factory=set)
    """The entries whose copies are put."""
    may_guess: bool = True
    is_done: bool = False

    def whole(self) -> "Chunk":
        """The known entries, if they follow what is projected."""
        entries = [self.known[seq] for seq in sorted(self.known)]
        return Chunk(self, entries[0].seq - 1, entries)

    def is_run(self) -> bool:
        """Whether the known entries are consecutive, end with `until`, and fit into one chunk."""
        if not self.known or self.until is None:
            return False
        return len(self.known) == self.until - min(self.known) + 1 <= CHUNK


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive entries of an account, which follow the entry `seen`; at least one."""

    work: Work
    seen: int
    entries: list[Entry]

    def folded(self) -> Folded:
        folded = folds.fold(self.entries)
        assert folded is not None  # noqa: S101 - there are entries
        return folded


def readable(item: Item) -> Entry | None:
    """The entry in `item`; None if it is not exactly as this version writes one."""
    try:
        entry = read_entry(item)
        intact = entry.hash == entry.expected_hash() and entry.item() == own_members(item)
    except (TypeError, ValueError):
        return None
    return entry if intact else None


def by_account(
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


def contiguous(get: Callable[[int], Entry | None], first: int) -> Iterator[Entry]:
    """At most `CHUNK` consecutive entries from the seq `first` on."""
    for seq in range(first, first + CHUNK):
        entry = get(seq)
        if entry is None:
            return
        yield entry


def works_of(
    key: tuple[str, str], generations: Generations, delivered: list[Delivered]
) -> list[Work]:
    """What the records `delivered` of the account `key` ask for, in each generation that is written."""
    (user, unit), known = key, {r.seq: r.entry for r in delivered if r.entry is not None}
    until = max(record.seq for record in delivered)
    return [
        Work(
            Account(user, unit, generation, generations.layout_of(generation)),
            known,
            until,
            is_first=generation == generations.current,
        )
        for generation in generations.written
    ]


def grouped(works: Iterable[Work]) -> list[list[Work]]:
    """Those of `works` that need not be read, by unit and shard of the statistics, in groups whose
    transactions have at most 100 writes: of a group of `ENTRIES_TOGETHER` each may have a summary, an hour, a
    day, a notice and what stands beside it, and there is a total.
    """
    groups: list[list[Work]] = []
    last: dict[tuple[str, int], list[Work]] = {}
    for work in works:
        if work.is_run():
            place = work.account.unit, folds.stats_shard(work.account.user)
            group = last.get(place)
            size = sum(len(one.known) for one in group or [])
            if group is None or size + len(work.known) > ENTRIES_TOGETHER:
                last[place] = group = []
                groups.append(group)
            group.append(work)
    return groups


def first_position(delivered: list[Delivered], seq: int) -> int:
    """The position of the account's first record for `seq` or later."""
    return next(
        (record.position for record in delivered if record.seq >= seq), delivered[0].position
    )
