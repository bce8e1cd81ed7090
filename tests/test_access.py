"""API keys, the engine's key and the admin secret: each is accepted on its own routes only."""

import re
import time
import zlib
from typing import Any

import pytest

from engine.access import api_keys
from engine.ledger import audit as audit_records
from engine.ledger.audit import Audit
from engine.platform.act import Act
from engine.platform.errors import Busy
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply

ALPHABET = api_keys._ALPHABET
FORM = re.compile(r"pk_live_[0-9A-Za-z]{36}")


def generate(gateway: Gateway, *scopes: str, description: str = "a test") -> dict[str, Any]:
    body: dict[str, Any] = {"description": description}
    if scopes:
        body["scopes"] = list(scopes)
    reply = gateway.call("POST", "/admin/generate-key", body, headers=gateway.admin)
    assert reply.status == 201, reply.text
    return reply.json


def add(gateway: Gateway, headers: dict[str, str], user: str = "ann") -> Reply:
    return gateway.call("POST", "/v1/credits/add", {"userId": user, "amount": 1}, headers=headers)


def stored(gateway: Gateway, key_id: str) -> dict[str, Any]:
    item = gateway.ledger.table.get(api_keys.KEYS_PK, key_id)
    assert item is not None
    return item


def test_a_key_is_shown_once_and_kept_as_a_hash(gateway: Gateway) -> None:
    made = generate(gateway, "credits:write", description="Mobile app integration")
    assert FORM.fullmatch(made["key"])
    assert made["data"]["key"] == made["key"] == made["apiKey"]
    listed = gateway.call("GET", "/admin/keys", headers=gateway.admin)
    (shown,) = [key for key in listed.json["keys"] if key["id"] == made["id"]]
    assert shown["description"] == "Mobile app integration"
    assert (shown["createdBy"], shown["lastUsedAt"], shown["revokedAt"]) == (
        "admin:secret",
        None,
        None,
    )
    assert made["key"].startswith(shown["hint"])
    assert made["key"] not in listed.text
    assert made["key"][len(shown["hint"]) :] not in str(stored(gateway, made["id"]))


def test_a_key_ends_with_a_checksum(gateway: Gateway) -> None:
    text = generate(gateway)["key"]
    body, check = text[len("pk_live_") : -6], text[-6:]
    number = 0
    for digit in check:
        number = number * 62 + ALPHABET.index(digit)
    assert number == zlib.crc32(body.encode())
    assert api_keys.has_form(text)
    for other in (
        text[:-1],
        text + "0",
        text.swapcase(),
        "pk_live_" + "0" * 36,
        "",
        "pk_live_",
        "ü",
    ):
        assert not api_keys.has_form(other)
        assert_refused(add(gateway, {"x-api-key": other}), 401)


@pytest.mark.parametrize("header", ["x-api-key", "authorization"])
def test_a_key_is_accepted_in_either_header_for_its_scopes(gateway: Gateway, header: str) -> None:
    text = generate(gateway, "credits:write")["key"]
    headers = {header: text if header == "x-api-key" else f"Bearer {text}"}
    user, _ = gateway.user()
    assert add(gateway, headers, user).status == 200
    assert gateway.entries(user)[-1].actor.startswith("api-key:key_")
    assert_refused(gateway.call("GET", "/admin/users", headers=headers), 403)


SCOPED = [
    ("GET", "/admin/users", None, "users:read"),
    ("GET", "/admin/users/ann", None, "users:read"),
    ("GET", "/admin/transactions", None, "users:read"),
    ("GET", "/admin/stats", None, "users:read"),
    ("GET", "/admin/audit", None, "users:read"),
    ("GET", "/user/ann/balance", None, "users:read"),
    ("GET", "/user/ann/transactions", None, "users:read"),
    ("POST", "/v1/credits/add", {}, "credits:write"),
    ("POST", "/user/create", {}, "credits:write"),
    ("POST", "/admin/credits/add", {}, "credits:write"),
    ("POST", "/admin/add-credits", {}, "credits:write"),
    ("POST", "/admin/deduct-credits", {}, "credits:write"),
    ("POST", "/admin/adjustments", {}, "credits:write"),
    ("POST", "/admin/users/ann/transactions/1/undo", {}, "credits:write"),
    ("POST", "/admin/generate-key", {}, "keys:write"),
    ("GET", "/admin/keys", None, "keys:write"),
    ("DELETE", "/admin/keys/key_0000000000000000", None, "keys:write"),
]


@pytest.mark.parametrize(("method", "path", "body", "scope"), SCOPED)
def test_a_route_accepts_its_scope_only(
    gateway: Gateway, method: str, path: str, body: Any, scope: str
) -> None:
    others = {"users:read", "credits:write", "keys:write", "subscriptions:write"} - {scope}
    wrong = {"x-api-key": generate(gateway, *sorted(others))["key"]}
    refused = gateway.call(method, path, body, headers=wrong)
    assert_refused(refused, 403)
    assert refused.json["details"] == {"scope": scope}
    for enough in (scope, "admin"):
        headers = {"x-api-key": generate(gateway, enough)["key"]}
        assert gateway.call(method, path, body, headers=headers).status in (200, 400, 404)


@pytest.mark.parametrize(("method", "path", "body", "scope"), SCOPED)
def test_an_unknown_credential_is_refused(
    gateway: Gateway, method: str, path: str, body: Any, scope: str
) -> None:
    for headers in (
        {"x-api-key": ""},
        {"x-api-key": "x"},
        {"authorization": "Bearer pk_live_x"},
        {"x-api-key": gateway.admin["authorization"].removeprefix("Bearer ")},
        {"authorization": f"Bearer {gateway.api_key['x-api-key']}"},
    ):
        if path == "/v1/credits/add" and gateway.api_key["x-api-key"] in str(headers):
            continue  # Older clients send the engine's key so, to this route alone.
        if path == "/user/create" and not any("pk_" in v or not v for v in headers.values()):
            continue  # Anonymous here: what is no credential of ours is passed over.
        reply = gateway.call(method, path, body, headers=headers)
        assert_refused(reply, 401)
        assert "www-authenticate" in reply.headers


def test_a_user_token_is_refused_on_operators_routes(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=1)
    vended = {"authorization": f"Bearer {gateway.vend(headers).json['token']}"}
    for method, path, body, _ in SCOPED:
        if path.startswith("/admin"):
            for credential in (headers, vended, gateway.api_key):
                assert_refused(gateway.call(method, path, body, headers=credential), 401)
    assert gateway.balance(user) == 0


def test_a_revoked_key_is_refused(gateway: Gateway) -> None:
    made = generate(gateway)
    headers = {"x-api-key": made["key"]}
    user, _ = gateway.user()
    assert add(gateway, headers, user).status == 200
    path = f"/admin/keys/{made['id']}"
    first = gateway.call("DELETE", path, headers=gateway.admin).json["key"]
    assert first["revokedAt"] is not None
    assert_refused(add(gateway, headers, user), 401)
    again = gateway.call("DELETE", path, headers=gateway.admin)
    assert (again.status, again.json["key"]["revokedAt"]) == (200, first["revokedAt"])
    assert gateway.balance(user) == 1


@pytest.mark.parametrize("key_id", ["key_0000000000000000", "key_x", "ACCOUNT", "key_%23"])
def test_revoking_an_unknown_key_is_not_found(gateway: Gateway, key_id: str) -> None:
    reply = gateway.call("DELETE", f"/admin/keys/{key_id}", headers=gateway.admin)
    assert_refused(reply, 404)


def test_a_key_cannot_create_or_revoke_a_key_with_more_scopes(gateway: Gateway) -> None:
    maker = {"x-api-key": generate(gateway, "keys:write", "users:read")["key"]}
    for scopes in (["admin"], ["users:read", "credits:write"]):
        body = {"description": "more", "scopes": scopes}
        assert_refused(gateway.call("POST", "/admin/generate-key", body, headers=maker), 403)
    body = {"description": "as much", "scopes": ["users:read"]}
    assert gateway.call("POST", "/admin/generate-key", body, headers=maker).status == 201
    strong = generate(gateway, "admin")
    assert_refused(gateway.call("DELETE", f"/admin/keys/{strong['id']}", headers=maker), 403)
    assert stored(gateway, strong["id"]).get("revoked_at") is None


def test_the_last_use_is_stored_at_most_once_an_hour(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    made = generate(gateway)
    user, _ = gateway.user()
    begin = int(time.time())
    for second, noted in ((0, 0), (3600, 0), (3601, 3601)):
        gateway.now = begin + second
        assert add(gateway, {"x-api-key": made["key"]}, user).status == 200
        assert wait_for_use(gateway, made["id"], begin + noted) == begin + noted


def wait_for_use(gateway: Gateway, key_id: str, wanted: int) -> int:
    """It is written beside the call; what it was when it came, or after a second."""
    for _ in range(50):
        if stored(gateway, key_id)["last_used_at"] == wanted:
            break
        time.sleep(0.02)
    return int(stored(gateway, key_id)["last_used_at"])


def test_a_recent_use_is_not_written_again(gateway: Gateway) -> None:
    made = generate(gateway)
    table = gateway.ledger.table
    api_keys.note_use(table, made["id"], now=10_000)
    api_keys.note_use(table, made["id"], now=13_599)
    assert stored(gateway, made["id"])["last_used_at"] == 10_000
    api_keys.note_use(table, made["id"], now=13_600)
    assert stored(gateway, made["id"])["last_used_at"] == 13_600
    api_keys.note_use(table, "key_nobody", now=13_600)
    assert table.get(api_keys.KEYS_PK, "key_nobody") is None


def test_the_audit_names_who_created_and_revoked_a_key(gateway: Gateway) -> None:
    made = generate(gateway, description="for the shop")
    gateway.call("DELETE", f"/admin/keys/{made['id']}", headers=gateway.admin)
    found = gateway.call(
        "GET", "/admin/audit", headers=gateway.admin, query={"user": made["id"]}
    ).json["records"]
    assert {(one["action"], one["actor"], one["reason"]) for one in found} == {
        ("key_generate", "admin:secret", "for the shop"),
        ("key_revoke", "admin:secret", "for the shop"),
    }


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"description": ""},
        {"description": "  "},
        {"description": "x" * 101},
        {"description": "x", "scopes": []},
        {"description": "x", "scopes": ["everything"]},
        {"description": "x", "scopes": "admin"},
    ],
)
def test_a_key_needs_a_description_and_known_scopes(gateway: Gateway, body: dict[str, Any]) -> None:
    assert_refused(gateway.call("POST", "/admin/generate-key", body, headers=gateway.admin), 400)


UNKNOWN = "key_0123456789abcdef"


def act_at(at: int) -> Act:
    return Act("admin:test", f"request-{at}", "", "", "why", at=at)


def test_revoking_or_using_an_unknown_key_creates_none(gateway: Gateway) -> None:
    ledger, audit = gateway.ledger, Audit(gateway.ledger.table, 30)
    assert api_keys.revoke(ledger, audit, UNKNOWN, act_at(1)) is None
    api_keys.note_use(ledger.table, UNKNOWN, now=10_000)
    assert ledger.table.get(api_keys.KEYS_PK, UNKNOWN) is None
    assert audit_records.of_user(ledger.table, UNKNOWN, limit=5) == []


def test_a_key_is_not_replaced_by_another_of_the_same_id(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids are random; if two were alike, the first stays what it is."""
    monkeypatch.setattr(api_keys.secrets, "choice", lambda letters: letters[7])
    ledger, audit = gateway.ledger, Audit(gateway.ledger.table, 30)
    first, text = api_keys.generate(ledger, audit, "first", ["admin"], act_at(1))
    with pytest.raises(Busy):
        api_keys.generate(ledger, audit, "second", ["users:read"], act_at(2))
    found = api_keys.find(ledger.table, text)
    assert found is not None
    assert (found.description, found.scopes) == (first.description, first.scopes)


def test_a_second_revocation_does_not_move_the_first(gateway: Gateway) -> None:
    ledger, audit = gateway.ledger, Audit(gateway.ledger.table, 30)
    made, _ = api_keys.generate(ledger, audit, "short-lived", ["users:read"], act_at(1))
    for now in (5, 9):
        revoked = api_keys.revoke(ledger, audit, made.id, act_at(now))
        assert revoked is not None and revoked.revoked_at == 5
