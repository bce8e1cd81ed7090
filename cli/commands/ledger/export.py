"""`pluct ledger export`: all entries for accountants, as CSV or JSON Lines, in bounded memory.

An export that was interrupted continues after the last complete line of its file. Entries never change,
so exports of a past day are identical whenever they are made.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import CommandError, reporting_errors
from cli.exit_codes import DONE, FAILED
from cli.options import Json, RunFile, TableName
from cli.output import print_json, say
from cli.stores import find_table
from engine.admin.accounts import origins_of
from engine.ledger.items import Entry, account_pk, entry_sk, read_entry
from engine.ledger.origins import UNKNOWN, Name, Texts
from engine.platform.table import Table
from engine.platform.times import iso
from engine.web import csv_cells

COLUMNS = (
    "user", "unit", "seq", "at", "type", "amount", "held", "available_after", "held_after",
    "subject", "reverses", "actor", "reason", "request_id", "origin_id", "prev", "hash",
)  # fmt: skip
PERSONAL = ("address", "user_agent")
APPENDED = ("product", "units", "owed", "owed_after", "left")
"""Columns of later versions, the last of every line, so that a reader of earlier files finds its columns."""

FLUSH_EVERY = 1000
"""Entries that are held in memory before they are written."""
FIRST_S, LAST_S = 0, 2**40
"""Times, in epoch seconds, before and after every entry."""
_NUMBERS = frozenset(
    {
        "seq", "amount", "held", "available_after", "held_after", "reverses", "units", "owed",
        "owed_after", "left",
    }
)  # fmt: skip


class Format(StrEnum):
    csv = "csv"
    jsonl = "jsonl"


Output = Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Continue after the file's last complete line.")
]
Personal = Annotated[bool, typer.Option("--personal", help="Include addresses and user agents.")]
Since = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day after it, UTC.")
]


@dataclass(frozen=True, slots=True)
class Selection:
    """The entries and columns to export: `since` <= `at` < `until`, in epoch seconds."""

    format: Format
    since: int = FIRST_S
    until: int = LAST_S
    is_personal: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return (*COLUMNS, *(PERSONAL if self.is_personal else ()), *APPENDED)

    @property
    def is_whole(self) -> bool:
        return (self.since, self.until) == (FIRST_S, LAST_S)


@dataclass(slots=True)
class Totals:
    """The control totals of a file: sums of `amount`, `held` and `owed` by unit, and counts."""

    entries: int = 0
    accounts: int = 0
    amounts: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    owed: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    gaps: list[str] = field(default_factory=list)
    sha256: str = ""

    @property
    def members(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


# One parameter per option: Typer reads the signature.
def export_command(
    output: Output,
    format_: Annotated[
        Format, typer.Option("--format", help="CSV, or JSON Lines with every member.")
    ] = Format.csv,
    since: Since = None,
    until: Until = None,
    personal: Personal = False,
    resume: Resume = False,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Write all entries to a file, account by account, and print its control totals."""
    selection = Selection(
        format_,
        _seconds(since, FIRST_S),
        _seconds(until, LAST_S),
        personal,
    )
    with reporting_errors(as_json=as_json):
        if output.exists() and not resume:
            raise CommandError(f"{output} exists; --resume continues it.")
        found = find_table(run_file, table_name)
        export(found.table, output, selection)
        totals = check(output, selection)
    if as_json:
        print_json({"ok": not totals.gaps, "file": str(output), **totals.members})
    else:
        _show(output, totals)
    raise typer.Exit(FAILED if totals.gaps else DONE)


def export(table: Table, output: Path, selection: Selection) -> None:
    """Appends the entries that `output` lacks. Raises `CommandError`, `Busy`."""
    last = _cut_to_complete_lines(output, selection)
    entries = _entries(table, selection, last)
    with output.open("a", encoding="utf-8", newline="") as file:
        if selection.format is Format.csv and file.tell() == 0:
            file.write(csv_cells.MARK + _csv_line(selection.columns))
        while batch := list(islice(entries, FLUSH_EVERY)):
            known = origins_of(table, batch) if selection.is_personal else {}
            file.writelines(line(entry, selection, known) for entry in batch)
            file.flush()


def line(entry: Entry, selection: Selection, known: Mapping[Name, Texts]) -> str:
    """The line of one entry: times in ISO 8601, UTC; amounts in whole credits or micro-dollars.

    The address and the user agent come from `known`; they are empty where they were erased.
    """
    origin = known.get((entry.user, entry.origin_id), UNKNOWN)
    facts = {**asdict(entry), **asdict(origin), "at": iso(entry.at)}
    row = {name: facts[name] for name in selection.columns}
    if selection.format is Format.jsonl:
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
    return _csv_line([_cell(name, row[name]) for name in selection.columns])


def rows(output: Path, selection: Selection) -> Iterator[dict[str, Any]]:
    """Yields the rows of a file; numbers of a CSV are parsed to `int`, ids and hashes are as they were."""
    with output.open(encoding="utf-8-sig", newline="") as file:
        if selection.format is Format.jsonl:
            yield from map(json.loads, file)
            return
        for row in csv.DictReader(file, restkey="", strict=True):
            yield {name: _read_cell(name, value) for name, value in row.items()}


def check(output: Path, selection: Selection) -> Totals:
    """The control totals of a file, and the gaps: where an account lacks an entry."""
    totals, account, seq = Totals(), ("", ""), 0
    for row in rows(output, selection):
        if (row["user"], row["unit"]) != account:
            account, seq = (row["user"], row["unit"]), 0
            totals.accounts += 1
        if row["seq"] != seq + 1 and (seq or selection.is_whole):
            totals.gaps.append(f"{account[0]} {account[1]}: {seq} is followed by {row['seq']}")
        seq = row["seq"]
        totals.entries += 1
        totals.amounts[row["unit"]] += row["amount"]
        totals.held[row["unit"]] += row["held"]
        totals.owed[row["unit"]] += row["owed"]
        totals.types[row["type"]] += 1
    with output.open("rb") as file:
        totals.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return totals


def _entries(table: Table, selection: Selection, last: tuple[str, str] | None) -> Iterator[Entry]:
    condition = "begins_with(sk, :entry) AND #at >= :since AND #at < :until"
    values = {":entry": "E#", ":since": selection.since, ":until": selection.until}
    scanned = table.scan(condition, values, names={"#at": "at"}, after=last)
    return map(read_entry, scanned)


def _cut_to_complete_lines(output: Path, selection: Selection) -> tuple[str, str] | None:
    """Removes an incomplete last line. Returns the table key of the last complete entry.

    Raises `CommandError` where the file is not an export of this selection.
    """
    if not output.exists():
        return None
    with output.open("r+b") as file:
        file.truncate(_end_of_last_line(file))
    last: dict[str, Any] | None = None
    try:
        for last in rows(output, selection):
            if not set(selection.columns) == set(last):
                raise CommandError(f"{output} has other columns than this export.")
    except (ValueError, csv.Error, KeyError) as error:
        raise CommandError(f"{output} is not an export in {selection.format}: {error}") from None
    return (account_pk(last["user"]), entry_sk(last["unit"], last["seq"])) if last else None


def _end_of_last_line(file: io.BufferedRandom) -> int:
    """The position after the last line break. No field contains a line break."""
    position = file.seek(0, io.SEEK_END)
    while position > 0:
        start = max(0, position - 65_536)
        file.seek(start)
        found = file.read(position - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0


def _csv_line(cells: Any) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerow(cells)
    return written.getvalue()


def _cell(name: str, value: Any) -> Any:
    """`value` without line breaks and formulas."""
    if value is None or name in _NUMBERS:
        return value
    return csv_cells.safe(" ".join(str(value).splitlines()))


def _read_cell(name: str, cell: str) -> Any:
    if name in _NUMBERS:
        return int(cell) if cell else None
    is_marked = cell.startswith("'") and csv_cells.safe(cell[1:]) == cell
    return cell[1:] if is_marked else cell


def _seconds(day: datetime | None, default: int) -> int:
    return default if day is None else int(day.replace(tzinfo=UTC).timestamp())


def _show(output: Path, totals: Totals) -> None:
    for gap in totals.gaps:
        say(f"Missing: {gap}", good=False)
    for unit, amount in sorted(totals.amounts.items()):
        owed = f", owed {totals.owed[unit]}" if totals.owed[unit] else ""
        say(f"{unit}: amount {amount}, held {totals.held[unit]}{owed}")
    kinds = ", ".join(f"{number} {name}" for name, number in sorted(totals.types.items()))
    say(f"{output}: {totals.entries} entries of {totals.accounts} accounts ({kinds}).")
    say(f"sha256 {totals.sha256}")
