"""`pluct audit`: who did what, and what was refused to whom, newest first."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.options import Json
from cli.output import print_table, say, short_time
from cli.session import open_session

PATH = "/admin/audit"
HEADS = ["When", "Who", "What", "About", "Amount", "Outcome", "Reason"]


# One parameter per option: Typer reads the signature.
def audit(
    context: typer.Context,
    actor: Annotated[
        str | None, typer.Option(help="Only by this actor, such as operator:anna.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Only about this user.")] = None,
    action: Annotated[str | None, typer.Option(help="Only this action, as admin_add.")] = None,
    outcome: Annotated[str, typer.Option(help="any, done or refused.")] = "any",
    first: Annotated[
        str | None, typer.Option("--from", help="The first day, YYYY-MM-DD in UTC.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="The last day, YYYY-MM-DD in UTC.")
    ] = None,
    cursor: Annotated[str | None, typer.Option(help="Start where an earlier page ended.")] = None,
    as_json: Json = False,
) -> None:
    """List the audit: today's records, or those of an actor, about a user, or of a range of days."""
    with open_session(context, as_json=as_json) as session:
        query: dict[str, object] = {
            "actor": actor, "user": user, "action": action, "outcome": outcome, "fromDay": first,
            "toDay": last, "cursor": cursor,
        }  # fmt: skip
        reply = session.client.get(PATH, headers=session.admin_headers, query=query).required()
        if session.show_json(reply.members):
            return
        records = reply.members["records"]
        if records:
            rows = ([_cells(one)[head] for head in HEADS] for one in records)
            print_table(HEADS, rows, right=("Amount",), whole=("When", "Outcome"))
        else:
            say("No record among those searched.", good=False)
        if reply.members["nextCursor"]:
            say(f"More: --cursor '{reply.members['nextCursor']}'")


def _cells(record: Mapping[str, Any]) -> dict[str, object]:
    return {
        "When": short_time(record["timestamp"]),
        "Who": record["actor"],
        "What": record["action"],
        "About": f"{record['userId']}:{record['seq']}" if record["seq"] else record["userId"],
        "Amount": record["amount"],
        "Outcome": "done" if record["ok"] else record["code"] or "refused",
        "Reason": record["reason"],
    }
