"""The short form of an enumeration leaves out no value and no row."""

from collections import Counter

import pytest

from tests.support import sampling
from tests.support.sampling import share

VALUES = range(24)
ROWS = [f"POST /v1/route-{number}" for number in range(60)]


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """What the short form tries on each row."""
    monkeypatch.setattr(sampling, "PROVING", False)
    return {row: share(VALUES, row, one_in=4) for row in ROWS}


def test_each_row_gets_a_quarter_of_the_values(tried: dict[str, list[int]]) -> None:
    assert {len(values) for values in tried.values()} == {6}


def test_each_value_is_tried_on_many_rows(tried: dict[str, list[int]]) -> None:
    counts = Counter(value for values in tried.values() for value in values)
    assert counts.keys() == set(VALUES)
    assert min(counts.values()) >= 5


def test_all_values_are_tried_on_each_row_where_proofs_are_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "PROVING", True)
    assert all(share(VALUES, row, one_in=4) == list(VALUES) for row in ROWS)
