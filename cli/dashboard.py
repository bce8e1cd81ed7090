"""`pluct operators`: who may log in to the dashboard. Passwords are made here and shown once."""

import time
from typing import Annotated, Any

import typer

from cli import target
from cli.console import Json, Trouble, print_json, print_table, say, speaking
from cli.target import RunFile, TableName
from engine.access import operators
from engine.platform.times import iso
from engine.web import scopes

app = typer.Typer(help="Looks after the dashboard's operators.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="2 to 32 of a-z 0-9 . _ -, the first a letter.")]
Role = Annotated[str, typer.Option("--role", help=f"One of {', '.join(scopes.ROLES)}.")]


@app.command("create")
def create(
    name: Name,
    role: Role = "viewer",
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Make an operator and print the password, this once."""
    with speaking(as_json=as_json):
        _check(name, role)
        table = target.find(run_file, table_name).table
        password = operators.create(table, name, role, now=int(time.time()))
    _show(as_json, f"{name} may log in as {role}.", name=name, role=role, password=password)


@app.command("password")
def password(
    name: Name, as_json: Json = False, run_file: RunFile = None, table_name: TableName = None
) -> None:
    """Make a new password, print it this once, and end every session."""
    with speaking(as_json=as_json):
        made = operators.new_password(target.find(run_file, table_name).table, name)
    _show(as_json, f"{name} has a new password.", name=name, password=made)


@app.command("change")
def change(
    name: Name,
    role: Annotated[str | None, typer.Option("--role", help="The new role.")] = None,
    disabled: Annotated[
        bool | None, typer.Option("--disable/--enable", help="Shut the door, or open it.")
    ] = None,
    as_json: Json = False,
    run_file: RunFile = None,
    table_name: TableName = None,
) -> None:
    """Give another role, or shut somebody out; both hold at once."""
    with speaking(as_json=as_json):
        _check(name, role or "viewer")
        operators.change(
            target.find(run_file, table_name).table, name, role=role, disabled=disabled
        )
    _show(as_json, f"{name} is changed.", name=name)


@app.command("log-out")
def log_out(
    name: Name, as_json: Json = False, run_file: RunFile = None, table_name: TableName = None
) -> None:
    """End every session of an operator."""
    with speaking(as_json=as_json):
        operators.end_sessions(target.find(run_file, table_name).table, name)
    _show(as_json, f"{name} is logged out everywhere.", name=name)


@app.command("list")
def list_command(
    as_json: Json = False, run_file: RunFile = None, table_name: TableName = None
) -> None:
    """Show all operators; never a password."""
    with speaking(as_json=as_json):
        found = operators.everyone(target.find(run_file, table_name).table)
    rows = [
        {"name": o.name, "role": o.role, "disabled": o.disabled, "createdAt": iso(o.created_at)}
        for o in found
    ]
    if as_json:
        print_json({"ok": True, "operators": rows})
    else:
        print_table(("Name", "Role", "Disabled", "Since"), ([*row.values()] for row in rows))


def _check(name: str, role: str) -> None:
    if not operators.is_name(name):
        raise Trouble("A name is 2 to 32 of a-z 0-9 . _ -, the first a letter.")
    if role not in scopes.ROLES:
        raise Trouble(f"A role is one of {', '.join(scopes.ROLES)}.")


def _show(as_json: bool, text: str, **members: Any) -> None:
    if as_json:
        print_json({"ok": True, **members})
        return
    say(text)
    if "password" in members:
        print_table(("Name", "Password, shown once"), [(members["name"], members["password"])])
