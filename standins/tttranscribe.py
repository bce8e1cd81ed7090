"""Stand-in for TTTranscribe, the transcription service.

Wire format: "TTTranscribe, the transcription service" in the project's notes on wire
formats. It behaves as the real service, weaknesses included: POST /transcribe is not
idempotent, jobs are in memory, only the beginning of the URL is checked, the cache's hash
can collide, the webhook is sent once.

Its control API beside that of ``control``:

- ``POST /_control/restart``: removes all jobs, the cache and the webhook queue
- ``POST /_control/jobs/{id}``: ``{"phase": "COMPLETED"}`` forces a phase; with
  ``FAILED``, ``code`` may be a documented failure code
- ``GET /_control/jobs``, ``GET /_control/webhooks``: all jobs, all posted webhooks
- ``POST /_control/settings``: ``{"job_seconds": n, "webhook_url": "http://127..."}``

Fault kinds beside those of ``faults``: ``job`` on the route ``transcribe`` (``outcome`` of
``failed`` with ``code``, ``stuck`` or ``completed`` with ``words`` or
``job_seconds``), ``restart`` on ``transcribe`` or
``status`` (removes all jobs before the answer), and
``webhook`` on the route ``webhook`` (see ``ttt_webhook``), whose rules can ``match``
the job's id, its requestId or its URL.
"""

import json
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from aiohttp import web

from . import ttt_runner, ttt_webhook
from .clock import Clock, iso_millis
from .control import PREFIX, Desk, own_action
from .ttt_gate import URL_EXAMPLE, Gate, error, error_body
from .ttt_jobs import MODEL, Job, status_body
from .ttt_runner import Runner
from .ttt_webhook import WebhookSender

_VERSION = "1.0.0"
_ESTIMATED_PROCESSING_SECONDS = 300
_OWN_KINDS = {**ttt_runner.KINDS, **ttt_webhook.KINDS}

# Only the beginning is matched, as by the real service, where the rest reaches a shell.
_URL_BEGINNINGS = (
    re.compile(r"https?://(www\.)?tiktok\.com/@[\w.-]+/video/\d+", re.ASCII),
    re.compile(r"https?://v[mt]\.tiktok\.com/\w+", re.ASCII),
)


def create_app(
    secret: str,
    webhook_url: str | None = None,
    job_seconds: float = 4.0,
    *,
    webhook_secret: str | None = None,
    clock: Clock | None = None,
    faults: Iterable[Mapping[str, Any]] = (),
) -> web.Application:
    """The stand-in; each job takes ``job_seconds``.

    ``secret`` is the shared secret: it authenticates callers, verifies JWTs and signs
    webhooks, unless ``webhook_secret`` is given for the last. ``faults`` are rules in
    force from the start.
    """
    desk = Desk(error_body, clock, faults, _OWN_KINDS, [secret, webhook_secret or ""])
    sender = WebhookSender(webhook_url, webhook_secret or secret, desk.clock)
    runner = Runner(desk.rules, desk.clock, sender, job_seconds)
    app = desk.application()
    routes = _Routes(runner, sender, desk.clock)
    _add_routes(app, desk, routes, Gate(secret))
    _add_orders(app, _Orders(runner, sender, desk.clock))
    app.cleanup_ctx.append(routes.lifetime)
    return app


def _add_routes(app: web.Application, desk: Desk, routes: "_Routes", gate: Gate) -> None:
    guard = gate.guard
    desk.add(app, "POST", _aliased("/transcribe"), guard(routes.transcribe), "transcribe")
    desk.add(app, "GET", _aliased("/status/{id}"), guard(routes.status), "status")
    desk.add(app, "POST", _aliased("/estimate"), guard(routes.estimate), "estimate")
    desk.add(app, "GET", ["/health"], routes.health, "health")
    desk.add(app, "GET", ["/ready"], routes.ready, "ready")
    desk.add(app, "GET", ["/"], routes.root, "root")
    desk.add(app, "GET", ["/admin/webhook-queue"], guard(routes.queue), "webhook_queue")
    retry = guard(routes.retry_webhook)
    desk.add(app, "POST", ["/admin/retry-webhook/{id}"], retry, "retry_webhook")


def _add_orders(app: web.Application, orders: "_Orders") -> None:
    app.router.add_post(PREFIX + "restart", orders.restart)
    app.router.add_get(PREFIX + "jobs", orders.jobs)
    app.router.add_post(PREFIX + "jobs/{id}", orders.force)
    app.router.add_get(PREFIX + "webhooks", orders.webhooks)
    app.router.add_post(PREFIX + "settings", orders.settings)


def _aliased(path: str) -> list[str]:
    return [path, "/ttt" + path]


class _Routes:
    """The service's own routes."""

    def __init__(self, runner: Runner, sender: WebhookSender, clock: Clock) -> None:
        self._runner = runner
        self._sender = sender
        self._clock = clock
        self._started_at = clock.now()

    async def lifetime(self, app: web.Application) -> AsyncIterator[None]:
        """Cancel all tasks when the application stops."""
        yield
        self._runner.restart()

    async def transcribe(self, request: web.Request) -> web.Response:
        """``POST /transcribe``: always a new job, even for the same requestId."""
        self._restart_if_faulted(request)
        body, refusal = await _body_with_url(request)
        if refusal is not None:
            return refusal
        url = body["url"].strip()
        job = self._runner.submit(url, body.get("requestId"), own_action(request, "job"))
        return web.json_response(self._accepted(job, url, request), status=202)

    def _accepted(self, job: Job, url: str, request: web.Request) -> dict[str, Any]:
        return {
            "id": job.id,
            "requestId": job.id,
            "request_id": job.id,
            "statusPollUrl": f"{_base_url(request)}/status/{job.id}",
            "status": "queued",
            "submittedAt": iso_millis(job.submitted_at),
            "estimatedProcessingTime": _ESTIMATED_PROCESSING_SECONDS,
            "url": url,
        }

    async def status(self, request: web.Request) -> web.Response:
        """``GET /status/{id}``: 404 for a job that a restart has removed."""
        self._restart_if_faulted(request)
        job = self._runner.jobs.get(request.match_info["id"])
        if job is None:
            return error(404, jobId=request.match_info["id"])
        return web.json_response(status_body(job, self._clock.now(), _base_url(request)))

    async def estimate(self, request: web.Request) -> web.Response:
        """``POST /estimate``: the same for every URL."""
        _, refusal = await _body_with_url(request)
        estimate = {
            "estimatedCredits": 1,
            "estimatedDurationSeconds": 45,
            "modelUsed": MODEL,
            "note": "This is an estimate. Actual cost will be based on real audio duration.",
        }
        return refusal or web.json_response(estimate)

    async def health(self, request: web.Request) -> web.Response:
        """``GET /health``: public; shows the URL of the webhook."""
        target = self._sender.url
        body = {
            **self._identity(request),
            "status": "healthy",
            "uptime": self._clock.now() - self._started_at,
            "timestamp": iso_millis(self._clock.now()),
            "cache": self._runner.cache.as_json(),
            "readiness": {"ok": True, "message": "ready", "missing": []},
            "webhook": {
                "queueSize": len(self._sender.undelivered),
                "retryIntervalSeconds": 0,
                "targetUrl": target,
            },
            "environment": {
                "hasAuthSecret": True,
                "hasHfApiKey": True,
                "hasWebhookUrl": target is not None,
                "hasWebhookSecret": True,
            },
        }
        return web.json_response(body)

    async def ready(self, request: web.Request) -> web.Response:
        """``GET /ready``: public; a ``status`` fault of 503 makes the service unready."""
        return web.json_response({"ready": True})

    async def root(self, request: web.Request) -> web.Response:
        """``GET /``: name and version of the service."""
        return web.json_response(self._identity(request))

    async def queue(self, request: web.Request) -> web.Response:
        """``GET /admin/webhook-queue``: undelivered bodies."""
        waiting = list(self._sender.undelivered.values())
        return web.json_response({"queueSize": len(waiting), "webhooks": waiting})

    async def retry_webhook(self, request: web.Request) -> web.Response:
        """``POST /admin/retry-webhook/{id}``: post an undelivered body again."""
        job_id = request.match_info["id"]
        if job_id not in self._sender.undelivered:
            return error(404, jobId=job_id)
        return web.json_response({"success": await self._sender.retry(job_id), "jobId": job_id})

    def _identity(self, request: web.Request) -> dict[str, Any]:
        return {
            "service": "tttranscribe",
            "version": _VERSION,
            "apiVersion": _VERSION,
            "platform": "local",
            "baseUrl": _base_url(request),
        }

    def _restart_if_faulted(self, request: web.Request) -> None:
        if own_action(request, "restart"):
            self._runner.restart()


class _Orders:
    """The control API of this stand-in."""

    def __init__(self, runner: Runner, sender: WebhookSender, clock: Clock) -> None:
        self._runner = runner
        self._sender = sender
        self._clock = clock

    async def restart(self, request: web.Request) -> web.Response:
        """``{"forgotten": jobs}``."""
        return web.json_response({"forgotten": self._runner.restart()})

    async def jobs(self, request: web.Request) -> web.Response:
        """The status of every job, with the requestId and URL of its request."""
        now = self._clock.now()
        jobs = [
            {**status_body(job, now, ""), "requestId": job.request_id, "url": job.url}
            for job in self._runner.jobs.values()
        ]
        return web.json_response(jobs)

    async def force(self, request: web.Request) -> web.Response:
        """The job's status after ``{"phase", "code"?}``."""
        order = await request.json()
        code = order.get("code", "download_unknown")
        job = self._runner.force(request.match_info["id"], order["phase"], code)
        return web.json_response(status_body(job, self._clock.now(), ""))

    async def webhooks(self, request: web.Request) -> web.Response:
        """The posted webhooks, oldest first: ``[{answered, delivered, body}]``."""
        return web.json_response(list(self._sender.deliveries))

    async def settings(self, request: web.Request) -> web.Response:
        """The settings after ``{"job_seconds"?, "webhook_url"?}``; loopback only."""
        order = await request.json()
        seconds = float(order.get("job_seconds", self._runner.job_seconds))
        url = order.get("webhook_url", self._sender.url)
        self._sender.aim(url)
        self._runner.job_seconds = seconds
        return web.json_response({"job_seconds": seconds, "webhook_url": url})


def _base_url(request: web.Request) -> str:
    return f"{request.scheme}://{request.host}"


async def _body_with_url(request: web.Request) -> tuple[dict[str, Any], web.Response | None]:
    """The JSON body, or the documented 400."""
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        return {}, _bad_json()
    url = body.get("url") if isinstance(body, dict) else None
    if isinstance(url, str) and any(known.match(url.strip()) for known in _URL_BEGINNINGS):
        return body, None
    return {}, error(400, providedUrl=url or "undefined")


def _bad_json() -> web.Response:
    body = {
        "error": "invalid_request",
        "message": "Invalid JSON in request body",
        "details": {"reason": "malformed_json", "expectedFormat": f'{{"url": "{URL_EXAMPLE}"}}'},
    }
    return web.json_response(body, status=400)
