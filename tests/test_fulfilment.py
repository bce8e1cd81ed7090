"""Fulfilments: one charge and one job for a request id and for a video, the text or the credit."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from engine.platform.errors import OutcomeUnknown
from engine.transcription import jobs, submission
from engine.transcription.gateway import Questions
from engine.wallet import videos
from tests.support import app_client
from tests.support.direct import assert_refused
from tests.support.gateway import Reply
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, opened
from tests.support.wallet import bought, fulfill, job, quote


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint, ALLOW_HEADER_IDENTITY="true") as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def test_a_video_becomes_a_text_for_one_credit(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=2)
    done = bought(studio, headers)
    assert done.status == 200, done.text
    app_client.SHAPES["fulfill"].read(done.json)
    assert done.json["status"] in app_client.ACTIVE
    assert (done.json["reservedUnits"], done.json["balanceAfterReservation"]) == (1, 1)
    assert done.json["products"] == ["transcript"]
    assert (done.json["settlement"], done.json["result"]) == (None, None)
    assert studio.credits(user) == (1, 1)
    running = job(studio, headers, done.json["jobId"])
    assert (running["status"], running["text"]) == ("processing", None)
    studio.upstream.forward(60)
    ended = job(studio, headers, done.json["jobId"])
    assert ended["status"] == "completed" and len(ended["text"]) > 100
    assert ended["settlement"] == {"reservedUnits": 1, "settledUnits": 1, "refundedUnits": 0}
    assert studio.credits(user) == (1, 0)
    assert [entry.type for entry in studio.gateway.entries(user)][-2:] == ["spend", "capture"]


def test_a_repeat_is_the_same_job_and_one_charge_for_days(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=3)
    first = bought(studio, headers)
    again = bought(studio, headers)
    assert again.json["jobId"] == first.json["jobId"]
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    studio.upstream.forward(60)
    job(studio, headers, first.json["jobId"])
    studio.pass_(6 * 86_400)
    headers = studio.gateway.user_headers(user)
    late = bought(studio, headers)
    assert late.json["jobId"] == first.json["jobId"]
    assert late.json["result"]["text"] == late.json["result"]["transcription"] != ""
    assert studio.credits(user) == (2, 0)
    assert len(studio.upstream.calls("transcribe")) == 1


def test_quote_fulfilment_and_vend_are_three_name_spaces(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=3)
    assert studio.gateway.vend(headers, "k").json["balanceAfter"] == 2
    assert bought(studio, headers).json["balanceAfterReservation"] == 1
    assert studio.credits(user) == (1, 2)


def test_one_request_id_is_one_video(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=3)
    bought(studio, headers)
    other = bought(studio, headers, url=OTHER_VIDEO)
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    assert studio.credits(user) == (2, 1)


def test_another_users_quote_and_job_are_not_there(studio: Studio) -> None:
    _, headers = studio.gateway.user(balance=1)
    stranger, others = studio.gateway.user(balance=1)
    made = quote(studio.gateway, headers).json
    reply = fulfill(studio.gateway, others, made["quoteId"])
    assert (reply.status, reply.code) == (410, "quote_gone")
    done = fulfill(studio.gateway, headers, made["quoteId"]).json
    reply = studio.gateway.call("GET", f"/v1/jobs/{done['jobId']}", headers=others)
    assert (reply.status, reply.code) == (404, "job_not_found")
    assert studio.credits(stranger) == (1, 0)


def test_while_upstream_gives_no_answer_a_job_is_as_it_was_seen_last(studio: Studio) -> None:
    """Also in the second in which upstream was asked; another process knows only that the job runs."""
    user, headers = studio.gateway.user(balance=1)
    job_id = bought(studio, headers).json["jobId"]
    studio.upstream.answer("status", {"status": "processing", "percent": 40}, 200)
    seen = job(studio, headers, job_id)
    assert (seen["status"], seen["progress"]) == ("processing", 40)
    studio.upstream.fault("status", "status", times=None, status=503)
    for _ in range(2):
        again = job(studio, headers, job_id)
        assert (again["status"], again["progress"]) == ("processing", 40)
    told = studio.gateway.call("GET", f"/v1/jobs/{job_id}", headers=headers).json
    assert (told["status"], told["progress"]) == ("processing", 40)
    module: Any = studio.gateway.function("wallet")
    module.questions = Questions()
    elsewhere = job(studio, headers, job_id)
    assert (elsewhere["status"], elsewhere["progress"]) == ("processing", 0)
    assert studio.credits(user) == (0, 1)


def test_a_later_word_that_another_process_kept_is_told_while_upstream_gives_no_answer(
    studio: Studio,
) -> None:
    _, headers = studio.gateway.user(balance=1)
    job_id = bought(studio, headers).json["jobId"]
    studio.upstream.answer("status", {"status": "processing", "percent": 40}, 200)
    assert job(studio, headers, job_id)["progress"] == 40
    module: Any = studio.gateway.function("wallet")
    mine, module.questions = module.questions, Questions()
    studio.upstream.answer("status", {"error": "job_not_found"}, 404)
    job(studio, headers, job_id)
    studio.upstream.answer("status", {"status": "processing", "percent": 60}, 200)
    assert job(studio, headers, job_id)["progress"] == 60
    module.questions = mine
    studio.upstream.fault("status", "status", times=None, status=503)
    assert job(studio, headers, job_id)["progress"] == 60


def test_a_text_that_another_process_kept_is_told_by_the_one_that_saw_the_job_running(
    studio: Studio,
) -> None:
    """In the same second, to a call that does not ask upstream."""
    user, headers = studio.gateway.user(balance=1)
    job_id = bought(studio, headers).json["jobId"]
    assert job(studio, headers, job_id)["status"] == "processing"
    module: Any = studio.gateway.function("wallet")
    mine, module.questions = module.questions, Questions()
    studio.upstream.forward(60)
    told = studio.gateway.call("GET", f"/v1/jobs/{job_id}", headers=headers).json
    assert told["status"] == "completed"
    module.questions = mine
    again = bought(studio, headers).json
    assert again["result"]["text"] == told["text"] != ""
    assert studio.credits(user) == (0, 0)


def test_a_job_that_upstream_refuses_is_a_failed_job(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    studio.upstream.answer("transcribe", {"error": "video is private"}, 400)
    done = bought(studio, headers)
    assert (done.status, done.json["status"]) == (200, "failed_refunded")
    assert done.json["settlement"] == {"reservedUnits": 1, "settledUnits": 0, "refundedUnits": 1}
    assert job(studio, headers, done.json["jobId"])["ok"] is False
    assert studio.credits(user) == (1, 0)


def test_a_second_transcription_of_a_video_is_free_and_at_once(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=2)
    first = bought(studio, headers, "one")
    joined = bought(studio, headers, "two")
    assert (joined.json["status"], joined.json["reservedUnits"]) == ("joined", 0)
    assert joined.json["jobId"] == first.json["jobId"]
    studio.upstream.forward(60)
    job(studio, headers, first.json["jobId"])
    offered = quote(studio.gateway, headers, "three").json
    assert (offered["estimated"]["cacheHit"], offered["estimated"]["reserveUnits"]) == (True, 0)
    shown = fulfill(studio.gateway, headers, offered["quoteId"], "three").json
    assert shown["settlement"] == {"reservedUnits": 0, "settledUnits": 0, "refundedUnits": 0}
    assert len(shown["result"]["text"]) > 100
    assert studio.credits(user) == (1, 0)
    studio.gateway.add(user, 4)
    assert bought(studio, headers, "four").json["balanceAfterReservation"] == 5
    assert len(studio.upstream.calls("transcribe")) == 1


def at_once(studio: Studio, headers: Mapping[str, str], count: int) -> list[dict[str, Any]]:
    """The answers of so many fulfilments of one video at once, each under an id of its own."""
    keys = [f"key-{n}" for n in range(count)]
    quotes = [quote(studio.gateway, headers, key).json["quoteId"] for key in keys]
    with ThreadPoolExecutor(count) as pool:
        replies = list(pool.map(partial(fulfill, studio.gateway, headers), quotes, keys))
    assert {reply.status for reply in replies} == {200}, [reply.text for reply in replies]
    for reply in replies:
        app_client.SHAPES["fulfill"].read(reply.json)
    return [reply.json for reply in replies]


@pytest.mark.parametrize("failed_before", [False, True])
@pytest.mark.parametrize("balance", [1, 3])
def test_a_fulfilment_that_another_one_was_faster_than_joins_its_job(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, balance: int, failed_before: bool
) -> None:
    """The other one comes after this one has read the user's last job for the video."""
    user, headers = studio.gateway.user(balance=balance)
    if failed_before:
        studio.upstream.answer("transcribe", {"error": "video is private"}, 400)
        assert bought(studio, headers, "failed").json["status"] == "failed_refunded"
    offered = quote(studio.gateway, headers, "slower").json["quoteId"]
    read, faster = videos.last_job, list[Reply]()

    def read_before(*given: Any) -> videos.LastJob:
        found = read(*given)
        monkeypatch.setattr(videos, "last_job", read)
        faster.append(bought(studio, headers, "faster"))
        return found

    monkeypatch.setattr(videos, "last_job", read_before)
    slower = fulfill(studio.gateway, headers, offered, "slower").json
    assert (slower["status"], slower["reservedUnits"]) == ("joined", 0)
    assert [reply.json["jobId"] for reply in faster] == [slower["jobId"]]
    assert studio.credits(user) == (balance - 1, 1)
    assert len(studio.upstream.calls("transcribe")) == 1 + failed_before


@pytest.mark.parametrize("balance", [1, 5])
def test_two_ids_at_once_for_one_video_are_one_charge_and_one_job(
    studio: Studio, balance: int
) -> None:
    """Also where the first takes the last credit: the others are not told to pay."""
    user, headers = studio.gateway.user(balance=balance)
    told = at_once(studio, headers, 12)
    assert len({answer["jobId"] for answer in told}) == 1
    assert sorted(answer["reservedUnits"] for answer in told) == [0] * 11 + [1]
    assert [answer["status"] for answer in told].count("joined") == 11
    assert studio.credits(user) == (balance - 1, 1)
    assert len(studio.upstream.calls("transcribe")) == 1
    studio.upstream.forward(60)
    assert len(job(studio, headers, told[0]["jobId"])["text"]) > 100
    assert studio.credits(user) == (balance - 1, 0)


def test_ids_at_once_for_a_video_that_failed_before_are_one_charge(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=5)
    studio.upstream.answer("transcribe", {"error": "video is private"}, 400)
    assert bought(studio, headers, "failed").json["status"] == "failed_refunded"
    told = at_once(studio, headers, 6)
    assert len({answer["jobId"] for answer in told}) == 1
    assert studio.credits(user) == (4, 1)


def test_where_repeats_are_charged_each_id_at_once_is_a_charge(endpoint: str) -> None:
    with opened(endpoint, FREE_REPEATS="false") as charging:
        user, headers = charging.gateway.user(balance=8)
        told = at_once(charging, headers, 8)
        assert len({answer["jobId"] for answer in told}) == 8
        assert charging.credits(user) == (0, 8)


def test_another_id_starts_the_job_of_a_process_that_died_after_its_hold(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, headers = studio.gateway.user(balance=2)

    def dies(*_: Any) -> None:
        raise OutcomeUnknown()

    monkeypatch.setattr(submission, "start_held", dies)
    assert bought(studio, headers, "one").status == 503
    monkeypatch.undo()
    assert studio.upstream.calls("transcribe") == []
    offered = quote(studio.gateway, headers, "two").json["estimated"]
    assert (offered["cacheHit"], offered["reserveUnits"]) == (True, 0)
    joined = bought(studio, headers, "two").json
    assert (joined["status"], joined["reservedUnits"]) == ("joined", 0)
    first = bought(studio, headers, "one").json
    assert (first["jobId"], first["reservedUnits"]) == (joined["jobId"], 1)
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (1, 1)


def test_a_fulfilment_that_died_before_its_job_was_put_names_none(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its hold is claimed. Without the quote the call cannot go on; with it the same id does."""
    user, headers = studio.gateway.user(balance=1)

    def dies(*_: Any) -> None:
        raise OutcomeUnknown()

    monkeypatch.setattr(jobs, "begin", dies)
    assert bought(studio, headers, "one").status == 503
    monkeypatch.undo()
    gone = fulfill(studio.gateway, headers, "no-such-quote", "one")
    assert (gone.status, gone.code) == (410, "quote_gone")
    started = bought(studio, headers, "one").json
    assert job(studio, headers, started["jobId"])["status"] in ("queued", "processing")
    assert (
        fulfill(studio.gateway, headers, "no-such-quote", "one").json["jobId"] == started["jobId"]
    )
    assert studio.credits(user) == (0, 1)


def test_another_id_buys_anew_after_a_hold_that_nobody_used_in_time(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, headers = studio.gateway.user(balance=1)

    def dies(*_: Any) -> None:
        raise OutcomeUnknown()

    monkeypatch.setattr(submission, "start_held", dies)
    assert bought(studio, headers, "one").status == 503
    monkeypatch.undo()
    studio.pass_(1000)
    studio.sweep()
    assert studio.credits(user) == (1, 0)
    assert bought(studio, headers, "two").json["reservedUnits"] == 1
    assert studio.credits(user) == (0, 1)


def test_another_user_gets_no_text_for_free(studio: Studio) -> None:
    _, headers = studio.gateway.user(balance=1)
    first = bought(studio, headers)
    studio.upstream.forward(60)
    job(studio, headers, first.json["jobId"])
    user, others = studio.gateway.user(balance=1)
    assert bought(studio, others).json["reservedUnits"] == 1
    assert studio.credits(user) == (0, 1)


def test_after_a_failed_job_the_video_is_charged_anew(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    studio.upstream.answer("transcribe", {"error": "video is private"}, 400)
    assert bought(studio, headers, "one").json["status"] == "failed_refunded"
    assert bought(studio, headers, "two").json["reservedUnits"] == 1
    assert studio.credits(user) == (0, 1)


def test_a_deployment_may_charge_for_a_text_that_is_at_hand(endpoint: str) -> None:
    with opened(endpoint, FREE_REPEATS="false") as charging:
        user, headers = charging.gateway.user(balance=3)
        first = bought(charging, headers, "one")
        charging.upstream.forward(60)
        job(charging, headers, first.json["jobId"])
        shown = bought(charging, headers, "two")
        assert shown.json["settlement"]["settledUnits"] == 1
        assert len(shown.json["result"]["text"]) > 100
        assert shown.json["jobId"] != first.json["jobId"]
        assert charging.credits(user) == (1, 0)
        again = bought(charging, headers, "two")
        assert again.json["jobId"] == shown.json["jobId"]
        assert len(job(charging, headers, shown.json["jobId"])["text"]) > 100
        assert charging.credits(user) == (1, 0)
        assert len(charging.upstream.calls("transcribe")) == 1


def test_a_death_between_hold_and_start_is_gone_on_with(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, headers = studio.gateway.user(balance=2)

    def dies(*_: Any) -> None:
        raise OutcomeUnknown()

    monkeypatch.setattr(submission, "start_held", dies)
    assert bought(studio, headers).status == 503
    assert studio.credits(user) == (1, 1)
    monkeypatch.undo()
    done = bought(studio, headers)
    assert done.json["balanceAfterReservation"] == 1
    assert studio.credits(user) == (1, 1)
    studio.upstream.forward(60)
    assert job(studio, headers, done.json["jobId"])["status"] == "completed"


def test_a_death_between_claim_and_call_is_gone_on_with(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, headers = studio.gateway.user(balance=1)

    def dies(*_: Any) -> bool:
        raise OutcomeUnknown()

    monkeypatch.setattr(submission, "_handed_over", dies)
    assert bought(studio, headers).status == 503
    assert studio.upstream.calls("transcribe") == []
    monkeypatch.undo()
    done = bought(studio, headers)
    studio.upstream.forward(60)
    assert job(studio, headers, done.json["jobId"])["status"] == "completed"
    assert studio.credits(user) == (0, 0)


def test_a_hold_that_nobody_goes_on_with_is_given_back(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, headers = studio.gateway.user(balance=1)

    def dies(*_: Any) -> None:
        raise OutcomeUnknown()

    monkeypatch.setattr(submission, "start_held", dies)
    assert bought(studio, headers).status == 503
    monkeypatch.undo()
    studio.pass_(1000)
    studio.sweep()
    assert studio.credits(user) == (1, 0)
    assert bought(studio, headers).json["balanceAfterReservation"] == 0


def test_the_worker_makes_the_call_once_however_often_it_is_asked_for(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    with studio.handing_over("wallet") as worker:
        worker.at_once = False
        first = bought(studio, headers)
        again = bought(studio, headers)
        assert first.json["status"] == again.json["status"] == "queued"
        assert len(worker.messages) == 2
        for message in worker.messages:
            assert worker.work(message) == []
    assert len(studio.upstream.calls("transcribe")) == 1
    studio.upstream.forward(60)
    assert job(studio, headers, first.json["jobId"])["status"] == "completed"
    assert studio.credits(user) == (0, 0)


def test_while_the_service_is_paused_nothing_is_held(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    made = quote(studio.gateway, headers).json
    wallet: Any = studio.gateway.function("wallet")
    for _ in range(5):
        wallet.circuit.failed()
    reply = fulfill(studio.gateway, headers, made["quoteId"])
    assert (reply.status, reply.code) == (503, "circuit_open")
    assert studio.credits(user) == (1, 0)
    told = studio.gateway.call("GET", "/v1/mobile/sync", headers=headers).json
    assert (told["service"]["acceptingJobs"], told["service"]["state"]) == (False, "DEGRADED")


def test_while_upstream_does_not_answer_the_job_is_as_it_was(studio: Studio) -> None:
    _, headers = studio.gateway.user(balance=1)
    done = bought(studio, headers)
    studio.upstream.fault("status", "drop", times=3, when="before")
    assert job(studio, headers, done.json["jobId"])["status"] == "processing"


@pytest.mark.parametrize("name", ["..", "x" * 200, "job-unknown", "%00"])
def test_a_job_that_is_not_there_is_404(studio: Studio, name: str) -> None:
    _, headers = studio.gateway.user()
    assert_refused(studio.gateway.call("GET", f"/v1/jobs/{name}", headers=headers), 404)


def test_a_refused_fulfilment_is_kept_in_the_audit(studio: Studio) -> None:
    user, headers = studio.gateway.user()
    assert bought(studio, headers).status == 402
    kept = list(studio.gateway.ledger.table.ascending(f"AUDIT#{user}", "2", "9"))
    assert [(item["action"], item["code"]) for item in kept] == [
        ("fulfill", "insufficient_credits")
    ]


def test_one_id_from_thirty_threads_is_one_charge_and_one_job(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=5)
    made = quote(studio.gateway, headers).json["quoteId"]
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: fulfill(studio.gateway, headers, made), range(30)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["jobId"] for reply in replies}) == 1
    assert studio.credits(user) == (4, 1)
    assert len(studio.upstream.calls("transcribe")) == 1


def test_numbers_of_upstream_become_numbers_that_the_app_reads(studio: Studio) -> None:
    _, headers = studio.gateway.user(balance=1)
    done = bought(studio, headers)
    (call,) = studio.upstream.calls("transcribe")
    assert json.loads(call["body"])["url"] == VIDEO
    studio.upstream.forward(60)
    told = job(studio, headers, done.json["jobId"])
    assert isinstance(told["duration"], int) and isinstance(told["result"]["wordCount"], int)
