"""The service card, health, the API description, and calls that match no route."""

import base64
import hashlib
import json
from functools import cache
from pathlib import Path

import engine
from engine.access import front_secret, keyrings
from engine.access.keyrings import KeyRings
from engine.admin import health
from engine.admin.health import Services, Uptime
from engine.platform import config, table
from engine.platform.circuit import Circuit
from engine.platform.errors import NotFound
from engine.platform.table import Table
from engine.transcription.upstream import Upstream
from engine.web import assets, rate_limits, routes
from engine.web.assets import Asset, Site
from engine.web.http import Answer, Api, Call

HERE = Path(__file__).parent
HTML = "text/html; charset=utf-8"

settings = config.load()
DESCRIPTION = routes.description_at(
    (HERE / "openapi.json").read_text(encoding="utf-8"), settings.public_base
)
ROUTES = routes.listed(json.loads(DESCRIPTION))
DOCS_HEADERS = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    + ("connect-src 'self'; " if settings.docs_try_it else "")
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
store = Table(table.connect(), settings.table_name)
parameters = KeyRings(
    keyrings.connect(),
    settings.secrets_prefix,
    front_secret.names(settings, health.PROBE_PARAMETER),
)
circuit = Circuit(store, "ttt")
uptime = Uptime()
services = Services(store, parameters, Upstream(settings.ttt_base), circuit)
api = Api(settings, front_secret.required(settings, parameters))
lambda_handler = api


@api.route("GET", "/")
def card(call: Call) -> Answer:
    if "text/html" in call.headers.get("accept", ""):
        page = _page("landing.html")
        return Answer(page, headers=_page_headers(page), content_type=HTML)
    return Answer(
        {
            "service": "Pluct Business Engine",
            "status": "running",
            "version": engine.__version__,
            "environment": settings.environment,
            "documentation": f"{settings.public_base}/docs",
            "routes": [f"{method} {path}" for method, path in ROUTES],
        }
    )


@api.route("GET", "/openapi.json")
def description(call: Call) -> Answer:
    return Answer(DESCRIPTION, headers={"Cache-Control": "public, max-age=300"})


@api.route("GET", "/docs")
def docs(call: Call) -> Answer:
    return assets.sent(call, _docs_page("index"), DOCS_HEADERS)


@api.route("GET", "/docs/{page}")
def docs_page(call: Call, page: str) -> Answer:
    if page in _site().files:
        return assets.sent(call, _site().files[page], assets.FOR_EVER)
    if page not in _site().pages:
        raise NotFound()
    return assets.sent(call, _docs_page(page), DOCS_HEADERS)


@api.route("GET", "/health")
def report(call: Call) -> Answer:
    reachable = health.table_answers(store)
    return Answer(
        {
            "ok": reachable,
            "status": "ok" if reachable else "degraded",
            "uptimeSeconds": uptime.seconds,
            "version": engine.__version__,
            "routes": [f"{method} {path}" for method, path in ROUTES],
            "build": settings.build,
            "configuration": health.configuration(settings),
            "connectivity": {"dynamodb": "ok" if reachable else "error"},
        },
        status=200 if reachable else 503,
        headers={} if reachable else {"Retry-After": "5"},
    )


@api.route("GET", "/health/services")
def report_services(call: Call) -> Answer:
    limit = settings.rate_limit * rate_limits.ADDRESS_FACTOR
    rate_limits.take(store, rate_limits.of_address(call.address), "health", limit, call.now)
    return Answer(services.report(call.now))


@cache
def _site() -> Site:
    """Read at the first call for a page: a cold start of the other routes need not wait for it."""
    values = {"root": settings.base_path, "try": "on" if settings.docs_try_it else "off"}
    return assets.site(HERE / "docs", f"{settings.base_path}/docs", values)


@cache
def _docs_page(name: str) -> Asset:
    return _site().page(name)


def _page(name: str) -> str:
    """The page in the file `name`; its links to this service lead to the public base, if there is one."""
    text = (HERE / name).read_text(encoding="utf-8")
    return text.replace('href="/', f'href="{settings.public_base}/')


def _page_headers(page: str) -> dict[str, str]:
    """Allows the page's style and nothing else."""
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
    }


@api.fallback
def no_route(call: Call) -> Answer:
    raise routes.refusal(ROUTES, call.path, call.base_path)
