"""`pluct ledger export`: every entry once, in a file that accountants can tie to the ledger."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from cli.commands.ledger import export
from cli.commands.ledger.export import Format, Wanted
from engine.ledger.items import read_entry
from engine.platform.table import Table
from tests.support.gateway import Gateway


class Books:
    """A deployment of its own with a few users who spend, and the files that are made of it."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.gateway = Gateway(endpoint)
        self.folder = folder
        self.users = [self.gateway.user(balance=5)[0] for _ in range(4)]
        for user in self.users:
            self.gateway.vend(self.gateway.user_headers(user))
        self.run_file = folder / "run.json"
        members = {"engineUrl": endpoint, "tableName": self.gateway.table_name}
        self.run_file.write_text(json.dumps(members))

    @property
    def table(self) -> Table:
        return self.gateway.ledger.table

    def entries(self) -> list[dict[str, Any]]:
        found = self.table.scan("begins_with(sk, :entry)", {":entry": "E#"})
        return [
            json.loads(export.line(read_entry(item), Wanted(Format.jsonl), {})) for item in found
        ]

    def run(self, name: str, *words: str) -> Result:
        given = (
            "ledger",
            "export",
            str(self.folder / name),
            *words,
            "--run-file",
            str(self.run_file),
        )
        result = CliRunner().invoke(app, given, env={"COLUMNS": "300"})
        assert result.exception is None or isinstance(result.exception, SystemExit), (
            result.exception
        )
        return result

    def rows(self, name: str, wanted: Wanted) -> list[dict[str, Any]]:
        return list(export.rows(self.folder / name, wanted))


@pytest.fixture(scope="module")
def books(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books(endpoint, tmp_path_factory.mktemp("books"))


@pytest.mark.parametrize("form", list(Format))
def test_every_entry_is_in_the_file_once_account_by_account(books: Books, form: Format) -> None:
    assert books.run(f"all.{form}", "--format", form).exit_code == 0
    rows = books.rows(f"all.{form}", Wanted(form))
    assert [{k: v for k, v in row.items() if v not in (None, "")} for row in rows] == [
        {k: v for k, v in entry.items() if v not in (None, "")} for entry in books.entries()
    ]
    accounts = [row["user"] for row in rows]
    assert [row["seq"] for row in rows] == [1, 2, 3] * len(set(accounts))


def test_control_totals_are_those_of_the_ledger(books: Books) -> None:
    result = books.run("totals.csv", "--json")
    told = json.loads(result.stdout)
    accounts = [books.gateway.ledger.account(user) for user in books.users]
    assert told["entries"] == sum(account.seq for account in accounts)
    assert told["amounts"] == {"credits": sum(account.available for account in accounts)}
    assert told["held"] == {"credits": sum(account.held for account in accounts)}
    assert told["accounts"] == len(books.users)
    assert told["ok"] is True


@pytest.mark.parametrize("form", list(Format))
def test_an_export_that_was_cut_off_anywhere_goes_on_to_the_same_file(
    books: Books, form: Format
) -> None:
    books.run(f"whole.{form}", "--format", form)
    whole = (books.folder / f"whole.{form}").read_bytes()
    cut = books.folder / f"cut.{form}"
    for length in sorted({0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1, len(whole)}):
        cut.write_bytes(whole[:length])
        assert books.run(cut.name, "--format", form, "--resume").exit_code == 0
        assert cut.read_bytes() == whole, length


def test_a_file_that_exists_is_not_written_over(books: Books) -> None:
    (books.folder / "kept.csv").write_text("mine\n")
    assert books.run("kept.csv").exit_code == 2
    assert (books.folder / "kept.csv").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [("mine\n", ("--format", "jsonl")), ("a,b\n1,2\n", ("--format", "csv"))],
)
def test_what_is_no_export_is_not_gone_on_with(books: Books, text: str, words: Any) -> None:
    (books.folder / "other").write_text(text)
    assert books.run("other", *words, "--resume").exit_code == 2


def test_days_are_whole_days_of_utc_the_last_not_included(books: Books) -> None:
    today = datetime.now(UTC).date()
    dates = [str(today + timedelta(days)) for days in (-1, 0, 1, 2)]
    before = json.loads(
        books.run("a.csv", "--from", dates[0], "--until", dates[1], "--json").stdout
    )
    during = json.loads(
        books.run("b.csv", "--from", dates[0], "--until", dates[3], "--json").stdout
    )
    assert before["entries"] == 0
    assert during["entries"] == len(books.entries())


def test_an_entry_that_is_missing_is_named(books: Books) -> None:
    books.run("gap.jsonl", "--format", "jsonl")
    path = books.folder / "gap.jsonl"
    _, second, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([second, *rest]))
    totals = export.check(path, Wanted(Format.jsonl))
    assert len(totals.gaps) == 1
    assert json.loads(second)["user"] in totals.gaps[0]


def test_addresses_and_user_agents_are_left_out_unless_asked_for(books: Books) -> None:
    books.run("plain.csv")
    books.run("personal.csv", "--personal")
    heads = [
        next(csv.reader((books.folder / name).read_text().splitlines()))
        for name in ("plain.csv", "personal.csv")
    ]
    assert not {"address", "user_agent"} & set(heads[0])
    assert set(heads[1]) - set(heads[0]) == {"address", "user_agent"}


HOSTILE = ["=1+1", "+1", "-2", "@SUM(A1)", "\t=1", 'a"b,c', "a\nb", "a\r\nb", "'=1", "ü\u2028x"]


@pytest.mark.parametrize("reason", HOSTILE)
def test_no_text_of_a_client_is_a_formula_or_breaks_a_line(
    books: Books, reason: str, tmp_path: Path
) -> None:
    user = books.users[0]
    (newest,) = books.gateway.ledger.entries(user, limit=1)
    entry = replace(newest, reason=reason)
    for form in Format:
        wanted = Wanted(form)
        written = export.line(entry, wanted, {})
        assert written.count("\n") == 1
        path = tmp_path / f"one.{form}"
        path.write_text((",".join(export.COLUMNS) + "\n" if form is Format.csv else "") + written)
        (row,) = export.rows(path, wanted)
        assert row["seq"] == entry.seq
    cell = next(csv.reader([export.line(entry, Wanted(Format.csv), {})]))[
        export.COLUMNS.index("reason")
    ]
    assert not cell.startswith(("=", "+", "-", "@", "\t"))


def test_memory_stays_the_same_however_long_the_ledger_is(books: Books, tmp_path: Path) -> None:
    """Entries are taken from the table one page after the other as the file is written."""

    class Endless:
        taken = 0

        def scan(self, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
            (item, *_rest) = books.table.scan("begins_with(sk, :e)", {":e": "E#"})
            for number in range(1, 5001):
                Endless.taken = number
                size = (tmp_path / "long.csv").stat().st_size
                # What was taken is on its way to the disk: never more than a flush behind.
                assert number - size / 250 < 2 * export.FLUSH_EVERY
                yield {**item, "seq": number}

    export.export(Endless(), tmp_path / "long.csv", Wanted(Format.csv))  # type: ignore[arg-type]
    assert Endless.taken == export.check(tmp_path / "long.csv", Wanted(Format.csv)).entries == 5000
