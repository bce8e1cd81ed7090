"""HTTP as its standards say: HEAD, encodings, Vary, challenges, lists as audience, older clients' forms."""

import json
from typing import Any

import jwt
import pytest

from engine.web.assets import takes_gzip
from tests.support import deployed
from tests.support.gateway import Gateway, Reply

GETS = [route for route in deployed.all_routes() if route[1] == "GET"]
BOM = "\ufeff"


def test_every_route_of_get_has_one_of_head_in_the_same_function() -> None:
    heads = [(name, path) for name, method, path in deployed.all_routes() if method == "HEAD"]
    assert sorted(heads) == sorted((name, path) for name, _, path in GETS)


@pytest.mark.parametrize("path", [path for _, _, path in GETS])
def test_head_answers_as_get_does_without_a_body(gateway: Gateway, path: str) -> None:
    user, headers = gateway.user()
    called = path.replace("{userId}", user).replace("{id}", user)
    for shown in ({}, headers, gateway.admin):
        got = gateway.call("GET", called, headers=shown)
        head = gateway.call("HEAD", called, headers=shown)
        assert (head.status, head.text) == (got.status, "")
        for changing in ("x-request-id", "ratelimit"):
            got.headers.pop(changing, None)
            head.headers.pop(changing, None)
        assert head.headers == got.headers


def test_a_path_of_get_names_head_among_its_methods(gateway: Gateway) -> None:
    reply = gateway.call("DELETE", "/v1/credits/balance")
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")
    assert gateway.call("HEAD", "/v1/vend-token").headers["allow"] == "POST"


def user_token(gateway: Gateway, **claims: Any) -> dict[str, str]:
    facts = {"sub": "ann", "exp": int(gateway.clock()) + 600, **claims}
    ring = gateway.rings["ENGINE_JWT_SECRET"]
    return {"authorization": f"Bearer {jwt.encode(facts, ring.signing, 'HS256')}"}


@pytest.mark.parametrize(
    ("audience", "status"),
    [
        ("pluct-business-engine", 200),
        (["pluct-business-engine"], 200),
        (["other", "pluct-business-engine"], 200),
        (["other"], 401),
        ([], 401),
        ([["pluct-business-engine"]], 401),
        ({"pluct-business-engine": 1}, 401),
        (None, 401),
        ("other", 401),
    ],
)
def test_an_audience_may_be_a_list_that_contains_ours(
    gateway: Gateway, audience: Any, status: int
) -> None:
    headers = user_token(gateway, aud=audience)
    assert gateway.call("GET", "/v1/credits/balance", headers=headers).status == status


def test_a_vended_token_may_have_a_list_as_audience(gateway: Gateway) -> None:
    claims = {
        "iss": "pluct-business-engine", "sub": "ann", "scope": "ttt:transcribe", "jti": "j" * 30,
        "iat": int(gateway.clock()), "exp": int(gateway.clock()) + 600,
    }  # fmt: skip
    ring = gateway.rings["VEND_JWT_SECRET"]
    for audience, status in ((["tttranscribe", "x"], 200), (["x"], 401)):
        text = jwt.encode({**claims, "aud": audience}, ring.signing, "HS256")
        reply = gateway.call("GET", "/ttt/status/ping", headers={"authorization": f"Bearer {text}"})
        assert reply.status == status


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=1.000", True),
        ("gzip;q=0.001", True),
        ("x-gzip", True),
        ("*", True),
        ("*;q=0.1", True),
        ("identity;q=0.5, *;q=0", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("deflate", False),
        ("gzipped", False),
        ("", False),
        ("gzip;q=nan", False),
        ("gzip;q=-1", False),
    ],
)
def test_gzip_is_sent_only_where_it_is_accepted(
    gateway: Gateway, accepted: str, taken: bool
) -> None:
    assert takes_gzip(accepted) is taken
    reply = gateway.call("GET", "/dashboard", headers={"accept-encoding": accepted})
    assert (reply.headers.get("content-encoding") == "gzip") is taken
    assert reply.headers["vary"] == "Origin, Accept-Encoding"


def test_vary_is_one_header(gateway: Gateway) -> None:
    for path in ("/", "/health", "/admin/users", "/none"):
        assert gateway.call("GET", path).headers["vary"] == "Origin"


def test_a_body_may_begin_with_a_byte_order_mark(gateway: Gateway) -> None:
    raw = BOM + json.dumps({"userId": "with-mark", "amount": 1})
    reply = gateway.call("POST", "/v1/credits/add", raw=raw, headers=gateway.api_key)
    assert reply.status == 200


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("content-encoding", "gzip", 415),
        ("content-encoding", "br, gzip", 415),
        ("content-encoding", "Identity", 200),
        ("content-type", "application/json; charset=utf-16", 415),
        ("content-type", 'application/json;charset="iso-8859-1"', 415),
        ("content-type", "application/json; charset=UTF-8", 200),
        ("content-type", "text/plain", 200),
    ],
)
def test_a_body_in_an_encoding_that_is_not_read_is_415(
    gateway: Gateway, header: str, value: str, status: int
) -> None:
    body = {"userId": "encoded", "amount": 1}
    headers = {**gateway.api_key, header: value}
    reply = gateway.call("POST", "/v1/credits/add", body, headers=headers)
    assert reply.status == status
    if status == 415:
        assert reply.code == "unsupported_encoding"
        assert reply.headers["accept-encoding"] == "identity"


def challenge(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.headers.get("www-authenticate", "")


def test_a_challenge_has_the_parameters_of_rfc_6750(gateway: Gateway) -> None:
    _, headers = gateway.user()
    key = {"description": "d", "scopes": ["users:read"]}
    made = gateway.call("POST", "/admin/generate-key", key, headers=gateway.admin).json["key"]
    reader = {"authorization": f"Bearer {made}"}
    realm = 'Bearer realm="pluct"'
    bad = {"authorization": "Bearer nothing"}
    assert challenge(gateway.call("GET", "/v1/credits/balance")) == (401, realm)
    assert challenge(gateway.call("GET", "/admin/users")) == (401, realm)
    assert challenge(gateway.call("POST", "/v1/credits/add", {})) == (401, realm)
    invalid = f'{realm}, error="invalid_token", error_description="'
    for path in ("/v1/credits/balance", "/admin/users"):
        status, text = challenge(gateway.call("GET", path, headers=bad))
        assert (status, text.startswith(invalid)) == (401, True)
    scope = 'error="insufficient_scope", scope="credits:write"'
    refused = gateway.call("POST", "/v1/credits/add", {}, headers=reader)
    assert challenge(refused) == (403, f"{realm}, {scope}")
    assert refused.details == {"scope": "credits:write"}
    unscoped = user_token(gateway, scope="")
    assert challenge(gateway.call("POST", "/v1/vend-token", {}, headers=unscoped)) == (
        403,
        f'{realm}, error="insufficient_scope", scope="ttt:transcribe"',
    )
    assert gateway.call("POST", "/v1/vend-token", {}, headers=headers).status == 402


def test_a_trailing_slash_is_refused_in_words(gateway: Gateway) -> None:
    reply = gateway.call("GET", "/health/")
    assert (reply.status, reply.code) == (404, "route_not_found")
    assert "slash" in reply.json["message"]
    assert "slash" not in gateway.call("GET", "/none/").json["message"]


def test_the_engines_key_is_accepted_as_a_bearer_where_credits_are_added(
    gateway: Gateway,
) -> None:
    key = gateway.rings["ENGINE_ADMIN_KEY"].signing
    bearer = {"authorization": f"Bearer {key}"}
    user, headers = gateway.user()
    body = {"userId": user, "amount": 3}
    assert gateway.call("POST", "/v1/credits/add", body, headers=bearer).json["newBalance"] == 3
    assert gateway.entries(user)[-1].actor == "api-key:engine"
    assert gateway.call("GET", f"/user/{user}/balance", headers=bearer).status == 401
    assert gateway.call("GET", "/admin/users", headers=bearer).status == 401
    assert gateway.call("POST", "/v1/credits/add", body, headers=headers).status == 401
    assert gateway.call("POST", "/v1/credits/add", body, headers=gateway.admin).status == 401


def test_api_keys_are_managed_under_the_older_path(gateway: Gateway) -> None:
    path = "/admin/api-keys"
    made = gateway.call("POST", path, {"description": "older client"}, headers=gateway.admin)
    assert (made.status, made.json["apiKey"]) == (201, made.json["key"])
    for shown in (path, "/admin/keys"):
        keys = gateway.call("GET", shown, headers=gateway.admin).json["keys"]
        assert made.json["id"] in [key["id"] for key in keys]
    key = {"x-api-key": made.json["key"]}
    body = {"userId": "of-older-client", "amount": 1}
    assert gateway.call("POST", "/v1/credits/add", body, headers=key).status == 200
    revoked = gateway.call("DELETE", f"{path}/{made.json['id']}", headers=gateway.admin)
    assert (revoked.status, revoked.json["ok"]) == (200, True)
    assert gateway.call("POST", "/v1/credits/add", body, headers=key).status == 401
    assert gateway.call("GET", path).status == 401
