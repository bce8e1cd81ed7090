"""`pluct trigger`: a sample event of a provider at a local run, made by the provider's stand-in."""

from typing import Annotated

import typer

from cli import local_run
from cli.errors import CommandError
from cli.exit_codes import NOT_FOUND
from cli.options import GLOBAL, Json
from cli.output import print_facts, print_table
from cli.provider_events import EVENTS, Scene
from cli.session import Session, open_session


def trigger(
    context: typer.Context,
    event: Annotated[str, typer.Argument(help="One of those that --list shows.")] = "",
    user: Annotated[
        str | None, typer.Option(help="Whom it happens to; by default the demo user.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the events.")] = False,
    as_json: Json = False,
) -> None:
    """Make a provider's event happen at the local run, and wait for what it does to the account."""
    with open_session(context, as_json=as_json) as session:
        if listed or not event:
            _list(session)
            return
        found = EVENTS.get(event)
        if found is None:
            text = f"There is no event {event}: pluct trigger --list shows all."
            raise CommandError(text, NOT_FOUND, {"code": "not_found"})
        scene = _scene(session, user)
        before, _ = scene.account()
        made = found.happen(scene)
        after, _ = scene.account()
        facts = {"user": scene.user, **made, "balanceBefore": before, "balanceAfter": after}
        if not session.show_json({"ok": True, "event": event, **facts}):
            print_facts({"Event": event, "What": found.what, **facts})


def _list(session: Session) -> None:
    rows = [{"event": name, "what": event.what} for name, event in EVENTS.items()]
    if not session.show_json({"ok": True, "events": rows}):
        print_table(("Event", "What happens"), ((row["event"], row["what"]) for row in rows))


def _scene(session: Session, user: str | None) -> Scene:
    """Raises `CommandError` where the gateway is no local run: a deployment has no stand-ins."""
    if not session.endpoint.is_local:
        raise CommandError("Events can be made at a local run alone: start one with `make run`.")
    run = local_run.read(GLOBAL.get().run_file or local_run.DEFAULT_PATH, "baseUrl")
    who = user or session.endpoint.demo_user
    if who is None:
        raise CommandError("Name the user: --user.")
    return Scene(session, run, who)
