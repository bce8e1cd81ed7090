"""The released app is known by its headers where the deployment allows it, in its strict form alone."""

from typing import Any

import pytest

from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply
from tests.support.loglines import caught

HEX = "0123456789abcdef"
VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"
SECRET = "a-secret-that-the-app-made-and-stored-0000001"
ROUTES = [
    ("GET", "/v1/credits/balance", None),
    ("POST", "/v1/user/balance", {}),
    ("POST", "/user/balance", {}),
    ("POST", "/v1/vend-token", {"clientRequestId": "a"}),
    ("GET", "/estimate", None),
    ("GET", "/ttt/status/ping", None),
    ("GET", "/ttt/poll/ping", None),
]
BAD_IDS = [
    ("mobile-error-fallback", "device-error-fallback"),
    (f"mobile-{HEX}", f"device-{HEX[::-1]}"),
    (f"mobile-{HEX.upper()}", f"device-{HEX.upper()}"),
    (f"mobile-{HEX}0", f"device-{HEX}0"),
    (f"mobile-{HEX[:-1]}", f"device-{HEX[:-1]}"),
    (f"mobile-{HEX}\n", f"device-{HEX}\n"),
    (f" mobile-{HEX}", f" device-{HEX}"),
    (f"user-{HEX}", f"device-{HEX}"),
    (f"mobile-{HEX}", f"mobile-{HEX}"),
    (HEX, HEX),
    (f"mobile-{HEX}", ""),
    ("", f"device-{HEX}"),
    ("mobile-test-runner", "device-test-runner"),
    ("mobile-", "device-"),
]


@pytest.fixture(scope="module")
def allowing(endpoint: str) -> Gateway:
    """A deployment that allows header identity, and is not a local run."""
    return Gateway(
        endpoint, ENVIRONMENT="dev", TTT_BASE="https://ttt.example.com",
        ALLOW_HEADER_IDENTITY="true", RATE_LIMIT="100000",
    )  # fmt: skip


def app_headers(name: str) -> dict[str, str]:
    return {"x-user-id": f"mobile-{name}", "x-device-id": f"device-{name}"}


def call(
    gateway: Gateway, method: str, path: str, body: Any, headers: dict[str, str], **more: Any
) -> Reply:
    query = {"url": VIDEO} if path == "/estimate" else None
    return gateway.call(method, path, body, headers=headers, query=query, **more)


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_the_app_is_known_by_its_headers(
    allowing: Gateway, method: str, path: str, body: Any
) -> None:
    name = f"{ROUTES.index((method, path, body)):016x}"
    allowing.add(f"mobile-{name}", 2)
    assert call(allowing, method, path, body, app_headers(name)).status == 200


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_headers_open_nothing_where_the_deployment_does_not_allow_them(
    gateway: Gateway, method: str, path: str, body: Any
) -> None:
    gateway.add(f"mobile-{HEX}", 1)
    assert_refused(call(gateway, method, path, body, app_headers(HEX)), 401)
    assert gateway.balance(f"mobile-{HEX}") >= 1


@pytest.mark.parametrize(("user", "device"), BAD_IDS)
def test_only_the_strict_form_passes(allowing: Gateway, user: str, device: str) -> None:
    headers = {"x-user-id": user, "x-device-id": device}
    for method, path, body in ROUTES:
        assert_refused(call(allowing, method, path, body, headers), 401)


@pytest.mark.parametrize(
    "credential",
    [
        {"authorization": "Bearer rubbish"},
        {"authorization": ""},
        {"authorization": "Basic YTpi"},
        {"x-api-key": "rubbish"},
    ],
)
def test_headers_never_stand_in_for_a_bad_credential(
    allowing: Gateway, credential: dict[str, str]
) -> None:
    allowing.add(f"mobile-{HEX}", 1)
    for method, path, body in ROUTES:
        reply = call(allowing, method, path, body, {**app_headers(HEX), **credential})
        assert_refused(reply, 401)


def test_a_user_token_is_not_overruled_by_headers(allowing: Gateway) -> None:
    user, headers = allowing.user(balance=3)
    reply = allowing.call("GET", "/v1/credits/balance", headers={**headers, **app_headers(HEX)})
    assert (reply.json["userId"], reply.json["balance"]) == (user, 3)


def test_a_local_run_takes_the_ids_of_the_apps_journeys_but_never_the_fallback(
    endpoint: str,
) -> None:
    local = Gateway(endpoint, ALLOW_HEADER_IDENTITY="true")
    for name in ("test-runner", "automation-1700000000000", HEX):
        reply = local.call("GET", "/v1/credits/balance", headers=app_headers(name))
        assert (reply.status, reply.json["userId"]) == (200, f"mobile-{name}")
    for name in ("error-fallback", "a b c d e f", "short", "é" * 8):
        reply = local.call("GET", "/v1/credits/balance", headers=app_headers(name))
        assert_refused(reply, 401)


def test_an_id_spends_and_reads_its_own_credits_alone(allowing: Gateway) -> None:
    one, two = "1" * 16, "2" * 16
    allowing.add(f"mobile-{one}", 1)
    assert allowing.vend(app_headers(two)).status == 402
    assert allowing.vend(app_headers(one)).status == 200
    for method, path, body in (
        ("GET", f"/user/mobile-{one}/transactions", None),
        ("GET", f"/user/mobile-{one}/profile", None),
        ("POST", "/v1/credits/add", {"userId": f"mobile-{one}", "amount": 5}),
        ("GET", "/admin/users", None),
        ("POST", "/ttt/transcribe", {"url": VIDEO}),
    ):
        reply = allowing.call(method, path, body, headers=app_headers(one))
        assert reply.status == (200 if allowing_history(path, allowing) else 401), path


def allowing_history(path: str, gateway: Gateway) -> bool:
    """The test's deployment lets anybody read histories."""
    return path.endswith("/transactions")


def test_entries_and_log_lines_say_that_the_user_was_known_by_headers(allowing: Gateway) -> None:
    name = "3" * 16
    allowing.add(f"mobile-{name}", 1)
    with caught() as lines:
        assert allowing.vend(app_headers(name)).status == 200
    assert [line["identity"] for line in lines.json] == ["header"]
    assert allowing.entries(f"mobile-{name}")[-1].actor == f"header:mobile-{name}"
    user, headers = allowing.user(balance=1)
    with caught() as lines:
        assert allowing.vend(headers).status == 200
    assert [line.get("identity") for line in lines.json] == [None]
    assert allowing.entries(user)[-1].actor == f"user:{user}"


def test_calls_are_limited_by_address_and_by_user(endpoint: str) -> None:
    gateway = Gateway(endpoint, ALLOW_HEADER_IDENTITY="true", RATE_LIMIT="2")
    gateway.now = 1_800_000_000
    own = [
        gateway.call("GET", "/v1/credits/balance", headers=app_headers(HEX), address="192.0.2.1")
        for _ in range(3)
    ]
    assert [reply.status for reply in own] == [200, 200, 429]
    other = [
        gateway.call(
            "GET", "/v1/credits/balance", headers=app_headers(f"{n:016x}"), address="192.0.2.2"
        ).status
        for n in range(21)
    ]
    assert other == [200] * 20 + [429]


def claim(gateway: Gateway, name: str, secret: str = SECRET) -> Reply:
    return gateway.call(
        "POST", "/v1/devices/claim", {"refreshSecret": secret}, headers=app_headers(name)
    )


def test_an_id_that_took_a_device_token_no_longer_passes_by_headers(allowing: Gateway) -> None:
    name, user = "4" * 16, "mobile-" + "4" * 16
    allowing.add(user, 2)
    taken = claim(allowing, name)
    assert (taken.status, taken.json["userId"]) == (200, user)
    for method, path, body in ROUTES:
        assert_refused(call(allowing, method, path, body, app_headers(name)), 401)
    token = {"authorization": f"Bearer {taken.json['token']}"}
    assert allowing.vend(token).json["balanceAfter"] == 1
    fresh = allowing.call("POST", "/v1/devices/token", {"userId": user, "refreshSecret": SECRET})
    assert fresh.status == 200


def test_a_claim_can_be_repeated_with_its_secret_and_with_no_other(allowing: Gateway) -> None:
    name = "5" * 16
    assert claim(allowing, name).status == 200
    assert claim(allowing, name).status == 200
    assert_refused(claim(allowing, name, SECRET + "x"), 401)
    records = [
        item["action"] for item in allowing.ledger.table.ascending(f"AUDIT#mobile-{name}", "2", "9")
    ]
    assert records == ["device_claim"]


@pytest.mark.parametrize("secret", ["", "short", "x" * 42, "x" * 201, "x" * 42 + " ", 7, None])
def test_a_weak_secret_is_refused_and_claims_nothing(allowing: Gateway, secret: Any) -> None:
    name = "6" * 16
    assert_refused(claim(allowing, name, secret), 400)
    assert allowing.call("GET", "/v1/credits/balance", headers=app_headers(name)).status == 200


def test_a_claim_needs_the_apps_headers_and_the_deployments_leave(
    gateway: Gateway, allowing: Gateway
) -> None:
    assert_refused(claim(gateway, "7" * 16), 401)
    assert_refused(claim(allowing, "error-fallback"), 401)
    _, headers = allowing.user()
    both = {**headers, **app_headers("7" * 16)}
    body = {"refreshSecret": SECRET}
    assert_refused(allowing.call("POST", "/v1/devices/claim", body, headers=both), 401)


def test_the_secret_is_kept_as_a_hash(allowing: Gateway) -> None:
    name = "8" * 16
    claim(allowing, name)
    item = allowing.ledger.table.get(f"A#mobile-{name}", "DEVICE")
    assert item is not None and SECRET not in str(item) and len(item["secret_hash"]) == 64
