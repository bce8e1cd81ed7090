"""`pluct adjust`: corrects a balance with a reason. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Any

import typer

from cli.commands.transactions import PATH
from cli.commands.users import find_user
from cli.errors import CommandError
from cli.options import Amount, Json, Reason, RequestId, User, Yes
from cli.output import say
from cli.session import Session, open_session

app = typer.Typer(help="Correct a balance, with a reason.", no_args_is_help=True)


# One parameter per option: Typer reads the signature.
@app.command("add")
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
    with open_session(context, as_json=as_json) as session:
        _adjust(session, user, amount, reason, request_id, yes=yes)


# One parameter per option: Typer reads the signature.
@app.command("deduct")
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
    with open_session(context, as_json=as_json) as session:
        _adjust(session, user, -amount, reason, request_id, yes=yes)


def _adjust(
    session: Session, user: str, amount: int, reason: str, request_id: str | None, *, yes: bool
) -> None:
    """Shows the balance before and after, asks, and posts `amount`. Raises `CommandError`."""
    if not reason.strip():
        raise CommandError("A reason is required: the ledger stores it with the entry.")
    known = find_user(session, user)
    session.note(f"{user}{_preview(known, amount)}; reason: {reason}")
    session.confirm("Adjust the balance?", yes=yes)
    path = "/admin/credits/add" if amount > 0 else "/admin/deduct-credits"
    body = {"userId": user, "amount": abs(amount), "reason": reason}
    reply = session.admin_write(path, body, request_id)
    members = reply.members
    replayed = "idempotency-replayed" in reply.headers
    after = int(members["newBalance"])
    before = after - _change(session, user, int(members["seq"]))
    if not session.show_json({**members, "balanceBefore": before, "replayed": replayed}):
        again = " This was done by an earlier call; nothing was changed now." if replayed else ""
        say(f"{user}: {before} before, {after} after (entry {members['seq']}).{again}")


def _change(session: Session, user: str, seq: int) -> int:
    """By how much the entry changed the balance; what was owed is paid from an amount first."""
    query = {"user": user, "cursor": seq + 1, "limit": 1}
    (entry,), _ = session.pages(PATH, query, "transactions", everything=False)
    return int(entry["amount"])


def _preview(known: Mapping[str, Any] | None, amount: int) -> str:
    """The balance before and after `amount`; what the account owes is paid first."""
    if known is None:
        return f" (a new account): 0 {amount:+d} = {amount}"
    before, owed = int(known["balance"]), int(known.get("owed", 0))
    paid = min(owed, max(0, amount))
    text = f": {before} {amount:+d} = {before + amount - paid}"
    return f"{text} ({paid} of it pays what is owed)" if paid else text
