"""A product: what a unit of it costs, what a token for it is good for, and how a hold of it is settled.

A product has versions. A version never changes: what was vended or held is settled at its own version.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Literal

from engine.access.tokens import ISSUER, UPSTREAM_AUDIENCE, VENDED_LIFETIME_S
from engine.platform.errors import InvalidRequest
from engine.products.errors import UnitsOverLimit
from engine.web import scopes

Unit = Literal["call", "minute", "thousand_characters", "thousand_words"]
Overage = Literal["reject", "cap", "owed"]
SettledBy = Literal["none", "duration", "words", "characters"]

REJECT: Final = "reject"
CAP: Final = "cap"
OWED: Final = "owed"
"""What happens to a charge beyond what is held: it is refused, cut to what is held, or owed."""

NONE: Final = "none"
FIGURE_UNITS: Final[Mapping[str, tuple[str, int]]] = {
    "duration": ("minute", 60),
    "words": ("thousand_words", 1000),
    "characters": ("thousand_characters", 1000),
}
"""The unit that each figure of an answer is counted in, and how much of the figure makes one unit."""

MOST_CREDITS: Final = 1_000_000
"""No hold reserves more at once."""


@dataclass(frozen=True, slots=True)
class Product:
    """One version of a product. Times in seconds."""

    code: str
    version: int
    label: str
    unit: Unit
    credits_per_unit: int
    most_units: int
    """The most units of one hold."""
    scope: str
    audience: str
    lifetime_s: int
    """How long a token is valid, and a hold open."""
    grace_s: int
    """How long after its end a hold still takes commits."""
    overage: Overage
    settled_by: SettledBy = "none"
    """The figure of the answer by which a job is charged; `none` charges what was held."""
    least_units: int = 0
    """The least that a job is charged that is settled by a figure; the most is what was held."""
    is_active: bool = True
    """Whether new holds can be placed."""

    @property
    def name(self) -> str:
        """The product and its version, as entries name them."""
        return name_of(self.code, self.version)

    def price(self, units: int) -> int:
        """The credits that `units` cost. Raises `UnitsOverLimit`."""
        if not 0 <= units <= self.most_units:
            raise UnitsOverLimit(self.most_units)
        return units * self.credits_per_unit

    def settled(self, figures: Mapping[str, Any], units: int) -> int:
        """The credits that a job comes to for which `units` were held. `figures` are those of the answer,
        by the words of `FIGURE_UNITS`: seconds, words, characters. Without a usable figure it is what was
        held.
        """
        if self.settled_by == NONE:
            return self.price(units)
        used = _units(figures.get(self.settled_by), FIGURE_UNITS[self.settled_by][1])
        if used is None:
            return self.price(units)
        return self.price(max(min(used, units), min(self.least_units, units)))


TRANSCRIPT: Final = Product(
    code="transcript",
    version=1,
    label="Transcript",
    unit="call",
    credits_per_unit=1,
    most_units=1,
    scope=scopes.TRANSCRIBE,
    audience=UPSTREAM_AUDIENCE,
    lifetime_s=VENDED_LIFETIME_S,
    grace_s=20,
    overage="reject",
)
"""The product that every deployment has, without an item in the table."""


def name_of(code: str, version: int) -> str:
    return f"{code}@{version}"


def require_consistent(product: Product) -> None:
    """Raises `InvalidRequest` where the members of `product` contradict each other, or its tokens could be
    taken for user tokens.
    """
    if product.audience == ISSUER:
        raise InvalidRequest("This audience is that of users.", details={"field": "audience"})
    if product.settled_by != NONE and product.unit != FIGURE_UNITS[product.settled_by][0]:
        raise InvalidRequest(
            "This figure does not count the product's unit.", details={"field": "settledBy"}
        )
    if product.least_units > product.most_units:
        raise InvalidRequest(
            "The least units are more than the most.", details={"field": "leastUnits"}
        )
    if product.credits_per_unit * product.most_units > MOST_CREDITS:
        raise InvalidRequest(
            "The most units cost more than one hold can reserve.", details={"field": "mostUnits"}
        )


def _units(figure: Any, size: int) -> int | None:
    """The units, of `size` each, that `figure` fills or begins; None for no usable number."""
    if isinstance(figure, bool) or not isinstance(figure, int | float):
        return None
    if not math.isfinite(figure) or figure < 0:
        return None
    return math.ceil(Decimal(str(figure)) / size)
