"""Amounts are exact and have a currency, however a provider writes them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import money
from engine.providers.money import BadAmount, Money
from tests.support.properties import PROPERTY

ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=30),
    st.text(alphabet="0123456789.-+eE_ \u0663", max_size=30),
    st.lists(st.integers(), max_size=2),
)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        (499, "usd", 499),
        (25_000, "kes", 25_000),
        (500, "jpy", 500),
        (49_900, "ugx", 499),
        (49_900, "isk", 499),
        (500, "mga", 50_000),
        (4_990, "kwd", 4_990),
        (0, "usd", 0),
    ],
)
def test_an_amount_of_stripe_has_its_currency_s_minor_units(
    amount: int, currency: str, minor: int
) -> None:
    found = money.of_stripe(amount, currency)
    assert found == Money(minor, currency.upper())
    assert money.to_stripe(found) == (amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        (-1, "usd"),
        (True, "usd"),
        ("499", "usd"),
        (4.99, "usd"),
        (499, "USD"),
        (499, "us"),
        (499, None),
        (10**16, "usd"),
    ],
)
def test_what_is_no_amount_of_stripe_is_refused(amount: Any, currency: Any) -> None:
    with pytest.raises(BadAmount):
        money.of_stripe(amount, currency)


def test_an_amount_with_hundredths_of_a_whole_currency_is_still_read() -> None:
    assert money.of_stripe(499, "ugx") == Money(4, "UGX")


def test_an_amount_that_stripe_cannot_write_is_refused() -> None:
    with pytest.raises(BadAmount):
        money.to_stripe(Money(50_001, "MGA"))


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        ({"currencyCode": "KES", "units": "290", "nanos": 0}, Money(29_000, "KES")),
        ({"currencyCode": "KES", "units": "212", "nanos": 500_000_000}, Money(21_250, "KES")),
        ({"currencyCode": "USD", "nanos": 990_000_000}, Money(99, "USD")),
        ({"currencyCode": "JPY", "units": "500"}, Money(500, "JPY")),
    ],
)
def test_an_amount_of_google_is_read_from_units_and_nanos(price: Any, expected: Money) -> None:
    assert money.of_google(price) == expected


@pytest.mark.parametrize(
    "price",
    [
        None,
        [],
        {},
        {"currencyCode": "KES", "units": "1.5"},
        {"currencyCode": "KES", "units": "1", "nanos": 1},
        {"currencyCode": "KES", "units": "-1"},
        {"currencyCode": "KES", "units": "1", "nanos": -5},
        {"currencyCode": "KES", "units": "1", "nanos": 10**9},
        {"currencyCode": "KES", "units": "1", "nanos": True},
        {"currencyCode": "JPY", "units": "1", "nanos": 500_000_000},
    ],
)
def test_what_is_no_amount_of_google_is_refused(price: Any) -> None:
    with pytest.raises(BadAmount):
        money.of_google(price)


@pytest.mark.parametrize(
    "value", [250, "250", "250.00", "250.0", Decimal("250.0"), Decimal("2.5E2")]
)
def test_shillings_are_read_in_every_form_of_daraja(value: Any) -> None:
    assert money.of_shillings(value) == Money(25_000, "KES")
    assert money.whole_shillings(money.of_shillings(value)) == 250


@pytest.mark.parametrize(
    "value",
    [
        "", ".", "250.", ".5", "1e3", "-1", "+1", "250.001", "1_000", "1,000", "\u0662\u0665", "NaN",
        "9" * 25, 2.5, None, True, 10**30, Decimal("NaN"), Decimal("Infinity"),
        Decimal("1E+400"), Decimal("1E-400"),
    ],
)  # fmt: skip
def test_what_is_no_amount_of_daraja_is_refused(value: Any) -> None:
    with pytest.raises(BadAmount):
        money.of_shillings(value)


def test_a_number_with_more_digits_than_arithmetic_keeps_is_not_rounded_to_an_amount() -> None:
    with pytest.raises(BadAmount):
        money.of_shillings(Decimal("250." + "0" * 30 + "1"))


@pytest.mark.parametrize("asked", [Money(0, "KES"), Money(25_050, "KES"), Money(25_000, "TZS")])
def test_only_whole_shillings_can_be_asked_for(asked: Money) -> None:
    with pytest.raises(BadAmount):
        money.whole_shillings(asked)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(499, "USD"), "4.99 USD"),
        (Money(500, "JPY"), "500 JPY"),
        (Money(5, "KWD"), "0.005 KWD"),
    ],
)
def test_an_amount_is_shown_with_all_its_decimals(amount: Money, text: str) -> None:
    assert money.shown(amount) == text


@PROPERTY
@given(ODD, ODD)
def test_odd_values_make_an_amount_or_one_error(amount: Any, currency: Any) -> None:
    readers = (
        lambda: money.of_stripe(amount, currency),
        lambda: money.of_stripe(amount, "usd"),
        lambda: money.of_shillings(amount),
        lambda: money.of_google({"currencyCode": "KES", "units": amount, "nanos": currency}),
        lambda: money.of_google(amount),
    )
    for read in readers:
        try:
            found = read()
        except BadAmount:
            continue
        assert 0 <= found.minor <= money.MOST_MINOR
