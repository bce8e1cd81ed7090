"""Accounts and entries, and their keys in the table.

Each entry stores a hash over itself and its predecessor's hash, and the account stores the newest hash,
so an edit from outside breaks the chain.

An entry has one of two formats. Format 1 has 17 facts, and its hash is over all of them, the absent ones as
null. An entry with any of the members of `LATER` has format 2: it stores `format` and those members that
differ from their defaults, and its hash is over exactly the facts that it stores. Every other entry is
still written in format 1, as all entries of earlier versions are.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.ledger.origins import origin_id
from engine.platform.act import Act
from engine.platform.errors import EngineError
from engine.platform.table import Item

CREDITS = "credits"
SEQ_DIGITS = 12
START = "0" * 43
"""The predecessor's hash in the first entry of an account."""

FORMAT: Final = 2
"""The newest format of entries; those of format 1 have no member `format`."""

LATER: Final[Mapping[str, int | str | None]] = {
    "owed": 0,
    "owed_after": 0,
    "product": "",
    "units": 0,
    "left": None,
}
"""The members of entries of format 2, with the value that an absent one has."""

CARRIED: Final = "carried"
"""The member of an entry's item that belongs to a hold and not to the entry, nor to its hash."""

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_ACCOUNT_FACTS = (
    "available", "held", "seq", "head", "rate_from", "rate_used", "updated_at", "origin_salt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """One user's balance in one unit, from one strongly consistent read."""

    user: str
    unit: str
    exists: bool = False
    available: int = 0
    held: int = 0
    seq: int = 0
    head: str = START
    rate_from: int = 0
    rate_used: int = 0
    updated_at: int = 0
    origin_salt: str = ""
    recent_origins: tuple[str, ...] = ()
    """Ids of the latest origins; their texts are stored."""
    erased_at: int = 0
    """When the person's data was last erased, 0 for never."""
    owed: int = 0
    """What was charged beyond the balance; the next grant pays it first."""
    open_holds: tuple[str, ...] = ()
    """Names of the open holds of back ends, oldest first."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A back end's hold that a move opens: its name, how many of them an account may have open at once, and
    what is raised where it has as many.
    """

    name: str
    most: int
    refusal: EngineError


@dataclass(frozen=True, slots=True)
class Move:
    """A requested change: signed changes of `available` and `held`, and the act."""

    user: str
    type: str
    amount: int
    held: int
    act: Act
    subject: str = ""
    """What the move is about: the jti of a hold, the id of a payment."""
    reverses: int | None = None
    """The seq of the entry that this move resolves or undoes."""
    owed: int = 0
    """The signed change of what the account owes."""
    pays_owed: bool = False
    """Whether this is a grant: of `amount`, what the account owes is paid first."""
    product: str = ""
    """The product and its version, `<code>@<version>`; empty for `transcript@1` and for none."""
    units: int = 0
    """The units of the product, 0 where the entry has no product."""
    left: int | None = None
    """What the hold keeps reserved, where the move is a part of a hold that stays open."""
    beyond: int = 0
    """What is charged beyond what is held: from `available`, as far as that reaches."""
    may_owe: bool = False
    """Whether the rest of that is owed; else it is not charged."""
    opens: Opening | None = None
    closes: str = ""
    """The name of the back end's hold that ends with this move."""
    carries: bytes = b""
    """What the entry's item keeps for the hold beside the entry, and outside its hash; empty for nothing."""

    def open_after(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The open holds of back ends after this move, of an account where `names` are open."""
        left = tuple(name for name in names if name != self.closes)
        return (*left, self.opens.name) if self.opens is not None else left


@dataclass(frozen=True, slots=True)
class Entry:
    """A change that happened; never edited. `at` in epoch seconds."""

    user: str
    unit: str
    seq: int
    at: int
    type: str
    amount: int
    held: int
    available_after: int
    held_after: int
    subject: str
    reverses: int | None
    actor: str
    reason: str
    request_id: str
    origin_id: str
    """Id of address and user agent, which are stored apart: see `engine.ledger.origins`. Empty for none."""
    prev: str
    hash: str
    owed: int = 0
    owed_after: int = 0
    product: str = ""
    units: int = 0
    left: int | None = None
    """What the hold keeps reserved, where the entry is a part of a hold that stays open."""

    @property
    def charged(self) -> int:
        """What left the account for good: negative for a grant, 0 for what is only held or given back."""
        return self.owed - self.amount - self.held

    def expected_hash(self) -> str:
        """The value of `hash` in an unchanged entry."""
        facts = self._facts()
        del facts["hash"]
        return _text_hash(_canonical(facts))

    def item(self) -> Item:
        facts = {name: value for name, value in self._facts().items() if value is not None}
        return {"pk": account_pk(self.user), "sk": entry_sk(self.unit, self.seq), **facts}

    def _facts(self) -> dict[str, Any]:
        """The facts that the hash is over, and the hash; in format 1 an absent one is None."""
        later = {name: value for name in LATER if (value := getattr(self, name)) != LATER[name]}
        facts = {name: getattr(self, name) for name in self.__slots__ if name not in LATER}
        if not later:
            return facts
        present = {name: value for name, value in facts.items() if value is not None}
        return {**present, **later, "format": FORMAT}


def account_pk(user: str) -> str:
    return f"A#{user}"


def account_sk(unit: str) -> str:
    return f"ACCOUNT#{unit}"


def entry_prefix(unit: str) -> str:
    return f"E#{unit}#"


def entry_sk(unit: str, seq: int) -> str:
    return f"{entry_prefix(unit)}{seq:0{SEQ_DIGITS}d}"


def read_account(user: str, unit: str, item: Mapping[str, Any] | None) -> Account:
    """The account in `item`; without an item, an empty account."""
    if item is None:
        return Account(user, unit)
    facts: dict[str, Any] = {name: item[name] for name in _ACCOUNT_FACTS}
    facts["recent_origins"] = tuple(item["recent_origins"])
    facts["open_holds"] = tuple(item.get("open_holds", ()))
    facts |= {name: item.get(name, 0) for name in ("erased_at", "owed")}
    return Account(user, unit, exists=True, **facts)


def read_entry(item: Mapping[str, Any]) -> Entry:
    """The entry in `item`, of either format."""
    facts: dict[str, Any] = {
        name: item.get(name, LATER.get(name)) for name in Entry.__dataclass_fields__
    }
    return Entry(**facts)


def own_members(item: Mapping[str, Any]) -> Item:
    """The members of an entry's item without what it carries for a hold: what `Entry.item` made it of."""
    return {name: value for name, value in item.items() if name != CARRIED}


def next_entry(account: Account, move: Move) -> Entry:
    """The entry that `move` adds to `account`."""
    act = move.act
    paid = min(account.owed, move.amount) if move.pays_owed else 0
    taken = min(account.available, move.beyond)
    amount = move.amount - paid - taken
    owed = move.owed - paid + (move.beyond - taken if move.may_owe else 0)
    facts: dict[str, Any] = {
        "user": move.user,
        "unit": account.unit,
        "seq": account.seq + 1,
        "at": move.act.at,
        "type": move.type,
        "amount": amount,
        "held": move.held,
        "available_after": account.available + amount,
        "held_after": account.held + move.held,
        "subject": move.subject,
        "reverses": move.reverses,
        "actor": act.actor,
        "reason": act.reason,
        "request_id": act.request_id,
        "origin_id": origin_id(account.origin_salt, act.address, act.user_agent),
        "prev": account.head,
        "owed": owed,
        "owed_after": account.owed + owed,
        "product": move.product,
        "units": move.units,
        "left": move.left,
    }
    return Entry(**facts, hash=Entry(**facts, hash="").expected_hash())


def _text_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
