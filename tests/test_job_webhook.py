"""The transcription service's webhook: believed as far as it is signed, and never alone."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.access.keyrings import Ring
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED
from engine.platform.errors import InvalidRequest, Unauthorized
from engine.transcription import webhook
from local.settings import ROOT
from standins.ttt_webhook import SIGNED_MEMBERS, idempotency_key, signature_of
from tests.support.direct import assert_refused
from tests.support.studio import Studio, opened

VECTORS = ROOT.parent / "shared" / "vectors" / "signatures.json"
KNOWN = {
    "secret": "local-upstream-webhook-secret",
    "timestamp": "2025-11-29T21:44:30.000Z",
    "signature": "0db2ce2463973623369bcd0bdd79aebdb5db93b2184bc4ea5da4e38d71a2cf80",
}


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def at(timestamp: str) -> int:
    return int(datetime.fromisoformat(timestamp).timestamp())


def notice(studio: Studio, **members: Any) -> dict[str, Any]:
    """A signed notice of now, `completed` unless told."""
    now = datetime.fromtimestamp(studio.gateway.clock(), UTC)
    body = {
        "status": "completed",
        "usage": {"audioDurationSeconds": 45.23, "transcriptCharacters": 7},
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        **members,
    }
    key = idempotency_key(body["jobId"], body["status"], body["timestamp"])
    body = {"idempotencyKey": key, **body}
    secret = studio.gateway.rings["TTT_SHARED_SECRET"].signing
    return {**body, "signature": signature_of(body, secret)}


def started(studio: Studio, **fault: Any) -> tuple[str, dict[str, str], dict[str, str]]:
    """A user with a job that has ended upstream, its ids by both names, and the user's headers."""
    user, headers, vended = studio.vend()
    if fault:
        studio.upstream.fault("transcribe", "job", **fault)
    job_id = studio.submit(vended).json["id"]
    studio.upstream.forward(10)
    ids = {"jobId": job_id, "requestId": f"job-{studio.hold(user).jti}"}
    return user, ids, headers


def test_the_known_answer_verifies() -> None:
    body = known_body()
    found = webhook.verify(
        json.dumps(body).encode(), Ring((KNOWN["secret"],)), now=at(KNOWN["timestamp"])
    )
    assert (found.job_id, found.own_id, found.status) == ("ttt-5f0c", "req-91ab", "completed")


def known_body() -> dict[str, Any]:
    return {
        "jobId": "ttt-5f0c",
        "requestId": "req-91ab",
        "status": "completed",
        "usage": {
            "audioDurationSeconds": 45.23,
            "transcriptCharacters": 1937,
            "modelUsed": "openai-whisper-base",
            "processingTimeSeconds": 12,
        },
        "timestamp": KNOWN["timestamp"],
        "idempotencyKey": "7ca3ccc789e26f549b3456bb6e367692165adaad5f1f7b496da377dbcbae0bb4",
        "cacheHit": False,
        "signature": KNOWN["signature"],
    }


@pytest.mark.skipif(not VECTORS.exists(), reason="the folder of shared vectors is absent")
def test_the_shared_vector_is_the_one_written_here() -> None:
    vector = json.loads(Path(VECTORS).read_text())["tttranscribe"]
    assert vector["body"] == known_body()
    assert vector["secret"] == KNOWN["secret"]


def test_what_json_may_write_in_two_ways_verifies_as_it_was_sent() -> None:
    """JavaScript writes 1e21 and U+2028 otherwise than Python; the letters that came decide."""
    secret, timestamp = "s" * 32, KNOWN["timestamp"]
    key = hashlib.sha256(f"j-completed-{timestamp}".encode()).hexdigest()
    signed = (
        '{"jobId":"j","requestId":"r","status":"completed","usage":{"n":1e+21,"t":"\u2028\\u007f"},'
        f'"timestamp":"{timestamp}","idempotencyKey":"{key}"}}'
    )
    mark = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    body = signed[:-1] + f',"signature":"{mark}"}}'
    found = webhook.verify(body.encode(), Ring((secret,)), now=at(timestamp))
    assert found.job_id == "j"


@pytest.mark.parametrize("member", SIGNED_MEMBERS)
def test_a_signed_member_that_was_changed_is_refused(member: str) -> None:
    body = known_body()
    body[member] = {"a": 1} if member == "usage" else body[member] + "x"
    with pytest.raises(Unauthorized):
        webhook.verify(
            json.dumps(body).encode(), Ring((KNOWN["secret"],)), now=at(KNOWN["timestamp"])
        )


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"[]", b"null", b"{}", b'"x"', b"\xff", b"[" * 10_000, b'{"signature":"x"}',
     b'{"jobId":1,"requestId":1,"status":1,"usage":1,"timestamp":1,"idempotencyKey":1,"signature":7}'],
)  # fmt: skip
def test_what_is_not_signed_is_refused(studio: Studio, raw: bytes) -> None:
    reply = studio.gateway.call("POST", "/webhooks/tttranscribe", raw=raw.decode("latin-1"))
    assert_refused(reply, 401)
    assert reply.headers["www-authenticate"].startswith("TTTranscribe")


@pytest.mark.parametrize("member", [*SIGNED_MEMBERS, "cacheHit"])
@pytest.mark.parametrize(
    "odd",
    [b"1e999", b"-1e999", b"9" * 5000, b"NaN", b'"\xff"', b'"\\ud800"', b"[" * 3000 + b"]" * 3000,
     b'{"a":1,"a":2}', b'[{"b":1e400}]'],
    ids=repr,
)  # fmt: skip
def test_an_unsigned_notice_with_one_odd_member_is_refused(
    studio: Studio, member: str, odd: bytes
) -> None:
    members = {name: json.dumps(value).encode() for name, value in known_body().items()}
    written = (b'"%s":%s' % (n.encode(), text) for n, text in (members | {member: odd}).items())
    raw = b"{" + b",".join(written) + b"}"
    body = base64.b64encode(raw).decode()
    reply = studio.gateway.call("POST", "/webhooks/tttranscribe", raw=body, encoded=True)
    assert reply.status == 401


def test_a_retired_secret_of_the_ring_still_verifies() -> None:
    ring = Ring((KNOWN["secret"], "a newer one"))
    assert webhook.verify(json.dumps(known_body()).encode(), ring, now=at(KNOWN["timestamp"]))


@pytest.mark.parametrize("off", [-301, 301, 86_400 * 365])
def test_a_notice_of_another_time_is_refused(off: int) -> None:
    with pytest.raises(InvalidRequest):
        webhook.verify(
            json.dumps(known_body()).encode(),
            Ring((KNOWN["secret"],)),
            now=at(KNOWN["timestamp"]) + off,
        )


@pytest.mark.parametrize(
    "odd",
    [{"status": "running"}, {"timestamp": "yesterday"}, {"timestamp": "2026-03-02T10:15:30"},
     {"jobId": "../admin"}, {"requestId": "x" * 200}, {"idempotencyKey": "0" * 64}],
)  # fmt: skip
def test_a_signed_notice_of_another_form_is_refused(studio: Studio, odd: Mapping[str, Any]) -> None:
    reply = studio.notify(notice(studio, **{"jobId": "j", "requestId": "r", **odd}))
    assert_refused(reply, 400)


def test_a_completed_job_is_captured_and_its_text_is_kept(studio: Studio) -> None:
    user, ids, headers = started(studio)
    reply = studio.notify(notice(studio, **ids))
    assert (reply.status, reply.json) == (200, {"ok": True, "known": True, "jobId": ids["jobId"]})
    assert (studio.hold(user).state, studio.credits(user)) == (CAPTURED, (0, 0))
    assert studio.gateway.entries(user)[-1].actor == "system:webhook"
    studio.upstream.order("restart")
    said = studio.status(headers, ids["jobId"])
    assert (said.json["status"], said.json["credit"]) == ("completed", "captured")
    assert said.json["text"]


def test_a_failed_job_is_released(studio: Studio) -> None:
    user, ids, _ = started(studio, outcome="failed")
    assert studio.notify(notice(studio, **ids, status="failed")).status == 200
    assert (studio.hold(user).state, studio.credits(user)) == (RELEASED, (1, 0))


@pytest.mark.parametrize("outcome", ["completed", "failed"])
def test_a_notice_that_comes_twice_changes_nothing_more(studio: Studio, outcome: str) -> None:
    user, ids, _ = started(studio, outcome=outcome)
    body = notice(studio, **ids, status=outcome)
    first = studio.notify(body)
    entries = studio.gateway.entries(user)
    assert studio.notify(body).text == first.text
    assert studio.gateway.entries(user) == entries


def test_upstreams_status_goes_before_its_notice(studio: Studio) -> None:
    """A notice that contradicts what upstream says when asked moves nothing by itself."""
    user, ids, _ = started(studio)
    assert studio.notify(notice(studio, **ids, status="failed")).status == 200
    assert (studio.hold(user).state, studio.credits(user)) == (CAPTURED, (0, 0))


def test_a_job_that_is_still_running_stays_held(studio: Studio) -> None:
    user, ids, _ = started(studio, outcome="stuck")
    assert studio.notify(notice(studio, **ids)).status == 200
    assert (studio.hold(user).state, studio.credits(user)) == (OPEN, (0, 1))


@pytest.mark.parametrize(("status", "state"), [("completed", OPEN), ("failed", RELEASED)])
def test_where_upstream_cannot_be_asked_only_a_failure_is_believed(
    studio: Studio, status: str, state: str
) -> None:
    """Without its text in hand no credit is taken; giving one back can be put right later."""
    user, ids, _ = started(studio)
    studio.upstream.fault("status", "drop", times=None)
    assert studio.notify(notice(studio, **ids, status=status)).status == 200
    assert studio.hold(user).state == state


def test_a_notice_tells_us_the_job_whose_start_nobody_heard_of(studio: Studio) -> None:
    user, headers, vended = studio.vend()
    studio.upstream.fault("transcribe", "delay", seconds=60, when="after")
    with studio.impatient():
        own = studio.submit(vended).json["jobId"]
    (job,) = studio.upstream.order("jobs", method="GET")
    studio.upstream.forward(10)
    assert studio.notify(notice(studio, jobId=job["id"], requestId=own)).json["known"] is True
    said = studio.status(headers, own).json
    assert (said["status"], said["credit"], said["id"]) == ("completed", "captured", job["id"])
    assert studio.status(headers, job["id"]).json["text"] == said["text"]
    assert studio.credits(user) == (0, 0)


def test_a_job_whose_credit_went_back_is_charged_where_its_text_is_delivered(
    studio: Studio,
) -> None:
    """The app was told that it is not charged: the notice charges nobody who does not come for it."""
    user, headers, vended = studio.vend()
    studio.upstream.fault("transcribe", "drop", when="after")
    assert studio.submit(vended).json["credit"] == "released"
    (job,) = studio.upstream.order("jobs", method="GET")
    own = f"job-{studio.hold(user).jti}"
    studio.upstream.forward(10)
    assert studio.notify(notice(studio, jobId=job["id"], requestId=own)).status == 200
    assert (studio.hold(user).state, studio.credits(user)) == (RELEASED, (1, 0))
    said = studio.status(headers, own).json
    assert (said["status"], said["credit"], studio.credits(user)) == (
        "completed",
        "captured",
        (0, 0),
    )


@pytest.mark.parametrize("known", ["jobId", "requestId"])
def test_a_notice_of_a_job_that_is_not_ours_changes_nothing(studio: Studio, known: str) -> None:
    user, ids, _ = started(studio)
    other = {"jobId": "somebody-elses", "requestId": "job-nobodys"}
    reply = studio.notify(notice(studio, **{**other, known: ids[known]}))
    assert (reply.status, reply.json) == (200, {"ok": True, "known": False})
    assert (studio.hold(user).state, studio.credits(user)) == (OPEN, (0, 1))


def test_one_users_notice_does_not_take_over_anothers_job(studio: Studio) -> None:
    _, first, _ = started(studio)
    user, headers, vended = studio.vend()
    studio.upstream.fault("transcribe", "delay", seconds=60)
    with studio.impatient():
        own = studio.submit(vended).json["jobId"]
    assert studio.notify(notice(studio, jobId=first["jobId"], requestId=own)).json["known"] is False
    assert studio.status(headers, first["jobId"]).status == 404
    assert (studio.hold(user).state, studio.credits(user)) == (OPEN, (0, 1))
