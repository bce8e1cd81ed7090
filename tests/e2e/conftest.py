"""The whole system over HTTP: the real template in the local engine, one run for all tests."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import Move
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.table import Table
from local.engine import json_client
from local.harness import local_run
from tests.support.schema import check_answer
from tests.support.upstream import Standin

TIMEOUT_S = 60
JOB_S = 0.4
"""A poll or two; seconds would be waited for in a hundred tests."""


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.content)

    @property
    def code(self) -> str:
        return str(self.json.get("code"))


class App:
    """A mobile app, a payment provider or an operator, whichever headers it sends."""

    def __init__(self, run: Mapping[str, str]) -> None:
        self.run = run
        self._threads = threading.local()
        dynamodb = json_client("dynamodb", run["engineUrl"])
        self.ledger = Ledger(Table(dynamodb, run["tableName"]))

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
        described: bool = True,
    ) -> Reply:
        """One call; its answer is checked against the API description unless that has no part in it."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        given = {"content-type": "application/json", **(headers or {})}
        answer = self._session().request(
            method, self.run["baseUrl"] + path, data=data, headers=given, timeout=TIMEOUT_S,
            allow_redirects=False,
        )  # fmt: skip
        if described:
            check_answer(method, path, answer.status_code, answer.headers, answer.text)
        return Reply(answer.status_code, answer.headers, answer.content)

    def device(self, balance: int = 0) -> tuple[str, dict[str, str]]:
        made = self.call("POST", "/v1/devices").json
        if balance:
            self.pay(made["userId"], balance)
        return made["userId"], bearer(made["token"])

    def pay(self, user: str, amount: int, **members: Any) -> Reply:
        body = {"userId": user, "amount": amount, **members}
        headers = {"x-webhook-secret": self.run["webhookSecret"]}
        return self.call("POST", "/add-credits", body, headers=headers)

    def add(self, user: str, amount: int, **members: Any) -> Reply:
        body = {"userId": user, "amount": amount, **members}
        return self.call(
            "POST", "/v1/credits/add", body, headers={"x-api-key": self.run["adminKey"]}
        )

    def vend(self, headers: Mapping[str, str], key: str | None = None) -> Reply:
        body = {} if key is None else {"clientRequestId": key}
        return self.call("POST", "/v1/vend-token", body, headers=headers)

    def owe(self, user: str, amount: int) -> None:
        """Charges `amount` beyond the balance, as a refund of spent credits does."""
        act = Act("webhook:test", f"owe-{user}", "", "", "refunded", at=int(time.time()))
        once = RequestOnce(self.ledger, Request(user, "clawback", None, "", act), {})
        self.ledger.post(Move(user, "clawback", 0, 0, act, owed=amount), once)

    def assert_adds_up(self, user: str) -> None:
        account = self.ledger.account(user)
        entries = self.ledger.entries(user, limit=1000)[::-1]
        assert [entry.seq for entry in entries] == list(range(1, account.seq + 1))
        assert sum(entry.amount for entry in entries) == account.available
        assert sum(entry.held for entry in entries) == account.held
        assert sum(entry.owed for entry in entries) == account.owed
        assert all(entry.hash == entry.expected_hash() for entry in entries)

    def _session(self) -> requests.Session:
        if not hasattr(self._threads, "session"):
            self._threads.session = requests.Session()
            self._threads.session.trust_env = False
        return self._threads.session


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="session")
def app() -> Iterator[App]:
    """The run of all tests that need no other; a job of its transcription service ends soon."""
    with local_run(RATE_LIMIT="100000", QUIET="1") as run:
        jobs_take(run, JOB_S)
        yield App(run)


def jobs_take(run: Mapping[str, str], seconds: float) -> None:
    """How long each new job of the transcription service takes."""
    standin = Standin(run["upstreamUrl"])
    standin.order("settings", {"job_seconds": seconds})
    standin.close()


@contextmanager
def long_jobs(app: App) -> Iterator[None]:
    """A job that begins meanwhile is still running whenever a test looks at it."""
    jobs_take(app.run, 600)
    try:
        yield
    finally:
        jobs_take(app.run, JOB_S)
