"""An upstream that is slow, unreachable or calls back: over HTTP with the real queue and worker."""

import time
from collections.abc import Callable
from typing import Any

import requests

from local.harness import local_run
from tests.e2e.conftest import App, Reply, bearer

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
WAIT_S = 60


class Service:
    """The control of the stand-in behind the gateway."""

    def __init__(self, run: dict[str, str]) -> None:
        self._base = run["upstreamUrl"] + "/_control/"
        self._session = requests.Session()
        self._session.trust_env = False

    def order(self, path: str, body: Any = None, method: str = "POST") -> Any:
        answer = self._session.request(method, self._base + path, json=body, timeout=10)
        answer.raise_for_status()
        return answer.json()

    def fault(self, route: str, kind: str, **options: Any) -> None:
        self.order("faults", [{"route": route, "action": {"kind": kind, **options}}])

    def jobs(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.order("jobs", method="GET")
        return found


def until(found: Callable[[], Reply], wanted: Callable[[Reply], bool]) -> Reply:
    give_up_at = time.monotonic() + WAIT_S
    while True:
        reply = found()
        if wanted(reply) or time.monotonic() > give_up_at:
            return reply
        time.sleep(0.5)


def test_the_webhook_captures_the_credit_of_a_job_without_status_calls(app: App) -> None:
    user, headers = app.device(1)
    ticket = bearer(app.vend(headers).json["token"])
    assert app.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=ticket).status == 202
    balance = until(
        lambda: app.call("GET", "/v1/credits/balance", headers=headers),
        lambda reply: reply.json["heldCredits"] == 0,
    )
    assert (balance.json["balance"], balance.json["heldCredits"]) == (0, 0)
    assert [entry.actor for entry in app.ledger.entries(user, limit=1)] == ["system:webhook"]
    app.assert_adds_up(user)


def test_a_slow_submission_answers_our_job_id_and_later_ones_go_to_the_worker() -> None:
    """The front waits for one second; upstream takes four."""
    with local_run(REQUEST_TIMEOUT="1", RATE_LIMIT="100000", QUIET="1") as run:
        app, service = App(run), Service(run)
        for expected in ("webhook", "worker"):
            user, headers = app.device(1)
            ticket = bearer(app.vend(headers).json["token"])
            service.fault("transcribe", "delay", seconds=4)
            started = app.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=ticket)
            assert (started.status, started.json["status"]) == (202, "processing"), expected
            own = started.json["jobId"]
            ended = until(
                lambda own=own, headers=headers: app.call(  # type: ignore[misc]
                    "GET", f"/ttt/status/{own}", headers=headers
                ),
                lambda reply: reply.json["credit"] != "held",
            )
            assert (ended.json["status"], ended.json["credit"]) == ("completed", "captured")
            assert ended.json["text"]
            app.assert_adds_up(user)
        assert len(service.jobs()) == 2
