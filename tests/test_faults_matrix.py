"""Every fault of the transcription service at every stage: in the end the user has the text or the credit.

Never neither, never both, and the ledger verifies. `docs/faults.md` has these cases as a table.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from engine.credits.hold_items import RELEASED
from engine.credits.verification import verify_user
from local.settings import ROOT
from tests.support.studio import Studio, opened
from tests.support.upstream import served

TEXT, CREDIT = "text", "credit"
DOCUMENT = ROOT / "docs" / "faults.md"


@dataclass(frozen=True)
class Case:
    """A fault at a stage, what the app is answered there, and what the user ends up with."""

    stage: str
    fault: str
    answered: int
    ends_with: str
    kind: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    times: int | None = 1

    @property
    def id(self) -> str:
        return f"{self.stage}: {self.fault}"


def _spoiled(stage: str, answered: int, ends_with: str) -> list[Case]:
    """Answers that cannot be read."""
    spoilt: list[tuple[str, str, dict[str, Any]]] = [
        ("answer lost before it had effect", "drop", {"when": "before"}),
        ("answer lost after it had effect", "drop", {"when": "after"}),
        ("garbage", "garbage", {}),
        ("HTML", "html", {}),
        ("HTML with 502", "html", {"status": 502}),
        ("empty", "empty", {}),
        ("JSON, but no object", "not_object", {"value": []}),
        ("truncated", "truncated", {}),
        ("oversized", "oversized", {"megabytes": 3}),
        ("a bomb of gzip", "oversized", {"megabytes": 64, "encoding": "gzip"}),
        ("a redirect", "redirect", {"location": "https://evil.example/", "status": 307}),
    ]
    return [Case(stage, fault, answered, ends_with, kind, o) for fault, kind, o in spoilt]


def _refused(stage: str, answers: dict[int, int], ends_with: str) -> list[Case]:
    """Refusals by upstream's status, and what the app is answered."""
    return [
        Case(stage, f"answers {status}", told, ends_with, "status", {"status": status})
        for status, told in answers.items()
    ]


def _worded(*words: str) -> list[Case]:
    """Words that upstream does not say today."""
    said = [(word, {"status": 200, "body": {"status": word}}) for word in words]
    return [Case("status", f"says {w}", 200, CREDIT, "status", o, None) for w, o in said]


CASES = [
    Case("none", "none", 202, TEXT),
    *_spoiled("submit", 502, CREDIT),
    *_refused(
        "submit",
        {400: 400, 401: 502, 402: 502, 403: 502, 404: 404, 409: 409, 422: 422, 429: 429}
        | {500: 502, 502: 502, 503: 502, 504: 502},
        CREDIT,
    ),
    Case("submit", "slow, the job is taken", 202, TEXT, "delay", {"seconds": 60, "when": "after"}),
    Case("submit", "slow, and its webhook is lost", 202, CREDIT, "delay", {"seconds": 60, "when": "before"}),
    Case("submit", "restarts and takes the job", 202, TEXT, "restart"),
    Case("job", "fails", 202, CREDIT, "job", {"outcome": "failed"}),
    Case("job", "never ends", 202, CREDIT, "job", {"outcome": "stuck"}),
    Case("job", "forgotten in a restart", 202, CREDIT),
    *_spoiled("status", 502, TEXT),
    *_refused("status", {401: 502, 403: 502, 429: 502, 500: 502, 503: 502}, TEXT),
    Case("status", "404 once", 404, TEXT, "status", {"status": 404}),
    Case("status", "slow once", 504, TEXT, "delay", {"seconds": 60}),
    Case("status", "never answers again", 502, CREDIT, "drop", {}, None),
    Case("status", "404 for ever", 404, CREDIT, "status", {"status": 404}, None),
    *_worded("canceled", "not_found", "simmering"),
    Case("status", "completed, without its text", 200, CREDIT, "status",
         {"status": 200, "body": {"status": "completed"}}, None),
    *(Case("webhook", mode, 202, TEXT, "webhook", {"mode": mode})
      for mode in ("twice", "late", "forged", "never", "contradictory", "stale")),
]  # fmt: skip


class Stage(Studio):
    """A studio whose upstream has somewhere to post, and whose two clocks tell the same time."""

    posted: list[dict[str, Any]]

    def forward(self, seconds: float) -> None:
        self.upstream.forward(seconds)
        self.gateway.now = self.upstream.order("clock", {"advance_seconds": 0})["now"]

    def ended_jobs(self) -> int:
        jobs = self.upstream.order("jobs", method="GET")
        return sum(job["status"] in ("completed", "failed") for job in jobs)


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Stage]:
    posted: list[dict[str, Any]] = []

    async def receive(request: web.Request) -> web.Response:
        posted.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    with opened(endpoint) as opened_studio, served(app) as base:
        found = Stage(opened_studio.gateway, opened_studio.upstream)
        found.posted = posted
        found.upstream.order("settings", {"webhook_url": base + "/"})
        yield found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_user_ends_up_with_the_text_or_the_credit(studio: Stage, case: Case) -> None:
    studio.reset()
    studio.forward(0)
    studio.posted.clear()
    user, headers, vended = studio.vend()
    _order(studio, case, "submit", "job", "webhook")
    with studio.impatient():
        submitted = studio.submit(vended)
    if case.stage != "status":
        assert submitted.status == case.answered
    job_id = submitted.json.get("jobId") or f"job-{studio.hold(user).jti}"
    _order(studio, case, "status")
    if case.fault == "forgotten in a restart":
        studio.upstream.order("restart")
    studio.forward(30)
    if case.stage == "webhook" or case.fault == "slow, the job is taken":
        _deliver_webhooks(studio, case)
    with studio.impatient():
        told = studio.status(headers, job_id)
    if case.stage == "status":
        assert told.status == case.answered
    text = _wait(studio, user, headers, job_id)
    assert (text is not None) == (case.ends_with == TEXT)
    assert studio.credits(user) == ((0, 0) if case.ends_with == TEXT else (1, 0))
    assert verify_user(studio.gateway.ledger.table, "credits", user).ok
    studio.pass_(86_400)
    studio.sweep()
    assert sum(studio.credits(user)) == (0 if case.ends_with == TEXT else 1)


def _order(studio: Studio, case: Case, *stages: str) -> None:
    if case.kind and case.stage in stages:
        route = {"submit": "transcribe", "job": "transcribe"}.get(case.stage, case.stage)
        studio.upstream.fault(route, case.kind, times=case.times, **case.options)


def _deliver_webhooks(studio: Stage, case: Case) -> None:
    """What upstream has posted, handed to the gateway as soon as all of it is there."""
    mode = case.options.get("mode", "once")
    expected = studio.ended_jobs() * {"twice": 2, "never": 0}.get(mode, 1)
    until = time.monotonic() + 10
    while len(studio.posted) < expected and time.monotonic() < until:
        time.sleep(0.01)
    assert len(studio.posted) == expected
    for body in studio.posted:
        refused = {"forged": 401, "stale": 400}.get(mode, 200)
        assert studio.notify(body).status == refused


def _wait(studio: Studio, user: str, headers: dict[str, str], job_id: str) -> str | None:
    """The text, as the app gets it in the end, while the sweeper comes every five minutes; None once the
    credit has been back for a while.
    """
    back = 0
    while back < 3:
        told = studio.status(headers, job_id)
        if told.status == 200 and told.json.get("text"):
            return str(told.json["text"])
        back += studio.hold(user).state == RELEASED
        studio.pass_(301)
        studio.sweep()
    return None


def test_the_document_has_every_case() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOCUMENT.read_text().splitlines()
        if line.startswith("| ")
    ]
    told = [row for row in rows if row[-1] in (TEXT, CREDIT)]
    assert told == [[c.stage, c.fault, str(c.answered), c.ends_with] for c in CASES]
