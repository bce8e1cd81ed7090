"""`pluct status`: the gateway's own report of its health."""

from collections.abc import Mapping
from typing import Any

import typer

from cli.exit_codes import UNAVAILABLE
from cli.options import Json
from cli.output import print_facts, say
from cli.session import Session, open_session


def status(context: typer.Context, as_json: Json = False) -> None:
    """Show the gateway's health.

    Calls /health; ends with 5 where the gateway is not healthy.
    """
    with open_session(context, as_json=as_json) as session:
        reply = session.client.get("/health")
        if reply.status not in (200, 503):
            raise reply.refusal()
        found = reply.members
        is_healthy = found["status"] == "ok"
        if not session.show_json(found):
            _show_health(session, found)
        if not is_healthy:
            raise typer.Exit(UNAVAILABLE)


def _show_health(session: Session, found: Mapping[str, Any]) -> None:
    build = found.get("build", {})
    print_facts(
        {
            "Gateway": f"{session.endpoint.title} at {session.endpoint.base_url}",
            "Version": f"{found.get('version')}, build {build.get('ref')}",
            "Deployed": build.get("deployedAt"),
            "Up for": f"{found.get('uptimeSeconds')} s (this instance)",
            "Connectivity": _pairs(found.get("connectivity", {})),
            "Not set": ", ".join(k for k, v in found.get("configuration", {}).items() if not v)
            or "-",
            "Routes": len(found.get("routes", [])),
        }
    )
    say(f"Status: {found['status']}.", good=found["status"] == "ok")


def _pairs(members: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in members.items()) or "-"
