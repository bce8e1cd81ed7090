"""`pluct ledger`: is every balance explained, and do the read models say what the ledger says?"""

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli import stores as target
from cli.commands.ledger import compare, export
from cli.commands.ledger import erased as erasure
from cli.output import FOUND, NOT_DONE, Json, Trouble, print_json, print_table, say, speaking
from cli.stores import RunFile, TableName
from engine.credits import verify
from engine.credits.verify import Verification
from engine.platform.table import Table
from engine.readmodels import rebuild
from engine.readmodels.projection import Projector, Stalled
from engine.readmodels.rebuild import Comparison, Overtaken, Rebuilt

app = typer.Typer(help="Checks the ledger and what is made of it.", no_args_is_help=True)

app.command("export")(export.export_command)
app.command("erased")(erasure.erased_command)
app.command("compare")(compare.compare_command)

User = Annotated[str | None, typer.Option("--user", help="Only the accounts of this user id.")]
Write = Annotated[bool, typer.Option("--write", help="Make all read models anew, then compare.")]
AuditDays = Annotated[
    int, typer.Option(envvar="AUDIT_DAYS", min=1, help="As the deployment's AuditDays.")
]
LowBalance = Annotated[
    int, typer.Option(envvar="LOW_BALANCE", min=0, help="As the deployment's LowBalance.")
]


@app.command("verify")
def verify_command(
    user: User = None,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Check that entries explain every balance and every hold has its end; say exactly where not."""
    with speaking(as_json=as_json):
        found = target.find(run_file, table_name)
        checked = list(_verifications(found.table, user))
    findings = [
        {"user": one.user, "unit": one.unit, **asdict(finding)}
        for one in checked
        for finding in one.findings
    ]
    entries = sum(one.entries for one in checked)
    if as_json:
        counts = {"accounts": len(checked), "entries": entries}
        print_json({"ok": not findings, **counts, "findings": findings})
    else:
        _show_findings(found.place, len(checked), entries, findings)
    raise typer.Exit(FOUND if findings else 0)


@app.command("rebuild")
def rebuild_command(
    write: Write = False,
    as_json: Json = False,
    audit_days: AuditDays = 400,
    low_balance: LowBalance = 3,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Compare the read models with the ledger; with --write, make them anew first."""
    with speaking(as_json=as_json):
        found = target.find(run_file, table_name)
        rebuilt: Rebuilt | None = None
        now = int(time.time())
        if write:
            projector = Projector(found.table, low_balance=low_balance, audit_days=audit_days)
            rebuilt = _rebuilt(projector, now)
        comparison = rebuild.compare(found.table, audit_days=audit_days, now=now)
    if as_json:
        print_json(_comparison_members(comparison, rebuilt))
    else:
        _show_comparison(found.place, comparison, rebuilt)
    if comparison.differences:
        raise typer.Exit(FOUND)
    raise typer.Exit(NOT_DONE if comparison.unsettled else 0)


def _verifications(table: Table, user: str | None) -> Iterable[Verification]:
    if user is None:
        return verify.verify_all(table)
    units = verify.units_of(table, user)
    if not units:
        raise Trouble(f"There is no account of {user}.")
    return [verify.verify_user(table, unit, user) for unit in units]


def _rebuilt(projector: Projector, now: int) -> Rebuilt:
    try:
        return rebuild.write(projector, now=now)
    except (Stalled, Overtaken) as error:
        raise Trouble(f"{error}. Nothing that is read was changed; run it again.") from error


def _show_findings(place: str, accounts: int, entries: int, findings: list[dict[str, Any]]) -> None:
    if findings:
        heads = ("User", "Unit", "Kind", "Entry", "What")
        names = ("user", "unit", "kind", "seq", "text")
        print_table(heads, ([finding[name] for name in names] for finding in findings))
    result = f"{len(findings)} findings" if findings else "everything adds up"
    say(f"{place}: {accounts} accounts, {entries} entries: {result}.", good=not findings)


def _show_comparison(place: str, comparison: Comparison, rebuilt: Rebuilt | None) -> None:
    if rebuilt is not None:
        say(f"Made anew for {rebuilt.accounts} accounts, as generation {rebuilt.generation}.")
        for reason in rebuilt.standing:
            say(f"Standing still: {reason}.", good=False)
    if comparison.differences:
        rows = ((one.key, one.stored, one.expected) for one in comparison.differences)
        print_table(("Key", "Stored", "From the ledger"), rows)
    for key in comparison.unsettled:
        say(f"Moved too fast to be compared: {key}", good=False)
    count = len(comparison.differences)
    result = f"{count} differences" if count else "no difference"
    facts = f"{comparison.accounts} accounts, {comparison.entries} entries"
    say(f"{place}: {facts}: {result}.", good=not count)


def _comparison_members(comparison: Comparison, rebuilt: Rebuilt | None) -> dict[str, Any]:
    return {
        "ok": not comparison.differences and not comparison.unsettled,
        "accounts": comparison.accounts,
        "entries": comparison.entries,
        "differences": [asdict(difference) for difference in comparison.differences],
        "unsettled": comparison.unsettled,
        "rebuilt": asdict(rebuilt) if rebuilt is not None else None,
    }
