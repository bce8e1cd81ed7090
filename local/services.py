"""The stand-ins for services outside, and who replaces them."""

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
    """A service that the gateway calls; `variable` sets the origin that `parameter` carries."""

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
    """A service of this run at `base`; `listener` is that of its stand-in, if it is one."""

    service: Service
    base: str
    listener: socket.socket | None


def choose(template: Template, settings: Settings) -> tuple[Upstream, ...]:
    """The services that the template knows: the given origin, or a free port for a stand-in.

    The ports are taken before the stack is deployed, because the stack must know them, and the
    stand-ins are started after it, because they must know the secrets that it creates.
    """
    known = (service for service in SERVICES if service.parameter in template["Parameters"])
    return tuple(_upstream(service, settings.bases.get(service.variable)) for service in known)


def ignored(template: Template, settings: Settings) -> list[str]:
    """Variables that were set for services that this version of the template does not call."""
    unknown = (service for service in SERVICES if service.parameter not in template["Parameters"])
    return [service.variable for service in unknown if service.variable in settings.bases]


async def start(service: Service, listener: socket.socket, **create: Any) -> Callable[[], Any]:
    """Starts the stand-in on `listener` with what its `create_app` takes; returns how to end it."""
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
    """Where a listening socket is reached."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}"


def _upstream(service: Service, given: str | None) -> Upstream:
    if given:
        return Upstream(service, given, None)
    listener = listen(0)
    return Upstream(service, origin(listener), listener)
