"""The TTTranscribe stand-in has the contract of the real service."""

import asyncio
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any, Self

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from standins import tttranscribe
from standins.clock import Clock
from standins.harness import Client, calls, fault, forward, order, play
from standins.ttt_jobs import DOWNLOAD_ERRORS, transcribe, url_hash
from standins.ttt_webhook import idempotency_key, signature_of

pytestmark = pytest.mark.enable_socket

VECTORS = Path(__file__).parents[2] / "shared" / "vectors" / "signatures.json"

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


async def status(client: Client, job_id: str, expected: int = 200) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {SECRET}"}
    async with client.get(f"/ttt/status/{job_id}", headers=headers) as answer:
        assert answer.status == expected
        body: dict[str, Any] = await answer.json()
        return body


def test_a_submission_gets_the_documented_202_with_private_addresses() -> None:
    async def scenario(client: Client) -> None:
        accepted = await submit(client, requestId="req-1")
        own = f"http://127.0.0.1:{client.port}"
        assert accepted == {
            "id": accepted["id"],
            "requestId": accepted["id"],
            "request_id": accepted["id"],
            "statusPollUrl": f"{own}/status/{accepted['id']}",
            "status": "queued",
            "submittedAt": "2023-11-14T22:13:20.000Z",
            "estimatedProcessingTime": 300,
            "url": VIDEO,
        }
        assert (await submit(client, requestId="req-1"))["id"] != accepted["id"]

    play(ttt_app(), scenario)


def test_a_job_passes_the_real_phases_and_ends_with_its_text() -> None:
    async def scenario(client: Client) -> None:
        job_id = (await submit(client))["id"]
        seen = []
        for _ in range(11):
            body = await status(client, job_id)
            seen.append((body["phase"], body["status"], body["currentStep"], body["progress"]))
            await forward(client, 0.4)
        assert list(dict.fromkeys(seen)) == [
            ("REQUEST_SUBMITTED", "queued", "queued", 0),
            ("DOWNLOADING", "processing", "audio_extraction", 15),
            ("TRANSCRIBING", "processing", "transcription", 35),
            ("SUMMARIZING", "processing", "summarization", 75),
            ("COMPLETED", "completed", "completed", 100),
        ]
        assert body["result"]["transcription"] == transcribe(VIDEO).text
        assert body["result"]["wordCount"] == len(transcribe(VIDEO).text.split(" "))
        assert body["completedAt"] == "2023-11-14T22:13:24.000Z"
        assert "error" not in body and "estimatedCompletion" not in body

    play(ttt_app(), scenario)


def token(**claims: Any) -> str:
    payload = {
        "iss": "pluct-business-engine",
        "aud": "tttranscribe",
        "sub": "req-1",
        "exp": time.time() + 3600,
        **claims,
    }
    return jwt.encode({k: v for k, v in payload.items() if v}, SECRET, algorithm="HS256")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Engine-Auth": SECRET}, 404),
        ({"Authorization": f"bearer {SECRET}"}, 404),
        ({"Authorization": f"Bearer {token()}"}, 404),
        ({"X-Engine-Auth": token()}, 404),
        ({"Authorization": "Bearer wrong", "X-Engine-Auth": SECRET}, 401),
        ({"Authorization": f"Bearer {token(aud='other')}"}, 401),
        ({"Authorization": f"Bearer {token(iss='other')}"}, 401),
        ({"Authorization": f"Bearer {token(exp=1)}"}, 401),
        ({"Authorization": f"Bearer {token(sub=None)}"}, 401),
        ({}, 401),
    ],
)
def test_bearer_has_priority_over_engine_auth_and_a_jwt_over_the_secret(
    headers: dict[str, str], expected: int
) -> None:
    async def scenario(client: Client) -> None:
        async with client.get("/status/nobody", headers=headers) as answer:
            body = await answer.json()
            assert answer.status == expected
        assert body["error"] == ("unauthorized" if expected == 401 else "job_not_found")
        assert SECRET not in json.dumps(await calls(client, "status"))

    play(ttt_app(), scenario)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b"null", b'{"url": 7}', b'{"url": "https://x.org/"}']
)
def test_an_invalid_submission_gets_the_documented_400(body: bytes) -> None:
    async def scenario(client: Client) -> None:
        headers = {"X-Engine-Auth": SECRET}
        async with client.post("/ttt/transcribe", data=body, headers=headers) as answer:
            assert answer.status == 400
            error = (await answer.json())["error"]
        assert error == ("invalid_request" if body == b"{" else "invalid_url")

    play(ttt_app(), scenario)


def test_the_cache_lasts_48_hours_and_its_32_bit_hash_collides() -> None:
    twin, other = "https://vm.tiktok.com/AaAa", "https://vm.tiktok.com/BBBB"
    assert url_hash(twin) == url_hash(other) and transcribe(twin) != transcribe(other)

    async def scenario(client: Client) -> None:
        await submit(client, twin)
        await forward(client, 4)
        hit = await status(client, (await submit(client, other + "?_r=1"))["id"])
        assert (hit["status"], hit["cacheHit"]) == ("completed", True)
        assert hit["estimatedCost"]["isCacheFree"] is True
        assert hit["result"]["transcription"] == transcribe(twin).text
        await forward(client, 48 * 3600)
        assert (await status(client, (await submit(client, twin))["id"]))["status"] == "queued"

    play(ttt_app(), scenario)


def test_texts_are_limited_to_10000_characters_and_differ_by_url() -> None:
    urls = [f"https://vm.tiktok.com/{number}" for number in range(500)]
    assert len({transcribe(url).text for url in urls}) == 500
    assert len(transcribe(VIDEO, words=5000).text) == 10_000


# The signature of the webhook: a known answer, and the shared vector where it is present.
KNOWN = {
    "jobId": "ttt-5f0c",
    "requestId": "req-91ab",
    "status": "completed",
    "usage": {
        "audioDurationSeconds": 45.23,
        "transcriptCharacters": 1937,
        "modelUsed": "openai-whisper-base",
        "processingTimeSeconds": 12,
    },
    "timestamp": "2025-11-29T21:44:30.000Z",
    "idempotencyKey": "7ca3ccc789e26f549b3456bb6e367692165adaad5f1f7b496da377dbcbae0bb4",
    "cacheHit": False,
}
KNOWN_SIGNATURE = "0db2ce2463973623369bcd0bdd79aebdb5db93b2184bc4ea5da4e38d71a2cf80"


def test_the_webhook_signature_is_the_known_answer() -> None:
    assert signature_of(KNOWN, "local-upstream-webhook-secret") == KNOWN_SIGNATURE
    key = idempotency_key("ttt-5f0c", "completed", "2025-11-29T21:44:30.000Z")
    assert key == KNOWN["idempotencyKey"]


@pytest.mark.skipif(not VECTORS.exists(), reason="no shared test vectors beside this checkout")
def test_the_webhook_signature_is_that_of_the_shared_vectors() -> None:
    vector = json.loads(VECTORS.read_text())["tttranscribe"]
    assert signature_of(vector["body"], vector["secret"]) == vector["body"]["signature"]


class Receiver:
    """Receives webhooks; answers each with the next of ``statuses``, then with 200."""

    def __init__(self, *statuses: int) -> None:
        self._statuses = list(statuses)
        self._arrived: asyncio.Queue[tuple[dict[str, str], dict[str, Any]]] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._server = TestServer(app)
        await self._server.start_server()
        self.url = str(self._server.make_url("/hook"))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._server.close()

    async def _take(self, request: web.Request) -> web.Response:
        self._arrived.put_nowait((dict(request.headers), await request.json()))
        return web.Response(status=self._statuses.pop(0) if self._statuses else 200)

    async def next(self) -> dict[str, Any]:
        """The next body; its headers are checked against it."""
        headers, body = await self._arrived.get()
        assert headers["X-TTTranscribe-Signature"] == body["signature"]
        assert headers["X-Idempotency-Key"] == body["idempotencyKey"]
        return body

    @property
    def waiting(self) -> int:
        return self._arrived.qsize()


def is_signed(body: dict[str, Any], secret: str = SECRET) -> bool:
    """Verifies the signature independently of the code under test."""
    names = ("jobId", "requestId", "status", "usage", "timestamp", "idempotencyKey")
    text = json.dumps({name: body[name] for name in names}, separators=(",", ":"))
    expected = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, body["signature"])


async def use_receiver(client: Client, receiver: Receiver) -> None:
    await order(client, "settings", {"webhook_url": receiver.url})


def test_the_webhook_is_sent_once_and_only_with_a_request_id() -> None:
    async def scenario(client: Client) -> None:
        async with Receiver() as receiver:
            await use_receiver(client, receiver)
            await submit(client)
            job_id = (await submit(client, requestId="req-7"))["id"]
            await forward(client, 4)
            body = await receiver.next()
            assert is_signed(body)
            assert (body["jobId"], body["requestId"]) == (job_id, "req-7")
            assert body["status"] == "completed" and body["cacheHit"] is False
            assert body["usage"]["transcriptCharacters"] == len(transcribe(VIDEO).text)
            assert body["usage"]["processingTimeSeconds"] == 4
            await order(client, f"jobs/{job_id}", {"phase": "FAILED"})
            await forward(client, 100)
            assert receiver.waiting == 0
            again = await submit(client, requestId="req-7")
            cached = await receiver.next()
            assert (cached["jobId"], cached["cacheHit"]) == (again["id"], True)
            assert is_signed(cached) and cached["usage"]["processingTimeSeconds"] == 0

    play(ttt_app(), scenario)


@pytest.mark.parametrize("code", sorted(DOWNLOAD_ERRORS))
def test_a_failed_job_has_its_code_in_the_status_and_in_the_webhook(code: str) -> None:
    async def scenario(client: Client) -> None:
        async with Receiver() as receiver:
            await use_receiver(client, receiver)
            await fault(client, "transcribe", {"kind": "job", "outcome": "failed", "code": code})
            job_id = (await submit(client, requestId="req-1"))["id"]
            await forward(client, 4)
            body = await status(client, job_id)
            assert (body["status"], body["phase"], body["progress"]) == ("failed", "FAILED", 0)
            assert body["error"] == body["message"] and body["error"].endswith(f"[code: {code}]")
            assert "result" not in body and "completedAt" not in body
            hook = await receiver.next()
            assert is_signed(hook) and hook["status"] == "failed"
            assert hook["error"] == body["error"]
            assert hook["usage"]["audioDurationSeconds"] == 0

    play(ttt_app(), scenario)


@pytest.mark.parametrize("mode", ["twice", "late", "forged", "never", "contradictory", "stale"])
def test_a_webhook_fails_as_configured(mode: str) -> None:
    async def scenario(client: Client) -> None:
        async with Receiver() as receiver:
            await use_receiver(client, receiver)
            wrong = {"kind": "webhook", "mode": mode, "seconds": 60 if mode == "late" else 0}
            await fault(client, "webhook", wrong, match="req-1")
            await submit(client, requestId="req-1")
            await submit(client, VIDEO + "2", requestId="req-2")
            await forward(client, 4)
            expected = {"twice": 3, "late": 1, "never": 1}.get(mode, 2)
            first = [await receiver.next() for _ in range(expected)]
            by_request = {body["requestId"]: body for body in first}
            assert is_signed(by_request["req-2"]) and by_request["req-2"]["status"] == "completed"
            if mode == "late":
                assert "req-1" not in by_request
                await forward(client, 60)
                by_request["req-1"] = await receiver.next()
            if mode == "never":
                assert "req-1" not in by_request
                return
            told = by_request["req-1"]
            assert is_signed(told) is (mode != "forged")
            assert told["status"] == ("failed" if mode == "contradictory" else "completed")
            day = {"stale": "2023-11-14T21:13:24.000Z", "late": "2023-11-14T22:14:24.000Z"}
            assert told["timestamp"] == day.get(mode, "2023-11-14T22:13:24.000Z")

    play(ttt_app(), scenario)


def test_an_undelivered_webhook_is_sent_again_by_a_manual_retry() -> None:
    async def scenario(client: Client) -> None:
        headers = {"X-Engine-Auth": SECRET}
        async with Receiver(500, 409) as receiver:
            await use_receiver(client, receiver)
            job_id = (await submit(client, requestId="req-1"))["id"]
            await forward(client, 4)
            first = await receiver.next()
            while not await order(client, "webhooks", method="GET"):
                pass
            async with client.get("/admin/webhook-queue", headers=headers) as answer:
                assert (await answer.json())["queueSize"] == 1
            path = f"/admin/retry-webhook/{job_id}"
            async with client.post(path, headers=headers) as answer:
                assert (await answer.json())["success"] is True
            assert await receiver.next() == first
            async with client.post(path, headers=headers) as answer:
                assert answer.status == 404

    play(ttt_app(), scenario)


def test_after_a_restart_every_job_is_404_and_no_webhook_is_sent() -> None:
    async def scenario(client: Client) -> None:
        async with Receiver() as receiver:
            await use_receiver(client, receiver)
            job_id = (await submit(client, requestId="req-1"))["id"]
            assert await order(client, "restart") == {"forgotten": 1}
            assert (await status(client, job_id, 404))["details"] == {"jobId": job_id}
            await fault(client, "status", {"kind": "restart"})
            job_id = (await submit(client, requestId="req-2"))["id"]
            await status(client, job_id, 404)
            await forward(client, 100)
            assert receiver.waiting == 0

    play(ttt_app(), scenario)


def test_a_job_can_be_stuck_and_then_forced() -> None:
    async def scenario(client: Client) -> None:
        async with Receiver() as receiver:
            await use_receiver(client, receiver)
            await fault(client, "transcribe", {"kind": "job", "outcome": "stuck"})
            job_id = (await submit(client, requestId="req-1"))["id"]
            await forward(client, 1e6)
            assert (await status(client, job_id))["phase"] == "TRANSCRIBING"
            failed = {"phase": "FAILED", "code": "download_auth"}
            assert (await order(client, f"jobs/{job_id}", failed))["status"] == "failed"
            assert (await receiver.next())["error"].endswith("[code: download_auth]")

    play(ttt_app(), scenario)


def test_webhooks_are_sent_to_loopback_only() -> None:
    with pytest.raises(ValueError, match="loopback"):
        ttt_app(webhook_url="https://somewhere.example/hook")
