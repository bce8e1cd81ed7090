"""`pluct subscriptions`: what an operator does with them. All of it asks for `ADMIN_SECRET`."""

from typing import Annotated, Any

import typer

from cli.client import segment
from cli.commands.seed_credits import RequestId, User
from cli.commands.users import Everything, Limit, Reason, Yes
from cli.output import Json, print_facts, print_table, say
from cli.session import Desk, at, pages

PATH = "/admin/subscriptions"

app = typer.Typer(help="Look after subscriptions.", no_args_is_help=True)


@app.command("list")
def list_subscriptions(
    context: typer.Context,
    prefix: Annotated[str, typer.Option(help="How the user ids begin.")] = "",
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Subscribers, their plans and what is left."""
    with at(context, as_json=as_json) as desk:
        query: dict[str, object] = {"prefix": prefix, "limit": limit}
        found, cursor = pages(desk, PATH, query, "subscriptions", everything=everything)
        if desk.show_json({"ok": True, "subscriptions": found, "nextCursor": cursor}):
            return
        if not found:
            say("There are no such subscriptions.", good=False)
            return
        heads = ("User", "Plan", "State", "Left", "Used", "Key")
        names = ("userId", "plan", "state", "remaining_credits", "used_credits", "currentKey")
        print_table(heads, ([one[name] for name in names] for one in found), right=heads[3:])
        if cursor is not None:
            desk.note("There are more: --all shows them.")


@app.command("show")
def show(context: typer.Context, user: User, as_json: Json = False) -> None:
    """One subscription: its money, its keys, and whether the ledger adds up."""
    with at(context, as_json=as_json) as desk:
        members = desk.calls.get(_path(user), headers=desk.admin).required().members
        if desk.show_json(members):
            return
        print_facts(
            {
                "User": user,
                "Plan": members["plan"],
                "State": members["state"],
                "Free": members["available_credits"],
                "Set aside for keys": members["held_credits"],
            }
        )
        heads = ("Key", "State", "Limit", "Used", "Ends")
        names = ("number", "state", "limit_credits", "used_credits", "endsAt")
        keys = ([key[name] for name in names] for key in members["keys"])
        print_table(heads, keys, right=("Limit", "Used"))
        verified = members["verification"]
        text = f"{len(verified['findings'])} findings: pluct ledger verify --user {user}"
        say("The ledger adds up." if verified["ok"] else text, good=bool(verified["ok"]))


@app.command("adjust", context_settings={"ignore_unknown_options": True})
def adjust(
    context: typer.Context,
    user: User,
    dollars: Annotated[str, typer.Argument(help="Such as 2.5; with a minus it is taken away.")],
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Add money, or take what no key has set aside."""
    with at(context, as_json=as_json) as desk:
        desk.agree(f"{user}: {dollars} dollars; reason: {reason}. Do it?", yes=yes)
        body = {"amount": dollars, "reason": reason}
        members = desk.once(_path(user, "adjust"), body, request_id).members
        _told(desk, members, f"{user} has {members['available_credits']} outside of its keys now.")


@app.command("plan")
def plan(
    context: typer.Context,
    user: User,
    name: Annotated[str, typer.Argument(help="basic, pro or enterprise.")],
    reason: Reason,
    policy: Annotated[
        str | None, typer.Option(help="reset, block or top_up; without it the deployment's.")
    ] = None,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Put a subscription on another plan."""
    with at(context, as_json=as_json) as desk:
        desk.agree(f"{user}: plan {name}, policy {policy or 'as deployed'}. Do it?", yes=yes)
        body = {"plan": name, "reason": reason} | ({"policy": policy} if policy else {})
        members = desk.once(_path(user, "plan"), body, request_id).members
        _told(desk, members, f"{user} is on {members['plan']} now.")


@app.command("block")
def block(
    context: typer.Context, user: User, reason: Reason, yes: Yes = False, as_json: Json = False
) -> None:
    """Stop a subscription and disable its key."""
    with at(context, as_json=as_json) as desk:
        desk.agree(f"{user}'s key will be refused at once. Block it?", yes=yes)
        _told(desk, _asked(desk, user, "block", {"reason": reason}), f"{user} is blocked.")


@app.command("unblock")
def unblock(context: typer.Context, user: User, reason: Reason, as_json: Json = False) -> None:
    """Let a blocked subscription go on; it gets a key when it asks for one."""
    with at(context, as_json=as_json) as desk:
        _told(desk, _asked(desk, user, "unblock", {"reason": reason}), f"{user} may go on.")


@app.command("rotate")
def rotate(
    context: typer.Context,
    user: User,
    reason: Reason,
    revoke: Annotated[bool, typer.Option("--revoke", help="The old key ends at once.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Replace the key; without --revoke the old one works for a while."""
    with at(context, as_json=as_json) as desk:
        ends = "ends at once" if revoke else "works for a while"
        desk.agree(f"{user} gets a new key; the old one {ends}. Do it?", yes=yes)
        body = {"reason": reason, "revoke": revoke}
        _told(desk, _asked(desk, user, "rotate", body), f"{user}'s key is replaced.")


@app.command("notices")
def notices(
    context: typer.Context,
    user: User,
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """What was sent to the operator's own system about a subscription, newest first."""
    with at(context, as_json=as_json) as desk:
        query: dict[str, object] = {"limit": limit}
        path = _path(user, "webhooks")
        found, cursor = pages(desk, path, query, "webhooks", everything=everything)
        if desk.show_json({"ok": True, "webhooks": found, "nextCursor": cursor}):
            return
        if not found:
            say("Nothing was sent.", good=False)
            return
        names = ("id", "type", "state", "timestamp")
        print_table(
            ("Message", "Type", "State", "Made"), ([one[n] for n in names] for one in found)
        )


@app.command("replay")
def replay(
    context: typer.Context,
    user: User,
    message: Annotated[str, typer.Argument(help="The message's id, msg_...")],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Send a notice again, with the same id."""
    with at(context, as_json=as_json) as desk:
        members = _asked(desk, user, f"webhooks/{segment(message)}/replay", {"reason": reason})
        _told(desk, members, f"{message} will be sent again.")


def _path(user: str, act: str = "") -> str:
    return f"{PATH}/{segment(user)}" + (f"/{act}" if act else "")


def _asked(desk: Desk, user: str, act: str, body: dict[str, Any]) -> Any:
    return desk.calls.post(_path(user, act), body, headers=desk.admin).required().members


def _told(desk: Desk, members: Any, text: str) -> None:
    if not desk.show_json(members):
        say(text)
