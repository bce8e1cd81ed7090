"""Entries are projected once, rebuilds follow one another: with somebody who comes in between."""

import itertools
from collections.abc import Callable

import pytest

from engine.platform.table import Item, Put, Table
from engine.readmodels import figures, folds, open_hours, rebuild
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK
from engine.readmodels.folds import fold
from engine.readmodels.projection import Projector
from engine.readmodels.rebuild import Overtaken
from tests.mutation.desk import NOW, Interrupted, fresh, nothing
from tests.support.gateway import Gateway
from tests.support.streams import Book, at_once, records


def projector(table: Table) -> Projector:
    return Projector(
        table,
        low_balance=3,
        audit_days=400,
        clock=itertools.count().__next__,
        sleep=lambda _: None,
    )


def deliver(table: Table, book: Book) -> str | None:
    """What failed, if anything; never a call without end."""
    counted = table if isinstance(table, Interrupted) else Interrupted(table, nothing)
    return projector(counted).batch(records(book.entries), lambda: 60.0).failed_from


@pytest.mark.parametrize("before", [0, 3])
def test_entries_that_are_projected_meanwhile_are_not_projected_twice(
    gateway: Gateway, before: int
) -> None:
    """The first entries of an account, and later ones."""
    table = gateway.ledger.table
    book = Book(fresh("u"), fresh("unit"))
    if before:
        book.random_moves(before, before)
        assert deliver(table, book) is None
    book.random_moves(7, 4)
    assert deliver(Interrupted(table, lambda: deliver(table, book)), book) is None
    folded = fold(book.entries)
    assert folded is not None
    expected = folds.summary_of(book.user, book.unit, folded)
    assert figures.get_summary(table, book.unit, book.user) == expected
    assert figures.totals(table, book.unit) == folds.stats(folded.counts)


def generations_in(table: Table) -> tuple[int, int | None]:
    """The one in use and the one that is being built."""
    found = figures.generations(table, consistent=True)
    return found.current, found.building


def control(table: Table, current: int, building: int | None) -> Callable[[], object]:
    """Sets the generations, as other rebuilds might have."""
    item = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": current}
    item |= {} if building is None else {"building": building}
    return lambda: table.write(Put(item, ""))


def test_a_rebuild_reads_the_next_generation_when_it_is_through(endpoint: str) -> None:
    table = Gateway(endpoint).ledger.table
    assert rebuild.write(projector(table), now=NOW, sleep=at_once).generation == 2
    assert generations_in(table) == (2, None)
    assert rebuild.write(projector(table), now=NOW, sleep=at_once).generation == 3
    control(table, 3, 4)()
    assert rebuild.write(projector(table), now=NOW, sleep=at_once).generation == 5
    assert generations_in(table) == (5, None)


@pytest.mark.parametrize(
    ("before", "meanwhile", "at"),
    [
        (None, (2, None), 1),
        (None, (1, 2), 1),
        ((3, None), (4, None), 1),
        ((3, None), (3, 4), 1),
        ((3, 4), (5, 4), 1),
        ((3, 4), (3, 5), 1),
        ((3, None), (3, 9), 2),
        ((3, 4), (5, None), 2),
    ],
)
def test_a_rebuild_that_another_one_overtakes_changes_nothing_and_says_so(
    endpoint: str,
    before: tuple[int, int | None] | None,
    meanwhile: tuple[int, int | None],
    at: int,
) -> None:
    """Before it announced its generation (1), and before that is read (2)."""
    table = Gateway(endpoint).ledger.table
    if before is not None:
        control(table, *before)()
    with pytest.raises(Overtaken):
        rebuild.write(
            projector(Interrupted(table, control(table, *meanwhile), at=at)), now=NOW, sleep=at_once
        )
    assert generations_in(table) == meanwhile


class Old(Table):
    """The same table; reads without consistency find `item` in the place of the generations."""

    def __init__(self, table: Table, item: Item | None) -> None:
        super().__init__(table._client, table.name, sleep=lambda _: None)
        self._item = item

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        if (pk, sk) == (CONTROL_PK, GENERATION_SK) and not consistent:
            return self._item
        return super().get(pk, sk, consistent=consistent)


def test_a_projector_that_does_not_know_of_a_rebuild_loses_no_entry(endpoint: str) -> None:
    """Its batches run while the rebuild waits, which is before it reads the ledger."""
    gateway = Gateway(endpoint)
    table, waited = gateway.ledger.table, list[float]()
    books = [Book(name, at=NOW - 5) for name in ("ann", "bob")]
    books[0].grant(5)
    books[0].store(gateway.dynamodb, table.name)
    assert deliver(table, books[0]) is None
    old = Old(table, table.get(CONTROL_PK, GENERATION_SK))

    def project_meanwhile(seconds: float) -> None:
        """In an account that exists, and in a new one."""
        waited.append(seconds)
        assert generations_in(table) == (1, 2)
        for book in books:
            book.grant(3)
            book.store(gateway.dynamodb, table.name)
            assert projector(old).batch(records(book.entries), lambda: 60.0).failed_from is None
            seen = figures.get_summary(table, book.unit, book.user, generation=1)
            assert seen is not None and seen.seq == book.account.seq

    rebuild.write(projector(table), now=NOW, sleep=project_meanwhile)
    assert waited == [rebuild.SETTLES_S]
    assert generations_in(table) == (2, None)
    for book in books:
        folded = fold(book.entries)
        assert folded is not None
        expected = folds.summary_of(book.user, book.unit, folded)
        assert figures.get_summary(table, book.unit, book.user) == expected
    assert figures.totals(table, "credits").available == 11


def test_a_projector_that_finds_no_generation_reads_again(endpoint: str) -> None:
    """The table is not one of an earlier version, although it has totals of the first generation."""
    table = Gateway(endpoint).ledger.table
    pk = folds.stats_pk("credits", 1, 0)
    table.write(Put({"pk": pk, "sk": folds.TOTAL_SK, "granted": 5}, ""))
    control(table, 2, None)()
    book = Book("ann", at=NOW)
    book.grant(5)
    assert (
        projector(Old(table, None)).batch(records(book.entries), lambda: 60.0).failed_from is None
    )
    found = figures.get_summary(table, book.unit, book.user)
    assert found is not None and found.seq == 1
    assert figures.get_summary(table, book.unit, book.user, generation=1) is None


def test_an_item_that_passes_while_its_generation_is_retired_does_not_come_back(
    endpoint: str,
) -> None:
    gateway = Gateway(endpoint)
    table = gateway.ledger.table
    book = Book(fresh("u"), at=NOW - 5)
    book.grant(5)
    book.store(gateway.dynamodb, table.name)
    assert deliver(table, book) is None
    pk = folds.summary_pk(book.unit, 1, book.user)

    def pass_away() -> None:
        key = {"pk": {"S": pk}, "sk": {"S": book.user}}
        gateway.dynamodb.delete_item(TableName=table.name, Key=key)

    rebuild.write(projector(Interrupted(table, pass_away, at=5)), now=NOW, sleep=at_once)
    assert table.get(pk, book.user) is None
    stats_pk = folds.stats_pk(book.unit, 1, folds.stats_shard(book.user))
    kept = table.get(stats_pk, open_hours.sk(folds.hour_of(book.at)))
    assert kept is not None and kept["ttl"] == NOW + rebuild.KEEP_OLD_S


def test_what_expires_while_a_generation_is_retired_is_not_made_again(gateway: Gateway) -> None:
    table, unit = gateway.ledger.table, fresh("unit")
    key = {"pk": folds.stats_pk(unit, 1, 0), "sk": folds.TOTAL_SK}
    table.write(Put(key | {"entries": 1}, ""))
    names = {name: {"S": value} for name, value in key.items()}

    def expired() -> None:
        table._client.delete_item(TableName=table.name, Key=names)

    rebuild._retire(Interrupted(table, expired), unit, 1, NOW)
    assert table.get(key["pk"], key["sk"]) is None
