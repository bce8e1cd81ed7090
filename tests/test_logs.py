"""Log lines: structured, with the request id and the documented words, without secrets."""

import json
import logging
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from engine.platform import logs
from tests.support.gateway import Gateway
from tests.support.loglines import caught
from tests.support.scene import make_scene


def test_the_documented_lines_are_exactly_these() -> None:
    with caught() as lines:
        logs.vending("ann", ok=True, replayed=False)
        logs.vending("ann", ok=False, code="insufficient_credits")
        logs.upstream_call("transcribe", 202)
        logs.upstream_call("status", 0, reason="timeout")
    assert lines.messages == [
        "be:vending user=ann ok=true",
        "be:vending user=ann ok=false",
        "be:ttt call=transcribe http=202",
        "be:ttt call=status http=0",
    ]
    assert [line.get("code") for line in lines.json] == [None, "insufficient_credits", None, None]
    assert lines.json[3]["reason"] == "timeout"


def test_every_vend_has_its_line_with_the_id_of_its_request(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=1)
    with caught() as lines:
        replies = [gateway.vend(headers, key) for key in ("one", "one", "two")]
    vends = [line for line in lines.json if line["message"].startswith("be:vending")]
    assert [(line["message"], line["request_id"]) for line in vends] == [
        (f"be:vending user={user} ok=true", replies[0].headers["x-request-id"]),
        (f"be:vending user={user} ok=true", replies[1].headers["x-request-id"]),
        (f"be:vending user={user} ok=false", replies[2].headers["x-request-id"]),
    ]
    assert [line.get("replayed") for line in vends] == [None, True, None]
    assert vends[2]["code"] == "insufficient_credits"


def test_a_line_is_one_json_object_with_the_documented_members(gateway: Gateway) -> None:
    with caught() as lines:
        reply = gateway.call("GET", "/v1/credits/balance")
    (line,) = lines.json
    assert line.keys() >= {"level", "message", "timestamp", "service", "request_id"}
    assert (line["message"], line["code"], line["status"]) == ("refused", "unauthorized", 401)
    assert line["request_id"] == reply.headers["x-request-id"]


def test_a_message_that_looks_like_json_stays_text() -> None:
    with caught() as lines:
        logs.logger.info('{"level": "ERROR"}')
    (line,) = lines.json
    assert (line["level"], line["message"]) == ("INFO", '{"level": "ERROR"}')


def test_a_line_tells_its_time_in_utc_wherever_the_machine_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as elsewhere, caught() as lines:
        elsewhere.setenv("TZ", "UTC-9")
        time.tzset()
        logs.logger.info("x")
    time.tzset()
    (line,) = lines.json
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert abs(datetime.fromisoformat(line["timestamp"]) - datetime.now(UTC)) < timedelta(hours=1)


def test_user_input_does_not_break_a_line(gateway: Gateway) -> None:
    agent = 'x"}\n{"level":"CRITICAL","message":"forged\u2028'
    with caught() as lines:
        gateway.call(
            "POST", "/v1/vend-token", {"clientRequestId": agent}, headers={"user-agent": agent}
        )
        gateway.call("GET", f"/{agent}")
    assert all(line["level"] == "INFO" for line in lines.json)


class Root(logging.Handler):
    """Stands where Lambda's own handler does, which writes without structure."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.names.append(record.name)


def test_a_refusal_is_one_line_of_ours_and_no_library_adds_a_traceback(gateway: Gateway) -> None:
    root = Root()
    logging.getLogger().addHandler(root)
    try:
        gateway.call("GET", "/v1/credits/balance")
        gateway.call("POST", "/v1/credits/add", {}, headers=gateway.api_key)
    finally:
        logging.getLogger().removeHandler(root)
    assert root.names == [logs.logger.name] * 2


def test_no_line_of_a_journey_contains_a_secret_token_or_body(gateway: Gateway) -> None:
    with caught() as lines:
        scene = make_scene(gateway)
        mail = {"userId": "ann@private.example", "amount": 1, "reason": "private-words"}
        gateway.call("POST", "/v1/credits/add", mail, headers=scene.api_key)
        gateway.call("POST", "/add-credits", mail, headers=scene.webhook)
        gateway.call("POST", "/add-credits", {**mail, "amount": -1}, headers=scene.webhook)
        gateway.call("POST", "/validate-token", {"token": scene.vended, "consume": True})
        refresh = {"userId": scene.user, "refreshSecret": scene.refresh_secret}
        gateway.call("POST", "/v1/devices/token", refresh)
        gateway.call(
            "GET", "/v1/credits/balance", headers={"authorization": "Bearer almost-a-token"}
        )
        gateway.call("GET", f"/user/{scene.user}/transactions", headers=scene.headers)
    rings = gateway.rings
    secrets = [
        rings[name].signing
        for name in ("ENGINE_JWT_SECRET", "VEND_JWT_SECRET", "TTT_SHARED_SECRET")
    ]
    private = [
        *secrets,
        scene.vended,
        scene.refresh_secret,
        scene.headers["authorization"].removeprefix("Bearer "),
        scene.api_key["x-api-key"],
        scene.webhook["x-webhook-secret"],
        "almost-a-token",
        "private-words",
        "ann@private.example",
    ]
    assert "be:vending" in lines.text and "refused" in lines.text
    assert [word for word in private if word in lines.text or json.dumps(word) in lines.text] == []
