"""`pluct validate`: whether the gateway accepts a token."""

import sys
from typing import Annotated

import typer

from cli.errors import CommandError
from cli.options import Json
from cli.output import say
from cli.session import open_session


def validate(
    context: typer.Context,
    jwt: Annotated[str, typer.Argument(help="The token; - reads it from standard input.")],
    as_json: Json = False,
) -> None:
    """Check whether the gateway accepts a token.

    Ends with 3 where it does not.
    """
    with open_session(context, as_json=as_json) as session:
        token = sys.stdin.readline().strip() if jwt == "-" else jwt
        if not token or not token.isascii() or not token.isprintable():
            raise CommandError("That is not a token.")
        headers = {"authorization": f"Bearer {token}"}
        members = session.client.get("/ttt/status/ping", headers=headers).required().members
        if not session.show_json(members):
            say("The gateway accepts this token.")
