"""`pluct subscriptions`: subscriptions, their money and their keys. All commands need `ADMIN_SECRET`."""

from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.options import Everything, Json, Limit, Reason, RequestId, User, Yes
from cli.output import print_facts, print_table, print_verification, say
from cli.session import Session, open_session
from engine.subscriptions.plans import PLANS, POLICIES

PATH = "/admin/subscriptions"

app = typer.Typer(help="Manage subscriptions.", no_args_is_help=True)


@app.command("list")
def list_subscriptions(
    context: typer.Context,
    prefix: Annotated[str, typer.Option(help="The start of the user ids.")] = "",
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """List subscriptions, their plans and what is left."""
    with open_session(context, as_json=as_json) as session:
        query = {"prefix": prefix, "limit": limit}
        found, cursor = session.pages(PATH, query, "subscriptions", everything=everything)
        if session.show_json({"ok": True, "subscriptions": found, "nextCursor": cursor}):
            return
        if not found:
            say("There are no such subscriptions.", good=False)
            return
        heads = ("User", "Plan", "State", "Left", "Used", "Key")
        names = ("userId", "plan", "state", "remaining_credits", "used_credits", "currentKey")
        print_table(heads, ([one[name] for name in names] for one in found), right=heads[3:])
        if cursor is not None:
            session.note("There are more: --all shows them.")


@app.command("show")
def show(context: typer.Context, user: User, as_json: Json = False) -> None:
    """Show one subscription: its money, its keys, and the check of the ledger."""
    with open_session(context, as_json=as_json) as session:
        headers = session.admin_headers
        members = session.client.get(_path(user), headers=headers).required().members
        if session.show_json(members):
            return
        print_facts(
            {
                "User": user,
                "Plan": members["plan"],
                "State": members["state"],
                "Available": members["available_credits"],
                "Held by keys": members["held_credits"],
            }
        )
        heads = ("Key", "State", "Limit", "Used", "Ends")
        names = ("number", "state", "limit_credits", "used_credits", "endsAt")
        keys = ([key[name] for name in names] for key in members["keys"])
        print_table(heads, keys, right=("Limit", "Used"))
        print_verification(user, members["verification"])


# One parameter per option: Typer reads the signature.
@app.command("adjust", context_settings={"ignore_unknown_options": True})
def adjust(
    context: typer.Context,
    user: User,
    dollars: Annotated[str, typer.Argument(help="Such as 2.5; a negative amount is deducted.")],
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Add money to a subscription, or deduct money that no key holds."""
    with open_session(context, as_json=as_json) as session:
        question = f"{user}: {dollars} dollars; reason: {reason}. Adjust the subscription?"
        session.confirm(question, yes=yes)
        body = {"amount": dollars, "reason": reason}
        members = session.admin_write(_path(user, "adjust"), body, request_id).members
        available = members["available_credits"]
        _show_result(session, members, f"{user} has {available} available outside of its keys.")


# One parameter per option: Typer reads the signature.
@app.command("plan")
def plan(
    context: typer.Context,
    user: User,
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(PLANS)}.")],
    reason: Reason,
    policy: Annotated[
        str | None,
        typer.Option(help=f"One of {', '.join(POLICIES)}; by default the deployment's."),
    ] = None,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Change the plan of a subscription."""
    with open_session(context, as_json=as_json) as session:
        shown = policy or "the deployment's"
        session.confirm(f"{user}: plan {name}, policy {shown}. Change the plan?", yes=yes)
        body = {"plan": name, "reason": reason} | ({"policy": policy} if policy else {})
        members = session.admin_write(_path(user, "plan"), body, request_id).members
        _show_result(session, members, f"{user} is on plan {members['plan']}.")


@app.command("block")
def block(
    context: typer.Context, user: User, reason: Reason, yes: Yes = False, as_json: Json = False
) -> None:
    """Block a subscription and disable its key."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"{user}'s key is refused at once. Block the subscription?", yes=yes)
        members = _post(session, user, "block", {"reason": reason})
        _show_result(session, members, f"{user} is blocked.")


@app.command("unblock")
def unblock(context: typer.Context, user: User, reason: Reason, as_json: Json = False) -> None:
    """Unblock a subscription; it gets a key with its next request for one."""
    with open_session(context, as_json=as_json) as session:
        members = _post(session, user, "unblock", {"reason": reason})
        _show_result(session, members, f"{user} is unblocked.")


@app.command("rotate")
def rotate(
    context: typer.Context,
    user: User,
    reason: Reason,
    revoke: Annotated[bool, typer.Option("--revoke", help="End the old key at once.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Replace the key; without --revoke the old one works for a while."""
    with open_session(context, as_json=as_json) as session:
        ends = "ends at once" if revoke else "works for a while"
        session.confirm(f"{user} gets a new key; the old one {ends}. Replace the key?", yes=yes)
        members = _post(session, user, "rotate", {"reason": reason, "revoke": revoke})
        _show_result(session, members, f"{user}'s key is replaced.")


@app.command("notices")
def notices(
    context: typer.Context,
    user: User,
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """List the webhooks sent to the operator's own system about a subscription, newest first."""
    with open_session(context, as_json=as_json) as session:
        path = _path(user, "webhooks")
        found, cursor = session.pages(path, {"limit": limit}, "webhooks", everything=everything)
        if session.show_json({"ok": True, "webhooks": found, "nextCursor": cursor}):
            return
        if not found:
            say("No webhook was sent.", good=False)
            return
        names = ("id", "type", "state", "timestamp")
        heads = ("Message", "Type", "State", "Created")
        print_table(heads, ([one[name] for name in names] for one in found))


@app.command("replay")
def replay(
    context: typer.Context,
    user: User,
    message: Annotated[str, typer.Argument(help="The message's id, msg_...")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Send a webhook again, with the same id."""
    with open_session(context, as_json=as_json) as session:
        act = f"webhooks/{path_segment(message)}/replay"
        members = _post(session, user, act, {"reason": reason})
        _show_result(session, members, f"{message} will be sent again.")


def _path(user: str, act: str = "") -> str:
    return f"{PATH}/{path_segment(user)}" + (f"/{act}" if act else "")


def _post(session: Session, user: str, act: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = session.admin_headers
    return session.client.post(_path(user, act), body, headers=headers).required().members


def _show_result(session: Session, members: dict[str, Any], text: str) -> None:
    if not session.show_json(members):
        say(text)
