"""`pluct ledger compare`: the entries that one table lacks, and the files that bring them back."""

import copy
import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.commands.ledger import compare
from cli.commands.ledger.compare import AccountDifference, Comparison
from engine.credits import bulk
from engine.ledger.items import account_pk, entry_sk
from engine.platform.table import Put, marshal
from local.engine import create_table
from tests.support.gateway import Gateway
from tests.support.streams import Book, fresh


@dataclass(frozen=True)
class TwoTables:
    """A table in use, another that was restored beside it, and the command that compares them."""

    gateway: Gateway
    other: str
    run_file: Path

    def store(self, book: Book, *names: str) -> None:
        for name in names or (self.gateway.table_name, self.other):
            book.store(self.gateway.dynamodb, name)

    def run(self, *words: str) -> tuple[int, str]:
        options = ["--with", self.other, "--run-file", str(self.run_file)]
        result = CliRunner().invoke(
            app, ["ledger", "compare", *options, *words], env={"COLUMNS": "200"}
        )
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.exit_code, result.output

    def parted(self) -> dict[str, dict[str, Any]]:
        code, shown = self.run("--json")
        found = json.loads(shown)
        assert (code, found["ok"]) == ((1, False) if found["parted"] else (0, True))
        return {one["user"]: one for one in found["parted"]}


@pytest.fixture
def tables(endpoint: str, tmp_path: Path) -> TwoTables:
    gateway = Gateway(endpoint)
    other = f"{gateway.table_name}-restored"
    create_table(gateway.dynamodb, other)
    run_file = tmp_path / "run.json"
    run_file.write_text(json.dumps({"engineUrl": endpoint, "tableName": gateway.table_name}))
    return TwoTables(gateway, other, run_file)


def account(at: int = 1_800_000_000) -> Book:
    """An account with a grant, a captured vend and an open one."""
    book = Book(fresh("u"), at=at)
    book.grant(9)
    book.end(book.vend(), "capture")
    book.vend()
    return book


def seqs(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["seq"] for entry in entries]


def test_tables_with_the_same_entries_are_reported_as_equal(tables: TwoTables) -> None:
    for _ in range(3):
        tables.store(account())
    code, shown = tables.run()
    assert code == 0
    assert "3 accounts: the same entries in both." in shown
    assert tables.parted() == {}


def test_each_account_that_differs_is_listed_with_its_own_entries(tables: TwoTables) -> None:
    ahead, behind, forked, missing = (account() for _ in range(4))
    tables.store(account())
    for book in (ahead, behind, forked):
        tables.store(book)
    ahead.grant(3)
    tables.store(ahead, tables.gateway.table_name)
    behind.grant(3)
    tables.store(behind, tables.other)
    twin = copy.deepcopy(forked)
    forked.grant(3)
    twin.grant(4)
    twin.grant(5)
    tables.store(forked, tables.gateway.table_name)
    tables.store(twin, tables.other)
    tables.store(missing, tables.gateway.table_name)
    found = tables.parted()
    facts = {
        user: (one["state"], one["agree_to"], seqs(one["here"]), seqs(one["there"]))
        for user, one in found.items()
    }
    assert facts == {
        ahead.user: ("ahead", 4, [5], []),
        behind.user: ("behind", 4, [], [5]),
        forked.user: ("forked", 4, [5], [5, 6]),
        missing.user: ("ahead", 0, [1, 2, 3, 4], []),
    }
    code, shown = tables.run()
    assert code == 1
    assert "5 api_add +3" in shown and "5 accounts: 4 differ." in shown


def test_an_entry_missing_in_the_middle_is_listed(tables: TwoTables) -> None:
    book = account()
    tables.store(book)
    for seq in (2, 4):
        key = marshal({"pk": account_pk(book.user), "sk": entry_sk("credits", seq)})
        tables.gateway.dynamodb.delete_item(TableName=tables.other, Key=key)
    one = tables.parted()[book.user]
    assert (one["agree_to"], seqs(one["here"]), one["there"]) == (1, [2, 4], [])


def test_a_damaged_entry_is_left_to_verify(tables: TwoTables) -> None:
    book = account()
    tables.store(book)
    poison = {"pk": account_pk(book.user), "sk": entry_sk("credits", 5)}
    tables.gateway.ledger.table.write(Put(poison, condition=""))
    code, shown = tables.run()
    assert code == 2
    assert "is not an entry" in shown and book.user in shown


def test_the_file_has_grants_and_captures_and_leaves_open_holds_to_the_sweeper(
    tables: TwoTables, tmp_path: Path
) -> None:
    book, dollars = account(), Book(fresh("u"), "usd_micros")
    tables.store(book)
    open_in_both = book.entries[3]
    book.grant(5)
    book.end(book.vend(), "capture")
    book.end(book.vend(), "refund")
    book.end(open_in_both, "capture")
    book.vend()
    tables.store(book, tables.gateway.table_name)
    dollars.grant(7)
    tables.store(dollars, tables.gateway.table_name)
    output = tmp_path / "back.csv"
    code, shown = tables.run("--adjustments", str(output))
    assert code == 1
    assert str(output) in shown.replace("\n", "")
    assert not (tmp_path / "back-payments.jsonl").exists()
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["user"], row["amount"]) for row in rows] == [(book.user, "5"), (book.user, "-1")]
    assert [row["id"] for row in rows] == [
        f"restored-{book.entries[seq - 1].hash}" for seq in (5, 7)
    ]
    code, shown = tables.run("--adjustments", str(output))
    assert code == 2
    assert "exists" in shown


def test_payments_keep_their_own_ids(tables: TwoTables, tmp_path: Path) -> None:
    """Otherwise a repeated delivery would be granted a second time."""
    book = account()
    tables.store(book)
    book.post("add_webhook", 7, subject="pay_1")
    book.post("api_add", 8, subject="webhook-id:2")
    book.post("add_webhook", 9)
    tables.store(book, tables.gateway.table_name)
    output = tmp_path / "back.csv"
    tables.run("--adjustments", str(output))
    calls = (tmp_path / "back-payments.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in calls] == [
        {
            "path": path,
            "body": {"userId": book.user, "amount": amount, "transactionId": payment},
        }
        for path, amount, payment in [
            ("/add-credits", 7, "pay_1"),
            ("/v1/credits/add", 8, "webhook-id:2"),
        ]
    ]
    with output.open(newline="") as file:
        assert [row["amount"] for row in csv.DictReader(file)] == ["9"]


def test_a_long_list_is_split_into_files_that_the_gateway_accepts(tmp_path: Path) -> None:
    book = Book(fresh("u"))
    for _ in range(bulk.MOST_ROWS + 1):
        book.grant(1)
    comparison = Comparison(1, [AccountDifference(book.user, "credits", 0, book.entries, [])])
    unused: Any = None
    files = compare.write_adjustments(compare.rows(unused, comparison), tmp_path / "back.csv")
    assert [path.name for path in files] == ["back.csv", "back-2.csv"]
    assert [len(path.read_text().splitlines()) for path in files] == [501, 2]
