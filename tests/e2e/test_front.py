"""A run behind a proxy: the local front adds the secret, and the engine's own address refuses requests."""

from collections.abc import Iterator, Mapping

import pytest
import requests

from engine.ledger import origins
from local.harness import local_run
from local.translate import API_ID
from tests.e2e.conftest import App

BASE = "https://api.example.com/gateway"
VIEWER = "203.0.113.5"


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    with local_run(COLD="1", PUBLIC_BASE=BASE, TRUSTED_PROXIES="1", REQUIRE_FRONT="true") as run:
        yield App(run)


def user(app: App, sent: Mapping[str, str]) -> dict[str, str]:
    return app.call("POST", "/v1/devices", headers=sent).json


def test_links_use_the_public_base(app: App) -> None:
    assert app.call("GET", "/openapi.json").json["servers"] == [{"url": BASE}]
    assert app.call("GET", "/").json["documentation"] == f"{BASE}/docs"


def test_the_viewer_s_address_is_the_one_that_the_proxy_saw(app: App) -> None:
    made = user(app, {"x-forwarded-for": f"192.0.2.66, {VIEWER}"})["userId"]
    (entry,) = app.ledger.entries(made, limit=10)
    name = (made, entry.origin_id)
    assert origins.texts(app.ledger.table, [name])[name].address == VIEWER


def test_a_secret_that_a_client_sends_does_not_reach_the_function(app: App) -> None:
    assert app.call("GET", "/health", headers={"x-front-secret": "x"}).status == 200


@pytest.mark.parametrize("headers", [{}, {"x-front-secret": "x"}])
def test_the_api_s_own_address_refuses_requests_that_bypass_the_front(
    app: App, headers: dict[str, str]
) -> None:
    address = f"{app.run['engineUrl']}/_aws/execute-api/{API_ID}/$default/health"
    answer = requests.get(address, headers=headers, timeout=30)
    assert (answer.status_code, answer.json()["code"]) == (403, "front_required")
