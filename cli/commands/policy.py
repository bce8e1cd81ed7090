"""`pluct policy`: what apps are told to do, without a deployment. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.errors import CommandError
from cli.options import Json, Reason, Yes
from cli.output import print_facts, print_table, say
from cli.session import Session, open_session

PATH = "/admin/app-policy"
SWITCHES = {"on": True, "off": False}

app = typer.Typer(help="Show and change the policy for apps.", no_args_is_help=True)


@app.command("show")
def show(context: typer.Context, as_json: Json = False) -> None:
    """Show the policy for apps and its last changes."""
    with open_session(context, as_json=as_json) as session:
        members = _read(session)
        if session.show_json(members):
            return
        print_facts({"version": members["version"], **members["policy"]})
        heads = ("Version", "When", "Who", "Why")
        rows = (_row(one) for one in members["history"])
        print_table(heads, rows, right=("Version",))


# One parameter per option: Typer reads the signature.
@app.command("set")
def change(
    context: typer.Context,
    reason: Reason,
    minimum: Annotated[
        int | None, typer.Option(help="The lowest version code that is served.")
    ] = None,
    recommended: Annotated[
        int | None, typer.Option(help="Apps below it suggest an update.")
    ] = None,
    latest: Annotated[int | None, typer.Option(help="The newest version code.")] = None,
    update_mode: Annotated[str | None, typer.Option(help="none, soft or hard.")] = None,
    transcriptions: Annotated[
        str | None, typer.Option(help="on, or off: no new videos are taken.")
    ] = None,
    message: Annotated[
        str | None, typer.Option(help="What people are told; empty for nothing.")
    ] = None,
    apk_url: Annotated[
        str | None, typer.Option(help="The https address of the newest release.")
    ] = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Change the policy for apps; what is not named stays."""
    given = {
        "minimumVersionCode": minimum,
        "recommendedVersionCode": recommended,
        "latestVersionCode": latest,
        "updateMode": update_mode,
        "transcriptionSubmit": _switch(transcriptions),
        "message": message,
        "apkUrl": apk_url,
    }
    changes = {name: value for name, value in given.items() if value is not None}
    with open_session(context, as_json=as_json) as session:
        if not changes:
            raise CommandError("Name at least one change; see --help.")
        seen = _read(session)
        for name, value in changes.items():
            session.note(f"{name}: {seen['policy'].get(name)!r} becomes {value!r}")
        session.confirm("Every app follows within two minutes. Change the policy?", yes=yes)
        body = {"version": seen["version"], "reason": reason, **changes}
        made = session.client.post(PATH, body, headers=session.admin_headers).required().members
        if not session.show_json(made):
            say(f"The policy is now version {made['version']}.")


def _read(session: Session) -> Mapping[str, Any]:
    return session.client.get(PATH, headers=session.admin_headers).required().members


def _row(version: Mapping[str, Any]) -> tuple[object, ...]:
    return version["version"], version["changedAt"], version["changedBy"], version["reason"]


def _switch(word: str | None) -> bool | None:
    """Raises `typer.BadParameter` for a word that is neither on nor off."""
    if word is None:
        return None
    if word not in SWITCHES:
        raise typer.BadParameter("It is on or off.", param_hint="--transcriptions")
    return SWITCHES[word]
