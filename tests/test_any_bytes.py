"""No route answers 500 to any bytes, whoever sends them: headers, cookies, query, path, body, tokens.

One parser reads the bodies of all routes, one the headers, one the queries. So `make test` tries each text
on a quarter of the routes and callers, and `make prove` on all.
"""

import base64
import functools
import hashlib
import hmac
import itertools
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.access import keyrings, rotation, tokens
from local.engine import json_client
from local.settings import ROOT
from tests.support import deployed
from tests.support.gateway import PREFIX, Gateway, event_of
from tests.support.properties import PROPERTY
from tests.support.sampling import share

EVENTS = ROOT / "events"
ONE_IN = 4
ROUTES = sorted({(function, method, rule) for function, method, rule in deployed.routes()})
NAMES = [f"{method} {rule}" for _, method, rule in ROUTES]
every_route = pytest.mark.parametrize("route", ROUTES, ids=NAMES)

TEXTS = [
    "", " ", "\x00", "\ud800", "é", "\uff1d1", "٣", "\u202e", "null", "1e999", "-1", "9" * 5000, "a" * 20_000,
    "../..", "%00", "{", "[" * 2000, "a=b; c", "\r\nx: y", "Bearer", "..", "a.b.c",
]  # fmt: skip
HEADERS = [
    "authorization", "x-api-key", "x-webhook-secret", "webhook-signature", "webhook-id", "webhook-timestamp",
    "idempotency-key", "x-client-request-id", "x-csrf-token", "user-agent", "accept", "accept-encoding",
    "host", "content-type", "content-encoding", "origin", "sec-fetch-site", "x-signature",
]  # fmt: skip
QUERY = [
    "url", "cursor", "limit", "prefix", "sort", "day", "days", "user", "type", "actor", "format", "action",
    "minAmount", "maxAmount", "outcome", "dryRun", "\ud800",
]  # fmt: skip
MEMBERS = [
    "userId", "amount", "reason", "transactionId", "provider", "clientRequestId", "url", "token", "consume",
    "initialCredits", "refreshSecret", "profile", "description", "scopes", "confirm", "name", "password",
    "plan", "policy", "revoke", "jobId", "requestId", "status", "usage", "timestamp",
    "idempotencyKey", "signature",
]  # fmt: skip
VALUES = [
    "null", "true", "0", "-1", "1.5", "1e999", "-1e999", "1e308", "9" * 400, "9" * 5000, '""', '"\\ud800"',
    '"\\u0000"', '"' + "x" * 5000 + '"', "[]", "{}", "[" * 40 + "]" * 40, "[" * 5000 + "]" * 5000,
    '{"a":' * 40 + "1" + "}" * 40, "NaN", "Infinity", '{"a":1e999}', "[null]", '["admin","admin"]',
]  # fmt: skip
BODIES = [
    b"", b" ", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xef\xbb\xbf{}", b"{", b"[]", b"1e999",
    b'{"a":1e999}', b'{"a":1,"a":2}', b"[" * 30_000, b'{"a":' * 10_000, b"\xed\xa0\x80",
    b"user,amount,reason\n\xff,1,x",
    b'user,amount,reason\n"a,1,x', b"user;amount;reason\na;" + b"9" * 5000 + b";x", b"x" * 70_000,
]  # fmt: skip
CLAIMS: list[Any] = [
    None, True, 0, -1, 1.5, 1e308, float("inf"), float("nan"), 10**400, "", "x", [], {}, [[]], {"a": []},
    ["x"],
]  # fmt: skip


@pytest.fixture(scope="module")
def gate(endpoint: str) -> Gateway:
    gate = Gateway(
        endpoint,
        RATE_LIMIT="1000000",
        OPENROUTER_BASE="http://127.0.0.1:9",
        TIKTOK_BASE="http://127.0.0.1:9",
    )
    ssm = json_client("ssm", endpoint)
    names = deployed.imported_names()
    rotation.create_missing(ssm, f"/{PREFIX}/", names, int(time.time()))
    gate.rings = keyrings.KeyRings(ssm, f"/{PREFIX}/", [*deployed.secret_names(), *names])
    return gate


@pytest.fixture(scope="module")
def credentials(gate: Gateway) -> list[dict[str, str]]:
    """The headers of every kind of caller, the anonymous one first."""
    _, headers = gate.user(balance=3)
    vended = gate.vend(headers).json["token"]
    ring = gate.rings["JWT_SECRET_CLOUD"]
    subscriber = jwt.encode({"uid": "sub-1", "exp": 4_000_000_000}, ring.signing, "HS256")
    return [
        {},
        headers,
        {"authorization": f"Bearer {vended}"},
        {"authorization": f"Bearer {subscriber}"},
        gate.api_key,
        gate.admin,
        {"x-webhook-secret": gate.rings["WEBHOOK_SECRET"].signing},
    ]


def answered(gate: Gateway, route: tuple[str, str, str], **changed: Any) -> int:
    """The status of a call to `route` with `changed` members of its event; fails on a 500."""
    function, method, rule = route
    members = dict.fromkeys(members_of(rule), "a") | changed.pop("members", {})
    event = event_of(method, rule, f"{method} {rule}", members, None, changed.pop("headers", {}))
    event |= changed
    answer = gate.function(function).lambda_handler(event, None)
    assert answer["statusCode"] != 500, (route, changed, answer["body"][:300])
    json.dumps(answer).encode()
    return int(answer["statusCode"])


def admitted(
    gate: Gateway, credentials: list[dict[str, str]], route: tuple[str, str, str]
) -> list[dict[str, str]]:
    """The anonymous caller, and the first one that `route` admits."""
    known = (headers for headers in credentials[1:] if _admits(gate, route, headers))
    return [{}, *itertools.islice(known, 1)]


def _admits(gate: Gateway, route: tuple[str, str, str], headers: Mapping[str, str]) -> bool:
    return answered(gate, route, headers=dict(headers), body="[") not in (401, 403)


def members_of(rule: str) -> list[str]:
    """The names of the path members of a route."""
    return re.findall(r"\{(\w+)\}", rule)


def bodies() -> Iterator[dict[str, Any]]:
    for raw in BODIES:
        yield {"body": base64.b64encode(raw).decode(), "isBase64Encoded": True}
        yield {"body": raw.decode("latin-1"), "isBase64Encoded": False}
    yield {"body": "%%%", "isBase64Encoded": True}
    yield {"body": "é", "isBase64Encoded": True}
    yield {"body": "\ud800", "isBase64Encoded": False}
    for value in VALUES:
        text = ",".join(f'"{name}":{value}' for name in MEMBERS)
        yield {"body": "{" + text + "}"}


@every_route
def test_no_body_makes_a_500(
    gate: Gateway, credentials: list[dict[str, str]], route: tuple[str, str, str]
) -> None:
    for headers in admitted(gate, credentials, route):
        for body in share(bodies(), f"{route} {[*headers]}", one_in=ONE_IN):
            answered(gate, route, headers=headers, **body)


@functools.cache
def samples() -> dict[str, dict[str, str]]:
    """The members of each route's sample body, as they are written, by the route's key."""
    events = (json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json")))
    return {
        event["routeKey"]: {n: json.dumps(value) for n, value in json.loads(event["body"]).items()}
        for event in events
        if "routeKey" in event and event.get("body", "").startswith("{")
    }


WITH_MEMBERS = [route for route in ROUTES if f"{route[1]} {route[2]}" in samples()]


@pytest.mark.parametrize("route", WITH_MEMBERS, ids=lambda route: f"{route[1]} {route[2]}")
def test_one_odd_member_in_a_valid_body_makes_no_500(
    gate: Gateway, credentials: list[dict[str, str]], route: tuple[str, str, str]
) -> None:
    """The other members are accepted, so that no check of theirs comes before the odd one's."""
    sample = samples()[f"{route[1]} {route[2]}"]
    for headers, name in itertools.product(admitted(gate, credentials, route), sample):
        for value in share(VALUES, f"{route} {[*headers]} {name}", one_in=ONE_IN):
            text = ",".join(f'"{n}":{written}' for n, written in (sample | {name: value}).items())
            answered(gate, route, headers=headers, body="{" + text + "}")


@every_route
def test_no_header_query_cookie_or_path_makes_a_500(
    gate: Gateway, credentials: list[dict[str, str]], route: tuple[str, str, str]
) -> None:
    for known in admitted(gate, credentials, route):
        for text in share(TEXTS, f"{route} {[*known]}", one_in=ONE_IN):
            odd = dict.fromkeys(HEADERS, text) | known
            answered(gate, route, headers=odd, body="{}")
            answered(gate, route, headers={**known, "authorization": f"Bearer {text}"})
            answered(gate, route, headers=known, queryStringParameters=dict.fromkeys(QUERY, text))
            answered(gate, route, headers=known, cookies=[text, f"__Host-pluct={text}", "="])
            named = dict.fromkeys(members_of(route[2]), text)
            answered(gate, route, headers=known, members=named, rawPath=f"/{text}")


def signed(gate: Gateway) -> Iterator[str]:
    """Tokens under each ring with one odd claim or header member each, and unsigned ones."""
    base = {"sub": "u", "uid": "u", "exp": 4_000_000_000, "scope": "ttt:transcribe", "jti": "j"}
    for ring, name, value in itertools.product(
        ("ENGINE_JWT_SECRET", "VEND_JWT_SECRET", "JWT_SECRET_CLOUD"),
        ("sub", "uid", "exp", "nbf", "iat", "aud", "iss", "scope", "jti", "typ", "email"),
        CLAIMS,
    ):
        claims = {**base, "iss": tokens.ISSUER, name: value}
        yield token(claims, {"alg": "HS256"}, gate.rings[ring].signing)
    for name, value in itertools.product(("alg", "typ", "kid", "crit", "b64"), CLAIMS):
        yield token(base, {"alg": "HS256", name: value}, gate.rings["ENGINE_JWT_SECRET"].signing)
    for payload in (b"[]", b"1", b"null", b"\xff", b'{"aud":' + b"[" * 1200, b'{"aud":{}}', b"{}"):
        yield ".".join([part(b'{"alg":"HS256"}'), part(payload), "x"])


def part(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def token(claims: Mapping[str, Any], header: Mapping[str, Any], secret: str) -> str:
    """A token under a right signature, whatever it says."""
    text = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{text}.{part(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize(
    "route",
    [
        route
        for route, name in zip(ROUTES, NAMES, strict=True)
        if name
        in (
            "GET /v1/credits/balance",
            "GET /ttt/status/{id}",
            "POST /ttt/transcribe",
            "GET /api/usage",
            "GET /user/{userId}/balance",
        )
    ],
    ids=lambda route: f"{route[1]} {route[2]}",
)
def test_no_token_makes_a_500(gate: Gateway, route: tuple[str, str, str]) -> None:
    for text in all_tokens(gate):
        answered(gate, route, headers={"authorization": f"Bearer {text}"})


@functools.cache
def all_tokens(gate: Gateway) -> list[str]:
    return list(signed(gate))


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4)
    ),
    max_leaves=8,
)
ANY_TEXT = st.text(max_size=60) | st.sampled_from(TEXTS)


@settings(PROPERTY, max_examples=150)
@given(
    st.sampled_from(ROUTES),
    st.integers(0, 6),
    st.dictionaries(st.sampled_from(MEMBERS), ANY_JSON, max_size=6).map(json.dumps) | ANY_TEXT,
    st.dictionaries(st.sampled_from(QUERY), ANY_TEXT, max_size=3),
    st.dictionaries(st.sampled_from(HEADERS), ANY_TEXT, max_size=3),
    ANY_TEXT,
)
def test_nothing_at_all_makes_a_500(
    gate: Gateway,
    credentials: list[dict[str, str]],
    route: tuple[str, str, str],
    caller: int,
    body: str,
    query: dict[str, str],
    headers: dict[str, str],
    member: str,
) -> None:
    answered(
        gate,
        route,
        headers=headers | credentials[caller],
        body=body,
        queryStringParameters=query,
        members=dict.fromkeys(members_of(route[2]), member),
    )


@pytest.mark.parametrize("number", ["1e999", "-1e999", '{"b":[1e999]}'])
def test_a_number_too_large_for_json_is_refused(gate: Gateway, number: str) -> None:
    user, headers = gate.user()
    raw = '{"profile":{"a":' + number + "}}"
    reply = gate.call("PUT", f"/user/{user}/profile", raw=raw, headers=headers)
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert "Infinity" not in gate.call("GET", f"/user/{user}/profile", headers=headers).text
