"""`pluct balance`: what a user can spend, what is held and what is owed."""

import typer

from cli.client import path_segment
from cli.options import Json, User
from cli.output import print_facts
from cli.session import open_session


def balance(context: typer.Context, user: User, as_json: Json = False) -> None:
    """Show what a user can spend, what is held and what is owed."""
    with open_session(context, as_json=as_json) as session:
        key = session.endpoint.credentials.get("ENGINE_ADMIN_KEY")
        headers = {"x-api-key": key} if key else {}
        reply = session.client.get(f"/user/{path_segment(user)}/balance", headers=headers)
        members = reply.required().members
        if not session.show_json(members):
            print_facts(
                {
                    "User": user,
                    "Balance": members["balance"],
                    "Held": members.get("heldCredits"),
                    "Owed": members.get("owed"),
                    "Changed": members.get("updatedAt"),
                }
            )
