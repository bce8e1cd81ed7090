"""Hostile input at every route of the wallet is a documented refusal, and changes nothing."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote as escaped

import pytest

from tests.support import app_client
from tests.support.direct import assert_error_body
from tests.support.gateway import Gateway, Reply
from tests.support.schema import check_answer
from tests.support.studio import VIDEO, Studio, opened
from tests.support.wallet import bought, quote

LONG = "x" * 4096
ODD: dict[str, Any] = {
    "null": None,
    "true": True,
    "a list": [],
    "a list of a list": [[VIDEO]],
    "an object": {"$gt": ""},
    "a number": 10**40,
    "a negative number": -1,
    "a fraction": 1.5,
    "4,096 characters": LONG,
    "NUL": "a\x00b",
    "a line break": "a\r\nSet-Cookie: x=1",
    "right to left": "\u202e\u0627",
    "an emoji": "\U0001f600" * 60,
    "empty": "",
    "blank": " \t",
    "a path": "../../A#other",
    "a key of the table": "A#other",
}
MEMBERS = {
    "/v1/quote": {
        "inputType": "tiktok_url",
        "url": VIDEO,
        "requestedProducts": ["transcript"],
        "clientRequestId": "k",
    },
    "/v1/fulfill": {"quoteId": "q_unknown", "clientRequestId": "k"},
}
ACCEPTED = {"null", "a path", "a key of the table"}
"""Request ids that are none, and those whose text means nothing here: ids are stored as digests."""


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint, ALLOW_HEADER_IDENTITY="true") as studio:
        yield studio


@pytest.fixture(scope="module")
def deployed(endpoint: str) -> Gateway:
    """A gateway that takes the ids of phones alone, not the longer ones of the app's test journeys."""
    return Gateway(
        endpoint, ENVIRONMENT="dev", TTT_BASE="https://ttt.example.com",
        ALLOW_HEADER_IDENTITY="true", RATE_LIMIT="100000",
    )  # fmt: skip


def call(gateway: Gateway, method: str, path: str, body: Any = None, **more: Any) -> Reply:
    """The answer, which the API's description has."""
    reply = gateway.call(method, path, body, **more)
    check_answer(method, path, reply.status, reply.headers, reply.text)
    return reply


def assert_refused(reply: Reply, *statuses: int) -> None:
    assert reply.status in (statuses or (400,)), reply.text
    assert_error_body(reply)


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize(
    ("path", "member"),
    [(path, member) for path, members in MEMBERS.items() for member in members],
)
def test_an_odd_member_is_refused_and_holds_nothing(
    studio: Studio, path: str, member: str, odd: str
) -> None:
    user, headers = studio.gateway.user(balance=1)
    body = {**MEMBERS[path], member: ODD[odd]}
    reply = call(studio.gateway, "POST", path, body, headers=headers)
    if member == "clientRequestId" and odd in ACCEPTED:
        assert reply.status == (200 if path == "/v1/quote" else 410)
    else:
        assert_refused(reply, 400, 410)
    assert studio.credits(user) == (1, 0)


@pytest.mark.parametrize("members", [
    {"reference": "", "amount": 0}, {"reference": LONG}, {"reference": None}, {"reference": ["x"]},
    {"reference": "x", "amount": -1}, {"reference": "x", "amount": 10**30},
    {"reference": "x", "amount": 0.5}, {"reference": "x", "amount": "7"}, {"reference": " \n "},
])  # fmt: skip
def test_an_odd_report_of_a_payment_is_refused(studio: Studio, members: dict[str, Any]) -> None:
    user, headers = studio.gateway.user()
    assert_refused(call(studio.gateway, "POST", "/v1/credits/request", members, headers=headers))
    listed = call(studio.gateway, "GET", "/v1/credits/requests", headers=headers)
    assert (listed.json["requests"], studio.credits(user)) == ([], (0, 0))


@pytest.mark.parametrize("member", ["deviceModel", "deviceType", "osName", "locale", "source"])
@pytest.mark.parametrize("odd", ["a list", "an object", "a number", "4,096 characters", "true"])
def test_an_odd_phone_is_refused(studio: Studio, member: str, odd: str) -> None:
    _, headers = studio.gateway.user()
    body = {member: ODD[odd]}
    assert_refused(call(studio.gateway, "POST", "/v1/profile/device", body, headers=headers))


@pytest.mark.parametrize("query", [
    {"since": "-1"}, {"since": "1.5"}, {"since": "9" * 400}, {"since": "x"}, {"since": ""},
    {"since": "\u0661"}, {"versionCode": "-1"}, {"versionCode": "9" * 40}, {"versionCode": "5x"},
])  # fmt: skip
def test_an_odd_cursor_is_refused(studio: Studio, query: dict[str, str]) -> None:
    _, headers = studio.gateway.user()
    reply = call(studio.gateway, "GET", "/v1/mobile/sync", headers=headers, query=query)
    assert_refused(reply)


@pytest.mark.parametrize("name", [
    LONG, "job-" + LONG, "\u202e", "a b", "%2e%2e", "job-%00", "A#other", "\U0001f600", "-1", "null",
])  # fmt: skip
def test_an_odd_job_is_not_found(studio: Studio, name: str) -> None:
    _, headers = studio.gateway.user()
    reply = studio.gateway.call("GET", f"/v1/jobs/{escaped(name, safe='')}", headers=headers)
    assert_refused(reply, 404)


IDS: list[dict[str, str]] = [
    {"x-user-id": "mobile-error-fallback", "x-device-id": "device-error-fallback"},
    {"x-user-id": "mobile-" + "A" * 16, "x-device-id": "device-" + "A" * 16},
    {"x-user-id": "mobile-" + "a" * 17, "x-device-id": "device-" + "a" * 17},
    {"x-user-id": "mobile-" + "a" * 16, "x-device-id": "device-" + "b" * 16},
    {"x-user-id": "mobile-" + "a" * 16},
    {"x-device-id": "device-" + "a" * 16},
    {"x-user-id": "mobile-" + "a" * 16 + "\n", "x-device-id": "device-" + "a" * 16 + "\n"},
    {"x-user-id": "mobile-" + "\uff41" * 16, "x-device-id": "device-" + "\uff41" * 16},
    {"x-user-id": "mobile-" + "\u0661" * 16, "x-device-id": "device-" + "\u0661" * 16},
    {"x-user-id": LONG, "x-device-id": LONG},
    # A header that was sent twice reaches a function as one, joined by commas.
    {
        "x-user-id": "mobile-" + "a" * 16 + ",mobile-" + "b" * 16,
        "x-device-id": "device-" + "a" * 16,
    },
]
ROUTES: Mapping[str, Any] = {
    "POST /v1/quote": MEMBERS["/v1/quote"],
    "POST /v1/fulfill": MEMBERS["/v1/fulfill"],
    "GET /v1/jobs/job-x": None,
    "GET /v1/mobile/sync": None,
    "POST /v1/profile/device": {},
    "POST /v1/credits/request": {"reference": "paid"},
    "GET /v1/credits/requests": None,
    "GET /v1/credits/balance": None,
    "POST /v1/vend-token": {},
}


@pytest.mark.parametrize("route", ROUTES)
def test_an_id_that_is_not_in_the_apps_form_is_nobody(deployed: Gateway, route: str) -> None:
    method, path = route.split()
    for headers in IDS:
        refused = call(deployed, method, path, ROUTES[route], headers=headers)
        assert_refused(refused, 401)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "bad", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer a, Bearer b", "\x00"]
)
def test_a_bad_credential_never_falls_back_to_the_headers(
    studio: Studio, route: str, bad: str
) -> None:
    method, path = route.split()
    headers = {**app_client.identity("c" * 16), "authorization": bad}
    assert_refused(call(studio.gateway, method, path, ROUTES[route], headers=headers), 401)


def test_nobody_reads_or_fulfils_what_belongs_to_somebody_else(studio: Studio) -> None:
    owner, headers = studio.gateway.user(balance=2)
    stranger, others = studio.gateway.user(balance=2)
    made = quote(studio.gateway, headers, "own").json["quoteId"]
    job = bought(studio, headers, "own").json["jobId"]
    for own_id in (made, job):
        body = {"quoteId": own_id, "clientRequestId": "own"}
        refused = call(studio.gateway, "POST", "/v1/fulfill", body, headers=others)
        assert_refused(refused, 410)
        path = f"/v1/jobs/{own_id}"
        assert_refused(call(studio.gateway, "GET", path, headers=others), 404)
    assert (studio.credits(owner), studio.credits(stranger)) == ((1, 1), (2, 0))
