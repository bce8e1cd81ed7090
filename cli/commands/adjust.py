"""`pluct adjust`: corrects balances with a reason. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.commands.transactions import PATH
from cli.commands.users import find_user
from cli.errors import CommandError
from cli.exit_codes import FAILED, NO_CREDITS, NOT_FOUND
from cli.options import Amount, Json, Reason, RequestId, User, Yes
from cli.output import print_table, say
from cli.session import Session, open_session

BULK_PATH = "/admin/adjustments"
PLANNED, DONE = frozenset({"would_do", "repeated"}), frozenset({"done", "repeated"})
"""The statuses of rows that are in order: before, and after."""

app = typer.Typer(help="Correct balances, with a reason.", no_args_is_help=True)


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


@app.command("undo")
def undo(
    context: typer.Context,
    user: User,
    seq: Annotated[int, typer.Argument(min=1, help="The number of the transaction.")],
    reason: Reason,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Undo a transaction by a new one; both stay in the ledger."""
    with open_session(context, as_json=as_json) as session:
        _require_reason(reason)
        entry = _entry(session, user, seq)
        session.note(f"{user}, transaction {seq}: {entry['type']} {entry['amount']:+d}")
        session.confirm("Undo it?", yes=yes)
        path = f"/admin/users/{path_segment(user)}/transactions/{seq}/undo"
        reply = session.admin_write(path, {"reason": reason}, request_id)
        replayed = "idempotency-replayed" in reply.headers
        if not session.show_json({**reply.members, "replayed": replayed}):
            made = reply.members
            say(f"{user}: {made['amount']:+d}, {made['newBalance']} now (entry {made['seq']}).")


@app.command("many")
def adjust_many(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(help="CSV: user,amount,reason; a negative amount is deducted.", exists=True),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what it would do.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Adjust many balances by a file: shows what each row would do, then asks.

    A row that was done before is not done again. Ends with 1 if a row is not in order.
    """
    with open_session(context, as_json=as_json) as session:
        text = file.read_bytes()
        planned = _bulk(session, text, dry_run=True)
        if dry_run:
            _show_rows(session, planned, PLANNED)
            return
        if not session.as_json:
            _print_rows(planned)
        session.confirm(f"Do this ({_counts(planned)})?", yes=yes)
        _show_rows(session, _bulk(session, text, dry_run=False), DONE)


def _adjust(
    session: Session, user: str, amount: int, reason: str, request_id: str | None, *, yes: bool
) -> None:
    """Shows the balance before and after, asks, and posts `amount`. Raises `CommandError`."""
    _require_reason(reason)
    known = find_user(session, user)
    if request_id is None:
        _require_enough(user, known, amount)
    session.note(f"{user}{_preview(known, amount)}; reason: {reason}")
    session.confirm("Adjust the balance?", yes=yes)
    path = "/admin/credits/add" if amount > 0 else "/admin/deduct-credits"
    body = {"userId": user, "amount": abs(amount), "reason": reason}
    reply = session.admin_write(path, body, request_id)
    members = reply.members
    replayed = "idempotency-replayed" in reply.headers
    after = int(members["newBalance"])
    before = after - int(_entry(session, user, int(members["seq"]))["amount"])
    if not session.show_json({**members, "balanceBefore": before, "replayed": replayed}):
        again = " This was done by an earlier call; nothing was changed now." if replayed else ""
        say(f"{user}: {before} before, {after} after (entry {members['seq']}).{again}")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise CommandError("A reason is required: the ledger stores it with the entry.")


def _require_enough(user: str, known: Mapping[str, Any] | None, amount: int) -> None:
    """Says before the question what the gateway would refuse. A repeat is the gateway's to answer."""
    balance = int(known["balance"]) if known is not None else 0
    if balance + amount < 0:
        text = (
            f"{user} has {balance}: {-amount} cannot be deducted, a balance never goes below zero."
        )
        raise CommandError(text, NO_CREDITS, {"code": "insufficient_credits"})


def _entry(session: Session, user: str, seq: int) -> Mapping[str, Any]:
    """The entry with this number. Raises `CommandError`."""
    query = {"user": user, "cursor": seq + 1, "limit": 1}
    found, _ = session.pages(PATH, query, "transactions", everything=False)
    if not found or int(found[0]["seq"]) != seq:
        raise CommandError(f"{user} has no transaction {seq}.", NOT_FOUND, {"code": "not_found"})
    entry: Mapping[str, Any] = found[0]
    return entry


def _preview(known: Mapping[str, Any] | None, amount: int) -> str:
    """The balance before and after `amount`; what the account owes is paid first."""
    if known is None:
        return f" (a new account): 0 {amount:+d} = {amount}"
    before, owed = int(known["balance"]), int(known.get("owed", 0))
    paid = min(owed, max(0, amount))
    text = f": {before} {amount:+d} = {before + amount - paid}"
    return f"{text} ({paid} of it pays what is owed)" if paid else text


def _bulk(session: Session, text: bytes, *, dry_run: bool) -> Mapping[str, Any]:
    path = f"{BULK_PATH}?dryRun=true" if dry_run else BULK_PATH
    return session.client.post_csv(path, text, headers=session.admin_headers).required().members


def _show_rows(session: Session, told: Mapping[str, Any], good: frozenset[str]) -> None:
    """Prints the result. Ends with 1 if a row has another status than those of `good`."""
    if not session.show_json(told):
        _print_rows(told)
        say(_counts(told), good=told["counts"].keys() <= good)
    if not told["counts"].keys() <= good:
        raise typer.Exit(FAILED)


def _print_rows(told: Mapping[str, Any]) -> None:
    heads = ("Line", "User", "Amount", "Status", "Balance", "Reason")
    rows = (
        (one["line"], one["userId"], f"{one['amount']:+d}", one["code"] or one["status"],
         one["balance"], one["reason"])
        for one in told["rows"]
    )  # fmt: skip
    print_table(heads, rows, right=("Line", "Amount", "Balance"))


def _counts(told: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(told["counts"].items()))
