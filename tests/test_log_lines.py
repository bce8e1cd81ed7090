"""The log line of every route and trigger: one each, with its metrics, and nothing private."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jsonschema
import pytest

from engine.platform import logs
from engine.platform.ids import digest
from tests.support import deployed, loglines
from tests.support.gateway import Gateway
from tests.support.scene import Scene, make_scene
from tests.support.streams import event, records, stored_entries

PRIVATE = "private-words-of-a-client"
MAIL = "ann.private@mail.example"
EMF = {
    "type": "object",
    "required": ["Timestamp", "CloudWatchMetrics"],
    "additionalProperties": False,
    "properties": {
        "Timestamp": {"type": "integer", "minimum": 1_700_000_000_000},
        "CloudWatchMetrics": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["Namespace", "Dimensions", "Metrics"],
                "additionalProperties": False,
                "properties": {
                    "Namespace": {"const": "Pluct"},
                    "Dimensions": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "array", "maxItems": 30, "items": {"type": "string"}},
                    },
                    "Metrics": {
                        "type": "array",
                        "minItems": 1,
                        "maxItems": 100,
                        "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": False,
                            "properties": {
                                "Name": {"type": "string", "maxLength": 1024},
                                "Unit": {"enum": ["Milliseconds", "Count"]},
                            },
                        },
                    },
                },
            },
        },
    },
}
"""The members of CloudWatch's specification that are used here, with its limits."""


def assert_metrics(line: dict[str, Any]) -> None:
    """Every metric is a figure of the line, every dimension a text of it, no metric is named twice."""
    jsonschema.validate(line["_aws"], EMF)
    for directive in line["_aws"]["CloudWatchMetrics"]:
        for metric in directive["Metrics"]:
            value = line[metric["Name"]]
            for figure in value if isinstance(value, list) else [value]:
                assert type(figure) in (int, float), metric
        for name in (name for names in directive["Dimensions"] for name in names):
            assert isinstance(line[name], str) and len(line[name]) <= 1024


@dataclass
class Lambda:
    """What Lambda says of an invocation."""

    function_name: str = "pluct-test-SomeFunction-1A2B"
    aws_request_id: str = "lambda-request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@pytest.fixture(scope="module")
def scene(endpoint: str) -> Scene:
    return make_scene(Gateway(endpoint, RATE_LIMIT="100000", TTT_BASE="http://127.0.0.1:9"))


def credentials(scene: Scene) -> Iterator[dict[str, str]]:
    """Everything that may be shown to a route: only what follows from the request differs."""
    rings = scene.gateway.rings
    yield {}
    yield {"authorization": "Bearer almost-a-token-of-somebody"}
    yield scene.headers | scene.webhook
    yield scene.vended_headers | scene.api_key
    yield {"authorization": f"Bearer {rings['ADMIN_SECRET'].signing}"}
    yield scene.api_key | {"x-api-key": "almost-an-api-key-of-somebody"}


def private(scene: Scene) -> list[str]:
    rings = scene.gateway.rings
    secrets = [secret for name in deployed.secret_names() for secret in rings[name].secrets]
    shown = [value for headers in credentials(scene) for value in headers.values()]
    words = [value.removeprefix("Bearer ") for value in shown]
    return [*secrets, *words, scene.refresh_secret, PRIVATE, MAIL, MAIL.partition("@")[0]]


def bodies(scene: Scene) -> Iterator[dict[str, Any] | None]:
    url = "https://www.tiktok.com/@someone/video/7300000000000000001"
    yield None
    yield {
        "userId": MAIL,
        "amount": 1,
        "reason": PRIVATE,
        "clientRequestId": PRIVATE,
        "url": url,
        "token": scene.vended,
        "refreshSecret": scene.refresh_secret,
    }
    yield {"userId": PRIVATE + " ", "amount": -1, PRIVATE: PRIVATE, "url": f"{url}?{PRIVATE}"}


@pytest.mark.parametrize(("method", "rule"), [route[1:] for route in deployed.routes()])
def test_a_call_is_one_line_with_its_metrics_and_nothing_private(
    scene: Scene, method: str, rule: str
) -> None:
    path = rule.replace("{userId}", MAIL).replace("{id}", PRIVATE).replace("{seq}", "1")
    unheard = private(scene)
    for headers in credentials(scene):
        for body in bodies(scene):
            given = None if method == "GET" else body
            with loglines.caught() as lines:
                reply = scene.gateway.call(
                    method, path, given, headers=headers, query={"url": PRIVATE, "user": MAIL}
                )
            (line,) = [line for line in lines.json if "route" in line]
            assert_metrics(line)
            assert line["route"] == f"{method} {rule}"
            assert (line["status"], line.get("code")) == (reply.status, refusal(reply.text))
            assert line.get("ClientErrors", 0) == (400 <= reply.status < 500)
            assert line.get("ServerErrors", 0) == (reply.status >= 500)
            ids = {line["request_id"] for line in lines.json}
            assert ids == {reply.headers["x-request-id"]}
            assert [word for word in unheard if word in lines.text] == []


def refusal(text: str) -> str | None:
    try:
        members = json.loads(text)
    except ValueError:
        return None
    return members.get("code") if members.get("ok") is False and "code" in members else None


def test_an_unknown_path_is_counted_without_its_text(scene: Scene) -> None:
    with loglines.caught() as lines:
        scene.gateway.call("GET", f"/{PRIVATE}/{MAIL}")
    (line,) = lines.json
    assert (line["route"], line["status"], line["code"]) == ("$default", 404, "route_not_found")
    assert PRIVATE not in lines.text


def test_an_address_in_a_user_id_is_written_as_its_digest(scene: Scene) -> None:
    scene.gateway.add(MAIL, 1)
    with loglines.caught() as lines:
        scene.gateway.vend(scene.gateway.user_headers(MAIL))
    (line,) = lines.json
    assert line["message"] == f"be:vending user=~{digest(MAIL)} ok=true"


def test_a_video_address_is_not_taken_for_an_email(scene: Scene) -> None:
    with loglines.caught() as lines:
        logs.logger.info("x", extra={"url": "https://www.tiktok.com/@ann/video/1"})
    assert lines.json[0]["url"] == "https://www.tiktok.com/@ann/video/1"


def test_a_line_says_which_function_and_trace_it_belongs_to_and_whether_it_started_cold(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-6740f5a1-3c1f5e9b7d2a4c8f0e6b1d3a;Sampled=1")
    monkeypatch.setattr(logs, "_started", False)
    sample = json.loads((deployed.ROOT / "events" / "health.json").read_text())
    handler = scene.gateway.function("health").lambda_handler
    with loglines.caught() as lines:
        for _ in range(2):
            handler(sample, Lambda())
    first, second = lines.json
    assert first["function"] == second["function"] == "pluct-test-SomeFunction-1A2B"
    assert first["xray_trace_id"] == "1-6740f5a1-3c1f5e9b7d2a4c8f0e6b1d3a"
    assert (first["cold_start"], first["ColdStarts"]) == (True, 1)
    assert "cold_start" not in second and "ColdStarts" not in second
    assert_metrics(first)


def test_the_line_of_a_vend_is_short_enough_to_be_cheap(scene: Scene) -> None:
    """CloudWatch charges by the byte; a vend is to log about 350, its metrics are 110 of these."""
    with loglines.caught() as lines:
        scene.gateway.vend(scene.headers)
    (line,) = lines.text.splitlines()
    assert len(line.encode()) <= 380
    assert json.loads(line)["Latency"] > 0


def test_calls_to_upstream_are_lines_as_documented_and_counted_with_the_answer() -> None:
    with loglines.caught() as lines, logs.invocation(Lambda(), "request-1") as line:
        logs.upstream_call("transcribe", 0, reason="timeout")
        logs.upstream_call("transcribe", 202)
        line.answered("POST /ttt/transcribe", 202, None)
    first, last = lines.json
    assert (first["message"], first["reason"]) == ("be:ttt call=transcribe http=0", "timeout")
    assert last["message"] == "be:ttt call=transcribe http=202"
    assert "_aws" not in first and "reason" not in last
    assert (last["UpstreamCalls"], last["UpstreamFailures"], last["status"]) == (2, 1, 202)
    assert {first["request_id"], last["request_id"]} == {"request-1"}
    assert_metrics(last)


def test_a_handler_that_raises_still_writes_its_line() -> None:
    def fail() -> None:
        with logs.invocation(Lambda()):
            logs.upstream_call("status", 503)
            raise KeyboardInterrupt

    with loglines.caught() as lines, pytest.raises(KeyboardInterrupt):
        fail()
    (line,) = lines.json
    assert (line["UpstreamFailures"], line["request_id"]) == (1, "lambda-request-1")
    with loglines.caught() as lines:
        logs.logger.info("next")
    assert "request_id" not in lines.json[0]


def test_an_exceptions_text_is_not_in_the_answer(
    endpoint: str,
) -> None:
    gateway = Gateway(endpoint)
    module: Any = gateway.function("health")

    def fail(*_: Any) -> None:
        raise RuntimeError(f"for {MAIL}")

    module.health.table_answers, kept = fail, module.health.table_answers
    try:
        with loglines.caught() as lines:
            reply = gateway.call("GET", "/health")
    finally:
        module.health.table_answers = kept
    assert (reply.status, MAIL in reply.text, MAIL in lines.text) == (500, False, False)
    error, answer = lines.json
    assert (error["level"], answer["ServerErrors"], answer["code"]) == (
        "ERROR",
        1,
        "internal_error",
    )
    assert error["request_id"] == answer["request_id"] == reply.headers["x-request-id"]


def test_the_triggers_have_their_lines_too(endpoint: str) -> None:
    gateway = Gateway(endpoint, SECRETS_PREFIX=f"lines-{os.getpid()}")
    gateway.add(MAIL, 5)
    gateway.vend(gateway.user_headers(MAIL))
    batch = event(records(stored_entries(gateway.ledger.table, MAIL)))
    with loglines.caught() as lines:
        gateway.function("projector").lambda_handler(batch, Lambda())
        gateway.function("projector").lambda_handler(batch, Lambda())
        gateway.function("sweeper").lambda_handler({}, Lambda())
        gateway.function("rotation").lambda_handler({}, Lambda())
    assert {line["request_id"] for line in lines.json} == {"lambda-request-1"}
    assert MAIL not in lines.text
    counted = [line for line in lines.json if "Entries_spend" in line]
    assert [(line["Entries_spend"], line["Entries_api_add"]) for line in counted] == [(1, 1)]
    assert [line["message"] for line in lines.json][-2:] == ["sweep", "secret ages"]
    for line in lines.json:
        assert "_aws" not in line or assert_metrics(line) is None


def test_every_function_is_traced() -> None:
    template = deployed.load_template(deployed.TEMPLATE)
    assert template["Globals"]["Function"]["Tracing"] == "Active"
    assert not [name for name, p in deployed.functions().items() if "Tracing" in p]


def test_no_log_level_can_suppress_metrics() -> None:
    template = deployed.load_template(deployed.TEMPLATE)
    assert template["Parameters"]["LogLevel"]["AllowedValues"] == ["DEBUG", "INFO"]
