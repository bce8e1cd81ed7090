"""What is heard of a job is told to everybody for a second, and its end for two days."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.credits.hold_items import CAPTURED, OPEN, RELEASED
from engine.platform.circuit import FAILURES_TO_OPEN, OPEN_S
from engine.transcription.outcomes import FORGOTTEN_AFTER_S
from engine.web.request_ids import KEEP_S
from tests.support.direct import assert_refused
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, assert_failed, opened

CLIENTS = 200


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    module_studio.pass_(0)
    return module_studio


def test_two_hundred_clients_cost_upstream_one_call_a_second(studio: Studio) -> None:
    _, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["id"]
    for second in range(1, 4):
        studio.pass_(1)
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda _: studio.told(headers, job_id), range(CLIENTS)))
        assert {reply.status for reply in replies} == {200}
        assert len(studio.upstream.calls("status")) == second


def test_a_job_that_has_ended_is_never_asked_for_again_and_outlives_upstream(
    studio: Studio,
) -> None:
    user, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["id"]
    studio.upstream.forward(10)
    first = studio.status(headers, job_id)
    assert (first.json["credit"], studio.hold(user).state) == ("captured", CAPTURED)
    calls = len(studio.upstream.calls("status"))
    studio.upstream.order("restart")
    studio.upstream.fault("status", "drop", times=None)
    studio.pass_(47 * 3600)
    again = studio.gateway.call(
        "GET", f"/ttt/poll/{job_id}", headers=studio.gateway.user_headers(user)
    )
    assert again.text == first.text
    assert len(studio.upstream.calls("status")) == calls


def test_no_credit_is_taken_for_a_job_that_is_completed_without_its_text(studio: Studio) -> None:
    user, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["id"]
    for result in (None, {}, {"transcription": None}, {"transcription": 7}):
        studio.upstream.answer("status", {"status": "completed", "result": result}, 200)
        assert studio.status(headers, job_id).json["credit"] == "held"
    studio.upstream.answer("status", {"status": "completed", "result": {"transcription": ""}}, 200)
    assert studio.status(headers, job_id).json["credit"] == "captured"
    assert studio.credits(user) == (0, 0)


def test_a_job_that_upstream_forgot_gives_its_credit_back_after_two_minutes_and_says_so(
    studio: Studio,
) -> None:
    user, headers, vended = studio.vend()
    job_id = studio.submit(vended).json["id"]
    studio.upstream.order("restart")
    waiting = studio.status(headers, job_id)
    assert_refused(waiting, 404)
    assert (waiting.json["credit"], studio.credits(user)) == ("held", (0, 1))
    studio.pass_(FORGOTTEN_AFTER_S - 2)
    assert studio.status(headers, job_id).json["credit"] == "held"
    given_back = studio.status(headers, job_id)
    assert (given_back.status, given_back.json["status"]) == (200, "failed")
    assert given_back.json["credit"] == "released"
    assert "given back" in given_back.json["guidance"]
    assert studio.gateway.entries(user)[-1].reason == "upstream has forgotten the job"
    assert (studio.hold(user).state, studio.credits(user)) == (RELEASED, (1, 0))


def test_the_same_request_id_with_another_token_gets_the_first_answer(studio: Studio) -> None:
    """The app's first token ran out before it heard of its job; the second one stays unused."""
    user, headers = studio.gateway.user(balance=2)
    first, second = (
        {"authorization": f"Bearer {studio.gateway.vend(headers).json['token']}"} for _ in range(2)
    )
    started = studio.submit(first, clientRequestId="upload-7")
    studio.pass_(600)
    again = studio.submit(second, VIDEO + "?is_copy_url=1", clientRequestId="upload-7")
    assert (again.status, again.text) == (started.status, started.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert len(studio.upstream.calls("transcribe")) == 1
    assert_refused(studio.submit(second, OTHER_VIDEO, clientRequestId="upload-7"), 422)
    assert studio.hold(user).claim is None
    assert studio.submit(second, OTHER_VIDEO, clientRequestId="upload-8").status == 202


@pytest.mark.parametrize(("later_s", "status"), [(KEEP_S, 422), (KEEP_S + 1, 202)])
def test_a_request_id_is_remembered_for_two_days(studio: Studio, later_s: int, status: int) -> None:
    user, _ = studio.gateway.user(balance=2)

    def submitted(url: str) -> int:
        headers = studio.gateway.user_headers(user)
        token = studio.gateway.vend(headers).json["token"]
        vended = {"authorization": f"Bearer {token}"}
        return studio.submit(vended, url, clientRequestId="upload").status

    studio.gateway.now = 1_900_000_000
    assert submitted(VIDEO) == 202
    studio.gateway.now += later_s
    assert submitted(OTHER_VIDEO) == status


def test_a_used_token_is_refused_for_another_address_whatever_the_request_id(
    studio: Studio,
) -> None:
    _, _, vended = studio.vend()
    studio.submit(vended, clientRequestId="one")
    for key in ("one", "two"):
        reply = studio.submit(vended, OTHER_VIDEO, clientRequestId=key)
        assert (reply.status, reply.code) == (403, "token_already_used")


def test_a_refusal_is_told_again_as_it_was(studio: Studio) -> None:
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {"error": "video_too_long", "limit": 1.5}, 422)
    first = studio.submit(vended)
    again = studio.submit(vended)
    assert (first.status, again.status) == (422, 422)
    ours = {"requestId", "timestamp"}
    assert {k: v for k, v in first.json.items() if k not in ours} == {
        k: v for k, v in again.json.items() if k not in ours
    }
    assert again.json["limit"] == 1.5
    assert (len(studio.upstream.calls("transcribe")), studio.credits(user)) == (1, (1, 0))


@pytest.mark.parametrize("status", [202, 422])
def test_the_answer_to_a_submission_shows_no_text(studio: Studio, status: int) -> None:
    """Its credit is held or given back, and a text is shown where it is captured."""
    user, _, vended = studio.vend()
    told = {"transcription": "words", "language": "en"}
    body = {"id": "up-early", "text": "words", "transcript": "words", "result": told}
    studio.upstream.answer("transcribe", body, status)
    for _ in range(2):
        reply = studio.submit(vended)
        assert reply.status == status
        assert "words" not in reply.text
        assert reply.json["result"] == {"transcription": None, "language": "en"}
    assert studio.credits(user) == ((0, 1) if status == 202 else (1, 0))


@pytest.mark.parametrize("word", ["failed", "Canceled", "download_failed"])
def test_a_submission_that_has_failed_already_gives_the_credit_back_at_once(
    studio: Studio, word: str
) -> None:
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {"id": "ended-1", "status": word}, 202)
    assert_failed(studio.submit(vended), 502, "upstream_error")
    assert (studio.credits(user), studio.hold(user).state) == ((1, 0), RELEASED)


def test_an_upstream_that_fails_again_and_again_is_left_alone(studio: Studio) -> None:
    for _ in range(FAILURES_TO_OPEN):
        _, _, vended = studio.vend()
        studio.upstream.answer("transcribe", {}, 500)
        assert_failed(studio.submit(vended), 502, "upstream_error")
    calls = studio.upstream.count()
    user, _, vended = studio.vend()
    refused = studio.submit(vended)
    assert_failed(refused, 503, "circuit_open")
    assert refused.headers["retry-after"] == str(refused.json["retryAfterSeconds"])
    assert (refused.json["credit"], studio.credits(user)) == ("released", (1, 0))
    assert studio.upstream.count() == calls
    health = studio.gateway.call("GET", "/health/services").json
    assert health["circuitBreaker"]["state"] == "open"
    assert (health["ok"], health["status"], health["ttt"]["status"]) == (False, "degraded", "ok")
    studio.pass_(OPEN_S)
    _, _, vended = studio.vend()
    assert studio.submit(vended).status == 202


def test_refusals_of_upstream_do_not_open_the_circuit(studio: Studio) -> None:
    for _ in range(FAILURES_TO_OPEN + 1):
        _, _, vended = studio.vend()
        studio.upstream.answer("transcribe", {"error": "invalid_url"}, 400)
        assert studio.submit(vended).status == 400
    _, _, vended = studio.vend()
    assert studio.submit(vended).status == 202


def test_while_the_circuit_is_open_what_is_known_is_told_and_the_rest_waits(
    studio: Studio,
) -> None:
    user, headers, vended = studio.vend()
    ended = studio.submit(vended).json["id"]
    studio.upstream.forward(10)
    text = studio.status(headers, ended).json["text"]
    other_user, other_headers, other = studio.vend()
    running = studio.submit(other, OTHER_VIDEO).json["id"]
    studio.upstream.fault("status", "status", times=FAILURES_TO_OPEN, status=500)
    told = Counter(studio.status(other_headers, running).status for _ in range(FAILURES_TO_OPEN))
    assert told == {502: FAILURES_TO_OPEN}
    assert studio.status(other_headers, running).code == "circuit_open"
    assert studio.status(headers, ended).json["text"] == text
    assert (studio.hold(other_user).state, studio.credits(other_user)) == (OPEN, (0, 1))
    assert studio.credits(user) == (0, 0)
