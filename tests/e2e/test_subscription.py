"""The subscription service over HTTP: concurrent callers, real processes, KMS and the monitor."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import boto3
import jwt
import pytest

from engine.ledger.posting import Ledger
from engine.subscriptions.plans import UNIT
from tests.e2e.conftest import App, Reply, bearer
from tests.support import deployed
from tests.support.openrouter import Standin

_users = itertools.count(1)


@pytest.fixture(scope="module")
def standin(app: App) -> Iterator[Standin]:
    running = Standin(app.run["openrouterUrl"])
    yield running
    running.sound()
    running.close()


class Subscriber:
    """One user of the running gateway."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.user = f"subscriber-{next(_users)}"
        claims = {"uid": self.user, "email": "a@example.test", "exp": int(time.time()) + 3600}
        self.headers = bearer(jwt.encode(claims, app.run["subscriptionJwtSecret"], "HS256"))
        self.ledger = Ledger(app.ledger.table, UNIT)

    def ask(self) -> Reply:
        return self.app.call("POST", "/api/key", headers=self.headers)

    def warm(self, count: int) -> None:
        """Starts `count` processes of the function before a race. Starting them during the race would take
        longer than the engine waits on a busy machine.
        """

        def call(_: int) -> None:
            self.app.call("GET", "/api/usage", headers=self.headers, described=False)

        with ThreadPoolExecutor(count) as pool:
            for _ in range(2):
                list(pool.map(call, range(count)))

    def at_once(self, count: int) -> set[str]:
        """The keys that concurrent callers receive."""
        gate = Barrier(count)

        def call(_: int) -> Reply:
            gate.wait(30)
            return self.ask()

        with ThreadPoolExecutor(count) as pool:
            replies = list(pool.map(call, range(count)))
        assert [reply.status for reply in replies] == [200] * count
        return {reply.json["data"]["key"] for reply in replies}

    def types(self) -> list[str]:
        return [entry.type for entry in self.ledger.entries(self.user, limit=1000)[::-1]]

    def assert_adds_up(self) -> None:
        account = self.ledger.account(self.user)
        entries = self.ledger.entries(self.user, limit=1000)
        assert sum(entry.amount for entry in entries) == account.available >= 0
        assert sum(entry.held for entry in entries) == account.held >= 0


def monitor(app: App) -> dict[str, Any]:
    client: Any = boto3.client("lambda", **deployed.client_settings(app.run["engineUrl"]))  # type: ignore[call-overload]
    names = [f["FunctionName"] for f in client.list_functions()["Functions"]]
    (name,) = [name for name in names if "KeyMonitor" in name]
    answer = client.invoke(FunctionName=name, Payload=b"{}")
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def test_25_first_calls_make_one_key(app: App, standin: Standin) -> None:
    subscriber = Subscriber(app)
    subscriber.warm(25)
    assert len(subscriber.at_once(25)) == 1
    assert len(standin.keys(subscriber.user)) == 1
    assert subscriber.types() == ["plan_grant", "key_fund"]
    subscriber.assert_adds_up()


def test_10_rotations_make_one_key_and_charge_once(app: App, standin: Standin) -> None:
    subscriber = Subscriber(app)
    old = subscriber.ask().json["data"]["key"]
    assert standin.spend(old, "0.654321")
    keys = subscriber.at_once(10)
    assert len(keys) == 1 and old not in keys
    assert len(standin.keys(subscriber.user)) == 2
    assert subscriber.types() == ["plan_grant", "key_fund", "usage", "key_fund"]
    subscriber.assert_adds_up()


def test_the_monitor_charges_without_a_call_of_the_user(app: App, standin: Standin) -> None:
    subscriber = Subscriber(app)
    key = subscriber.ask().json["data"]["key"]
    assert standin.spend(key, "0.25")
    assert monitor(app)["troubles"] == 0
    assert subscriber.types() == ["plan_grant", "key_fund", "usage"]
    assert subscriber.ask().json["data"]["remaining_credits"] == 9.75


def test_an_invalid_token_is_401_and_an_unavailable_openrouter_503(
    app: App, standin: Standin
) -> None:
    assert app.call("POST", "/api/key", headers=bearer("invalid")).status == 401
    standin.fault("*", "status", times=None, status=500)
    try:
        reply = Subscriber(app).ask()
    finally:
        standin.sound()
    assert (reply.status, reply.code) == (503, "keys_unavailable")


def test_operators_rotate_keys_and_payments_top_up(app: App, standin: Standin) -> None:
    subscriber = Subscriber(app)
    old = subscriber.ask().json["data"]["key"]
    paid = app.call(
        "POST",
        "/webhooks/top-up",
        {"userId": subscriber.user, "amount": "2.5", "transactionId": f"t-{subscriber.user}"},
        headers={"x-webhook-secret": app.run["webhookSecret"]},
    )
    assert paid.status == 200
    admin = bearer(app.run["adminSecret"])
    path = f"/admin/subscriptions/{subscriber.user}"
    rotated = app.call("POST", f"{path}/rotate", {"reason": "shared"}, headers=admin)
    assert (rotated.status, rotated.json["rotated"]) == (200, True)
    data = subscriber.ask().json["data"]
    assert data["key"] != old and data["remaining_credits"] == 12.5
    story = app.call("GET", path, headers=admin)
    assert [key["state"] for key in story.json["keys"]] == ["live", "retiring"]
    assert data["key"] not in story.text and old not in story.text
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        page = app.call(
            "GET", f"/admin/subscriptions?prefix={subscriber.user}", headers=admin
        ).json["subscriptions"]
        if page and page[0]["remaining_credits"] == 12.5:
            break
        time.sleep(0.2)
    assert [member["userId"] for member in page] == [subscriber.user]
    usage = app.call("GET", "/api/usage", headers=subscriber.headers).json["data"]
    assert usage["remaining_credits"] == 12.5
