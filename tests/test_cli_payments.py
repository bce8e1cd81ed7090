"""`pluct payments`, against a scripted gateway."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.answering import Answer, Answering, answering
from tests.support.terminal import Terminal

WAITING = {
    "provider": "mpesa", "paymentId": "UA541K7T2P", "status": "unmatched", "reason": "no_intent",
    "grossMinor": 65000, "currency": "KES", "account": "PL7K2M9", "ageSeconds": 7300,
}  # fmt: skip
FINDING = {
    "kind": "granted_not_paid", "provider": "stripe", "paymentId": "pi_1", "ageSeconds": 3700,
    "firstSeenAt": "2026-03-02T10:15:30.000Z", "lastSeenAt": "2026-03-02T10:15:30.000Z",
}  # fmt: skip


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal(tmp_path, monkeypatch)
    made.vars(ADMIN_SECRET="the-admin-secret")
    return made


@contextmanager
def gateway(terminal: Terminal, *answers: dict[str, Any]) -> Iterator[Answering]:
    with answering(*(Answer(200, {"ok": True, **members}) for members in answers)) as server:
        terminal.vars(ADMIN_SECRET="the-admin-secret", BASE_URL=server.url)
        yield server


def test_the_inbox_is_listed_with_reason_and_age(terminal: Terminal) -> None:
    with gateway(terminal, {"payments": [WAITING], "nextCursor": None}) as server:
        result = terminal.say("payments", "list")
    assert result.exit_code == 0, result.output
    assert all(text in result.stdout for text in ("UA541K7T2P", "no_intent", "65000 KES", "2"))
    assert server.asked[0].path.startswith("/admin/payments?")


def test_reconcile_repeats_until_nothing_is_left_and_shows_each_round(terminal: Terminal) -> None:
    rounds = [
        {"isDone": False, "counts": {"granted": 2}},
        {"isDone": True, "counts": {"granted": 1, "listed": 9}},
    ]
    with gateway(terminal, *rounds) as server:
        shown = terminal.ask("payments", "reconcile", "--reason", "a webhook was down", "--json")
    assert shown == {"ok": True, "rounds": 2, "counts": {"granted": 3, "listed": 9}}
    assert [asked.body for asked in server.asked] == [{"reason": "a webhook was down"}] * 2


def test_findings_make_the_exit_code_1(terminal: Terminal) -> None:
    with gateway(terminal, {"findings": [FINDING]}):
        found = terminal.say("payments", "findings")
    assert (found.exit_code, "granted_not_paid" in found.stdout) == (1, True)
    with gateway(terminal, {"findings": []}):
        assert terminal.say("payments", "findings").exit_code == 0


def test_a_decision_is_sent_with_its_reason(terminal: Terminal) -> None:
    decided = {"payment": {**WAITING, "status": "granted"}}
    words = ("payments", "assign", "mpesa", "UA541K7T2P", "ann", "p250")
    with gateway(terminal, decided) as server:
        result = terminal.say(*words, "--reason", "wrote to us", "--yes")
    assert "is granted" in result.stdout
    (asked,) = server.asked
    assert asked.path == "/admin/payments/mpesa/UA541K7T2P/assign"
    assert asked.body == {"userId": "ann", "packId": "p250", "reason": "wrote to us"}


REGISTERED = {
    "isNew": True,
    "shortCode": "174379",
    "confirmationUrl": "https://api.example/v1/payments/callbacks/c/174379.***",
    "validationUrl": "https://api.example/v1/payments/callbacks/v/174379.***",
}


def test_the_addresses_of_mpesa_are_registered_and_shown_without_their_secret(
    terminal: Terminal,
) -> None:
    with gateway(terminal, REGISTERED) as server:
        result = terminal.say("payments", "register-urls", "--reason", "a new short code")
    assert all(REGISTERED[name] in result.stdout for name in ("confirmationUrl", "validationUrl"))
    (asked,) = server.asked
    assert asked.path == "/admin/payments/addresses"
    assert asked.body == {"reason": "a new short code", "again": False}
    with gateway(terminal, {**REGISTERED, "isNew": False}):
        again = terminal.say("payments", "register-urls", "--again", "--reason", "x")
    assert "Registered before for 174379" in again.stdout


def test_mpesa_is_asked_for_a_status_and_a_reversal(terminal: Terminal) -> None:
    with gateway(terminal, {"status": "asked"}) as server:
        result = terminal.say("payments", "ask-status", "UA541K7T2P", "--reason", "the payer wrote")
    assert "was asked for UA541K7T2P" in result.stdout
    assert server.asked[0].path == "/admin/payments/mpesa/UA541K7T2P/status"
    granted = {"payment": {**WAITING, "status": "granted"}}
    with gateway(terminal, granted) as server:
        words = ("payments", "reverse", "UA541K7T2P", "--yes", "--reason", "paid twice")
        assert terminal.say(*words).exit_code == 0
    assert server.asked[0].path == "/admin/payments/mpesa/UA541K7T2P/reverse"
