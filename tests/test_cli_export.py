"""`pluct ledger export`: every entry once, with control totals that match the ledger."""

import csv
import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from cli.commands.ledger import export
from cli.commands.ledger.export import Format, Selection
from engine.ledger.items import read_entry
from engine.platform.table import Table
from tests.support.gateway import Gateway


class Books:
    """A deployment with a few users who have spent credits, and the files exported from it."""

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
            json.loads(export.line(read_entry(item), Selection(Format.jsonl), {})) for item in found
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

    def rows(self, name: str, selection: Selection) -> list[dict[str, Any]]:
        return list(export.rows(self.folder / name, selection))


@pytest.fixture(scope="module")
def books(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Books:
    return Books(endpoint, tmp_path_factory.mktemp("books"))


@pytest.mark.parametrize("form", list(Format))
def test_the_file_has_every_entry_once_account_by_account(books: Books, form: Format) -> None:
    assert books.run(f"all.{form}", "--format", form).exit_code == 0
    rows = books.rows(f"all.{form}", Selection(form))
    assert [{k: v for k, v in row.items() if v not in (None, "")} for row in rows] == [
        {k: v for k, v in entry.items() if v not in (None, "")} for entry in books.entries()
    ]
    accounts = [row["user"] for row in rows]
    assert [row["seq"] for row in rows] == [1, 2, 3] * len(set(accounts))


def test_control_totals_match_the_ledger(books: Books) -> None:
    result = books.run("totals.csv", "--json")
    totals = json.loads(result.stdout)
    accounts = [books.gateway.ledger.account(user) for user in books.users]
    assert totals["entries"] == sum(account.seq for account in accounts)
    assert totals["amounts"] == {"credits": sum(account.available for account in accounts)}
    assert totals["held"] == {"credits": sum(account.held for account in accounts)}
    assert totals["accounts"] == len(books.users)
    assert totals["ok"] is True


@pytest.mark.parametrize("form", list(Format))
def test_an_interrupted_export_resumes_to_the_same_file(books: Books, form: Format) -> None:
    books.run(f"whole.{form}", "--format", form)
    whole = (books.folder / f"whole.{form}").read_bytes()
    cut = books.folder / f"cut.{form}"
    for length in sorted({0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1, len(whole)}):
        cut.write_bytes(whole[:length])
        assert books.run(cut.name, "--format", form, "--resume").exit_code == 0
        assert cut.read_bytes() == whole, length


def test_an_existing_file_is_not_overwritten(books: Books) -> None:
    (books.folder / "kept.csv").write_text("mine\n")
    assert books.run("kept.csv").exit_code == 2
    assert (books.folder / "kept.csv").read_text() == "mine\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [("mine\n", ("--format", "jsonl")), ("a,b\n1,2\n", ("--format", "csv"))],
)
def test_another_file_is_not_resumed(books: Books, text: str, words: Any) -> None:
    (books.folder / "other").write_text(text)
    assert books.run("other", *words, "--resume").exit_code == 2


def test_days_are_utc_days_and_until_is_exclusive(books: Books) -> None:
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


def test_a_missing_entry_is_reported(books: Books) -> None:
    books.run("gap.jsonl", "--format", "jsonl")
    path = books.folder / "gap.jsonl"
    _, second, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([second, *rest]))
    totals = export.check(path, Selection(Format.jsonl))
    assert len(totals.gaps) == 1
    assert json.loads(second)["user"] in totals.gaps[0]


def test_addresses_and_user_agents_are_exported_only_on_request(books: Books) -> None:
    books.run("plain.csv")
    books.run("personal.csv", "--personal")
    heads = [
        next(csv.reader((books.folder / name).read_text().splitlines()))
        for name in ("plain.csv", "personal.csv")
    ]
    assert not {"address", "user_agent"} & set(heads[0])
    assert set(heads[1]) - set(heads[0]) == {"address", "user_agent"}


FULL_WIDTH = "\uff1d1"
HOSTILE = [
    FULL_WIDTH,
    "x;=1",
    "x\t@1",
    "x|+1",
    "x\u2028=1",
    " \u200b=1",
    "=1+1",
    "+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    'a"b,c',
    "a\nb",
    "a\r\nb",
    "'=1",
    "ü\u2028x",
]


@pytest.mark.parametrize("reason", HOSTILE)
def test_no_client_text_becomes_a_formula_or_a_line_break(
    books: Books, reason: str, tmp_path: Path
) -> None:
    user = books.users[0]
    (newest,) = books.gateway.ledger.entries(user, limit=1)
    entry = replace(newest, reason=reason)
    for form in Format:
        selection = Selection(form)
        written = export.line(entry, selection, {})
        assert written.count("\n") == 1
        path = tmp_path / f"one.{form}"
        path.write_text((",".join(export.COLUMNS) + "\n" if form is Format.csv else "") + written)
        (row,) = export.rows(path, selection)
        assert row["seq"] == entry.seq
    cell = next(csv.reader([export.line(entry, Selection(Format.csv), {})]))[
        export.COLUMNS.index("reason")
    ]
    for separator in (",", ";", "\t", "|"):
        for part in cell.split(separator):
            plain = unicodedata.normalize("NFKC", part.lstrip(" \u200b\t"))
            assert not plain.startswith(("=", "+", "-", "@"))


def test_memory_does_not_grow_with_the_ledger(books: Books, tmp_path: Path) -> None:
    """Entries are read from the table page by page while the file is written."""

    class Endless:
        taken = 0

        def scan(self, *_: Any, **__: Any) -> Iterator[dict[str, Any]]:
            (item, *_rest) = books.table.scan("begins_with(sk, :e)", {":e": "E#"})
            for number in range(1, 5001):
                Endless.taken = number
                size = (tmp_path / "long.csv").stat().st_size
                # The file is never more than two batches behind the table.
                assert number - size / 250 < 2 * export.FLUSH_EVERY
                yield {**item, "seq": number}

    export.export(Endless(), tmp_path / "long.csv", Selection(Format.csv))  # type: ignore[arg-type]
    assert (
        Endless.taken == export.check(tmp_path / "long.csv", Selection(Format.csv)).entries == 5000
    )
