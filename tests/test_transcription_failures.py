"""A transcription that upstream refuses, fails or answers unreadably: the credit goes back, or stays held."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from engine.credits.hold_items import OPEN, RELEASED
from tests.support.direct import assert_error_body
from tests.support.loglines import caught
from tests.support.studio import UNREADABLE, Studio, assert_failed, opened


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def assert_given_back(studio: Studio, user: str) -> None:
    """The credit is back, by an entry that names the one that took it."""
    assert (studio.credits(user), studio.hold(user).state) == ((1, 0), RELEASED)
    entry = studio.gateway.entries(user)[-1]
    assert (entry.type, entry.amount, entry.held, entry.reverses) == (
        "refund",
        1,
        -1,
        entry.seq - 1,
    )
    assert entry.subject == studio.hold(user).jti


@pytest.mark.parametrize("status", [300, 401, 403, 500, 501, 502, 503, 504])
def test_when_upstream_fails_or_refuses_us_its_words_stay_inside_and_the_credit_goes_back(
    studio: Studio, status: int
) -> None:
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {"error": "inner words", "id": "x"}, status)
    reply = studio.submit(vended)
    assert_failed(reply, 502, "upstream_error")
    assert "inner words" not in reply.text
    assert reply.json["credit"] == "released"
    assert_given_back(studio, user)


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429])
def test_when_upstream_refuses_the_job_in_words_they_are_passed_on_and_the_credit_goes_back(
    studio: Studio, status: int
) -> None:
    user, _, vended = studio.vend()
    own = studio.upstream.base
    said = {
        "error": "invalid_url",
        "message": f"see {own}/docs",
        "details": {"at": [own]},
        "odd": None,
    }
    studio.upstream.fault(
        "transcribe", "status", status=status, body=said, headers={"Retry-After": "7"}
    )
    reply = studio.submit(vended)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (
        status,
        "upstream_refused",
        "7",
    )
    public = "http://api.example.test"
    passed_on = {
        "error": "invalid_url", "message": f"see {public}/docs", "details": {"at": [public]}, "odd": None,
    }  # fmt: skip
    assert {name: reply.json[name] for name in said} == passed_on
    assert (reply.json["ok"], reply.json["credit"]) == (False, "released")
    assert reply.json["requestId"] == reply.headers["x-request-id"]
    assert_given_back(studio, user)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"id": ""},
        {"id": None},
        {"id": "../x"},
        {"id": "a b"},
        {"id": "x" * 129},
        {"id": {}},
        {"id": True},
        {"id": 7.5},
        {"id": "ping"},
    ],
)
def test_an_acceptance_without_a_usable_job_id_is_no_acceptance(
    studio: Studio, answer: dict[str, Any]
) -> None:
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", answer, 202)
    assert_failed(studio.submit(vended), 502, "upstream_error")
    assert studio.credits(user) == (1, 0)


def test_a_token_whose_credit_went_back_starts_nothing_and_says_so(studio: Studio) -> None:
    """The same call again gets the first outcome, never the promise of a job that nobody runs."""
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {"error": "busy"}, 503)
    first = studio.submit(vended)
    again = studio.submit(vended)
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (1, 0)
    assert again.status in (401, 403, first.status)
    assert_error_body(again)


def test_when_upstream_cannot_be_reached_the_credit_is_given_back(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, _, vended = studio.vend()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setattr(studio.gateway.function("transcription").upstream, "base", base)
        with caught() as lines:
            reply = studio.submit(vended)
    assert_failed(reply, 502, "upstream_error")
    assert "given back" in reply.json["guidance"]
    assert (studio.credits(user), studio.hold(user).state) == ((1, 0), RELEASED)
    assert "be:ttt call=transcribe http=0" in lines.messages


@pytest.mark.parametrize("when", ["before", "after"])
def test_while_it_is_not_known_whether_upstream_has_the_job_the_credit_stays_held(
    studio: Studio, when: str
) -> None:
    user, headers, vended = studio.vend()
    studio.upstream.fault("transcribe", "delay", seconds=60, when=when)
    with studio.impatient():
        reply = studio.submit(vended)
    assert (reply.status, reply.json["status"]) == (202, "processing")
    assert "idempotency-replayed" not in reply.headers
    assert (studio.credits(user), studio.hold(user).state) == ((0, 1), OPEN)
    again = studio.submit(vended)
    assert again.status == 202 and again.json["ok"] is True
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (0, 1)
    job = studio.status(headers, again.json["jobId"])
    assert (job.status, job.json["status"], job.json["credit"]) == (200, "processing", "held")
    assert again.json["statusUrl"].endswith("/ttt/status/" + again.json["jobId"])


unreadable = pytest.mark.parametrize(
    ("kind", "options"), UNREADABLE, ids=[f"{kind} {options}" for kind, options in UNREADABLE]
)


@unreadable
def test_an_answer_that_cannot_be_read_gives_the_credit_back(
    studio: Studio, kind: str, options: dict[str, Any]
) -> None:
    """Without the id of the job nobody could ask for its text."""
    user, _, vended = studio.vend()
    studio.upstream.fault("transcribe", kind, **options)
    assert_failed(studio.submit(vended), 502, "upstream_error")
    assert_given_back(studio, user)


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:1/steal", "https://evil.example/", "/transcribe", "//evil.example"],
)
def test_no_redirect_is_followed(studio: Studio, location: str) -> None:
    user, _, vended = studio.vend()
    studio.upstream.fault("transcribe", "redirect", location=location, status=307)
    reply = studio.submit(vended)
    assert reply.status in (502, 504)
    assert_error_body(reply)
    assert location not in reply.text
    assert studio.upstream.count() == 1
    assert sum(studio.credits(user)) == 1


HARD_TO_KEEP = {
    "depth 900": {"a": json.loads("[" * 900 + "]" * 900)},
    "half a megabyte": {"a": "x" * 500_000},
    "a lone surrogate": {"a": "\ud800"},
    "a number of 400 digits": {"a": 10**400},
}


@pytest.mark.parametrize("odd", HARD_TO_KEEP.values(), ids=HARD_TO_KEEP.keys())
def test_an_answer_that_is_hard_to_keep_never_ends_in_an_error_of_the_engine(
    studio: Studio, odd: dict[str, Any]
) -> None:
    """Whether it is mirrored or refused, the credit is accounted for and nothing crashes."""
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {"id": f"hard-{user}", **odd}, 202)
    with caught() as lines:
        reply = studio.submit(vended)
    assert reply.status in (202, 502, 504)
    assert [line["message"] for line in lines.json if line["level"] == "ERROR"] == []
    assert sum(studio.credits(user)) == 1


def test_upstream_giving_one_job_id_twice_lets_nobody_read_the_others_job(studio: Studio) -> None:
    first_user, first_headers, first_vended = studio.vend()
    second_user, second_headers, second_vended = studio.vend()
    studio.upstream.fault("transcribe", "status", times=2, status=202, body={"id": "given-twice"})
    assert studio.submit(first_vended).status == 202
    reply = studio.submit(second_vended)
    assert_failed(reply, 502, "upstream_error")
    assert studio.status(second_headers, "given-twice").status == 404
    assert studio.status(first_headers, "given-twice").json["code"] == "job_not_found"
    assert sum(studio.credits(first_user)) == sum(studio.credits(second_user)) == 1
