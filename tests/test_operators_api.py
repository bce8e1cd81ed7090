"""Operators manage operators: create, change, renew a password, log out, each with its audit record."""

from dataclasses import replace
from typing import Any

import pytest

from engine.access import operators
from engine.ledger import audit
from engine.ledger.audit import Audit
from engine.platform.errors import NotFound, ScopeMissing
from engine.platform.table import ConditionFailed
from tests.support.gateway import Gateway, Reply
from tests.support.operators import Browser, act, logged_in, made


@pytest.fixture
def desk(endpoint: str) -> Gateway:
    return Gateway(endpoint)


def ask(browser: Browser, method: str, path: str = "", body: Any = None) -> Reply:
    return browser.call(method, f"/admin/operators{path}", body)


def listed(browser: Browser) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in ask(browser, "GET").json["operators"]}


def test_an_admin_creates_an_operator_who_logs_in(desk: Gateway) -> None:
    admin = logged_in(desk, "chief", "admin")
    body = {"name": "ann", "role": "viewer", "reason": "new on the desk"}
    reply = ask(admin, "POST", body=body)
    assert reply.status == 201, reply.text
    assert listed(admin)["ann"]["lastLoginAt"] is None
    assert Browser(desk).log_in("ann", reply.json["password"]).json["role"] == "viewer"
    assert listed(admin)["ann"]["lastLoginAt"] and listed(admin)["chief"]["lastLoginAt"]
    assert ask(admin, "POST", body=body).code == "operator_exists"
    (record,) = [
        one
        for one in audit.of_user(desk.ledger.table, "operator:ann", limit=10)
        if one["action"] == "operator_create"
    ]
    assert (record["actor"], record["reason"]) == ("operator:chief", "role viewer: new on the desk")


def test_role_and_log_in_are_changed_at_once(desk: Gateway) -> None:
    admin, ann = logged_in(desk, "chief", "admin"), logged_in(desk, "ann", "viewer")
    changed = ask(admin, "POST", "/ann", {"role": "operator", "reason": "trained"})
    assert changed.json["operator"]["role"] == "operator"
    assert "credits:write" in ann.call("GET", "/dashboard/session").json["scopes"]
    assert ask(admin, "POST", "/ann/log-out", {"reason": "a lost laptop"}).status == 200
    assert ann.call("GET", "/dashboard/session").status == 401
    gone = ask(admin, "POST", "/ann", {"disabled": True, "reason": "left"})
    assert gone.json["operator"]["disabled"] is True
    assert ask(admin, "POST", "/ann", {"disabled": False, "reason": "back"}).status == 200
    password = ask(admin, "POST", "/ann/password", {"reason": "forgotten"}).json["password"]
    assert Browser(desk).log_in("ann", password).status == 200
    actions = {one["action"] for one in audit.of_user(desk.ledger.table, "operator:ann", limit=20)}
    assert actions >= {
        "operator_role", "operator_log_out", "operator_disable", "operator_enable", "operator_password",
    }  # fmt: skip


def test_role_and_log_in_change_in_one_write(desk: Gateway) -> None:
    admin, _ = logged_in(desk, "chief", "admin"), made(desk, "ann")
    body = {"role": "viewer", "disabled": True, "reason": "left"}
    shown = ask(admin, "POST", "/ann", body).json["operator"]
    assert (shown["role"], shown["disabled"]) == ("viewer", True)
    records = audit.of_user(desk.ledger.table, "operator:ann", limit=20)
    assert {one["action"]: one["reason"] for one in records if one["actor"] == "operator:chief"} == {
        "operator_role": "role viewer: left", "operator_disable": "left",
    }  # fmt: skip
    assert ask(admin, "POST", "/ann", {"reason": "nothing"}).status == 200
    assert len(audit.of_user(desk.ledger.table, "operator:ann", limit=20)) == len(records)


@pytest.mark.parametrize("lost", [{"role": "operator"}, {"disabled": True}])
def test_of_two_admins_who_shut_each_other_out_one_stays(
    desk: Gateway, lost: dict[str, Any]
) -> None:
    """Both requests were let in; the second write comes after the first."""
    book = Audit(desk.ledger.table, 30)
    made(desk, "ann", "admin"), made(desk, "bob", "admin")
    operators.change(book, "bob", replace(act(), actor="operator:ann"), **lost)
    with pytest.raises(ScopeMissing):
        operators.change(book, "ann", replace(act(), actor="operator:bob"), **lost)
    left = operators.get(desk.ledger.table, "ann")
    assert left is not None and (left.role, left.disabled) == ("admin", False)
    assert {one["actor"] for one in audit.of_user(desk.ledger.table, "operator:ann", limit=9)} == {
        "admin:tests"
    }
    with pytest.raises(NotFound):
        operators.change(book, "nobody", replace(act(), actor="operator:ann"), **lost)


def test_nobody_shuts_themselves_out(desk: Gateway) -> None:
    admin = logged_in(desk, "chief", "admin")
    for path, body in (("/chief", {"role": "viewer"}), ("/chief/password", {})):
        refused = ask(admin, "POST", path, {**body, "reason": "x"})
        assert (refused.status, refused.code) == (400, "invalid_request")
    assert listed(admin)["chief"]["role"] == "admin"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_only_an_admin_manages_operators(desk: Gateway, role: str) -> None:
    browser = logged_in(desk, "ann", role)
    body = {"name": "bob", "role": "admin", "reason": "x"}
    for method, path in (("GET", ""), ("POST", ""), ("POST", "/ann"), ("POST", "/ann/password")):
        sent = None if method == "GET" else body
        assert ask(browser, method, path, sent).status == 403


@pytest.mark.parametrize("name", ["nobody", "No", "x" * 2000, "OPERATOR"])
@pytest.mark.parametrize("act", ["", "/password", "/log-out"])
def test_an_unknown_name_is_not_found(desk: Gateway, name: str, act: str) -> None:
    admin = logged_in(desk, "chief", "admin")
    assert ask(admin, "POST", f"/{name}{act}", {"reason": "x"}).status == 404


def test_an_operator_of_an_earlier_version_is_listed_after_a_log_in(desk: Gateway) -> None:
    password = made(desk, "old")
    key = {"pk": {"S": "OPERATOR#old"}, "sk": {"S": operators.SK}}
    change = "REMOVE open_shard, expires_at"
    desk.dynamodb.update_item(TableName=desk.table_name, Key=key, UpdateExpression=change)
    admin = logged_in(desk, "chief", "admin")
    assert "old" not in listed(admin)
    assert Browser(desk).log_in("old", password).status == 200
    assert listed(admin)["old"]["disabled"] is False


def test_a_log_in_makes_no_operator(desk: Gateway) -> None:
    gone = replace(operators.UNKNOWN, name="gone")
    with pytest.raises(ConditionFailed):
        operators.note_login(desk.ledger.table, gone, 1_800_000_000)
    assert operators.get(desk.ledger.table, "gone") is None
