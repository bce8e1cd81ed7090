"""Behind a proxy or a domain with a base path: links, addresses of callers, the required secret."""

import base64
import json
import re
from typing import Any

import pytest

from engine.access import attempts, ring_store, rotation, sessions
from engine.access.keyrings import FRONT_SECRET, KEEP_S
from engine.ledger import audit
from local.engine import json_client
from tests.support import deployed, loglines, schema, studio
from tests.support.direct import assert_error_body
from tests.support.gateway import PREFIX, Gateway, Reply, event_of
from tests.support.operators import Browser, made

EDGE = "130.176.1.1"
BASE = "https://api.example.com/gateway"
HTML = {"accept": "text/html"}


@pytest.fixture(scope="module")
def based(endpoint: str) -> Gateway:
    return Gateway(endpoint, PUBLIC_BASE=BASE)


@pytest.fixture
def proxied(endpoint: str) -> Gateway:
    return Gateway(endpoint, TRUSTED_PROXIES="1")


@pytest.fixture
def closed(endpoint: str) -> Gateway:
    return Gateway(endpoint, REQUIRE_FRONT="true", TRUSTED_PROXIES="1")


@pytest.fixture(scope="module")
def shut(endpoint: str) -> Gateway:
    """Closed, and never called the right way."""
    return Gateway(endpoint, REQUIRE_FRONT="true")


def through(*addresses: str) -> dict[str, str]:
    """The header as API Gateway hands it on: what was sent, the viewer, the proxy."""
    return {"x-forwarded-for": ", ".join([*addresses, EDGE])}


# --- Links ---


def test_a_jobs_links_lead_to_the_public_base(endpoint: str) -> None:
    with studio.opened(endpoint, PUBLIC_BASE=BASE) as scene:
        _, user, vended = scene.vend()
        job = scene.submit(vended).json
        assert job["statusUrl"] == f"{BASE}/ttt/status/{job['jobId']}"
        assert scene.upstream.base not in json.dumps(scene.status(user, job["jobId"]).json)


def test_the_services_page_and_card_link_to_the_public_base(based: Gateway) -> None:
    links = re.findall(r'href="([^"#]+)"', based.call("GET", "/", headers=HTML).text)
    assert links and all(link.startswith(f"{BASE}/") for link in links)
    assert based.call("GET", "/").json["documentation"] == f"{BASE}/docs"


@pytest.mark.parametrize("path", ["/docs", "/docs/buy"])
def test_the_documentation_finds_its_pages_and_files_under_the_base_path(
    based: Gateway, path: str
) -> None:
    page = base64.b64decode(based.call("GET", path).text).decode()
    assert 'data-root="/gateway"' in page
    links = set(re.findall(r'(?:src|href)="([^"#]+)[^"]*"', page))
    assert links and all(link.startswith("/gateway/") for link in links)
    for link in links:
        assert based.call("GET", link.removeprefix("/gateway") or "/").status == 200


def test_the_description_names_the_public_base_as_its_only_server(
    based: Gateway, gateway: Gateway
) -> None:
    there, without = (one.call("GET", "/openapi.json").json for one in (based, gateway))
    assert there["servers"] == [{"url": BASE}]
    assert {**there, "servers": without["servers"]} == without


def test_without_a_public_base_links_are_those_of_the_service_itself(gateway: Gateway) -> None:
    links = re.findall(r'href="([^"#]+)"', gateway.call("GET", "/", headers=HTML).text)
    assert {"/docs", "/dashboard", "/openapi.json", "/health"} == set(links)
    assert gateway.call("GET", "/").json["documentation"] == "/docs"


def test_the_dashboards_page_finds_its_files_and_the_api_under_the_base_path(
    based: Gateway,
) -> None:
    page = base64.b64decode(based.call("GET", "/dashboard").text).decode()
    assert '<html lang="en" data-root="/gateway">' in page
    files = re.findall(r'(?:src|href)="(/[^"]+)"', page)
    assert len(files) == 2
    for file in files:
        assert file.startswith("/gateway/dashboard/assets/")
        assert based.call("GET", file.removeprefix("/gateway")).status == 200


def test_a_session_under_a_base_path_stays_there_and_is_not_shown_to_other_services(
    based: Gateway,
) -> None:
    reply = Browser(based).log_in("anna", made(based, "anna"))
    pair, *attributes = reply.headers["set-cookie"].split("; ")
    name, _, secret = pair.partition("=")
    assert name == sessions.PATH_COOKIE
    assert {"Path=/gateway", "Secure", "HttpOnly", "SameSite=Strict"} < set(attributes)
    assert based.call("GET", "/dashboard/session", cookies={name: secret}).json["name"] == "anna"
    assert based.call("GET", "/admin/stats", cookies={name: secret}).status == 200
    other = based.call("GET", "/dashboard/session", cookies={sessions.COOKIE: secret})
    assert other.code == "session_ended"


@pytest.mark.parametrize("prefix", ["", "/gateway"])
def test_a_request_is_answered_whether_or_not_its_path_has_the_base_path(
    based: Gateway, prefix: str
) -> None:
    """API Gateway's mapping of a custom domain may hand on the path with its key or without."""
    event = event_of("GET", f"{prefix}/health", "GET /health", {}, None, {})
    assert based.function("health").lambda_handler(event, None)["statusCode"] == 200
    for path, status in (("/health", 405), ("/v1/vend-token", 405), ("/nowhere", 404)):
        event = event_of("DELETE", f"{prefix}{path}", "$default", {}, None, {})
        assert based.function("health").lambda_handler(event, None)["statusCode"] == status


def test_a_base_path_that_is_also_the_begin_of_routes_does_not_hide_them(endpoint: str) -> None:
    gateway = Gateway(endpoint, PUBLIC_BASE="https://api.example.com/v1")
    for path in ("/v1/v1/vend-token", "/v1/vend-token", "/v1/health", "/v1"):
        event = event_of("DELETE", path, "$default", {}, None, {})
        assert gateway.function("health").lambda_handler(event, None)["statusCode"] == 405


# --- Addresses ---


def test_failed_logins_of_one_viewer_do_not_shut_out_another_behind_the_same_proxy(
    proxied: Gateway,
) -> None:
    proxied.now = 1_800_000_000
    password = made(proxied, "alice")
    for number in range(attempts.ADDRESS.free + 1):
        made(proxied, f"guess{number}")
        proxied_browser(proxied).log_in(f"guess{number}", "x", **through("198.51.100.66"))
    refused = proxied_browser(proxied).log_in("alice", password, **through("198.51.100.66"))
    assert refused.code == "too_many_attempts"
    spoofed = through("203.0.113.5", "198.51.100.66")
    assert proxied_browser(proxied).log_in("alice", password, **spoofed).status == 429
    own = proxied_browser(proxied).log_in("alice", password, **through("203.0.113.5"))
    assert own.status == 200


def proxied_browser(gateway: Gateway) -> Browser:
    return Browser(gateway, EDGE)


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/devices"), ("GET", "/health/services"), ("GET", "/meta")]
)
def test_limits_by_address_are_those_of_the_viewer(endpoint: str, method: str, path: str) -> None:
    gateway = Gateway(endpoint, TRUSTED_PROXIES="1", RATE_LIMIT="1", TTT_BASE="http://127.0.0.1:9")

    def call(*addresses: str) -> int:
        return gateway.call(method, path, headers=through(*addresses), address=EDGE).status

    first = [call("198.51.100.66") for _ in range(10)]
    assert 429 not in first
    assert call("198.51.100.66") == call("192.0.2.1", "198.51.100.66") == 429
    assert call("203.0.113.5") == first[0]


def test_ledger_audit_and_log_have_the_viewers_address(proxied: Gateway) -> None:
    headers = through("192.0.2.66", "203.0.113.5")
    new = {"userId": "x1", "initialCredits": 1}
    with loglines.caught() as lines:
        assert (
            proxied.call("POST", "/user/create", new, headers=headers, address=EDGE).status == 200
        )
    (entry,) = proxied.entries("x1")
    assert proxied.origin(entry).address == "203.0.113.5"
    assert lines.json[-1]["address"] == "203.0.113.5"
    made(proxied, "anna")
    proxied_browser(proxied).log_in("anna", "x", **headers)
    records = audit.of_user(proxied.ledger.table, "operator:anna", limit=10)
    (record,) = [one for one in records if one["action"] == "login"]
    assert record["address"] == "203.0.113.5"


def test_without_a_proxy_no_header_changes_the_address_and_the_log_has_none(
    gateway: Gateway,
) -> None:
    headers = {**through("203.0.113.5"), "cloudfront-viewer-address": "203.0.113.5:1"}
    with loglines.caught() as lines:
        made_user = gateway.call("POST", "/v1/devices", headers=headers, address=EDGE).json
    assert gateway.origin(gateway.entries(made_user["userId"])[0]).address == EDGE
    assert all("address" not in line for line in lines.json)


def test_cloudfronts_header_is_believed_where_the_deployment_names_it(endpoint: str) -> None:
    gateway = Gateway(endpoint, VIEWER_ADDRESS_HEADER="CloudFront-Viewer-Address")
    headers = {**through("192.0.2.66"), "CloudFront-Viewer-Address": "2001:db8::7:51000"}
    user = gateway.call("POST", "/v1/devices", headers=headers, address=EDGE).json["userId"]
    assert gateway.origin(gateway.entries(user)[0]).address == "2001:db8::7"


# --- What must come through the proxy ---


def shown(gateway: Gateway, place: int = -1) -> dict[str, str]:
    return {"x-front-secret": gateway.rings[FRONT_SECRET].secrets[place]}


WRONG = ["", "x", "é", "\ud800", "Bearer x", "0" * 43]


@pytest.mark.parametrize("secret", [None, *WRONG])
def test_a_request_that_did_not_come_through_the_front_is_refused(
    closed: Gateway, secret: str | None
) -> None:
    headers = {} if secret is None else {"x-front-secret": secret}
    assert_front_required(closed.call("GET", "/health", headers=headers))


def assert_front_required(reply: Reply) -> None:
    assert (reply.status, reply.code) == (403, "front_required")
    assert_error_body(reply)
    media = "/components/responses/FrontRequired/content/application~1json/schema"
    assert schema.complaint(media, reply.json) is None


@pytest.mark.parametrize(("method", "path"), [(m, p) for _, m, p in deployed.routes()])
def test_no_route_is_exempt_and_nothing_is_done_for_a_refused_request(
    shut: Gateway, method: str, path: str
) -> None:
    headers = {**shut.admin, **shut.api_key, "x-webhook-secret": "x"}
    body = {"userId": "u", "amount": 5, "reason": "x", "name": "a", "password": "b"}
    reply = shut.call(method, path, body, headers=headers)
    if method == "HEAD":
        assert (reply.status, reply.text) == (403, "")
    else:
        assert_front_required(reply)
    assert list(shut.ledger.table.scan("attribute_exists(pk)", {})) == []


def test_an_unknown_path_is_refused_as_well(closed: Gateway) -> None:
    assert_front_required(closed.call("GET", "/nowhere"))
    assert closed.call("GET", "/nowhere", headers=shown(closed)).code == "route_not_found"


def test_each_key_of_the_ring_passes_so_the_front_can_change_to_the_next_at_any_time(
    closed: Gateway,
) -> None:
    ssm = json_client("ssm", closed.endpoint)
    path = f"/{PREFIX}/{FRONT_SECRET}"
    first = shown(closed)
    assert closed.call("GET", "/health", headers=first).status == 200
    before = ring_store.read(ssm, path, now=0, stage_s=0)
    closed.now = closed.clock() + KEEP_S + 1
    rotation.rotate(ssm, f"/{PREFIX}/", FRONT_SECRET, now=int(closed.now))
    module: Any = closed.function("health")
    module.parameters.clock = closed.rings.clock = closed.clock
    second = shown(closed)
    assert second != first
    for headers in (first, second):
        assert closed.call("GET", "/health", headers=headers).status == 200
    ring_store.change(
        ssm,
        path,
        lambda ring: ring.without(frozenset(key.kid for key in before.keys)),
        now=int(closed.now),
    )
    closed.now += KEEP_S + 1
    assert_front_required(closed.call("GET", "/health", headers=first))
    assert closed.call("GET", "/health", headers=second).status == 200


def test_the_secret_is_read_in_the_same_call_as_the_functions_other_rings(
    closed: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {**closed.user_headers("u-front"), **shown(closed)}
    module: Any = closed.function("tokens")
    calls = counted(module.rings, monkeypatch)
    assert closed.call("POST", "/v1/vend-token", {}, headers=headers).status == 402
    assert [sorted(name.rpartition("/")[2] for name in call) for call in calls] == [
        ["ENGINE_JWT_SECRET", "FRONT_SECRET", "VEND_JWT_SECRET"]
    ]


def counted(rings: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    real = rings._client.get_parameters

    def get_parameters(**given: Any) -> Any:
        calls.append(given["Names"])
        return real(**given)

    monkeypatch.setattr(rings._client, "get_parameters", get_parameters)
    return calls


def test_where_it_is_not_required_the_secret_is_not_read(gateway: Gateway) -> None:
    for name in {function for function, _, _ in deployed.routes()}:
        module: Any = gateway.function(name)
        assert module.api.front is None
        assert not any(FRONT_SECRET in path for path in getattr(module, "rings", EMPTY)._paths)


class _NoRings:
    _paths: tuple[str, ...] = ()


EMPTY = _NoRings()


def test_without_the_ring_no_request_is_admitted(endpoint: str) -> None:
    gateway = Gateway(endpoint, REQUIRE_FRONT="true")
    module: Any = gateway.function("health")
    rings = module.parameters
    rings._paths = {"/nowhere/" + FRONT_SECRET: FRONT_SECRET}
    reply = gateway.call("GET", "/health", headers={"x-front-secret": "x"})
    assert (reply.status, reply.code) == (503, "busy")


def test_a_refused_request_is_logged_with_the_address_that_api_gateway_saw_and_no_secret(
    closed: Gateway,
) -> None:
    wrong = {**through("203.0.113.5"), "x-front-secret": "some-wrong-secret"}
    right = {**through("203.0.113.5"), **shown(closed)}
    with loglines.caught() as lines:
        closed.call("GET", "/health", headers=wrong, address=EDGE)
        closed.call("GET", "/health", headers=right, address=EDGE)
    refused, answered = lines.json
    assert (refused["code"], refused["address"]) == ("front_required", EDGE)
    assert answered["address"] == "203.0.113.5"
    for secret in ("some-wrong-secret", *closed.rings[FRONT_SECRET].secrets):
        assert secret not in lines.text
