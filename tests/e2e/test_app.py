"""The released app against the whole system over HTTP: its flows, its strict parser, its retries."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import App
from tests.e2e.phones import POLLS, assert_settled, new_name, new_video, phone_of, user_of
from tests.support.app_client import NoNetwork, Refused
from tests.support.terminal import Terminal
from tests.support.upstream import Standin


@pytest.fixture
def upstream(app: App) -> Iterator[Standin]:
    standin = Standin(app.run["upstreamUrl"])
    yield standin
    standin.order("faults", method="DELETE")
    standin.close()


def test_a_first_start_shows_the_balance_and_takes_nothing(app: App) -> None:
    phone = phone_of(app, balance=2)
    phone.start()
    assert phone.uses == 2
    assert phone.balance() == 2
    assert phone.balance() == 2
    phone.sync()
    assert phone.uses == 2
    kinds = [kind for kind, _ in phone.requests]
    assert kinds[:4] == ["health", "profile", "policy", "sync"]
    assert app.ledger.account(user_of(phone)).held == 1, "two looks hold one credit together"
    assert len({name for _, name in phone.requests}) == len(phone.requests)


def test_a_first_start_with_one_credit_ends_with_a_text(app: App) -> None:
    """The look at the balance vends a token for that credit, which the app throws away."""
    phone = phone_of(app, balance=1)
    phone.start()
    assert (phone.balance(), phone.balance()) == (1, 1)
    phone.start()
    assert phone.uses == 1
    assert len(phone.tap(new_video(), POLLS)) > 100
    assert_settled(app, phone, 0)


def test_an_unknown_id_sees_zero_and_is_asked_to_pay(app: App) -> None:
    phone = phone_of(app)
    phone.start()
    assert phone.uses == 0
    with pytest.raises(Refused) as refused:
        phone.tap(new_video())
    assert refused.value.status == 402


def test_without_headers_the_balance_is_401(app: App) -> None:
    assert app.call("GET", "/v1/credits/balance").status == 401


def test_the_wallet_flow_ends_with_the_text(app: App) -> None:
    phone = phone_of(app, balance=2)
    phone.start()
    assert len(phone.tap(new_video(), POLLS)) > 100
    assert_settled(app, phone, 1)


def test_a_video_that_was_transcribed_is_shown_again_at_once(app: App) -> None:
    phone, video = phone_of(app, balance=1), new_video()
    text = phone.tap(video, POLLS)
    sent = len(phone.requests)
    assert phone.tap(video, POLLS) == text
    assert [kind for kind, _ in phone.requests[sent:]] == ["quote", "fulfill"]
    assert_settled(app, phone, 0)


def test_a_failed_job_gives_the_credit_back_and_forgets_the_id(app: App, upstream: Standin) -> None:
    phone, video = phone_of(app, balance=1), new_video()
    rule = {
        "route": "transcribe", "times": None, "match": video.rpartition("/")[2],
        "action": {"kind": "job", "outcome": "failed"},
    }  # fmt: skip
    upstream.order("faults", [rule])
    with pytest.raises(Refused) as refused:
        phone.tap(video, POLLS)
    assert refused.value.code == "failed_refunded" and video not in phone.pending
    upstream.order("faults", method="DELETE")
    assert_settled(app, phone, 1)
    assert len(phone.tap(video, POLLS)) > 100
    assert_settled(app, phone, 0)


def test_402_then_a_top_up_then_the_same_tap(app: App) -> None:
    phone, video = phone_of(app), new_video()
    with pytest.raises(Refused):
        phone.tap(video)
    key = phone.pending[video]
    app.pay(user_of(phone), 1, transactionId=f"tx-{key}")
    assert len(phone.tap(video, POLLS)) > 100
    assert_settled(app, phone, 0)


@pytest.mark.parametrize("where", ["!/v1/quote", "/v1/quote", "!/v1/fulfill", "/v1/fulfill"])
def test_a_restart_between_any_two_steps_ends_with_one_charge(app: App, where: str) -> None:
    """The process dies before the call, or after it and before its answer; the id is on disk."""
    name, video = new_name(), new_video()
    first = phone_of(app, balance=2, name=name)
    line: Any = first._send
    line.lose = where
    with pytest.raises(NoNetwork):
        first.tap(video)
    second = phone_of(app, name=name)
    second.pending = dict(first.pending)
    assert len(second.tap(video, POLLS)) > 100
    assert_settled(app, second, 1)


@pytest.mark.parametrize("where", ["/health", "/profile", "policy", "/sync", "/jobs/"])
def test_airplane_mode_at_any_other_call_changes_nothing(app: App, where: str) -> None:
    phone = phone_of(app, balance=1)
    line: Any = phone._send
    line.lose = "!" + where
    phone.start()
    assert len(phone.tap(new_video(), POLLS)) > 100
    assert line.lose == ""
    assert_settled(app, phone, 0)


def test_ten_videos_in_a_row_with_one_cached_token(app: App) -> None:
    phone = phone_of(app, balance=10)
    for _ in range(10):
        assert len(phone.legacy_tap(new_video(), POLLS)) > 100
    kinds = [kind for kind, _ in phone.requests]
    assert (kinds.count("vend"), kinds.count("transcribe")) == (10, 19)
    assert_settled(app, phone, 0)


def test_the_background_worker_reads_its_job_at_balance_zero(app: App) -> None:
    phone = phone_of(app, balance=1)
    phone.vend("video-1")
    job = phone.call("transcribe", "POST", "/ttt/transcribe", {"url": new_video()}, phone.token)
    later = phone_of(app, name=user_of(phone).removeprefix("mobile-"))
    later.vend("background_1700000000000")
    assert len(later.legacy_poll(job["jobId"], POLLS)) > 100
    assert_settled(app, phone, 0)


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_two_hours_off_does_not_matter_without_a_token(app: App, hours: int) -> None:
    """The release signs nothing; its clock is only in what it stores, such as the cursor of sync."""
    phone = phone_of(app, balance=1)
    phone.cursor = int((time.time() + hours * 3600) * 1000)
    assert len(phone.tap(new_video(), POLLS)) > 100
    phone.cursor = int((time.time() + hours * 3600) * 1000)
    assert_settled(app, phone, 0)


def test_a_reported_payment_is_answered_by_an_operator(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path, monkeypatch)
    terminal.run_file(**app.run)
    phone = phone_of(app)
    receipt = f"SJ{new_name()[-8:]}".upper()
    phone.request_credits(f"{receipt} Confirmed. Ksh500.00 paid to PLUCT on 2/3/26 at 10:15 AM.")
    (waiting,) = terminal.ask("requests", "list", "--user", user_of(phone))["requests"]
    assert (waiting["status"], waiting["receipt"]) == ("pending", receipt)
    approve = ("requests", "approve", waiting["id"], "3", receipt, "--yes")
    assert terminal.ask(*approve)["request"]["status"] == "approved"
    assert terminal.ask(*approve)["request"]["status"] == "approved"
    assert_settled(app, phone, 3)
    phone.request_credits("I have paid, please look")
    requests_of = terminal.ask("requests", "list", "--user", user_of(phone))["requests"]
    other = next(one["id"] for one in requests_of if one["status"] == "pending")
    reject = ("requests", "reject", other, "--reason", "No receipt.", "--yes")
    assert terminal.ask(*reject)["request"]["answer"] == "No receipt."
    assert other in terminal.say("requests", "list", "--user", user_of(phone)).stdout


def test_an_operator_changes_the_policy(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(tmp_path, monkeypatch)
    terminal.run_file(**app.run)
    before = terminal.ask("policy", "show")
    changed = terminal.ask(
        "policy", "set", "--message", "Hello", "--latest", "6", "--reason", "a release", "--yes"
    )
    assert changed["version"] == before["version"] + 1
    assert changed["policy"]["message"] == "Hello"
    assert "a release" in terminal.say("policy", "show").stdout
    assert terminal.say("policy", "set", "--reason", "nothing", "--yes").exit_code != 0
    wrong = ("policy", "set", "--transcriptions", "maybe", "--reason", "x", "--yes")
    assert terminal.say(*wrong).exit_code == 2
    refused = ("policy", "set", "--minimum", "9", "--reason", "x", "--yes")
    assert terminal.ask(*refused, code=7)["code"] == "invalid_request"
    shown = app.call("GET", "/v1/public/client-policy?platform=android").json
    assert shown["platforms"]["android"]["minimumVersionCode"] == 1


def test_the_apps_journeys_find_policy_and_release(app: App) -> None:
    policy = app.call(
        "GET", "/v1/public/client-policy?platform=android&versionCode=5&version=1.0.3"
    )
    assert policy.status == 200 and policy.json["platforms"]["android"]["apkUrl"]
    assert app.call("GET", "/downloads/android/latest.apk").status == 302
    runner = phone_of(app, balance=1, name="test-runner")
    assert runner.balance() >= 1
