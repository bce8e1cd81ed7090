"""`pluct ledger export`: every entry for accountants, as CSV or JSON Lines, in bounded memory.

The file is its own mark of how far it got: an export that was cut off goes on behind its last whole
line. Entries never change, so those of a past day are the same whenever they are exported.
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

from cli import target
from cli.console import FOUND, Json, Trouble, print_json, say, speaking
from cli.target import RunFile, TableName
from engine.admin.accounts import origins_of
from engine.ledger.items import Entry, account_pk, entry_sk, read_entry
from engine.ledger.origins import UNKNOWN, Name, Texts
from engine.platform.table import Table
from engine.platform.times import iso

COLUMNS = (
    "user", "unit", "seq", "at", "type", "amount", "held", "available_after", "held_after",
    "subject", "reverses", "actor", "reason", "request_id", "origin_id", "prev", "hash",
)  # fmt: skip
PERSONAL = ("address", "user_agent")
FLUSH_EVERY = 1000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBERS = frozenset({"seq", "amount", "held", "available_after", "held_after", "reverses"})


class Format(StrEnum):
    csv = "csv"
    jsonl = "jsonl"


Output = Annotated[Path, typer.Argument(help="The file to write; it must not exist yet.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on behind the file's last whole line.")]
Personal = Annotated[bool, typer.Option("--personal", help="With addresses and user agents.")]
Since = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day, UTC.")
]
Until = Annotated[
    datetime | None, typer.Option("--until", formats=["%Y-%m-%d"], help="First day after it, UTC.")
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the ledger is exported: entries with `since` <= `at` < `until`, in epoch seconds."""

    format: Format
    since: int = 0
    until: int = 2**40
    columns: tuple[str, ...] = COLUMNS

    @property
    def is_personal(self) -> bool:
        return self.columns != COLUMNS

    @property
    def is_whole(self) -> bool:
        return (self.since, self.until) == (0, 2**40)


@dataclass(slots=True)
class Totals:
    """What accountants tie a file to. Sums are of `amount` and `held` by unit."""

    entries: int = 0
    accounts: int = 0
    amounts: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    gaps: list[str] = field(default_factory=list)
    sha256: str = ""

    @property
    def members(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def export_command(
    output: Output,
    format_: Annotated[Format, typer.Option("--format")] = Format.csv,
    since: Since = None,
    until: Until = None,
    personal: Personal = False,
    resume: Resume = False,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Write every entry to a file, account by account, and its control totals to the terminal."""
    wanted = Wanted(
        format_,
        _seconds(since, 0),
        _seconds(until, 2**40),
        COLUMNS + PERSONAL if personal else COLUMNS,
    )
    with speaking(as_json=as_json):
        if output.exists() and not resume:
            raise Trouble(f"{output} exists; --resume goes on with it.")
        found = target.find(run_file, table_name)
        export(found.table, output, wanted)
        totals = check(output, wanted)
    if as_json:
        print_json({"ok": not totals.gaps, "file": str(output), **totals.members})
    else:
        _show(output, totals)
    raise typer.Exit(FOUND if totals.gaps else 0)


def export(table: Table, output: Path, wanted: Wanted) -> None:
    """Writes the entries that `output` does not hold yet. Raises `Trouble` or `Busy`."""
    last = _cut_to_whole_lines(output, wanted)
    entries = _entries(table, wanted, last)
    with output.open("a", encoding="utf-8", newline="") as file:
        if wanted.format is Format.csv and file.tell() == 0:
            file.write(_csv_line(wanted.columns))
        while some := list(islice(entries, FLUSH_EVERY)):
            known = origins_of(table, some) if wanted.is_personal else {}
            file.writelines(line(entry, wanted, known) for entry in some)
            file.flush()


def line(entry: Entry, wanted: Wanted, known: Mapping[Name, Texts]) -> str:
    """One entry as the file has it: times in ISO 8601, UTC; amounts whole, in credits or micro-dollars;
    where it came from as `known` says, empty where that was erased.
    """
    origin = known.get((entry.user, entry.origin_id), UNKNOWN)
    facts = {**asdict(entry), **asdict(origin), "at": iso(entry.at)}
    row = {name: facts[name] for name in wanted.columns}
    if wanted.format is Format.jsonl:
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"
    return _csv_line([_cell(name, row[name]) for name in wanted.columns])


def rows(output: Path, wanted: Wanted) -> Iterator[dict[str, Any]]:
    """The rows of a file, one after the other; numbers of a CSV are numbers again."""
    with output.open(encoding="utf-8", newline="") as file:
        if wanted.format is Format.jsonl:
            yield from map(json.loads, file)
            return
        for row in csv.DictReader(file, restkey="", strict=True):
            yield {name: _read_cell(name, value) for name, value in row.items()}


def check(output: Path, wanted: Wanted) -> Totals:
    """The totals of what the file holds, read from the file, and where an account lacks an entry."""
    totals, account, seq = Totals(), ("", ""), 0
    for row in rows(output, wanted):
        if (row["user"], row["unit"]) != account:
            account, seq = (row["user"], row["unit"]), 0
            totals.accounts += 1
        if row["seq"] != seq + 1 and (seq or wanted.is_whole):
            totals.gaps.append(f"{account[0]} {account[1]}: {seq} is followed by {row['seq']}")
        seq = row["seq"]
        totals.entries += 1
        totals.amounts[row["unit"]] += row["amount"]
        totals.held[row["unit"]] += row["held"]
        totals.types[row["type"]] += 1
    with output.open("rb") as file:
        totals.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return totals


def _entries(table: Table, wanted: Wanted, last: tuple[str, str] | None) -> Iterator[Entry]:
    condition = "begins_with(sk, :entry) AND #at >= :since AND #at < :until"
    values = {":entry": "E#", ":since": wanted.since, ":until": wanted.until}
    scanned = table.scan(condition, values, names={"#at": "at"}, after=last)
    return map(read_entry, scanned)


def _cut_to_whole_lines(output: Path, wanted: Wanted) -> tuple[str, str] | None:
    """Takes a half line off the end; the key of the last entry that is left. Raises `Trouble`."""
    if not output.exists():
        return None
    with output.open("r+b") as file:
        file.truncate(_end_of_last_line(file))
    last: dict[str, Any] | None = None
    try:
        for last in rows(output, wanted):
            if not set(wanted.columns) == set(last):
                raise Trouble(f"{output} has other columns than asked for.")
    except (ValueError, csv.Error, KeyError) as error:
        raise Trouble(f"{output} is not an export in {wanted.format}: {error}") from None
    return (account_pk(last["user"]), entry_sk(last["unit"], last["seq"])) if last else None


def _end_of_last_line(file: io.BufferedRandom) -> int:
    """The position behind the last line break; texts hold none, as they are written on one line."""
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
    """A text that a spreadsheet would run as a formula is quoted by an apostrophe; line breaks go."""
    if value is None or name in _NUMBERS:
        return value
    text = " ".join(str(value).splitlines())
    return f"'{text}" if text.startswith(_FORMULA) else text


def _read_cell(name: str, cell: str) -> Any:
    if name in _NUMBERS:
        return int(cell) if cell else None
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _seconds(day: datetime | None, without: int) -> int:
    return without if day is None else int(day.replace(tzinfo=UTC).timestamp())


def _show(output: Path, totals: Totals) -> None:
    for gap in totals.gaps:
        say(f"Missing: {gap}", good=False)
    for unit, amount in sorted(totals.amounts.items()):
        say(f"{unit}: amount {amount}, held {totals.held[unit]}")
    kinds = ", ".join(f"{number} {name}" for name, number in sorted(totals.types.items()))
    say(f"{output}: {totals.entries} entries of {totals.accounts} accounts ({kinds}).")
    say(f"sha256 {totals.sha256}")
