"""Pay intents as they are stored: each condition of their writes, with another writer in between."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from engine.payments import intents
from engine.payments.intents import FAILED, TURN_S, Intent, Wanted
from engine.payments.packs import Pack
from engine.platform.ids import new_id
from engine.platform.table import ConditionFailed, Item, Table
from engine.providers import pay_codes
from engine.web.request_ids import RequestKey
from tests.support.payers import AT, book_of, selling


@pytest.fixture(scope="module")
def shop(endpoint: str) -> tuple[Table, Pack]:
    book = book_of(selling(endpoint))
    return book.table, book.packs.current("p250")


@pytest.fixture
def table(shop: tuple[Table, Pack]) -> Table:
    return shop[0]


def wanted(shop: tuple[Table, Pack]) -> Wanted:
    key = RequestKey(new_id("key"), "print")
    return Wanted(new_id("user"), shop[1], "stripe", "USD", key, AT)


@pytest.fixture
def intent(shop: tuple[Table, Pack]) -> Intent:
    return intents.create(shop[0], wanted(shop))[0]


def stored(table: Table, intent: Intent) -> Item:
    (found,) = table.ascending(f"INTENT#{intent.id}", "INTENT", "INTENT", consistent=True)
    return found


def test_an_intent_never_takes_the_id_of_another(
    shop: tuple[Table, Pack], intent: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: Iterator[str] = iter([intent.id, "pin_other"])
    monkeypatch.setattr(intents, "new_id", lambda _: next(names))
    other, _ = intents.create(shop[0], wanted(shop))
    assert other.id == "pin_other"
    assert intents.find(shop[0], intent.id) == intent


def test_an_intent_never_takes_the_pay_code_of_another(
    shop: tuple[Table, Pack], intent: Intent, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes: Iterator[str] = iter([intent.pay_code, "PLC-OTHER"])
    monkeypatch.setattr(pay_codes, "new", lambda: next(codes))
    other, _ = intents.create(shop[0], wanted(shop))
    assert other.pay_code == "PLC-OTHER"
    assert intents.by_code(shop[0], intent.pay_code) == intent


@pytest.mark.parametrize("after_s", [0, TURN_S - 1, TURN_S])
def test_a_user_has_one_turn_at_a_time(table: Table, intent: Intent, after_s: int) -> None:
    other = replace(intent, id=new_id("pin"))
    assert intents.take_turn(table, intent, AT)
    assert intents.take_turn(table, other, AT + after_s) == (after_s == TURN_S)


def test_an_intent_may_take_its_own_turn_again(table: Table, intent: Intent) -> None:
    assert [intents.take_turn(table, intent, AT) for _ in range(2)] == [True, True]


def test_a_turn_that_was_given_up_is_free_at_once(table: Table, intent: Intent) -> None:
    intents.take_turn(table, intent, AT)
    intents.end_turn(table, intent.user)
    assert intents.take_turn(table, replace(intent, id=new_id("pin")), AT)


def test_one_payment_grants_an_intent(table: Table, intent: Intent) -> None:
    table.write(intents.grant(intent, "stripe", "pi_first", "ch_first"))
    with pytest.raises(ConditionFailed):
        table.write(intents.grant(intent, "stripe", "pi_second", "ch_second"))
    found = stored(table, intent)
    assert (found["payment"], found["receipt"]) == ("pi_first", "ch_first")


@pytest.mark.parametrize(("payment", "receipt"), [("pi_other", ""), ("pi_first", "ch_first")])
def test_a_receipt_is_added_once_to_its_own_payment(
    table: Table, intent: Intent, payment: str, receipt: str
) -> None:
    table.write(intents.grant(intent, "stripe", "pi_first", receipt))
    late = intents.attach_receipt(replace(intent, payment=payment), "ch_late")
    with pytest.raises(ConditionFailed):
        table.write(late)
    assert stored(table, intent)["receipt"] == receipt


def test_a_receipt_is_added_to_a_payment_without_one(table: Table, intent: Intent) -> None:
    table.write(intents.grant(intent, "stripe", "pi_first", ""))
    table.write(intents.attach_receipt(replace(intent, payment="pi_first"), "ch_late"))
    assert stored(table, intent)["receipt"] == "ch_late"


def test_an_intent_that_was_granted_meanwhile_is_not_closed(table: Table, intent: Intent) -> None:
    table.write(intents.grant(intent, "stripe", "pi_first", "ch_first"))
    assert intents.close(table, intent, FAILED, "expired") is None
    assert stored(table, intent)["state"] == "granted"
    assert intents.postpone(table, intent, AT + 60) is None


def test_an_open_intent_is_closed_and_postponed(table: Table, intent: Intent) -> None:
    later = intents.postpone(table, intent, AT + 60)
    assert later is not None and (later.look_at, later.looks) == (AT + 60, 1)
    closed = intents.close(table, later, FAILED, "expired")
    assert closed is not None and stored(table, intent)["state"] == FAILED
