"""`pluct users erase` and `pluct ledger erased`: confirmation, repetition until complete, and the list."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from tests.support.answering import Answer, answering
from tests.support.gateway import Gateway
from tests.support.terminal import Terminal

SECRETS = {"ADMIN_SECRET": "the-admin-secret"}
WORDS = ("users", "erase", "ann", "--reason", "asked by letter")


def erased(origins: int, *, complete: bool = True, **kinds: bool) -> Answer:
    members = {
        "ok": True, "userId": "ann", "erasedAt": "2026-11-26T00:00:00.000Z", "origins": origins,
        "auditRecords": 1, "jobs": 0, "device": False, "profile": False, "subscription": False, **kinds,
    }  # fmt: skip
    return Answer(200, {**members, "complete": complete})


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path, monkeypatch)


def test_erase_repeats_until_complete_and_sums_the_counts(terminal: Terminal) -> None:
    with answering(erased(5, complete=False, device=True), erased(2, profile=True)) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say(*WORDS, "--confirm", "ann", "--json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert (shown["origins"], shown["auditRecords"], shown["complete"]) == (7, 2, True)
    assert (shown["device"], shown["profile"], shown["subscription"]) == (True, True, False)
    assert [asked.path for asked in server.asked] == ["/admin/users/ann/erase"] * 2
    assert server.asked[0].body == {"reason": "asked by letter", "confirm": "ann"}
    assert server.asked[0].headers["authorization"] == "Bearer the-admin-secret"


def test_the_output_names_what_was_erased(terminal: Terminal) -> None:
    with answering(erased(5, device=True)) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say(*WORDS, "--confirm", "ann")
    assert "erased the texts of 5 origins, 1 audit records and 0 jobs" in result.stdout
    assert "the device's secret" in result.stdout and "the profile" not in result.stdout


def test_the_gateway_is_not_called_without_a_confirmation(terminal: Terminal) -> None:
    with answering(erased(5)) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say(*WORDS)
    assert (result.exit_code, server.asked) == (2, [])


def test_a_confirmation_with_another_user_id_is_refused(terminal: Terminal) -> None:
    refusal = Answer(
        400, {"ok": False, "code": "invalid_request", "message": "confirm does not match."}
    )
    with answering(refusal) as server:
        terminal.vars(BASE_URL=server.url, **SECRETS)
        result = terminal.say(*WORDS, "--confirm", "bob")
    assert result.exit_code == 7 and "confirm does not match." in result.stderr
    assert server.asked[0].body["confirm"] == "bob"


def test_the_list_has_each_erased_user_with_the_last_time(endpoint: str, tmp_path: Path) -> None:
    gateway = Gateway(endpoint)
    for user in ("ann", "bob", "cleo"):
        gateway.add(user, 1)

    def listed() -> tuple[int, Any]:
        run_file = tmp_path / "run.json"
        members = {"engineUrl": endpoint, "tableName": gateway.table_name}
        run_file.write_text(json.dumps(members))
        words = ("ledger", "erased", "--json", "--run-file", str(run_file))
        result = CliRunner().invoke(app, words)
        return result.exit_code, json.loads(result.stdout)["erased"]

    assert listed() == (0, [])
    for user, now in (("cleo", 1_800_000_000), ("ann", 1_800_000_060), ("ann", 1_800_000_120)):
        gateway.now = now
        body = {"reason": "asked", "confirm": user}
        path = f"/admin/users/{user}/erase"
        assert gateway.call("POST", path, body, headers=gateway.admin).status == 200
    assert listed() == (
        0,
        [
            {"user": "ann", "erasedAt": "2027-01-15T08:02:00.000Z"},
            {"user": "cleo", "erasedAt": "2027-01-15T08:00:00.000Z"},
        ],
    )
