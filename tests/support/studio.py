"""A gateway whose transcription service is the stand-in, and the steps of a transcription."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from engine.holds import Hold, find
from tests.support.direct import assert_error_body
from tests.support.gateway import Gateway, Reply
from tests.support.upstream import Standin, serving

VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"
OTHER_VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000002"

UNREADABLE: list[tuple[str, dict[str, Any]]] = [
    ("drop", {"when": "before"}),
    ("drop", {"when": "after"}),
    ("garbage", {}),
    ("html", {}),
    ("html", {"status": 502}),
    ("empty", {}),
    ("not_object", {"value": []}),
    ("not_object", {"value": "queued"}),
    ("not_object", {"value": None}),
    ("truncated", {}),
    ("oversized", {"megabytes": 3}),
    ("oversized", {"megabytes": 64, "encoding": "gzip"}),
    ("oversized", {"encoding": "br"}),
]
"""Faults of the stand-in after which nobody can say what upstream did."""


class Studio:
    """`gateway` and `upstream` belong together; the gateway's own time can be moved too."""

    def __init__(self, gateway: Gateway, upstream: Standin) -> None:
        self.gateway = gateway
        self.upstream = upstream

    def vend(self, balance: int = 1) -> tuple[str, dict[str, str], dict[str, str]]:
        """A new user with `balance` credits, the user's headers, and those of a vended token."""
        user, headers = self.gateway.user(balance)
        token = self.gateway.vend(headers).json["token"]
        return user, headers, {"authorization": f"Bearer {token}"}

    def submit(self, vended: dict[str, str], url: str = VIDEO, **members: Any) -> Reply:
        body = {"url": url, **members}
        return self.gateway.call("POST", "/ttt/transcribe", body, headers=vended)

    def status(self, headers: dict[str, str], job_id: str) -> Reply:
        return self.gateway.call("GET", f"/ttt/status/{job_id}", headers=headers)

    def hold(self, user: str) -> Hold:
        """The hold of the user's last vend."""
        (*_, spend) = (entry for entry in self.gateway.entries(user) if entry.type == "spend")
        found = find(self.gateway.ledger.table, user, spend.subject)
        assert found is not None
        return found

    def credits(self, user: str) -> tuple[int, int]:
        """What the user can spend and what is held, after checking that it is explained."""
        self.gateway.assert_explained(user)
        account = self.gateway.ledger.account(user)
        return account.available, account.held

    @contextmanager
    def impatient(self) -> Iterator[None]:
        """The gateway waits a fifth of a second for upstream, instead of seconds."""
        module: Any = self.gateway.function("transcription")
        patient = module.settings
        module.settings = dataclasses.replace(patient, request_timeout_s=0.2)
        try:
            yield
        finally:
            module.settings = patient


@contextmanager
def opened(endpoint: str) -> Iterator[Studio]:
    secret = Gateway(endpoint).rings["TTT_SHARED_SECRET"].signing
    with serving(secret, job_seconds=10.0) as upstream:
        yield Studio(Gateway(endpoint, TTT_BASE=upstream.base, RATE_LIMIT="100000"), upstream)


def assert_failed(reply: Reply, status: int, code: str) -> None:
    """A 5xx of ours with the one error body, without a word from inside or from upstream."""
    assert (reply.status, reply.code) == (status, code)
    assert_error_body(reply)
    assert "127.0.0.1" not in reply.text
