"""What holds on every route: paths and methods, headers, errors, and the answer to a crash."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from engine.web.http import QUERY_LIMIT
from tests.support import deployed
from tests.support.direct import assert_error_body, assert_refused, send
from tests.support.gateway import Gateway, Reply
from tests.support.loglines import caught
from tests.support.scene import DOOR, Scene, make_scene

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
PATHS = sorted({path for _, _, path in deployed.routes()})
EVERY_ROUTE = [(method, path) for _, method, path in deployed.routes()]


@pytest.fixture(scope="module")
def scene(gateway: Gateway) -> Scene:
    return make_scene(gateway)


def concrete(path: str) -> str:
    return re.sub(r"\{\w+\}", "abc", path)


@pytest.mark.parametrize("path", PATHS)
def test_a_known_path_with_another_method_names_the_methods_it_takes(
    gateway: Gateway, path: str
) -> None:
    allowed = {
        method
        for _, method, other in deployed.all_routes()
        if deployed.match(other, concrete(path)) is not None
    }
    for method in sorted(set(METHODS) - allowed):
        reply = gateway.call(method, concrete(path))
        if method == "HEAD":
            assert (reply.status, reply.text) == (405, "")
        else:
            assert_refused(reply, 405)
            assert reply.code == "method_not_allowed"
        assert set(reply.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/nope", "/v1", "/v1/", "/V1/VEND-TOKEN", "/v1/vend-token/x", "/v1/vend-token%20", "/ttt/status",
        "/ttt/status/a/b", "/user//balance", "/user/a/b/balance", "/user/a", "/..", "/%2e%2e/health",
        "/health%00", "/.env", "/\\health", "/health;x", "/\u00e9", "/" + "a" * 8000,
    ],
    ids=lambda path: path[:24],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_unknown_path_answers_404_whatever_the_method(
    gateway: Gateway, method: str, path: str
) -> None:
    reply = gateway.call(method, path)
    assert_refused(reply, 404)
    assert reply.code == "route_not_found"


@pytest.mark.parametrize("path", ["/health/", "/openapi.json/", "/v1/credits/balance/", "//"])
def test_allow_never_lists_the_refused_method(gateway: Gateway, path: str) -> None:
    """A path with a slash behind it is either served or unknown."""
    reply = gateway.call("GET", path)
    assert "GET" not in reply.headers.get("allow", "").split(", ")


def test_the_route_chosen_by_api_gateway_answers(gateway: Gateway) -> None:
    """Its key decides, not the path; a key that a function does not have is a path without a route."""
    found = {"routeKey": "GET /health", "rawPath": "/stage/health"}
    assert send(gateway, "health", "GET", "/", **found).json["status"] == "ok"
    for path in ("//health", "/health//", "/stage//health"):
        reply = send(gateway, "health", "GET", path, routeKey="GET /health")
        assert (reply.status, reply.code) == (404, "route_not_found")
    for key in ("$default", "POST /v1/vend-token", "get /health", "GET /health/"):
        reply = send(gateway, "health", "GET", "/health/x", routeKey=key)
        assert (reply.status, reply.code) == (404, "route_not_found")
        reply = send(gateway, "credits", "GET", "/health/x", routeKey=key)
        assert (reply.status, reply.code) == (404, "route_not_found")


def answers_of_every_kind(scene: Scene) -> Iterator[Reply]:
    call = scene.gateway.call
    yield call("GET", "/")
    yield call("GET", "/", headers={"accept": "text/html"})
    yield call("GET", "/health")
    yield call("GET", "/openapi.json")
    yield call("GET", "/v1/credits/balance", headers=scene.headers)
    yield call("POST", "/v1/devices")
    yield call("GET", "/v1/credits/balance")
    yield call("POST", "/v1/credits/add", {}, headers=scene.api_key)
    yield call("GET", "/nope")
    yield call("PUT", "/health")
    yield call("GET", "/ttt/status/unknown", headers=scene.headers)


def test_every_answer_has_the_common_headers(scene: Scene) -> None:
    seen = set()
    for reply in answers_of_every_kind(scene):
        seen.add(reply.status)
        assert re.fullmatch(r"test-\d+-\d+", reply.headers["x-request-id"])
        assert reply.headers["vary"] == "Origin"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"]
        assert [name for name in reply.headers if name != name.lower()] == []
    assert seen == {200, 201, 400, 401, 404, 405}


def test_request_ids_differ_and_the_body_names_the_same_one(gateway: Gateway) -> None:
    one, two = gateway.call("GET", "/nope"), gateway.call("GET", "/nope")
    assert one.headers["x-request-id"] != two.headers["x-request-id"]
    assert one.json["requestId"] == one.headers["x-request-id"]


def test_answers_that_hold_money_or_tokens_are_not_stored_by_caches(scene: Scene) -> None:
    for reply in (
        scene.gateway.call("GET", "/v1/credits/balance", headers=scene.headers),
        scene.gateway.call("POST", "/v1/devices"),
    ):
        assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["authorization", "Authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_names_of_headers_and_schemes_are_read_in_any_case(
    scene: Scene, name: str, scheme: str
) -> None:
    token = scene.headers["authorization"].removeprefix("Bearer ")
    reply = scene.gateway.call("GET", "/v1/credits/balance", headers={name: f"{scheme} {token}"})
    assert reply.status == 200


@pytest.mark.parametrize("name", ["x-api-key", "X-API-Key", "X-Api-Key"])
def test_the_api_key_is_read_in_any_case(scene: Scene, name: str) -> None:
    headers = {name: scene.api_key["x-api-key"]}
    body = {"userId": scene.user, "amount": 1}
    assert scene.gateway.call("POST", "/v1/credits/add", body, headers=headers).status == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic {}", "{}", "Bearer{}", "Bearer {},{}", "Token {}"]
)
def test_a_token_without_the_bearer_scheme_is_refused(scene: Scene, value: str) -> None:
    token = scene.headers["authorization"].removeprefix("Bearer ")
    headers = {"authorization": value.replace("{}", token)}
    reply = scene.gateway.call("GET", "/v1/credits/balance", headers=headers)
    assert_refused(reply, 401)
    assert reply.headers["www-authenticate"].startswith('Bearer realm="pluct"')


def test_unknown_members_of_a_body_are_ignored(scene: Scene) -> None:
    body = {"userId": scene.user, "amount": 1, "later": {"a": [1, None, True]}, "1e400": 1}
    reply = scene.gateway.call("POST", "/v1/credits/add", body, headers=scene.api_key)
    assert reply.status == 200


def test_text_in_any_language_is_returned_unchanged(scene: Scene) -> None:
    reason = '\u0628\u0627\u0642\u0629 \u2028 \U0001f600 "<script>" \\ \u0000'
    body = {"userId": scene.user, "amount": 1, "reason": reason}
    reply = scene.gateway.call("POST", "/v1/credits/add", body, headers=scene.api_key)
    assert reply.json["reason"] == reason
    assert scene.gateway.entries(scene.user)[-1].reason == reason


@pytest.mark.parametrize(
    ("function", "method", "path"),
    [
        ("credits", "GET", "/v1/credits/balance"),
        ("users", "GET", "/user/abc/balance"),
        ("transcription", "GET", "/ttt/status/abc"),
        ("tokens", "POST", "/v1/vend-token"),
    ],
)
def test_a_crash_is_logged_and_answered_without_details(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, function: str, method: str, path: str
) -> None:
    class Broken:
        def __getitem__(self, name: str) -> Any:
            raise RuntimeError("the innermost word")

    monkeypatch.setattr(scene.gateway.function(function), "rings", Broken())
    with caught() as lines:
        reply = scene.gateway.call(method, path, headers=scene.headers)
    assert (reply.status, reply.code) == (500, "internal_error")
    assert_error_body(reply)
    assert "innermost" not in reply.text and "RuntimeError" not in reply.text
    (line,) = [line for line in lines.json if line["level"] == "ERROR"]
    assert line["request_id"] == reply.headers["x-request-id"]
    assert "the innermost word" in line["exception"]


NO_NUMBERS = [
    "0", "-1", "x", "", " 1", "1.5", "1.0", "1e1", "NaN", "true", "\u0663", "null", "9" * 2000
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("limit", value) for value in [*NO_NUMBERS, "101"]),
        *(("cursor", value) for value in [*NO_NUMBERS, "1" + "0" * 12 + "1"]),
    ],
)
def test_a_number_in_a_query_is_written_in_digits_and_within_its_limits(
    scene: Scene, name: str, value: str
) -> None:
    reply = scene.gateway.call(
        "GET", f"/user/{scene.user}/transactions", headers=scene.headers, query={name: value}
    )
    assert_refused(reply, 400)
    assert reply.details == {"field": name}


def test_a_query_member_that_is_too_long_is_refused(scene: Scene) -> None:
    query = {"whatever": "x" * (QUERY_LIMIT + 1)}
    path = f"/user/{scene.user}/transactions"
    assert_refused(scene.gateway.call("GET", path, headers=scene.headers, query=query), 400)


@pytest.mark.parametrize("environment", ["local", "prod"])
def test_the_callers_address_comes_from_the_api_and_not_from_headers(
    endpoint: str, environment: str
) -> None:
    gateway = Gateway(endpoint, ENVIRONMENT=environment, TTT_BASE="https://ttt.example.test")
    claimed = {
        "x-forwarded-for": "198.51.100.1",
        "forwarded": "for=198.51.100.1",
        "x-real-ip": "::1",
    }
    made = gateway.call("POST", "/v1/devices", headers=claimed, address="203.0.113.9").json
    assert gateway.origin(gateway.entries(made["userId"])[0]).address == "203.0.113.9"


def test_an_event_without_optional_members_is_answered(gateway: Gateway) -> None:
    bare: list[dict[str, Any]] = [
        {"headers": {}}, {"pathParameters": None, "queryStringParameters": None}
    ]  # fmt: skip
    for parts in bare:
        assert send(gateway, "health", "GET", "/health", **parts).status == 200


def test_a_long_user_agent_is_truncated(gateway: Gateway) -> None:
    made = gateway.call("POST", "/v1/devices", headers={"user-agent": "a" * 4000}).json
    assert gateway.origin(gateway.entries(made["userId"])[0]).user_agent == "a" * 160


def test_the_routes_of_these_tests_are_in_the_template() -> None:
    rules = [rule for method, rule in EVERY_ROUTE if method == "POST"]
    for path in DOOR:
        assert any(deployed.match(rule, path) is not None for rule in rules), path
