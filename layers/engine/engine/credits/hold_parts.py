"""What each request did to a hold, kept with the hold so that a repeat gets the first answer.

The member `parts` is MessagePack: a list of lists `[kind, ids, seq, charged, rest, ends, available, owed]`.
`ids` are 8 bytes of a digest of the request id and 6 of its payload. `seq` is the entry that the request
made, 0 for none; `charged` what the hold was charged until then; `rest` what it still reserved, or what had
gone back where the request ended it; `ends` the seconds from its start to its end. `available` and `owed`
are kept where no entry has them, and left out where both are 0.

A hold keeps at most `MOST` parts, and no more than its item has room for below 1 KB, so that a part costs no
more to write than a vend. The last place is for the request that ends the hold. Before there are too many,
all of them are copied to a page, an item of its own, and the hold begins a new list. A page is named by its
content and written before the hold forgets what is in it, so a crash in between leaves a page too many and
loses none.

An extension that reserves more has no write unit to spare for a page. Where the hold is full, the item of its
entry carries the oldest parts, as many as it has room for below 1 KB: `carried` is MessagePack,
`[seq, parts]`, with the `seq` of the entry that carried parts before, 0 for none. It is no part of the entry
and its hash. The hold has the seq of the newest such entry (`carried_by`) and counts it as a page.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import msgspec

from engine.credits.hold_items import Hold, backend_pk
from engine.ledger.items import CARRIED, CREDITS, Move, account_pk, entry_sk
from engine.platform.errors import Busy, KeyReused
from engine.platform.table import Put, Table

MOST: Final = 16

PAGE = 12
"""With so many parts a hold begins a new list at the next commit, or at the next extension of its time."""

ITEM_SIZE: Final = 1024
"""An item of this many bytes at most costs one write unit."""

_FIXED: Final = 390
"""The most bytes of a hold's item without its parts and its longer texts: all names, numbers and keys."""

_TWO_PARTS: Final = 84
"""The most bytes of a further part and that of the end."""

_ENTRY_FIXED: Final = 350
"""The most bytes of an entry that reserves more, without its longer texts and what it carries."""

MOST_PAGES: Final = 100
"""A request of a hold with pages reads all of them: at most 100 KB."""

PAGE_KEPT_S: Final = 400 * 86_400
"""A page is kept for longer than any hold that is still in use, and can be repeated."""

EXTEND, COMMIT, FINAL, RELEASE, LATE, LATE_FINAL = range(6)
"""What a request did."""

_OPERATIONS: Final = {
    EXTEND: "extend",
    COMMIT: "commit",
    FINAL: "commit",
    RELEASE: "release",
    LATE: "commit",
    LATE_FINAL: "commit",
}
_KEY_LENGTH = 8
_PRINT_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One request on a hold, as it is kept."""

    kind: int
    ids: bytes
    seq: int
    charged: int
    rest: int
    ends: int
    available: int = 0
    owed: int = 0

    @property
    def operation(self) -> str:
        return _OPERATIONS[self.kind]


def read(packed: bytes) -> list[Part]:
    """The parts in the order in which they were made."""
    return [Part(*one) for one in msgspec.msgpack.decode(packed)] if packed else []


def is_readable(packed: object) -> bool:
    """Whether `read` gives parts whose members are all of their types."""
    try:
        parts = read(packed) if isinstance(packed, bytes) else None
    except (msgspec.DecodeError, TypeError):
        return False
    return parts is not None and all(_is_whole(part) for part in parts)


def _is_whole(part: Part) -> bool:
    numbers = (part.kind, part.seq, part.charged, part.rest, part.ends, part.available, part.owed)
    return isinstance(part.ids, bytes) and all(type(number) is int for number in numbers)


def write(parts: Sequence[Part]) -> bytes:
    return msgspec.msgpack.encode([_members(part) for part in parts])


def _members(part: Part) -> list[object]:
    always = [part.kind, part.ids, part.seq, part.charged, part.rest, part.ends]
    return [*always, part.available, part.owed] if part.available or part.owed else always


def is_full(hold: Hold) -> bool:
    """Whether the hold has no place for a further part and for that of its end."""
    if len(read(hold.parts)) > MOST - 2:
        return True
    size = _FIXED + len(hold.parts) + sum(len(text or "") for text in _texts(hold))
    return bool(hold.parts) and size + _TWO_PARTS > ITEM_SIZE


def _texts(hold: Hold) -> Iterator[str | None]:
    """Those of its members that clients and operators choose, as the item stores them."""
    yield from (hold.user, hold.fingerprint, hold.request_id, hold.product)
    if hold.caller is not None:
        yield from (hold.caller, hold.hold_id)
    else:  # A token's hold, which lies under its user.
        yield from (hold.user, hold.kid, hold.audience, hold.scope)


def ids_of(operation: str, key: str, fingerprint: str) -> bytes:
    """The digests by which a request is found again."""
    name = _digest(f"{operation}\x1f{key}")[:_KEY_LENGTH]
    return name + _digest(fingerprint)[:_PRINT_LENGTH]


def find(packed: bytes, operation: str, ids: bytes) -> Part | None:
    """The part of an earlier request with these ids. Raises `KeyReused` where it had another payload."""
    for part in read(packed):
        if part.operation == operation and part.ids[:_KEY_LENGTH] == ids[:_KEY_LENGTH]:
            if part.ids != ids:
                raise KeyReused()
            return part
    return None


def find_earlier(table: Table, hold: Hold, operation: str, ids: bytes) -> Part | None:
    """The part of an earlier request with these ids, in the hold or its pages. Raises `KeyReused`, `Busy`."""
    for packed in chain([hold.parts], _pages(table, hold), _carried(table, hold)):
        found = find(packed, operation, ids)
        if found is not None:
            return found
    return None


def page(hold: Hold, now: int) -> Put:
    """The parts of the hold, as an item of its own that is the same whoever writes it."""
    name = hashlib.sha256(hold.parts).hexdigest()[:16]
    item = {
        "pk": backend_pk(hold.name),
        "sk": f"{_page_prefix(hold)}{name}",
        "parts": hold.parts,
        "ttl": now + PAGE_KEPT_S,
    }
    return Put(item, "")


def _pages(table: Table, hold: Hold) -> Iterator[bytes]:
    """The parts in the hold's pages, read once they are needed. Raises `Busy`."""
    if hold.pages:
        low, high = _page_prefix(hold), _page_prefix(hold) + "~"
        items = table.ascending(backend_pk(hold.name), low, high, consistent=True)
        yield from (item["parts"] for item in items)


@dataclass(frozen=True, slots=True)
class Load:
    """The `number` of oldest parts that an entry carries, and what its item keeps of them."""

    number: int
    packed: bytes


NO_LOAD: Final = Load(0, b"")


def load(hold: Hold, move: Move) -> Load:
    """The oldest parts of the hold that the entry of `move` has room for without a further write unit; at
    least one.
    """
    act = move.act
    texts = (move.user, move.user, move.subject, move.product, act.actor, act.request_id)
    size = _ENTRY_FIXED + sum(map(len, texts)) + len(act.reason.encode())
    room = -size % ITEM_SIZE
    parts, number = read(hold.parts), 1
    while number < len(parts) and len(write(parts[: number + 1])) <= room:
        number += 1
    packed = msgspec.msgpack.encode([hold.carried_by, write(parts[:number])])
    return Load(number, packed)


def _carried(table: Table, hold: Hold) -> Iterator[bytes]:
    """The parts that entries carry, the newest first, read once they are needed. Raises `Busy`."""
    seq = hold.carried_by
    while seq:
        item = table.get(account_pk(hold.user), entry_sk(CREDITS, seq))
        if item is None:
            raise Busy()
        seq, packed = msgspec.msgpack.decode(item[CARRIED])
        yield packed


def _page_prefix(hold: Hold) -> str:
    """A name can be that of another hold once the first has passed; its subject is of one alone."""
    return f"PARTS#{hold.jti}#"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
