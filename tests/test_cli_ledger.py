"""`pluct ledger`: exit codes, tables for people, JSON for programs."""

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


class Desk:
    """An operator in front of a local run with two users."""

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
def desk(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(rebuild, "PAUSE_S", 0.0)
    return Desk(endpoint, tmp_path)


def test_a_ledger_that_adds_up(desk: Desk) -> None:
    result = desk.run("ledger", "verify")
    assert result.exit_code == 0
    assert "2 accounts, 5 entries: everything adds up." in result.stdout
    assert desk.json("ledger", "verify") == (
        0,
        {"ok": True, "accounts": 2, "entries": 5, "findings": []},
    )


def test_findings_say_where(desk: Desk) -> None:
    user, other = desk.users
    desk.edit(user, entry_sk("credits", 2), "reason", "[red]other[/red]")
    code, found = desk.json("ledger", "verify")
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
    result = desk.run("ledger", "verify")
    assert result.exit_code == 1
    assert "entry 2 was changed after it was written" in result.stdout
    assert "1 findings" in result.stdout
    assert desk.run("ledger", "verify", "--user", other).exit_code == 0
    assert desk.run("ledger", "verify", "--user", user).exit_code == 1


def test_a_user_whom_nobody_knows_can_not_be_checked(desk: Desk) -> None:
    result = desk.run("ledger", "verify", "--user", "nobody")
    assert result.exit_code == 2
    assert "There is no account of nobody." in result.stderr
    code, found = desk.json("ledger", "verify", "--user", "nobody")
    assert (code, found) == (2, {"ok": False, "error": "There is no account of nobody."})


def test_an_engine_that_is_away_can_not_be_checked(tmp_path: Path) -> None:
    gone = tmp_path / "run.json"
    gone.write_text(json.dumps({"engineUrl": "http://127.0.0.1:9", "tableName": "t"}))
    result = run("ledger", "verify", "--run-file", str(gone))
    assert result.exit_code == 2
    assert "127.0.0.1:9" in result.stderr


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"engineUrl": "x"}'])
def test_a_run_file_that_is_none_says_so(tmp_path: Path, content: str | None) -> None:
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


def test_a_table_in_aws_is_found_by_the_usual_settings(
    desk: Desk, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert run("ledger", "verify", "--table", desk.gateway.table_name).exit_code == 0
    assert run("ledger", "verify", "--table", "missing").exit_code == 2


def test_read_models_are_compared_and_made_anew(desk: Desk) -> None:
    code, found = desk.json("ledger", "rebuild")
    assert (code, found["ok"], found["rebuilt"]) == (1, False, None)
    assert {one["key"].rpartition(" ")[2] for one in found["differences"]} == {"projected_seq"}
    assert desk.run("ledger", "rebuild").exit_code == 1
    code, found = desk.json("ledger", "rebuild", "--write")
    assert (code, found["ok"], found["differences"]) == (0, True, [])
    assert found["rebuilt"] == {"generation": 2, "accounts": 2, "standing": []}
    result = desk.run("ledger", "rebuild", "--write")
    assert result.exit_code == 0
    assert "Made anew for 2 accounts, as generation 3." in result.stdout
    assert "2 accounts, 5 entries: no difference." in result.stdout
    desk.project()
    assert desk.json("ledger", "rebuild")[0] == 0


def test_a_rebuild_names_accounts_that_stand_still(desk: Desk) -> None:
    user = desk.users[0]
    desk.edit(user, entry_sk("credits", 2), "amount", 500)
    result = desk.run("ledger", "rebuild", "--write")
    assert result.exit_code == 1
    assert f"Standing still: {user} from 2 on" in result.stdout
