"""Amounts as integers in minor units with a currency, and how each provider writes them.

Minor units have the decimals of ISO 4217, so prices of a catalogue are the same for every provider. Sources
of the exceptions: docs.stripe.com/currencies for Stripe (currencies without decimals, and UGX and ISK, which
are sent times 100); `Money` of Google's APIs (units and nanos); Daraja takes whole shillings only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

MOST_MINOR = 10**15
"""Far above any payment; larger numbers are refused, so that every amount is exact in JSON."""

MOST_DIGITS = 24
"""Of a number, so that no operation on it is rounded."""

KES: Final = "KES"
USUAL_DECIMALS = 2
_WITHOUT = [
    "BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
]  # fmt: skip
_WITH_THREE = ["BHD", "JOD", "KWD", "OMR", "TND"]

DECIMALS: Final[Mapping[str, int]] = {
    **dict.fromkeys([*_WITHOUT, "ISK", "UGX", "UYI"], 0),
    **dict.fromkeys([*_WITH_THREE, "IQD", "LYD"], 3),
    **dict.fromkeys(["CLF", "UYW"], 4),
}
"""Of ISO 4217, where they are not two."""

STRIPE_DECIMALS: Final[Mapping[str, int]] = {
    **dict.fromkeys([*_WITHOUT, "MGA"], 0),
    **dict.fromkeys(_WITH_THREE, 3),
}
"""Of Stripe, where they are not two: UGX and ISK have two there, MGA none."""


class BadAmount(ValueError):
    """Not an amount of this currency: malformed, negative, too large, or finer than its minor unit."""


@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units, not negative, of `currency`, an ISO 4217 code in capitals. Raises `BadAmount`."""

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if not 0 <= self.minor <= MOST_MINOR or not is_currency(self.currency):
            raise BadAmount(f"{self.minor} {self.currency}")


def is_currency(text: Any) -> bool:
    """Whether `text` has the form of an ISO 4217 code."""
    return (
        isinstance(text, str)
        and len(text) == 3
        and text.isascii()
        and text.isalpha()
        and text.isupper()
    )


def decimals(currency: str) -> int:
    """How many decimals the minor unit of `currency` is below the major one."""
    return DECIMALS.get(currency, USUAL_DECIMALS)


def of_major(value: Any, currency: str) -> Money:
    """`value` in major units: an int, a Decimal, or a text such as `"250.00"`. Raises `BadAmount`."""
    return Money(_shifted(_number(value), decimals(currency)), currency)


def of_stripe(amount: Any, currency: Any) -> Money:
    """`amount` as Stripe writes it, an integer; `currency` in lower case. Raises `BadAmount`.

    Hundredths of UGX and ISK are dropped: nobody can pay them, and an amount that names some must still be
    read, so that somebody looks at it.
    """
    code = currency.upper() if isinstance(currency, str) and currency.islower() else ""
    if isinstance(amount, bool) or not isinstance(amount, int) or not is_currency(code):
        raise BadAmount(str(currency)[:8])
    if not 0 <= amount <= MOST_MINOR:
        raise BadAmount(code)
    shift = _stripe_shift(code)
    return Money(amount // 10**shift if shift > 0 else amount * 10**-shift, code)


def to_stripe(money: Money) -> tuple[int, str]:
    """The amount as Stripe writes it, and the currency in lower case. Raises `BadAmount`."""
    amount = _shifted(Decimal(money.minor), _stripe_shift(money.currency))
    return amount, money.currency.lower()


def of_google(price: Any) -> Money:
    """`price`, a `Money` of Google's: `currencyCode`, `units` (text) and `nanos`. Raises `BadAmount`."""
    if not isinstance(price, Mapping):
        raise BadAmount("not an object")
    currency, nanos = price.get("currencyCode"), price.get("nanos", 0)
    if not is_currency(currency) or isinstance(nanos, bool) or not isinstance(nanos, int):
        raise BadAmount("currencyCode or nanos")
    if not 0 <= nanos < 10**9:
        raise BadAmount(str(currency))
    units = _shifted(_number(price.get("units", 0)), 0)
    return of_major(units + Decimal(nanos).scaleb(-9), str(currency))


def of_shillings(value: Any) -> Money:
    """`value` as M-Pesa in Kenya writes it: `250`, `250.0` (a Decimal), `"250.00"`. Raises `BadAmount`."""
    return of_major(value, KES)


def whole_shillings(money: Money) -> int:
    """The shillings to ask for. Raises `BadAmount` for another currency, cents, or less than one shilling."""
    shillings, cents = divmod(money.minor, 100)
    if money.currency != KES or cents or not shillings:
        raise BadAmount(f"{money.minor} {money.currency}")
    return shillings


def shown(money: Money) -> str:
    """The amount in major units with all its decimals, such as `4.99 USD`."""
    places = decimals(money.currency)
    return f"{Decimal(money.minor).scaleb(-places):.{places}f} {money.currency}"


def _stripe_shift(currency: str) -> int:
    """How many decimals Stripe has more than ISO 4217."""
    return STRIPE_DECIMALS.get(currency, USUAL_DECIMALS) - decimals(currency)


def _shifted(number: Decimal, places: int) -> int:
    """`number` times ten to the power of `places`, which must be whole. Raises `BadAmount`."""
    digits, exponent = number.as_tuple()[1:]
    if not isinstance(exponent, int) or len(digits) > MOST_DIGITS or abs(exponent) > MOST_DIGITS:
        raise BadAmount("not a finite number, or too many digits")
    moved = number.scaleb(places)
    if moved != moved.to_integral_value():
        raise BadAmount("finer than the minor unit")
    return int(moved)


def _number(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > MOST_MINOR:
            raise BadAmount("too large")
        return Decimal(value)
    if not isinstance(value, str) or not _is_plain(value):
        raise BadAmount("not a number")
    return Decimal(value)


def _is_plain(text: str) -> bool:
    """Whether `text` is digits with at most one point between them, at most 20 characters."""
    whole, point, fraction = text.partition(".")
    if len(text) > 20 or not text.isascii() or not whole.isdigit():
        return False
    return fraction.isdigit() if point else True
