"""The external services of a local run: stand-ins, or the origins that replace them."""

from __future__ import annotations

import importlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from local.settings import Settings
from local.template import Template

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """A service that the gateway calls. The environment variable `variable` sets its origin, which the
    template takes as `parameter`; the stand-in is `standins.<module>`.
    """

    module: str
    title: str
    parameter: str
    variable: str


SERVICES = (
    Service("tttranscribe", "TTTranscribe", "TttBase", "TTT_BASE"),
    Service("tiktok", "TikTok", "TiktokBase", "TIKTOK_BASE"),
    Service("openrouter", "OpenRouter", "OpenrouterBase", "OPENROUTER_BASE"),
)


@dataclass(frozen=True)
class Upstream:
    """A service of this run at the origin `base`; `listener` is the socket of its stand-in, else None."""

    service: Service
    base: str
    listener: socket.socket | None


def choose(template: Template, settings: Settings) -> tuple[Upstream, ...]:
    """The services that the template uses: the given origin, or a free port for a stand-in.

    Ports are opened before the stack is deployed, because the stack needs their addresses. Stand-ins start
    after it, because they need the secrets that it creates.
    """
    known = (service for service in SERVICES if service.parameter in template["Parameters"])
    return tuple(_upstream(service, settings.bases.get(service.variable)) for service in known)


def ignored(template: Template, settings: Settings) -> list[str]:
    """Variables that are set for services which this template does not call."""
    unknown = (service for service in SERVICES if service.parameter not in template["Parameters"])
    return [service.variable for service in unknown if service.variable in settings.bases]


async def start(service: Service, listener: socket.socket, **create: Any) -> Callable[[], Any]:
    """Starts the stand-in on `listener` with the settings `create`; returns the function that stops it."""
    app = importlib.import_module(f"standins.{service.module}").create_app(**create)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    return runner.cleanup


def listen(port: int) -> socket.socket:
    """A listening loopback socket. Raises OSError when the port is taken."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener


def origin(listener: socket.socket) -> str:
    """The HTTP origin of a listening socket."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}"


def _upstream(service: Service, given: str | None) -> Upstream:
    if given:
        return Upstream(service, given, None)
    listener = listen(0)
    return Upstream(service, origin(listener), listener)
