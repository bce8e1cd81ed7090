"""`pluct ledger compare`: which entries one table has and another lacks, account by account.

For a table that was restored beside the one in use. An entry is the same where its number and its hash
are; an account whose newest entries are the same is not read further, because each hash names the one
before. That holds where `pluct ledger verify` finds nothing in either table.
"""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import stores as target
from cli.output import FOUND, Json, Trouble, print_json, print_table, say, speaking
from cli.stores import RunFile, TableName
from engine.credits.verify import all_accounts
from engine.ledger.items import CREDITS, Entry, account_pk, entry_prefix, entry_sk, read_entry
from engine.platform.table import Item, Table

AHEAD, BEHIND, FORKED = "ahead", "behind", "forked"
RESOLVES = frozenset({"capture", "refund", "write_off"})
PAYMENTS = {"add_webhook": "/add-credits", "api_add": "/v1/credits/add"}
"""Where credits with a provider's payment id come in, by the type of their entries."""

ROWS_IN_A_FILE = 500
"""As many as `POST /admin/adjustments` takes."""

Other = Annotated[
    str, typer.Option("--with", help="The other table, of the same engine or region.")
]
Adjustments = Annotated[
    Path | None,
    typer.Option(help="Write what the other table lacks as files for POST /admin/adjustments."),
]


@dataclass(frozen=True, slots=True)
class Parted:
    """An account that is not the same in both: its entries are the same up to `agree_to`."""

    user: str
    unit: str
    agree_to: int
    here: list[Entry]
    """What the other table lacks."""
    there: list[Entry]
    """What the other table has alone."""

    @property
    def state(self) -> str:
        """How this table's account stands to the other's: `forked` where each has entries of its own."""
        if self.here and self.there:
            return FORKED
        return AHEAD if self.here else BEHIND


@dataclass(slots=True)
class Compared:
    accounts: int = 0
    parted: list[Parted] = field(default_factory=list)

    @property
    def members(self) -> dict[str, Any]:
        accounts = [{**asdict(one), "state": one.state} for one in self.parted]
        return {"ok": not self.parted, "accounts": self.accounts, "parted": accounts}


def compare_command(
    other: Other,
    adjustments: Adjustments = None,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Say account by account which entries this table has and another lacks, and the other way round."""
    with speaking(as_json=as_json):
        found = target.find(run_file, table_name)
        there = found.table.beside(other)
        compared = compare(found.table, there)
        written: list[Path] = []
        if adjustments is not None:
            written = write_adjustments(rows(found.table, compared), adjustments)
            written += write_payments(payments(compared), adjustments)
    if as_json:
        print_json({**compared.members, "files": [str(path) for path in written]})
    else:
        _show(found.place, other, compared, written)
    raise typer.Exit(FOUND if compared.parted else 0)


def compare(here: Table, there: Table) -> Compared:
    """Every account of either table. Raises `Busy`."""
    compared = Compared()
    seen: set[tuple[str, str]] = set()
    for table in (here, there):
        for user, unit in all_accounts(table):
            if (user, unit) in seen:
                continue
            seen.add((user, unit))
            compared.accounts += 1
            parted = compare_account(here, there, user, unit)
            if parted is not None:
                compared.parted.append(parted)
    return compared


def compare_account(here: Table, there: Table, user: str, unit: str) -> Parted | None:
    """How the account differs; None where it does not. Keeps only the entries that do. Raises `Busy`."""
    if _newest(here, user, unit) == _newest(there, user, unit):
        return None
    ours, theirs = _entries(here, user, unit), _entries(there, user, unit)
    mine: list[Entry] = []
    other: list[Entry] = []
    agree_to = 0
    one, two = next(ours, None), next(theirs, None)
    while one is not None or two is not None:
        place = min(entry.seq for entry in (one, two) if entry is not None)
        left = one if one is not None and one.seq == place else None
        right = two if two is not None and two.seq == place else None
        if left is not None and right is not None and left.hash == right.hash:
            agree_to = place if not mine and not other else agree_to
        else:
            mine += [left] if left is not None else []
            other += [right] if right is not None else []
        one = next(ours, None) if left is not None else one
        two = next(theirs, None) if right is not None else two
    return Parted(user, unit, agree_to, mine, other) if mine or other else None


def rows(here: Table, compared: Compared) -> Iterator[dict[str, Any]]:
    """What gives the other table's accounts, in credits, what it lacks, a row an entry; repeatable.

    A lost vend costs nothing by itself, because nobody can use its token any more: it is its capture
    that counts. The end of a vend that the other table still has open is left to the sweeper, which
    asks the transcription service itself. Payments are brought back under their own ids: see `payments`.
    """
    for one in compared.parted:
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


def payments(compared: Compared) -> Iterator[dict[str, Any]]:
    """Calls that bring back payments which the other table lacks: by the provider's own id of each, so
    that a delivery which comes again does not grant twice.
    """
    for one in compared.parted:
        for entry in one.here:
            if _is_payment(entry):
                body = {"userId": one.user, "amount": entry.amount, "transactionId": entry.subject}
                yield {"path": PAYMENTS[entry.type], "body": body}


def write_payments(wanted: Iterator[dict[str, Any]], path: Path) -> list[Path]:
    """The calls, a line each, beside `path`; no file where there is none. Raises `Trouble`."""
    lines = [json.dumps(call) + "\n" for call in wanted]
    part = path.with_name(f"{path.stem}-payments.jsonl")
    if lines:
        _written(part, "".join(lines))
    return [part] if lines else []


def write_adjustments(wanted: Iterator[dict[str, Any]], path: Path) -> list[Path]:
    """One file or more (`NAME.csv`, `NAME-2.csv`), each as long as the gateway takes. Raises `Trouble`
    where one exists.
    """
    every = list(wanted)
    written: list[Path] = []
    for start in range(0, len(every), ROWS_IN_A_FILE):
        number = start // ROWS_IN_A_FILE + 1
        part = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, ("user", "amount", "reason", "id"))
        writer.writeheader()
        writer.writerows(every[start : start + ROWS_IN_A_FILE])
        _written(part, text.getvalue())
        written.append(part)
    return written


def _written(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="") as output:
            output.write(text)
    except FileExistsError:
        raise Trouble(f"{path} exists.") from None


def _is_payment(entry: Entry) -> bool:
    return entry.unit == CREDITS and entry.type in PAYMENTS and entry.subject != ""


def _is_still_open_there(here: Table, one: Parted, entry: Entry) -> bool:
    """Whether `entry` resolves a vend that both tables have: the other's hold is open, or was."""
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
    """The entry in `item`. Raises `Trouble` for what is none: that is for `verify` to say."""
    entry = read_entry(item)
    if not isinstance(entry.seq, int) or entry.hash is None or entry.amount is None:
        raise Trouble(f"{item['pk']} {item['sk']} is no entry: see `pluct ledger verify`.")
    return entry


def _show(place: str, other: str, compared: Compared, written: list[Path]) -> None:
    if compared.parted:
        heads = ("User", "Unit", "Here it is", "Same up to", "Only here", "Only there")
        print_table(
            heads,
            (
                (one.user, one.unit, one.state, one.agree_to, _told(one.here), _told(one.there))
                for one in compared.parted
            ),
        )
    for path in written:
        say(f"{path} gives {other} what it lacks; send it as it is, again where it was cut off.")
    count = len(compared.parted)
    result = f"{count} differ" if count else "the same entries in both"
    say(f"{place} and {other}: {compared.accounts} accounts: {result}.", good=not count)


def _told(entries: list[Entry]) -> str:
    return ", ".join(f"{entry.seq} {entry.type} {entry.amount:+d}" for entry in entries)
