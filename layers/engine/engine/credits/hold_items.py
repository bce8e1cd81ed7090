"""What is kept of a hold: its states, its item and the keys that it lies under.

A hold is credits set aside for a vended token. Its item is also the record of the vend's request: the
key is made of the user, the operation and the client's request id (see docs/decisions.md). Its
transitions are in `engine.credits.holds`, which alone writes it.

Items of earlier versions name no product: theirs is `transcript` in version 1, whose members have
defaults here and are not stored. Nor do they say what was charged: all of it, where they are captured.
"""

from collections.abc import Iterator, Mapping, Sequence
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
WRITTEN_OFF: Final = "written_off"
"""Released, then delivered although the account could not pay: a gift that earlier versions made."""

UNRESOLVED: Final = (OPEN, SPENT)
"""The states of a hold whose outcome is still to come."""

NAME_LENGTH = 22
BACKEND_MARK: Final = "."
"""Follows the name in the subject of a back end's hold; in a token's a letter or digit does."""

SHARDS = 4


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
        """The product as entries and tokens name it: not at all, if it is the one of earlier versions."""
        is_first = (self.product, self.version) == (TRANSCRIPT.code, TRANSCRIPT.version)
        return "" if is_first else name_of(self.product, self.version)

    @property
    def entry_units(self) -> int:
        return self.units if self.entry_product else 0

    @property
    def reserved(self) -> int:
        """The credits that are still held."""
        return self.amount - self.committed if self.state == OPEN else 0

    @property
    def is_unused(self) -> bool:
        """Whether its credit is still held and nothing has claimed it."""
        return self.state == OPEN and self.claim is None

    @property
    def is_resolved(self) -> bool:
        return self.state not in UNRESOLVED


def find(table: Table, user: str, jti: str) -> Hold | None:
    """The hold that `jti` was vended for, None if there is none or it was replaced. Raises `Busy`."""
    item = table.get(account_pk(user), hold_sk(jti[:NAME_LENGTH]))
    return read(item) if item is not None and item["jti"] == jti else None


def find_many(table: Table, names: Sequence[tuple[str, str]]) -> list[Hold]:
    """The holds of these users and jtis that are there, in no order. Raises `Busy`."""
    keys = {(account_pk(user), sk_of(jti)): jti for user, jti in names}
    items = table.get_many(list(keys))
    return [read(item) for item in items if item["jti"] == keys[item["pk"], item["sk"]]]


def resolved_of(table: Table, user: str) -> Iterator[Hold]:
    """The user's holds whose outcome is known. Raises `Busy`."""
    items = table.ascending(account_pk(user), hold_sk(""), hold_sk("~"), consistent=True)
    return (hold for hold in map(read, items) if hold.is_resolved)


def again(table: Table, hold: Hold) -> Hold:
    """`hold` as it is now; as it was seen where it is gone. Raises `Busy`."""
    return find(table, hold.user, hold.jti) or hold


def read(item: Mapping[str, Any]) -> Hold:
    """The hold in its item."""
    facts: dict[str, Any] = {
        name: item.get(name, _DEFAULTS.get(name)) for name in Hold.__dataclass_fields__
    }
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
    """Those of them that an item stores: none for the product of earlier versions."""
    if not hold.entry_product:
        return {}
    return {name: getattr(hold, name) for name in _PRODUCT_FACTS}


_PRODUCT_FACTS: Final = tuple(product_facts(TRANSCRIPT, 1))
_DEFAULTS: Final[Mapping[str, Any]] = {
    **product_facts(TRANSCRIPT, 1),
    "committed": 0,
    "released": 0,
}


def hold_sk(name: str) -> str:
    return f"H#{name}"


def sk_of(jti: str) -> str:
    """The sort key of the hold that `jti` was vended for."""
    return hold_sk(jti[:NAME_LENGTH])


def is_of_backend(jti: str) -> bool:
    """Whether `jti` is the subject of a back end's hold, not of a token's."""
    return jti[NAME_LENGTH : NAME_LENGTH + 1] == BACKEND_MARK


def shard_of(name: str) -> str:
    """The partition of the index of open holds that `name` falls into."""
    return f"open#{shard(name, SHARDS)}"
