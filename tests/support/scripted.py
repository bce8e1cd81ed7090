"""A transcription service that does what a test tells it, without a network."""

from collections.abc import Callable
from typing import Any

from engine.transcription.upstream import NotSent, Unknown, UpstreamAnswer

ACCEPT, LOSE, GARBLE, AWAY, REFUSE, FAIL, TAKEN = (
    "accept", "lose", "garble", "away", "refuse", "fail", "taken",
)  # fmt: skip
"""What becomes of a submitted job: accepted; accepted and the answer lost, by time or as garbage; never
sent; refused in words; failed with a 500; or answered with the id of a job that somebody else has.
"""
PLANS = (ACCEPT, LOSE, GARBLE, AWAY, REFUSE, FAIL, TAKEN)
RUNNING, COMPLETED, FAILED = "processing", "completed", "failed"


class ScriptedUpstream:
    """Has the interface of `transcription.upstream.Upstream`; `jobs` holds the state of each job by id."""

    base = "https://upstream.example.test"

    def __init__(self) -> None:
        self.plan = ACCEPT
        self.taken_id = ""
        self.trouble: Callable[[], Exception] | None = None
        """What a call of `status` raises while it is set."""
        self.jobs: dict[str, str] = {}
        self.started: list[str] = []
        """The request ids of all calls that reached it, in order."""

    def transcribe(
        self, url: str, request_id: str, secret: str, timeout_s: float
    ) -> UpstreamAnswer:
        if self.plan == AWAY:
            raise NotSent()
        self.started.append(request_id)
        if self.plan == REFUSE:
            return UpstreamAnswer(422, {"error": "video_too_long"})
        if self.plan == FAIL:
            return UpstreamAnswer(500, {"error": "internal"})
        if self.plan == TAKEN:
            return self._accepted(self.taken_id, url)
        job_id = f"up-{len(self.started)}"
        self.jobs[job_id] = RUNNING
        if self.plan == LOSE:
            raise Unknown("timeout")
        if self.plan == GARBLE:
            raise Unknown("not_json")
        return self._accepted(job_id, url)

    def status(self, job_id: str, secret: str, timeout_s: float) -> UpstreamAnswer:
        if self.trouble is not None:
            raise self.trouble()
        if job_id not in self.jobs:
            return UpstreamAnswer(404, {"error": "job_not_found"})
        members: dict[str, Any] = {"id": job_id, "status": self.jobs[job_id]}
        if self.jobs[job_id] == COMPLETED:
            members["result"] = {"transcription": "words"}
        return UpstreamAnswer(200, members)

    def _accepted(self, job_id: str, url: str) -> UpstreamAnswer:
        members: dict[str, Any] = {"id": job_id, "status": "queued", "url": url}
        return UpstreamAnswer(202, members)
