"""`pluct holds`: what is reserved of a user's credits, for operators. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.client import new_request_id
from cli.errors import CommandError
from cli.exit_codes import NOT_FOUND
from cli.options import Json, Reason, User, Yes
from cli.output import print_facts, print_table, say, short_time
from cli.session import Session, open_session

PATH = "/admin/holds"

Named = Annotated[
    str, typer.Argument(help="The back end's holdId, or the subject that `list` shows.")
]

app = typer.Typer(help="Show and end holds of a user.", no_args_is_help=True)


@app.command("list")
def list_holds(
    context: typer.Context,
    user: User,
    every: Annotated[bool, typer.Option("--ended", help="Also those that ended.")] = False,
    as_json: Json = False,
) -> None:
    """List the open holds of a user, newest first."""
    with open_session(context, as_json=as_json) as session:
        holds = _holds(session, user, "any" if every else "open")
        if session.show_json({"ok": True, "userId": user, "holds": holds}):
            return
        if not holds:
            say(f"{user} has no {'' if every else 'open '}hold.", good=False)
            return
        heads = ["Hold", "State", "Product", "Held", "Charged", "Back", "Ends"]
        rows = ([_cells(hold)[head] for head in heads] for hold in holds)
        print_table(heads, rows, right=("Held", "Charged", "Back"), whole=("State", "Ends"))


@app.command("show")
def show(context: typer.Context, user: User, hold: Named, as_json: Json = False) -> None:
    """Show one hold."""
    with open_session(context, as_json=as_json) as session:
        found = _find(session, user, hold)
        if not session.show_json({"ok": True, "userId": user, "hold": found}):
            _show_facts(found)


@app.command("end")
def end(
    context: typer.Context,
    user: User,
    hold: Named,
    reason: Reason,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End a hold: what it still reserves goes back. What was charged stays charged."""
    with open_session(context, as_json=as_json) as session:
        if not reason.strip():
            raise CommandError("A reason is required: the ledger stores it with the entry.")
        found = _find(session, user, hold)
        if not session.as_json:
            _show_facts(found)
        session.confirm(f"End it, and give {found['reserved']} credits back?", yes=yes)
        body = {"userId": user, "hold": found["jti"], "reason": reason}
        key, headers = new_request_id(), session.admin_headers
        reply = session.client.post(f"{PATH}/end", body, headers=headers, key=key).required()
        replayed = "idempotency-replayed" in reply.headers
        if not session.show_json({**reply.members, "replayed": replayed}):
            ended = reply.members["hold"]
            again = "It had ended before; nothing was changed." if replayed else "It is ended."
            say(f"{again} {ended['committed']} charged, {ended['released']} back.")


def _find(session: Session, user: str, name: str) -> Mapping[str, Any]:
    """The user's hold with this holdId or subject; an open one goes first. Raises `CommandError`."""
    holds = [one for one in _holds(session, user, "any") if name in (one["holdId"], one["jti"])]
    holds.sort(key=lambda one: one["state"] != "open")
    if not holds:
        facts = {"code": "hold_not_found"}
        raise CommandError(f"{user} has no hold {name}.", NOT_FOUND, facts)
    if len({one["jti"] for one in holds if one["state"] == "open"}) > 1:
        raise CommandError(f"Several callers have an open hold {name}: give its subject.")
    return holds[0]


def _holds(session: Session, user: str, state: str) -> Sequence[Mapping[str, Any]]:
    query = {"user": user, "state": state}
    reply = session.client.get(PATH, headers=session.admin_headers, query=query)
    if reply.status == 404 and reply.members.get("code") == "not_found":
        raise CommandError(f"There is no user {user}.", NOT_FOUND, {"code": "not_found"})
    holds: Sequence[Mapping[str, Any]] = reply.required().members["holds"]
    return holds


def _cells(hold: Mapping[str, Any]) -> dict[str, object]:
    units = f"{hold['units']} x " if hold["units"] else ""
    return {
        "Hold": hold["holdId"] or hold["jti"],
        "State": hold["state"],
        "Product": f"{units}{hold['product']['code']}",
        "Held": hold["reserved"],
        "Charged": hold["committed"],
        "Back": hold["released"],
        "Ends": short_time(hold["expiresAt"]),
    }


def _show_facts(hold: Mapping[str, Any]) -> None:
    product = hold["product"]
    print_facts(
        {
            **_cells(hold),
            "Product": f"{_cells(hold)['Product']}, version {product['version']}",
            "Caller": hold["caller"] or "a token",
            "Subject": hold["jti"],
            "Job": hold["jobId"],
            "Since": short_time(hold["heldSince"]),
            "Entries": f"{hold['seq']} to {hold['resolvedSeq'] or 'now'}",
        }
    )
