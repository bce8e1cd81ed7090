"""The journey of a mobile app over HTTP, and races on it."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.e2e.conftest import App, bearer
from tests.support.replays import timeless

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173?is_from_webapp=1"
DEADLINE_S = 60


def finished(app: App, job: str, headers: dict[str, str]) -> dict[str, object]:
    """The status of a job once it has ended."""
    give_up_at = time.monotonic() + DEADLINE_S
    while time.monotonic() < give_up_at:
        reply = app.call("GET", f"/ttt/status/{job}", headers=headers)
        assert reply.status == 200, reply.text
        if reply.json["status"] in ("completed", "failed"):
            return reply.json
        assert reply.json["credit"] == "held"
        time.sleep(0.25)
    raise AssertionError("the job did not end")


def test_a_credit_becomes_a_transcription(app: App) -> None:
    user, headers = app.device()
    assert app.pay(user, 2).json["newBalance"] == 2
    assert app.add(user, 1).json["newBalance"] == 3
    assert app.call("GET", "/v1/credits/balance", headers=headers).json["balance"] == 3
    vended = app.vend(headers, "one")
    assert (vended.status, vended.json["balanceAfter"]) == (200, 2)
    ticket = bearer(vended.json["token"])
    submitted = app.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=ticket)
    assert submitted.status == 202, submitted.text
    assert submitted.json["url"] == "https://www.tiktok.com/@scout2015/video/6718335390845095173"
    assert app.run["upstreamUrl"].removeprefix("http://") not in submitted.text
    job = submitted.json["jobId"]
    done = finished(app, job, ticket)
    assert done["status"] == "completed"
    assert len(str(done["text"])) > 100
    assert done["credit"] == "captured"
    again = app.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=ticket)
    assert again.content == submitted.content
    other = "https://www.tiktok.com/@scout2015/video/6718335390845095174"
    second = app.call("POST", "/ttt/transcribe", {"url": other}, headers=ticket)
    assert (second.status, second.code) == (403, "token_already_used")
    balance = app.call("GET", "/v1/credits/balance", headers=headers).json
    assert (balance["balance"], balance["heldCredits"]) == (2, 0)
    history = app.call("GET", f"/user/{user}/transactions", headers=headers).json["transactions"]
    assert [entry["type"] for entry in history] == [
        "capture", "spend", "api_add", "add_webhook", "user_creation",
    ]  # fmt: skip
    app.assert_adds_up(user)


def test_the_older_documents_examples_work_as_printed(app: App) -> None:
    created = app.call("POST", "/user/create", {"userId": "user123", "initialCredits": 10})
    assert (created.status, created.json["success"], created.json["balance"]) == (200, True, 10)
    assert app.call("GET", "/user/user123/balance").json["balance"] == 10
    added = app.pay("user123", 5)
    assert (added.json["success"], added.json["newBalance"]) == (True, 15)
    vended = app.call("POST", "/vend-token", {"userId": "user123"})
    assert vended.status == 200
    valid = app.call("POST", "/validate-token", {"token": vended.json["token"]}).json
    assert (valid["valid"], valid["payload"]["sub"]) == (True, "user123")
    history = app.call("GET", "/user/user123/transactions").json["data"]["transactions"]
    assert [entry["type"] for entry in history] == ["spend", "add_webhook", "user_creation"]
    app.assert_adds_up("user123")


@pytest.mark.parametrize("attempt", range(3))
def test_thirty_credits_and_two_hundred_vends_from_12_threads(app: App, attempt: int) -> None:
    user, headers = app.device(balance=30)
    with ThreadPoolExecutor(12) as pool:
        replies = list(pool.map(lambda n: app.vend(headers, f"{attempt}-{n}"), range(200)))
    assert Counter(reply.status for reply in replies) == {200: 30, 402: 170}
    sold = [reply.json["token"] for reply in replies if reply.status == 200]
    unverified = {"verify_signature": False}
    assert len({jwt.decode(token, options=unverified)["jti"] for token in sold}) == 30
    assert app.call("GET", "/v1/credits/balance", headers=headers).json["balance"] == 0
    app.assert_adds_up(user)


def test_one_request_id_from_30_threads_is_one_charge(app: App) -> None:
    user, headers = app.device(balance=1)
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: app.vend(headers, "same"), range(30)))
    first = timeless(replies[0].text)
    assert {(reply.status, timeless(reply.text)) for reply in replies} == {(200, first)}
    assert app.call("GET", "/v1/credits/balance", headers=headers).json["balance"] == 0
    assert timeless(app.vend(headers, "same").text) == first
    assert app.vend(headers, "other").status == 402
    app.assert_adds_up(user)


def test_ten_concurrent_additions_add_ten_and_one_payment_adds_once_by_any_route(app: App) -> None:
    user, headers = app.device()
    with ThreadPoolExecutor(10) as pool:
        added = list(pool.map(lambda _: app.add(user, 1), range(10)))
    assert sorted(reply.json["newBalance"] for reply in added) == list(range(1, 11))
    for send in (app.add, app.pay):
        with ThreadPoolExecutor(10) as pool:
            replies = list(pool.map(lambda _: send(user, 5, transactionId=f"tx-{user}"), range(10)))  # noqa: B023
        assert {reply.content for reply in replies} == {replies[0].content}
    assert app.call("GET", "/v1/credits/balance", headers=headers).json["balance"] == 15
    app.assert_adds_up(user)


def test_a_token_of_one_kind_is_not_accepted_as_another(app: App) -> None:
    user, headers = app.device(balance=1)
    ticket = bearer(app.vend(headers).json["token"])
    assert app.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=headers).status == 401
    assert app.vend(ticket).status == 401
    assert app.call("GET", "/v1/credits/balance", headers=ticket).status == 401
    now = int(time.time())
    whole = {"sub": user, "exp": now + 600, "scope": "ttt:transcribe"}
    secret = app.run["userJwtSecret"]
    assert (
        app.call("GET", "/v1/credits/balance", headers=bearer(jwt.encode(whole, secret))).status
        == 200
    )
    forged = [
        jwt.encode(whole, None, algorithm="none"),
        jwt.encode(whole, "another-key-of-thirty-two-characters!"),
        jwt.encode({name: whole[name] for name in ("sub", "scope")}, secret),
        jwt.encode({name: whole[name] for name in ("exp", "scope")}, secret),
        jwt.encode({**whole, "exp": now - 1}, secret),
        jwt.encode({**whole, "aud": "tttranscribe"}, secret),
        jwt.encode(whole, app.run["vendJwtSecret"]),
    ]
    for token in forged:
        reply = app.call("POST", "/v1/vend-token", {}, headers=bearer(token))
        assert (reply.status, reply.headers["www-authenticate"][:6]) == (401, "Bearer")


def test_the_service_card_and_the_health_are_answered(app: App) -> None:
    card = app.call("GET", "/").json
    assert card["status"] == "running"
    assert "POST /v1/vend-token" in card["routes"]
    page = app.call("GET", "/", headers={"accept": "text/html"}, described=False)
    assert page.headers["content-type"].startswith("text/html")
    health = app.call("GET", "/health").json
    assert (health["status"], health["connectivity"]) == ("ok", {"dynamodb": "ok"})
    for secret in ("adminKey", "adminSecret", "webhookSecret", "userJwtSecret"):
        assert app.run[secret] not in app.call("GET", "/health").text


def test_browsers_of_allowed_origins_may_call(app: App) -> None:
    preflight = app.call(
        "OPTIONS", "/v1/vend-token", described=False,
        headers={
            "origin": "https://app.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,idempotency-key",
        },
    )  # fmt: skip
    assert preflight.status in (200, 204)
    assert "POST" in preflight.headers["access-control-allow-methods"]
    answer = app.call("GET", "/health", headers={"origin": "https://app.example"})
    assert answer.headers["access-control-allow-origin"] in ("*", "https://app.example")
    assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()
    assert "Origin" in answer.headers["vary"]
