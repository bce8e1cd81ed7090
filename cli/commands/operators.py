"""`pluct operators`: who may log in to the dashboard. Passwords are generated and shown once.

Each act is recorded in the audit under the name that its author has on this machine.
"""

import getpass
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.call_log import logged
from cli.client import new_request_id
from cli.errors import CommandError, reporting_errors
from cli.options import AuditDays, Json, RunFile, TableName
from cli.output import print_json, print_table, say
from cli.stores import find_table
from engine.access import operators
from engine.ledger.audit import Audit
from engine.platform.act import Act
from engine.platform.times import iso
from engine.web import scopes

NAME_RULE = "2 to 32 of a-z 0-9 . _ -, the first a letter."
ROLES = ", ".join(scopes.ROLES)

app = typer.Typer(help="Manage the dashboard's operators.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help=NAME_RULE)]
Role = Annotated[str, typer.Option("--role", help=f"One of {ROLES}.")]


@app.command("create")
@logged("operators create")
def create(
    name: Name,
    role: Role = "viewer",
    as_json: Json = False,
    audit_days: AuditDays = 400,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Create an operator and print the password once."""
    with reporting_errors(as_json=as_json):
        _check(name, role)
        audit = _audit(run_file, table_name, audit_days)
        password = operators.create(audit, name, role, _act())
    _show(as_json, f"{name} may log in as {role}.", name=name, role=role, password=password)


@app.command("password")
@logged("operators password")
def password(
    name: Name,
    as_json: Json = False,
    audit_days: AuditDays = 400,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Set a new password, print it once, and end every session of the operator."""
    with reporting_errors(as_json=as_json):
        new = operators.new_password(_audit(run_file, table_name, audit_days), name, _act())
    _show(as_json, f"{name} has a new password.", name=name, password=new)


@app.command("change")
@logged("operators change")
def change(
    name: Name,
    role: Annotated[str | None, typer.Option("--role", help="The new role.")] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Refuse or allow the login.")
    ] = None,
    as_json: Json = False,
    audit_days: AuditDays = 400,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Change the role of an operator, or disable the login; both take effect at once."""
    with reporting_errors(as_json=as_json):
        _check(name, role or "viewer")
        audit = _audit(run_file, table_name, audit_days)
        operators.change(audit, name, _act(), role=role, disabled=disabled)
    _show(as_json, f"{name} is changed.", name=name)


@app.command("log-out")
@logged("operators log-out")
def log_out(
    name: Name,
    as_json: Json = False,
    audit_days: AuditDays = 400,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """End every session of an operator."""
    with reporting_errors(as_json=as_json):
        operators.end_sessions(_audit(run_file, table_name, audit_days), name, _act())
    _show(as_json, f"{name} is logged out everywhere.", name=name)


@app.command("list")
@logged("operators list")
def list_command(
    as_json: Json = False, run_file: RunFile = None, table_name: TableName = None
) -> None:
    """List all operators, without their passwords."""
    with reporting_errors(as_json=as_json):
        found = operators.everyone(find_table(run_file, table_name).table)
    rows = [
        {"name": o.name, "role": o.role, "disabled": o.disabled, "createdAt": iso(o.created_at)}
        for o in found
    ]
    if as_json:
        print_json({"ok": True, "operators": rows})
    else:
        print_table(("Name", "Role", "Disabled", "Created"), ([*row.values()] for row in rows))


def _audit(run_file: Path | None, table_name: str | None, audit_days: int) -> Audit:
    """The audit of the table that the options name. Raises `CommandError`."""
    return Audit(find_table(run_file, table_name).table, audit_days)


def _act() -> Act:
    """An act of whoever runs this command; it has no address."""
    try:
        author = getpass.getuser()
    except (OSError, KeyError):
        author = "unnamed"
    return Act(f"admin:{author}", new_request_id(), "", "pluct", at=int(time.time()))


def _check(name: str, role: str) -> None:
    if not operators.is_name(name):
        raise CommandError(f"A name is {NAME_RULE}")
    if role not in scopes.ROLES:
        raise CommandError(f"A role is one of {ROLES}.")


def _show(as_json: bool, text: str, **members: Any) -> None:
    if as_json:
        print_json({"ok": True, **members})
        return
    say(text)
    if "password" in members:
        heads = ("Name", "Password (not shown again)")
        print_table(heads, [(members["name"], members["password"])])
