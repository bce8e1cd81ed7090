"""`pluct ledger rebuild`: compares the read models with the ledger, and rebuilds them."""

import time
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.errors import CommandError, reporting_errors
from cli.exit_codes import DONE, FAILED, USAGE
from cli.options import AuditDays, Json, RunFile, TableName
from cli.output import print_json, print_table, say
from cli.stores import find_table
from engine.readmodels import rebuild
from engine.readmodels.projection import Projector, Stalled
from engine.readmodels.rebuild import Comparison, Overtaken, Rebuilt

Write = Annotated[bool, typer.Option("--write", help="Rebuild all read models, then compare.")]
LowBalance = Annotated[
    int, typer.Option(envvar="LOW_BALANCE", min=0, help="The deployment's LowBalance.")
]


def rebuild_command(
    write: Write = False,
    as_json: Json = False,
    audit_days: AuditDays = 400,
    low_balance: LowBalance = 3,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Compare the read models with the ledger; with --write, rebuild them first."""
    with reporting_errors(as_json=as_json):
        found = find_table(run_file, table_name)
        rebuilt: Rebuilt | None = None
        now = int(time.time())
        if write:
            projector = Projector(found.table, low_balance=low_balance, audit_days=audit_days)
            rebuilt = _rebuild(projector, now)
        comparison = rebuild.compare(found.table, audit_days=audit_days, now=now)
    if as_json:
        print_json(_members(comparison, rebuilt))
    else:
        _show(found.title, comparison, rebuilt)
    if comparison.differences:
        raise typer.Exit(FAILED)
    raise typer.Exit(USAGE if comparison.unsettled else DONE)


def _rebuild(projector: Projector, now: int) -> Rebuilt:
    try:
        return rebuild.write(projector, now=now)
    except (Stalled, Overtaken) as error:
        text = f"{error}. The read models in use were not changed; repeat the command."
        raise CommandError(text) from error


def _show(title: str, comparison: Comparison, rebuilt: Rebuilt | None) -> None:
    if rebuilt is not None:
        say(f"Rebuilt for {rebuilt.accounts} accounts, as generation {rebuilt.generation}.")
        for reason in rebuilt.standing:
            say(f"Stopped: {reason}.", good=False)
    if comparison.differences:
        rows = ((one.key, one.stored, one.expected) for one in comparison.differences)
        print_table(("Key", "Stored", "From the ledger"), rows)
    for key in comparison.unsettled:
        say(f"Changed too often to be compared: {key}", good=False)
    count = len(comparison.differences)
    result = f"{count} differences" if count else "no difference"
    size = f"{comparison.accounts} accounts, {comparison.entries} entries"
    say(f"{title}: {size}: {result}.", good=not count)


def _members(comparison: Comparison, rebuilt: Rebuilt | None) -> dict[str, Any]:
    return {
        "ok": not comparison.differences and not comparison.unsettled,
        "accounts": comparison.accounts,
        "entries": comparison.entries,
        "differences": [asdict(difference) for difference in comparison.differences],
        "unsettled": comparison.unsettled,
        "rebuilt": asdict(rebuilt) if rebuilt is not None else None,
    }
