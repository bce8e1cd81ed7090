"""The scene of a drill: a local run with a fault proxy before its engine, its clients, and checks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from bench.drills.fault_proxy import FaultProxy, standing
from bench.processes import descendants, function_of
from engine.credits import verification
from engine.ledger.posting import Ledger
from engine.platform.table import Table
from engine.readmodels import rebuild
from local.engine import aws_client, free_port, json_client
from local.harness import local_run

TIMEOUT_S = 40
AUDIT_DAYS = 400
VIDEO = "https://www.tiktok.com/@scout2015/video/{}"
Reply = requests.Response


@dataclass
class Record:
    """The observations of a drill, each passed to `show`; `held` says whether every promise was kept."""

    lines: list[str] = field(default_factory=list)
    held: bool = True
    show: Callable[[str], None] | None = None

    def saw(self, text: str) -> None:
        self._add(f"  {text}")

    def promise(self, text: str, kept: bool) -> None:
        self._add(f"  {'kept  ' if kept else 'BROKEN'} {text}")
        self.held = self.held and kept

    def _add(self, line: str) -> None:
        self.lines.append(line)
        if self.show is not None:
            self.show(line)


@dataclass(frozen=True)
class User:
    id: str
    headers: Mapping[str, str]


class Scene:
    """The local run, its proxy and its data, as a drill uses them."""

    def __init__(self, run: Mapping[str, str], between: FaultProxy) -> None:
        self.run = run
        self.between = between
        self.table = Table(json_client("dynamodb", run["engineUrl"]), run["tableName"])
        self.ledger = Ledger(self.table)

    def use(self, table: str) -> None:
        """Uses another table from now on."""
        self.table = self.table.beside(table)
        self.ledger = Ledger(self.table)

    @staticmethod
    def now() -> int:
        return int(time.time())

    def aws(self, service: str) -> Any:
        return aws_client(service, self.run["engineUrl"])

    def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Reply:
        return requests.request(
            method, self.run["baseUrl"] + path, headers=headers, json=body, timeout=TIMEOUT_S
        )

    def user(self, balance: int) -> User:
        """A new device with credits. Raises an error when the gateway refuses a request."""
        made = self.call("POST", "/v1/devices")
        made.raise_for_status()
        user = User(made.json()["userId"], {"authorization": f"Bearer {made.json()['token']}"})
        self.pay(user, balance)
        return user

    def pay(self, user: User, amount: int, payment: str | None = None) -> None:
        """Adds credits by a payment. Raises an error when the gateway refuses."""
        named = {"transactionId": payment} if payment else {}
        self.paid("/add-credits", {"userId": user.id, "amount": amount, **named}).raise_for_status()

    def paid(self, path: str, asked: Mapping[str, Any]) -> Reply:
        """The answer to a payment provider."""
        secret = {"x-webhook-secret": self.run["webhookSecret"]}
        return self.call("POST", path, secret, asked)

    def adjust(self, table: bytes) -> Reply:
        """Adjustments of many balances, as CSV."""
        return requests.post(
            self.run["baseUrl"] + "/admin/adjustments?dryRun=false",
            data=table,
            headers={
                "authorization": f"Bearer {self.run['adminSecret']}",
                "content-type": "text/csv",
            },
            timeout=TIMEOUT_S,
        )

    def vend(self, user: User, key: str) -> Reply:
        return self.call("POST", "/v1/vend-token", user.headers, {"clientRequestId": key})

    def vends(self, user: User, keys: list[str], at_once: int = 4) -> dict[str, Reply]:
        with ThreadPoolExecutor(at_once) as pool:
            return dict(zip(keys, pool.map(lambda key: self.vend(user, key), keys), strict=True))

    def transcribe(self, vended: Reply, video: int) -> Reply:
        bearer = {"authorization": f"Bearer {vended.json()['token']}"}
        return self.call("POST", "/ttt/transcribe", bearer, {"url": VIDEO.format(video)})

    def balance(self, user: User) -> tuple[int, int]:
        """The available and the held credits, read from the table."""
        account = self.ledger.account(user.id)
        return account.available, account.held

    def kill(self, function: str) -> int:
        """Ends the processes of a function, so that its next call is a cold start; returns their number."""
        ended = 0
        for pid in list(descendants(os.getpid())):
            if function_of(pid) == function:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    ended += 1
        time.sleep(0.3)
        return ended

    def upstream(self, *faults: Mapping[str, Any]) -> None:
        """Sets a fault of the stand-in for TTTranscribe. Raises an error when it refuses."""
        self.control("POST", "faults", list(faults))

    def job_seconds(self, seconds: float) -> None:
        """Sets the duration of a job in the stand-in for TTTranscribe."""
        self.control("POST", "settings", {"job_seconds": seconds})

    def control(self, method: str, what: str, body: object = None) -> Reply:
        """Calls the control API of the stand-in for TTTranscribe. Raises an error when it refuses."""
        address = f"{self.run['upstreamUrl']}/_control/{what}"
        told = requests.request(method, address, json=body, timeout=TIMEOUT_S)
        told.raise_for_status()
        return told

    def findings(self) -> list[str]:
        """The findings of `pluct ledger verify`."""
        checked = verification.verify_all(self.table)
        return [f"{one.user}: {finding.text}" for one in checked for finding in one.findings]

    def differences(self) -> list[str]:
        """The differences that `pluct ledger rebuild` reports."""
        compared = rebuild.compare(self.table, audit_days=AUDIT_DAYS, now=int(time.time()))
        return [difference.key for difference in compared.differences]


def statuses(replies: Mapping[str, Reply]) -> str:
    """Such as "12 x 200, 3 x 503"."""
    counted = Counter(reply.status_code for reply in replies.values())
    return ", ".join(f"{count} x {status}" for status, count in sorted(counted.items()))


def timeless(reply: Reply) -> str:
    """The answer to a vend without what is left of the token's time."""
    return re.sub(r'"expiresIn":\d+', "", reply.text)


def all_are(replies: Mapping[str, Reply], status: int) -> bool:
    return all(reply.status_code == status for reply in replies.values())


def becomes(wanted: Callable[[], bool], within_s: float) -> float | None:
    """Seconds until `wanted` is true; None when it is not in time."""
    started = time.monotonic()
    while time.monotonic() - started < within_s:
        if wanted():
            return time.monotonic() - started
        time.sleep(0.5)
    return None


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """A local run whose functions reach table and secrets through a `FaultProxy`."""
    port = free_port()
    with standing(port) as between:
        env = {
            "ENGINE_PORT": str(port),
            "AWS_ENDPOINT_URL_DYNAMODB": between.address,
            "AWS_ENDPOINT_URL_SSM": between.address,
        }
        with local_run(RATE_LIMIT="100000", QUIET="1", **env) as run:
            yield Scene(run, between)
