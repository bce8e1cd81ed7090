"""`pluct ledger verify` and `pluct ledger rebuild`: exit codes, tables and JSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from engine.ledger.items import account_pk, entry_sk
from engine.platform.table import Update
from engine.readmodels import rebuild
from tests.support.gateway import Gateway
from tests.support.streams import Context, event, records, stored_entries


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild does not wait: no projector runs beside it."""
    monkeypatch.setattr(rebuild, "SETTLES_S", 0.0)


class LocalRun:
    """A local run with two users, and commands that work on it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.gateway = Gateway(endpoint)
        self.users = [self.gateway.user(balance=5)[0] for _ in range(2)]
        self.run_file = folder / "run.json"
        members = {"engineUrl": endpoint, "tableName": self.gateway.table_name}
        self.run_file.write_text(json.dumps(members))
        self.gateway.vend(self.gateway.user_headers(self.users[0]))

    def project(self) -> None:
        for user in self.users:
            batch = records(stored_entries(self.gateway.ledger.table, user))
            self.gateway.function("projector").lambda_handler(event(batch), Context())

    def edit(self, user: str, sk: str, name: str, value: object) -> None:
        change = "SET #name = :value"
        update = Update(account_pk(user), sk, change, "", {"#name": name}, {":value": value})
        self.gateway.ledger.table.write(update)

    def run(self, *words: str) -> Result:
        return run(*words, "--run-file", str(self.run_file))

    def json(self, *words: str) -> tuple[int, Any]:
        result = self.run(*words, "--json")
        return result.exit_code, json.loads(result.stdout)


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def local(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalRun:
    monkeypatch.setattr(rebuild, "PAUSE_S", 0.0)
    return LocalRun(endpoint, tmp_path)


def test_verify_of_a_correct_ledger_finds_nothing(local: LocalRun) -> None:
    result = local.run("ledger", "verify")
    assert result.exit_code == 0
    assert "2 accounts, 5 entries: everything adds up." in result.stdout
    assert local.json("ledger", "verify") == (
        0,
        {"ok": True, "accounts": 2, "entries": 5, "findings": []},
    )


def test_a_finding_names_the_user_and_the_entry(local: LocalRun) -> None:
    user, other = local.users
    local.edit(user, entry_sk("credits", 2), "reason", "[red]other[/red]")
    code, found = local.json("ledger", "verify")
    assert (code, found["ok"]) == (1, False)
    assert found["findings"] == [
        {
            "user": user,
            "unit": "credits",
            "kind": "edited",
            "seq": 2,
            "text": "entry 2 was changed after it was written",
        }
    ]
    result = local.run("ledger", "verify")
    assert result.exit_code == 1
    assert "entry 2 was changed after it was written" in result.stdout
    assert "1 findings" in result.stdout
    assert local.run("ledger", "verify", "--user", other).exit_code == 0
    assert local.run("ledger", "verify", "--user", user).exit_code == 1


def test_verify_of_an_unknown_user_is_an_error(local: LocalRun) -> None:
    result = local.run("ledger", "verify", "--user", "nobody")
    assert result.exit_code == 2
    assert "There is no account of nobody." in result.stderr
    code, found = local.json("ledger", "verify", "--user", "nobody")
    assert (code, found) == (2, {"ok": False, "error": "There is no account of nobody."})


def test_verify_without_a_reachable_engine_is_an_error(tmp_path: Path) -> None:
    gone = tmp_path / "run.json"
    gone.write_text(json.dumps({"engineUrl": "http://127.0.0.1:9", "tableName": "t"}))
    result = run("ledger", "verify", "--run-file", str(gone))
    assert result.exit_code == 2
    assert "127.0.0.1:9" in result.stderr


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"engineUrl": "x"}'])
def test_a_malformed_run_file_is_reported(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content)
    result = run("ledger", "verify", "--run-file", str(path))
    assert result.exit_code == 2
    assert "is not the file of a local run" in result.stderr


def test_without_a_local_run_a_table_must_be_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("ledger", "verify")
    assert result.exit_code == 2
    assert "name a table with --table" in result.stderr
    both = run("ledger", "verify", "--table", "t", "--run-file", "r")
    assert (both.exit_code, "not both" in both.stderr) == (2, True)


def test_a_table_in_aws_is_reached_with_the_usual_settings(
    local: LocalRun, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert run("ledger", "verify", "--table", local.gateway.table_name).exit_code == 0
    assert run("ledger", "verify", "--table", "missing").exit_code == 2


def test_read_models_are_compared_and_rebuilt(local: LocalRun) -> None:
    code, found = local.json("ledger", "rebuild")
    assert (code, found["ok"], found["rebuilt"]) == (1, False, None)
    assert {one["key"].rpartition(" ")[2] for one in found["differences"]} == {"projected_seq"}
    assert local.run("ledger", "rebuild").exit_code == 1
    code, found = local.json("ledger", "rebuild", "--write")
    assert (code, found["ok"], found["differences"]) == (0, True, [])
    assert found["rebuilt"] == {"generation": 2, "accounts": 2, "standing": []}
    result = local.run("ledger", "rebuild", "--write")
    assert result.exit_code == 0
    assert "Rebuilt for 2 accounts, as generation 3." in result.stdout
    assert "2 accounts, 5 entries: no difference." in result.stdout
    local.project()
    assert local.json("ledger", "rebuild")[0] == 0


def test_a_rebuild_names_the_accounts_that_it_cannot_project(local: LocalRun) -> None:
    user = local.users[0]
    local.edit(user, entry_sk("credits", 2), "amount", 500)
    result = local.run("ledger", "rebuild", "--write")
    assert result.exit_code == 1
    assert f"Stopped: {user} from 2 on" in result.stdout


def test_the_log_has_the_end_of_every_command(
    local: LocalRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "cli.log"
    monkeypatch.setenv("PLUCT_LOG", str(log))
    local.run("ledger", "verify")
    local.run("ledger", "verify", "--user", "nobody")
    local.edit(local.users[0], entry_sk("credits", 1), "amount", 7)
    local.run("ledger", "verify")
    local.run("ledger", "erased")
    assert [line.partition(" ")[2] for line in log.read_text().splitlines()] == [
        "end ledger verify exit=0",
        "end ledger verify exit=2",
        "end ledger verify exit=1",
        "end ledger erased exit=0",
    ]
