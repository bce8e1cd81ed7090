"""`pluct requests`: payments that users have reported. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.options import Json, Limit, Reason, Yes
from cli.output import print_table, say
from cli.session import Session, open_session
from engine.web.token_forms import CREDITS_LIMIT

PATH = "/admin/credit-requests"
RequestName = Annotated[str, typer.Argument(help="The request's id, cr_...")]

app = typer.Typer(help="List, approve and reject reported payments.", no_args_is_help=True)


@app.command("list")
def list_requests(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="All requests of this user.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List the payments that wait for an answer, oldest first."""
    with open_session(context, as_json=as_json) as session:
        query = {"user": user, "limit": limit}
        headers = session.admin_headers
        members = session.client.get(PATH, headers=headers, query=query).required().members
        if session.show_json(members):
            return
        if not members["requests"]:
            say("No request waits." if user is None else f"{user} has made no request.")
            return
        heads = ("Id", "User", "When", "Receipt", "State", "Message")
        rows = (_row(one) for one in members["requests"])
        print_table(heads, rows, whole=("Id",))


# One parameter per option: Typer reads the signature.
@app.command("approve")
def approve(
    context: typer.Context,
    name: RequestName,
    credits: Annotated[int, typer.Argument(min=1, max=CREDITS_LIMIT, help="Whole credits.")],
    receipt: Annotated[str, typer.Argument(help="The receipt that proves the payment.")],
    provider: Annotated[str, typer.Option(help="The provider that made the receipt.")] = "mpesa",
    reason: Annotated[str, typer.Option(help="A word to the user.")] = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add the credits for a reported payment, once for its receipt."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"Add {credits} credits for {provider} {receipt}?", yes=yes)
        body = {"credits": credits, "receipt": receipt, "provider": provider, "reason": reason}
        _answer(session, name, "approve", body)


@app.command("reject")
def reject(
    context: typer.Context,
    name: RequestName,
    reason: Reason,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Reject a reported payment; the user can read the reason."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"Reject {name}?", yes=yes)
        _answer(session, name, "reject", {"reason": reason})


def _answer(session: Session, name: str, verb: str, body: Mapping[str, object]) -> None:
    """The same answer again changes nothing, so an attempt without an answer can be repeated."""
    path = f"{PATH}/{path_segment(name)}/{verb}"
    headers = session.admin_headers
    members = session.client.post(path, body, headers=headers).required().members
    if not session.show_json(members):
        answered = members["request"]
        say(f"{name} of {answered['userId']} is {answered['status']}.")


def _row(one: Mapping[str, Any]) -> tuple[object, ...]:
    when = str(one["createdAt"])[:16]
    return one["id"], one["userId"], when, one["receipt"], one["status"], one["message"]
