"""A gateway whose transcription service is the stand-in, and the steps of a transcription."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from engine.credits.hold_items import Hold, find
from engine.platform.circuit import Circuit
from tests.support.direct import assert_error_body
from tests.support.gateway import Gateway, Reply
from tests.support.streams import Context
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

    def reset(self) -> None:
        """An upstream without jobs and faults, a breaker that never opened, and the real time."""
        self.upstream.reset()
        self.gateway.now = None
        for name in ("transcription", "transcription_worker", "wallet"):
            module: Any = self.gateway.function(name)
            module.circuit = Circuit(self.gateway.ledger.table, "ttt", self.gateway.clock)
        self.gateway.dynamodb.delete_item(
            TableName=self.gateway.table_name, Key={"pk": {"S": "CIRCUIT"}, "sk": {"S": "ttt"}}
        )

    def pass_(self, seconds: float) -> None:
        """Let the gateway's time go on."""
        self.gateway.now = self.gateway.clock() + seconds

    def status(self, headers: dict[str, str], job_id: str) -> Reply:
        """A second after the call before, as what was heard is told for a second."""
        self.pass_(1)
        return self.told(headers, job_id)

    def told(self, headers: dict[str, str], job_id: str) -> Reply:
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

    def sweep(self) -> dict[str, int]:
        module: Any = self.gateway.function("sweeper")
        module.clock = self.gateway.clock
        return module.lambda_handler({}, Context())

    def notify(self, body: Mapping[str, Any]) -> Reply:
        """Upstream's webhook, as it was signed."""
        return self.gateway.call("POST", "/webhooks/tttranscribe", raw=json.dumps(body))

    @contextmanager
    def handing_over(self, function: str = "transcription") -> Iterator["Worker"]:
        """The gateway has a worker for the calls of `function` while this lasts."""
        module: Any = self.gateway.function(function)
        without = module.calls
        module.calls = worker = Worker(self.gateway)
        try:
            yield worker
        finally:
            module.calls = without

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


class Worker:
    """Keeps the messages that the front sends, and hands them to the worker's real handler."""

    def __init__(self, gateway: Gateway) -> None:
        self.module: Any = gateway.function("transcription_worker")
        self.messages: list[str] = []
        self.naps: list[float] = []
        self.module.clock, self.module.pause = gateway.clock, self.naps.append
        self.at_once = True
        """Whether a message is handled before the front goes on."""

    def send(self, user: str, jti: str) -> None:
        self.messages.append(json.dumps({"user": user, "jti": jti}))
        if self.at_once:
            assert self.work(self.messages[-1]) == []

    def work(self, body: str) -> list[str]:
        """The ids of the messages that must come again."""
        event = {"Records": [{"messageId": "1", "body": body}]}
        answer = self.module.lambda_handler(event, None)
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@contextmanager
def opened(endpoint: str, **settings: str) -> Iterator[Studio]:
    secret = Gateway(endpoint).rings["TTT_SHARED_SECRET"].signing
    with serving(secret, job_seconds=10.0) as upstream:
        settings = {"TTT_BASE": upstream.base, "RATE_LIMIT": "100000", **settings}
        yield Studio(Gateway(endpoint, **settings), upstream)


def assert_failed(reply: Reply, status: int, code: str) -> None:
    """A 5xx of ours with the one error body, without a word from inside or from upstream."""
    assert (reply.status, reply.code) == (status, code)
    assert_error_body(reply)
    assert "127.0.0.1" not in reply.text
