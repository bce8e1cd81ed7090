"""Users and devices: created once, given a token, and readable by authorised callers."""

import hashlib
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from tests.support.direct import assert_refused, send
from tests.support.gateway import Gateway, Reply

READS = ["/user/{user}/balance", "/user/{user}/transactions"]
reads = pytest.mark.parametrize("path", READS)


@pytest.fixture(scope="module")
def strict(endpoint: str) -> Gateway:
    """A deployment that lets nobody create users or read without a credential."""
    return Gateway(endpoint, ALLOW_USER_CREATE="false", ALLOW_ANONYMOUS_HISTORY="false")


def create(gateway: Gateway, user: str, credits: int = 0, **headers: str) -> Reply:
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"userId": user, "initialCredits": credits}
    return gateway.call("POST", "/user/create", body, headers=own)


def test_a_new_user_gets_a_token_and_an_entry(gateway: Gateway) -> None:
    reply = create(gateway, "opened", 5)
    members = reply.json["data"]
    assert reply.status == 200
    assert list(members) == ["userId", "balance", "credits", "token", "expiresIn", "requestId"]
    assert (members["userId"], members["balance"], members["credits"]) == ("opened", 5, 5)
    assert reply.json == {
        **members, "success": True, "data": members, "timestamp": reply.json["timestamp"],
    }  # fmt: skip
    (entry,) = gateway.entries("opened")
    assert (entry.type, entry.amount, entry.actor) == ("user_creation", 5, "anonymous")
    gateway.assert_explained("opened")
    headers = {"authorization": f"Bearer {members['token']}"}
    assert gateway.vend(headers).status == 200


def test_the_token_of_a_new_user_lasts_a_day_and_may_vend(gateway: Gateway) -> None:
    reply = create(gateway, "a-day")
    claims = jwt.decode(reply.json["token"], options={"verify_signature": False})
    assert claims == {
        "iss": "pluct-business-engine",
        "aud": "pluct-business-engine",
        "sub": "a-day",
        "scope": "ttt:transcribe",
        "iat": claims["iat"],
        "exp": claims["iat"] + 86_400,
    }
    assert reply.json["expiresIn"] == 86_400


def test_a_user_is_created_once(gateway: Gateway) -> None:
    create(gateway, "once", 2)
    for amount in (0, 2, 7):
        reply = create(gateway, "once", amount)
        assert_refused(reply, 409)
        assert (reply.code, reply.json["error"]) == ("user_exists", "User already exists")
    assert gateway.balance("once") == 2


def test_an_account_opened_by_a_payment_cannot_be_taken_over(gateway: Gateway) -> None:
    gateway.add("paid-first", 5)
    reply = create(gateway, "paid-first")
    assert_refused(reply, 409)
    assert "token" not in reply.json


def test_one_user_created_from_ten_threads_is_created_once(gateway: Gateway) -> None:
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: create(gateway, "contested", 3), range(10)))
    assert Counter(reply.status for reply in replies) == {200: 1, 409: 9}
    assert gateway.balance("contested") == 3
    gateway.assert_explained("contested")


def test_the_same_request_again_gets_the_same_token(gateway: Gateway) -> None:
    first = create(gateway, "repeated", 1, idempotency_key="k")
    again = create(gateway, "repeated", 1, idempotency_key="k")
    for body in (first.json, again.json):
        assert 86_000 < body["expiresIn"] <= 86_400
    left = re.compile(r'"expiresIn":\d+')
    assert (again.status, left.sub("", again.text)) == (200, left.sub("", first.text))
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert_refused(create(gateway, "repeated", 2, idempotency_key="k"), 422)
    assert_refused(create(gateway, "repeated", 1, idempotency_key="other"), 409)
    assert gateway.balance("repeated") == 1


def test_initial_credits_above_the_grant_need_a_key(gateway: Gateway) -> None:
    assert create(gateway, "at-the-grant", 10).json["balance"] == 10
    reply = create(gateway, "above-the-grant", 11)
    assert_refused(reply, 403)
    assert (reply.code, reply.json["details"]) == ("forbidden", {"allowed": 10})
    assert not gateway.ledger.account("above-the-grant").exists


def test_with_an_api_key_more_than_the_grant_is_allowed(gateway: Gateway) -> None:
    assert create(gateway, "by-key", 5000, **gateway.api_key).json["balance"] == 5000
    assert gateway.entries("by-key")[0].actor == "api-key:engine"


@pytest.mark.parametrize("key", ["", "x", "\u00e9"])
def test_a_bad_api_key_is_refused_and_not_ignored(gateway: Gateway, key: str) -> None:
    assert_refused(create(gateway, "bad-key", 0, x_api_key=key), 401)
    assert not gateway.ledger.account("bad-key").exists


def test_with_creation_disabled_only_a_key_creates(strict: Gateway) -> None:
    reply = create(strict, "strict")
    assert_refused(reply, 401)
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert create(strict, "strict", 5000, **strict.api_key).status == 200


def test_a_device_gets_a_user_a_token_and_a_secret(gateway: Gateway) -> None:
    reply = gateway.call("POST", "/v1/devices")
    body = reply.json
    assert reply.status == 201
    assert list(body) == ["ok", "userId", "token", "expiresIn", "refreshSecret", "requestId"]
    headers = {"authorization": f"Bearer {body['token']}"}
    assert (
        gateway.call("GET", "/v1/credits/balance", headers=headers).json["userId"] == body["userId"]
    )
    gateway.assert_explained(body["userId"])


def test_two_devices_share_no_id_or_secret(gateway: Gateway) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [
            reply.json
            for reply in pool.map(lambda _: gateway.call("POST", "/v1/devices"), range(20))
        ]
    assert len({body["userId"] for body in made}) == 20
    assert len({body["refreshSecret"] for body in made}) == 20


def test_the_secret_of_a_device_is_kept_only_as_a_hash(gateway: Gateway) -> None:
    body = gateway.call("POST", "/v1/devices").json
    secret = body["refreshSecret"]
    assert len(secret) >= 40
    items = gateway.dynamodb.query(
        TableName=gateway.table_name,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"A#{body['userId']}"}},
    )["Items"]
    assert secret not in str(items) and body["token"] not in str(items)
    (device,) = (item for item in items if item["sk"]["S"] == "DEVICE")
    assert device["secret_hash"]["S"] == hashlib.sha256(secret.encode()).hexdigest()


def refresh(gateway: Gateway, user: str, secret: str) -> Reply:
    body = {"userId": user, "refreshSecret": secret}
    return gateway.call("POST", "/v1/devices/token", body)


def test_a_refresh_secret_can_be_used_repeatedly(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    gateway.now = 1_800_000_000
    made = gateway.call("POST", "/v1/devices").json
    gateway.now += 90_000
    old = {"authorization": f"Bearer {made['token']}"}
    assert_refused(gateway.call("GET", "/v1/credits/balance", headers=old), 401)
    for _ in range(2):
        reply = refresh(gateway, made["userId"], made["refreshSecret"])
        assert (reply.status, list(reply.json)) == (
            200, ["ok", "userId", "token", "expiresIn", "requestId"],
        )  # fmt: skip
        fresh = {"authorization": f"Bearer {reply.json['token']}"}
        assert gateway.call("GET", "/v1/credits/balance", headers=fresh).status == 200


def test_a_wrong_secret_and_an_unknown_user_get_the_same_answer(gateway: Gateway) -> None:
    made = gateway.call("POST", "/v1/devices").json
    other = gateway.call("POST", "/v1/devices").json
    create(gateway, "no-device", 1)
    secret = made["refreshSecret"]
    hashed = hashlib.sha256(secret.encode()).hexdigest()
    wrong = [
        (made["userId"], "x"),
        (made["userId"], secret[:-1]),
        (made["userId"], secret + "x"),
        (made["userId"], secret.swapcase()),
        (made["userId"], hashed),
        (made["userId"], other["refreshSecret"]),
        (made["userId"], "\u00e9"),
        ("never-made", secret),
        ("no-device", secret),
    ]
    replies = [refresh(gateway, user, text) for user, text in wrong]
    for reply in replies:
        assert_refused(reply, 401)
        assert reply.headers["www-authenticate"] == replies[0].headers["www-authenticate"]
    variable = {"requestId", "timestamp"}
    bodies = [{k: v for k, v in reply.json.items() if k not in variable} for reply in replies]
    assert [body for body in bodies if body != bodies[0]] == []


def test_registering_and_refreshing_are_limited_by_address(endpoint: str) -> None:
    gateway = Gateway(endpoint, RATE_LIMIT="1")
    gateway.now = 1_800_000_000
    made = [gateway.call("POST", "/v1/devices", address="203.0.113.50") for _ in range(11)]
    assert [reply.status for reply in made] == [201] * 10 + [429]
    assert made[-1].headers["retry-after"] == "60"
    assert gateway.call("POST", "/v1/devices", address="203.0.113.51").status == 201
    user, secret = made[0].json["userId"], made[0].json["refreshSecret"]
    assert [refresh(gateway, user, secret).status for _ in range(11)] == [200] * 10 + [429]


def history(gateway: Gateway, user: str, headers: dict[str, str], **query: str) -> Reply:
    return gateway.call("GET", f"/user/{user}/transactions", headers=headers, query=query)


def test_a_users_history_shows_no_origin(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=2)
    gateway.vend(headers)
    (spent, added, opened) = history(gateway, user, headers).json["transactions"]
    assert list(spent) == [
        "id", "userId", "seq", "type", "amount", "heldChange", "balanceAfter", "heldAfter",
        "owedChange", "owedAfter", "product", "units", "heldLeft", "reason", "subject",
        "reverses", "requestId", "timestamp",
    ]  # fmt: skip
    told = [
        (t["type"], t["amount"], t["heldChange"], t["balanceAfter"]) for t in (opened, added, spent)
    ]
    assert told == [("user_creation", 0, 0, 0), ("api_add", 2, 0, 2), ("spend", -1, 1, 1)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 100])
def test_pages_show_every_entry_once_newest_first(gateway: Gateway, limit: int) -> None:
    user, headers = gateway.user()
    for amount in range(1, 8):
        gateway.add(user, amount)
    seen: list[Any] = []
    query = {"limit": str(limit)}
    for _ in range(9):
        body = history(gateway, user, headers, **query).json
        assert len(body["transactions"]) <= limit
        seen += body["transactions"]
        if body["nextCursor"] is None:
            break
        query["cursor"] = body["nextCursor"]
    assert body["nextCursor"] is None
    assert [entry["seq"] for entry in seen] == list(range(8, 0, -1))
    assert [entry["amount"] for entry in seen] == [7, 6, 5, 4, 3, 2, 1, 0]


def test_a_page_has_50_entries_unless_told(gateway: Gateway) -> None:
    user, headers = gateway.user()
    for _ in range(50):
        gateway.add(user, 1)
    body = history(gateway, user, headers).json
    assert (len(body["transactions"]), body["nextCursor"]) == (50, "2")


def test_new_entries_do_not_shift_a_page(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=1)
    gateway.add(user, 2)
    first = history(gateway, user, headers, limit="1").json
    gateway.add(user, 3)
    second = history(gateway, user, headers, limit="2", cursor=first["nextCursor"]).json
    assert [entry["seq"] for entry in second["transactions"]] == [2, 1]


@pytest.mark.parametrize("cursor", ["1", "99999999", "1000000000000"])
def test_an_unknown_cursor_shows_the_entries_below_it(gateway: Gateway, cursor: str) -> None:
    user, headers = gateway.user(balance=1)
    body = history(gateway, user, headers, cursor=cursor).json
    assert [entry["seq"] for entry in body["transactions"]] == ([] if cursor == "1" else [2, 1])


def test_the_balance_of_a_user_carries_both_names_of_it(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=4)
    reply = gateway.call("GET", f"/user/{user}/balance", headers=headers)
    assert (reply.status, reply.json["balance"], reply.json["credits"]) == (200, 4, 4)
    assert reply.json["data"]["userId"] == user


@reads
def test_the_user_a_key_and_the_admin_read(strict: Gateway, path: str) -> None:
    user, own = strict.user(balance=1)
    admin = {"authorization": f"Bearer {strict.rings['ADMIN_SECRET'].signing}"}
    for headers in (own, strict.api_key, admin):
        assert strict.call("GET", path.replace("{user}", user), headers=headers).status == 200


@reads
def test_with_anonymous_history_disabled_others_are_refused(strict: Gateway, path: str) -> None:
    user, _ = strict.user(balance=1)
    secret = strict.rings["ENGINE_ADMIN_KEY"].signing
    wrong: list[dict[str, str]] = [
        {},
        {"x-api-key": "x"},
        {"x-api-key": ""},
        {"authorization": f"Bearer {secret}"},
        {"authorization": "Bearer x.y.z"},
        {"x-webhook-secret": strict.rings["WEBHOOK_SECRET"].signing},
        {"x-api-key": strict.rings["ADMIN_SECRET"].signing},
    ]
    for headers in wrong:
        reply = strict.call("GET", path.replace("{user}", user), headers=headers)
        assert_refused(reply, 401)
        assert reply.headers["www-authenticate"]


@reads
def test_with_anonymous_history_enabled_a_bad_token_is_still_refused(
    gateway: Gateway, path: str
) -> None:
    user, _ = gateway.user(balance=1)
    assert gateway.call("GET", path.replace("{user}", user)).status == 200
    bad = {"authorization": "Bearer x.y.z"}
    assert_refused(gateway.call("GET", path.replace("{user}", user), headers=bad), 401)


@reads
def test_another_user_answers_like_a_missing_one(strict: Gateway, path: str) -> None:
    _, headers = strict.user(balance=1)
    other, _ = strict.user(balance=1)
    theirs = strict.call("GET", path.replace("{user}", other), headers=headers)
    never = strict.call("GET", path.replace("{user}", "never-was"), headers=headers)
    assert_refused(theirs, 404)
    variable = {"requestId", "timestamp"}
    assert {k: v for k, v in theirs.json.items() if k not in variable} == {
        k: v for k, v in never.json.items() if k not in variable
    }
    missing = strict.call("GET", path.replace("{user}", "never-was"), headers=strict.api_key)
    assert_refused(missing, 404)


@reads
@pytest.mark.parametrize("user", ["a@b.example", "A.b_c-d:e+f=g", "0", "x" * 128])
def test_ids_with_every_allowed_character_work(gateway: Gateway, path: str, user: str) -> None:
    if not gateway.ledger.account(user).exists:
        assert create(gateway, user, 1).status == 200
    reply = gateway.call("GET", path.replace("{user}", user), headers=gateway.user_headers(user))
    assert (reply.status, reply.json["userId"]) == (200, user)
    gateway.assert_explained(user)


@reads
@pytest.mark.parametrize(
    "user",
    [
        "",
        " ",
        "..",
        "a b",
        "a#b",
        "A#ann",
        "a/b",
        "%",
        "a%00",
        "\x00",
        "\u00e9",
        "\n",
        "x" * 129,
        "{id}",
        "'--",
    ],
)
def test_ids_with_other_characters_are_404_and_nothing_is_read(
    gateway: Gateway, path: str, user: str
) -> None:
    event = {"headers": gateway.api_key, "pathParameters": {"userId": user}}
    for raw in (path.replace("{user}", user), path.replace("{user}", "encoded")):
        assert_refused(send(gateway, "users", "GET", raw, **event), 404)
