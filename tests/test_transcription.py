"""A vended token starts one job, once: what goes to upstream, what comes back, what it costs."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.credits.hold_items import OPEN
from tests.support.direct import assert_error_body, assert_refused
from tests.support.loglines import caught
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, opened

UPSTREAM_MEMBERS = [
    "id", "requestId", "request_id", "statusPollUrl", "status", "submittedAt",
    "estimatedProcessingTime", "url",
]  # fmt: skip


ADDED_MEMBERS = ["ok", "jobId", "estimatedTime", "statusUrl"]


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint) as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def test_an_accepted_job_answers_all_that_upstream_said_and_ours_behind_it(studio: Studio) -> None:
    user, _, vended = studio.vend()
    reply = studio.submit(vended)
    body = reply.json
    job_id = body["id"]
    assert reply.status == 202
    assert list(body) == [*UPSTREAM_MEMBERS, *ADDED_MEMBERS]
    public = f"http://api.example.test/ttt/status/{job_id}"
    assert body == {
        "id": job_id,
        "requestId": job_id,
        "request_id": job_id,
        "statusPollUrl": public,
        "status": "queued",
        "submittedAt": body["submittedAt"],
        "estimatedProcessingTime": 300,
        "url": VIDEO,
        "ok": True,
        "jobId": job_id,
        "estimatedTime": 300,
        "statusUrl": public,
    }
    assert (studio.credits(user), studio.hold(user).state) == ((0, 1), OPEN)


def test_upstream_gets_the_secret_our_request_id_and_the_rebuilt_address(studio: Studio) -> None:
    user, _, vended = studio.vend()
    studio.submit(vended, "http://m.tiktok.com/@Some.One/video/7300000000000000001?_t=x&u_code=y#z")
    (call,) = studio.upstream.calls("transcribe")
    assert (call["method"], call["path"], call["answered"]) == ("POST", "/transcribe", 202)
    headers = {name.lower(): value for name, value in call["headers"].items()}
    assert headers["x-engine-auth"] == "***"
    assert "authorization" not in headers and "cookie" not in headers
    assert json.loads(call["body"]) == {
        "url": "https://www.tiktok.com/@Some.One/video/7300000000000000001",
        "requestId": f"job-{studio.hold(user).jti}",
    }


@pytest.mark.parametrize(
    "url",
    [
        "https://www.tiktok.com/@someone/video/7300000000000000001",
        "https://www.tiktok.com/@someone/photo/7300000000000000001",
        "https://www.tiktok.com/@/video/7300000000000000001",
        "https://m.tiktok.com/v/7300000000000000001.html",
        "https://www.tiktok.com/embed/v2/7300000000000000001",
        "https://vm.tiktok.com/ZMFHvt5aj/",
        "https://vt.tiktok.com/ZSVu2Cmd9/",
        "https://www.tiktok.com/t/ZTSw2mYwR/",
        "https://vm.tiktok.com/ZSHaBcD1Ef2gh-IJ_lm/",
        "www.tiktok.com/@\u5934\u6587\u5b57m/video/7300000000000000001",
        "Look at this! #TikTok > https://vm.tiktok.com/ZMFHvt5aj/ Download TikTok",
    ],
)
def test_every_form_that_is_accepted_here_is_handed_on_in_a_form_that_upstream_accepts(
    studio: Studio, url: str
) -> None:
    """Upstream takes `/@handle/video/id` and the short hosts `vm` and `vt`, nothing else."""
    _, _, vended = studio.vend()
    assert studio.submit(vended, url).status == 202


def test_of_a_share_text_upstream_and_the_estimate_get_the_rebuilt_address_alone(
    studio: Studio,
) -> None:
    user, _, vended = studio.vend()
    text = "Look at this! $(id) > https://t.tiktok.com/i18n/share/video/7300000000000000001?x=`id`."
    studio.submit(vended, text)
    (call,) = studio.upstream.calls("transcribe")
    rebuilt = "https://www.tiktok.com/@_/video/7300000000000000001"
    assert json.loads(call["body"])["url"] == rebuilt
    reader = studio.gateway.user_headers(user)
    estimate = studio.gateway.call("GET", "/estimate", headers=reader, query={"url": text})
    assert (estimate.status, estimate.json["videoUrl"]) == (200, rebuilt)


def test_a_text_with_two_videos_is_refused_and_leaves_the_token_good(studio: Studio) -> None:
    user, _, vended = studio.vend()
    text = f"{VIDEO} {OTHER_VIDEO}"
    reply = studio.submit(vended, text)
    assert_refused(reply, 400)
    assert reply.code == "several_links"
    reader = studio.gateway.user_headers(user)
    assert (
        studio.gateway.call("GET", "/estimate", headers=reader, query={"url": text}).code
        == reply.code
    )
    assert studio.upstream.count() == 0
    assert studio.submit(vended).status == 202


def test_the_same_call_again_gets_the_first_answer_byte_for_byte(studio: Studio) -> None:
    user, _, vended = studio.vend()
    first = studio.submit(vended)
    again = studio.submit(vended, VIDEO + "/?is_from_webapp=1", clientRequestId="another")
    assert (again.status, again.text) == (first.status, first.text)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (0, 1)


def test_a_used_token_starts_no_other_job(studio: Studio) -> None:
    user, _, vended = studio.vend(balance=2)
    studio.submit(vended)
    reply = studio.submit(vended, OTHER_VIDEO)
    assert_refused(reply, 403)
    assert (reply.code, reply.json["error"]) == ("token_already_used", "token_already_used")
    assert "authorization" in reply.json["message"] and "expired" not in reply.text
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (1, 1)


def test_ten_calls_with_one_token_at_once_start_one_job(studio: Studio) -> None:
    user, _, vended = studio.vend()
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda _: studio.submit(vended), range(10)))
    assert {reply.status for reply in replies} == {202}
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (0, 1)


def test_ten_videos_with_one_token_at_once_start_one_job(studio: Studio) -> None:
    user, _, vended = studio.vend()
    urls = [f"https://www.tiktok.com/@a/video/73000000000000001{n:02d}" for n in range(10)]
    with ThreadPoolExecutor(10) as pool:
        replies = list(pool.map(lambda url: studio.submit(vended, url), urls))
    assert Counter(reply.status for reply in replies) == {202: 1, 403: 9}
    assert len(studio.upstream.calls("transcribe")) == 1
    assert studio.credits(user) == (0, 1)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "https://www.tiktok.com/@someone",
        "https://evil.example/@a/video/7300000000000000001",
    ],
)
def test_what_is_no_tiktok_video_is_refused_and_leaves_the_token_good(
    studio: Studio, url: str
) -> None:
    user, _, vended = studio.vend()
    reply = studio.submit(vended, url)
    assert_refused(reply, 400)
    assert (reply.code, reply.json["error"]) == ("invalid_url", "invalid_url")
    assert studio.upstream.count() == 0
    assert studio.submit(vended).status == 202
    assert studio.credits(user) == (0, 1)


def test_only_a_vended_token_starts_a_job(studio: Studio) -> None:
    gateway = studio.gateway
    user, headers = gateway.user(balance=1)
    admin = {"authorization": f"Bearer {gateway.rings['ADMIN_SECRET'].signing}"}
    for wrong in ({}, headers, gateway.user_headers(user), gateway.api_key, admin):
        reply = studio.submit(wrong)
        assert_refused(reply, 401)
        assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert studio.upstream.count() == 0
    assert gateway.balance(user) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/v1/vend-token"), ("GET", "/v1/credits/balance"), ("POST", "/user/balance"),
     ("GET", "/estimate"), ("GET", "/user/{user}/balance"), ("GET", "/user/{user}/transactions")],
)  # fmt: skip
def test_a_vended_token_does_nothing_else(studio: Studio, method: str, path: str) -> None:
    user, _, vended = studio.vend(balance=2)
    reply = studio.gateway.call(method, path.replace("{user}", user), headers=vended)
    assert_refused(reply, 401)
    assert reply.headers["www-authenticate"].startswith("Bearer ")
    assert studio.credits(user) == (1, 1)


def test_a_token_is_good_for_a_quarter_of_an_hour(studio: Studio) -> None:
    gateway = studio.gateway
    user, _ = gateway.user(balance=1)
    gateway.now = 1_800_000_000
    try:
        token = gateway.vend(gateway.user_headers(user)).json["token"]
        vended = {"authorization": f"Bearer {token}"}
        gateway.now += 900
        late = studio.submit(vended)
        assert_refused(late, 401)
        assert 'error="invalid_token"' in late.headers["www-authenticate"]
        gateway.now -= 1
        assert studio.submit(vended).status == 202
    finally:
        gateway.now = None


def test_a_token_of_the_older_route_starts_a_job_that_was_paid_at_once(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    token = studio.gateway.call("POST", "/vend-token", {"userId": user}).json["token"]
    job_id = studio.submit({"authorization": f"Bearer {token}"}).json["jobId"]
    assert studio.credits(user) == (0, 0)
    assert studio.status(headers, job_id).json["credit"] == "captured"


def test_a_token_that_was_redeemed_elsewhere_starts_nothing(studio: Studio) -> None:
    _, _, vended = studio.vend()
    redeem = {"token": vended["authorization"].removeprefix("Bearer "), "consume": True}
    assert studio.gateway.call("POST", "/validate-token", redeem).json["valid"] is True
    reply = studio.submit(vended)
    assert reply.status in (401, 403)
    assert_error_body(reply)
    assert studio.upstream.count() == 0


def test_a_token_whose_hold_is_not_there_is_refused(studio: Studio) -> None:
    user, _, vended = studio.vend()
    key = {"pk": {"S": f"A#{user}"}, "sk": {"S": f"H#{studio.hold(user).name}"}}
    studio.gateway.dynamodb.delete_item(TableName=studio.gateway.table_name, Key=key)
    assert_refused(studio.submit(vended), 401)
    assert studio.upstream.count() == 0


@pytest.mark.parametrize("status", [200, 201, 202])
def test_upstreams_status_is_ours(studio: Studio, status: int) -> None:
    _, _, vended = studio.vend()
    studio.upstream.answer("transcribe", {"id": f"job-{status}-{status}"}, status)
    reply = studio.submit(vended)
    assert (reply.status, reply.json["status"], reply.json["url"]) == (status, "queued", VIDEO)


def test_no_member_of_upstreams_answer_is_renamed_dropped_or_overridden(studio: Studio) -> None:
    _, _, vended = studio.vend()
    answer = {
        "z": 1, "ok": "fine", "id": "odd-1", "status": "waiting", "url": "as upstream wrote it",
        "estimatedTime": None, "a": [1.5, {"b": None}], "note": "\u0628 \u2028 <b>", "": True,
    }  # fmt: skip
    studio.upstream.answer("transcribe", answer, 202)
    body = studio.submit(vended).json
    assert list(body.items())[: len(answer)] == list(answer.items())
    assert list(body)[len(answer) :] == ["jobId", "request_id", "submittedAt", "statusUrl"]


def test_submitting_is_limited_for_each_user(studio: Studio) -> None:
    user, _, vended = studio.vend()
    module: Any = studio.gateway.function("transcription")
    generous = module.settings
    module.settings = dataclasses.replace(generous, rate_limit=1)
    try:
        assert studio.submit(vended).status == 202
        refused = studio.submit(vended)
    finally:
        module.settings = generous
    assert_refused(refused, 429)
    assert int(refused.headers["retry-after"]) == refused.json["retryAfterSeconds"]
    assert studio.credits(user) == (0, 1)


def test_the_lines_about_upstream_are_the_documented_ones_and_carry_no_secret(
    studio: Studio,
) -> None:
    _, headers, vended = studio.vend()
    with caught() as lines:
        job_id = studio.submit(vended).json["jobId"]
        studio.status(headers, job_id)
    assert [m for m in lines.messages if m.startswith("be:")] == [
        "be:ttt call=transcribe http=202",
        "be:ttt call=status http=200",
    ]
    secrets = [
        studio.gateway.rings[name].signing for name in ("TTT_SHARED_SECRET", "VEND_JWT_SECRET")
    ]
    tokens = [h["authorization"].removeprefix("Bearer ") for h in (headers, vended)]
    assert [word for word in (*secrets, *tokens, VIDEO) if word in lines.text] == []
