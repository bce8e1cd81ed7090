"""`pluct find`: everything that has a name, or a part of one, that somebody quotes."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.exit_codes import NOT_FOUND
from cli.options import Json
from cli.output import print_table, say, short_time
from cli.session import open_session

PATH = "/admin/search"

Quoted = Annotated[
    str,
    typer.Argument(
        metavar="TEXT",
        help="A user id or a part of it, a job, video, token, hold, payment, pay code, entry, request id…",
        show_default=False,
    ),
]


def find(
    context: typer.Context,
    text: Quoted,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also parts of ids where an exact name was found.")
    ] = False,
    cursor: Annotated[
        str | None, typer.Option(help="Continue with older transactions; the output names it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find a credit, a user, a job or a payment by what a customer quotes. Needs ADMIN_SECRET."""
    with open_session(context, as_json=as_json) as session:
        query: dict[str, object] = {"q": text, "deep": "true" if deep else None, "cursor": cursor}
        reply = session.client.get(PATH, headers=session.admin_headers, query=query).required()
        results = reply.members["results"]
        if not session.show_json(reply.members):
            if results:
                rows = ([_cells(one)[head] for head in HEADS] for one in results)
                print_table(HEADS, rows, right=("Entry",), whole=("Kind", "When"))
            _say_rest(reply.members)
    if not results:
        raise typer.Exit(NOT_FOUND)


HEADS = ["Kind", "Name", "User", "Entry", "When", "What"]


def _cells(result: Mapping[str, Any]) -> dict[str, object]:
    return {
        "Kind": result["kind"].replace("_", " "),
        "Name": result["id"],
        "User": result["userId"],
        "Entry": result["seq"],
        "When": short_time(result["timestamp"]) if result["timestamp"] else None,
        "What": result["text"],
    }


def _say_rest(members: Mapping[str, Any]) -> None:
    """What was searched, and what was not."""
    if not members["results"]:
        say("Nothing was found.", good=False)
    for one in members["searched"]:
        extent = "all" if one["complete"] else f"the first {one['looked']:,}"
        say(f"Searched: {extent} {one['what']}.", good=not members["truncated"])
    if members["nextCursor"]:
        say(f"Older transactions: --cursor {members['nextCursor']}", good=not members["truncated"])
