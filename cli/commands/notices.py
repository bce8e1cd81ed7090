"""`pluct notices`: what the deployment tells the operator's own system. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.errors import CommandError
from cli.exit_codes import NOT_FOUND
from cli.options import Everything, Json, Limit, Reason, Yes
from cli.output import print_table, say
from cli.session import open_session

PATH = "/admin/notices"
STATES = ("failed", "pending", "delivered")

app = typer.Typer(
    help="List notices to your own system, and send them again.", no_args_is_help=True
)


# One parameter per option: Typer reads the signature.
@app.command("list")
def list_notices(
    context: typer.Context,
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = STATES[0],
    user: Annotated[str | None, typer.Option(help="All notices about this user.")] = None,
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """List notices in a state, or all of a user, with their last answer."""
    with open_session(context, as_json=as_json) as session:
        if state not in STATES:
            raise CommandError(f"A state is one of {', '.join(STATES)}.")
        query = {"user": user, "limit": limit} if user else {"state": state, "limit": limit}
        found, cursor = session.pages(PATH, query, "notices", everything=everything)
        if session.show_json({"ok": True, "notices": found, "nextCursor": cursor}):
            return
        if not found:
            say("There are no such notices.")
            return
        heads = ("Notice", "Type", "State", "Tries", "Last answer")
        print_table(heads, map(_row, found), right=("Tries",), whole=("Notice",))
        if cursor is not None:
            session.note("There are more: --all shows them.")


@app.command("replay")
def replay(
    context: typer.Context,
    notices: Annotated[list[str], typer.Argument(help="USER/MESSAGE, as `list` shows them.")],
    reason: Reason,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Send up to 50 notices again, each with the same id. Exit code 4 if one has expired."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"Send {len(notices)} again?", yes=yes)
        body = {"notices": notices, "reason": reason}
        headers = session.admin_headers
        members = session.client.post(f"{PATH}/replay", body, headers=headers).required().members
        if not session.show_json(members):
            heads = ("Notice", "State")
            rows = ((_name(one), one["state"]) for one in members["notices"])
            print_table(heads, rows, whole=("Notice",))
        if any(one["state"] == "not_found" for one in members["notices"]):
            raise typer.Exit(NOT_FOUND)


def _row(one: Mapping[str, Any]) -> tuple[object, ...]:
    last = one["attempts"][-1]["outcome"] if one["attempts"] else ""
    return _name(one), one["type"], one["state"], len(one["attempts"]), last


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['userId']}/{one['id']}"
