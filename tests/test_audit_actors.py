"""The audit answers what one operator did, refusals and amounts too, without reading the log of all."""

from typing import Any

import pytest

from engine.access import operators
from engine.ledger import audit as audit_records
from engine.ledger.audit import Audit, Record
from engine.platform.act import Act
from engine.platform.table import Update
from tests.support.gateway import Gateway
from tests.support.streams import fresh
from tests.test_search import project

DAY_S = 86_400
NOW = 1_900_000_000


@pytest.fixture
def anna() -> str:
    """An operator of this test alone: the table is that of all tests."""
    return f"operator:{fresh('anna')}"


def kept(gateway: Gateway, number: int, actor: str, *, at: int = NOW, ok: bool = True) -> None:
    act = Act(actor, f"r-{number}/{actor}", "203.0.113.7", "tests", f"because {number}", at=at)
    code = "" if ok else "not_undoable"
    Audit(gateway.ledger.table, 90).keep(Record(f"user-{number}", "admin_undo", ok, code, act))


def listed(gateway: Gateway, **query: str) -> dict[str, Any]:
    gateway.now = NOW
    reply = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=query)
    gateway.now = None
    assert reply.status == 200, reply.text
    return reply.json


def everything(gateway: Gateway, **query: str) -> list[str]:
    """The request ids of all pages."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = listed(gateway, **query, **cursor)
        found += [record["requestId"].partition("/")[0] for record in page["records"]]
        if page["nextCursor"] is None:
            return found
        cursor = {"cursor": page["nextCursor"]}


def test_everything_that_an_operator_did_is_listed_newest_first_in_pages(
    gateway: Gateway, anna: str
) -> None:
    for number in range(7):  # Several in one second.
        kept(gateway, number, anna, at=NOW - 100 * (number // 3), ok=number % 2 == 0)
    for number in range(10, 15):
        kept(gateway, number, "operator:boris")
    found = everything(gateway, actor=anna, limit="2")
    assert sorted(found) == [f"r-{number}" for number in range(7)]
    assert [int(name[2:]) // 3 for name in found] == [0, 0, 0, 1, 1, 1, 2]
    assert sorted(everything(gateway, actor=anna, outcome="refused")) == ["r-1", "r-3", "r-5"]
    assert everything(gateway, actor=anna, user="user-3") == ["r-3"]
    assert everything(gateway, actor=anna, action="vend") == []


def test_the_list_of_an_operator_keeps_to_the_days(gateway: Gateway, anna: str) -> None:
    for number in range(5):
        kept(gateway, number, anna, at=NOW - number * DAY_S)
    days = {"fromDay": "2030-03-14", "toDay": "2030-03-16"}
    assert everything(gateway, actor=anna, **days) == ["r-1", "r-2", "r-3"]


def test_the_records_of_an_operator_are_not_looked_for_among_those_of_all(
    gateway: Gateway, anna: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_records, "MOST_LOOKED", 4)
    for number in range(3):
        kept(gateway, number, anna, at=NOW - 40 * DAY_S - number)
    for number in range(10, 30):
        kept(gateway, number, "user:many", at=NOW - number)
    page = listed(gateway, actor=anna)
    found = [record["requestId"].partition("/")[0] for record in page["records"]]
    assert found == ["r-0", "r-1", "r-2"]


def test_records_of_an_earlier_version_follow(gateway: Gateway, anna: str) -> None:
    for number in range(4):
        kept(gateway, number, anna, at=NOW - number * DAY_S)
    kept_of = audit_records.of_user(gateway.ledger.table, "user-1", limit=50)
    for item in [one for one in kept_of if one["actor"] == anna]:
        older = Update(item["pk"], item["sk"], "REMOVE open_shard, expires_at", "")
        gateway.ledger.table.write(older)
    assert everything(gateway, actor=anna, limit="1") == ["r-0", "r-2", "r-3", "r-1"]


def test_a_record_names_the_amount_of_its_entry(gateway: Gateway) -> None:
    body = {"userId": "rich", "amount": 7, "reason": "a gift"}
    assert gateway.call("POST", "/admin/credits/add", body, headers=gateway.admin).status == 200
    project(gateway, "rich")
    query = {"actor": "admin:secret"}
    reply = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=query)
    record = next(one for one in reply.json["records"] if one["userId"] == "rich")
    assert (record["userId"], record["seq"], record["amount"]) == ("rich", 1, 7)


def test_what_was_done_to_an_operator_is_not_what_the_operator_did(
    gateway: Gateway, anna: str
) -> None:
    console = f"admin:{fresh('console')}"
    act = Act(console, "r-1", "", "", at=NOW)
    operators.create(Audit(gateway.ledger.table, 90), anna.removeprefix("operator:"), "viewer", act)
    assert everything(gateway, actor=anna) == []
    assert everything(gateway, actor=console) == ["r-1"]
