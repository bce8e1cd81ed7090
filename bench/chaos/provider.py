"""A transcription service that behaves at random, with the interface of `transcription.upstream.Upstream`."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.lives import LIVES, Life, Shown
from bench.chaos.timeline import Timeline
from engine.platform.times import iso
from engine.transcription import upstream
from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer
from standins.ttt_webhook import idempotency_key, signature_of

TEXT = re.compile(r"TEXT-(up-\d+)-END")
"""Where any part of a job's text is shown, this is in it."""

NOISE = 0.05
"""The share of calls that fail for no lasting reason."""

SUBMISSIONS = {
    "accepted": 50,
    "accepted with 200": 6,
    "accepted slowly": 4,
    "accepted with its text": 2,
    "lost after it was accepted": 4,
    "too slow, but accepted": 4,
    "too slow, and forgotten": 2,
    "accepted in rubbish": 2,
    "accepted, oversized": 2,
    "accepted without an id": 2,
    "accepted with an odd id": 2,
    "answered with another's id": 2,
    "not reached": 4,
    "refused 400": 2,
    "refused 401": 1,
    "refused 404": 1,
    "refused 409": 1,
    "refused 422": 2,
    "refused 429": 3,
    "failed 500": 2,
    "failed 503": 2,
}
"""What becomes of a submission, with its weight."""

UNREADABLE = {
    "lost after it was accepted": "broken",
    "too slow, but accepted": "timeout",
    "accepted in rubbish": "not_json",
    "accepted, oversized": "too_large",
}
"""Answers to accepted jobs that no caller can read, and why."""

WEBHOOKS = {"once": 55, "late": 12, "twice": 10, "never": 15, "stale": 3, "forged": 2, "false": 3}
WEATHERS = ("fails", "is slow", "is away", "limits", "refuses us", "restarts", "restarts for good")
ODD_IDS: tuple[Any, ...] = (7, "../status", "", None, {"id": "up-1"}, "x" * 300)


@dataclass
class Job:
    """A job that the service accepted; times in epoch seconds."""

    id: str
    request_id: str
    submission: str
    life: Life
    accepted_at: float
    lasts_s: float
    lost_from: float | None = None
    lost_until: float = 0.0
    asked: int = 0

    @property
    def text(self) -> str:
        return f"words TEXT-{self.id}-END " * self.life.repeats

    def is_lost(self, now: float) -> bool:
        return self.lost_from is not None and self.lost_from <= now < self.lost_until


@dataclass
class Provider:
    """The service. `deliver` takes the bodies of its webhooks."""

    timeline: Timeline
    rng: random.Random
    secret: str
    deliver: Callable[[str], None] = lambda _: None
    calm: bool = False
    """Once it is set nothing fails by chance any more."""
    base: str = "https://upstream.example.test"
    jobs: dict[str, Job] = field(default_factory=dict)
    submissions: dict[str, str] = field(default_factory=dict)
    """How the last submission of each request id went."""
    reached: Counter[str] = field(default_factory=Counter)
    """How often each request id started something here."""
    trouble: str = ""

    def transcribe(
        self, url: str, request_id: str, secret: str, timeout_s: float
    ) -> UpstreamAnswer:
        self._pass(0.05, 1.5)
        how = self._submission()
        self.submissions[request_id] = how
        if how == "not reached":
            raise NotSent()
        self.reached[request_id] += 1
        if how.startswith(("refused", "failed")):
            return _answer(int(how[-3:]), {"error": "refused", "message": "Not now."}, "5")
        if how == "answered with another's id":
            known = [job.id for job in self.jobs.values() if job.asked]
            if known:
                return self._accepted(self.rng.choice(known), url)
        if how == "too slow, and forgotten":
            self.timeline.sleep(timeout_s)
            raise Unknown("timeout")
        job = self._take(request_id, how)
        return self._answered(how, job, url, timeout_s)

    def status(self, job_id: str, secret: str, timeout_s: float) -> UpstreamAnswer:
        self._pass(0.02, 0.8)
        struck = self._struck(timeout_s)
        if struck is not None:
            return struck
        job = self.jobs.get(job_id)
        now = self.timeline.now
        if job is None or job.is_lost(now):
            return _answer(404, {"error": "job_not_found", "message": "No such job."})
        job.asked += 1
        shown = job.life.shown(now - job.accepted_at, job.lasts_s, job.asked)
        return _shown(job, shown, timeout_s, self.timeline)

    def health(self) -> UpstreamAnswer:
        return _answer(200, {"status": "ok"})

    def weather(self, until: float) -> None:
        """Changes how the service as a whole does, from time to time, until then."""
        while self.timeline.now < until:
            self.timeline.sleep(self.rng.uniform(120, 420))
            kind = self.rng.choice(WEATHERS)
            lasts_s = self.rng.uniform(15, 200)
            if kind.startswith("restarts"):
                self._forget(lasts_s if kind == "restarts" else 1e9)
            else:
                self.trouble = kind
            self.timeline.sleep(lasts_s)
            self.trouble = ""

    def _forget(self, lasts_s: float) -> None:
        """A restart: what runs is unknown from now on; it may be taken up again later."""
        now = self.timeline.now
        for job in self.jobs.values():
            if now < job.accepted_at + job.lasts_s:
                job.lost_from, job.lost_until = now, now + lasts_s

    def _pass(self, least: float, most: float) -> None:
        self.timeline.sleep(self.rng.uniform(least, most))

    def _struck(self, timeout_s: float) -> UpstreamAnswer | None:
        """What the weather, or chance, answers to a call, or raises; None where it does nothing."""
        kind = self.trouble
        if not kind and not self.calm and self.rng.random() < NOISE:
            kind = self.rng.choice(("fails", "is slow", "is away", "limits", "rubbish", "drips"))
        if kind in ("is slow", "drips"):
            self.timeline.sleep(timeout_s)
            raise Unknown("timeout")
        if kind == "is away":
            raise NotSent()
        if kind == "rubbish":
            raise Unknown("not_json")
        if not kind:
            return None
        return _answer({"fails": 503, "limits": 429, "refuses us": 401}[kind], {"error": kind})

    def _submission(self) -> str:
        by_weather = {
            "fails": "failed 503",
            "is slow": "too slow, but accepted",
            "is away": "not reached",
            "limits": "refused 429",
            "refuses us": "refused 401",
        }
        if self.trouble in by_weather:
            return by_weather[self.trouble]
        return self.rng.choices(list(SUBMISSIONS), list(SUBMISSIONS.values()))[0]

    def _take(self, request_id: str, how: str) -> Job:
        names = list(LIVES)
        life = LIVES[self.rng.choices(names, [LIVES[name].weight for name in names])[0]]
        job_id = f"up-{len(self.jobs) + 1}"
        job = Job(job_id, request_id, how, life, self.timeline.now, self.rng.uniform(8, 240))
        if life.lost_s is not None:
            job.lost_from = job.accepted_at + self.rng.uniform(0, 60)
            job.lost_until = job.lost_from + life.lost_s * self.rng.uniform(0.3, 2)
        self.jobs[job_id] = job
        if life.ending:
            self.timeline.spawn(lambda: self._post(job), job.lasts_s)
        return job

    def _answered(self, how: str, job: Job, url: str, timeout_s: float) -> UpstreamAnswer:
        if how == "too slow, but accepted":
            self.timeline.sleep(timeout_s)
        if how in UNREADABLE:
            raise Unknown(UNREADABLE[how])
        if how == "accepted slowly":
            self._pass(5, timeout_s * 0.9)
        accepted = {"id": job.id, "status": "queued", "url": url}
        match how:
            case "accepted without an id":
                return _answer(202, {"status": "queued"})
            case "accepted with an odd id":
                return _answer(202, {**accepted, "id": self.rng.choice(ODD_IDS)})
            case "accepted with its text":
                result = {"transcription": job.text}
                return _answer(202, {**accepted, "status": "completed", "result": result})
        return self._accepted(job.id, url, 200 if how == "accepted with 200" else 202)

    def _accepted(self, job_id: str, url: str, status: int = 202) -> UpstreamAnswer:
        members = {
            "id": job_id, "requestId": job_id, "request_id": job_id, "status": "queued",
            "submittedAt": iso(int(self.timeline.now)), "estimatedProcessingTime": 300, "url": url,
            "statusPollUrl": f"{self.base}/status/{job_id}",
        }  # fmt: skip
        return _answer(status, members)

    def _post(self, job: Job) -> None:
        """The webhook of a job that ended, in one of the ways that webhooks take."""
        mode = self.rng.choices(list(WEBHOOKS), list(WEBHOOKS.values()))[0]
        if mode == "never" or job.is_lost(self.timeline.now):
            return
        ended_at = self.timeline.now - (400 if mode == "stale" else 0)
        body = self._notice(job, mode, ended_at)
        self._pass(0, 280 if mode == "late" else 3)
        self.deliver(body)
        if mode == "twice":
            self._pass(0, 5)
            self.deliver(body)

    def _notice(self, job: Job, mode: str, ended_at: float) -> str:
        told = job.life.ending
        if mode == "false":
            told = {"completed": "failed", "failed": "completed"}[told]
        timestamp = iso(int(ended_at))
        body: dict[str, Any] = {
            "jobId": job.id,
            "requestId": job.request_id,
            "status": told,
            "usage": {"audioDurationSeconds": 31.5, "transcriptCharacters": len(job.text)},
            "timestamp": timestamp,
            "idempotencyKey": idempotency_key(job.id, told, timestamp),
        }
        secret = "forged" if mode == "forged" else self.secret
        return json.dumps({**body, "signature": signature_of(body, secret)})


def _shown(job: Job, shown: Shown, timeout_s: float, timeline: Timeline) -> UpstreamAnswer:
    if shown.is_slow:
        timeline.sleep(timeout_s)
        raise Unknown("timeout")
    members = {"id": job.id, "request_id": job.id, **shown.members(job.text)}
    raw = b"{" if shown.is_broken else json.dumps(members).encode()
    if len(raw) > upstream.SIZE_LIMIT:
        raise Unknown("too_large")
    return UpstreamAnswer(shown.http_status, upstream.parse(raw))


def _answer(status: int, members: dict[str, Any], retry_after: str | None = None) -> UpstreamAnswer:
    return UpstreamAnswer(status, members, retry_after)
