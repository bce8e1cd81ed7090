"""The conditions of rows of payments and of packs, with another writer between a read and its write."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.payments import packs, rows
from engine.payments.errors import PackChanged
from engine.payments.packs import PACKS_PK, Pack
from engine.payments.rows import UNMATCHED, Row
from engine.platform.ids import new_id
from engine.platform.table import ConditionFailed, Table
from tests.mutation.desk import Interrupted
from tests.support.gateway import Gateway
from tests.support.payers import ACT, AT, book_of

PACK = Pack("p250", 0, "250 credits", 250, 0, 0, {"USD": 299})


@pytest.fixture(scope="module")
def table(endpoint: str) -> Table:
    return book_of(Gateway(endpoint)).table


@pytest.fixture
def row(table: Table) -> Row:
    made = rows.write(table, None, Row("stripe", new_id("pi"), UNMATCHED, 100, "USD", AT))
    assert made is not None
    return made


def test_a_row_that_has_changed_since_it_was_read_is_left_alone(table: Table, row: Row) -> None:
    first = rows.write(table, row, replace(row, trouble="first"))
    assert first is not None and first.revision == row.revision + 1
    assert rows.write(table, row, replace(row, trouble="second")) is None
    assert rows.find(table, "stripe", row.id) == first


def test_a_payment_that_became_known_meanwhile_is_left_alone(table: Table, row: Row) -> None:
    assert rows.write(table, None, replace(row, trouble="new")) is None
    assert rows.find(table, "stripe", row.id) == row


def test_a_payment_does_not_become_another_name_of_a_second_one(table: Table, row: Row) -> None:
    with pytest.raises(ConditionFailed):
        table.write(rows.same_as(replace(row, id="pi_second"), row.id))
    assert rows.find(table, "stripe", row.id) == row


def test_the_payer_of_a_payment_that_is_not_stored_is_not_erased(table: Table, row: Row) -> None:
    with pytest.raises(ConditionFailed):
        table.write(rows.erase_payer(replace(row, id=new_id("pi")), AT))


def edit(table: Table, pack: Pack) -> Pack:
    return packs.edit(Ledger(table), Audit(table, 1), pack, ACT)


def others(table: Table, code: str) -> Callable[[], object]:
    """Another operator edits the pack `code`."""
    return lambda: edit(table, replace(PACK, code=code))


@pytest.mark.parametrize("before", [0, 1])
def test_packs_that_are_edited_at_once_do_not_replace_each_other(
    endpoint: str, before: int
) -> None:
    table = book_of(Gateway(endpoint)).table
    for number in range(before):
        edit(table, replace(PACK, code=f"before{number}"))
    with pytest.raises(PackChanged):
        edit(Interrupted(table, others(table, "other")), PACK)
    current = table.get(PACKS_PK, packs.CURRENT_SK)
    assert current is not None and "other" in current["packs"] and "p250" not in current["packs"]
    edit(table, PACK)
    assert edit(table, PACK).version == 1
