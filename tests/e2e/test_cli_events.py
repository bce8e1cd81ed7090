"""`pluct trigger`, `listen` and `logs` at a local run: events of providers, and what follows from them."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.log_groups import LogReader, Wanted
from cli.notice_setting import VARIABLE
from cli.provider_events import EVENTS
from cli.stores import find_stack
from tests.e2e.conftest import App
from tests.support import deployed
from tests.support.paying import Provider
from tests.support.terminal import Terminal

WAIT_S = 90
CHANGES = {
    "stripe.checkout.session.completed": 250,
    "stripe.checkout.session.expired": 0,
    "stripe.checkout.session.async_payment_succeeded": 250,
    "stripe.checkout.session.async_payment_failed": 0,
    "stripe.charge.refunded": 0,
    "stripe.charge.dispute.created": 0,
    "stripe.charge.dispute.closed": 250,
    "mpesa.stk.paid": 250,
    "mpesa.stk.cancelled": 0,
    "mpesa.c2b.confirmation": 250,
    "play.purchased": 250,
    "play.voided": 0,
    "ttt.job.completed": -1,
    "ttt.job.failed": 0,
    "openrouter.usage": 0,
}
"""By how much each event changes the credits of the user."""


@pytest.fixture
def terminal(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal(tmp_path, monkeypatch)
    found.run_file(**app.run)
    return found


def test_every_event_is_known_by_what_it_changes() -> None:
    assert CHANGES.keys() == EVENTS.keys()


@pytest.mark.parametrize("event", sorted(EVENTS))
def test_an_event_of_a_provider_arrives(event: str, app: App, terminal: Terminal) -> None:
    user, _ = app.device(balance=5)
    told = terminal.ask("trigger", event, "--user", user)
    assert told["balanceAfter"] - told["balanceBefore"] == CHANGES[event]
    app.assert_adds_up(user)


def test_the_events_are_listed_and_another_is_not_found(terminal: Terminal) -> None:
    listed = terminal.ask("trigger", "--list")["events"]
    assert [one["event"] for one in listed] == list(EVENTS)
    assert terminal.say("trigger", "stripe.nothing").exit_code == 4


def test_the_lines_of_a_request_are_found(app: App, terminal: Terminal) -> None:
    user, headers = app.device(balance=2)
    vended = app.call("POST", "/v1/vend-token", {}, headers=headers)
    ends_at = time.monotonic() + WAIT_S
    lines: list[dict[str, Any]] = []
    while not lines:
        assert time.monotonic() < ends_at, "no line of the vend"
        text = terminal.say("logs", "tokens", "--user", user, "--json").stdout
        lines = [json.loads(line) for line in text.splitlines()]
    (line,) = lines
    assert line["message"].startswith(f"be:vending user={user} ok=true")
    shown = terminal.say("logs", "--request-id", line["request_id"]).stdout
    assert "POST /v1/vend-token" in shown.replace("\n    ", " ")
    assert vended.status == 200


def test_following_shows_what_comes(app: App, terminal: Terminal) -> None:
    assert terminal.folder.exists()
    reader = LogReader(find_stack(None, None))
    reader.find(["users"])
    found = reader.follow(Wanted(), time.time(), 0.2)
    asking = threading.Timer(0.5, app.device)
    asking.start()
    assert next(found).members["route"] == "POST /v1/devices"
    asking.join()


def test_a_payment_is_noticed_by_a_receiver_that_listens(app: App, terminal: Terminal) -> None:
    """The functions have the receiver's address meanwhile, and their own afterwards."""
    before = _receivers(app)
    user, headers = app.device()

    def buy() -> None:
        ends_at = time.monotonic() + WAIT_S
        while not all(_receivers(app).values()) and time.monotonic() < ends_at:
            time.sleep(0.2)
        asked = {"packId": "p250", "provider": "stripe", "currency": "USD", "clientRequestId": "l"}
        intent = app.call("POST", "/v1/payments/intents", asked, headers=headers).json
        session = intent["checkoutUrl"].rpartition("/")[2]
        Provider(app.run["stripeUrl"]).order("pay", {"session": session})

    buying = threading.Thread(target=buy)
    buying.start()
    result = terminal.say("listen", "--count", "1", "--json")
    buying.join()
    assert result.exit_code == 0, result.output
    (notice,) = (json.loads(text) for text in result.stdout.splitlines())
    assert (notice["type"], notice["verified"]) == ("payment.granted", True)
    assert notice["data"]["userId"] == user
    assert _receivers(app) == before


def _receivers(app: App) -> dict[str, str]:
    """Where each function of the run sends notices to."""
    functions = boto3.client("lambda", **deployed.client_settings(app.run["engineUrl"]))
    pages = functions.get_paginator("list_functions").paginate()
    told = {
        one["FunctionName"]: one["Environment"]["Variables"]
        for p in pages
        for one in p["Functions"]
    }
    return {name: variables[VARIABLE] for name, variables in told.items() if VARIABLE in variables}
