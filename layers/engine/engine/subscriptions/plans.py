"""Plans of the subscription service, and its money: micro-dollars, one credit being one dollar."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

UNIT = "usd_micros"
CREDIT = 1_000_000

KEY_LIMIT = CREDIT
"""What a key may spend at most; less where less is available."""

EXHAUSTED_AT = CREDIT // 10
UNLIMITED_AT = 2 * CREDIT
"""An unlimited plan is renewed while there is still enough for a whole key."""

RESET, BLOCK, TOP_UP = "reset", "block", "top_up"
POLICIES = (RESET, BLOCK, TOP_UP)
"""What happens to a subscription that is used up: a new allowance, a block until an operator lifts it, or a
refusal until money comes in.
"""

BASIC, PRO, ENTERPRISE = "basic", "pro", "enterprise"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a plan grants; `allowance` in micro-dollars. An unlimited plan is billed afterwards."""

    name: str
    allowance: int
    unlimited: bool = False

    @property
    def used_up_at(self) -> int:
        """The remaining money at or below which the policy applies."""
        return UNLIMITED_AT if self.unlimited else EXHAUSTED_AT


PLANS: Final[Mapping[str, Plan]] = {
    BASIC: Plan(BASIC, 10 * CREDIT),
    PRO: Plan(PRO, 50 * CREDIT),
    ENTERPRISE: Plan(ENTERPRISE, 100 * CREDIT, unlimited=True),
}


def micros(dollars: Decimal) -> int:
    """Whole micro-dollars; further decimals are rounded to the nearest.

    Raises `ValueError` if `dollars` is negative, not finite, or a million million or more.
    """
    if not dollars.is_finite() or not 0 <= dollars < CREDIT * CREDIT:
        raise ValueError(f"no amount of money: {dollars}")
    return int((dollars * CREDIT).to_integral_value(ROUND_HALF_EVEN))


def shown(amount: int) -> int | float:
    """`amount` micro-dollars as a JSON number of credits that keeps all six decimals."""
    whole, rest = divmod(amount, CREDIT)
    return amount / CREDIT if rest else whole


def signed(amount: int) -> int | float:
    """`shown` of an amount that may be negative."""
    return -shown(-amount) if amount < 0 else shown(amount)
