"""`pluct listen`: what is believed, what is refused, and what is sent on."""

import base64
import json
import time
from collections.abc import Iterator

import pytest
import requests

from cli.notice_receiver import TOLERANCE_S, Notices, fault, receiving
from engine.access.keyrings import Ring
from engine.credits import standard_webhooks
from tests.support.answering import Answer, answering

pytestmark = pytest.mark.enable_socket

RING = Ring(("old-secret", "new-secret"))
NOW = 1_772_446_530
BODY = json.dumps({"type": "payment.granted", "data": {"userId": "ann"}}).encode()


def signed(body: bytes = BODY, at: int = NOW, ring: Ring = RING) -> dict[str, str]:
    return standard_webhooks.headers("msg_1", at, body, ring)


@pytest.fixture
def door() -> Iterator[tuple[str, Notices]]:
    with receiving(0, RING, None) as made:
        yield made


def test_a_notice_that_any_key_of_the_ring_signed_is_believed() -> None:
    for secret in RING.secrets:
        assert fault(signed(ring=Ring((secret,))), BODY, RING, NOW) == ""


@pytest.mark.parametrize(
    ("headers", "body", "now"),
    [
        ({}, BODY, NOW),
        (signed(), BODY + b" ", NOW),
        (signed(ring=Ring(("another",))), BODY, NOW),
        (signed(), BODY, NOW + TOLERANCE_S + 1),
        (signed(), BODY, NOW - TOLERANCE_S - 1),
        ({**signed(), "webhook-id": "msg_2"}, BODY, NOW),
        ({**signed(), "webhook-timestamp": "soon"}, BODY, NOW),
        ({**signed(), "webhook-signature": "v1a,AAAA \u00e9"}, BODY, NOW),
    ],
)
def test_anything_else_is_refused(headers: dict[str, str], body: bytes, now: int) -> None:
    assert fault(headers, body, RING, now)


def test_a_notice_is_answered_and_handed_on(door: tuple[str, Notices]) -> None:
    url, notices = door
    now = int(time.time())
    assert requests.post(url, data=BODY, headers=signed(at=now), timeout=10).status_code == 204
    notice = notices.next()
    assert notice.as_json == {
        "id": "msg_1", "verified": True, "type": "payment.granted", "data": {"userId": "ann"},
    }  # fmt: skip


def test_what_is_not_signed_gets_401_and_is_shown_as_refused(door: tuple[str, Notices]) -> None:
    url, notices = door
    assert requests.post(url, data=b"\xff", timeout=10).status_code == 401
    shown = notices.next().as_json
    assert (shown["verified"], shown["refused"]) == (False, "it has no signature")


def test_a_body_beyond_the_limit_is_not_read(door: tuple[str, Notices]) -> None:
    url, _ = door
    headers = {"content-length": str(10**9)}
    assert requests.post(url, data=b"", headers=headers, timeout=10).status_code == 413


def test_a_notice_is_sent_on_unchanged_and_the_sender_gets_its_answer() -> None:
    now = int(time.time())
    with (
        answering(Answer(503, {})) as other,
        receiving(0, RING, f"{other.url}/hook") as (url, notices),
    ):
        given = {**signed(at=now), "content-type": "application/json", "x-other": "1"}
        assert requests.post(url, data=BODY, headers=given, timeout=10).status_code == 503
        assert notices.next().forwarded == 503
        (asked,) = other.asked
    assert asked.path == "/hook"
    assert json.dumps(asked.body).encode() == BODY
    assert {name: asked.headers[name] for name in given if name != "x-other"} == {
        name: value for name, value in given.items() if name != "x-other"
    }
    assert "x-other" not in asked.headers


def test_a_receiver_that_is_not_there_is_said_so() -> None:
    now = int(time.time())
    with receiving(0, RING, "http://127.0.0.1:9/") as (url, notices):
        assert requests.post(url, data=BODY, headers=signed(at=now), timeout=15).status_code == 502
        assert notices.next().forwarded == 502


def test_what_is_not_signed_is_not_sent_on() -> None:
    with answering(Answer(200, {})) as other, receiving(0, RING, other.url) as (url, _):
        assert requests.post(url, data=BODY, timeout=10).status_code == 401
        assert other.asked == []


def test_the_format_is_that_of_the_standard() -> None:
    """The reference vector of Standard Webhooks: docs of its libraries."""
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    made = standard_webhooks.signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert made == "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
