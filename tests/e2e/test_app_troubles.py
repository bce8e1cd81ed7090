"""The released app and older builds over HTTP where something goes wrong: lost jobs, lost answers, clocks.

Each flow ends with the text or with the credit, and the number on the screen is the ledger's.
"""

import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.credits import hold_items
from engine.platform.table import ConditionFailed, Update
from engine.transcription.outcomes import FORGOTTEN_AFTER_S
from tests.e2e.conftest import App, long_jobs
from tests.e2e.phones import (
    PAUSE_S,
    POLLS,
    assert_settled,
    new_video,
    older_phone,
    phone_of,
    user_of,
)
from tests.support.app_client import NoNetwork, Phone, Refused, new_id
from tests.support.upstream import Standin

WAIT_S = 60
OLDER = pytest.mark.parametrize("audience", ["", "pluct-business-engine"])


def upstream_id(app: App, job_id: str) -> str:
    """The transcription service's own id of a job, once it has one."""
    give_up_at = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_at:
        item = app.ledger.table.get(f"J#{job_id}", "JOB")
        hold = item and hold_items.find(app.ledger.table, item["user"], item["jti"])
        if hold and hold.job_id:
            return str(hold.job_id)
        time.sleep(PAUSE_S)
    raise AssertionError("the job was never started")


def minutes_pass(app: App, upstream_job: str) -> Callable[[float], None]:
    """A pause of a phone in which, for this job, as much time passes as makes it a forgotten one."""
    earlier = Update(
        f"J#{upstream_job}",
        "JOB",
        "SET missing_since = missing_since - :passed",
        "attribute_exists(missing_since)",
        values={":passed": FORGOTTEN_AFTER_S},
    )

    def pause(_: float) -> None:
        with contextlib.suppress(ConditionFailed):
            app.ledger.table.write(earlier)
        time.sleep(1.1)  # The transcription service is asked once a second.

    return pause


def forgotten(app: App, job_id: str) -> Callable[[float], None]:
    """The transcription service is restarted and has forgotten the job; how a phone waits from then on."""
    known_there_as = upstream_id(app, job_id)
    restart(app)
    return minutes_pass(app, known_there_as)


def restart(app: App) -> None:
    """The transcription service forgets its jobs."""
    standin = Standin(app.run["upstreamUrl"])
    standin.order("restart")
    standin.close()


def test_a_lost_job_ends_as_refunded_with_the_credit_on_the_screen(app: App) -> None:
    phone, video = phone_of(app, balance=1), new_video()
    key = phone.pending.setdefault(video, new_id("pluct"))
    with long_jobs(app):
        started = phone.fulfill(phone.quote(video, key)["quoteId"], key)
        phone.sync()
        assert (phone.uses, phone.active) == (0, True)
        phone._pause = forgotten(app, started["jobId"])
    with pytest.raises(Refused) as refused:
        phone.poll(started["jobId"])
    assert (refused.value.status, refused.value.code) == (200, "failed_refunded")
    job = phone.call("job", "GET", f"/v1/jobs/{started['jobId']}")
    assert (job["ok"], job["status"], job["text"]) == (False, "failed_refunded", None)
    assert_settled(app, phone, 1)
    assert not phone.active
    (refund,) = app.ledger.entries(user_of(phone), limit=1)
    assert (refund.type, refund.reason) == ("refund", "upstream has forgotten the job")
    assert len(phone.tap(video, POLLS)) > 100
    assert_settled(app, phone, 0)


def test_a_lost_job_of_the_older_flow_ends_as_failed_with_the_credit(app: App) -> None:
    phone, video = phone_of(app, balance=1), new_video()
    phone.vend("video-1")
    body = {"url": video, "clientRequestId": "submit-1"}
    with long_jobs(app):
        started = phone.call("transcribe", "POST", "/ttt/transcribe", body, phone.token)
        restart(app)
    patient, phone._pause = phone._pause, minutes_pass(app, started["jobId"])
    with pytest.raises(Refused) as refused:
        phone.legacy_poll(started["jobId"])
    assert (refused.value.status, refused.value.code) == (200, "failed")
    assert_settled(app, phone, 1)
    phone._pause, phone.token = patient, ""
    assert len(phone.legacy_tap(video, POLLS)) > 100
    assert_settled(app, phone, 0)


@pytest.mark.parametrize("balance", [1, 4])
def test_one_video_from_several_devices_at_once_is_one_charge(app: App, balance: int) -> None:
    """The devices have one user and request ids of their own."""
    first, video = phone_of(app, balance=balance), new_video()
    name = user_of(first).removeprefix("mobile-")
    phones = [first, *(phone_of(app, name=name) for _ in range(3))]
    with ThreadPoolExecutor(len(phones)) as pool:
        texts = list(pool.map(lambda phone: phone.tap(video, POLLS), phones))
    assert len(set(texts)) == 1 and len(texts[0]) > 100
    assert_settled(app, first, balance - 1)
    types = [entry.type for entry in app.ledger.entries(user_of(first), limit=10)]
    assert types == ["capture", "spend", "api_add"]


CALLS = ["/health", "/profile", "policy", "/sync", "/quote", "/fulfill", "/jobs/"]
OLDER_CALLS = ["/balance", "/vend-token", "/transcribe", "/status"]


@pytest.mark.parametrize("where", [mark + path for path in CALLS for mark in ("", "!")])
def test_airplane_mode_at_each_call_ends_with_the_text_and_one_charge(app: App, where: str) -> None:
    """The request is lost (`!`), or its answer after it took effect; then the person taps again."""
    phone, video = phone_of(app, balance=2), new_video()
    line: Any = phone._send
    line.lose = where
    phone.start()
    text = again(phone.tap, video)
    assert len(text) > 100 and line.lose == ""
    assert_settled(app, phone, 1)


@pytest.mark.parametrize("where", [mark + path for path in OLDER_CALLS for mark in ("", "!")])
def test_airplane_mode_at_each_call_of_the_older_flow_ends_with_one_charge(
    app: App, where: str
) -> None:
    phone, video = phone_of(app, balance=2), new_video()
    line: Any = phone._send
    line.lose = where
    with contextlib.suppress(NoNetwork):
        phone.balance()
    text = again(phone.legacy_tap, video)
    assert len(text) > 100 and line.lose == ""
    assert_settled(app, phone, 1)


def again(tap: Callable[[str, int], str], video: str) -> str:
    """The text of a tap; the person taps a second time where the network was away."""
    try:
        return tap(video, POLLS)
    except NoNetwork:
        return tap(video, POLLS)


@OLDER
def test_an_older_build_signs_its_own_token(app: App, audience: str) -> None:
    """Every call of it has the token, and the flow is the older one; three videos with one cached token."""
    phone = older_phone(app, 3, audience)
    assert phone.balance() == 3
    for _ in range(3):
        assert len(phone.legacy_tap(new_video(), POLLS)) > 100
    assert_settled(app, phone, 0)


@OLDER
def test_an_older_build_also_uses_the_wallet(app: App, audience: str) -> None:
    phone, video = older_phone(app, 2, audience), new_video()
    phone.start()
    assert phone.uses == 2
    assert phone.tap(video, POLLS) == phone.tap(video, POLLS)
    assert_settled(app, phone, 1)


@pytest.mark.parametrize("hours", [-2, 2])
@OLDER
def test_an_older_build_whose_clock_is_two_hours_off_ends_with_the_text(
    app: App, audience: str, hours: int
) -> None:
    """Its first token is refused; the answer has the time, by which the next one is signed."""
    phone = older_phone(app, 1, audience, clock_off_s=hours * 3600)
    first = phone._once("balance", "GET", "/v1/credits/balance", None, "")
    assert (first.status, bool(first.date)) == (401, True)
    phone = older_phone(app, 1, audience, clock_off_s=hours * 3600)
    assert phone.balance() == 1
    assert len(phone.legacy_tap(new_video(), POLLS)) > 100
    assert_settled(app, phone, 0)


def test_an_older_builds_lost_job_gives_its_credit_back(app: App) -> None:
    phone, video = older_phone(app, 1), new_video()
    phone.vend("video-1")
    body = {"url": video, "clientRequestId": "submit-1"}
    with long_jobs(app):
        started = phone.call("transcribe", "POST", "/ttt/transcribe", body, phone.token)
        restart(app)
    phone._pause = minutes_pass(app, started["jobId"])
    with pytest.raises(Refused):
        phone.legacy_poll(started["jobId"])
    assert_settled(app, phone, 1)


def test_a_quote_shows_the_length_that_the_preview_has_shown(app: App) -> None:
    phone: Phone = phone_of(app)
    video = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
    shown = phone.call("meta", "GET", f"/meta?url={video}")
    assert shown["duration"] > 0
    assert phone.quote(video, "look")["estimated"]["durationSeconds"] == shown["duration"]
