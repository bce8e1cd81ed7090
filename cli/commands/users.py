"""What operators do: users, transactions, adjustments, API keys. All of it asks for `ADMIN_SECRET`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.client import segment
from cli.commands.ledger.erased import erase_user
from cli.commands.seed_credits import Amount, RequestId, User
from cli.output import (
    Json,
    Trouble,
    print_facts,
    print_table,
    say,
)
from cli.session import Desk, at, pages

users = typer.Typer(help="Look users up.", no_args_is_help=True)
adjust = typer.Typer(help="Correct a balance, with a reason.", no_args_is_help=True)
keys = typer.Typer(help="Generated API keys.", no_args_is_help=True)

Limit = Annotated[int, typer.Option(min=1, max=100, help="How many a page.")]
Everything = Annotated[bool, typer.Option("--all", help="All pages.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Cursor = Annotated[str | None, typer.Option(help="Where a page before said to go on.")]
Reason = Annotated[
    str, typer.Option(help="Why; kept in the ledger and the audit.", show_default=False)
]


@users.command("list")
def list_users(
    context: typer.Context,
    sort: Annotated[str, typer.Option(help="id, newest or balance.")] = "id",
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Users and their balances."""
    with at(context, as_json=as_json) as desk:
        _show_users(desk, {"sort": sort, "limit": limit}, everything=everything)


@users.command("search")
def search_users(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(help="How the ids begin.")],
    limit: Limit = 50,
    everything: Everything = False,
    as_json: Json = False,
) -> None:
    """Users whose id begins so."""
    with at(context, as_json=as_json) as desk:
        _show_users(desk, {"prefix": prefix, "limit": limit}, everything=everything)


def _show_users(desk: Desk, query: dict[str, object], *, everything: bool) -> None:
    found, cursor = pages(desk, "/admin/users", query, "users", everything=everything)
    if desk.show_json({"ok": True, "users": found, "nextCursor": cursor}):
        return
    if not found:
        say("There are no such users.", good=False)
        return
    heads = ("User", "Balance", "Held", "Spent", "Last change")
    names = ("userId", "balance", "heldCredits", "spent", "updatedAt")
    rows = ([_cell(name, one) for name in names] for one in found)
    print_table(heads, rows, right=("Balance", "Held", "Spent"), whole=("Last change",))
    if cursor is not None:
        desk.note("There are more: --all shows them.")


@users.command("show")
def show_user(context: typer.Context, user: User, as_json: Json = False) -> None:
    """A user's whole story: balance, holds, last transactions, and whether the ledger adds up."""
    with at(context, as_json=as_json) as desk:
        members = _user(desk, user)
        if members is None:
            raise Trouble(f"There is no user {user}.", 4, {"code": "not_found"})
        if desk.show_json(members):
            return
        print_facts(
            {
                "User": user,
                "Balance": members["balance"],
                "Held": members["heldCredits"],
                "Open holds": len(members["openHolds"]),
            }
        )
        _show_transactions(members["transactions"], with_user=False)
        verified = members["verification"]
        findings = verified.get("findings", [])
        text = f"{len(findings)} findings: pluct ledger verify --user {user}"
        say("The ledger adds up." if verified["ok"] else text, good=bool(verified["ok"]))


def _user(desk: Desk, user: str) -> dict[str, Any] | None:
    """The admin's view of a user, None where there is none. Raises `Trouble`."""
    reply = desk.calls.get(f"/admin/users/{segment(user)}", headers=desk.admin)
    if reply.status == 404 and reply.members.get("code") == "not_found":
        return None
    return reply.required().members


def transactions(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Only this user's.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this actor.")] = None,
    day: Annotated[str | None, typer.Option(help="Only of this day, YYYY-MM-DD in UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many a page.")] = 50,
    everything: Everything = False,
    cursor: Cursor = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet.")] = False,
    as_json: Json = False,
) -> None:
    """All transactions, newest first."""
    with at(context, as_json=as_json) as desk:
        query: dict[str, object] = {
            "user": user, "type": type_, "actor": actor, "day": day, "limit": limit,
        }  # fmt: skip
        if as_csv and as_json:
            raise Trouble("Say either --csv or --json, not both.")
        if as_csv:
            _write_csv(desk, query, cursor, everything=everything)
            return
        query["cursor"] = cursor
        found, next_cursor = pages(
            desk, "/admin/transactions", query, "transactions", everything=everything
        )
        if desk.show_json({"ok": True, "transactions": found, "nextCursor": next_cursor}):
            return
        if not found:
            say("There are no such transactions.", good=False)
        else:
            _show_transactions(found, with_user=user is None)
        if next_cursor is not None:
            desk.note(f"There are more: --all, or --cursor '{next_cursor}'.")


def _write_csv(
    desk: Desk, query: dict[str, object], cursor: str | None, *, everything: bool
) -> None:
    """Page after page as it comes, so that a long table needs no memory; the head only once."""
    first = True
    while True:
        page = {**query, "format": "csv", "cursor": cursor}
        reply = desk.calls.get("/admin/transactions", headers=desk.admin, query=page).required()
        head, _, rest = reply.text.partition("\r\n")
        typer.echo((head + "\r\n" if first else "") + rest, nl=False)
        first, cursor = False, reply.headers.get("x-next-cursor")
        if cursor is None:
            return
        if not everything:
            desk.note(f"There are more: --all, or --cursor '{cursor}'.")
            return


def _show_transactions(found: Sequence[Mapping[str, Any]], *, with_user: bool) -> None:
    names = ["timestamp", "userId", "type", "amount", "balanceAfter", "reason", "actor"]
    heads = ["When", "User", "Type", "Amount", "After", "Reason", "By"]
    if not with_user:
        names.remove("userId")
        heads.remove("User")
    rows = ([_cell(name, one) for name in names] for one in found)
    print_table(heads, rows, right=("Amount", "After"), whole=("When", "Type"))


def _cell(name: str, entry: Mapping[str, Any]) -> object:
    value = entry.get(name)
    if name in ("timestamp", "updatedAt"):
        return str(value)[:16].replace("T", " ")
    return f"{value:+d}" if name == "amount" and isinstance(value, int) else value


@adjust.command("add")
def add(
    context: typer.Context,
    user: User,
    amount: Amount,
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Add credits to a balance."""
    with at(context, as_json=as_json) as desk:
        _adjust(desk, user, amount, reason, request_id, yes=yes)


@adjust.command("deduct")
def deduct(
    context: typer.Context,
    user: User,
    amount: Amount,
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Take credits from a balance; it never goes below zero."""
    with at(context, as_json=as_json) as desk:
        _adjust(desk, user, -amount, reason, request_id, yes=yes)


def _adjust(
    desk: Desk, user: str, amount: int, reason: str, request_id: str | None, *, yes: bool
) -> None:
    if not reason.strip():
        raise Trouble("A reason is needed: it is what explains this entry for ever.")
    known = _user(desk, user)
    before = 0 if known is None else int(known["balance"])
    new = "" if known is not None else " (a new account)"
    desk.note(f"{user}{new}: {before} {amount:+d} = {before + amount}; reason: {reason}")
    desk.agree("Do it?", yes=yes)
    path = "/admin/credits/add" if amount > 0 else "/admin/deduct-credits"
    body = {"userId": user, "amount": abs(amount), "reason": reason}
    reply = desk.once(path, body, request_id)
    members = reply.members
    replayed = "idempotency-replayed" in reply.headers
    after = int(members["newBalance"])
    shown = {**members, "balanceBefore": after - amount, "replayed": replayed}
    if not desk.show_json(shown):
        again = " It had been done before; nothing was changed now." if replayed else ""
        say(f"{user}: {after - amount} before, {after} after (entry {members['seq']}).{again}")


@keys.command("generate")
def generate_key(
    context: typer.Context,
    description: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="users:read, credits:write, keys:write, subscriptions:write or admin; repeat it."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it; it is never shown again."""
    with at(context, as_json=as_json) as desk:
        body = {"description": description, "scopes": scope or ["credits:write"]}
        reply = desk.calls.post("/admin/generate-key", body, headers=desk.admin)
        members = reply.required().members
        if not desk.show_json(members):
            desk.note(f"{members['id']}: {', '.join(members['scopes'])}. It is not shown again.")
            typer.echo(members["key"])


@keys.command("list")
def list_keys(context: typer.Context, as_json: Json = False) -> None:
    """All keys, the newest first."""
    with at(context, as_json=as_json) as desk:
        members = desk.calls.get("/admin/keys", headers=desk.admin).required().members
        if desk.show_json(members):
            return
        if not members["keys"]:
            say("There are no generated keys.", good=False)
            return
        heads = ("Id", "Begins", "What for", "Scopes", "Last used", "State")
        print_table(heads, (_key_row(key) for key in members["keys"]))


def _key_row(key: Mapping[str, Any]) -> tuple[object, ...]:
    state = f"revoked {str(key['revokedAt'])[:10]}" if key["revokedAt"] else "active"
    used = str(key["lastUsedAt"])[:10] if key["lastUsedAt"] else "never"
    return key["id"], key["hint"], key["description"], " ".join(key["scopes"]), used, state


@keys.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The key's id, key_...")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Revoke a key for good."""
    with at(context, as_json=as_json) as desk:
        desk.agree(f"Programs that use {key_id} will be refused at once. Revoke it?", yes=yes)
        reply = desk.calls.delete(f"/admin/keys/{segment(key_id)}", headers=desk.admin)
        members = reply.required().members
        if not desk.show_json(members):
            say(f"{key_id} is revoked.")


users.command("erase")(erase_user)

GROUPS = {"users": users, "adjust": adjust, "keys": keys}
