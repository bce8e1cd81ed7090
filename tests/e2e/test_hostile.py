"""Hostile input over HTTP: 4xx with the one error body, and nothing changes.

Every route, member, parameter and query is tried, by `make test` with a share of the values each:
`test_any_bytes` and `test_hostile_bodies` try the same code in process with more. `make prove` tries all
values everywhere.
"""

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import App, Reply, bearer
from tests.support import deployed, schema
from tests.support.sampling import share
from tests.support.schema import Node

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
def test_a_hostile_path_is_404_and_causes_no_upstream_call(app: App, path: str) -> None:
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
    """A GET with an unchanged path; `requests` would normalise it."""
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
def test_a_request_that_no_route_accepts_gets_the_error_body(
    app: App, method: str, path: str, status: int, code: str
) -> None:
    reply = app.call(method, path)
    assert (reply.status, reply.code) == (status, code)
    assert ("allow" in reply.headers) == (status == 405)


BY_AN_AUTHORIZER = {"POST /webhooks/play"}
"""API Gateway refuses these itself, with a body of its own; see test_local_authorizers."""

OPERATIONS = sorted(schema.operations().keys() - BY_AN_AUTHORIZER)
SHELL_ROUTES = ["GET /dashboard/{page}", "GET /dashboard/{page}/{id}"]
"""These answer the same page for every path; its data comes from the admin API."""

SAMPLES = {
    "userId": "user-123", "id": "user-123", "seq": "1", "message": "msg_1", "name": "none.css",
    "page": "users", "code": "p250", "provider": "stripe", "holdId": "stream-42", "kind": "c",
    "capability": "174379.0",
}  # fmt: skip
NO_BODY_OF_OURS = {"POST /webhooks/tttranscribe"}
"""Its signature is checked first."""

VALUES: list[Any] = [
    None, 7, -1, 0, 1.5, 1.0, 1e308, 10**30, 2**63, "7", "", " ", "\x00", "a#b", "\u202e", "x" * 5000,
    True, False, [], [1], ["7"], {}, {"a": 1}, {"S": "ann"}, "'; --", "=cmd()", "<script>", "../x", "9" * 99,
]  # fmt: skip
PATH_VALUES = [
    "..%2f..%2fadmin", "%2e%2e", "%00", "%ff", "%23", "a%23ACCOUNT", "a%0d%0aX-Injected:1", "a%3fb",
    "a" * 4096, "%F0%9F%92%A9", "%27--", "%7Bid%7D", "a%252fb", "%ED%A0%80", "-1",
]  # fmt: skip
QUERY_VALUES = [
    "", "x" * 5000, "-1", "1.5", "1e308", "NaN", "%00", "%ff", "%ED%A0%80", "[]", "%F0%9F%92%A9", "7",
    "9" * 400, "null", "true", "0", "1&{name}=2", "%23", "%27--", "2026-99-99", "%0d%0aX-Injected:1",
]  # fmt: skip
HEADERS = [
    {"authorization": "Bearer"},
    {"authorization": "Bearer  "},
    {"authorization": "Bearer " + "x" * 6000},
    {"authorization": "Bearer a.b.c"},
    {"authorization": "Basic YTpi"},
    {"authorization": "Bearer pk_live_" + "0" * 36},
    {"authorization": "Bearer \xff\xfe"},
    {"x-api-key": ""},
    {"x-api-key": "x" * 6000},
    {"x-api-key": "\xe4"},
    {"x-webhook-secret": "x", "webhook-signature": "v1,x", "webhook-id": "\xe4"},
    {"cookie": "session=x; session=y; =; \xff"},
]


class Intruder:
    """A caller with a valid credential of every kind, and a user with one credit."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.user, user_headers = app.device(balance=5)
        vended = bearer(app.vend(user_headers).json["token"])
        self._shown = {
            "userToken": user_headers,
            "vendedToken": vended,
            "adminSecret": bearer(app.run["adminSecret"]),
            "apiKey": {"x-api-key": app.run["adminKey"]},
            "webhookSecret": {"x-webhook-secret": app.run["webhookSecret"]},
        }
        app.add("user-123", 1)

    def credentials(self, key: str) -> dict[str, str]:
        """The first kind of credential that the operation accepts and the caller has."""
        for requirement in schema.operations()[key].value["security"]:
            if all(name in self._shown for name in requirement):
                return {k: v for name in requirement for k, v in self._shown[name].items()}
        return {}

    def send(self, key: str, path: str, body: bytes | None, headers: dict[str, str]) -> Reply:
        """Sends path and headers unchanged; `requests` would normalise them."""
        method = key.partition(" ")[0]
        connection = http.client.HTTPConnection(
            self.app.run["baseUrl"].removeprefix("http://"), timeout=30
        )
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            kind = content_type(key) if body is not None else None
            for name, value in {**({"content-type": kind} if kind else {}), **headers}.items():
                connection.putheader(name, value.encode("latin-1"))
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def money(self) -> list[Any]:
        return [self.app.ledger.account(name) for name in (self.user, "user-123", "u1", "ann")]


@pytest.fixture(scope="module")
def intruder(app: App) -> Intruder:
    return Intruder(app)


@pytest.fixture
def unchanged(intruder: Intruder) -> Iterator[None]:
    before = intruder.money()
    yield
    assert intruder.money() == before


def path_of(key: str) -> str:
    return key.partition(" ")[2].format_map(SAMPLES)


def content(key: str) -> Node | None:
    operation = schema.operations()[key]
    return operation.at("requestBody").at("content") if "requestBody" in operation else None


def content_type(key: str) -> str:
    found = content(key)
    return next(iter(found.value)) if found is not None else "application/json"


def sample_body(described: Node) -> dict[str, Any]:
    """The first example of a body; an empty body if there is none."""
    named: dict[str, Any] = described.value.get("examples", {})
    examples = [described.value["example"]] if "example" in described.value else []
    examples += [example["value"] for example in named.values()]
    return {**examples[0]} if examples else {}


def query_names(key: str) -> list[str]:
    given = schema.operations()[key].value.get("parameters", [])
    nodes = [schema.refer(one["$ref"]).value if "$ref" in one else one for one in given]
    return [one["name"] for one in nodes if one["in"] == "query"]


def assert_refused(reply: Reply, sent: object) -> None:
    assert 400 <= reply.status < 500, (sent, reply.status, reply.text[:500])
    assert reply.json.keys() >= MEMBERS, (sent, reply.text[:500])


def assert_answered(reply: Reply, sent: object) -> None:
    """The answer has our error body or a success, and is no 5xx."""
    assert reply.status < 500, (sent, reply.status, reply.text[:500])
    if reply.status >= 400:
        assert reply.json.keys() >= MEMBERS, (sent, reply.text[:500])


# The local engine replaces invalid UTF-8 by U+FFFD; test_hostile_bodies covers invalid UTF-8.
UNREADABLE = (
    "a list", "a string", "70 KB", "brackets", "braces", "NaN", "a key twice", "half a surrogate",
)  # fmt: skip
READING = [key for key in OPERATIONS if content(key) is not None]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", READING)
def test_no_route_accepts_a_body_that_is_no_json_object(intruder: Intruder, key: str) -> None:
    headers = intruder.credentials(key)
    for name in share(UNREADABLE, key, one_in=2):
        reply = intruder.send(key, path_of(key), BODIES[name], headers)
        assert_refused(reply, name)
        assert reply.status in (400, 401, 404, 413), (name, reply.status)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", [k for k in READING if content_type(k) == "application/json"])
def test_no_route_accepts_a_member_against_its_description(intruder: Intruder, key: str) -> None:
    """A valid body with one member of a wrong type, or missing."""
    media = content(key)
    assert media is not None
    described = media.at("application/json")
    body = sample_body(described)
    headers = intruder.credentials(key)
    pointer = described.at("schema").pointer
    tried = 0
    for name in described.at("schema").value.get("properties", {}):
        values = share(VALUES, f"{key} {name}", one_in=5)
        for changed in [*({**body, name: value} for value in values), without(body, name)]:
            if schema.complaint(pointer, changed) is None and not is_whole_float(changed[name]):
                continue
            reply = intruder.send(key, path_of(key), json.dumps(changed).encode(), headers)
            assert_refused(reply, {name: str(changed.get(name))[:80]})
            tried += 1
    assert tried > 0 or not described.at("schema").value.get("properties")


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {"": None, name: None} | {k: v for k, v in body.items() if k != name}


def is_whole_float(value: Any) -> bool:
    """JSON Schema accepts 1.0 as an integer; this API does not."""
    return isinstance(value, float)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", [k for k in OPERATIONS if "{" in k and k not in SHELL_ROUTES])
def test_a_hostile_path_parameter_is_refused_on_every_route(intruder: Intruder, key: str) -> None:
    headers = intruder.credentials(key)
    rule = key.partition(" ")[2]
    body = b"{}" if content(key) is not None else None
    for name in (name for name in SAMPLES if f"{{{name}}}" in rule):
        for value in share(PATH_VALUES, f"{key} {name}", one_in=3):
            path = rule.format_map({**SAMPLES, name: value})
            assert_refused(intruder.send(key, path, body, headers), value[:80])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", SHELL_ROUTES)
def test_a_hostile_path_of_the_dashboard_gets_the_page_without_data(
    intruder: Intruder, key: str
) -> None:
    shell = intruder.send("GET /dashboard", "/dashboard", None, {})
    rule = key.partition(" ")[2]
    for name in (name for name in SAMPLES if f"{{{name}}}" in rule):
        for value in PATH_VALUES:
            path = rule.format_map({**SAMPLES, name: value})
            reply = intruder.send(key, path, None, {})
            if reply.status == 200:
                assert reply.content == shell.content
            else:
                assert_refused(reply, value[:80])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", [k for k in OPERATIONS if query_names(k)])
def test_a_hostile_query_is_answered_or_refused_on_every_route(
    intruder: Intruder, key: str
) -> None:
    headers = intruder.credentials(key)
    for name in query_names(key):
        for value in share(QUERY_VALUES, f"{key} {name}", one_in=4):
            text = value.replace("{name}", name)
            reply = intruder.send(key, f"{path_of(key)}?{name}={text}", None, headers)
            assert_answered(reply, f"{name}={text[:80]}")
            assert "x-injected" not in {header.lower() for header in reply.headers}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("key", OPERATIONS)
def test_an_invalid_credential_is_refused_on_every_route(intruder: Intruder, key: str) -> None:
    open_to_all = any(not one for one in schema.operations()[key].value["security"] or [{}])
    body = b"{}" if content(key) is not None else None
    for headers in share(HEADERS, key, one_in=3):
        reply = intruder.send(key, path_of(key), body, headers)
        assert_answered(reply, headers)
        if not open_to_all:
            assert reply.status == 401, (headers, reply.status, reply.text[:300])


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "key", [k for k in READING if "422" in schema.operations()[k].value["responses"]]
)
def test_an_invalid_request_id_is_refused_on_every_route_that_reads_one(
    intruder: Intruder, key: str
) -> None:
    media = content(key)
    assert media is not None
    body = sample_body(media.at("application/json"))
    headers = intruder.credentials(key)
    for header in ("idempotency-key", "x-client-request-id"):
        for text in ("", "x" * 256, "\xe4", "\t"):
            sent = headers | {header: text}
            reply = intruder.send(key, path_of(key), json.dumps(body).encode(), sent)
            assert_refused(reply, (header, text[:20]))
    for value in ("", "x" * 256, "\u00e4", 7, True, [], {}):
        sent_body = json.dumps({**body, "clientRequestId": value}).encode()
        assert_refused(intruder.send(key, path_of(key), sent_body, headers), value)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", sorted({key.partition(" ")[2] for key in OPERATIONS}))
def test_an_unsupported_method_is_405(intruder: Intruder, method: str, path: str) -> None:
    sample = path.format_map(SAMPLES)
    allowed = {
        taken
        for taken, _, rule in (key.partition(" ") for key in OPERATIONS)
        if deployed.match(rule, sample) is not None
    }
    if method in allowed:
        return
    allowed |= {"HEAD"} if "GET" in allowed else set()
    reply = intruder.send(f"{method} {path}", sample, None, {})
    assert (reply.status, reply.code) == (405, "method_not_allowed")
    assert set(reply.json["details"]["allow"]) == allowed
