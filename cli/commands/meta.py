"""`pluct meta`: the metadata of a TikTok video."""

import typer

from cli.options import Json, Video
from cli.output import print_facts, warn
from cli.session import open_session


def meta(context: typer.Context, url: Video, as_json: Json = False) -> None:
    """Show the metadata of a TikTok video."""
    with open_session(context, as_json=as_json) as session:
        members = session.client.get("/meta", query={"url": url}).required().members
        if not session.show_json(members):
            names = ("title", "author", "handle", "duration", "url", "source")
            print_facts({name.capitalize(): members.get(name) for name in names})
            for warning in members.get("warnings", []):
                warn(str(warning))
