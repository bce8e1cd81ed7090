"""`pluct users`: looks users up, and erases a person's data. All commands need `ADMIN_SECRET`."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.commands.transactions import print_transactions
from cli.errors import CommandError
from cli.exit_codes import INVALID, NOT_FOUND
from cli.options import Everything, Json, Limit, User
from cli.output import print_facts, print_table, print_verification, say, short_time
from cli.session import Session, open_session

MAX_ERASE_CALLS = 1000
COUNTED = ("origins", "auditRecords", "jobs")
ERASED_TEXTS = {
    "device": "the device's secret",
    "profile": "the profile",
    "subscription": "the subscription's e-mail and name",
}

app = typer.Typer(help="Look users up, and erase a person's data.", no_args_is_help=True)


@app.command("list")
def list_users(
    context: typer.Context,
    sort: Annotated[str, typer.Option(help="id, newest or balance.")] = "id",
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """List users and their balances."""
    with open_session(context, as_json=as_json) as session:
        _show_users(session, {"sort": sort, "limit": limit}, everything=everything)


@app.command("search")
def search_users(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(help="The start of the user ids.")],
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """List users by id prefix."""
    with open_session(context, as_json=as_json) as session:
        _show_users(session, {"prefix": prefix, "limit": limit}, everything=everything)


def _show_users(session: Session, query: Mapping[str, object], *, everything: bool) -> None:
    found, cursor = session.pages("/admin/users", query, "users", everything=everything)
    if session.show_json({"ok": True, "users": found, "nextCursor": cursor}):
        return
    if not found:
        say("There are no such users.", good=False)
        return
    heads = ("User", "Balance", "Held", "Owed", "Spent", "Last change")
    names = ("userId", "balance", "heldCredits", "owed", "spent")
    rows = (
        [*(one.get(name) for name in names), short_time(str(one.get("updatedAt")))] for one in found
    )
    print_table(heads, rows, right=("Balance", "Held", "Owed", "Spent"), whole=("Last change",))
    if cursor is not None:
        session.note("There are more: --all shows them.")


@app.command("show")
def show_user(context: typer.Context, user: User, as_json: Json = False) -> None:
    """Show one user: balance, open holds, last transactions, and the check of the ledger."""
    with open_session(context, as_json=as_json) as session:
        members = find_user(session, user)
        if members is None:
            raise CommandError(f"There is no user {user}.", NOT_FOUND, {"code": "not_found"})
        if session.show_json(members):
            return
        print_facts(
            {
                "User": user,
                "Balance": members["balance"],
                "Held": members["heldCredits"],
                "Owed": members.get("owed"),
                "Open holds": len(members["openHolds"]),
            }
        )
        print_transactions(members["transactions"], with_user=False)
        print_verification(user, members["verification"])


def find_user(session: Session, user: str) -> dict[str, Any] | None:
    """The admin's view of a user; None where there is no such user. Raises `CommandError`."""
    path = f"/admin/users/{path_segment(user)}"
    reply = session.client.get(path, headers=session.admin_headers)
    if reply.status == 404 and reply.members.get("code") == "not_found":
        return None
    return reply.required().members


@app.command("profile")
def profile(
    context: typer.Context,
    user: User,
    text: Annotated[
        str | None, typer.Option("--set", help="A JSON object in place of what is stored.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what the app has stored of a user's settings, or replace it."""
    with open_session(context, as_json=as_json) as session:
        path, headers = f"/user/{path_segment(user)}/profile", session.admin_headers
        if text is None:
            reply = session.client.get(path, headers=headers)
        else:
            reply = session.client.put(path, {"profile": _object(text)}, headers=headers)
        members = reply.required().members
        if not session.show_json(members):
            print_facts({"User": user, "Changed": members["updatedAt"], **members["profile"]})


def _object(text: str) -> dict[str, Any]:
    """Raises `CommandError` where `text` is not a JSON object."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise CommandError("--set takes a JSON object.", INVALID)
    return found


@app.command("erase")
def erase_user(
    context: typer.Context,
    user: User,
    reason: Annotated[
        str,
        typer.Option(
            help="Why; stored in the audit. Do not name a person here.", show_default=False
        ),
    ],
    confirm: Annotated[
        str | None, typer.Option(help="The user id again, instead of a question.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Erase a person's data: addresses, user agents, device, profile, e-mail. The ledger stays."""
    with open_session(context, as_json=as_json) as session:
        if confirm is None:
            session.confirm(f"Erase the personal data of {user}? This cannot be undone.", yes=False)
        body = {"reason": reason, "confirm": user if confirm is None else confirm}
        erased = _erase(session, f"/admin/users/{path_segment(user)}/erase", body)
        if not session.show_json(erased):
            say(f"{user}: {_summary(erased)}.", good=bool(erased["complete"]))


def _erase(session: Session, path: str, body: Mapping[str, object]) -> dict[str, Any]:
    """The last answer, with the sums of all calls. Each call erases a part; raises `CommandError`."""
    erased: Counter[str] = Counter()
    for _ in range(MAX_ERASE_CALLS):
        headers = session.admin_headers
        members = session.client.post(path, body, headers=headers).required().members
        erased.update({name: int(members[name]) for name in (*COUNTED, *ERASED_TEXTS)})
        if members["complete"]:
            break
    counts = {name: erased[name] for name in COUNTED}
    return {**members, **counts, **{name: erased[name] > 0 for name in ERASED_TEXTS}}


def _summary(erased: Mapping[str, Any]) -> str:
    texts = ", ".join(text for name, text in ERASED_TEXTS.items() if erased[name])
    counts = f"{erased['origins']} origins, {erased['auditRecords']} audit records and {erased['jobs']} jobs"
    rest = "" if erased["complete"] else "; not complete, repeat the command"
    return f"erased the texts of {counts}, and {texts or 'nothing else'}{rest}"
