"""Runs the jobs of the transcription stand-in in memory; each ends once."""

import asyncio
import math

from .clock import Clock
from .faults import Action, Kind, RuleBook, RuleError
from .ttt_jobs import (
    COMPLETED,
    DOWNLOAD_ERRORS,
    FAILED,
    PHASES,
    Cache,
    Job,
    transcribe,
    without_query,
)
from .ttt_webhook import ROUTE, WebhookSender

_OUTCOMES = frozenset({"completed", "failed", "stuck"})

KINDS = {
    "job": Kind(
        {
            "outcome": _OUTCOMES,
            "code": frozenset(DOWNLOAD_ERRORS),
            "words": None,
            "job_seconds": None,
        },
        frozenset({"transcribe"}),
    ),
    "restart": Kind({}, frozenset({"transcribe", "status"})),
}


class Runner:
    """The jobs and the cache; a new job takes ``job_seconds``."""

    def __init__(
        self, rules: RuleBook, clock: Clock, sender: WebhookSender, job_seconds: float
    ) -> None:
        self.job_seconds = job_seconds
        self._rules = rules
        self._clock = clock
        self._sender = sender
        self._forget()

    def _forget(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.cache = Cache()
        self._sender.undelivered.clear()
        self._endings: dict[str, asyncio.Task[None]] = {}

    def restart(self) -> int:
        """Remove jobs, cache and undelivered webhooks; returns the number of jobs."""
        forgotten = len(self.jobs)
        for ending in self._endings.values():
            ending.cancel()
        self._forget()
        return forgotten

    def submit(self, url: str, request_id: object, action: Action | None) -> Job:
        """A new job for ``url``, with the outcome of a ``job`` action if there is one."""
        job = self._new_job(without_query(url), request_id, action)
        self.jobs[job.id] = job
        self._endings[job.id] = asyncio.create_task(self._end(job, job.ends_at))
        return job

    def force(self, job_id: str, phase_name: str, code: str) -> Job:
        """Set a job to a phase permanently; a phase that ends the job sends its webhook.

        Raises KeyError for an unknown job or phase, RuleError for an unknown code.
        """
        job, phase = self.jobs[job_id], PHASES[phase_name]
        if code not in DOWNLOAD_ERRORS:
            raise RuleError(f"code: one of {sorted(DOWNLOAD_ERRORS)}")
        job.code = code if phase is FAILED else None
        job.forced = phase
        if not job.announced:
            self._endings[job.id].cancel()
            moment = self._clock.now() if phase in (COMPLETED, FAILED) else math.inf
            self._endings[job.id] = asyncio.create_task(self._end(job, moment))
        return job

    def _new_job(self, url: str, request_id: object, action: Action | None) -> Job:
        wish = action or Action("job", {})
        now = self._clock.now()
        cached = self.cache.get(url, now)
        outcome = wish.get("outcome", "completed")
        seconds = float(wish.get("job_seconds", self.job_seconds))
        return Job(
            url=url,
            request_id=request_id,
            submitted_at=now,
            seconds=0.0 if cached else seconds,
            transcript=cached or transcribe(url, wish.get("words")),
            cached=cached is not None,
            code=wish.get("code", "download_unknown") if outcome == "failed" else None,
            stuck=outcome == "stuck",
        )

    async def _end(self, job: Job, moment: float) -> None:
        await self._clock.sleep_until(moment)
        # No await before this line, so a forced phase cannot come between.
        job.announced = True
        now = self._clock.now()
        if job.phase(now) is COMPLETED and not job.cached:
            self.cache.put(job.transcript, now)
        action = self._rules.take(ROUTE, f"{job.id} {job.request_id} {job.url}")
        await self._sender.send(job, action)
