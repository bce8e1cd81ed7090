"""A process that has just served an account vends from it without a read, and is never wrong by that."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

from engine.ledger import served
from engine.ledger.items import Account
from engine.ledger.served import Served
from engine.platform import snapshots
from engine.platform.aws_json import Answer, NoAnswer
from tests.support.gateway import Gateway

READ, MOVE = "GetItem", "TransactWriteItems"
NOW = 2_000_000_000


@pytest.fixture
def shop(gateway: Gateway) -> Iterator[Gateway]:
    gateway.now = NOW
    yield gateway
    gateway.now = None


@contextmanager
def calls(shop: Gateway, *lost: int) -> Iterator[list[str]]:
    """The reads of accounts and the moves of the tokens function; the answers to those number `lost` do not
    arrive.
    """
    client = shop.function("tokens").ledger.table._client
    made: list[str] = []
    real = client.exchange

    def exchange(operation: str, request: dict[str, Any]) -> Answer:
        if operation != MOVE and not request["Key"]["sk"]["S"].startswith("ACCOUNT#"):
            return real(operation, request)  # type: ignore[no-any-return]
        made.append(operation)
        answer: Answer = real(operation, request)
        if len(made) - 1 in lost:
            raise NoAnswer("timeout", cost=0)
        return answer

    with mock.patch.object(client, "exchange", exchange):
        yield made


def memory(shop: Gateway) -> Served:
    found: Served = shop.function("tokens").served
    return found


def remembered(shop: Gateway, user: str) -> Account | None:
    kept = memory(shop)._accounts.get(user)
    return kept[1] if kept is not None else None


@contextmanager
def another_process(shop: Gateway, user: str) -> Iterator[None]:
    """What is done inside is done by others: the process remembers the account as it was."""
    before = remembered(shop, user)
    assert before is not None
    memory(shop).forget()
    yield
    memory(shop).keep(before, NOW)


def test_the_second_vend_in_a_row_is_one_call(shop: Gateway) -> None:
    user, headers = shop.user(balance=5)
    with calls(shop) as made:
        assert [shop.vend(headers).json["balanceAfter"] for _ in range(3)] == [4, 3, 2]
    assert made == [READ, MOVE, MOVE, MOVE]
    shop.assert_explained(user)


def test_what_is_remembered_is_what_is_stored(shop: Gateway) -> None:
    """Also with an origin that the account did not list, and in a new rate window."""
    user, headers = shop.user(balance=5)
    shop.vend(headers)
    for address, later_s in (("198.51.100.1", 0), ("198.51.100.2", 2), ("198.51.100.1", 90)):
        shop.now = NOW + later_s
        reply = shop.call("POST", "/v1/vend-token", {}, headers=headers, address=address)
        assert reply.status == 200
        assert remembered(shop, user) == shop.ledger.account(user)
    shop.assert_explained(user)


def test_another_process_that_was_first_is_seen(shop: Gateway) -> None:
    user, headers = shop.user(balance=5)
    shop.vend(headers)
    with another_process(shop, user):
        shop.vend(headers)
    with calls(shop) as made:
        reply = shop.vend(headers)
    assert (reply.status, reply.json["balanceAfter"]) == (200, 2)
    assert made == [MOVE, MOVE]
    assert remembered(shop, user) is None, "an account that others change is not remembered"
    shop.assert_explained(user)


def test_a_last_credit_that_another_process_sold_is_not_sold_again(shop: Gateway) -> None:
    user, headers = shop.user(balance=2)
    shop.vend(headers)
    with another_process(shop, user):
        assert shop.vend(headers).status == 200
    reply = shop.vend(headers)
    assert (reply.status, reply.json["balance"]) == (402, 0)
    shop.assert_explained(user)


def test_a_credit_that_came_meanwhile_can_be_spent(shop: Gateway) -> None:
    """A refusal is never told from memory."""
    user, headers = shop.user(balance=1)
    shop.vend(headers)
    with another_process(shop, user):
        shop.add(user, 1)
    with calls(shop) as made:
        assert shop.vend(headers).status == 200
    assert made == [READ, MOVE]
    assert shop.vend(headers).status == 402
    shop.assert_explained(user)


def test_a_repeated_request_gets_its_first_answer(shop: Gateway) -> None:
    user, headers = shop.user(balance=5)
    first = shop.vend(headers, "again")
    shop.vend(headers)
    assert remembered(shop, user) is not None
    assert shop.vend(headers, "again").json["token"] == first.json["token"]
    assert shop.balance(user) == 3


def test_calls_that_another_process_counted_are_counted(shop: Gateway) -> None:
    """The account's rate window is looked at, also where credits and entries are as remembered."""
    user, headers = shop.user(balance=3)
    shop.vend(headers)
    before = shop.ledger.account(user)
    with another_process(shop, user):
        shop.call("POST", "/v1/vend-token", {"product": "missing"}, headers=headers)
    used = shop.ledger.account(user).rate_used
    assert (shop.ledger.account(user).seq, used) == (before.seq, before.rate_used + 1)
    assert shop.vend(headers).status == 200
    assert shop.ledger.account(user).rate_used == used + 1


def test_after_an_erasure_the_origin_is_stored_under_the_new_salt(shop: Gateway) -> None:
    user, headers = shop.user(balance=3)
    shop.vend(headers)
    with another_process(shop, user):
        body = {"reason": "asked by letter", "confirm": user}
        path = f"/admin/users/{user}/erase"
        assert shop.call("POST", path, body, headers=shop.admin).status == 200
    assert shop.vend(headers).status == 200
    shop.assert_explained(user)


def test_a_vend_whose_answer_was_lost_is_not_remembered(shop: Gateway) -> None:
    user, headers = shop.user(balance=5)
    shop.vend(headers)
    with calls(shop, 0) as made:
        assert shop.vend(headers, "lost").status == 503
    assert made == [MOVE]
    assert remembered(shop, user) is None
    assert shop.vend(headers, "lost").status == 200
    assert shop.balance(user) == 3
    shop.assert_explained(user)


@pytest.mark.parametrize("moved_s", [served.KEEP_S + 1, -1])
def test_an_account_is_remembered_for_seconds(shop: Gateway, moved_s: int) -> None:
    _, headers = shop.user(balance=5)
    shop.vend(headers)
    shop.now = NOW + moved_s
    with calls(shop) as made:
        assert shop.vend(headers).status == 200
    assert made == [READ, MOVE]


def test_nothing_is_remembered_from_a_snapshot(shop: Gateway) -> None:
    user, headers = shop.user(balance=5)
    shop.vend(headers)
    snapshots.restored()
    assert remembered(shop, user) is None
