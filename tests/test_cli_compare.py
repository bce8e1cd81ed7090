"""`pluct ledger compare`: what one table has and another lacks, and what brings it back."""

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
from cli.commands.ledger.compare import Compared, Parted
from engine.ledger.items import account_pk, entry_sk
from engine.platform.table import Put, marshal
from local.engine import create_table
from tests.support.gateway import Gateway
from tests.support.streams import Book, fresh


@dataclass(frozen=True)
class Desk:
    """An operator in front of a table and the one that was restored beside it."""

    gateway: Gateway
    other: str
    run_file: Path

    def keep(self, book: Book, *tables: str) -> None:
        for name in tables or (self.gateway.table_name, self.other):
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
def desk(endpoint: str, tmp_path: Path) -> Desk:
    gateway = Gateway(endpoint)
    other = f"{gateway.table_name}-restored"
    create_table(gateway.dynamodb, other)
    run_file = tmp_path / "run.json"
    run_file.write_text(json.dumps({"engineUrl": endpoint, "tableName": gateway.table_name}))
    return Desk(gateway, other, run_file)


def story(at: int = 1_800_000_000) -> Book:
    """An account with a grant, a vend that was paid, and one that is open."""
    book = Book(fresh("u"), at=at)
    book.grant(9)
    book.end(book.vend(), "capture")
    book.vend()
    return book


def seqs(entries: list[dict[str, Any]]) -> list[int]:
    return [entry["seq"] for entry in entries]


def test_two_tables_with_the_same_entries_are_told_so(desk: Desk) -> None:
    for _ in range(3):
        desk.keep(story())
    code, shown = desk.run()
    assert code == 0
    assert "3 accounts: the same entries in both." in shown
    assert desk.parted() == {}


def test_each_account_that_differs_is_named_with_what_it_has_alone(desk: Desk) -> None:
    ahead, behind, forked, missing = (story() for _ in range(4))
    desk.keep(story())
    for book in (ahead, behind, forked):
        desk.keep(book)
    ahead.grant(3)
    desk.keep(ahead, desk.gateway.table_name)
    behind.grant(3)
    desk.keep(behind, desk.other)
    twin = copy.deepcopy(forked)
    forked.grant(3)
    twin.grant(4)
    twin.grant(5)
    desk.keep(forked, desk.gateway.table_name)
    desk.keep(twin, desk.other)
    desk.keep(missing, desk.gateway.table_name)
    found = desk.parted()
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
    code, shown = desk.run()
    assert code == 1
    assert "5 api_add +3" in shown and "5 accounts: 4 differ." in shown


def test_an_entry_that_one_table_lost_in_the_middle_is_named(desk: Desk) -> None:
    book = story()
    desk.keep(book)
    for seq in (2, 4):
        key = marshal({"pk": account_pk(book.user), "sk": entry_sk("credits", seq)})
        desk.gateway.dynamodb.delete_item(TableName=desk.other, Key=key)
    one = desk.parted()[book.user]
    assert (one["agree_to"], seqs(one["here"]), one["there"]) == (1, [2, 4], [])


def test_what_is_no_entry_is_left_to_verify(desk: Desk) -> None:
    book = story()
    desk.keep(book)
    poison = {"pk": account_pk(book.user), "sk": entry_sk("credits", 5)}
    desk.gateway.ledger.table.write(Put(poison, condition=""))
    code, shown = desk.run()
    assert code == 2
    assert "is no entry" in shown and book.user in shown


def test_the_file_brings_back_what_counts_and_leaves_open_vends_to_the_sweeper(
    desk: Desk, tmp_path: Path
) -> None:
    book, dollars = story(), Book(fresh("u"), "usd_micros")
    desk.keep(book)
    open_in_both = book.entries[3]
    book.grant(5)
    book.end(book.vend(), "capture")
    book.end(book.vend(), "refund")
    book.end(open_in_both, "capture")
    book.vend()
    desk.keep(book, desk.gateway.table_name)
    dollars.grant(7)
    desk.keep(dollars, desk.gateway.table_name)
    output = tmp_path / "back.csv"
    code, shown = desk.run("--adjustments", str(output))
    assert code == 1
    assert str(output) in shown.replace("\n", "")
    assert not (tmp_path / "back-payments.jsonl").exists()
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["user"], row["amount"]) for row in rows] == [(book.user, "5"), (book.user, "-1")]
    assert [row["id"] for row in rows] == [
        f"restored-{book.entries[seq - 1].hash}" for seq in (5, 7)
    ]
    code, shown = desk.run("--adjustments", str(output))
    assert code == 2
    assert "exists" in shown


def test_payments_are_brought_back_under_their_own_ids(desk: Desk, tmp_path: Path) -> None:
    """Else a delivery that comes again would grant them a second time."""
    book = story()
    desk.keep(book)
    book.post("add_webhook", 7, subject="pay_1")
    book.post("api_add", 8, subject="webhook-id:2")
    book.post("add_webhook", 9)
    desk.keep(book, desk.gateway.table_name)
    output = tmp_path / "back.csv"
    desk.run("--adjustments", str(output))
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


def test_a_long_list_comes_in_files_that_the_gateway_takes(tmp_path: Path) -> None:
    book = Book(fresh("u"))
    for _ in range(compare.ROWS_IN_A_FILE + 1):
        book.grant(1)
    compared = Compared(1, [Parted(book.user, "credits", 0, book.entries, [])])
    unused: Any = None
    files = compare.write_adjustments(compare.rows(unused, compared), tmp_path / "back.csv")
    assert [path.name for path in files] == ["back.csv", "back-2.csv"]
    assert [len(path.read_text().splitlines()) for path in files] == [501, 2]
