"""`pluct subscriptions` against the whole system over HTTP: each command and its effect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import App
from tests.e2e.test_cli import once
from tests.e2e.test_subscription import Subscriber
from tests.support.openrouter import Standin
from tests.support.terminal import Terminal

WHY = ("--reason", "asked by mail")


@pytest.fixture
def terminal(app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal(tmp_path, monkeypatch)
    found.run_file(**app.run)
    return found


@pytest.fixture
def standin(app: App) -> Iterator[Standin]:
    running = Standin(app.run["openrouterUrl"])
    yield running
    running.close()


def test_each_command_changes_the_subscription(
    app: App, terminal: Terminal, standin: Standin
) -> None:
    subscriber = Subscriber(app)
    user = subscriber.user
    first = subscriber.ask().json["data"]["key"]

    listed = once(lambda: terminal.ask("subscriptions", "list", "--prefix", user)["subscriptions"])
    assert [(one["userId"], one["plan"], one["state"]) for one in listed] == [
        (user, "basic", "active")
    ]
    assert user in terminal.say("subscriptions", "list", "--all").stdout

    more = ("subscriptions", "adjust", user, "2.5", *WHY, "--yes", "--request-id", "adjust-1")
    assert terminal.ask(*more)["available_credits"] == 11.5
    assert terminal.ask(*more)["available_credits"] == 11.5, "the repeated request adds nothing"
    less = terminal.ask("subscriptions", "adjust", user, "-1.5", *WHY, "--yes")
    assert less["available_credits"] == 10
    planned = terminal.ask("subscriptions", "plan", user, "pro", "--policy", "block", *WHY, "--yes")
    assert (planned["plan"], planned["policy"]) == ("pro", "block")

    terminal.ask("subscriptions", "rotate", user, "--revoke", *WHY, "--yes")
    second = subscriber.ask().json["data"]["key"]
    assert second != first and not standin.spend(first, "0.1")
    terminal.ask("subscriptions", "block", user, *WHY, "--yes")
    assert subscriber.ask().status == 402
    terminal.ask("subscriptions", "unblock", user, *WHY)
    assert subscriber.ask().status == 200

    shown = terminal.ask("subscriptions", "show", user)
    assert (shown["plan"], shown["state"], shown["verification"]["ok"]) == ("pro", "active", True)
    text = terminal.say("subscriptions", "show", user).stdout
    assert "pro" in text and "The ledger adds up." in text
    reasons = {entry.reason for entry in subscriber.ledger.entries(user, limit=20)}
    assert "asked by mail" in reasons
    subscriber.assert_adds_up()


def test_webhooks_are_listed_and_an_unknown_one_is_not_replayed(
    app: App, terminal: Terminal
) -> None:
    subscriber = Subscriber(app)
    subscriber.ask()
    assert terminal.ask("subscriptions", "notices", subscriber.user)["webhooks"] == []
    gone = terminal.say("subscriptions", "replay", subscriber.user, "msg_000000000001_x", *WHY)
    assert gone.exit_code == 4


def test_nothing_changes_without_confirmation_or_for_an_unknown_user(
    app: App, terminal: Terminal
) -> None:
    subscriber = Subscriber(app)
    subscriber.ask()
    for words in (("adjust", subscriber.user, "1"), ("plan", subscriber.user, "pro"),
                  ("block", subscriber.user), ("rotate", subscriber.user)):  # fmt: skip
        assert terminal.say("subscriptions", *words, *WHY).exit_code == 2
    assert subscriber.types() == ["plan_grant", "key_fund"]
    assert terminal.say("subscriptions", "show", "nobody-subscribes").exit_code == 4
    assert (
        terminal.say("subscriptions", "adjust", subscriber.user, "much", *WHY, "-y").exit_code == 7
    )
