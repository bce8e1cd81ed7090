"""`pluct operators`: passwords shown once, and what each command changes."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from engine.access import operators
from tests.support.gateway import Gateway
from tests.support.operators import Browser


class Desk:
    def __init__(self, endpoint: str, folder: Path) -> None:
        self.gateway = Gateway(endpoint)
        self.run_file = folder / "run.json"
        members = {"engineUrl": endpoint, "tableName": self.gateway.table_name}
        self.run_file.write_text(json.dumps(members))

    def run(self, *words: str) -> tuple[int, str]:
        given = ["operators", *words, "--run-file", str(self.run_file)]
        result = CliRunner().invoke(app, given, env={"COLUMNS": "200"})
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    def json(self, *words: str) -> Any:
        code, output = self.run(*words, "--json")
        return {**json.loads(output), "exit": code}


@pytest.fixture
def desk(endpoint: str, tmp_path: Path) -> Desk:
    return Desk(endpoint, tmp_path)


def test_a_created_operator_logs_in_with_the_password_that_was_shown(desk: Desk) -> None:
    made = desk.json("create", "anna", "--role", "operator")
    assert (made["exit"], made["role"]) == (0, "operator")
    assert Browser(desk.gateway).log_in("anna", made["password"]).json["role"] == "operator"


def test_the_password_is_printed_for_people_too(desk: Desk) -> None:
    code, output = desk.run("create", "anna")
    assert code == 0 and "anna may log in as viewer." in output and "shown once" in output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "Anna"), "A name is"),
        (("create", "anna", "--role", "root"), "A role is"),
        (("change", "anna", "--role", "root"), "A role is"),
        (("password", "nobody"), "no such thing"),
        (("log-out", "nobody"), "no such thing"),
    ],
)
def test_what_can_not_be_done_is_said(desk: Desk, words: tuple[str, ...], said: str) -> None:
    answer = desk.json(*words)
    assert (answer["exit"], answer["ok"]) == (2, False) and said in answer["error"]


def test_an_operator_is_not_made_twice(desk: Desk) -> None:
    desk.run("create", "anna")
    assert desk.json("create", "anna")["exit"] == 2


def test_a_new_password_takes_the_place_of_the_old_one(desk: Desk) -> None:
    old = desk.json("create", "anna")["password"]
    new = desk.json("password", "anna")["password"]
    assert Browser(desk.gateway).log_in("anna", old).code == "login_refused"
    assert Browser(desk.gateway).log_in("anna", new).status == 200


def test_change_and_log_out_end_sessions(desk: Desk) -> None:
    password = desk.json("create", "anna")["password"]
    browser = Browser(desk.gateway)
    for words in (("log-out", "anna"), ("change", "anna", "--disable")):
        assert browser.log_in("anna", password).status == 200
        assert desk.json(*words)["exit"] == 0
        assert browser.call("GET", "/dashboard/session").status == 401
    assert desk.json("change", "anna", "--enable", "--role", "admin")["exit"] == 0
    assert browser.log_in("anna", password).json["role"] == "admin"


def test_the_list_shows_everybody_and_no_secret(desk: Desk) -> None:
    for name in ("bert", "anna"):
        desk.run("create", name)
    listed = desk.json("list")
    assert [operator["name"] for operator in listed["operators"]] == ["anna", "bert"]
    kept = operators.get(desk.gateway.ledger.table, "anna")
    assert kept is not None
    for output in (json.dumps(listed), desk.run("list")[1]):
        assert kept.hash not in output and kept.salt not in output and "anna" in output
