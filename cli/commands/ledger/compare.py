"""`pluct ledger compare`: which entries one table has and another lacks, account by account.

For a table that was restored beside the one in use. Two entries are the same if their sequence numbers
and hashes are equal. Each hash covers the hash before it, so an account with equal newest entries is not
read further; this requires that `pluct ledger verify` finds nothing in either table.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.errors import CommandError, reporting_errors
from cli.exit_codes import DONE, FAILED
from cli.options import Json, RunFile, TableName
from cli.output import print_json, print_table, say
from cli.stores import find_table
from engine.credits.bulk import MOST_ROWS
from engine.credits.verification import all_accounts
from engine.ledger.items import CREDITS, Entry, account_pk, entry_prefix, entry_sk, read_entry
from engine.platform.table import Item, Table

AHEAD, BEHIND, FORKED = "ahead", "behind", "forked"
RESOLVES = frozenset({"capture", "refund", "write_off"})
PAYMENTS = {"add_webhook": "/add-credits", "api_add": "/v1/credits/add"}
"""The routes that take a provider's payment id, by the type of the entries that they write."""

Other = Annotated[
    str, typer.Option("--with", help="The other table, in the same engine or region.")
]
Adjustments = Annotated[
    Path | None,
    typer.Option(
        help="Write files that bring the missing entries back, for POST /admin/adjustments."
    ),
]


@dataclass(frozen=True, slots=True)
class AccountDifference:
    """An account that differs. Its entries are the same up to the sequence number `agree_to`."""

    user: str
    unit: str
    agree_to: int
    here: list[Entry]
    """Entries that only this table has."""
    there: list[Entry]
    """Entries that only the other table has."""

    @property
    def state(self) -> str:
        """`ahead`, `behind`, or `forked` where each table has entries that the other lacks."""
        if self.here and self.there:
            return FORKED
        return AHEAD if self.here else BEHIND


@dataclass(slots=True)
class Comparison:
    accounts: int = 0
    differences: list[AccountDifference] = field(default_factory=list)

    @property
    def members(self) -> dict[str, Any]:
        accounts = [{**asdict(one), "state": one.state} for one in self.differences]
        return {"ok": not self.differences, "accounts": self.accounts, "parted": accounts}


def compare_command(
    other: Other,
    adjustments: Adjustments = None,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """List by account the entries that only this table has, and those that only the other has."""
    with reporting_errors(as_json=as_json):
        found = find_table(run_file, table_name)
        there = found.table.beside(other)
        comparison = compare(found.table, there)
        written: list[Path] = []
        if adjustments is not None:
            written = write_adjustments(rows(found.table, comparison), adjustments)
            written += write_payments(payments(comparison), adjustments)
    if as_json:
        print_json({**comparison.members, "files": [str(path) for path in written]})
    else:
        _show(found.title, other, comparison, written)
    raise typer.Exit(FAILED if comparison.differences else DONE)


def compare(here: Table, there: Table) -> Comparison:
    """Compares every account of either table. Raises `CommandError`, `Busy`."""
    comparison = Comparison()
    seen: set[tuple[str, str]] = set()
    for table in (here, there):
        for user, unit in all_accounts(table):
            if (user, unit) in seen:
                continue
            seen.add((user, unit))
            comparison.accounts += 1
            difference = compare_account(here, there, user, unit)
            if difference is not None:
                comparison.differences.append(difference)
    return comparison


def compare_account(here: Table, there: Table, user: str, unit: str) -> AccountDifference | None:
    """How the account differs; None where it does not. Only entries that differ stay in memory.

    Raises `CommandError`, `Busy`.
    """
    if _newest(here, user, unit) == _newest(there, user, unit):
        return None
    here_entries, there_entries = _entries(here, user, unit), _entries(there, user, unit)
    only_here: list[Entry] = []
    only_there: list[Entry] = []
    agree_to = 0
    next_here, next_there = next(here_entries, None), next(there_entries, None)
    while next_here is not None or next_there is not None:
        seq = min(entry.seq for entry in (next_here, next_there) if entry is not None)
        here_entry = next_here if next_here is not None and next_here.seq == seq else None
        there_entry = next_there if next_there is not None and next_there.seq == seq else None
        if here_entry and there_entry and here_entry.hash == there_entry.hash:
            agree_to = seq if not only_here and not only_there else agree_to
        else:
            only_here += [here_entry] if here_entry else []
            only_there += [there_entry] if there_entry else []
        next_here = next(here_entries, None) if here_entry else next_here
        next_there = next(there_entries, None) if there_entry else next_there
    if not only_here and not only_there:
        return None
    return AccountDifference(user, unit, agree_to, only_here, only_there)


def rows(here: Table, comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yields an adjustment for each credit entry that the other table lacks; repeating it is safe.

    A lost vend needs no row, because its token can no longer be used; its capture needs one. Where the
    other table still has the hold of a vend open, the sweeper resolves it by asking the transcription
    service. Payments keep their own ids: see `payments`.
    """
    for one in comparison.differences:
        if one.unit != CREDITS:
            continue
        for entry in one.here:
            amount = entry.amount + entry.held
            if amount and not _is_payment(entry) and not _is_still_open_there(here, one, entry):
                yield {
                    "user": one.user,
                    "amount": amount,
                    "reason": f"restored: entry {entry.seq} ({entry.type})",
                    "id": f"restored-{entry.hash}",
                }


def payments(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Yields the calls that bring back payments which the other table lacks.

    Each has the provider's payment id, so that a repeated delivery is not granted twice.
    """
    for one in comparison.differences:
        for entry in one.here:
            if _is_payment(entry):
                body = {"userId": one.user, "amount": entry.amount, "transactionId": entry.subject}
                yield {"path": PAYMENTS[entry.type], "body": body}


def write_payments(calls: Iterator[dict[str, Any]], path: Path) -> list[Path]:
    """Writes the calls, one per line, to a file beside `path`; no file where there are none.

    Raises `CommandError` where the file exists.
    """
    lines = [json.dumps(call) + "\n" for call in calls]
    part = path.with_name(f"{path.stem}-payments.jsonl")
    if lines:
        _write(part, "".join(lines))
    return [part] if lines else []


def write_adjustments(adjustments: Iterator[dict[str, Any]], path: Path) -> list[Path]:
    """Writes files (`NAME.csv`, `NAME-2.csv`) of as many rows as the gateway takes.

    Raises `CommandError` where a file exists.
    """
    every = list(adjustments)
    written: list[Path] = []
    for start in range(0, len(every), MOST_ROWS):
        number = start // MOST_ROWS + 1
        part = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ("user", "amount", "reason", "id"))
        writer.writeheader()
        writer.writerows(every[start : start + MOST_ROWS])
        _write(part, text.getvalue())
        written.append(part)
    return written


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as output:
            output.write(text)
    except FileExistsError:
        raise CommandError(f"{path} exists.") from None


def _is_payment(entry: Entry) -> bool:
    return entry.unit == CREDITS and entry.type in PAYMENTS and entry.subject != ""


def _is_still_open_there(here: Table, one: AccountDifference, entry: Entry) -> bool:
    """Whether `entry` resolves a hold that both tables have, so that the other table can resolve it."""
    if entry.type not in RESOLVES or entry.reverses is None or entry.reverses > one.agree_to:
        return False
    named = here.get(account_pk(one.user), entry_sk(one.unit, entry.reverses))
    return named is not None and named.get("type") == "spend"


def _newest(table: Table, user: str, unit: str) -> tuple[Any, Any] | None:
    items = table.query(account_pk(user), entry_prefix(unit), limit=1, consistent=True)
    return (items[0]["sk"], items[0].get("hash")) if items else None


def _entries(table: Table, user: str, unit: str) -> Iterator[Entry]:
    prefix = entry_prefix(unit)
    for item in table.ascending(account_pk(user), prefix, prefix + "~", consistent=True):
        yield _read(item)


def _read(item: Item) -> Entry:
    """The entry in `item`. Raises `CommandError` for a damaged one, which `verify` explains."""
    entry = read_entry(item)
    if not isinstance(entry.seq, int) or entry.hash is None or entry.amount is None:
        raise CommandError(f"{item['pk']} {item['sk']} is not an entry: see `pluct ledger verify`.")
    return entry


def _show(title: str, other: str, comparison: Comparison, written: list[Path]) -> None:
    if comparison.differences:
        heads = ("User", "Unit", "This table is", "Same up to", "Only here", "Only there")
        print_table(
            heads,
            (
                (
                    one.user,
                    one.unit,
                    one.state,
                    one.agree_to,
                    _summary(one.here),
                    _summary(one.there),
                )
                for one in comparison.differences
            ),
        )
    for path in written:
        say(f"{path} brings back what {other} lacks. Sending it again is safe.")
    count = len(comparison.differences)
    result = f"{count} differ" if count else "the same entries in both"
    say(f"{title} and {other}: {comparison.accounts} accounts: {result}.", good=not count)


def _summary(entries: list[Entry]) -> str:
    return ", ".join(f"{entry.seq} {entry.type} {entry.amount:+d}" for entry in entries)
