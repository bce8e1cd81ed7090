"""Balances, and additions of credits: once per request id, and once for ever per payment."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply
from tests.support.loglines import caught

ADDING = ["/v1/credits/add", "/add-credits"]
BALANCES = [("GET", "/v1/credits/balance"), ("POST", "/v1/user/balance"), ("POST", "/user/balance")]
adding = pytest.mark.parametrize("path", ADDING)


def credential(gateway: Gateway, path: str) -> dict[str, str]:
    webhook = {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing}
    return webhook if path == "/add-credits" else gateway.api_key


def add(gateway: Gateway, path: str, body: dict[str, Any], **headers: str) -> Reply:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.call("POST", path, body, headers={**credential(gateway, path), **own})


@pytest.mark.parametrize(("method", "path"), BALANCES)
def test_a_balance_has_exactly_the_documented_members(
    gateway: Gateway, method: str, path: str
) -> None:
    user, headers = gateway.user(balance=5)
    gateway.vend(headers)
    reply = gateway.call(method, path, headers=headers)
    assert reply.status == 200
    updated_at = reply.json["updatedAt"]
    assert list(reply.json.items()) == [
        ("ok", True),
        ("userId", user),
        ("balance", 4),
        ("updatedAt", updated_at),
        ("main", 4),
        ("bonus", 0),
        ("availableUnits", 4),
        ("reservedUnits", 1),
        ("availableCredits", 4),
        ("heldCredits", 1),
        ("owed", 0),
        ("pendingJobs", 1),
        ("freeUsesRemaining", 0),
        ("build", {"ref": "test", "deployedAt": "2026-01-01T00:00:00Z"}),
    ]


def test_reading_an_unknown_balance_answers_zero_and_creates_nothing(
    gateway: Gateway,
) -> None:
    reply = gateway.call("GET", "/v1/credits/balance", headers=gateway.user_headers("nobody-yet"))
    assert (reply.status, reply.json["balance"], reply.json["heldCredits"]) == (200, 0, 0)
    assert not gateway.ledger.account("nobody-yet").exists


def test_the_balance_says_when_the_account_last_changed(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    gateway.now = 1_800_000_000
    gateway.add("dated", 1)
    gateway.now += 3600
    reply = gateway.call("GET", "/v1/credits/balance", headers=gateway.user_headers("dated"))
    assert reply.json["updatedAt"] == "2027-01-15T08:00:00.000Z"


def test_adding_with_an_api_key_answers_the_documented_members_and_creates_the_account(
    gateway: Gateway,
) -> None:
    body = {"userId": "made-by-api", "amount": 7, "reason": "promotion"}
    reply = add(gateway, "/v1/credits/add", body)
    assert reply.status == 200
    assert list(reply.json.items()) == [
        ("ok", True),
        ("userId", "made-by-api"),
        ("amount", 7),
        ("newBalance", 7),
        ("reason", "promotion"),
        ("requestId", reply.headers["x-request-id"]),
        ("timestamp", reply.json["timestamp"]),
    ]
    (entry,) = gateway.entries("made-by-api")
    assert (entry.type, entry.amount, entry.actor, entry.reason) == (
        "api_add", 7, "api-key:engine", "promotion",
    )  # fmt: skip
    assert entry.request_id == reply.json["requestId"]
    assert gateway.origin(entry).address == "203.0.113.7"
    gateway.assert_explained("made-by-api")


def test_adding_by_webhook_answers_success_and_the_new_balance(gateway: Gateway) -> None:
    reply = add(gateway, "/add-credits", {"userId": "made-by-webhook", "amount": 3})
    members = {
        "userId": "made-by-webhook",
        "amount": 3,
        "newBalance": 3,
        "requestId": reply.headers["x-request-id"],
    }
    assert (reply.status, reply.json["success"], reply.json["newBalance"]) == (200, True, 3)
    assert reply.json == {
        **members, "success": True, "data": members, "timestamp": reply.json["timestamp"],
    }  # fmt: skip
    (entry,) = gateway.entries("made-by-webhook")
    assert (entry.type, entry.actor) == ("add_webhook", "webhook:payment")


@adding
def test_adding_accepts_its_own_credential_only(gateway: Gateway, path: str) -> None:
    user, bearer = gateway.user()
    good = credential(gateway, path)
    ((name, secret),) = good.items()
    (other,) = (credential(gateway, other) for other in ADDING if other != path)
    wrong: list[dict[str, str]] = [
        {},
        bearer,
        other,
        {name: ""},
        {name: "x"},
        {name: secret[:-1]},
        {name: secret + "x"},
        {name: secret.swapcase()},
        {name: "\u00e9"},
        {name: next(iter(other.values()))},
        {name: gateway.rings["ADMIN_SECRET"].signing},
    ]
    if path != "/v1/credits/add":  # There the engine's key is also a bearer, as in the original.
        wrong.append({"authorization": f"Bearer {secret}"})
    for headers in wrong:
        reply = gateway.call("POST", path, {"userId": user, "amount": 1}, headers=headers)
        assert_refused(reply, 401)
        assert reply.json["error"] == "Unauthorized"
        assert 'realm="pluct"' in reply.headers["www-authenticate"]
        assert secret not in reply.text
    assert gateway.balance(user) == 0


@adding
def test_the_smallest_and_the_largest_amount_are_accepted(gateway: Gateway, path: str) -> None:
    user, _ = gateway.user()
    assert add(gateway, path, {"userId": user, "amount": 1}).json["newBalance"] == 1
    assert add(gateway, path, {"userId": user, "amount": 1_000_000}).json["newBalance"] == 1_000_001
    gateway.assert_explained(user)


@adding
@pytest.mark.parametrize(
    ("headers", "members"),
    [
        ({"idempotency_key": "k"}, {}),
        ({"idempotency_key": '"k"'}, {}),
        ({}, {"clientRequestId": "k"}),
        ({"x_client_request_id": "k"}, {}),
        ({}, {"transactionId": "{path}{user}"}),
    ],
    ids=["header", "quoted header", "body", "app's header", "transactionId"],
)
def test_a_repeated_request_gets_the_first_answer(
    gateway: Gateway, path: str, headers: dict[str, str], members: dict[str, str]
) -> None:
    user, _ = gateway.user()
    filled = {
        k: v.format(path=path.replace("/", "_"), user=user).lstrip("_") for k, v in members.items()
    }
    body = {"userId": user, "amount": 5, **filled}
    first = add(gateway, path, body, **headers)
    add(gateway, path, {"userId": user, "amount": 1})
    again = add(gateway, path, body, **headers)
    assert (first.status, again.status) == (200, 200)
    assert again.text == first.text
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert gateway.balance(user) == 6
    gateway.assert_explained(user)


@adding
def test_two_calls_without_a_key_are_two_additions(gateway: Gateway, path: str) -> None:
    user, _ = gateway.user()
    for expected in (2, 4):
        assert add(gateway, path, {"userId": user, "amount": 2}).json["newBalance"] == expected


@adding
@pytest.mark.parametrize("changed", [{"amount": 6}, {"reason": "other"}, {"extra": 1}])
def test_a_key_with_another_payload_is_refused(
    gateway: Gateway, path: str, changed: dict[str, Any]
) -> None:
    user, _ = gateway.user()
    body = {"userId": user, "amount": 5, "reason": "first"}
    add(gateway, path, body, idempotency_key="k")
    reply = add(gateway, path, {**body, **changed}, idempotency_key="k")
    assert_refused(reply, 422)
    assert reply.code == "idempotency_key_reused"
    assert gateway.balance(user) == 5


def test_a_key_belongs_to_its_user_and_operation(gateway: Gateway) -> None:
    one, two = gateway.user()[0], gateway.user()[0]
    for path in ADDING:
        for user in (one, two):
            add(gateway, path, {"userId": user, "amount": 1}, idempotency_key="shared")
    assert (gateway.balance(one), gateway.balance(two)) == (2, 2)


def test_the_order_of_members_does_not_change_the_payload(gateway: Gateway) -> None:
    user, _ = gateway.user()
    for body in ({"userId": user, "amount": 1}, {"amount": 1, "userId": user}):
        assert add(gateway, "/add-credits", body, idempotency_key="k").json["newBalance"] == 1


def test_a_repeated_request_and_a_repeated_payment_are_known_for_ever(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    gateway.now = 1_800_000_000
    paid = {"userId": "patient", "amount": 1, "transactionId": "pay-1"}
    keyed = {"userId": "patient", "amount": 1, "clientRequestId": "k"}
    firsts = [add(gateway, "/add-credits", body).text for body in (paid, keyed)]
    gateway.now += 24 * 3600
    assert [add(gateway, "/add-credits", body).text for body in (paid, keyed)] == firsts
    gateway.now += 3650 * 24 * 3600
    assert [add(gateway, "/add-credits", body).text for body in (paid, keyed)] == firsts
    assert gateway.balance("patient") == 2


@pytest.mark.parametrize(
    ("changed", "status"),
    [({"amount": 6}, 422), ({"userId": "somebody-else"}, 422), ({"reason": "told again"}, 200)],
)
def test_a_payment_counts_once_and_for_one_user_and_amount(
    gateway: Gateway, changed: dict[str, Any], status: int
) -> None:
    user, _ = gateway.user()
    body = {"userId": user, "amount": 5, "transactionId": f"pay-{user}"}
    first = add(gateway, "/add-credits", body, idempotency_key="one")
    reply = add(gateway, "/add-credits", {**body, **changed}, idempotency_key="two")
    assert reply.status == status
    if status == 200:
        assert reply.text == first.text
    assert gateway.balance(user) == 5
    assert not gateway.ledger.account("somebody-else").exists


def test_ten_additions_at_once_add_up(gateway: Gateway) -> None:
    user, _ = gateway.user()
    with ThreadPoolExecutor(10) as pool:
        replies = list(
            pool.map(
                lambda _: add(gateway, "/v1/credits/add", {"userId": user, "amount": 1}), range(10)
            )
        )
    assert sorted(reply.json["newBalance"] for reply in replies) == list(range(1, 11))
    assert gateway.balance(user) == 10
    gateway.assert_explained(user)


@adding
def test_ten_concurrent_reports_of_one_payment_add_once(gateway: Gateway, path: str) -> None:
    body: dict[str, Any] = {
        "userId": f"paid{path.replace('/', '.')}",
        "amount": 3,
        "transactionId": f"told-often{path.replace('/', '.')}",
    }
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: add(gateway, path, body), range(10)))
    assert {reply.text for reply in replies} == {replies[0].text}
    assert Counter("idempotency-replayed" in reply.headers for reply in replies) == {
        False: 1, True: 9,
    }  # fmt: skip
    assert gateway.balance(body["userId"]) == 3
    gateway.assert_explained(body["userId"])


def test_one_payment_for_ten_users_at_once_is_added_for_one(gateway: Gateway) -> None:
    users = [gateway.user()[0] for _ in range(10)]
    bodies = [{"userId": user, "amount": 1, "transactionId": "contested"} for user in users]
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda body: add(gateway, "/add-credits", body), bodies))
    assert Counter(reply.status for reply in replies) == {200: 1, 422: 9}
    assert sum(gateway.balance(user) for user in users) == 1


def test_no_log_line_contains_a_secret_or_a_body(gateway: Gateway) -> None:
    secrets = [gateway.rings[name].signing for name in ("ENGINE_ADMIN_KEY", "WEBHOOK_SECRET")]
    with caught() as lines:
        for path in ADDING:
            add(gateway, path, {"userId": "ann", "amount": 1, "reason": "private-words"})
            add(gateway, path, {"userId": "ann", "amount": "private-words"})
            gateway.call("POST", path, {}, headers={"x-api-key": "almost-a-secret"})
    assert lines.json
    assert [
        word for word in (*secrets, "private-words", "almost-a-secret") if word in lines.text
    ] == []


def test_reads_are_limited_exactly_and_the_headers_say_so(endpoint: str) -> None:
    gateway = Gateway(endpoint, RATE_LIMIT="3")
    gateway.now = 1_800_000_000
    headers, other = gateway.user_headers("reader"), gateway.user_headers("another")
    for left in (2, 1, 0):
        reply = gateway.call("GET", "/v1/credits/balance", headers=headers)
        assert (reply.status, reply.headers["ratelimit"]) == (200, f'"default";r={left};t=60')
        assert reply.headers["ratelimit-policy"] == '"default";q=3;w=60'
    gateway.now += 59
    refused = gateway.call("POST", "/user/balance", headers=headers)
    assert_refused(refused, 429)
    assert (refused.code, refused.headers["retry-after"]) == ("rate_limited", "1")
    assert refused.headers["ratelimit"] == '"default";r=0;t=1'
    assert refused.headers["ratelimit-policy"] == '"default";q=3;w=60'
    assert refused.json["retryAfterSeconds"] == 1
    assert gateway.call("GET", "/v1/credits/balance", headers=other).status == 200
    gateway.now += 1
    again = gateway.call("GET", "/v1/credits/balance", headers=headers)
    assert (again.status, again.headers["ratelimit"]) == (200, '"default";r=2;t=60')


def test_reads_and_vends_have_separate_limits(endpoint: str) -> None:
    gateway = Gateway(endpoint, RATE_LIMIT="1")
    gateway.now = 1_800_000_000
    gateway.add("vendor", 1)
    headers = gateway.user_headers("vendor")
    for status in (200, 429):
        assert gateway.call("GET", "/v1/credits/balance", headers=headers).status == status
    assert gateway.vend(headers).status == 200


def test_one_request_id_cannot_name_two_payments(gateway: Gateway) -> None:
    user, _ = gateway.user()
    body = {"userId": user, "amount": 1, "clientRequestId": "one"}
    headers = gateway.api_key
    first = gateway.call(
        "POST", "/v1/credits/add", {**body, "transactionId": f"a-{user}"}, headers=headers
    )
    again = gateway.call(
        "POST", "/v1/credits/add", {**body, "transactionId": f"a-{user}"}, headers=headers
    )
    other = gateway.call(
        "POST", "/v1/credits/add", {**body, "transactionId": f"b-{user}"}, headers=headers
    )
    assert again.text == first.text
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert gateway.balance(user) == 1
    gateway.assert_explained(user)
