"""The catalogue of packs: what is sold, for how much. This module alone writes its items.

A version of a pack never changes: an edit makes the next one. The versions that are sold lie together in one
item, so that the catalogue is one read; a process keeps it for `KEEP_S`. If the store does not answer, the
catalogue that was read last is used.

| item | key |
|---|---|
| version of a pack | `PACKS` / `P#<code>#<version, 6 digits>` |
| current packs | `PACKS` / `CURRENT` |
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final

from engine.ledger.audit import Audit, Record
from engine.ledger.items import CREDITS
from engine.ledger.posting import Ledger
from engine.payments.errors import PackChanged, PackNotFound
from engine.platform import snapshots
from engine.platform.act import Act
from engine.platform.errors import Busy, InvalidRequest
from engine.platform.ids import fits_key
from engine.platform.table import Cancelled, Item, Put, Table
from engine.platform.times import iso
from engine.subscriptions.plans import UNIT as DOLLARS
from engine.subscriptions.plans import shown

PACKS_PK: Final = "PACKS"
CURRENT_SK: Final = "CURRENT"
KEEP_S = 30
MOST_PACKS = 100
MOST_VERSIONS = 1000
VERSION_DIGITS = 6
EDITED = "pack_edit"


@dataclass(frozen=True, slots=True)
class Pack:
    """One version of a pack: credits with a bonus, or micro-dollars for a subscription.

    `prices` has minor units by currency code. `at` in epoch seconds.
    """

    code: str
    version: int
    label: str
    credits: int
    bonus: int
    dollars: int
    prices: Mapping[str, int]
    google_product: str = ""
    apple_product: str = ""
    tax_note: str = ""
    """What receipts say about taxes, such as "Price includes 16 % VAT."."""
    active: bool = True
    at: int = field(default=0, kw_only=True)

    @property
    def unit(self) -> str:
        """The ledger's unit in which the pack is granted."""
        return DOLLARS if self.dollars else CREDITS

    @property
    def amount(self) -> int:
        """What one pack grants in its unit, bonus included."""
        return self.dollars or self.credits + self.bonus

    @property
    def name(self) -> str:
        """The pack with its version, as rows and entries name it."""
        return f"{self.code}@{self.version}"


_FACTS = tuple(one.name for one in fields(Pack))


class Catalogue:
    """The packs of one table. `current` and `all` may be `KEEP_S` old."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.time) -> None:
        self.table = table
        self._clock = clock
        self.forget()
        snapshots.renews(self, Catalogue.forget)

    def forget(self) -> None:
        """Keep nothing that was read: the next use reads again."""
        self._packs: dict[str, Pack] | None = None
        self._read_at = 0.0
        self._versions: dict[tuple[str, int], Pack] = {}

    def all(self) -> list[Pack]:
        """The packs that are sold, in the order of their codes. Raises `Busy`."""
        return [pack for _, pack in sorted(self._current().items()) if pack.active]

    def current(self, code: str) -> Pack:
        """The version of `code` that is sold. Raises `PackNotFound`, `Busy`."""
        pack = self._current().get(code)
        if pack is None or not pack.active:
            raise PackNotFound()
        return pack

    def at(self, code: str, version: int) -> Pack:
        """A version, sold or not. Raises `PackNotFound`, `Busy`."""
        found = self._versions.get((code, version))
        if found is None:
            item = self.table.get(PACKS_PK, _version_sk(code, version))
            if item is None:
                raise PackNotFound()
            found = self._versions[code, version] = read(item)
        return found

    def named(self, name: str) -> Pack:
        """The version that `name` (`<code>@<version>`) says. Raises `PackNotFound`, `Busy`."""
        code, _, version = name.rpartition("@")
        if not version.isdecimal():
            raise PackNotFound()
        return self.at(code, int(version))

    def of_google(self, product: str) -> Pack | None:
        """The pack of a product id of Google Play, None if no version ever had it. A pack that is sold goes
        before one that was, a newer version before an older one. Raises `Busy`.
        """
        if not product:
            return None
        for pack in self.all():
            if pack.google_product == product:
                return pack
        stored = self.table.query(PACKS_PK, "P#", limit=MOST_VERSIONS, consistent=True)
        had = [pack for pack in map(read, stored) if pack.google_product == product]
        return max(had, key=lambda pack: (pack.at, pack.version), default=None)

    def _current(self) -> dict[str, Pack]:
        """What is sold by code; what was read last if the store does not answer."""
        now = self._clock()
        if self._packs is None or not 0 <= now - self._read_at < KEEP_S:
            try:
                item = self.table.get(PACKS_PK, CURRENT_SK, consistent=False)
            except Busy:
                if self._packs is None:
                    raise
            else:
                self._packs, self._read_at = _packs_in(item), now
        return self._packs or {}


def versions(table: Table, code: str) -> list[Pack]:
    """All versions of a pack, newest first. Raises `PackNotFound`, `Busy`."""
    found: list[Item] = []
    if fits_key(code):
        found = table.query(PACKS_PK, f"P#{code}#", limit=MOST_VERSIONS, consistent=True)
    if not found:
        raise PackNotFound()
    return [read(item) for item in found]


def everything(table: Table) -> list[Pack]:
    """The current version of every pack, also of those that are not sold. Raises `Busy`."""
    item = table.get(PACKS_PK, CURRENT_SK)
    return [pack for _, pack in sorted(_packs_in(item).items())]


def edit(ledger: Ledger, audit: Audit, wanted: Pack, act: Act) -> Pack:
    """Make `wanted` the current version of its pack; its `version` is the one that the operator saw, 0 for
    a new pack. The same edit again answers the version that it made.

    Raises `InvalidRequest`, `PackChanged`, `Busy` or `OutcomeUnknown`.
    """
    _require_sound(wanted)
    item = ledger.table.get(PACKS_PK, CURRENT_SK)
    packs = _packs_in(item)
    seen = packs.get(wanted.code)
    version = seen.version if seen is not None else 0
    if seen is not None and replace(wanted, version=version, at=seen.at) == seen:
        return seen
    if version != wanted.version:
        raise PackChanged(details={"currentVersion": version})
    if seen is None and len(packs) >= MOST_PACKS:
        raise InvalidRequest("There are too many packs.", details={"field": "packId"})
    made = replace(wanted, version=version + 1, at=act.at)
    revision = item["revision"] if item is not None else 0
    writes = [
        Put(_version_item(made), condition=""),  # The current packs' revision guards it.
        _current_put({**packs, made.code: made}, revision),
        audit.write(Record(f"pack:{made.code}", EDITED, True, "", act)),
    ]
    try:
        ledger.transact_patiently(writes)
    except Cancelled:
        raise PackChanged() from None
    return made


def read(item: Mapping[str, Any]) -> Pack:
    """The pack in a stored item, or in a member of the current packs."""
    return Pack(**{name: item[name] for name in _FACTS if name in item})


def members(pack: Pack) -> dict[str, Any]:
    """A pack as buyers see it."""
    return {
        "packId": pack.code,
        "version": pack.version,
        "label": pack.label,
        "credits": pack.credits,
        "bonus": pack.bonus,
        "dollars": shown(pack.dollars),
        "prices": dict(pack.prices),
        "googleProductId": pack.google_product or None,
        "appleProductId": pack.apple_product or None,
        "taxNote": pack.tax_note,
    }


def admin_members(pack: Pack) -> dict[str, Any]:
    """A pack as operators see it."""
    return {**members(pack), "active": pack.active, "editedAt": iso(pack.at)}


def _require_sound(pack: Pack) -> None:
    """Raises `InvalidRequest` unless the pack has credits or dollars, not both, and a price."""
    if bool(pack.dollars) == bool(pack.credits):
        raise InvalidRequest(
            "A pack grants one kind of money, and some of it.", details={"field": "credits"}
        )
    if pack.dollars and pack.bonus:
        raise InvalidRequest("A pack of dollars has no bonus.", details={"field": "bonus"})
    if not pack.prices and not pack.google_product and not pack.apple_product:
        raise InvalidRequest("A pack needs a price.", details={"field": "prices"})


def _packs_in(item: Item | None) -> dict[str, Pack]:
    stored = item["packs"] if item is not None else {}
    return {code: read(facts) for code, facts in stored.items()}


def _version_sk(code: str, version: int) -> str:
    return f"P#{code}#{version:0{VERSION_DIGITS}d}"


def _version_item(pack: Pack) -> Item:
    return {"pk": PACKS_PK, "sk": _version_sk(pack.code, pack.version), **_facts(pack)}


def _current_put(packs: Mapping[str, Pack], seen: int) -> Put:
    item: Item = {
        "pk": PACKS_PK,
        "sk": CURRENT_SK,
        "packs": {code: _facts(pack) for code, pack in packs.items()},
        "revision": seen + 1,
    }
    if not seen:
        return Put(item, "attribute_not_exists(pk)")
    return Put(item, "revision = :seen", values={":seen": seen})


def _facts(pack: Pack) -> dict[str, Any]:
    return asdict(pack)
