"""The service card and health."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from engine import __version__
from engine.platform.table import Table
from local.engine import json_client
from tests.support import deployed
from tests.support.gateway import Gateway
from tests.support.studio import opened


def test_the_card_says_what_this_is_and_lists_every_route(gateway: Gateway) -> None:
    card = gateway.call("GET", "/").json
    assert list(card) == ["service", "status", "version", "environment", "documentation", "routes"]
    assert (card["status"], card["version"], card["environment"]) == (
        "running",
        __version__,
        "local",
    )
    assert sorted(card["routes"]) == sorted(
        f"{method} {path}" for _, method, path in deployed.routes()
    )


def test_a_browser_gets_a_page_that_loads_nothing_from_elsewhere(gateway: Gateway) -> None:
    accept = "text/html,application/xhtml+xml,*/*;q=0.8"
    reply = gateway.call("GET", "/", headers={"accept": accept})
    assert reply.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.text.lower().startswith("<!doctype html>")
    assert "<script" not in reply.text and "src=" not in reply.text


def test_the_card_page_allows_its_own_style_only(gateway: Gateway) -> None:
    reply = gateway.call("GET", "/", headers={"accept": "text/html"})
    assert reply.status == 200
    (style,) = re.findall(r"<style>(.*?)</style>", reply.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert reply.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    page = Links()
    page.feed(reply.text)
    assert page.tags.isdisjoint({"script", "img", "link", "iframe", "object", "form", "base"})
    assert not [name for name in page.attributes if name == "style" or name.startswith("on")]
    outside = [href for href in page.hrefs if not href.startswith(("/", "#"))]
    assert outside == []
    assert {href.removeprefix("#") for href in page.hrefs if href.startswith("#")} <= page.ids


def test_the_card_page_is_read_by_a_screen_reader_and_on_a_phone(gateway: Gateway) -> None:
    text = gateway.call("GET", "/", headers={"accept": "text/html"}).text
    assert '<html lang="en">' in text
    assert 'name="viewport" content="width=device-width' in text
    assert text.count("<h1>") == text.count("<main") == 1


class Links(HTMLParser):
    """The tags, attributes, ids and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes, self.ids = set[str](), set[str](), set[str]()
        self.hrefs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids |= {value or "" for name, value in attrs if name == "id"}
        self.hrefs += [value or "" for name, value in attrs if name == "href"]


def test_the_description_is_openapi_and_cacheable(gateway: Gateway) -> None:
    reply = gateway.call("GET", "/openapi.json")
    assert reply.json["openapi"].startswith("3.")
    assert "max-age" in reply.headers["cache-control"]


def test_health_answers_ok(gateway: Gateway) -> None:
    reply = gateway.call("GET", "/health")
    body = reply.json
    assert reply.status == 200
    assert list(body) == [
        "ok", "status", "uptimeSeconds", "version", "routes", "build", "configuration", "connectivity",
    ]  # fmt: skip
    assert (body["ok"], body["status"], body["connectivity"]) == (True, "ok", {"dynamodb": "ok"})
    assert type(body["uptimeSeconds"]) is int
    assert body["build"] == {"ref": "test", "deployedAt": "2026-01-01T00:00:00Z"}
    assert set(body["configuration"].values()) == {True}


def test_health_shows_no_value_of_a_setting(gateway: Gateway) -> None:
    text = gateway.call("GET", "/health").text
    assert [word for word in (gateway.table_name, "pluct-test", "127.0.0.1") if word in text] == []


def test_health_is_503_with_retry_after_if_the_table_cannot_be_reached(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = json_client("dynamodb", "http://127.0.0.1:9")
    monkeypatch.setattr(gateway.function("health"), "store", Table(client, "t"))
    reply = gateway.call("GET", "/health")
    assert (reply.status, reply.headers["retry-after"]) == (503, "5")
    assert (reply.json["ok"], reply.json["status"]) == (False, "degraded")
    assert reply.json["connectivity"] == {"dynamodb": "error"}
    assert "127.0.0.1" not in json.dumps(reply.json)


def test_each_service_is_reported_and_called_at_most_every_five_seconds(endpoint: str) -> None:
    with opened(endpoint) as studio:
        gateway = studio.gateway
        gateway.now = 1_900_000_000
        found = gateway.call("GET", "/health/services")
        assert found.status == 200
        assert {name: service.get("status") for name, service in found.json["services"].items()} == {
            "ttt": "ok", "dynamodb": "ok", "ssm": "ok", "circuitBreaker": None,
        }  # fmt: skip
        assert (found.json["ok"], found.json["status"]) == (True, "ok")
        assert found.json["connectivity"] == {"ttt": "ok"}
        studio.upstream.fault("health", "drop", times=None)
        assert gateway.call("GET", "/health/services").text == found.text
        gateway.now += 5
        broken = gateway.call("GET", "/health/services").json
        assert (broken["ok"], broken["status"], broken["ttt"]["status"]) == (
            False,
            "error",
            "error",
        )
        assert broken["ttt"]["consecutiveFailures"] == 1
        studio.upstream.answer("health", {"readiness": {"ok": False}}, 200)
        gateway.now += 5
        unready = gateway.call("GET", "/health/services").json
        assert (unready["status"], unready["ttt"]["consecutiveFailures"]) == ("degraded", 0)
        assert len(studio.upstream.calls("health")) == 3
