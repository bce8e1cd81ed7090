"""The prices of what an app can ask for."""

from dataclasses import dataclass
from typing import Final

from engine.credits import prices
from engine.platform.errors import ProductNotOffered
from engine.platform.table import Table

TRANSCRIPT: Final = "transcript"


@dataclass(frozen=True, slots=True)
class Priced:
    """A product for one video, and its price in credits."""

    code: str
    version: int
    label: str
    price: int

    @property
    def price_version(self) -> str:
        return f"{self.code}@{self.version}"


def current(table: Table, codes: list[str]) -> Priced:
    """The product that is asked for, at today's price. Raises `ProductNotOffered`, `Busy`."""
    if codes != [TRANSCRIPT]:
        raise ProductNotOffered(codes)
    return Priced(TRANSCRIPT, 1, "Transcript", prices.TRANSCRIPTION)


def at(table: Table, code: str, version: int, price: int) -> Priced:
    """The product as it was quoted. Raises `Busy`."""
    return Priced(code, version, "Transcript", price)


def is_current(table: Table, priced: Priced) -> bool:
    """Whether `priced` is what is asked today. Raises `Busy`."""
    return current(table, [priced.code]) == priced
