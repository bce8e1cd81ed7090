"""`pluct stats`: the figures of the whole deployment. Needs `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.options import Json
from cli.output import print_facts, print_table
from cli.session import open_session


def stats(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=366, help="How many days to list.")] = 14,
    as_json: Json = False,
) -> None:
    """Show users, credits and transactions of the whole deployment, and the last days."""
    with open_session(context, as_json=as_json) as session:
        query = {"days": days}
        reply = session.client.get("/admin/stats", headers=session.admin_headers, query=query)
        members = reply.required().members
        if session.show_json(members):
            return
        print_facts(_facts(members))
        print_table(("Type", "Count", "Sum"), _types(members), right=("Count", "Sum"))
        names = ("newUsers", "added", "deducted", "spent", "refunded")
        heads = ("Day", "New users", "Added", "Deducted", "Spent", "Refunded")
        rows = ((day["day"], *(day[name] for name in names)) for day in members["days"])
        print_table(heads, rows, right=heads[1:], whole=("Day",))


def _facts(members: Mapping[str, Any]) -> dict[str, object]:
    holds, keys = members["holds"], members["apiKeys"]
    return {
        "As of": members["asOf"],
        "Users": members["totalUsers"],
        "Credits": f"{members['creditsAvailable']} available, {members['creditsHeld']} held, "
        f"{members['creditsOwed']} owed",
        "Added": members["creditsAdded"],
        "Deducted": members["creditsDeducted"],
        "Spent": members["creditsSpent"],
        "Refunded": members["creditsRefunded"],
        "Holds": ", ".join(f"{count} {name}" for name, count in holds.items()),
        "API keys": f"{keys['active']} active, {keys['revoked']} revoked",
        "Refusals": members["refusals"]["total"],
        "Set aside": members["deadLetters"],
    }


def _types(members: Mapping[str, Any]) -> list[tuple[object, ...]]:
    found = members["transactions"]["byType"]
    return [(name, told["count"], told["sum"]) for name, told in sorted(found.items())]
