"""`pluct smoke-account`: creates the account that pays for `pluct smoke`."""

from typing import Annotated

import typer

from cli.client import new_request_id
from cli.commands.smoke import REASON
from cli.endpoint import SMOKE_CREDENTIALS
from cli.options import Json
from cli.session import open_session


def smoke_account(
    context: typer.Context,
    credits_: Annotated[
        int,
        typer.Option("--credits", min=1, max=1000, help="The account's credits; a run spends one."),
    ] = 100,
    as_json: Json = False,
) -> None:
    """Create the account that `smoke` pays from, once for each deployment.

    Prints SMOKE_USER and SMOKE_REFRESH_SECRET as lines that `gh secret set --env-file -` reads. The
    secret is not shown again. Its holder can spend the credits of this account and nothing else.
    """
    with open_session(context, as_json=as_json) as session:
        key = {"x-api-key": session.endpoint.credential("ENGINE_ADMIN_KEY")}
        made = session.client.post("/v1/devices", {}).required().members
        user = made["userId"]
        body = {"userId": user, "amount": credits_, "reason": REASON}
        session.client.post("/v1/credits/add", body, headers=key, key=new_request_id()).required()
        shown = dict(zip(SMOKE_CREDENTIALS, (user, made["refreshSecret"]), strict=True))
        if not session.show_json({"ok": True, **shown}):
            typer.echo("\n".join(f"{name}={value}" for name, value in shown.items()))
        session.note(
            f"{user} has {credits_} credits; to add more: `pluct seed-credits {user} 100`."
        )
