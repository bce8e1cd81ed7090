"""The service card, health, the API's description, and every call that no route takes."""

import json
import time
from pathlib import Path

import engine
from engine import config, health, routes, table
from engine.http import Answer, Api, Call
from engine.table import Table

STARTED_AT = time.time()
HERE = Path(__file__).parent
DESCRIPTION = (HERE / "openapi.json").read_text(encoding="utf-8")
LANDING = (HERE / "landing.html").read_text(encoding="utf-8")
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-hashes'"}
ROUTES = routes.listed(json.loads(DESCRIPTION))

settings = config.load()
store = Table(table.connect(), settings.table_name)
api = Api(settings)
lambda_handler = api


@api.route("GET", "/")
def card(call: Call) -> Answer:
    if "text/html" in call.headers.get("accept", ""):
        return Answer(LANDING, headers=PAGE_HEADERS, content_type="text/html; charset=utf-8")
    return Answer(
        {
            "service": "Pluct Business Engine",
            "status": "running",
            "version": engine.__version__,
            "environment": settings.environment,
            "documentation": "/openapi.json",
            "routes": [f"{method} {path}" for method, path in ROUTES],
        }
    )


@api.route("GET", "/openapi.json")
def description(call: Call) -> Answer:
    return Answer(DESCRIPTION, headers={"Cache-Control": "public, max-age=300"})


@api.route("GET", "/health")
def report(call: Call) -> Answer:
    reachable = health.table_answers(store)
    return Answer(
        {
            "ok": reachable,
            "status": "ok" if reachable else "degraded",
            "uptimeSeconds": int(time.time() - STARTED_AT),
            "version": engine.__version__,
            "routes": [f"{method} {path}" for method, path in ROUTES],
            "build": settings.build,
            "configuration": health.configuration(settings),
            "connectivity": {"dynamodb": "ok" if reachable else "error"},
        },
        status=200 if reachable else 503,
        headers={} if reachable else {"Retry-After": "5"},
    )


@api.fallback
def no_route(call: Call) -> Answer:
    raise routes.refusal(ROUTES, call.path)
