"""What is kept of a hold: its states, its item and the keys that it lies under.

A hold is credits set aside for a vended token. Its item is also the record of the vend's request: the
key is made of the user, the operation and the client's request id (see docs/decisions.md). Its
transitions are in `engine.credits.holds`, which alone writes it.

A back end's hold has an item of its own, `HOLD#<name>` / `HOLD`, where the name is made of the caller and
the id that the caller gave it. Its subject has a mark behind the name, by which `key_of` knows where it
lies. A hold that was committed in parts, or extended, also says what it still reserves (`left`), its newest
entry (`last_seq`), what each request did (`parts`, see `engine.credits.hold_parts`), how often these
were moved elsewhere (`pages`), and the newest entry that carries some of them (`carried_by`).

Items of earlier versions name no product: theirs is `transcript` in version 1, whose members have
defaults here and are not stored. Nor do they say what was charged: all of it, where they are captured.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.access.tokens import VendedToken
from engine.ledger.items import account_pk
from engine.platform.ids import shard
from engine.platform.table import Item, Table
from engine.products.product import TRANSCRIPT, Product, name_of

OPEN: Final = "open"
SPENT: Final = "spent"
"""Paid at once, as the older `/vend-token` does; nothing is held."""

CAPTURED: Final = "captured"
RELEASED: Final = "released"
EXPIRED: Final = "expired"
"""Its time was over: what it still reserved went back."""

WRITTEN_OFF: Final = "written_off"
"""Released, then delivered although the account could not pay: a gift that earlier versions made."""

UNRESOLVED: Final = (OPEN, SPENT)
"""The states of a hold whose outcome is still to come."""

NAME_LENGTH = 22
BACKEND_SK: Final = "HOLD"
BACKEND_MARK: Final = "."
"""Follows the name in the subject of a back end's hold; in a token's a letter or digit does."""

SHARDS = 4
SHARDS_SWEPT = 8
"""In how many partitions of the index open holds are put, and in how many they are looked for. More are put
into only once no version is wanted back that does not look there.
"""
_SUBJECT: Final = re.compile(rf"[A-Za-z0-9_-]{{{NAME_LENGTH}}}\.?([0-9a-z]{{1,6}})")
"""A name, the mark of a back end's hold, and a time in base 36."""


@dataclass(frozen=True, slots=True)
class Hold:
    """One vended token and what became of the credits that paid for it. Times in epoch seconds."""

    user: str
    name: str
    jti: str
    kid: str
    state: str
    amount: int
    seq: int
    issued_at: int
    balance_after: int
    fingerprint: str
    request_id: str
    resolved_seq: int | None = None
    reconciled: bool | None = None
    """One outcome that contradicts the first was met; a further one changes nothing."""
    claim: str | None = None
    claimed_by: str | None = None
    claimed_at: int | None = None
    job_id: str | None = None
    answer: Mapping[str, Any] | None = None
    product: str = TRANSCRIPT.code
    version: int = TRANSCRIPT.version
    units: int = 1
    audience: str = TRANSCRIPT.audience
    scope: str = TRANSCRIPT.scope
    lifetime_s: int = TRANSCRIPT.lifetime_s
    grace_s: int = TRANSCRIPT.grace_s
    committed: int = 0
    """The credits that were charged for good."""
    released: int = 0
    """The credits that went back."""
    caller: str | None = None
    """Who holds it, if a back end does."""
    hold_id: str | None = None
    """The id that its caller gave it."""
    ends_at: int = 0
    """When it ends; until the grace is over as well, it takes commits."""
    left: int | None = None
    last_seq: int | None = None
    parts: bytes = b""
    pages: int = 0
    carried_by: int = 0
    """The seq of the newest entry that carries parts of the hold."""
    is_final: bool = False
    """Whether a late commit was the last one."""

    @property
    def key(self) -> tuple[str, str]:
        return key_of(self.user, self.jti)

    @property
    def tail(self) -> int:
        """The seq of its newest entry."""
        return self.resolved_seq or self.last_seq or self.seq

    @property
    def grace_ends_at(self) -> int:
        return self.ends_at + self.grace_s

    @property
    def token(self) -> VendedToken:
        return self.token_from(self.issued_at)

    def token_from(self, issued_at: int) -> VendedToken:
        """The token as it would be issued at `issued_at`."""
        ends_at = issued_at + self.lifetime_s
        about = (self.audience, self.scope, self.entry_product, self.entry_units)
        return VendedToken(self.user, self.jti, issued_at, ends_at, *about)

    @property
    def entry_product(self) -> str:
        """The product as entries and tokens name it: not at all, if a token is for that of earlier
        versions.
        """
        is_first = (self.product, self.version) == (TRANSCRIPT.code, TRANSCRIPT.version)
        return "" if is_first and self.caller is None else name_of(self.product, self.version)

    @property
    def entry_units(self) -> int:
        return self.units if self.entry_product else 0

    @property
    def reserved(self) -> int:
        """The credits that are still held."""
        if self.state != OPEN:
            return 0
        return self.amount if self.left is None else self.left

    @property
    def is_unused(self) -> bool:
        """Whether its credits are still held and nothing has used it."""
        return self.state == OPEN and self.claim is None and not self.is_timed

    @property
    def is_timed(self) -> bool:
        """Whether it ends with its time, and not with a job or a token: a back end's, or one with parts."""
        return self.caller is not None or bool(self.parts)

    @property
    def is_resolved(self) -> bool:
        return self.state not in UNRESOLVED


def find(table: Table, user: str, jti: str) -> Hold | None:
    """The user's hold with this subject, None if there is none or it was replaced. Raises `Busy`."""
    item = table.get(*key_of(user, jti))
    is_it = item is not None and (item["jti"], item["user"]) == (jti, user)
    return read(item) if item is not None and is_it else None


def find_of_backend(table: Table, name: str) -> Hold | None:
    """The back end's hold called `name`, None if there is none. Raises `Busy`."""
    item = table.get(backend_pk(name), BACKEND_SK)
    return read(item) if item is not None else None


def find_many_of_backends(table: Table, names: Sequence[str]) -> list[Hold]:
    """The back ends' holds with these names that are there, in no order. Raises `Busy`."""
    return [read(item) for item in table.get_many([(backend_pk(n), BACKEND_SK) for n in names])]


def find_many(table: Table, names: Sequence[tuple[str, str]]) -> list[Hold]:
    """The holds of these users and jtis that are there, in no order. Raises `Busy`."""
    return [read(item) for item in stored(table, names)]


def stored(table: Table, names: Sequence[tuple[str, str]]) -> list[Item]:
    """The items of the holds of these users and jtis that are there, in no order. Raises `Busy`."""
    keys = {(account_pk(user), sk_of(jti)): jti for user, jti in names}
    items = table.get_many(list(keys))
    return [item for item in items if item["jti"] == keys[item["pk"], item["sk"]]]


def again(table: Table, hold: Hold) -> Hold:
    """`hold` as it is now; as it was seen where it is gone. Raises `Busy`."""
    return find(table, hold.user, hold.jti) or hold


def read(item: Mapping[str, Any]) -> Hold:
    """The hold in its item."""
    facts: dict[str, Any] = {
        name: item.get(name, _DEFAULTS.get(name)) for name in Hold.__dataclass_fields__
    }
    if "ends_at" not in item and type(facts["issued_at"]) is int:
        facts["ends_at"] = facts["issued_at"] + facts["lifetime_s"]
    if "committed" not in item and item.get("state") == CAPTURED:
        facts["committed"] = item["amount"]
    if "released" not in item and item.get("state") in (RELEASED, WRITTEN_OFF):
        facts["released"] = item["amount"]
    return Hold(**facts)


def product_facts(product: Product, units: int) -> dict[str, Any]:
    """The members of a hold that say what it pays for."""
    return {
        "product": product.code,
        "version": product.version,
        "units": units,
        "audience": product.audience,
        "scope": product.scope,
        "lifetime_s": product.lifetime_s,
        "grace_s": product.grace_s,
    }


def stored_product(hold: Hold) -> Item:
    """Those of them that an item stores: none for the product of earlier versions, and those of tokens only
    where there is one.
    """
    if not hold.entry_product:
        return {}
    without = () if hold.caller is None else ("audience", "scope")
    return {name: getattr(hold, name) for name in _PRODUCT_FACTS if name not in without}


_PRODUCT_FACTS: Final = tuple(product_facts(TRANSCRIPT, 1))
_DEFAULTS: Final[Mapping[str, Any]] = {
    **product_facts(TRANSCRIPT, 1),
    "committed": 0,
    "released": 0,
    "ends_at": 0,
    "parts": b"",
    "pages": 0,
    "carried_by": 0,
    "is_final": False,
}


def hold_sk(name: str) -> str:
    return f"H#{name}"


def key_of(user: str, jti: str) -> tuple[str, str]:
    """The key of the hold with this subject."""
    name = jti[:NAME_LENGTH]
    if is_of_backend(jti):
        return backend_pk(name), BACKEND_SK
    return account_pk(user), hold_sk(name)


def backend_pk(name: str) -> str:
    return f"HOLD#{name}"


def sk_of(jti: str) -> str:
    """The sort key of the hold that `jti` was vended for."""
    return hold_sk(jti[:NAME_LENGTH])


def is_of_backend(jti: str) -> bool:
    """Whether `jti` is the subject of a back end's hold, not of a token's."""
    return jti[NAME_LENGTH : NAME_LENGTH + 1] == BACKEND_MARK


def opened_at(jti: str) -> int | None:
    """When the hold of this subject was placed, which its id says; None for what is not such an id."""
    match = _SUBJECT.fullmatch(jti)
    return int(match[1], 36) if match is not None else None


def shard_of(name: str) -> str:
    """The partition of the index of open holds that `name` falls into."""
    return f"open#{shard(name, SHARDS)}"
