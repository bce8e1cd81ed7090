"""The folds of all read models."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.readmodels import folds
from engine.readmodels.folds import ProductStats, TypeStats, contribution, fold, stats
from tests.support.streams import Book

NOON = 1_800_014_400  # 2027-01-15T12:00:00Z


def test_an_account_is_summarised() -> None:
    book = Book("ann", at=NOON)
    book.grant(10)
    kept, returned = book.vend(), book.vend()
    book.at += 86_400
    book.end(kept, "capture")
    book.end(returned, "refund")
    book.vend()
    book.post("admin_deduct", -2)
    folded = fold(book.entries)
    assert folded is not None
    assert (folded.seq, folded.first_at, folded.last_at) == (7, NOON, NOON + 86_400)
    found = stats(folded.counts)
    assert (found.available, found.held, found.users, found.entries) == (6, 1, 1, 7)
    assert (found.granted, found.deducted, found.issued, found.spent) == (10, 2, 8, 1)
    assert (found.holds_placed, found.holds_captured, found.holds_released) == (3, 1, 1)
    assert found.refunded == 1
    assert found.types == {
        "admin_deduct": TypeStats(1, -2),
        "capture": TypeStats(1, 0),
        "refund": TypeStats(1, 1),
        "spend": TypeStats(3, -3),
        "user_creation": TypeStats(1, 10),
    }
    first, second = (stats(folded.days[day]) for day in ("2027-01-15", "2027-01-16"))
    assert (first.users, first.holds_placed, first.available) == (1, 2, 8)
    assert (second.users, second.holds_placed, second.available) == (0, 1, -2)


def test_a_day_has_the_figures_of_each_product_and_the_account_has_not() -> None:
    book = Book("ann", at=NOON)
    book.grant(100)
    book.end(book.vend(), "capture")
    held = book.post("spend", -75, 75, product="summary@2", units=3)
    book.post("capture", 0, -40, reverses=held.seq, product="summary@2", units=3, left=35)
    book.post("capture", 35, -35, reverses=held.seq + 1, product="summary@2", units=3)
    folded = fold(book.entries)
    assert folded is not None
    assert stats(folded.days["2027-01-15"]).products == {"summary": ProductStats(40, 1)}
    assert stats(folded.days["2027-01-15"]).spent == 41
    assert stats(folded.counts).products == {}


def test_no_entries_fold_to_nothing() -> None:
    assert fold([]) is None


@given(st.integers(), st.integers(0, 40))
def test_at_every_prefix_issued_equals_spent_and_outstanding(seed: int, count: int) -> None:
    book = Book("ann", at=NOON)
    book.random_moves(seed, count)
    for end in range(1, count + 1):
        folded = fold(book.entries[:end])
        assert folded is not None
        found = stats(folded.counts)
        assert found.issued == found.spent + found.available + found.held
        last = book.entries[end - 1]
        assert (found.available, found.held) == (last.available_after, last.held_after)


@given(st.integers(), st.integers(1, 40), st.data())
def test_parts_add_up_to_the_whole(seed: int, count: int, data: st.DataObject) -> None:
    book = Book("ann", at=NOON)
    book.random_moves(seed, count)
    cut = data.draw(st.integers(0, count))
    whole, parts = Counter[str](), Counter[str]()
    for entry in book.entries:
        whole.update(contribution(entry))
    for part in (fold(book.entries[:cut]), fold(book.entries[cut:])):
        if part is not None:
            parts.update(part.counts)
            days = list(itertools.chain(*(counts.items() for counts in part.days.values())))
            assert sum(value for name, value in days if name == "entries") == part.counts["entries"]
    assert parts == whole


@pytest.mark.parametrize(
    ("before", "amount", "low"),
    [(3, -1, True), (4, -1, False), (2, -1, False), (1, 5, False), (9, -9, True), (0, 0, False)],
)
def test_a_balance_falls_low_where_it_crosses_the_threshold(
    before: int, amount: int, low: bool
) -> None:
    book = Book("ann")
    book.grant(before)
    assert folds.falls_low(book.post("admin_deduct", amount), 3) is low


def test_money_of_another_unit_never_falls_low() -> None:
    book = Book("ann", "usd_micros")
    book.grant(3)
    assert not folds.falls_low(book.post("charge", -1), 3)


def test_an_unknown_type_keeps_the_figures_balanced() -> None:
    book = Book("ann", "usd_micros")
    book.grant(5)
    book.post("monthly", 700)
    found = stats(fold(book.entries).counts)  # type: ignore[union-attr]
    assert found.issued == found.spent + found.available + found.held == 705


def test_users_are_spread_over_all_shards() -> None:
    shards = Counter(folds.summary_pk("credits", 1, f"u_{n}") for n in range(4_000))
    assert len(shards) == folds.USER_SHARDS
    assert max(shards.values()) < 2 * min(shards.values())
    assert {folds.stats_shard(f"u_{n}") for n in range(100)} == {0, 1, 2, 3}
