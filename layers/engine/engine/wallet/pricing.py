"""What an app can ask for, and what it costs for one video: products of the catalogue that transcribe.

Nobody knows how long a video is before it was transcribed. A product whose unit is a call is reserved once;
of any other one the most units are reserved, and what the job does not come to goes back with its end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.access.tokens import UPSTREAM_AUDIENCE
from engine.products.errors import ProductNotFound
from engine.products.product import Product
from engine.wallet.errors import ProductNotOffered
from engine.web import scopes

CALL: Final = "call"


class Products(Protocol):
    """The catalogue, as far as the wallet needs it."""

    def current(self, code: str) -> Product:
        """The newest version. Raises `ProductNotFound`, `Busy`."""

    def at(self, code: str, version: int) -> Product:
        """That version. Raises `ProductNotFound`, `Busy`."""


@dataclass(frozen=True, slots=True)
class Priced:
    """A product and the units that are reserved of it for one video."""

    product: Product
    units: int

    @property
    def price(self) -> int:
        """In credits."""
        return self.product.price(self.units)


def current(products: Products, codes: Sequence[str]) -> Priced:
    """The product that is asked for, in its newest version. Raises `ProductNotOffered`, `Busy`."""
    if len(codes) != 1:
        raise ProductNotOffered(codes)
    try:
        product = products.current(codes[0])
    except ProductNotFound:
        raise ProductNotOffered(codes) from None
    if (product.scope, product.audience) != (scopes.TRANSCRIBE, UPSTREAM_AUDIENCE):
        raise ProductNotOffered(codes)
    return Priced(product, 1 if product.unit == CALL else product.most_units)


def quoted(products: Products, code: str, version: int, units: int) -> Priced | None:
    """The product as it was quoted; None if the catalogue has no such version. Raises `Busy`."""
    try:
        return Priced(products.at(code, version), units)
    except ProductNotFound:
        return None


def is_current(products: Products, priced: Priced) -> bool:
    """Whether `priced` is what is asked today. Raises `Busy`."""
    try:
        return current(products, [priced.product.code]) == priced
    except ProductNotOffered:
        return False
