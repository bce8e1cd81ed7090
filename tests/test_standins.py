"""The common part of the stand-ins: faults apply as configured and requests are recorded."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from standins import tttranscribe
from standins.clock import Clock
from standins.harness import Client, calls, fault, forward, order, play
from standins.spoiled_answers import BROTLI_64_MIB

pytestmark = pytest.mark.enable_socket

SECRET = "local-shared-secret-of-the-tests"
VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"


def ttt_app(**settings: Any) -> web.Application:
    return tttranscribe.create_app(SECRET, clock=Clock(lambda: 1_700_000_000.0), **settings)


async def submit(client: Client, url: str = VIDEO, **body: Any) -> dict[str, Any]:
    headers = {"X-Engine-Auth": SECRET}
    async with client.post("/transcribe", json={"url": url, **body}, headers=headers) as answer:
        assert answer.status == 202
        accepted: dict[str, Any] = await answer.json()
        return accepted


async def knock(client: Client, path: str = "/health", **more: Any) -> tuple[int, str, bytes]:
    async with client.get(path, allow_redirects=False, **more) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.read()


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
def test_a_dropped_connection_loses_the_request_or_only_its_answer(when: str, jobs: int) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "transcribe", {"kind": "drop", "when": when})
        with pytest.raises(aiohttp.ClientError):
            await submit(client)
        assert len(await order(client, "jobs", method="GET")) == jobs
        [call] = await calls(client, "transcribe")
        assert (call["fault"], call["answered"]) == ("drop", None)

    play(ttt_app(), scenario)


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (400, "invalid_url"),
        (401, "unauthorized"),
        (404, "job_not_found"),
        (429, "rate_limited"),
        (500, "processing_failed"),
        (503, "service_unavailable"),
        (502, "internal server error"),
    ],
)
def test_a_status_fault_has_the_documented_body_and_no_effect(code: int, error: str) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "transcribe", {"kind": "status", "status": code})
        async with client.post("/transcribe", headers={"X-Engine-Auth": SECRET}) as answer:
            assert answer.status == code
            assert (await answer.json())["error"] == error
            assert ("Retry-After" in answer.headers) is (code == 429)
        assert await order(client, "jobs", method="GET") == []

    play(ttt_app(), scenario)


SPOILT: list[tuple[dict[str, Any], int, str, Callable[[bytes], bool]]] = [
    ({"kind": "garbage"}, 200, "application/json", lambda body: body.startswith(b"\x00\x01")),
    ({"kind": "html", "status": 502}, 502, "text/html", lambda body: b"<html>" in body),
    ({"kind": "empty"}, 200, "application/json", lambda body: body == b""),
    ({"kind": "not_object"}, 200, "application/json", lambda body: body == b"[]"),
    ({"kind": "content_type"}, 200, "text/plain", lambda body: b"tttranscribe" in body),
    (
        {"kind": "members", "set": {"status": 7, "cache.size": -1}, "remove": ["version"]},
        200,
        "application/json",
        lambda body: (
            json.loads(body)["status"] == 7
            and json.loads(body)["cache"]["size"] == -1
            and "version" not in json.loads(body)
        ),
    ),
    (
        {"kind": "oversized", "megabytes": 2},
        200,
        "application/json",
        lambda body: len(json.loads(body)["padding"]) == 2 << 20,
    ),
    (
        {"kind": "oversized", "megabytes": 3, "encoding": "gzip"},
        200,
        "application/json",
        lambda body: len(body) < 10_000 and len(gzip.decompress(body)) > 3 << 20,
    ),
    (
        {"kind": "oversized", "encoding": "br"},
        200,
        "application/json",
        lambda body: body == BROTLI_64_MIB,
    ),
    ({"kind": "redirect", "location": "http://other.example/"}, 302, "", lambda body: body == b""),
    ({"kind": "drip", "chunk_bytes": 200, "chunk_seconds": 0}, 200, "", lambda body: b"{" in body),
]


@pytest.mark.parametrize(("action", "code", "kind", "is_spoilt"), SPOILT)
def test_an_answer_is_spoiled_as_configured(
    action: dict[str, Any], code: int, kind: str, is_spoilt: Callable[[bytes], bool]
) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "health", action)
        answered, content_type, body = await knock(client)
        assert answered == code and content_type.startswith(kind) and is_spoilt(body)
        assert (await knock(client))[0] == 200, "a rule applies once unless told otherwise"

    play(ttt_app(), scenario, auto_decompress=False)


def test_a_truncated_answer_is_shorter_than_its_content_length() -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "health", {"kind": "truncated"})
        with pytest.raises(aiohttp.ClientPayloadError):
            await knock(client)

    play(ttt_app(), scenario)


@pytest.mark.parametrize(("when", "jobs"), [("before", 0), ("after", 1)])
def test_a_delay_is_before_or_after_the_effect_of_a_request(when: str, jobs: int) -> None:
    async def scenario(client: Client) -> None:
        await fault(client, "transcribe", {"kind": "delay", "seconds": 30, "when": when})
        submission = asyncio.create_task(submit(client))
        while not await calls(client, "transcribe"):
            pass
        assert len(await order(client, "jobs", method="GET")) == jobs
        await forward(client, 30)
        assert (await submission)["status"] == "queued"

    play(ttt_app(), scenario)


def test_a_rule_counts_its_matches_and_can_be_set_at_the_start() -> None:
    rule = {"route": "status", "match": "job-a", "skip": 1, "times": 2}
    rule["action"] = {"kind": "status", "status": 503}

    async def scenario(client: Client) -> None:
        headers = {"X-Engine-Auth": SECRET}
        seen = [(await knock(client, "/status/job-a", headers=headers))[0] for _ in range(4)]
        assert seen == [404, 503, 503, 404]
        assert (await knock(client, "/status/job-b", headers=headers))[0] == 404
        assert (await order(client, "faults", method="GET"))[0]["seen"] == 3
        await fault(client, "*", {"kind": "garbage"}, times=None)
        bodies = [(await knock(client))[2] for _ in range(3)]
        assert len(set(bodies)) == 1
        assert await order(client, "faults", method="DELETE") == []

    play(ttt_app(faults=[rule]), scenario)


@pytest.mark.parametrize(
    "rule",
    [
        {"route": "statuses", "action": {"kind": "drop"}},
        {"route": "status", "action": {"kind": "dropp"}},
        {"route": "status", "action": {"kind": "drop", "whenn": "after"}},
        {"route": "status", "action": {"kind": "drop", "when": "later"}},
        {"route": "status", "action": {"kind": "status"}},
        {"route": "status", "action": {"kind": "drop"}, "times": 1.5},
        {"route": "webhook", "action": {"kind": "webhook", "mode": "thrice"}},
        {"route": "status", "action": {"kind": "drop"}, "time": 1},
        {"route": "webhook", "action": {"kind": "drop"}},
        {"route": "status", "action": {"kind": "job", "outcome": "stuck"}},
        {"route": "*", "action": {"kind": "restart"}},
        {"route": "transcribe", "action": {"kind": "job", "when": "after"}},
    ],
)
def test_an_invalid_rule_is_refused(rule: dict[str, Any]) -> None:
    async def scenario(client: Client) -> None:
        async with client.post("/_control/faults", json=[rule]) as answer:
            assert answer.status == 400

    play(ttt_app(), scenario)


def test_requests_are_recorded_without_secrets_and_control_calls_are_not_recorded() -> None:
    async def scenario(client: Client) -> None:
        await submit(client, requestId="req-1")
        await knock(client, f"/nowhere?key={SECRET}")
        log = await order(client, "calls", method="GET")
        assert log["counts"] == {"transcribe": 1, "unknown": 1}
        first, second = log["calls"]
        assert (first["method"], first["path"], first["answered"]) == ("POST", "/transcribe", 202)
        assert json.loads(first["body"]) == {"url": VIDEO, "requestId": "req-1"}
        assert first["headers"]["X-Engine-Auth"] == "***" and second["path"] == "/nowhere?key=***"
        assert await order(client, "calls", method="DELETE") == {"counts": {}, "calls": []}

    play(ttt_app(), scenario)
