"""`pluct transactions`: entries of all ledgers, newest first."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.errors import CommandError
from cli.options import Everything, Json
from cli.output import print_table, say, short_time
from cli.session import Session, open_session

PATH = "/admin/transactions"


# One parameter per option: Typer reads the signature.
def transactions(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Only of this user.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only of this type.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this actor.")] = None,
    product: Annotated[
        str | None, typer.Option(help="Only of this product, in any version.")
    ] = None,
    day: Annotated[str | None, typer.Option(help="Only of this day, YYYY-MM-DD in UTC.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows on a page.")] = 50,
    everything: Everything = False,
    cursor: Annotated[
        str | None, typer.Option(help="Start where an earlier page ended; it names the cursor.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV for a spreadsheet.")] = False,
    as_json: Json = False,
) -> None:
    """List transactions, newest first."""
    with open_session(context, as_json=as_json) as session:
        query: dict[str, object] = {
            "user": user, "type": type_, "actor": actor, "product": product, "day": day,
            "limit": limit, "cursor": cursor,
        }  # fmt: skip
        if as_csv and as_json:
            raise CommandError("Give either --csv or --json, not both.")
        if as_csv:
            next_cursor = _write_csv(session, query, everything=everything)
        else:
            found, next_cursor = session.pages(PATH, query, "transactions", everything=everything)
            if session.show_json({"ok": True, "transactions": found, "nextCursor": next_cursor}):
                return
            if found:
                print_transactions(found, with_user=user is None)
            else:
                say("There are no such transactions.", good=False)
        if next_cursor is not None:
            session.note(f"There are more: --all, or --cursor '{next_cursor}'.")


def print_transactions(found: Sequence[Mapping[str, Any]], *, with_user: bool) -> None:
    """Columns that are empty in every row are left out, so that a row fits a terminal."""
    heads = ["When", "User", "Type", "Amount", "Held", "After", "Owed", "What", "By"]
    rows = [_cells(entry) for entry in found]
    hidden = {head for head in ("Held", "Owed") if not any(row[head] for row in rows)}
    if not with_user:
        hidden.add("User")
    shown = [head for head in heads if head not in hidden]
    cells = ([row[head] for head in shown] for row in rows)
    print_table(shown, cells, right=("Amount", "Held", "After", "Owed"), whole=("When", "Type"))


def _cells(entry: Mapping[str, Any]) -> dict[str, object]:
    units, product = entry.get("units"), entry.get("product")
    sold = f"{units} x {product}" if product and units else product
    return {
        "When": short_time(str(entry.get("timestamp"))),
        "User": entry.get("userId"),
        "Type": entry.get("type"),
        "Amount": _signed(entry.get("amount")),
        "Held": _signed(entry.get("heldChange")) if entry.get("heldChange") else "",
        "After": entry.get("balanceAfter"),
        "Owed": entry.get("owedAfter") or "",
        "What": ": ".join(str(part) for part in (sold, entry.get("reason")) if part),
        "By": entry.get("actor"),
    }


def _signed(amount: object) -> object:
    return f"{amount:+d}" if isinstance(amount, int) else amount


def _write_csv(session: Session, query: Mapping[str, object], *, everything: bool) -> str | None:
    """Prints one page or all, with one heading. Returns the cursor of the next page.

    A page is printed before the next one is read, so memory does not grow with the number of pages.
    """
    cursor, is_first = query["cursor"], True
    while True:
        page = {**query, "format": "csv", "cursor": cursor}
        reply = session.client.get(PATH, headers=session.admin_headers, query=page).required()
        heading, _, rest = reply.text.partition("\r\n")
        typer.echo((heading + "\r\n" if is_first else "") + rest, nl=False)
        is_first, next_cursor = False, reply.headers.get("x-next-cursor")
        if next_cursor is None or not everything:
            return next_cursor
        cursor = next_cursor
