"""Which accounts a verification checks: every one with any item, and no other."""

import pytest

from engine.credits import verification
from engine.ledger.items import account_pk, account_sk
from engine.platform.table import Table, marshal
from tests.support.gateway import Gateway
from tests.support.streams import Book, SmallPages, fresh


def test_accounts_without_an_account_item_are_checked_too(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    users = [gateway.user(balance=2)[0] for _ in range(5)]
    gateway.dynamodb.delete_item(
        TableName=gateway.table_name,
        Key=marshal({"pk": account_pk(users[0]), "sk": account_sk("credits")}),
    )
    table = Table(SmallPages(gateway.dynamodb), gateway.table_name)  # type: ignore[arg-type]
    found = {one.user: one for one in verification.verify_all(table)}
    assert sorted(found) == sorted(users)
    assert [user for user in users if not found[user].ok] == users[:1]
    assert found[users[0]].findings[0].text == "there is no account item"


@pytest.mark.parametrize(
    ("sk", "unit"),
    [
        ("E#credits#000000000007", "credits"),
        ("E#usd_micros#000000000002", "usd_micros"),
        ("H#0123", "credits"),
        ("U#usd_micros#3", "usd_micros"),
        ("R#vend#0123", "credits"),
        ("KEY#000000001", "credits"),
        ("SUBSCRIPTION", "credits"),
    ],
)
def test_items_of_a_missing_account_are_found(endpoint: str, sk: str, unit: str) -> None:
    gateway = Gateway(endpoint)
    gateway.user(balance=2)
    user = fresh("nobody")
    item = marshal({"pk": account_pk(user), "sk": sk})
    gateway.dynamodb.put_item(TableName=gateway.table_name, Item=item)
    table = Table(SmallPages(gateway.dynamodb), gateway.table_name)  # type: ignore[arg-type]
    (found,) = [one for one in verification.verify_all(table) if not one.ok]
    assert (found.user, found.unit) == (user, unit)
    assert found.findings[0].text == "there is no account item"
    assert verification.units_of(table, user) == [unit]


def test_items_that_need_no_account_are_no_finding(endpoint: str) -> None:
    """A device, a profile and its windows before the first credit; items of others with such keys."""
    gateway = Gateway(endpoint)
    user = fresh("device")
    alone = [(account_pk(user), sk) for sk in ("DEVICE", "PROFILE", "RATE#vend", "USED#2026-11-25")]
    for pk, sk in [*alone, ("P#add", "E#credits#000000000001"), ("P#add", "H#1")]:
        gateway.dynamodb.put_item(TableName=gateway.table_name, Item=marshal({"pk": pk, "sk": sk}))
    table = gateway.ledger.table
    assert list(verification.verify_all(table)) == []
    assert verification.units_of(table, user) == []


def test_each_unit_of_a_user_is_checked_separately(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    user, headers = gateway.user(balance=5)
    gateway.vend(headers)
    book = Book(user, "usd_micros")
    book.grant(4)
    book.store(gateway.dynamodb, gateway.table_name)
    table = gateway.ledger.table
    found = {one.unit: one.findings for one in verification.verify_all(table)}
    assert found == {"credits": [], "usd_micros": []}
    assert verification.units_of(table, user) == ["credits", "usd_micros"]
