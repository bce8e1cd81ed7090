"""The released app's flows in process: a phone with its parser and retries, sync, and the older flow."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from engine.wallet import fulfilment
from tests.support import app_client
from tests.support.app_client import NoNetwork, Refused, Sent
from tests.support.studio import OTHER_VIDEO, VIDEO, Studio, opened
from tests.support.wallet import MINUTES, bought, fulfill, job, phone_of, quote


@pytest.fixture(scope="module")
def module_studio(endpoint: str) -> Iterator[Studio]:
    with opened(endpoint, ALLOW_HEADER_IDENTITY="true") as studio:
        yield studio


@pytest.fixture
def studio(module_studio: Studio) -> Studio:
    module_studio.reset()
    return module_studio


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


def test_looking_at_the_last_credit_does_not_lock_the_app(studio: Studio) -> None:
    """The token that it vends and throws away holds that credit; the app would show 0 and send nothing."""
    user = "mobile-" + "5678" * 4
    phone = phone_of(studio, "5678" * 4, balance=1)
    assert (phone.balance(), phone.balance()) == (1, 1)
    assert studio.credits(user) == (0, 1)
    phone.sync()
    assert phone.uses == 1
    assert phone.quote(VIDEO, "look")["balance"] == {"availableUnits": 1, "reservedUnits": 0}
    assert len(phone.tap(VIDEO)) > 100
    phone.sync()
    assert (phone.uses, studio.credits(user)) == (0, (0, 0))
    entries = studio.gateway.entries(user)[1:]
    assert [entry.type for entry in entries] == ["spend", "refund", "spend", "capture"]
    assert entries[1].reason == fulfilment.REPLACED
    other = studio.gateway.user_headers(user)
    plain = studio.gateway.call("GET", "/v1/credits/balance", headers=other).json
    assert plain["balance"] == plain["main"] == 0


def test_a_token_that_is_in_use_is_not_given_up(studio: Studio) -> None:
    user = "mobile-" + "6789" * 4
    phone = phone_of(studio, "6789" * 4, balance=1)
    phone.vend("video")
    job = phone.call("transcribe", "POST", "/ttt/transcribe", {"url": VIDEO}, phone.token)
    phone.sync()
    assert phone.uses == 0
    with pytest.raises(Refused) as refused:
        phone.tap(OTHER_VIDEO)
    assert (refused.value.status, studio.credits(user)) == (402, (0, 1))
    assert len(phone.legacy_poll(job["jobId"])) > 100


def test_an_unused_token_is_not_given_up_for_a_video_that_it_cannot_pay(studio: Studio) -> None:
    saved = studio.gateway.call("POST", "/admin/products", MINUTES, headers=studio.gateway.admin)
    assert saved.status == 200, saved.text
    studio.gateway.function("wallet").products.forget()
    phone = phone_of(studio, "89ab" * 4, balance=1)
    token = phone.vend("look")
    headers = app_client.identity("89ab" * 4)
    reply = bought(studio, headers, requestedProducts=[MINUTES["code"]])
    assert (reply.status, studio.credits("mobile-" + "89ab" * 4)) == (402, (0, 1))
    assert phone.token == token and len(phone.legacy_tap(VIDEO)) > 100


def test_two_videos_at_once_share_no_credit_of_an_unused_token(studio: Studio) -> None:
    user = "mobile-" + "789a" * 4
    phone = phone_of(studio, "789a" * 4, balance=1)
    phone.balance()
    headers = app_client.identity("789a" * 4)
    asked = {"one": VIDEO, "two": OTHER_VIDEO}
    quotes = [quote(studio.gateway, headers, key, url=url) for key, url in asked.items()]
    with ThreadPoolExecutor(2) as pool:
        ids = [made.json["quoteId"] for made in quotes]
        replies = list(pool.map(partial(fulfill, studio.gateway, headers), ids, asked))
    assert sorted(reply.status for reply in replies) == [200, 402]
    assert studio.credits(user) == (0, 1)


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


def test_sync_of_a_new_id_has_a_wallet(studio: Studio) -> None:
    """Without one the app would lock itself."""
    headers = app_client.identity("0" * 15 + "9")
    told = studio.gateway.call("GET", "/v1/mobile/sync", headers=headers).json
    assert told["wallet"]["availableUses"] == 0
    app_client.SHAPES["sync"].read(told)
