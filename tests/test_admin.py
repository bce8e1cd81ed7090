"""Operators' views: a user with balance and verification, and the audit."""

from typing import Any

import pytest

from engine.ledger import audit
from engine.platform.times import DAY_S
from tests.support.gateway import Gateway

DAY = "2027-01-15"
NOON = 1_800_014_400


def test_a_user_is_shown_with_balance_open_holds_and_verification(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=3)
    token = gateway.vend(headers).json["token"]
    gateway.vend(headers)
    gateway.call("POST", "/validate-token", {"token": token, "consume": True})
    story = gateway.call("GET", f"/admin/users/{user}", headers=gateway.admin).json
    assert (story["balance"], story["heldCredits"]) == (1, 1)
    assert [hold["used"] for hold in story["openHolds"]] == [False]
    assert [entry["type"] for entry in story["transactions"]] == [
        "capture", "spend", "spend", "api_add", "user_creation",
    ]  # fmt: skip
    assert story["verification"] == {"ok": True, "entries": 5, "findings": []}


def test_an_entry_edited_from_outside_is_reported(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=3)
    gateway.dynamodb.update_item(
        TableName=gateway.table_name,
        Key={"pk": {"S": f"A#{user}"}, "sk": {"S": f"E#credits#{2:012d}"}},
        UpdateExpression="SET amount = :more",
        ExpressionAttributeValues={":more": {"N": "300"}},
    )
    found = gateway.call("GET", f"/admin/users/{user}", headers=gateway.admin).json["verification"]
    assert found["ok"] is False
    assert 2 in {finding["seq"] for finding in found["findings"]}


@pytest.mark.parametrize("path", ["/admin/users/anybody", "/admin/audit"])
def test_only_the_admin_may_read(gateway: Gateway, path: str) -> None:
    _, headers = gateway.user()
    for credential in ({}, headers, gateway.api_key, {"authorization": "Bearer x"}):
        assert gateway.call("GET", path, headers=credential).status == 401


@pytest.mark.parametrize("user", ["nobody-here", "a%23b", "x" * 200])
def test_a_missing_user_and_a_malformed_id_get_the_same_answer(gateway: Gateway, user: str) -> None:
    reply = gateway.call("GET", f"/admin/users/{user}", headers=gateway.admin)
    assert (reply.status, reply.code) == (404, "not_found")


def test_refusals_are_read_by_user_and_by_day_in_pages(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    user, _ = gateway.user()
    for minute in range(3):
        gateway.now = NOON + 60 * minute
        refused = gateway.vend({**gateway.user_headers(user), "user-agent": "Phone/1"})
        assert refused.status == 402
    by_day = {"day": DAY, "limit": "2"}
    first = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=by_day).json
    rest = gateway.call(
        "GET",
        "/admin/audit",
        headers=gateway.admin,
        query={**by_day, "cursor": first["nextCursor"]},
    ).json
    records = first["records"] + rest["records"]
    assert [record["timestamp"] for record in records] == [
        f"{DAY}T12:0{minute}:00.000Z" for minute in (2, 1, 0)
    ]
    assert rest["nextCursor"] is None
    by_user = gateway.call("GET", "/admin/audit", headers=gateway.admin, query={"user": user}).json
    assert by_user["records"] == records
    record = records[0]
    assert record["key"].startswith(f"audit:{user}:{DAY}T12:02:00.000Z:")
    assert {name: record[name] for name in ("action", "ok", "code", "actor")} == {
        "action": "vend",
        "ok": False,
        "code": "insufficient_credits",
        "actor": f"user:{user}",
    }
    assert (record["address"], record["userAgent"]) == ("203.0.113.7", "Phone/1")


def test_the_outcome_filter_separates_acts_from_refusals(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_LOOKED", 8)
    monkeypatch.setattr(audit, "PAGE", 3)
    gateway = Gateway(endpoint)
    gateway.now = NOON
    user, headers = gateway.user()
    for number in range(6):
        gateway.now += 1
        gateway.vend(headers, key=f"k{number}")
        body = {"userId": user, "amount": 1, "reason": "why"}
        gateway.call("POST", "/admin/deduct-credits", body, headers=gateway.admin)
        body = {"description": "x"}
        gateway.call("POST", "/admin/generate-key", body, headers=gateway.admin)
    for query, count in (
        ({"day": DAY}, 18),
        ({"day": DAY, "outcome": "refused"}, 12),
        ({"day": DAY, "outcome": "done"}, 6),
        ({"day": DAY, "action": "admin_deduct"}, 6),
        ({"day": DAY, "action": "vend", "outcome": "done"}, 0),
        ({"user": user, "action": "vend", "outcome": "refused"}, 6),
        ({"user": user, "day": DAY}, 12),
        ({"user": user, "day": "2027-01-14"}, 0),
        ({"user": user, "day": "2027-01-16"}, 0),
        ({"user": user, "fromDay": DAY}, 12),
        ({"user": user, "fromDay": "2027-01-16"}, 0),
        ({"user": user, "toDay": "2027-01-14"}, 0),
        ({"fromDay": "2027-01-01", "toDay": DAY}, 18),
        ({"fromDay": "2027-01-01", "toDay": "2027-01-14"}, 0),
        ({"toDay": "2027-01-31", "action": "admin_deduct"}, 6),
        ({}, 18),
    ):
        found: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            asked = {**query, **cursor, "limit": "5"}
            page = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=asked).json
            found += page["records"]
            if page["nextCursor"] is None:
                break
            cursor = {"cursor": page["nextCursor"]}
        assert len({one["key"] for one in found}) == len(found) == count
        times = [one["timestamp"] for one in found]
        assert times == sorted(times, reverse=True)


def test_a_long_range_of_days_is_read_in_pages_that_can_be_empty(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_DAYS", 4)
    gateway = Gateway(endpoint)
    user, _ = gateway.user()
    for day in (0, 9):
        gateway.now = NOON + day * DAY_S
        gateway.vend(gateway.user_headers(user))
    query = {"fromDay": "2027-01-01", "toDay": "2027-01-24"}
    sizes, found = [], []
    while True:
        page = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=query).json
        sizes.append(len(page["records"]))
        found += [record["timestamp"][:10] for record in page["records"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert found == ["2027-01-24", DAY]
    assert 0 in sizes


@pytest.mark.parametrize(
    ("day", "cursor", "count"),
    [
        (DAY, "2027-01-14T23:59:59.000Z#x", 0),
        (DAY, "2027-01-16T00:00:00.000Z#x", 1),
        ("2027-01-14", f"{DAY}T12:00:00.000Z#x", 0),
        ("1999-01-01", "1999-01-01T12:00:00.000Z#x", 0),
        (None, "1999-01-01T12:00:00.000Z#x", 0),
        (None, "2028-01-01T12:00:00.000Z#x", 1),
    ],
)
def test_a_cursor_of_another_day_only_changes_the_page(
    endpoint: str, day: str | None, cursor: str, count: int
) -> None:
    gateway = Gateway(endpoint)
    gateway.now = NOON
    user, headers = gateway.user()
    gateway.vend(headers)
    query = {"user": user, "cursor": cursor} | ({"day": day} if day else {})
    reply = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=query)
    assert (reply.status, len(reply.json["records"])) == (200, count)


@pytest.mark.parametrize(
    "query",
    [
        {"user": "u1", "cursor": "0"},
        {"day": DAY, "cursor": "x"},
        {"cursor": "0000-00-00T00:00:00.000Z#0"},
        {"user": "u1", "cursor": "2027-02-30T00:00:00.000Z#0"},
        {"day": DAY, "outcome": "yes"},
        {"day": DAY, "action": "Vend"},
        {"day": "today"},
        {"day": "2027-02-30"},
        {"user": "u1", "fromDay": "2027-00-10"},
        {"user": "#"},
        {"day": DAY, "limit": "0"},
    ],
)
def test_a_malformed_audit_query_is_refused(gateway: Gateway, query: dict[str, str]) -> None:
    reply = gateway.call("GET", "/admin/audit", headers=gateway.admin, query=query)
    assert (reply.status, reply.code) == (400, "invalid_request")
