"""Malformed and hostile bodies are refused with the common error body and change nothing.

One parser reads the bodies of all routes: `make test` tries a share of the bodies on each, `make prove` all.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.direct import assert_refused, post_bytes
from tests.support.gateway import Gateway, Reply
from tests.support.sampling import share
from tests.support.scene import DOOR, DOORS, Door, Scene, make_scene, nothing

LIMIT = 64 * 1024
UNREADABLE = {
    "list": b"[]",
    "string": b'"x"',
    "number": b"7",
    "null": b"null",
    "true": b"true",
    "only a bracket": b"{",
    "half": b'{"userId":"ann","amount":',
    "something behind": b"{}x",
    "two objects": b"{}{}",
    "single quotes": b"{'a':1}",
    "comma at the end": b'{"a":1,}',
    "form": b"userId=ann&amount=1",
    "xml": b"<a/>",
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "-Infinity": b'{"a":-Infinity}',
    "key twice": b'{"userId":"ann","amount":1,"amount":1000}',
    "key twice inside": b'{"a":[{"b":1,"b":1}]}',
    "not UTF-8": b"\xff\xfe\x00",
    "not UTF-8 in a string": b'{"a":"\xff"}',
    "overlong UTF-8": b'{"a":"\xc0\xaf"}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "surrogate in UTF-8": b'{"a":"\xed\xa0\x80"}',
    "lone high surrogate": b'{"a":"\\ud800"}',
    "lone low surrogate as a key": b'{"\\udfff":1}',
    "byte order mark alone": b"\xef\xbb\xbf",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "NUL": b"\x00",
    "NUL behind": b"{}\x00",
    "NUL in a string": b'{"a":"\x00"}',
    "newline in a string": b'{"a":"\n"}',
    "10,000 digits": b'{"a":' + b"9" * 10_000 + b"}",
    "10,000 brackets": b"[" * 10_000,
    "10,000 closed brackets": b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
    "10,000 objects": b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    "depth 33": b'{"a":' + b"[" * 32 + b"]" * 32 + b"}",
}
AMOUNTS = [
    -1, -0.0, 1.5, 1.0, 1e308, 1_000_001, 10**30, "7", "", True, False, None, [], [1], {}, {"a": 1}
]  # fmt: skip
USER_IDS = [
    None, 7, True, "", " ", "a b", "a#b", "A#ann", "a/b", "../a", "-a", ".a", "a\x00", "a\n", "ann\n",
    "\u00e9", "\u202eann", "\ud83d\ude00", "x" * 129, ["ann"], {"S": "ann"},
]  # fmt: skip
LOCKED = [d for d in DOORS if d.headers is not nothing and d.path != "/user/create"]
"""`/user/create` may be called without a credential in this deployment."""

doors = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.path)


@pytest.fixture(scope="module")
def scene(gateway: Gateway) -> Scene:
    return make_scene(gateway)


@pytest.fixture(scope="module")
def untouched(scene: Scene) -> tuple[Any, ...]:
    """The account and the entries before the first of these tests."""
    return scene.money()


@pytest.fixture(autouse=True)
def _unchanged(scene: Scene, untouched: tuple[Any, ...]) -> Iterator[None]:
    """Whatever a test sends here changes neither the account nor the entries."""
    yield
    assert scene.money() == untouched


def send(scene: Scene, door: Door, body: Any) -> Reply:
    return scene.gateway.call("POST", door.path, body, headers=door.headers(scene))


@pytest.mark.parametrize(
    ("door", "name"),
    [(door, name) for door in DOORS for name in share(UNREADABLE, door.path, one_in=3)],
    ids=lambda value: value.path if isinstance(value, Door) else value,
)
def test_a_body_that_is_not_a_json_object_in_utf_8_is_refused(
    scene: Scene, door: Door, name: str
) -> None:
    reply = post_bytes(scene.gateway, door.path, UNREADABLE[name], door.headers(scene))
    assert_refused(reply, 400)
    assert reply.code == "invalid_request"


@doors
def test_a_body_over_64_kilobytes_is_refused(scene: Scene, door: Door) -> None:
    for size in (LIMIT + 1, 70_000, 1_000_000):
        padded = json.dumps({**door.body, "note": ""})
        text = padded.replace('"note": ""', f'"note": "{"x" * (size - len(padded))}"')
        for encoded in (False, True):
            raw = base64.b64encode(text.encode()).decode() if encoded else text
            headers = door.headers(scene)
            reply = scene.gateway.call("POST", door.path, raw=raw, encoded=encoded, headers=headers)
            assert_refused(reply, 413)
            assert reply.code == "payload_too_large"


def test_the_limit_counts_bytes_and_not_characters(scene: Scene) -> None:
    text = '{"token":"x","note":"' + "\u00e9" * 40_000 + '"}'
    assert_refused(scene.gateway.call("POST", "/validate-token", raw=text), 413)


def test_64_kilobytes_and_32_levels_are_accepted(scene: Scene) -> None:
    start = '{"token":"x","deep":' + "[" * 31 + "]" * 31 + ',"note":"'
    text = start + "x" * (LIMIT - len(start) - 2) + '"}'
    assert len(text) == LIMIT
    for raw, encoded in ((text, False), (base64.b64encode(text.encode()).decode(), True)):
        reply = scene.gateway.call("POST", "/validate-token", raw=raw, encoded=encoded)
        assert (reply.status, reply.json["valid"]) == (200, False)


@doors
@pytest.mark.parametrize("raw", ["%%%", "e30", "e30=\n", "\u00e9", "{}", "e30=e30="])
def test_a_body_with_invalid_base64_is_refused(scene: Scene, door: Door, raw: str) -> None:
    reply = scene.gateway.call(
        "POST", door.path, raw=raw, encoded=True, headers=door.headers(scene)
    )
    assert_refused(reply, 400)


@doors
def test_a_lone_surrogate_in_the_event_itself_is_refused(scene: Scene, door: Door) -> None:
    reply = scene.gateway.call("POST", door.path, raw='{"a":"\ud800"}', headers=door.headers(scene))
    assert_refused(reply, 400)


@pytest.mark.parametrize("path", ["/v1/devices", "/v1/user/balance", "/user/balance"])
@pytest.mark.parametrize("body", [b"[]", b'{"a":1,"a":2}', b"[" * 10_000, b"\xff"])
def test_a_route_that_needs_no_body_still_refuses_a_bad_one(
    scene: Scene, path: str, body: bytes
) -> None:
    """The promises about bodies hold on every route."""
    assert_refused(post_bytes(scene.gateway, path, body, scene.headers), 400)
    assert_refused(post_bytes(scene.gateway, path, b" " * 70_000, scene.headers), 413)


@pytest.mark.parametrize("door", [door for door in DOORS if door.body], ids=lambda door: door.path)
@pytest.mark.parametrize("raw", ["", " ", "\n", "{}"])
def test_an_empty_body_lacks_required_members(scene: Scene, door: Door, raw: str) -> None:
    reply = scene.gateway.call("POST", door.path, raw=raw, headers=door.headers(scene))
    assert_refused(reply, 400)
    assert reply.details == {"field": next(iter(door.body))}


@pytest.mark.parametrize(
    ("path", "name", "amount"),
    [
        *(("/v1/credits/add", "amount", amount) for amount in [0, *AMOUNTS]),
        *(("/add-credits", "amount", amount) for amount in [0, *AMOUNTS]),
        *(("/user/create", "initialCredits", amount) for amount in AMOUNTS),
    ],
)
def test_credits_are_whole_numbers_and_the_field_is_named(
    scene: Scene, path: str, name: str, amount: Any
) -> None:
    reply = send(scene, DOOR[path], {"userId": scene.user, name: amount})
    assert_refused(reply, 400)
    assert reply.details == {"field": name}


@pytest.mark.parametrize(
    ("path", "user"),
    [
        (door.path, user)
        for door in DOORS
        if "userId" in door.body
        for user in share(USER_IDS, door.path, one_in=2)
    ],
    ids=ascii,
)
def test_a_user_id_has_its_documented_form_and_the_field_is_named(
    scene: Scene, path: str, user: Any
) -> None:
    reply = send(scene, DOOR[path], {**DOOR[path].body, "userId": user})
    assert_refused(reply, 400)
    assert reply.details == {"field": "userId"}


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/v1/credits/add", "reason", 7),
        ("/v1/credits/add", "reason", None),
        ("/v1/credits/add", "reason", "x" * 201),
        ("/add-credits", "transactionId", ""),
        ("/add-credits", "transactionId", 7),
        ("/add-credits", "transactionId", True),
        ("/add-credits", "transactionId", "a b"),
        ("/add-credits", "transactionId", "#a"),
        ("/add-credits", "transactionId", "a\n"),
        ("/add-credits", "transactionId", "x" * 256),
        ("/add-credits", "transactionId", ["a"]),
        ("/validate-token", "token", None),
        ("/validate-token", "token", 7),
        ("/validate-token", "token", "x" * 4097),
        ("/validate-token", "consume", "true"),
        ("/validate-token", "consume", 1),
        ("/validate-token", "consume", None),
        ("/ttt/transcribe", "url", None),
        ("/ttt/transcribe", "url", 7),
        ("/ttt/transcribe", "url", ["https://www.tiktok.com/@a/video/7300000000000000001"]),
        ("/ttt/transcribe", "url", "https://www.tiktok.com/" + "a" * 4097),
        ("/v1/devices/token", "refreshSecret", ""),
        ("/v1/devices/token", "refreshSecret", 7),
        ("/v1/devices/token", "refreshSecret", "x" * 201),
        ("/v1/vend-token", "clientRequestId", 7),
        ("/vend-token", "clientRequestId", {}),
        ("/v1/credits/add", "clientRequestId", "\u00e9"),
        ("/add-credits", "clientRequestId", ""),
        ("/user/create", "clientRequestId", False),
    ],
)
def test_a_member_of_a_wrong_type_or_form_is_named(
    scene: Scene, path: str, name: str, value: Any
) -> None:
    reply = send(scene, DOOR[path], {**DOOR[path].body, name: value})
    assert_refused(reply, 400)
    assert reply.details == {"field": name}


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Client-Request-Id"])
@pytest.mark.parametrize("key", ["", " ", '""', "k" * 256, "a\tb", "a\x00b", "\u00e9", "a\x7f"])
def test_a_key_in_a_header_has_1_to_255_printable_characters(
    scene: Scene, name: str, key: str
) -> None:
    reply = scene.gateway.call("POST", "/v1/vend-token", {}, headers={**scene.headers, name: key})
    assert_refused(reply, 400)
    assert reply.details == {"field": name}


@pytest.mark.parametrize("door", LOCKED, ids=lambda door: door.path)
def test_a_bad_credential_is_reported_before_a_bad_body(scene: Scene, door: Door) -> None:
    for headers in ({}, {"authorization": "Bearer x", "x-api-key": "x", "x-webhook-secret": "x"}):
        reply = post_bytes(scene.gateway, door.path, b"[" * 70_000, headers)
        assert_refused(reply, 401)
        assert reply.headers["www-authenticate"]
