"""Subscriptions for operators, payments, and the usage that subscribers see."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.readmodels.projection import Projector
from engine.subscriptions.usage import runway_days, runway_text
from tests.support.gateway import Reply
from tests.support.openrouter import Studio, fresh_user, serving
from tests.support.schema import check_answer

pytestmark = pytest.mark.enable_socket
REASON = {"reason": "because"}
DAY = 86_400


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with serving() as standin:
        yield Studio(endpoint, standin)


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.standin.sound()
    return module_studio


def call(studio: Studio, method: str, path: str, body: Any = None, **more: Any) -> Reply:
    headers = more.pop("headers", studio.gateway.admin)
    reply = studio.gateway.call(method, path, body, headers=headers, **more)
    query = "?" + "&".join(f"{k}={v}" for k, v in more.get("query", {}).items())
    check_answer(method, path + query.rstrip("?"), reply.status, reply.headers, reply.text)
    return reply


def act(studio: Studio, user: str, name: str, **body: Any) -> Reply:
    return call(studio, "POST", f"/admin/subscriptions/{user}/{name}", {**REASON, **body})


def look(studio: Studio, user: str) -> dict[str, Any]:
    reply = call(studio, "GET", f"/admin/subscriptions/{user}")
    assert reply.status == 200, reply.text
    return reply.json


def pay(studio: Studio, user: str, amount: str, payment: str, **more: Any) -> Reply:
    headers = {"x-webhook-secret": studio.gateway.rings["WEBHOOK_SECRET"].signing}
    body = {"userId": user, "amount": amount, "transactionId": payment, **more}
    return call(studio, "POST", "/webhooks/top-up", body, headers=headers)


def project(studio: Studio, *users: str) -> None:
    for user in users:
        Projector(studio.table, low_balance=3, audit_days=1).project(user, "usd_micros", 1)


def test_a_repeated_payment_counts_once(studio: Studio) -> None:
    user = fresh_user("pay")
    key = studio.key(user)["key"]
    first = pay(studio, user, "12.500001", f"order-{user}")
    again = pay(studio, user, "12.500001", f"order-{user}")
    assert (first.status, again.status) == (200, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json["data"] == again.json["data"]
    data = studio.key(user)
    assert (data["remaining_credits"], data["total_credits"]) == (22.500001, 22.500001)
    assert data["key"] == key
    assert pay(studio, user, "1", f"order-{user}").status == 422
    studio.assert_explained(user)


def test_a_payment_for_a_new_user_opens_a_subscription(studio: Studio) -> None:
    user = fresh_user("pay")
    assert pay(studio, user, "5", f"order-{user}").status == 200
    assert studio.types(user) == ["plan_grant", "top_up"]
    assert look(studio, user)["email"] == ""
    assert studio.key(user)["remaining_credits"] == 15
    assert look(studio, user)["email"] == f"{user}@example.test"


@pytest.mark.parametrize("amount", ["0", "0.000000", "-1", "1.0000001", "1e3", "NaN", "", "1,5", 5])
def test_an_invalid_amount_is_400(studio: Studio, amount: Any) -> None:
    reply = pay(studio, fresh_user("pay"), amount, "order-x")
    assert (reply.status, reply.json["details"]) == (400, {"field": "amount"})


def test_a_payment_without_the_secret_is_401(studio: Studio) -> None:
    body = {"userId": "ann", "amount": "1", "transactionId": "order-x"}
    assert call(studio, "POST", "/webhooks/top-up", body, headers={}).status == 401


ROUTES = [
    ("GET", "", None),
    ("GET", "/ann", None),
    ("POST", "/ann/adjust", {"amount": "1", **REASON}),
    ("POST", "/ann/plan", {"plan": "pro", **REASON}),
    ("POST", "/ann/block", REASON),
    ("POST", "/ann/unblock", REASON),
    ("POST", "/ann/rotate", REASON),
]


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_only_operators_are_allowed(studio: Studio, method: str, path: str, body: Any) -> None:
    url = f"/admin/subscriptions{path}"
    for headers in ({}, studio.headers("ann"), studio.gateway.api_key):
        assert call(studio, method, url, body, headers=headers).status == 401
    if path:
        missing = url.replace("/ann", "/nobody-of-that-name")
        assert call(studio, method, missing, body).status == 404


def test_a_repeated_adjustment_counts_once(studio: Studio) -> None:
    user = fresh_user("admin")
    studio.key(user)
    for _ in range(2):
        added = act(studio, user, "adjust", amount="2.5", clientRequestId=f"in-{user}")
        assert (added.status, added.json["amount"], added.json["available_credits"]) == (
            200, 2.5, 11.5,
        )  # fmt: skip
    taken = act(studio, user, "adjust", amount="-1.25", clientRequestId=f"out-{user}")
    assert (taken.json["amount"], taken.json["available_credits"]) == (-1.25, 10.25)
    reused = act(studio, user, "adjust", amount="-1", clientRequestId=f"out-{user}")
    assert (reused.status, reused.code) == (422, "idempotency_key_reused")
    assert studio.types(user)[-2:] == ["admin_add", "admin_deduct"]
    assert studio.entries(user)[-1].reason == "because"
    assert studio.entries(user)[-1].actor == "admin:secret"
    studio.assert_explained(user)


def test_money_set_aside_for_keys_cannot_be_deducted(studio: Studio) -> None:
    user = fresh_user("admin")
    studio.key(user)
    refused = act(studio, user, "adjust", amount="-9.000001")
    assert (refused.status, refused.json["details"]) == (402, {"remaining_credits": 9})
    assert act(studio, user, "adjust", amount="-9").status == 200
    assert studio.figures(user) == (0, 1_000_000)


@pytest.mark.parametrize("amount", ["0", "-0", "1.5.5", "+1"])
def test_an_adjustment_of_zero_is_400(studio: Studio, amount: str) -> None:
    user = fresh_user("admin")
    studio.key(user)
    assert act(studio, user, "adjust", amount=amount).status == 400


def test_an_upgrade_grants_the_difference_once(
    studio: Studio,
) -> None:
    user = fresh_user("plan")
    studio.key(user)
    for _ in range(2):
        reply = act(studio, user, "plan", plan="pro", clientRequestId=f"up-{user}")
        assert (reply.status, reply.json["plan"], reply.json["available_credits"]) == (
            200, "pro", 49,
        )  # fmt: skip
    assert act(studio, user, "plan", plan="basic").json["available_credits"] == 49
    assert act(studio, user, "plan", plan="pro").json["available_credits"] == 49
    assert studio.key(user)["total_credits"] == 50
    assert act(studio, user, "plan", plan="gold").status == 400
    studio.assert_explained(user)


def test_an_unlimited_plan_is_renewed_and_each_grant_is_an_entry(studio: Studio) -> None:
    user = fresh_user("plan")
    studio.key(user)
    act(studio, user, "plan", plan="enterprise", policy="block")
    act(studio, user, "adjust", amount="-97")
    data = studio.key(user)
    assert data["unlimited"] is True
    assert studio.standin.spend(data["key"], "0.999999")
    data = studio.key(user)
    assert studio.standin.spend(data["key"], "0.5")
    data = studio.key(user)
    assert data["remaining_credits"] == 100
    assert studio.types(user).count("plan_grant") == 2


def test_the_policy_of_a_subscription_overrides_that_of_the_deployment(studio: Studio) -> None:
    user = fresh_user("plan")
    key = studio.key(user)["key"]
    act(studio, user, "plan", plan="basic", policy="top_up")
    act(studio, user, "adjust", amount="-9")
    assert studio.standin.spend(key, "0.95")
    assert studio.ask(user).code == "subscription_used_up"
    pay(studio, user, "3", f"order-{user}")
    assert studio.key(user)["remaining_credits"] == 3.05


def test_a_blocked_subscription_is_refused_until_an_operator_unblocks_it(
    studio: Studio,
) -> None:
    user = fresh_user("block")
    key = studio.key(user)["key"]
    for _ in range(2):
        assert act(studio, user, "block").json["state"] == "blocked"
    assert studio.ask(user).code == "subscription_blocked"
    assert not studio.standin.spend(key, "0.1")
    pay(studio, user, "3", f"order-{user}")
    assert studio.ask(user).status == 402
    assert act(studio, user, "rotate").json["rotated"] is False
    for _ in range(2):
        assert act(studio, user, "unblock").json["state"] == "active"
    assert studio.key(user)["key"] != key
    studio.settle(rounds=3)
    studio.assert_settled(user)
    kept = [i for i in studio.everything() if i["pk"] == f"AUDIT#{user}"]
    assert sorted(i["action"] for i in kept) == ["subscription_block", "subscription_unblock"]
    assert {(i["actor"], i["reason"]) for i in kept} == {("admin:secret", "because")}


def test_a_forced_rotation_replaces_a_key_that_is_not_used_up(studio: Studio) -> None:
    user = fresh_user("force")
    old = studio.key(user)["key"]
    reply = act(studio, user, "rotate")
    assert (reply.json["rotated"], reply.json["key"]) == (True, 2)
    assert studio.key(user)["key"] != old
    studio.settle(rounds=3)
    studio.assert_settled(user)
    assert not studio.standin.spend(old, "0.1")


def test_a_revoked_key_stops_at_once(studio: Studio) -> None:
    user = fresh_user("leak")
    old = studio.key(user)["key"]
    assert act(studio, user, "rotate", revoke=True).json["rotated"] is True
    assert not studio.standin.spend(old, "0.1")
    assert studio.key(user)["key"] != old
    studio.settle(rounds=3)
    studio.assert_settled(user)


def test_a_key_that_cannot_be_disabled_now_is_disabled_by_the_monitor(studio: Studio) -> None:
    user = fresh_user("leak")
    old = studio.key(user)["key"]
    studio.standin.fault("update_key", "status", status=500)
    assert act(studio, user, "block").json["state"] == "blocked"
    assert studio.standin.spend(old, "0.1")
    studio.monitor()
    assert not studio.standin.spend(old, "0.1")
    studio.settle(rounds=3)
    studio.assert_settled(user)


def test_a_forced_rotation_while_openrouter_does_not_answer_is_503(studio: Studio) -> None:
    user = fresh_user("force")
    key = studio.key(user)["key"]
    studio.standin.fault("create_key", "status", status=429, headers={"Retry-After": "9"})
    reply = act(studio, user, "rotate")
    assert (reply.status, reply.headers["retry-after"]) == (503, "9")
    assert studio.key(user)["key"] == key


def test_the_admin_view_shows_everything_but_the_key(studio: Studio) -> None:
    user = fresh_user("look")
    key = studio.key(user)["key"]
    studio.standin.spend(key, "0.6")
    new = studio.key(user)["key"]
    story = look(studio, user)
    assert story["verification"] == {"ok": True, "entries": 4, "findings": []}
    assert [(k["number"], k["state"], k["used_credits"]) for k in story["keys"]] == [
        (2, "live", 0), (1, "retiring", 0.6),
    ]  # fmt: skip
    assert (story["available_credits"], story["held_credits"]) == (8, 1.4)
    assert (story["remaining_credits"], story["email"]) == (9.4, f"{user}@example.test")
    text = str(story)
    assert key not in text and new not in text
    assert "sk-or" not in text and "sealed" not in text and "hash" not in text


def test_subscribers_are_listed_in_pages_by_their_ids(studio: Studio) -> None:
    users = sorted(fresh_user("list") for _ in range(5))
    for user in users:
        studio.standin.spend(studio.key(user)["key"], "0.25")
        studio.key(user)
    project(studio, *users)
    found, cursor = [], None
    while True:
        query = {"limit": "2", "prefix": "list-", **({"cursor": cursor} if cursor else {})}
        page = call(studio, "GET", "/admin/subscriptions", query=query).json
        found += page["subscriptions"]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert [member["userId"] for member in found] == users
    assert {(m["remaining_credits"], m["used_credits"], m["plan"]) for m in found} == {
        (9.75, 0.25, "basic")
    }


def usage(studio: Studio, user: str) -> Reply:
    return call(studio, "GET", "/api/usage", headers=studio.headers(user))


def test_usage_is_shown_by_day_with_how_long_the_rest_lasts(endpoint: str) -> None:
    with serving() as standin:
        studio = Studio(endpoint, standin)
        user = fresh_user("usage")
        assert usage(studio, user).status == 404
        studio.key(user)
        assert usage(studio, user).json["data"]["runway"] == "nothing was used lately"
        for used in ("0.4", "0.25"):
            standin.spend(studio.key(user)["key"], used)
            studio.key(user)
            studio.forward(DAY)
        data = usage(studio, user).json["data"]
        assert data["days"] == [
            {"day": "2027-01-16", "used_credits": 0.25},
            {"day": "2027-01-15", "used_credits": 0.4},
        ]
        assert (data["remaining_credits"], data["runway_days"]) == (9.35, 28)
        assert data["runway"] == "lasts about 28 days"


def test_usage_is_the_subscribers_own(studio: Studio) -> None:
    assert call(studio, "GET", "/api/usage", headers={}).status == 401
    assert call(studio, "GET", "/api/usage", headers=studio.gateway.admin).status == 401


NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("remaining", "used", "age_days", "days"),
    [
        (60, {"2027-01-15": 10}, 0, 6),
        (60, {"2027-01-15": 10, "2027-01-14": 10}, 2, 6),
        (60, {"2027-01-09": 70}, 100, 6),
        (60, {"2027-01-08": 70}, 100, None),
        (9, {"2027-01-15": 10}, 0, 0),
        (0, {"2027-01-15": 10}, 0, 0),
        (10**12, {"2027-01-15": 1}, 0, 3650),
        (60, {}, 5, None),
    ],
)
def test_the_runway_is_what_is_left_at_the_pace_of_the_last_seven_days(
    remaining: int, used: dict[str, int], age_days: int, days: int | None
) -> None:
    assert runway_days(remaining, used, NOW - age_days * DAY, NOW) == days


@pytest.mark.parametrize(
    ("days", "text"),
    [(None, "nothing was used lately"), (0, "lasts less than a day"), (1, "lasts about 1 day"),
     (6, "lasts about 6 days")],
)  # fmt: skip
def test_the_runway_in_words(days: int | None, text: str) -> None:
    assert runway_text(days) == text
