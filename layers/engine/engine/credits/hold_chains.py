"""The entries of holds as chains, for the check of an account.

A hold is placed by a `spend`, and each further entry of it names its newest one. So every entry is named
at most once, and a chain tells at each step what is reserved and what was charged for good:

| entry | names | reserved | charged |
|---|---|---|---|
| `spend` that holds | nothing | n | 0 |
| `spend` at once | nothing | n, which is paid already | 0 |
| `spend` that reserves more | an open hold | + n | |
| `capture` with `left` | an open hold | - k | + k, or more once nothing is left |
| `capture` | an open hold, or one paid at once | 0, the rest is given back | + k |
| `refund` | an open hold, or one paid at once | 0, all of it is given back | |
| `refund` that corrects a capture | a capture | | 0, all of it is given back |
| `spend` that charges after a refund | a refund; of a back end's hold also such a charge | | + k |
| `write_off` | a refund | | |

An entry without a product has format 1 or is of `transcript@1`: it captures exactly what was held.
"""

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from engine.credits import hold_items
from engine.ledger.items import Entry

NO_ENTRY, OTHER, HELD, PAID, MORE, PART, CAPTURE, REFUND, LATE_REFUND, CHARGE, GIFT = range(11)
"""The role of an entry for a hold: no entry, unrelated, holds credits, pays at once, reserves more, captures
a part, captures, refunds, refunds after a capture, charges again after a refund, writes off.
"""

OPEN_ROLES: Final = (HELD, MORE, PART)
PLACING: Final = (HELD, PAID)
FOLLOWS: Final = {
    MORE: OPEN_ROLES,
    PART: OPEN_ROLES,
    CAPTURE: (*OPEN_ROLES, PAID),
    REFUND: (*OPEN_ROLES, PAID),
    LATE_REFUND: (CAPTURE,),
    CHARGE: (REFUND, CHARGE),
    GIFT: (REFUND,),
}
"""The roles that an entry of each role may name."""

RESOLVING: Final = (CAPTURE, REFUND, GIFT)
"""The roles of entries that must name one."""


class HoldChains:
    """Reads entries in their order and stores of each what later entries and holds are compared with.

    It needs 34 bytes of memory per entry.
    """

    def __init__(self) -> None:
        self.roles = bytearray([NO_ENTRY])
        self.resolved = bytearray([0])
        """Whether a later entry names this one."""
        self.reserved = array("q", [0])
        """What the hold reserves after this entry; after a refund, what it gave back."""
        self.charged = array("q", [0])
        self._subjects = array("q", [0])
        self._places = array("q", [0])

    def begin_anew(self, seq: int) -> None:
        """Continues at `seq`, after entries that are missing."""
        missing = seq - len(self.roles)
        self.roles.extend(bytes(missing))
        self.resolved.extend(bytes(missing))
        for numbers in (self.reserved, self.charged, self._subjects, self._places):
            numbers.extend([0] * missing)

    def feed(self, entry: Entry) -> str:
        """Reads the next entry; what is wrong with the entry that it names, empty for nothing."""
        named = entry.reverses
        role = self._role(entry)
        trouble = self._trouble(entry, role)
        self._remember(entry, role)
        if named is not None and 0 < named < entry.seq:
            self.resolved[named] = 1
        return trouble

    def placed(self, seq: int, placement: int) -> bool:
        """Whether entry `seq` placed a hold with the members of which `placement` is the digest."""
        return self.roles[seq] in PLACING and self._places[seq] == placement

    def is_about(self, seq: int, subject: str) -> bool:
        return self._subjects[seq] == hash(subject)

    def open_ends(self) -> list[int]:
        """The seqs of entries that hold credits which no entry resolved."""
        return [
            seq
            for seq, role in enumerate(self.roles)
            if role in OPEN_ROLES and not self.resolved[seq]
        ]

    def _role(self, entry: Entry) -> int:
        named = entry.reverses or 0
        match entry.type:
            case "spend" if entry.reverses is not None:
                return MORE if entry.held > 0 else CHARGE
            case "spend":
                return HELD if entry.held else PAID
            case "capture" if entry.left is not None:
                return PART
            case "refund" if 0 < named < entry.seq and self.roles[named] == CAPTURE:
                return LATE_REFUND
        return {"capture": CAPTURE, "refund": REFUND, "write_off": GIFT}.get(entry.type, OTHER)

    def _trouble(self, entry: Entry, role: int) -> str:
        named = entry.reverses
        if named is None:
            return "does not say which entry it resolves" if role in RESOLVING else ""
        wrong = self._mismatch(entry, role, named)
        return f"names entry {named}, {wrong}" if wrong else ""

    def _mismatch(self, entry: Entry, role: int, named: int) -> str:
        """What is wrong with `entry` resolving the entry `named`; empty for nothing."""
        before = self.roles[named] if 0 < named < entry.seq else NO_ENTRY
        if before == NO_ENTRY:
            return "which does not exist"
        if not self.is_about(named, entry.subject):
            return "which has another subject"
        if self.resolved[named]:
            return "which was already resolved"
        if before == role == OTHER:
            return ""
        if before not in FOLLOWS.get(role, ()):
            return "which it cannot resolve"
        hold = HoldBefore(before, self.reserved[named], self.charged[named])
        wrong = f"but does not move its {hold.reserved or hold.charged}"
        return "" if RULES[role](entry, hold) else wrong

    def _remember(self, entry: Entry, role: int) -> None:
        named = entry.reverses if entry.reverses and 0 < entry.reverses < entry.seq else 0
        before = HoldBefore(self.roles[named], self.reserved[named], self.charged[named])
        reserved, charged = _after(entry, role, before)
        self.roles.append(role)
        self.resolved.append(0)
        self.reserved.append(reserved)
        self.charged.append(charged)
        self._subjects.append(hash(entry.subject))
        self._places.append(_placement(entry) if role in PLACING else 0)


@dataclass(frozen=True, slots=True)
class HoldBefore:
    """A hold as the entry with the role `role` left it."""

    role: int
    reserved: int
    charged: int


def _reserves_more(entry: Entry, hold: HoldBefore) -> bool:
    is_moved = (entry.amount, entry.owed) == (-entry.held, 0)
    return is_moved and entry.left == hold.reserved + entry.held


def _captures_part(entry: Entry, hold: HoldBefore) -> bool:
    """A part takes at most what is reserved, and more only where that is used up."""
    taken = -entry.held
    is_within = 0 <= taken <= hold.reserved and entry.left == hold.reserved - taken
    is_charge = entry.amount <= 0 <= entry.owed
    return is_within and is_charge and taken in (entry.charged, hold.reserved)


def _captures(entry: Entry, hold: HoldBefore) -> bool:
    """A capture gives back at most what is reserved, or charges more and gives nothing back."""
    held = 0 if hold.role == PAID else -hold.reserved
    if entry.held != held:
        return False
    if not entry.product:
        return (entry.amount, entry.owed) == (0, 0)
    if entry.amount > 0:
        return entry.amount <= hold.reserved and entry.owed == 0
    return entry.owed >= 0


def _refunds(entry: Entry, hold: HoldBefore) -> bool:
    held = 0 if hold.role == PAID else -hold.reserved
    return (entry.amount, entry.held, entry.owed) == (hold.reserved, held, 0)


def _refunds_late(entry: Entry, hold: HoldBefore) -> bool:
    return (entry.amount, entry.held, entry.owed) == (hold.charged, 0, 0)


def _charges_late(entry: Entry, hold: HoldBefore) -> bool:
    """Of a token's hold once, at most what went back; of a back end's hold what its product allows."""
    if entry.held:
        return False
    if hold_items.is_of_backend(entry.subject):
        return entry.amount <= 0 <= entry.owed
    most = hold.reserved if hold.role == REFUND else 0
    least = 1 if entry.product else most
    return entry.owed == 0 and 0 < least <= entry.charged <= most


def _gives(entry: Entry, hold: HoldBefore) -> bool:
    return (entry.amount, entry.held, entry.owed) == (0, 0, 0)


RULES: Final[Mapping[int, Callable[[Entry, HoldBefore], bool]]] = {
    MORE: _reserves_more,
    PART: _captures_part,
    CAPTURE: _captures,
    REFUND: _refunds,
    LATE_REFUND: _refunds_late,
    CHARGE: _charges_late,
    GIFT: _gives,
}
"""Whether an entry of each role moves what it may of the hold as it was before."""


def _after(entry: Entry, role: int, before: HoldBefore) -> tuple[int, int]:
    """What is reserved and what was charged after `entry`; a refund leaves what it gave back."""
    if role in PLACING:
        return -entry.amount, 0
    if role in (MORE, PART):
        return before.reserved + entry.held, before.charged + entry.charged
    if role == CAPTURE:
        paid = before.reserved if before.role == PAID else 0
        return 0, before.charged + entry.charged + paid
    if role == LATE_REFUND:
        return 0, 0
    return before.reserved, before.charged + (entry.charged if role == CHARGE else 0)


def _placement(entry: Entry) -> int:
    """A digest of the members of the hold that `entry` placed."""
    return hash((entry.subject, -entry.amount, entry.at, entry.available_after, entry.request_id))
