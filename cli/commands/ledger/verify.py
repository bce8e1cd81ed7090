"""`pluct ledger verify`: checks that the entries explain every balance and that every hold has ended."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.errors import CommandError, reporting_errors
from cli.exit_codes import DONE, FAILED
from cli.options import Json, RunFile, TableName
from cli.output import print_json, print_table, say
from cli.stores import find_table
from engine.credits import verification
from engine.credits.verification import Verification
from engine.platform.table import Table

OnlyUser = Annotated[str | None, typer.Option("--user", help="Only the accounts of this user.")]


def verify_command(
    user: OnlyUser = None,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Check that the entries explain every balance and every hold has ended; list each finding."""
    with reporting_errors(as_json=as_json):
        found = find_table(run_file, table_name)
        checked = list(_verifications(found.table, user))
    findings = [
        {"user": one.user, "unit": one.unit, **asdict(finding)}
        for one in checked
        for finding in one.findings
    ]
    counts = {"accounts": len(checked), "entries": sum(one.entries for one in checked)}
    if as_json:
        print_json({"ok": not findings, **counts, "findings": findings})
    else:
        _show(found.title, counts, findings)
    raise typer.Exit(FAILED if findings else DONE)


def _verifications(table: Table, user: str | None) -> Iterable[Verification]:
    if user is None:
        return verification.verify_all(table)
    units = verification.units_of(table, user)
    if not units:
        raise CommandError(f"There is no account of {user}.")
    return [verification.verify_user(table, unit, user) for unit in units]


def _show(title: str, counts: dict[str, int], findings: list[dict[str, Any]]) -> None:
    if findings:
        heads = ("User", "Unit", "Kind", "Entry", "Finding")
        names = ("user", "unit", "kind", "seq", "text")
        print_table(heads, ([finding[name] for name in names] for finding in findings))
    result = f"{len(findings)} findings" if findings else "everything adds up"
    size = f"{counts['accounts']} accounts, {counts['entries']} entries"
    say(f"{title}: {size}: {result}.", good=not findings)
