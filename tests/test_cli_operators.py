"""`pluct operators`: passwords that are shown once, and the effect of each command."""

import getpass
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from engine.access import operators as stored
from tests.support.gateway import Gateway
from tests.support.operators import Browser


class Operators:
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
def operators(endpoint: str, tmp_path: Path) -> Operators:
    return Operators(endpoint, tmp_path)


def test_a_created_operator_logs_in_with_the_password_that_was_shown(operators: Operators) -> None:
    made = operators.json("create", "anna", "--role", "operator")
    assert (made["exit"], made["role"]) == (0, "operator")
    assert Browser(operators.gateway).log_in("anna", made["password"]).json["role"] == "operator"


def test_the_password_is_printed_in_the_table(operators: Operators) -> None:
    code, output = operators.run("create", "anna")
    assert code == 0 and "anna may log in as viewer." in output and "not shown again" in output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "Anna"), "A name is"),
        (("create", "anna", "--role", "root"), "A role is"),
        (("change", "anna", "--role", "root"), "A role is"),
        (("password", "nobody"), "does not exist"),
        (("log-out", "nobody"), "does not exist"),
    ],
)
def test_an_invalid_request_is_explained(
    operators: Operators, words: tuple[str, ...], said: str
) -> None:
    answer = operators.json(*words)
    assert (answer["exit"], answer["ok"]) == (2, False) and said in answer["error"]


def test_an_operator_is_not_created_twice(operators: Operators) -> None:
    operators.run("create", "anna")
    assert operators.json("create", "anna")["exit"] == 2


def test_a_new_password_replaces_the_old_one(operators: Operators) -> None:
    old = operators.json("create", "anna")["password"]
    new = operators.json("password", "anna")["password"]
    assert Browser(operators.gateway).log_in("anna", old).code == "login_refused"
    assert Browser(operators.gateway).log_in("anna", new).status == 200


def test_change_and_log_out_end_sessions(operators: Operators) -> None:
    password = operators.json("create", "anna")["password"]
    browser = Browser(operators.gateway)
    for words in (("log-out", "anna"), ("change", "anna", "--disable")):
        assert browser.log_in("anna", password).status == 200
        assert operators.json(*words)["exit"] == 0
        assert browser.call("GET", "/dashboard/session").status == 401
    assert operators.json("change", "anna", "--enable", "--role", "admin")["exit"] == 0
    assert browser.log_in("anna", password).json["role"] == "admin"


def test_the_list_has_every_operator_and_no_secret(operators: Operators) -> None:
    for name in ("bert", "anna"):
        operators.run("create", name)
    listed = operators.json("list")
    assert [operator["name"] for operator in listed["operators"]] == ["anna", "bert"]
    kept = stored.get(operators.gateway.ledger.table, "anna")
    assert kept is not None
    for output in (json.dumps(listed), operators.run("list")[1]):
        assert kept.hash not in output and kept.salt not in output and "anna" in output


def test_every_act_is_in_the_audit_with_its_author(operators: Operators) -> None:
    operators.run("create", "anna", "--role", "operator")
    operators.run("password", "anna")
    operators.run("change", "anna", "--role", "admin", "--disable")
    operators.run("change", "anna", "--enable")
    operators.run("log-out", "anna")
    gateway = operators.gateway
    found = gateway.call(
        "GET", "/admin/audit", headers=gateway.admin, query={"user": "operator:anna"}
    ).json["records"]
    assert sorted((one["action"], one["reason"]) for one in found) == [
        ("operator_create", "role operator"),
        ("operator_disable", ""),
        ("operator_enable", ""),
        ("operator_log_out", ""),
        ("operator_password", ""),
        ("operator_role", "role admin"),
    ]
    assert {one["actor"] for one in found} == {f"admin:{getpass.getuser()}"}


def test_the_log_has_the_end_of_every_command_and_no_password(
    operators: Operators, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "cli.log"
    monkeypatch.setenv("PLUCT_LOG", str(log))
    password = operators.json("create", "anna")["password"]
    operators.run("password", "nobody")
    operators.run("list")
    ends = [line.partition(" ")[2] for line in log.read_text().splitlines()]
    assert ends == [
        "end operators create exit=0",
        "end operators password exit=2",
        "end operators list exit=0",
    ]
    assert password not in log.read_text()
