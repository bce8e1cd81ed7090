"""The subscription service with OpenRouter's stand-in, time, and every call in a test's hands."""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import boto3
import jwt

from engine.ledger.items import Entry, account_pk
from engine.ledger.posting import Ledger
from engine.platform.table import Item, Update
from engine.subscriptions import provider_keys, subscription
from engine.subscriptions.plans import UNIT
from engine.subscriptions.provider_keys import ProviderKey
from engine.subscriptions.subscription import Subscription
from local.engine import json_client
from standins import openrouter
from standins.clock import Clock
from tests.support import deployed
from tests.support.control import Control
from tests.support.gateway import PREFIX, Gateway, Reply
from tests.support.troubles import PatientTime
from tests.support.upstream import served

STARTED_AT = 1_800_000_000
MANAGEMENT_KEY = "sk-or-v1-management-key-of-all-tests"
SUBSCRIPTION_SK = "SUBSCRIPTION"
_users = itertools.count(1)


class Standin(Control):
    """A running stand-in for OpenRouter."""

    def spend(self, key: str, usd: str, **how: bool) -> bool:
        """Whether the key, given by its hash or itself, could spend so much."""
        with self._session.post(
            f"{self.base}/_control/spend", json={"key": key, "usd": usd, **how}, timeout=10
        ) as answer:
            return answer.status_code == 200

    def fault(
        self, route: str, kind: str, *, times: int | None = 1, match: str = "", **options: Any
    ) -> None:
        """Let the next requests to `route` with `match` in them meet a fault, instead of earlier orders."""
        self.order(
            "faults",
            [{"route": route, "times": times, "match": match, "action": {"kind": kind, **options}}],
        )

    def keys(self, user: str) -> list[dict[str, Any]]:
        """Every key that was ever made for `user`, deleted ones too."""
        return [key for key in self.state()["keys"] if key["name"].startswith(f"sub:{user}:")]

    def live(self, user: str) -> list[dict[str, Any]]:
        return [key for key in self.keys(user) if key["live"]]

    def spent(self, user: str) -> int:
        """Micro-dollars, by what the stand-in knows to be true."""
        return sum(to_micros(key["spent_usd"]) for key in self.keys(user))

    def forget(self, user: str) -> None:
        """Delete the user's keys as the operator would, so that later rounds do not look at them."""
        for key in self.live(user):
            url = f"{self.base}/api/v1/keys/{key['hash']}"
            headers = {"Authorization": f"Bearer {MANAGEMENT_KEY}"}
            self._session.delete(url, headers=headers, timeout=10).close()

    def counts(self) -> dict[str, int]:
        return dict(self.state()["calls"])

    def close(self) -> None:
        self._session.close()


def to_micros(usd: str) -> int:
    return int(Decimal(usd) * 1_000_000)


@dataclass(frozen=True)
class Context:
    """What Lambda tells a function of its time."""

    left_s: float = 200.0
    aws_request_id: str = "round"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left_s * 1000)


class Studio:
    """A gateway whose OpenRouter is `standin`; both clocks move together."""

    def __init__(self, endpoint: str, standin: Standin, **settings: str) -> None:
        client: Any = deployed.client_settings(endpoint)
        kms = boto3.client("kms", **client)
        self.kms_key = kms.create_key()["KeyMetadata"]["Arn"]
        put_management_key(endpoint)
        self.gateway = Gateway(
            endpoint,
            **{
                "RATE_LIMIT": "100000",
                "OPENROUTER_BASE": standin.base,
                "KMS_KEY": self.kms_key,
                **settings,
            },
        )
        self.standin = standin
        self.now = float(STARTED_AT)
        self.gateway.now = self.now
        self.app = self.gateway.function("subscription")
        self.watch = self.gateway.function("key_monitor")
        self.watch.clock = lambda: self.now
        self.table = self.gateway.ledger.table
        self.ledger = Ledger(self.table, UNIT)
        self.patience = PatientTime()
        self.app.issuer._clock = self.patience.clock
        self.app.issuer._sleep = self.patience.sleep

    def forward(self, seconds: float) -> None:
        self.now += seconds
        self.gateway.now = self.now
        self.standin.forward(seconds)

    def headers(self, user: str, **claims: Any) -> dict[str, str]:
        ring = self.gateway.rings["JWT_SECRET_CLOUD"]
        about = {
            "uid": user,
            "email": f"{user}@example.test",
            "username": user,
            "exp": int(self.now) + 3600,
            **claims,
        }
        return {"authorization": f"Bearer {jwt.encode(about, ring.signing, 'HS256')}"}

    def ask(self, user: str) -> Reply:
        return self.gateway.call("POST", "/api/key", headers=self.headers(user))

    def key(self, user: str) -> dict[str, Any]:
        """The `data` of an answer that must be good."""
        reply = self.ask(user)
        assert reply.status == 200, reply.text
        found: dict[str, Any] = reply.json["data"]
        return found

    def monitor(self, left_s: float = 200.0) -> dict[str, int]:
        found: dict[str, int] = self.watch.lambda_handler({}, Context(left_s))
        return found

    def settle(self, rounds: int = 8, step_s: float = 400.0) -> None:
        """Time passes, OpenRouter works, and the monitor comes by."""
        self.standin.sound()
        for _ in range(rounds):
            self.forward(step_s)
            self.monitor()

    def subscription(self, user: str) -> Subscription:
        found = subscription.find(self.table, user)
        assert found is not None
        return found

    def as_of_the_first_version(self, user: str) -> None:
        """Takes the three figures from the subscription's item, as the first version stored none."""
        change = "REMOVE granted, paid, adjusted"
        self.table.write(Update(account_pk(user), SUBSCRIPTION_SK, change, ""))

    def items(self, user: str) -> list[ProviderKey]:
        """All keys that were ever intended, oldest first."""
        found = self.table.ascending(account_pk(user), "KEY#", "KEY#\uffff", consistent=True)
        return [provider_keys.read(item) for item in found]

    def entries(self, user: str) -> list[Entry]:
        return self.ledger.entries(user, limit=1000)[::-1]

    def types(self, user: str) -> list[str]:
        return [entry.type for entry in self.entries(user)]

    def figures(self, user: str) -> tuple[int, int]:
        account = self.ledger.account(user)
        return account.available, account.held

    def everything(self) -> list[Item]:
        return list(self.table.scan("pk <> :none", {":none": "none"}))

    def assert_explained(self, user: str) -> None:
        """The entries explain the account, and what is held is what its keys have left."""
        ours = self.gateway.ledger
        self.gateway.ledger = self.ledger
        try:
            self.gateway.assert_explained(user)
        finally:
            self.gateway.ledger = ours
        keys = self.items(user)
        entries = self.entries(user)
        assert self.figures(user)[1] == sum(key.held for key in keys)
        charged = -sum(e.amount + e.held for e in entries if e.type == "usage")
        assert charged == sum(key.charged for key in keys)
        for key in keys:
            assert key.held >= 0 and 0 <= key.written_off <= key.usage

    def assert_settled(self, user: str) -> None:
        """At most one key works, no key is unknown, and what was spent is what was charged."""
        self.assert_explained(user)
        live = self.standin.live(user)
        current = self.subscription(user).current
        assert len(live) <= 1
        there = {key["hash"]: key for key in self.standin.keys(user) if not key["deleted"]}
        known = {key.hash for key in self.items(user) if key.state == "live"}
        assert there.keys() == known
        assert [key.number for key in self.items(user) if key.state == "live"] == (
            [current] if current else []
        )
        charged = sum(key.charged for key in self.items(user))
        written_off = sum(key.written_off for key in self.items(user))
        assert charged + written_off == self.standin.spent(user)
        assert self.standin.state()["foreign_writes"] == 0


def put_management_key(endpoint: str, secret: str = MANAGEMENT_KEY) -> None:
    ring = {"keys": [{"secret": secret, "createdAt": "2027-01-01T00:00:00.000Z"}]}
    json_client("ssm", endpoint).put_parameter(
        Name=f"/{PREFIX}/PROVISIONING_API_KEY",
        Value=json.dumps(ring),
        Type="SecureString",
        Overwrite=True,
    )


def key_sk(number: int) -> str:
    """The sort key of a provider key's item."""
    return f"KEY#{number:09d}"


def fresh_user(name: str = "sub") -> str:
    return f"{name}-{next(_users)}"


@contextmanager
def serving(**settings: Any) -> Iterator[Standin]:
    """A stand-in that answers on loopback while it lasts; its time stands still until it is moved."""
    app = openrouter.create_app(
        MANAGEMENT_KEY,
        clock=Clock(lambda: float(STARTED_AT)),
        **{"total_credits": "100000", **settings},
    )
    with served(app) as base:
        standin = Standin(base)
        try:
            yield standin
        finally:
            standin.close()
