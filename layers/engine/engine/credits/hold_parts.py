"""What each request did to a hold, kept with the hold so that a repeat gets the first answer.

The member `parts` is MessagePack: a list of lists `[kind, ids, seq, charged, rest, ends, available, owed]`.
`ids` are 8 bytes of a digest of the request id and 6 of its payload. `seq` is the entry that the request
made, 0 for none; `charged` what the hold was charged until then; `rest` what it still reserved, or what had
gone back where the request ended it; `ends` the seconds from its start to its end. `available` and `owed`
are kept where no entry has them.

A hold keeps at most `MOST` parts, so that its item stays below 1 KB and a part costs no more to write than
a vend. The last place is for the request that ends the hold.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from engine.platform.errors import KeyReused

MOST: Final = 16

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


def write(parts: Sequence[Part]) -> bytes:
    return msgspec.msgpack.encode(
        [[p.kind, p.ids, p.seq, p.charged, p.rest, p.ends, p.available, p.owed] for p in parts]
    )


def ids_of(operation: str, key: str, fingerprint: str) -> bytes:
    """The digests by which a request is found again."""
    name = _digest(f"{operation}\x1f{key}")[:_KEY_LENGTH]
    return name + _digest(fingerprint)[:_PRINT_LENGTH]


def find(packed: bytes, operation: str, ids: bytes) -> tuple[int, Part] | None:
    """The place and the part of an earlier request with these ids. Raises `KeyReused` where it had another
    payload.
    """
    for place, part in enumerate(read(packed)):
        if part.operation == operation and part.ids[:_KEY_LENGTH] == ids[:_KEY_LENGTH]:
            if part.ids != ids:
                raise KeyReused()
            return place, part
    return None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
