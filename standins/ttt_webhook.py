"""The webhook of the transcription stand-in: one signed POST when a job ends.

Format: "Webhook" under "TTTranscribe" in the project's notes on wire formats. The
signature covers six members in order, written as JavaScript writes JSON;
``error`` and ``cacheHit`` are not signed.
"""

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from . import deliveries
from .clock import Clock, iso_millis
from .faults import Action, Kind
from .ttt_jobs import FAILED, Job

MODES = frozenset({"twice", "late", "forged", "never", "contradictory", "stale"})
"""``late`` is delayed by the rule's ``seconds``, ``stale`` is dated ``age_seconds`` ago."""

ROUTE = "webhook"
KINDS = {"webhook": Kind({"mode": MODES, "age_seconds": None}, frozenset({ROUTE}))}

SIGNED_MEMBERS = ("jobId", "requestId", "status", "usage", "timestamp", "idempotencyKey")
_KEPT_DELIVERIES = 1_000
_OPPOSITE = {"completed": "failed", "failed": "completed"}


def signature_of(body: Mapping[str, Any], secret: str) -> str:
    """Hex HMAC-SHA256 over the compact JSON of the six signed members."""
    text = _compact({name: body[name] for name in SIGNED_MEMBERS})
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def idempotency_key(job_id: str, status: str, timestamp: str) -> str:
    """Hex SHA-256 of the three values, joined by hyphens."""
    return hashlib.sha256(f"{job_id}-{status}-{timestamp}".encode()).hexdigest()


def webhook_body(
    job: Job, status: str, secret: str, now: float, age_s: float = 0.0
) -> dict[str, Any]:
    """The signed body of a job that ended as ``status``, dated ``age_s`` before ``now``."""
    timestamp = iso_millis(now - age_s)
    body: dict[str, Any] = {
        "jobId": job.id,
        "requestId": job.request_id,
        "status": status,
        "usage": job.usage(now),
        **({"error": job.error} if status == "failed" else {"cacheHit": job.cached}),
        "timestamp": timestamp,
        "idempotencyKey": idempotency_key(job.id, status, timestamp),
    }
    return {**body, "signature": signature_of(body, secret)}


class WebhookSender:
    """Posts to ``url``, unless it is None, and records the results.

    2xx and 409 count as delivered; after any other result a manual retry is needed,
    because the real service has no automatic one.
    """

    def __init__(self, url: str | None, secret: str, clock: Clock) -> None:
        self.aim(url)
        self.undelivered: dict[str, dict[str, Any]] = {}
        self.deliveries: deque[dict[str, Any]] = deque(maxlen=_KEPT_DELIVERIES)
        self._secret = secret
        self._clock = clock

    def aim(self, url: str | None) -> None:
        """Post to ``url`` from now on. Raises ValueError unless it is on loopback."""
        self.url = None if url is None else deliveries.on_loopback(url)

    async def send(self, job: Job, action: Action | None) -> None:
        """Send the webhook of a job that has ended, with the fault if there is one."""
        mode = action.get("mode", "late") if action else None
        if self.url is None or not job.request_id or mode == "never":
            return
        if action:
            await self._clock.sleep(action.seconds)
        age_s = float(action.get("age_seconds", 3600)) if action and mode == "stale" else 0.0
        body = self._body(job, mode, age_s)
        for _ in range(2 if mode == "twice" else 1):
            await self._post(body)

    async def retry(self, job_id: str) -> bool:
        """Post an undelivered body again, unchanged; returns whether it is delivered.

        Raises KeyError when the job has no undelivered body.
        """
        return await self._post(self.undelivered[job_id])

    def _body(self, job: Job, mode: str | None, age_s: float) -> dict[str, Any]:
        now = self._clock.now()
        status = "failed" if job.phase(now) is FAILED else "completed"
        if mode == "contradictory":
            status = _OPPOSITE[status]
        secret = "not-" + self._secret if mode == "forged" else self._secret
        return webhook_body(job, status, secret, now, age_s)

    async def _post(self, body: dict[str, Any]) -> bool:
        status = await _post_once(str(self.url), body)
        delivered = status is not None and (status // 100 == 2 or status == 409)
        self.deliveries.append({"answered": status, "delivered": delivered, "body": body})
        if delivered:
            self.undelivered.pop(body["jobId"], None)
        else:
            self.undelivered[body["jobId"]] = body
        return delivered


async def _post_once(url: str, body: dict[str, Any]) -> int | None:
    """The receiver's status, or None without an answer."""
    headers = {
        "X-TTTranscribe-Signature": body["signature"],
        "X-Idempotency-Key": body["idempotencyKey"],
    }
    return await deliveries.post(url, _compact(body).encode(), headers)


def _compact(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
