"""Hostile input over HTTP: 4xx with the one error body, and nothing changes."""

import http.client
import json
from typing import Any

import pytest

from tests.e2e.conftest import App, bearer

MEMBERS = {
    "ok",
    "success",
    "code",
    "error",
    "message",
    "details",
    "requestId",
    "build",
    "guidance",
    "timestamp",
}
BODIES = {
    "wrong types": b'{"userId": 7, "amount": "7", "url": 7}',
    "a fraction": b'{"userId": "u1", "amount": 1.5}',
    "a huge float": b'{"userId": "u1", "amount": 1e308}',
    "more than a number": b'{"userId": "u1", "amount": 1e999}',
    "a negative": b'{"userId": "u1", "amount": -1}',
    "zero": b'{"userId": "u1", "amount": 0}',
    "digits in quotes": b'{"userId": "u1", "amount": "7"}',
    "true": b'{"userId": "u1", "amount": true}',
    "one too many": b'{"userId": "u1", "amount": 1000001}',
    "a list": b"[]",
    "a string": b'"x"',
    "70 KB": b'{"userId": "' + b"x" * 70_000 + b'"}',
    "brackets": b"[" * 10_000,
    "braces": b'{"a":' * 10_000,
    "NaN": b'{"userId": "u1", "amount": NaN}',
    "a key twice": b'{"userId": "u1", "amount": 1, "amount": 2}',
    "not UTF-8": b'{"userId": "\xff\xfe", "amount": 1}',
    "half a surrogate": b'{"userId": "u1", "amount": 1, "reason": "\\ud800"}',
    "a separator in an id": b'{"userId": "u1#ACCOUNT", "amount": 1}',
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("path", ["/v1/credits/add", "/add-credits", "/ttt/transcribe"])
def test_a_hostile_body_changes_nothing(app: App, path: str, body: bytes) -> None:
    user, headers = app.device(balance=1)
    ticket = bearer(app.vend(headers).json["token"])
    secrets = {
        "x-api-key": app.run["adminKey"],
        "x-webhook-secret": app.run["webhookSecret"],
        **ticket,
    }
    reply = app.call("POST", path, raw=body, headers=secrets)
    assert 400 <= reply.status < 500, reply.text
    assert reply.json.keys() >= MEMBERS
    assert app.ledger.account("u1").exists is False
    assert app.ledger.account(user).seq == 3


PATHS = [
    "/ttt/status/..%2f..%2fadmin",
    "/ttt/status/%00",
    "/ttt/status/" + "a" * 4096,
    "/ttt/status/a%0d%0aX-Injected:1",
    "/ttt/status/../../health",
    "/ttt/status/%2e%2e",
    "/ttt/status/a%3fb",
    "/ttt/status/%ff",
    "/user/%23/balance",
    "/user/a%23ACCOUNT/balance",
    "//v1/credits/balance",
    "/v1/credits/balance/",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_trick_in_the_path_gets_404_and_never_goes_upstream(app: App, path: str) -> None:
    _, headers = app.device()
    before = upstream_calls(app)
    status, body = raw_get(app, path, headers)
    assert status in (400, 404), body
    assert json.loads(body).keys() >= MEMBERS
    assert upstream_calls(app) == before


def upstream_calls(app: App) -> int:
    host = app.run["upstreamUrl"].removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", "/_control/calls?route=status")
    answer: dict[str, Any] = json.loads(connection.getresponse().read())
    connection.close()
    return len(answer["calls"])


def raw_get(app: App, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    """A GET whose path goes out as it is; `requests` would put it in order first."""
    host = app.run["baseUrl"].removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "route_not_found"),
        ("DELETE", "/health", 405, "method_not_allowed"),
        ("GET", "/v1/vend-token", 405, "method_not_allowed"),
        ("PUT", "/user/u1/balance", 405, "method_not_allowed"),
    ],
)
def test_what_no_route_takes_is_refused_in_the_one_form(
    app: App, method: str, path: str, status: int, code: str
) -> None:
    reply = app.call(method, path)
    assert (reply.status, reply.code) == (status, code)
    assert ("allow" in reply.headers) == (status == 405)
