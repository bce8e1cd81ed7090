"""Plans of the subscription service, and its money: micro-dollars, one credit being one dollar."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

UNIT = "usd_micros"
CREDIT = 1_000_000

KEY_LIMIT = CREDIT
"""What a key may spend at most; one of the last money may spend less."""

EXHAUSTED_AT = CREDIT // 10
UNLIMITED_AT = 2 * CREDIT
"""An unlimited plan is granted anew while there is still enough for a whole key."""

RESET, BLOCK, TOP_UP = "reset", "block", "top_up"
POLICIES = (RESET, BLOCK, TOP_UP)
"""What becomes of a subscription that is used up: a new allowance, a stop until an operator lifts it,
or a stop until money comes in.
"""

BASIC, PRO, ENTERPRISE = "basic", "pro", "enterprise"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a subscriber gets; `allowance` in micro-dollars. An unlimited one is billed afterwards."""

    name: str
    allowance: int
    unlimited: bool = False

    @property
    def used_up_at(self) -> int:
        """At this or less of what is left, the policy comes in."""
        return UNLIMITED_AT if self.unlimited else EXHAUSTED_AT


PLANS: Final[Mapping[str, Plan]] = {
    BASIC: Plan(BASIC, 10 * CREDIT),
    PRO: Plan(PRO, 50 * CREDIT),
    ENTERPRISE: Plan(ENTERPRISE, 100 * CREDIT, unlimited=True),
}


def micros(dollars: Decimal) -> int:
    """Whole micro-dollars; what OpenRouter counts beyond them is rounded to the nearest.

    Raises `ValueError` for what is no amount.
    """
    if not dollars.is_finite() or not 0 <= dollars < CREDIT * CREDIT:
        raise ValueError(f"no amount of money: {dollars}")
    return int((dollars * CREDIT).to_integral_value(ROUND_HALF_EVEN))


def shown(amount: int) -> int | float:
    """`amount` micro-dollars as a JSON number of credits, which prints with all of its six decimals."""
    whole, rest = divmod(amount, CREDIT)
    return amount / CREDIT if rest else whole
