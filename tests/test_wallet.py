"""The released app's wallet: a price, one charge and one job for a request id, the text or the credit."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from engine.platform.errors import OutcomeUnknown
from engine.transcription import submission
from tests.support import app_client
from tests.support.app_client import NoNetwork, Phone, Refused, Sent
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, opened


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint, ALLOW_HEADER_IDENTITY="true") as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


def in_process(gateway: Gateway) -> app_client.Send:
    """The app's way to a gateway in this process."""

    def send(method: str, path: str, body: str | None, headers: Mapping[str, str]) -> Sent:
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query))
        reply = gateway.call(method, parts.path, headers=headers, query=query, raw=body)
        return Sent(reply.status, reply.text)

    return send


def phone_of(studio: Studio, name: str, balance: int = 0) -> Phone:
    """A phone whose waiting lets time go on, here and upstream."""
    if balance:
        studio.gateway.add(f"mobile-{name}", balance)

    def pause(seconds: float) -> None:
        studio.pass_(seconds)
        studio.upstream.forward(seconds)

    return Phone(in_process(studio.gateway), app_client.identity(name), pause)


def quote(gateway: Gateway, headers: Mapping[str, str], key: str = "k", **members: Any) -> Reply:
    body = {
        "inputType": "tiktok_url", "url": VIDEO, "requestedProducts": ["transcript"],
        "clientRequestId": key, **members,
    }  # fmt: skip
    return gateway.call("POST", "/v1/quote", body, headers=headers)


def fulfill(gateway: Gateway, headers: Mapping[str, str], quote_id: str, key: str = "k") -> Reply:
    body = {"quoteId": quote_id, "clientRequestId": key}
    return gateway.call("POST", "/v1/fulfill", body, headers=headers)


def bought(studio: Studio, headers: Mapping[str, str], key: str = "k", **members: Any) -> Reply:
    made = quote(studio.gateway, headers, key, **members)
    assert made.status == 200, made.text
    return fulfill(studio.gateway, headers, made.json["quoteId"], key)


def job(studio: Studio, headers: Mapping[str, str], job_id: str) -> dict[str, Any]:
    """The job a second after the call before, as what was heard is told for a second."""
    studio.pass_(1)
    reply = studio.gateway.call("GET", f"/v1/jobs/{job_id}", headers=headers)
    assert reply.status == 200, reply.text
    app_client.SHAPES["job"].read(reply.json)
    return reply.json


def test_a_quote_tells_the_price_and_charges_nothing(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=3)
    made = quote(studio.gateway, headers)
    assert made.status == 200
    assert made.json["estimated"] == {
        "durationSeconds": 0,
        "language": "unknown",
        "products": [{"code": "transcript", "label": "Transcript", "priceUnits": 1}],
        "reserveUnits": 1,
        "maxSettleUnits": 1,
        "cacheHit": False,
    }
    assert made.json["balance"] == {"availableUnits": 3, "reservedUnits": 0}
    assert made.json["priceVersion"] == "transcript@1"
    assert quote(studio.gateway, headers).json["quoteId"] == made.json["quoteId"]
    assert [entry.type for entry in studio.gateway.entries(user)] == ["user_creation", "api_add"]


def test_a_quote_needs_no_credit(studio: Studio) -> None:
    _, headers = studio.gateway.user()
    assert quote(studio.gateway, headers).json["balance"]["availableUnits"] == 0


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"url": "https://example.com/x"}, "invalid_url"),
        ({"url": 7}, "invalid_request"),
        ({"inputType": "youtube_url"}, "invalid_request"),
        ({"requestedProducts": []}, "invalid_request"),
        ({"requestedProducts": ["summary"]}, "product_not_offered"),
        ({"requestedProducts": ["transcript", "transcript"]}, "product_not_offered"),
    ],
)
def test_a_quote_is_refused_with_a_sentence_and_never_with_404(
    studio: Studio, members: dict[str, Any], code: str
) -> None:
    _, headers = studio.gateway.user()
    reply = quote(studio.gateway, headers, **members)
    assert_refused(reply, 400)
    assert reply.code == code
    assert reply.json["details"]["message"] == reply.json["message"]


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


def test_the_first_answer_is_found_when_its_quote_has_passed(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    made = quote(studio.gateway, headers).json
    first = fulfill(studio.gateway, headers, made["quoteId"])
    studio.upstream.forward(60)
    job(studio, headers, first.json["jobId"])
    studio.pass_(8 * 86_400)
    headers = studio.gateway.user_headers(user)
    again = fulfill(studio.gateway, headers, made["quoteId"])
    assert (again.status, again.json["jobId"]) == (200, first.json["jobId"])
    other = fulfill(studio.gateway, headers, made["quoteId"], "another")
    assert_refused(other, 410)
    assert (other.code, studio.credits(user)) == ("quote_gone", (0, 0))


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


def test_402_then_a_top_up_then_the_same_tap(studio: Studio) -> None:
    phone = phone_of(studio, "a" * 16)
    with pytest.raises(Refused) as refused:
        phone.tap(VIDEO)
    assert (refused.value.status, refused.value.code) == (402, "insufficient_credits")
    key = phone.pending[VIDEO]
    studio.gateway.add("mobile-" + "a" * 16, 1)
    assert len(phone.tap(VIDEO)) > 100
    assert VIDEO not in phone.pending
    spends = [e for e in studio.gateway.entries("mobile-" + "a" * 16) if e.type == "spend"]
    assert len(spends) == 1 and key
    assert studio.credits("mobile-" + "a" * 16) == (0, 0)


def test_a_job_that_fails_says_so_and_gives_the_credit_back(studio: Studio) -> None:
    phone = phone_of(studio, "b" * 16, balance=1)
    studio.upstream.fault("transcribe", "job", outcome="failed")
    with pytest.raises(Refused) as refused:
        phone.tap(VIDEO)
    assert refused.value.code == "failed_refunded"
    assert VIDEO not in phone.pending
    assert studio.credits("mobile-" + "b" * 16) == (1, 0)


def test_a_job_that_upstream_refuses_is_a_failed_job(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    studio.upstream.answer("transcribe", {"error": "video is private"}, 400)
    done = bought(studio, headers)
    assert (done.status, done.json["status"]) == (200, "failed_refunded")
    assert done.json["settlement"] == {"reservedUnits": 1, "settledUnits": 0, "refundedUnits": 1}
    assert job(studio, headers, done.json["jobId"])["ok"] is False
    assert studio.credits(user) == (1, 0)


def test_a_lost_job_is_answered_as_failed_and_not_with_404(studio: Studio) -> None:
    phone = phone_of(studio, "c" * 16, balance=1)
    key = app_client.new_id("pluct")
    done = phone.fulfill(phone.quote(VIDEO, key)["quoteId"], key)
    studio.upstream.order("restart")
    with pytest.raises(Refused) as refused:
        phone.poll(done["jobId"])
    assert refused.value.code == "failed_refunded"
    assert studio.credits("mobile-" + "c" * 16) == (1, 0)


def test_a_video_without_speech_has_a_text_that_ends_the_polling(studio: Studio) -> None:
    phone = phone_of(studio, "d" * 16, balance=1)
    silent = {"status": "completed", "result": {"transcription": "  "}}
    studio.upstream.fault("status", "members", times=None, set=silent)
    assert phone.tap(VIDEO) == "[no speech]"


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


def test_ten_videos_in_a_row_with_one_cached_token(studio: Studio) -> None:
    """The older flow: each video but the first meets a used token, and heals with a new one."""
    name = "e" * 16
    phone = phone_of(studio, name, balance=10)
    for number in range(10):
        text = phone.legacy_tap(
            f"https://www.tiktok.com/@someone/video/73000000000000000{number:02d}"
        )
        assert len(text) > 100
    assert studio.credits(f"mobile-{name}") == (0, 0)
    kinds = [kind for kind, _ in phone.requests]
    assert (kinds.count("vend"), kinds.count("transcribe")) == (10, 19)


def test_the_background_worker_reads_its_job_without_a_credit(studio: Studio) -> None:
    name = "f" * 16
    phone = phone_of(studio, name, balance=1)
    phone.vend("video-1")
    job_id = phone.call("transcribe", "POST", "/ttt/transcribe", {"url": VIDEO}, phone.token)[
        "jobId"
    ]
    studio.upstream.forward(60)
    assert studio.gateway.balance(f"mobile-{name}") == 0
    phone.vend("background_1700000000000")
    assert len(phone.legacy_poll(job_id)) > 100


def test_looking_at_the_balance_costs_nothing(studio: Studio) -> None:
    """The app vends a token whenever it asks for the balance; the video then needs that same credit."""
    name = "1234" * 4
    phone = phone_of(studio, name, balance=1)
    assert phone.balance() == 1
    phone.token = ""
    phone.balance()
    phone.token = ""
    assert len(phone.legacy_tap(VIDEO)) > 100
    assert studio.credits(f"mobile-{name}") == (0, 0)


@pytest.mark.parametrize("kind", ["sync", "quote", "fulfill", "job"])
def test_airplane_mode_at_any_call_ends_with_the_text_or_the_credit(
    studio: Studio, kind: str
) -> None:
    """The answer to one call is lost after it has taken effect; the person taps again."""
    name = f"{ord(kind[0]):016x}"
    phone = phone_of(studio, name, balance=1)
    send, lost = phone._send, []
    path = {"sync": "/sync", "quote": "/quote", "fulfill": "/fulfill", "job": "/jobs/"}[kind]

    def losing(method: str, where: str, body: str | None, headers: Mapping[str, str]) -> Sent:
        answer = send(method, where, body, headers)
        if path in where and not lost:
            lost.append(where)
            raise NoNetwork()
        return answer

    phone._send = losing
    phone.sync()
    try:
        text = phone.tap(VIDEO)
    except NoNetwork:
        text = phone.tap(VIDEO)
    assert lost and len(text) > 100
    phone.sync()
    assert phone.uses == studio.gateway.balance(f"mobile-{name}") == 0
    assert studio.credits(f"mobile-{name}") == (0, 0)


def test_sync_tells_uses_jobs_and_policy(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=2)
    done = bought(studio, headers)

    def sync(since: int = 0) -> dict[str, Any]:
        query = {"since": str(since), "versionCode": "5"}
        reply = studio.gateway.call("GET", "/v1/mobile/sync", headers=headers, query=query)
        app_client.SHAPES["sync"].read(reply.json)
        return reply.json

    told = sync()
    assert told["wallet"] == {
        "availableUses": 1,
        "reservedUses": 1,
        "displayText": "1 use left",
    }
    (running,) = told["jobs"]["changedSinceCursor"]
    assert (running["jobId"], running["status"]) == (done.json["jobId"], "processing")
    assert (told["service"]["state"], told["service"]["acceptingJobs"]) == ("HEALTHY", True)
    studio.upstream.forward(60)
    studio.pass_(3600)
    assert len(sync(told["serverTimeMs"])["jobs"]["changedSinceCursor"]) == 1
    job(studio, headers, done.json["jobId"])
    after = sync(told["serverTimeMs"])
    assert after["jobs"]["changedSinceCursor"][0]["status"] == "completed"
    assert after["revision"] != told["revision"]
    studio.pass_(3600)
    later = sync(after["serverTimeMs"])
    assert sync(later["serverTimeMs"])["jobs"]["changedSinceCursor"] == []
    assert later["wallet"]["availableUses"] == studio.credits(user)[0] == 1


MINUTES = {
    "code": "transcript_minutes", "version": 0, "label": "Minutes", "unit": "minute",
    "creditsPerUnit": 2, "mostUnits": 5, "scope": "ttt:transcribe", "audience": "tttranscribe",
    "lifetimeSeconds": 900, "graceSeconds": 20, "overage": "cap", "settledBy": "duration",
    "leastUnits": 1, "reason": "a longer product",
}  # fmt: skip


def test_a_product_by_the_minute_holds_the_most_and_gives_the_rest_back(studio: Studio) -> None:
    saved = studio.gateway.call("POST", "/admin/products", MINUTES, headers=studio.gateway.admin)
    assert saved.status == 200, saved.text
    wallet: Any = studio.gateway.function("wallet")
    wallet.products.forget()
    user, headers = studio.gateway.user(balance=20)
    done = bought(studio, headers, requestedProducts=["transcript_minutes"])
    assert (done.json["reservedUnits"], studio.credits(user)) == (10, (10, 10))
    studio.upstream.forward(60)
    ended = job(studio, headers, done.json["jobId"])
    settled = ended["settlement"]["settledUnits"]
    assert 2 <= settled < 10
    assert ended["settlement"]["refundedUnits"] == 10 - settled
    assert studio.credits(user) == (20 - settled, 0)
    wrong = {**MINUTES, "code": "other_audience", "audience": "elsewhere"}
    assert (
        studio.gateway.call("POST", "/admin/products", wrong, headers=studio.gateway.admin).status
        == 200
    )
    wallet.products.forget()
    refused = quote(studio.gateway, headers, requestedProducts=["other_audience"])
    assert refused.code == "product_not_offered"


def test_a_changed_price_ends_a_quote_only_when_its_time_is_over(studio: Studio) -> None:
    wallet: Any = studio.gateway.function("wallet")
    product = {**MINUTES, "code": "by_call", "unit": "call", "mostUnits": 1, "settledBy": "none"}
    admin = {"headers": studio.gateway.admin}
    assert studio.gateway.call("POST", "/admin/products", product, **admin).status == 200
    wallet.products.forget()
    user, headers = studio.gateway.user(balance=20)
    made = quote(studio.gateway, headers, requestedProducts=["by_call"]).json
    dearer = {**product, "version": 1, "creditsPerUnit": 5}
    assert studio.gateway.call("POST", "/admin/products", dearer, **admin).status == 200
    wallet.products.forget()
    new = quote(studio.gateway, headers, requestedProducts=["by_call"]).json
    assert new["quoteId"] != made["quoteId"] and new["estimated"]["reserveUnits"] == 5
    assert fulfill(studio.gateway, headers, made["quoteId"], "one").json["reservedUnits"] == 2
    studio.pass_(86_400 + 1)
    headers = studio.gateway.user_headers(user)
    late = fulfill(studio.gateway, headers, made["quoteId"], "two")
    assert (late.status, late.code) == (410, "quote_gone")


def test_a_quote_whose_price_still_holds_is_honoured_after_its_time(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=1)
    made = quote(studio.gateway, headers).json
    studio.pass_(2 * 86_400)
    headers = studio.gateway.user_headers(user)
    assert fulfill(studio.gateway, headers, made["quoteId"]).status == 200


def test_one_id_from_thirty_threads_is_one_charge_and_one_job(studio: Studio) -> None:
    user, headers = studio.gateway.user(balance=5)
    made = quote(studio.gateway, headers).json["quoteId"]
    with ThreadPoolExecutor(30) as pool:
        replies = list(pool.map(lambda _: fulfill(studio.gateway, headers, made), range(30)))
    assert {reply.status for reply in replies} == {200}
    assert len({reply.json["jobId"] for reply in replies}) == 1
    assert studio.credits(user) == (4, 1)
    assert len(studio.upstream.calls("transcribe")) == 1


def test_sync_of_a_new_id_has_a_wallet(studio: Studio) -> None:
    """Without one the app would lock itself."""
    headers = app_client.identity("0" * 15 + "9")
    told = studio.gateway.call("GET", "/v1/mobile/sync", headers=headers).json
    assert told["wallet"]["availableUses"] == 0
    app_client.SHAPES["sync"].read(told)


def test_numbers_of_upstream_become_numbers_that_the_app_reads(studio: Studio) -> None:
    _, headers = studio.gateway.user(balance=1)
    done = bought(studio, headers)
    (call,) = studio.upstream.calls("transcribe")
    assert json.loads(call["body"])["url"] == VIDEO
    studio.upstream.forward(60)
    told = job(studio, headers, done.json["jobId"])
    assert isinstance(told["duration"], int) and isinstance(told["result"]["wordCount"], int)
