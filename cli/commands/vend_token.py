"""`pluct vend-token`: a token for one transcription, paid with a credit."""

import typer

from cli.client import Reply, new_request_id
from cli.options import Json, RequestId, User
from cli.session import open_session


def vend_token(
    context: typer.Context, user: User, request_id: RequestId = None, as_json: Json = False
) -> None:
    """Buy a token with a credit, and print it.

    Calls POST /vend-token; where that is switched off, POST /v1/vend-token with a new token for the user.
    """
    with open_session(context, as_json=as_json) as session:
        key = request_id or new_request_id()
        reply = session.client.post("/vend-token", {"userId": user}, key=key)
        if _is_switched_off(reply) and "ENGINE_JWT_SECRET" in session.endpoint.credentials:
            session.note("POST /vend-token is switched off here; calling POST /v1/vend-token.")
            headers = session.user_headers(user)
            reply = session.client.post("/v1/vend-token", {}, headers=headers, key=key)
        members = reply.required().members
        if not session.show_json(members):
            session.note(
                f"{user} has {members['balanceAfter']} credits left; "
                f"the token is valid until {members['expiresAt']}."
            )
            typer.echo(members["token"])


def _is_switched_off(reply: Reply) -> bool:
    return reply.status in (401, 403, 404) and reply.members.get("code") != "insufficient_credits"
