"""`pluct keys`: generated API keys. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.options import Json, Yes
from cli.output import print_table, say
from cli.session import open_session
from engine.web import scopes

app = typer.Typer(help="Generate, list and revoke API keys.", no_args_is_help=True)


@app.command("generate")
def generate_key(
    context: typer.Context,
    description: Annotated[str, typer.Argument(help="What the key is for.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Any of {', '.join(sorted(scopes.ALL))}; repeat the option for several."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make an API key and print it once."""
    with open_session(context, as_json=as_json) as session:
        body = {"description": description, "scopes": scope or [*scopes.DEFAULT]}
        headers = session.admin_headers
        members = (
            session.client.post("/admin/generate-key", body, headers=headers).required().members
        )
        if not session.show_json(members):
            granted = ", ".join(members["scopes"])
            session.note(f"{members['id']}: {granted}. The key is not shown again.")
            typer.echo(members["key"])


@app.command("list")
def list_keys(context: typer.Context, as_json: Json = False) -> None:
    """List API keys, newest first."""
    with open_session(context, as_json=as_json) as session:
        headers = session.admin_headers
        members = session.client.get("/admin/keys", headers=headers).required().members
        if session.show_json(members):
            return
        if not members["keys"]:
            say("There are no generated keys.", good=False)
            return
        heads = ("Id", "Begins", "Description", "Scopes", "Last used", "State")
        print_table(heads, (_row(key) for key in members["keys"]))


def _row(key: Mapping[str, Any]) -> tuple[object, ...]:
    state = f"revoked {str(key['revokedAt'])[:10]}" if key["revokedAt"] else "active"
    used = str(key["lastUsedAt"])[:10] if key["lastUsedAt"] else "never"
    return key["id"], key["hint"], key["description"], " ".join(key["scopes"]), used, state


@app.command("revoke")
def revoke_key(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The key's id, key_...")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Revoke an API key; this cannot be undone."""
    with open_session(context, as_json=as_json) as session:
        session.confirm(f"Programs that use {key_id} are refused at once. Revoke it?", yes=yes)
        path = f"/admin/keys/{path_segment(key_id)}"
        members = session.client.delete(path, headers=session.admin_headers).required().members
        if not session.show_json(members):
            say(f"{key_id} is revoked.")
