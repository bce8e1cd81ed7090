"""Entries are chained by hashes, so an edit of any field of any entry is found."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ledger.items import (
    START,
    Account,
    Entry,
    Move,
    entry_sk,
    next_entry,
    read_account,
    read_entry,
)
from engine.ledger.origins import origin_id
from engine.platform.act import Act
from tests.support.gateway import Gateway
from tests.support.properties import PROPERTY

ORIGIN = Act("user:ann", "req-1", "203.0.113.7", "agent/1", "because", at=1_800_000_000)
ACCOUNT = Account(
    "ann", "credits", True, available=5, held=1, seq=3, head="h" * 43, origin_salt="salt"
)
ENTRY = next_entry(ACCOUNT, Move("ann", "spend", -1, 1, ORIGIN, "jti", reverses=2))


def test_an_entry_follows_from_the_account_and_the_move() -> None:
    assert (
        Entry(
            user="ann",
            unit="credits",
            seq=4,
            at=1_800_000_000,
            type="spend",
            amount=-1,
            held=1,
            available_after=4,
            held_after=2,
            subject="jti",
            reverses=2,
            actor="user:ann",
            reason="because",
            request_id="req-1",
            origin_id=origin_id("salt", "203.0.113.7", "agent/1"),
            prev="h" * 43,
            hash=ENTRY.hash,
        )
        == ENTRY
    )
    assert ENTRY.hash == ENTRY.expected_hash()


def other(value: Any) -> Any:
    if value is None:
        return 1
    return value + 1 if isinstance(value, int) else value + "x"


@pytest.mark.parametrize("name", [field.name for field in fields(Entry) if field.name != "hash"])
def test_an_edit_of_any_field_breaks_the_hash(name: str) -> None:
    edited = replace(ENTRY, **{name: other(getattr(ENTRY, name))})
    assert edited.expected_hash() != ENTRY.hash
    unset = replace(ENTRY, reverses=None)
    assert unset.expected_hash() != ENTRY.hash


TEXT = st.text(st.characters(codec="utf-8"), max_size=20)


@PROPERTY
@given(TEXT, TEXT, TEXT, TEXT)
def test_moving_text_between_fields_changes_the_hash(a: str, b: str, c: str, d: str) -> None:
    one = replace(ENTRY, actor=a, reason=b)
    two = replace(ENTRY, actor=c, reason=d)
    assert (one.expected_hash() == two.expected_hash()) == ((a, b) == (c, d))


@PROPERTY
@given(TEXT, st.integers(-(10**6), 10**6), st.none() | st.integers(1, 10**6))
def test_an_entry_comes_back_from_the_table_as_it_was(
    text: str, amount: int, reverses: int | None
) -> None:
    origin = replace(ORIGIN, reason=text, user_agent=text)
    entry = next_entry(ACCOUNT, Move("ann", "spend", amount, 0, origin, text, reverses))
    assert read_entry(entry.item()) == entry
    assert read_entry(entry.item()).expected_hash() == entry.hash


def test_the_keys_of_entries_sort_as_their_numbers_do() -> None:
    numbers = [1, 2, 9, 10, 99, 100, 10**6, 10**12 - 1]
    assert sorted(entry_sk("credits", n) for n in numbers) == [
        entry_sk("credits", n) for n in numbers
    ]
    assert ENTRY.item()["pk"] == "A#ann"
    assert ENTRY.item()["sk"] == "E#credits#000000000004"


def test_an_account_that_does_not_exist_has_nothing_and_starts_the_chain() -> None:
    account = read_account("ann", "credits", None)
    assert (account.exists, account.available, account.held, account.seq) == (False, 0, 0, 0)
    first = next_entry(account, Move("ann", "api_add", 1, 0, ORIGIN))
    assert (first.seq, first.prev) == (1, START)


def test_an_entry_edited_in_the_table_is_found_by_checking_the_chain(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=3)
    gateway.vend(headers)
    gateway.assert_explained(user)
    gateway.dynamodb.update_item(
        TableName=gateway.table_name,
        Key={"pk": {"S": f"A#{user}"}, "sk": {"S": entry_sk("credits", 2)}},
        UpdateExpression="SET reason = :other",
        ExpressionAttributeValues={":other": {"S": "nicer"}},
    )
    with pytest.raises(AssertionError):
        gateway.assert_explained(user)
