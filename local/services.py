"""The external services of a local run: stand-ins, or the origins that replace them."""

from __future__ import annotations

import importlib
import secrets
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from local.settings import Settings
from local.template import Template

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """A service that the gateway calls. The environment variable `variable` sets its origin, which the
    template takes as `parameter` and the run file shows as `member`; the stand-in is `standins.<module>`.

    `secrets` are the parameters that the gateway and the service share, with the beginning of each.
    """

    module: str
    title: str
    parameter: str
    variable: str
    member: str
    secrets: Mapping[str, str] = field(default_factory=dict)


SERVICES = (
    Service("tttranscribe", "TTTranscribe", "TttBase", "TTT_BASE", "upstreamUrl"),
    Service("tiktok", "TikTok", "TiktokBase", "TIKTOK_BASE", "tiktokUrl"),
    Service("openrouter", "OpenRouter", "OpenrouterBase", "OPENROUTER_BASE", "openrouterUrl"),
    Service(
        "stripe",
        "Stripe",
        "StripeBase",
        "STRIPE_BASE",
        "stripeUrl",
        {"STRIPE_SECRET_KEY": "sk_test_", "STRIPE_WEBHOOK_SECRET": "whsec_"},
    ),
    Service(
        "daraja",
        "Daraja",
        "DarajaBase",
        "DARAJA_BASE",
        "darajaUrl",
        dict.fromkeys(
            (
                "DARAJA_CONSUMER_KEY",
                "DARAJA_CONSUMER_SECRET",
                "DARAJA_PASSKEY",
                "DARAJA_CREDENTIAL",
            ),
            "",
        ),
    ),
    Service("play", "Google Play", "PlayBase", "PLAY_BASE", "playUrl"),
)
PAYMENT_WEBHOOKS = {"stripe": "POST /webhooks/stripe", "play": "POST /webhooks/play"}
"""The routes that stand-ins of payment providers post to; Daraja is told where by each call."""
PLAY_AUDIENCE = "https://pluct.example/webhooks/play"
PAYMENT_PARAMETERS = {
    "PaymentProviders": "stripe mpesa google",
    "MpesaShortCode": "174379",
    "MpesaInitiator": "pluctapi",
    "PlayPackage": "app.pluct",
    "PlayAudience": PLAY_AUDIENCE,
    "PlayPushAccount": "play-rtdn@pluct-pay.iam.gserviceaccount.com",
    "GooglePool": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "GoogleAccount": "play@pluct-pay.iam.gserviceaccount.com",
}
"""The template's parameters that agree with the stand-ins of payment providers."""

GOOGLE_ISSUER, GOOGLE_KEYS_PATH = "https://accounts.google.com", "/oauth2/v3/certs"
"""The issuer of tokens that pushes carry, and where its stand-in shows the keys."""


@dataclass(frozen=True)
class Upstream:
    """A service of this run at the origin `base`; `listener` is the socket of its stand-in, else None."""

    service: Service
    base: str
    listener: socket.socket | None


def choose(template: Template, settings: Settings) -> tuple[Upstream, ...]:
    """All services: the given origin, or a free port for a stand-in. A given origin of a service that the
    template does not call leaves that service out.

    Ports are opened before the stack is deployed, because the stack needs their addresses. Stand-ins start
    after it, because they need the secrets that it creates.
    """
    unused = ignored(template, settings)
    known = (service for service in SERVICES if service.variable not in unused)
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


def shared_secrets(given: Mapping[str, str]) -> dict[str, str]:
    """The secrets that services share with the gateway: the given ones, else new ones."""
    return {
        name: given.get(name) or start + secrets.token_hex(24)
        for service in SERVICES
        for name, start in service.secrets.items()
    }


def payment_settings(
    module: str, shared: Mapping[str, str], routes: Collection[str], base_url: str
) -> dict[str, Any]:
    """The settings of the stand-in `module` of a payment provider; webhooks only where a route takes them."""
    route = PAYMENT_WEBHOOKS.get(module, "")
    webhook_url = base_url + route.partition(" ")[2] if route in routes else None
    if module == "stripe":
        key, secret = shared["STRIPE_SECRET_KEY"], shared["STRIPE_WEBHOOK_SECRET"]
        return {"secret_key": key, "webhook_secret": secret, "webhook_url": webhook_url}
    if module == "daraja":
        return {
            "consumer_key": shared["DARAJA_CONSUMER_KEY"],
            "consumer_secret": shared["DARAJA_CONSUMER_SECRET"],
            "passkey": shared["DARAJA_PASSKEY"],
        }
    if module == "play":
        return {"webhook_url": webhook_url, "audience": PLAY_AUDIENCE}
    return {}


def issuers(upstreams: Iterable[Upstream]) -> dict[str, str]:
    """Where the keys of token issuers are whose place a stand-in has."""
    bases = [one.base for one in upstreams if one.service.module == "play" and one.listener]
    return {GOOGLE_ISSUER: bases[0] + GOOGLE_KEYS_PATH} if bases else {}


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
