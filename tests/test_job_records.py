"""The record of the job that a credit paid for: video, ids, cause and times, for as long as the ledger."""

from collections.abc import Iterator
from typing import Any

import pytest

from engine.credits.hold_items import CAPTURED, RELEASED
from engine.platform.table import ConditionFailed
from engine.transcription import job_records, jobs, outcomes
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, opened
from tests.test_replays import expire

DAY_S = 86_400
START = 1_900_000_000
CAUSE = "Video not found. It may have been deleted. [code: download_not_found]"


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    module_studio.gateway.now = START
    return module_studio


def entries(studio: Studio, user: str) -> list[dict[str, Any]]:
    """The user's transactions as operators read them, newest first."""
    reply = studio.gateway.call(
        "GET", "/admin/transactions", headers=studio.gateway.admin, query={"user": user}
    )
    assert reply.status == 200
    shown: list[dict[str, Any]] = reply.json["transactions"]
    return shown


def records(studio: Studio, user: str) -> list[dict[str, Any]]:
    return [entry["job"] for entry in entries(studio, user) if entry["job"]]


def failed(studio: Studio, video: str = VIDEO) -> tuple[str, str]:
    """A user and upstream's id of a job that has failed."""
    user, headers, vended = studio.vend()
    job = studio.submit(vended, video).json["jobId"]
    studio.upstream.answer("status", {"status": "failed", "error": CAUSE, "text": "a part"}, 200)
    studio.pass_(5)
    assert studio.told(headers, job).json["credit"] == "released"
    return user, job


def completed(studio: Studio, video: str = VIDEO) -> tuple[str, str]:
    """A user and upstream's id of a job that was paid."""
    user, headers, vended = studio.vend()
    job = studio.submit(vended, video).json["jobId"]
    studio.upstream.forward(60)
    studio.pass_(5)
    assert studio.told(headers, job).json["credit"] == "captured"
    return user, job


def later(studio: Studio, days: int) -> None:
    studio.pass_(days * DAY_S)
    expire(studio)


def test_a_running_job_has_its_video_its_ids_and_the_end_of_its_hold(studio: Studio) -> None:
    user, _, vended = studio.vend()
    job = studio.submit(vended).json["jobId"]
    (record,) = records(studio, user)
    hold = studio.hold(user)
    assert record == {
        "state": "running",
        "jobId": jobs.own_id(hold.jti),
        "upstreamId": job,
        "url": VIDEO,
        "cause": None,
        "submittedAt": "2030-03-17T17:46:40.000Z",
        "endedAt": None,
        "tokenEndsAt": "2030-03-17T18:01:40.000Z",
        "releasedBy": "2030-03-17T18:46:40.000Z",
        "erased": False,
    }


def test_a_token_that_was_not_used_has_an_end_and_no_job(studio: Studio) -> None:
    user, *_ = studio.vend()
    (record,) = records(studio, user)
    assert (record["state"], record["jobId"], record["url"]) == ("unused", None, None)
    assert record["tokenEndsAt"] == "2030-03-17T18:01:40.000Z"
    assert record["releasedBy"] == "2030-03-17T18:02:00.000Z"
    studio.pass_(1000)
    studio.sweep()
    assert {one["state"] for one in records(studio, user)} == {"returned"}


def test_the_cause_of_a_failed_job_outlives_its_hold(studio: Studio) -> None:
    user, job = failed(studio)
    assert studio.hold(user).state == RELEASED
    later(studio, 400)
    found = records(studio, user)
    assert len(found) == 2
    for record in found:
        assert (record["state"], record["cause"], record["url"]) == ("failed", CAUSE, VIDEO)
        assert record["upstreamId"] == job
        assert record["endedAt"] == "2030-03-17T17:46:45.000Z"


def test_the_record_of_a_failed_job_has_no_text(studio: Studio) -> None:
    _, job = failed(studio)
    heard = jobs.heard_in(studio.gateway.ledger.table.get(f"J#{job}", "JOB"))
    assert heard.members is not None
    assert (heard.members["error"], heard.members["text"]) == (CAUSE, None)


def test_the_record_of_a_completed_job_outlives_its_text(studio: Studio) -> None:
    user, job = completed(studio)
    jti = studio.hold(user).jti
    assert studio.hold(user).state == CAPTURED
    later(studio, 400)
    table = studio.gateway.ledger.table
    assert table.get(f"J#{job}", "JOB") is None
    assert jobs.owner(table, job) == jobs.owner(table, jobs.own_id(jti)) == (user, jti)
    capture, spend = (entry["job"] for entry in entries(studio, user)[:2])
    assert (capture["state"], capture["url"]) == ("completed", VIDEO)
    assert capture["endedAt"] == "2030-03-17T17:46:45.000Z"
    assert (spend["state"], spend["url"]) == ("ended", VIDEO)


def test_a_refusal_of_the_video_is_the_cause(studio: Studio) -> None:
    user, _, vended = studio.vend()
    refusal = {"error": "invalid_url", "message": "This is a slideshow, not a video."}
    studio.upstream.answer("transcribe", refusal, 400)
    assert studio.submit(vended).status == 400
    later(studio, 400)
    assert {record["cause"] for record in records(studio, user)} == {refusal["message"]}


def test_an_upstream_that_cannot_be_reached_is_the_cause(studio: Studio) -> None:
    user, _, vended = studio.vend()
    studio.upstream.fault("transcribe", "html", status=502)
    assert studio.submit(vended).status == 502
    (cause,) = {record["cause"] for record in records(studio, user)}
    assert cause.startswith("not started: ")


def erase(studio: Studio, user: str) -> dict[str, Any]:
    body = {"reason": "asked by letter", "confirm": user}
    path = f"/admin/users/{user}/erase"
    reply = studio.gateway.call("POST", path, body, headers=studio.gateway.admin)
    assert reply.status == 200
    return reply.json


def test_an_erasure_removes_video_and_cause_also_when_no_hold_is_left(studio: Studio) -> None:
    user, job = failed(studio)
    jti = studio.hold(user).jti
    later(studio, 400)
    assert erase(studio, user)["jobs"] == 2
    for name in (job, jobs.own_id(jti)):
        item = studio.gateway.ledger.table.get(f"J#{name}", "JOB")
        assert item is not None and item["erased_at"]
        assert item.keys().isdisjoint({"said", "said_packed", "url", "cause"})
    (record, *_) = records(studio, user)
    assert (record["url"], record["cause"], record["erased"]) == (None, None, True)
    assert erase(studio, user)["jobs"] == 0


def test_a_job_that_runs_at_an_erasure_expires(studio: Studio) -> None:
    user, _, vended = studio.vend()
    job = studio.submit(vended).json["jobId"]
    jti = studio.hold(user).jti
    assert erase(studio, user)["jobs"] == 0
    later(studio, 5)
    table = studio.gateway.ledger.table
    assert table.get_many([(f"J#{name}", "JOB") for name in (job, jobs.own_id(jti))]) == []


def test_the_jobs_of_a_video_are_found_newest_first_until_an_erasure(studio: Studio) -> None:
    table = studio.gateway.ledger.table
    first, _ = failed(studio, OTHER_VIDEO)
    studio.pass_(60)
    second, _ = completed(studio, OTHER_VIDEO)
    later(studio, 400)
    own = [jobs.own_id(entries(studio, user)[0]["subject"]) for user in (second, first)]
    assert jobs.of_video(table, OTHER_VIDEO + "?is_from_webapp=1", limit=2) == own
    erase(studio, second)
    assert jobs.of_video(table, OTHER_VIDEO, limit=2) == own[1:]


def test_a_cause_makes_no_job_and_comes_back_to_no_erased_one(studio: Studio) -> None:
    user, _, vended = studio.vend()
    ledger = studio.gateway.ledger
    hold = studio.hold(user)
    jobs.keep_cause(ledger, hold, CAUSE, START)
    assert jobs.own_of(ledger.table, [hold.jti]) == {}
    studio.submit(vended)
    ledger.table.write(jobs.erasure(jobs.own_of(ledger.table, [hold.jti])[hold.jti], START))
    jobs.keep_cause(ledger, hold, CAUSE, START)
    assert "cause" not in jobs.own_of(ledger.table, [hold.jti])[hold.jti]


def test_a_job_that_expires_is_not_kept_for_longer_and_none_is_made(studio: Studio) -> None:
    user, _, vended = studio.vend()
    studio.submit(vended)
    table, jti = studio.gateway.ledger.table, studio.hold(user).jti
    item = jobs.own_of(table, [jti])[jti]
    table.write(jobs.expiring(item, START))
    for again in (item, item | {"pk": "J#nowhere"}):
        with pytest.raises(ConditionFailed):
            table.write(jobs.expiring(again, START + 60))
    assert jobs.own_of(table, [jti])[jti]["ttl"] == START + jobs.KEPT_S


def test_another_users_job_is_not_shown_with_an_entry(studio: Studio) -> None:
    user, _, vended = studio.vend()
    studio.submit(vended)
    jti = studio.hold(user).jti
    assert job_records.of(studio.gateway.ledger.table, [("somebody", jti)], 60) == {}


@pytest.mark.parametrize(
    ("members", "cause"),
    [
        ({"error": CAUSE, "message": "Failed"}, CAUSE),
        ({"error": "job_not_found", "message": "It is gone."}, "It is gone."),
        ({"error": {"code": 5, "message": "Too\n long"}}, "Too long"),
        ({"note": "Stopped"}, "Stopped"),
        ({"error": "x" * 900}, "x" * 300),
        ({"error": 5, "message": None}, ""),
    ],
)
def test_the_cause_is_what_upstream_says_in_words(members: dict[str, Any], cause: str) -> None:
    assert outcomes.cause_of(members) == cause
