"""`pluct audit`: who did what, refusals too. Needs `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.options import Everything, Json, Limit
from cli.output import print_table, say, short_time
from cli.session import open_session

PATH = "/admin/audit"


# One parameter per option: Typer reads the signature.
def audit(
    context: typer.Context,
    user: Annotated[str | None, typer.Option(help="Only about this user.")] = None,
    actor: Annotated[
        str | None, typer.Option(help="Only by this actor, such as operator:anna.")
    ] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, such as vend.")] = None,
    outcome: Annotated[str | None, typer.Option(help="done or refused; any by default.")] = None,
    day: Annotated[str | None, typer.Option(help="Only of this day, YYYY-MM-DD in UTC.")] = None,
    from_day: Annotated[str | None, typer.Option("--from", help="From this day.")] = None,
    to_day: Annotated[str | None, typer.Option("--to", help="To this day.")] = None,
    limit: Limit = 50,
    everything: Everything = False,
    cursor: Annotated[
        str | None, typer.Option(help="Start where an earlier page ended; it names the cursor.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List what operators, keys and users did, newest first, with what was refused."""
    with open_session(context, as_json=as_json) as session:
        query: dict[str, object] = {
            "user": user, "actor": actor, "action": action, "outcome": outcome, "day": day,
            "fromDay": from_day, "toDay": to_day, "limit": limit, "cursor": cursor,
        }  # fmt: skip
        found, next_cursor = session.pages(PATH, query, "records", everything=everything)
        if session.show_json({"ok": True, "records": found, "nextCursor": next_cursor}):
            return
        if not found:
            say("There are no such records.", good=False)
            return
        heads = ("When", "User", "Action", "Amount", "Outcome", "By", "Why")
        print_table(heads, map(_row, found), right=("Amount",), whole=("When",))
        if next_cursor is not None:
            session.note(f"There are more: --all, or --cursor '{next_cursor}'.")


def _row(one: Mapping[str, Any]) -> tuple[object, ...]:
    outcome = "ok" if one["ok"] else one["code"] or "refused"
    when = short_time(str(one["timestamp"]))
    amount = one.get("amount")
    return when, one["userId"], one["action"], amount, outcome, one["actor"], one["reason"]
