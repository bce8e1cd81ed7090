"""A repeated request is told what is true now: once its credit went back, the same ids buy anew."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import jwt
import pytest

from engine.credits import hold_items
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED
from engine.ledger.posting import Ledger
from engine.products.product import TRANSCRIPT
from tests.mutation.desk import Interrupted
from tests.support.direct import assert_refused
from tests.support.gateway import Reply
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, assert_failed, opened

START = 1_900_000_000


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    module_studio.gateway.now = START
    return module_studio


def claims(reply: Reply) -> dict[str, Any]:
    return jwt.decode(reply.json["token"], options={"verify_signature": False})


class App:
    """An app that keeps one request id for a video, over failures and restarts."""

    def __init__(self, studio: Studio, balance: int = 3) -> None:
        self.studio = studio
        self.user, _ = studio.gateway.user()
        studio.gateway.add(self.user, balance)

    def vend(self, key: str | None = "one-id") -> Reply:
        headers = self.studio.gateway.user_headers(self.user)
        reply = self.studio.gateway.vend(headers, key)
        assert reply.status == 200, reply.text
        return reply

    def submit(self, vended: Reply, url: str = VIDEO, **members: Any) -> Reply:
        headers = {"authorization": f"Bearer {vended.json['token']}"}
        return self.studio.submit(headers, url, **members)

    def tries(self) -> Reply:
        return self.submit(self.vend(), clientRequestId="one-id")

    def credits(self) -> tuple[int, int]:
        return self.studio.credits(self.user)


FAILURES: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 500}),
    ("status", {"status": 503}),
    ("status", {"status": 429, "body": {"error": "slow_down"}}),
    ("garbage", {}),
    ("drop", {"when": "before"}),
]


@pytest.mark.parametrize(("kind", "options"), FAILURES, ids=[f"{k} {o}" for k, o in FAILURES])
def test_a_passing_failure_of_upstream_is_repeated_to_nobody(
    studio: Studio, kind: str, options: dict[str, Any]
) -> None:
    app = App(studio)
    studio.upstream.fault("transcribe", kind, **options)
    first = app.vend()
    assert app.submit(first, clientRequestId="one-id").status in (429, 502)
    assert app.credits() == (3, 0)
    again = app.submit(first, clientRequestId="one-id")
    assert (again.status, again.code) == (403, "token_already_used")
    assert "authorization" in again.json["details"]["message"]
    studio.pass_(1)
    second = app.tries()
    assert (second.status, second.json["status"], app.credits()) == (202, "queued", (2, 1))
    assert app.tries().text == second.text
    assert app.credits() == (2, 1)


def test_the_same_id_buys_anew_each_time_that_its_credit_went_back(studio: Studio) -> None:
    app = App(studio)
    seen = []
    for _ in range(3):
        studio.upstream.answer("transcribe", {}, 500)
        vended = app.vend()
        seen.append(claims(vended)["jti"])
        assert "idempotency-replayed" not in vended.headers
        assert vended.json["expiresIn"] == 900
        app.submit(vended, clientRequestId="one-id")
        studio.pass_(1)
    assert len(set(seen)) == 3
    assert app.credits() == (3, 0)
    types = [entry.type for entry in studio.gateway.entries(app.user)]
    assert types[2:] == ["spend", "refund"] * 3
    assert app.tries().status == 202


def test_a_token_that_was_not_used_in_time_is_bought_anew_before_the_sweeper_comes(
    studio: Studio,
) -> None:
    app = App(studio, balance=1)
    first = app.vend()
    studio.pass_(899)
    replayed = app.vend()
    assert replayed.json == {**first.json, "expiresIn": 1}
    assert replayed.headers["idempotency-replayed"] == "true"
    studio.pass_(1)
    second = app.vend()
    assert claims(second)["jti"] != claims(first)["jti"]
    assert second.json["expiresIn"] == 900
    assert app.credits() == (0, 1)
    assert app.submit(second).status == 202


def test_an_unused_credit_is_back_within_two_minutes_of_its_tokens_end(studio: Studio) -> None:
    """By the sweeper, which comes once a minute."""
    app = App(studio, balance=1)
    app.vend()
    studio.pass_(900 + TRANSCRIPT.grace_s)
    studio.sweep()
    assert app.credits() == (0, 1)
    studio.pass_(60)
    studio.sweep()
    assert app.credits() == (1, 0)
    assert TRANSCRIPT.grace_s + 60 < 120


def test_a_used_token_that_has_run_out_is_issued_anew_to_read_its_job(studio: Studio) -> None:
    app = App(studio, balance=2)
    first = app.vend()
    job = app.submit(first, clientRequestId="one-id")
    studio.pass_(901)
    again = app.vend()
    assert (claims(again)["jti"], again.json["expiresIn"]) == (claims(first)["jti"], 900)
    assert app.submit(again, clientRequestId="one-id").text == job.text
    assert_refused(app.submit(again, OTHER_VIDEO), 403)
    reader = {"authorization": f"Bearer {again.json['token']}"}
    assert studio.status(reader, job.json["jobId"]).status == 200
    assert app.credits() == (1, 1)


def test_a_late_success_of_the_earlier_job_is_charged_to_its_own_hold(studio: Studio) -> None:
    """Its credit went back, the id bought anew, and then the first job's text arrives."""
    app = App(studio)
    first = app.vend()
    job = app.submit(first, clientRequestId="one-id").json["jobId"]
    studio.upstream.fault("status", "status", times=2, status=404)
    headers = studio.gateway.user_headers(app.user)
    for wait_s, status in ((1, 404), (121, 200)):
        studio.pass_(wait_s)
        assert studio.told(headers, job).status == status
    assert app.credits() == (3, 0)
    second = app.vend()
    assert app.submit(second, clientRequestId="one-id").status == 202
    assert app.credits() == (2, 1)
    studio.upstream.forward(20)
    late = studio.status(headers, job)
    assert (late.json["credit"], app.credits()) == ("captured", (1, 1))
    table = studio.gateway.ledger.table
    for token, state in ((first, CAPTURED), (second, OPEN)):
        found = hold_items.find(table, app.user, claims(token)["jti"])
        assert found is not None
        assert found.state == state


def test_a_refusal_of_the_video_is_told_again_with_the_same_token_and_tried_with_a_new_one(
    studio: Studio,
) -> None:
    app = App(studio)
    studio.upstream.answer("transcribe", {"error": "video_too_long"}, 422)
    first = app.vend()
    told = [app.submit(first, clientRequestId="one-id").status for _ in range(2)]
    assert (told, len(studio.upstream.calls("transcribe"))) == ([422, 422], 1)
    assert app.tries().status == 202


def test_an_id_whose_credit_went_back_may_ask_for_something_else(studio: Studio) -> None:
    app = App(studio)
    studio.upstream.answer("transcribe", {}, 500)
    assert_failed(app.tries(), 502, "upstream_error")
    vended = app.vend()
    assert app.submit(vended, OTHER_VIDEO, clientRequestId="one-id").status == 202
    assert_refused(app.submit(app.vend("other"), VIDEO, clientRequestId="one-id"), 422)


def test_many_calls_with_one_id_buy_anew_once(studio: Studio) -> None:
    app = App(studio)
    studio.upstream.answer("transcribe", {}, 500)
    app.tries()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: app.vend(), range(16)))
    assert len({claims(reply)["jti"] for reply in replies}) == 1
    assert app.credits() == (2, 1)


def test_an_id_is_remembered_after_its_first_hold_has_passed(studio: Studio) -> None:
    """The first hold is the record of the id: it stays while what was bought anew can be asked for."""
    app = App(studio)
    studio.upstream.answer("transcribe", {}, 500)
    app.tries()
    studio.pass_(47 * 3600)
    bought = app.vend()
    job = app.submit(bought, clientRequestId="one-id")
    studio.pass_(2 * 3600)
    expire(studio)
    assert claims(app.vend())["jti"] == claims(bought)["jti"]
    assert app.submit(app.vend(), clientRequestId="one-id").text == job.text
    assert app.credits() == (2, 1)


def expire(studio: Studio) -> None:
    """The store deletes what has passed its time."""
    gateway = studio.gateway
    for item in gateway.dynamodb.scan(TableName=gateway.table_name)["Items"]:
        if "ttl" in item and int(item["ttl"]["N"]) < gateway.clock():
            key = {"pk": item["pk"], "sk": item["sk"]}
            gateway.dynamodb.delete_item(TableName=gateway.table_name, Key=key)


@pytest.fixture
def reusing(studio: Studio) -> Iterator[Studio]:
    """A deployment that sells an unused token again."""
    module: Any = studio.gateway.function("tokens")
    settings = module.settings
    module.settings = replace(settings, reuse_unused_token=True)
    yield studio
    module.settings = settings


def test_an_unused_token_is_answered_again_where_the_deployment_says_so(reusing: Studio) -> None:
    app = App(reusing)
    first = app.vend(None)
    reusing.pass_(300)
    second = app.vend("another-id")
    assert second.json == {**first.json, "expiresIn": 600}
    assert app.credits() == (2, 1)
    assert app.submit(first).status == 202
    third = app.vend("another-id")
    assert claims(third)["jti"] != claims(first)["jti"]
    assert app.credits() == (1, 2)
    assert claims(app.vend(None))["jti"] == claims(third)["jti"]
    reusing.pass_(841)
    assert claims(app.vend(None))["jti"] != claims(third)["jti"]


def test_vends_at_once_hold_one_credit_where_unused_tokens_are_sold_again(reusing: Studio) -> None:
    app = App(reusing, balance=9)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: app.vend(f"id-{n}"), range(12)))
    assert len({claims(reply)["jti"] for reply in replies}) == 1
    assert app.credits() == (8, 1)


@pytest.mark.parametrize("used_before", [False, True])
def test_a_vend_that_another_one_was_faster_than_sells_its_token_again(
    reusing: Studio, monkeypatch: pytest.MonkeyPatch, used_before: bool
) -> None:
    """The other one comes before this one's first write; the pointer is there, or not yet."""
    app = App(reusing, balance=9)
    if used_before:
        app.submit(app.vend("used"))
    before = app.credits()
    module: Any = reusing.gateway.function("tokens")
    whole, faster = module.ledger, list[Reply]()

    def another() -> None:
        monkeypatch.setattr(module, "ledger", whole)
        faster.append(app.vend("faster"))

    monkeypatch.setattr(module, "ledger", Ledger(Interrupted(whole.table, another)))
    slower = app.vend("slower")
    assert [claims(reply)["jti"] for reply in faster] == [claims(slower)["jti"]]
    assert app.credits() == (before[0] - 1, before[1] + 1)


def test_the_answer_to_a_used_id_stays_where_unused_tokens_are_sold_again(reusing: Studio) -> None:
    app = App(reusing)
    used = app.vend("used")
    app.submit(used)
    app.vend("unused")
    assert claims(app.vend("used"))["jti"] == claims(used)["jti"]


def test_by_default_each_id_buys_a_token_of_its_own(studio: Studio) -> None:
    app = App(studio)
    jtis = Counter(claims(app.vend(key))["jti"] for key in ("a", "b", "a"))
    assert sorted(jtis.values()) == [1, 2]


def test_a_background_worker_without_credits_reads_its_finished_job(studio: Studio) -> None:
    """It knows no other way to ask than a vended token, and vends with an id of its own for that."""
    app = App(studio, balance=1)
    job = app.tries().json["jobId"]
    studio.upstream.forward(20)
    headers = studio.gateway.user_headers(app.user)
    assert_refused(studio.gateway.vend(headers, "another"), 402)
    vended = app.vend("background_1764448800000")
    reader = {"authorization": f"Bearer {vended.json['token']}"}
    told = studio.status(reader, job)
    assert (told.json["credit"], bool(told.json["text"])) == ("captured", True)
    assert_refused(studio.submit(reader, OTHER_VIDEO), 403)
    assert app.credits() == (0, 0)


def test_a_background_worker_that_has_no_job_is_told_that_there_are_no_credits(
    studio: Studio,
) -> None:
    user, _ = studio.gateway.user()
    reply = studio.gateway.vend(studio.gateway.user_headers(user), "background_1")
    assert (reply.status, json.loads(reply.text)["balance"]) == (402, 0)


def test_the_older_route_sells_anew_for_the_same_id_after_a_refund(studio: Studio) -> None:
    app = App(studio)
    body = {"userId": app.user, "clientRequestId": "legacy"}
    first = studio.gateway.call("POST", "/vend-token", body)
    studio.upstream.answer("transcribe", {}, 500)
    app.submit(first)
    second = studio.gateway.call("POST", "/vend-token", body)
    assert (claims(first)["jti"] != claims(second)["jti"], app.credits()) == (True, (2, 0))
    third = studio.gateway.call("POST", "/vend-token", body)
    assert claims(third)["jti"] == claims(second)["jti"]
    found = hold_items.find(studio.gateway.ledger.table, app.user, claims(first)["jti"])
    assert found is not None
    assert found.state == RELEASED
