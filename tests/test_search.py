"""`GET /admin/search`: whatever somebody quotes leads to the entry, however old."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.access import operators
from engine.ledger.audit import Audit
from engine.platform.act import by_system
from engine.readmodels import feed, figures
from engine.transcription import jobs
from engine.web.scopes import KEYS_WRITE, USERS_READ
from tests.support.gateway import Gateway, Reply
from tests.support.streams import Context, event, records, stored_entries
from tests.support.studio import VIDEO, Studio, opened
from tests.test_replays import expire

DAY_S = 86_400
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


def asked(gateway: Gateway, q: str, headers: dict[str, str] | None = None, **more: str) -> Reply:
    return gateway.call(
        "GET", "/admin/search", headers=headers or gateway.admin, query={"q": q, **more}
    )


def found(gateway: Gateway, q: str, **more: str) -> dict[str, Any]:
    reply = asked(gateway, q, **more)
    assert reply.status == 200, reply.text
    return reply.json


def project(gateway: Gateway, *users: str) -> None:
    """Projects all entries of these users."""
    for user in users:
        batch = event(records(stored_entries(gateway.ledger.table, user)))
        answer = gateway.function("projector").lambda_handler(batch, Context())
        assert answer == {"batchItemFailures": []}


def completed(studio: Studio) -> tuple[str, str, str]:
    """A user, upstream's id and the subject of a job that was paid 400 days ago."""
    user, headers, vended = studio.vend()
    job = studio.submit(vended).json["jobId"]
    jti = studio.hold(user).jti
    studio.upstream.forward(60)
    studio.pass_(5)
    assert studio.told(headers, job).json["credit"] == "captured"
    project(studio.gateway, user)
    studio.pass_(400 * DAY_S)
    expire(studio)
    return user, job, jti


def test_a_job_is_found_by_either_id_and_by_its_video_after_its_text_is_gone(
    studio: Studio,
) -> None:
    user, job, jti = completed(studio)
    (seq,) = {e.seq for e in studio.gateway.entries(user) if e.type == "spend"}
    own = jobs.own_id(jti)
    number = VIDEO.rpartition("/")[2]
    for q, name in ((job, job), (own, own), (VIDEO + "?lang=en", own), (number, own)):
        hits = [hit for hit in found(studio.gateway, q)["results"] if hit["userId"] == user]
        assert [(h["kind"], h["id"], h["seq"]) for h in hits] == [("job", name, seq)]


def test_a_token_is_found_by_its_subject_though_it_was_never_used(studio: Studio) -> None:
    user, *_ = studio.vend()
    jti = studio.hold(user).jti
    project(studio.gateway, user)
    (hit,) = found(studio.gateway, jti)["results"]
    assert (hit["kind"], hit["userId"], hit["seq"]) == ("hold", user, studio.hold(user).seq)


def test_a_hold_is_found_by_the_id_that_a_back_end_gave_it(gateway: Gateway) -> None:
    user, _ = gateway.user(5)
    made = gateway.call(
        "POST",
        "/admin/api-keys",
        {"description": "Summaries of Ann", "scopes": ["holds:write"]},
        headers=gateway.admin,
    )
    body = {"userId": user, "units": 1, "holdId": "order-77", "product": "transcript"}
    headers = {"x-api-key": made.json["key"], "idempotency-key": "k"}
    placed = gateway.call("POST", "/v1/holds", body, headers=headers)
    assert placed.status == 200, placed.text
    hits = found(gateway, "order-77")["results"]
    assert [(h["kind"], h["userId"], h["seq"], h["text"]) for h in hits] == [
        ("hold", user, 3, "open")
    ]
    (key,) = found(gateway, "of ann")["results"]
    assert (key["kind"], key["text"]) == ("api_key", "Summaries of Ann")


@pytest.mark.parametrize("part", ["MIDDLE-of-it", "middle", "start.MID"])
def test_a_user_is_found_by_any_part_of_the_id_in_any_case(gateway: Gateway, part: str) -> None:
    for user in ("start.Middle-of-it.end", "another"):
        gateway.add(user, 3)
        project(gateway, user)
    answer = found(gateway, part)
    users = [hit["id"] for hit in answer["results"] if hit["kind"] == "user"]
    assert users == ["start.Middle-of-it.end"]
    assert not answer["truncated"]
    assert [one["what"] for one in answer["searched"]] == ["users"]
    deep = found(gateway, part, deep="true")
    assert {one["what"]: one["complete"] for one in deep["searched"]} == {
        "users": True, "transactions": True,
    }  # fmt: skip
    assert "transaction" in {hit["kind"] for hit in deep["results"]}


def test_an_entry_and_a_user_are_found_by_their_names(gateway: Gateway) -> None:
    gateway.add("named", 3)
    assert [(h["kind"], h["seq"]) for h in found(gateway, "named:1")["results"]] == [
        ("transaction", 1)
    ]
    (hit,) = found(gateway, " named ")["results"]
    assert (hit["kind"], hit["id"], hit["text"]) == ("user", "named", "balance 3")
    assert found(gateway, "named")["searched"] == []


def test_a_payment_is_found_by_its_id_and_leads_to_its_entry(gateway: Gateway) -> None:
    body = {"userId": "payer", "amount": 5, "transactionId": "RCPT-1", "provider": "stripe"}
    reply = gateway.call("POST", "/v1/credits/add", body, headers=gateway.api_key)
    assert reply.status == 200, reply.text
    for q in ("RCPT-1", "stripe:RCPT-1"):
        (hit,) = found(gateway, q)["results"]
        assert (hit["kind"], hit["id"], hit["userId"]) == ("payment", "stripe:RCPT-1", "payer")
        assert hit["seq"] == 1


def test_a_request_id_is_found_among_the_newest_transactions(gateway: Gateway) -> None:
    gateway.add("asker", 3)
    (entry,) = gateway.entries("asker")
    project(gateway, "asker")
    (hit,) = found(gateway, entry.request_id.upper())["results"]
    assert (hit["kind"], hit["id"]) == ("transaction", "asker:1")


def test_a_search_says_what_it_has_not_searched_and_goes_on(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Gateway(endpoint)
    monkeypatch.setattr(feed, "MOST_LOOKED", 2)
    monkeypatch.setattr(figures, "MOST_IDS", 1)
    users = [f"many-{number}" for number in range(40)]
    for user in users:
        gateway.add(user, 1)
    project(gateway, *users)
    answer = found(gateway, "nothing-of-this-name")
    assert (answer["results"], answer["truncated"]) == ([], True)
    assert [one["complete"] for one in answer["searched"]] == [False, False]
    following = found(gateway, "many-", cursor=answer["nextCursor"])
    assert {hit["kind"] for hit in following["results"]} == {"transaction"}
    assert [one["what"] for one in following["searched"]] == ["transactions"]


def test_operators_and_keys_are_found_only_by_those_who_may_read_them(gateway: Gateway) -> None:
    act = by_system("tests", "r-1", "", at=START)
    operators.create(Audit(gateway.ledger.table, 30), "anna", "viewer", act)
    assert [hit["kind"] for hit in found(gateway, "Anna")["results"]] == ["operator"]
    made = gateway.call(
        "POST",
        "/admin/api-keys",
        {"description": "anna reads", "scopes": [USERS_READ]},
        headers=gateway.admin,
    )
    reader = {"x-api-key": made.json["key"]}
    answer = asked(gateway, "anna", reader)
    assert (answer.status, answer.json["results"]) == (200, [])
    assert KEYS_WRITE not in made.json["scopes"]


@pytest.mark.parametrize(
    "q",
    ["\u0000", "A" * 512, "\ud83d\ude00", "x:y:z", ":1", "https://a.example/", "0" * 20, "..", "%", "a\nb"],
)  # fmt: skip
def test_any_text_can_be_searched_for(gateway: Gateway, q: str) -> None:
    assert asked(gateway, q).status == 200


def test_a_search_needs_a_text_and_a_caller_who_may_read(gateway: Gateway) -> None:
    assert asked(gateway, "").status == 400
    assert gateway.call("GET", "/admin/search", query={"q": "a"}).status == 401
