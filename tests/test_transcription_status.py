"""How a job goes: its owner reads it, its end settles the credit, and nobody else learns anything."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.credits.hold_items import CAPTURED, OPEN, RELEASED
from standins.ttt_jobs import transcribe
from tests.support.direct import assert_error_body, assert_refused, send
from tests.support.gateway import Reply
from tests.support.studio import UNREADABLE, VIDEO, Studio, assert_failed, opened

OWN_MEMBERS = {
    "ok", "jobId", "status", "progress", "transcript", "text", "confidence", "language",
    "duration", "credit",
}  # fmt: skip


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def started(studio: Studio, **job: Any) -> tuple[str, dict[str, str], dict[str, str], str]:
    """A user, the user's headers, those of the vended token, and the id of the job it started."""
    user, headers, vended = studio.vend()
    if job:
        studio.upstream.fault("transcribe", "job", **job)
    return user, headers, vended, studio.submit(vended).json["jobId"]


def test_a_running_job_shows_upstreams_members_and_a_held_credit(studio: Studio) -> None:
    user, _, vended, job_id = started(studio)
    studio.upstream.forward(5)
    reply = studio.status(vended, job_id)
    (job,) = (j for j in studio.upstream.order("jobs", method="GET") if j["id"] == job_id)
    body = reply.json
    assert reply.status == 200
    assert body.keys() >= OWN_MEMBERS
    mirrored = {"id", "phase", "note", "percent", "message", "currentStep", "pollIntervalSeconds"}
    assert {name: body[name] for name in mirrored} == {name: job[name] for name in mirrored}
    assert (body["ok"], body["jobId"], body["status"]) == (True, job_id, "processing")
    assert (body["progress"], body["credit"], body["text"]) == (35, "held", None)
    assert body["statusUrl"] == f"http://api.example.test/ttt/status/{job_id}"
    assert "127.0.0.1" not in reply.text
    assert (studio.credits(user), studio.hold(user).state) == ((0, 1), OPEN)


def test_the_whole_way_to_the_text_and_a_captured_credit(studio: Studio) -> None:
    user, _, vended, job_id = started(studio)
    seen = []
    for _ in range(12):
        body = studio.status(vended, job_id).json
        seen.append((body["status"], body["progress"], body["credit"]))
        studio.upstream.forward(1)
    assert list(dict.fromkeys(seen)) == [
        ("queued", 0, "held"),
        ("processing", 15, "held"),
        ("processing", 35, "held"),
        ("processing", 75, "held"),
        ("completed", 100, "captured"),
    ]
    expected = transcribe(VIDEO)
    assert (body["text"], body["transcript"]) == (expected.text, expected.text)
    assert (body["confidence"], body["language"]) == (0.95, "en")
    assert (body["duration"], type(body["duration"])) == (int(expected.duration_s), int)
    assert body["result"]["duration"] == expected.duration_s
    assert (studio.credits(user), studio.hold(user).state) == ((0, 0), CAPTURED)
    capture = studio.gateway.entries(user)[-1]
    assert (capture.type, capture.amount, capture.held) == ("capture", 0, -1)
    assert (capture.reverses, capture.subject) == (capture.seq - 1, studio.hold(user).jti)


def test_polling_is_the_same_as_asking_for_the_status(studio: Studio) -> None:
    _, _, vended, job_id = started(studio)
    polled = studio.gateway.call("GET", f"/ttt/poll/{job_id}", headers=vended)
    assert polled.status == 200
    assert polled.json.keys() == studio.status(vended, job_id).json.keys()


@pytest.mark.parametrize("code", ["download_auth", "download_blocked", "download_not_found"])
def test_a_failed_job_gives_the_credit_back_and_keeps_upstreams_words(
    studio: Studio, code: str
) -> None:
    user, _, vended, job_id = started(studio, outcome="failed", code=code)
    studio.upstream.forward(10)
    body = studio.status(vended, job_id).json
    assert (body["ok"], body["status"], body["credit"]) == (False, "failed", "released")
    assert body["error"].endswith(f"[code: {code}]")
    assert (studio.credits(user), studio.hold(user).state) == ((1, 0), RELEASED)
    refund = studio.gateway.entries(user)[-1]
    assert (refund.type, refund.amount, refund.held) == ("refund", 1, -1)
    assert (refund.actor, refund.reason) == ("system:status", "transcription failed")


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_an_end_is_settled_once_however_often_and_by_how_many_it_is_read(
    studio: Studio, outcome: str
) -> None:
    user, headers, vended, job_id = started(studio, outcome=outcome)
    studio.upstream.forward(10)
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: studio.told((headers, vended)[n % 2], job_id), range(16)))
    assert {reply.status for reply in replies} == {200}
    ended = studio.status(headers, job_id).json["credit"]
    assert {reply.json["credit"] for reply in replies} <= {"held", ended}
    assert sum(studio.credits(user)) == (1 if outcome == "failed" else 0)
    assert len(studio.gateway.entries(user)) == 4


@pytest.mark.parametrize(
    ("first", "money", "types"),
    [("FAILED", (1, 0), ["refund"]), ("COMPLETED", (0, 0), ["capture"])],
)
def test_upstreams_first_word_on_a_jobs_end_stays(
    studio: Studio, first: str, money: tuple[int, int], types: list[str]
) -> None:
    """It is kept, and upstream is not asked again, whatever it would say by now."""
    user, _, vended, job_id = started(studio, outcome="failed")
    said = []
    for phase in (first, "COMPLETED", "FAILED", "COMPLETED"):
        studio.upstream.order(f"jobs/{job_id}", {"phase": phase})
        said.append(studio.status(vended, job_id).text)
        assert studio.credits(user) == money
    assert len(set(said)) == 1
    assert len(studio.upstream.calls("status")) == 1
    assert [entry.type for entry in studio.gateway.entries(user)][3:] == types


def test_the_owner_reads_with_the_users_token_and_with_any_vended_one(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=2)
    tokens = [studio.gateway.vend(headers).json["token"] for _ in range(2)]
    one, two = ({"authorization": f"Bearer {token}"} for token in tokens)
    job_id = studio.submit(one).json["jobId"]
    for reader in (one, two, headers, studio.gateway.user_headers(user)):
        assert studio.status(reader, job_id).status == 200


def test_somebody_elses_job_answers_like_one_that_never_was(studio: Studio) -> None:
    _, _, _, job_id = started(studio)
    _, stranger, stranger_vended = studio.vend()
    before = studio.upstream.count()
    for headers in (stranger, stranger_vended):
        theirs, none = studio.status(headers, job_id), studio.status(headers, "never-was")
        assert_refused(theirs, 404)
        assert theirs.code == none.code == "job_not_found"
        assert set(theirs.json) == set(none.json)
        assert (theirs.json["message"], theirs.json["details"]) == (
            none.json["message"], none.json["details"],
        )  # fmt: skip
    assert studio.upstream.count() == before


def test_nobody_reads_without_a_token_and_no_other_secret_will_do(studio: Studio) -> None:
    _, _, _, job_id = started(studio)
    before = studio.upstream.count()
    admin = {"authorization": f"Bearer {studio.gateway.rings['ADMIN_SECRET'].signing}"}
    for headers in ({}, {"authorization": "Bearer x"}, studio.gateway.api_key, admin):
        assert_refused(studio.status(headers, job_id), 401)
        assert_refused(studio.status(headers, "ping"), 401)
    assert studio.upstream.count() == before


def test_a_job_is_also_known_by_our_own_id(studio: Studio) -> None:
    user, _, vended, job_id = started(studio)
    own = f"job-{studio.hold(user).jti}"
    assert studio.status(vended, own).json["id"] == job_id
    studio.upstream.forward(10)
    assert studio.status(vended, own).json["credit"] == "captured"
    assert studio.credits(user) == (0, 0)


def test_our_own_id_is_of_its_user_and_of_a_token_that_was_used(studio: Studio) -> None:
    user, headers, _, _ = started(studio)
    unused, unused_headers, _ = studio.vend()
    _, stranger, _ = studio.vend()
    assert_refused(studio.status(stranger, f"job-{studio.hold(user).jti}"), 404)
    assert_refused(studio.status(unused_headers, f"job-{studio.hold(unused).jti}"), 404)
    for trick in ("job-", "job-x", f"job-{studio.hold(unused).jti}"):
        assert_refused(studio.status(headers, trick), 404)


def test_a_job_that_upstream_did_not_take_is_told_as_failed_and_given_back(studio: Studio) -> None:
    user, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {}, 503)
    studio.submit(vended)
    body = studio.status(vended, f"job-{studio.hold(user).jti}").json
    assert (body["ok"], body["status"], body["credit"]) == (False, "failed", "released")
    assert set(body) == {*OWN_MEMBERS, "guidance"}


def test_a_vended_token_that_has_ended_reads_nothing(studio: Studio) -> None:
    gateway = studio.gateway
    user, _ = gateway.user(balance=1)
    gateway.now = 1_800_000_000
    try:
        vended = {
            "authorization": f"Bearer {gateway.vend(gateway.user_headers(user)).json['token']}"
        }
        job_id = studio.submit(vended).json["jobId"]
        gateway.now += 900
        assert_refused(studio.status(vended, job_id), 401)
        assert studio.status(gateway.user_headers(user), job_id).status == 200
    finally:
        gateway.now = None


@pytest.mark.parametrize("path", ["/ttt/status/ping", "/ttt/poll/ping"])
def test_ping_answers_without_going_upstream(studio: Studio, path: str) -> None:
    _, headers, vended = studio.vend()
    for reader in (headers, vended):
        reply = studio.gateway.call("GET", path, headers=reader)
        assert (reply.status, reply.json["ok"], reply.json["status"]) == (200, True, "ok")
    assert studio.upstream.count() == 0


TRICKS = [
    "", " ", ".", "..", "../health", "..%2fhealth", "..%2Fhealth", "%2e%2e%2fhealth", "..%252fhealth",
    "..\\health", "%00", "\x00", "a\x00b", "a%0d%0aX: y", "a\r\nX: y", "a?x=1", "a%3fx", "a#b", "a;b", "a b",
    "a/b", "/a", "//evil.example/", "@evil.example", "-a", "_a", ".a", "a.b", "a:b", "a%", "%",
    "\u00e9", "\uff0e\uff0e", "\u0663", "\u202e", "\U0001f600", "a" * 129, "a" * 4096, "$(id)", "`id`", "a|b",
    "{id}", "'", '"', "*", "PING", "ping/", "ping ", "ping\x00",
]  # fmt: skip


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: ascii(trick)[:30])
def test_no_trick_in_a_job_id_reaches_upstream(studio: Studio, trick: str) -> None:
    """The id is tried as it stands in the path and as API Gateway decodes it."""
    user, headers = studio.gateway.user()
    for raw in (f"/ttt/status/{trick}", "/ttt/status/encoded"):
        event = {"headers": headers, "pathParameters": {"id": trick}}
        reply = send(studio.gateway, "transcription", "GET", raw, **event)
        assert reply.status in (400, 404), reply.text
        assert_error_body(reply)
    assert studio.upstream.count() == 0
    assert studio.credits(user) == (0, 0)


def test_a_job_that_upstream_has_forgotten_is_404_and_says_where_the_credit_is(
    studio: Studio,
) -> None:
    user, _, vended, job_id = started(studio)
    studio.upstream.order("restart")
    reply = studio.status(vended, job_id)
    assert_refused(reply, 404)
    assert (reply.code, reply.json["credit"]) == ("job_not_found", "held")
    assert studio.credits(user) == (0, 1)


@pytest.mark.parametrize("status", [201, 204, 301, 400, 401, 403, 429, 500, 502, 503])
def test_another_status_of_upstream_is_its_failure_and_moves_no_credit(
    studio: Studio, status: int
) -> None:
    user, _, vended, job_id = started(studio)
    studio.upstream.answer("status", {"status": "failed", "error": "inner words"}, status)
    reply = studio.status(vended, job_id)
    assert_failed(reply, 502, "upstream_error")
    assert "inner words" not in reply.text
    assert (studio.credits(user), studio.hold(user).state) == ((0, 1), OPEN)


@pytest.mark.parametrize(
    ("kind", "options"), UNREADABLE, ids=[f"{kind} {options}" for kind, options in UNREADABLE]
)
def test_a_status_that_cannot_be_read_is_upstreams_failure_and_moves_no_credit(
    studio: Studio, kind: str, options: dict[str, Any]
) -> None:
    user, _, vended, job_id = started(studio)
    studio.upstream.forward(10)
    studio.upstream.fault("status", kind, **options)
    assert_failed(studio.status(vended, job_id), 502, "upstream_error")
    assert studio.credits(user) == (0, 1)
    assert studio.status(vended, job_id).json["credit"] == "captured"


def test_a_slow_status_is_504_and_moves_no_credit(studio: Studio) -> None:
    user, _, vended, job_id = started(studio)
    studio.upstream.fault("status", "delay", seconds=60)
    with studio.impatient():
        assert_failed(studio.status(vended, job_id), 504, "upstream_timed_out")
    assert studio.credits(user) == (0, 1)


def test_a_status_that_comes_in_drops_is_given_up_in_time(studio: Studio) -> None:
    user, _, vended, job_id = started(studio)
    studio.upstream.fault("status", "drip", chunk_bytes=8, chunk_seconds=5)
    with studio.impatient():
        assert_failed(studio.status(vended, job_id), 504, "upstream_timed_out")
    assert studio.credits(user) == (0, 1)


def test_a_status_does_not_follow_a_redirect(studio: Studio) -> None:
    _, _, vended, job_id = started(studio)
    studio.upstream.reset()
    studio.upstream.fault("status", "redirect", location="/health")
    reply = studio.status(vended, job_id)
    assert_failed(reply, 502, "upstream_error")
    assert studio.upstream.count() == 1


def answered(studio: Studio, body: dict[str, Any]) -> Reply:
    _, _, vended, job_id = started(studio)
    studio.upstream.answer("status", body, 200)
    return studio.status(vended, job_id)


@pytest.mark.parametrize(
    ("body", "members"),
    [
        (
            {},
            {"status": "processing", "progress": None, "text": None, "duration": None, "ok": True},
        ),
        ({"status": None, "percent": "35"}, {"status": None, "progress": None}),
        ({"status": ["completed"], "progress": True}, {"status": ["completed"], "progress": True}),
        ({"percent": 35.9}, {"progress": 35}),
        ({"progress": 12.5}, {"progress": 12.5}),
        ({"result": 7}, {"result": None, "transcript": None, "language": None}),
        ({"result": {"duration": "45"}}, {"duration": None}),
        ({"result": {"duration": 45.99}}, {"duration": 45}),
        ({"result": {"wordCount": "7"}}, {"result": {"wordCount": "7"}, "text": None}),
        ({"credit": "yours", "jobId": 7}, {"credit": "yours", "jobId": 7}),
    ],
)
def test_odd_members_are_passed_on_and_what_we_add_stays_of_its_type(
    studio: Studio, body: dict[str, Any], members: dict[str, Any]
) -> None:
    reply = answered(studio, body)
    assert reply.status == 200
    assert {name: reply.json[name] for name in members} == members
    assert list(reply.json)[: len(body)] == list(body)


@pytest.mark.parametrize(
    "odd",
    [{"note": "\ud83d"}, {"a": json.loads("[" * 900 + "]" * 900)}, {"percent": 10**400}],
    ids=["lone surrogate", "depth 900", "400 digits"],
)
def test_a_status_that_is_hard_to_write_never_ends_in_an_error_of_the_engine(
    studio: Studio, odd: dict[str, Any]
) -> None:
    reply = answered(studio, odd)
    assert reply.status in (200, 502)
    assert reply.text.encode()


def test_private_addresses_are_replaced_and_every_other_one_is_left_alone(studio: Studio) -> None:
    own = studio.upstream.base
    host = own.removeprefix("http://")
    public = "http://api.example.test"
    body = {
        "statusUrl": f"{own}/status/abc",
        "relative": "/ttt/status/abc",
        "inside": f"see {own}/admin or {host} for more",
        "deep": [{"at": f"{own}/x"}],
        "video": VIDEO,
        "foreign": "https://example.org/status/42",
        "story": "https://news.example/poll/2026",
        "phrase": "and/or /status/ of it",
    }
    assert {name: answered(studio, body).json[name] for name in body} == {
        **body,
        "statusUrl": f"{public}/ttt/status/abc",
        "relative": f"{public}/ttt/status/abc",
        "inside": f"see {public}/admin or {public} for more",
        "deep": [{"at": f"{public}/x"}],
    }


def test_a_link_to_a_job_is_ours_also_where_upstream_knows_itself_by_another_name(
    studio: Studio,
) -> None:
    body = answered(studio, {"statusUrl": "https://inner-name.example/status/abc"}).json
    assert body["statusUrl"] == "http://api.example.test/ttt/status/abc"


def test_an_estimate_is_one_credit_for_the_rebuilt_address(studio: Studio) -> None:
    user, headers = studio.gateway.user()
    query = {"url": VIDEO + "?_t=abc"}
    reply = studio.gateway.call("GET", "/estimate", headers=headers, query=query)
    assert reply.status == 200
    assert reply.json == {
        "ok": True, "estimatedCredits": 1, "videoUrl": VIDEO, "estimatedDuration": 45,
    }  # fmt: skip
    assert (studio.upstream.count(), studio.credits(user)) == (0, (0, 0))


@pytest.mark.parametrize(
    ("query", "code"),
    [({}, "invalid_request"), ({"url": "x"}, "invalid_url"), ({"url": ""}, "invalid_url")],
)
def test_an_estimate_needs_a_video(studio: Studio, query: dict[str, str], code: str) -> None:
    _, headers = studio.gateway.user()
    reply = studio.gateway.call("GET", "/estimate", headers=headers, query=query)
    assert_refused(reply, 400)
    assert reply.code == code
    assert_refused(studio.gateway.call("GET", "/estimate", query={"url": VIDEO}), 401)
