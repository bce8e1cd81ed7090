"""The catalogue: which products there are, each in all its versions.

`PRODUCTS` / `P#<code>#<version, 6 digits>` is one version of a product and never changes. `PRODUCTS` /
`CURRENT` has the newest version of each product, as the attribute `v_<code>`. No other module writes them.
`transcript` in version 1 is built in and has no item.

Failure policy: the newest versions are read again after `KEEP_S`. If the store does not answer, those that
were read last are used; a process that has read none raises `Busy`. A version, once read, is kept.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from engine.ledger.audit import Audit, Record
from engine.ledger.posting import Ledger
from engine.platform import snapshots
from engine.platform.act import Act
from engine.platform.errors import Busy, InvalidRequest
from engine.platform.ids import fits_key
from engine.platform.table import Cancelled, Item, Put, Table, Update
from engine.products.errors import ProductChanged, ProductNotFound
from engine.products.product import TRANSCRIPT, Product

PRODUCTS_PK: Final = "PRODUCTS"
CURRENT_SK: Final = "CURRENT"
VERSION_DIGITS = 6
KEEP_S = 30
MOST_PRODUCTS = 100
_PREFIX = "v_"


class Products(Protocol):
    """Where holds find the product that they are settled by."""

    def at(self, code: str, version: int) -> Product:
        """The product in that version. Raises `ProductNotFound`, `Busy`."""


class Catalogue:
    """The products of one table, as this process last read them."""

    def __init__(self, table: Table, clock: Callable[[], float] = time.time) -> None:
        self._table = table
        self._clock = clock
        self._versions: dict[tuple[str, int], Product] = {}
        self.forget()
        snapshots.renews(self, Catalogue.forget)

    def forget(self) -> None:
        """Read the newest versions again before they are used."""
        self._newest: Mapping[str, int] | None = None
        self._read_at = 0.0

    def current(self, code: str) -> Product:
        """The newest version. Raises `ProductNotFound`, also for a product that is switched off; `Busy`."""
        newest = self._current_versions()
        if code not in newest:
            raise ProductNotFound(code)
        product = self.at(code, newest[code])
        if not product.is_active:
            raise ProductNotFound(code)
        return product

    def at(self, code: str, version: int) -> Product:
        """The product in that version, also if it is switched off. Raises `ProductNotFound`, `Busy`."""
        if (code, version) == (TRANSCRIPT.code, TRANSCRIPT.version):
            return TRANSCRIPT
        known = self._versions.get((code, version))
        if known is None:
            item = self._table.get(PRODUCTS_PK, version_sk(code, version))
            if item is None:
                raise ProductNotFound(code)
            known = self._versions[code, version] = read(item)
        return known

    def all(self) -> list[Product]:
        """The newest version of every product that is not switched off, by code. Raises `Busy`."""
        return [product for product in self.newest() if product.is_active]

    def newest(self) -> list[Product]:
        """The newest version of every product, by code. Raises `Busy`."""
        return [self.at(*one) for one in sorted(self._current_versions().items())]

    def _current_versions(self) -> Mapping[str, int]:
        now = self._clock()
        if self._newest is None or not 0 <= now - self._read_at < KEEP_S:
            try:
                self._newest = current_versions(self._table)
            except Busy:
                if self._newest is None:
                    raise
            self._read_at = now
        return self._newest


def current_versions(table: Table) -> dict[str, int]:
    """The newest version of every product, as the table has them now. Raises `Busy`."""
    item = table.get(PRODUCTS_PK, CURRENT_SK) or {}
    stored = {
        name.removeprefix(_PREFIX): number
        for name, number in item.items()
        if name.startswith(_PREFIX)
    }
    return {TRANSCRIPT.code: TRANSCRIPT.version, **stored}


def history(table: Table, code: str) -> list[Product]:
    """All versions of a product, newest first; empty where there is none. Raises `Busy`."""
    if not fits_key(code):
        return []
    low, high = version_sk(code, 0), version_sk(code, 10**VERSION_DIGITS - 1)
    found = [read(item) for item in table.ascending(PRODUCTS_PK, low, high, consistent=True)]
    built_in = [TRANSCRIPT] if code == TRANSCRIPT.code else []
    return [*reversed(found), *built_in]


def save(ledger: Ledger, audit: Audit, draft: Product, act: Act) -> tuple[Product, bool]:
    """Makes `draft` the next version of its product, with an audit record in the same transaction;
    `draft.version` is the version that it replaces, 0 for a new product. The product, and whether the
    same change was made before.

    Raises `ProductChanged` if another version is the newest, `InvalidRequest` for one product too many,
    `Busy`, `OutcomeUnknown`.
    """
    made = replace(draft, version=draft.version + 1)
    known = current_versions(ledger.table)
    if known.get(draft.code, 0) != draft.version:
        return _made_before(ledger.table, made, known.get(draft.code, 0)), True
    if draft.code not in known and len(known) >= MOST_PRODUCTS:
        raise InvalidRequest(f"A catalogue has at most {MOST_PRODUCTS} products.")
    record = audit.write(Record(f"product:{made.name}", "product_save", True, "", act))
    put = Put(item_of(made, act), condition="attribute_not_exists(pk)")
    try:
        ledger.transact_patiently([put, _newest(made), record])
    except Cancelled:
        newest = current_versions(ledger.table).get(draft.code, 0)
        return _made_before(ledger.table, made, newest), True
    return made, False


def _made_before(table: Table, made: Product, newest: int) -> Product:
    """`made` if it is the newest version already. Raises `ProductChanged`."""
    item = table.get(PRODUCTS_PK, version_sk(made.code, made.version))
    if newest != made.version or item is None or read(item) != made:
        raise ProductChanged(newest)
    return made


def _newest(made: Product) -> Update:
    """Names `made` as the newest version. Of two who make the same version one is refused its put."""
    return Update(
        PRODUCTS_PK,
        CURRENT_SK,
        "SET #code = :made",
        "",
        names={"#code": _PREFIX + made.code},
        values={":made": made.version},
    )


def version_sk(code: str, version: int) -> str:
    return f"P#{code}#{version:0{VERSION_DIGITS}d}"


def item_of(product: Product, act: Act) -> Item:
    facts = {name: getattr(product, name) for name in Product.__dataclass_fields__}
    key = {"pk": PRODUCTS_PK, "sk": version_sk(product.code, product.version)}
    return {**key, **facts, "created_at": act.at, "created_by": act.actor}


def read(item: Mapping[str, Any]) -> Product:
    return Product(**{name: item[name] for name in Product.__dataclass_fields__})


def members(product: Product) -> dict[str, Any]:
    """A product as every caller sees it."""
    return {
        "code": product.code,
        "version": product.version,
        "label": product.label,
        "unit": product.unit,
        "creditsPerUnit": product.credits_per_unit,
        "mostUnits": product.most_units,
        "lifetimeSeconds": product.lifetime_s,
        "graceSeconds": product.grace_s,
        "overage": product.overage,
        "settledBy": product.settled_by,
        "leastUnits": product.least_units,
    }


def operator_members(product: Product) -> dict[str, Any]:
    """A product as operators see it."""
    return {
        **members(product),
        "scope": product.scope,
        "audience": product.audience,
        "active": product.is_active,
    }


def listed(products: Iterable[Product]) -> list[dict[str, Any]]:
    return [members(product) for product in products]
