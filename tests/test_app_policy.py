"""The policy for apps: what apps read, and how operators change it without a deployment."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.ledger.posting import Ledger
from engine.wallet.policy import LOOK_S, RELEASES
from tests.mutation.desk import Interrupted
from tests.support import app_client
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply

SECRETS = re.compile(r"Bearer\s+|ENGINE_JWT_SECRET|ENGINE_ADMIN_KEY|hf_[A-Za-z0-9]")


@pytest.fixture
def fresh(endpoint: str) -> Gateway:
    """A deployment whose policy was never changed."""
    gateway = Gateway(endpoint, ALLOW_HEADER_IDENTITY="true", RATE_LIMIT="100000")
    gateway.now = 1_800_000_000
    for name in ("admin", "users", "wallet"):
        gateway.function(name)
    return gateway


def shown(gateway: Gateway) -> dict[str, Any]:
    query = {"platform": "android", "versionCode": "5", "version": "1.0.3"}
    reply = gateway.call("GET", "/v1/public/client-policy", query=query)
    assert reply.status == 200, reply.text
    return reply.json


def change(gateway: Gateway, version: int, **members: Any) -> Reply:
    body = {"version": version, "reason": "a release", **members}
    return gateway.call("POST", "/admin/app-policy", body, headers=gateway.admin)


def test_without_a_policy_the_released_app_is_allowed_everything(fresh: Gateway) -> None:
    policy = shown(fresh)
    assert policy["ok"] is True and policy["updateMode"] == "none"
    assert policy["platforms"]["android"]["minimumVersionCode"] <= 5
    assert policy["platforms"]["android"]["apkUrl"].endswith("/downloads/android/latest.apk")
    assert policy["features"] == {"transcriptionSubmit": True}
    assert SECRETS.search(str(policy)) is None
    reply = fresh.call("GET", "/downloads/android/latest.apk")
    assert (reply.status, reply.headers["location"]) == (302, RELEASES)


def test_a_change_is_a_new_version_that_apps_see_without_a_deployment(fresh: Gateway) -> None:
    shown(fresh)
    made = change(fresh, 0, minimumVersionCode=6, latestVersionCode=7, updateMode="hard",
                  message="Please update.", apkUrl="https://example.com/pluct.apk")  # fmt: skip
    assert (made.status, made.json["version"]) == (200, 1)
    assert made.json["changedBy"] == "admin:secret" and made.json["reason"] == "a release"
    fresh.now = (fresh.now or 0) + LOOK_S + 1
    policy = shown(fresh)
    assert policy["platforms"]["android"]["minimumVersionCode"] == 6
    assert (policy["updateMode"], policy["message"]) == ("hard", "Please update.")
    reply = fresh.call("GET", "/downloads/android/latest.apk")
    assert reply.headers["location"] == "https://example.com/pluct.apk"
    assert change(fresh, 1, transcriptionSubmit=False).json["policy"]["minimumVersionCode"] == 6
    read = fresh.call("GET", "/admin/app-policy", headers=fresh.admin).json
    assert [version["version"] for version in read["history"]] == [2, 1]
    assert read["policy"]["transcriptionSubmit"] is False


def test_each_change_has_its_audit_record(fresh: Gateway) -> None:
    change(fresh, 0, latestVersionCode=6)
    change(fresh, 0, latestVersionCode=7)
    kept = list(fresh.ledger.table.ascending("AUDIT#app-policy", "2", "9"))
    assert [(item["action"], item["actor"], item["reason"]) for item in kept] == [
        ("app_policy_change", "admin:secret", "a release")
    ]


def test_two_operators_do_not_overwrite_each_other(fresh: Gateway) -> None:
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda n: change(fresh, 0, latestVersionCode=5 + n), range(4)))
    assert sorted(reply.status for reply in replies) == [200, 409, 409, 409]
    refused = next(reply for reply in replies if reply.status == 409)
    assert (refused.code, refused.json["details"]["version"]) == ("policy_changed", 1)


def test_a_change_that_another_one_was_faster_than_is_refused_and_changes_nothing(
    fresh: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one comes after this one has read the newest version."""
    module: Any = fresh.function("admin")
    whole = module.ledger
    replies: list[Reply] = []

    def another() -> None:
        monkeypatch.setattr(module, "ledger", whole)
        replies.append(change(fresh, 0, latestVersionCode=6))

    monkeypatch.setattr(module, "ledger", Ledger(Interrupted(whole.table, another)))
    refused = change(fresh, 0, latestVersionCode=7)
    assert [reply.status for reply in replies] == [200]
    assert (refused.status, refused.code) == (409, "policy_changed")
    assert shown(fresh)["platforms"]["android"]["latestVersionCode"] == 6


@pytest.mark.parametrize(
    "members",
    [
        {"minimumVersionCode": 6},
        {"recommendedVersionCode": 6},
        {"minimumVersionCode": 0},
        {"latestVersionCode": 1.5},
        {"updateMode": "sometimes"},
        {"apkUrl": "http://example.com/x.apk"},
        {"apkUrl": "javascript:alert(1)"},
        {"apkUrl": "https://example.com/a b"},
        {"message": "x" * 301},
        {"reason": " "},
        {"forceUpdate": "yes"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused(fresh: Gateway, members: dict[str, Any]) -> None:
    assert_refused(change(fresh, 0, **members), 400)
    assert fresh.call("GET", "/admin/app-policy", headers=fresh.admin).json["version"] == 0


def test_only_an_admin_changes_the_policy(fresh: Gateway) -> None:
    _, headers = fresh.user()
    for credential, status in ((fresh.api_key, 401), (headers, 401), ({}, 401)):
        body = {"version": 0, "reason": "x"}
        assert_refused(fresh.call("POST", "/admin/app-policy", body, headers=credential), status)
    made = fresh.call(
        "POST", "/admin/generate-key", {"description": "x", "scopes": ["credits:write"]},
        headers=fresh.admin,
    )  # fmt: skip
    key = {"authorization": f"Bearer {made.json['key']}"}
    assert_refused(change_with(fresh, key), 403)


def change_with(gateway: Gateway, headers: dict[str, str]) -> Reply:
    body = {"version": 0, "reason": "x", "latestVersionCode": 9}
    return gateway.call("POST", "/admin/app-policy", body, headers=headers)


QUOTE = {"url": "https://www.tiktok.com/@someone/video/7300000000000000001"}


def test_an_app_below_the_minimum_is_told_to_update(fresh: Gateway) -> None:
    change(fresh, 0, minimumVersionCode=6, latestVersionCode=6)
    old, new = (app_client.identity("0" * 16, code) for code in (5, 6))
    for path, body in (("/v1/quote", QUOTE), ("/v1/fulfill", {"quoteId": "q"})):
        reply = fresh.call("POST", path, body, headers=old)
        assert_refused(reply, 426)
        assert reply.code == "app_update_required"
    assert fresh.call("POST", "/v1/quote", QUOTE, headers=new).status == 200
    told = fresh.call("GET", "/v1/mobile/sync", headers=old).json
    assert told["policy"]["minimumVersionCode"] == 6


@pytest.mark.parametrize("code", ["", "x", "-1", "9" * 40, "\uff15"])
def test_a_version_code_that_is_none_is_no_reason_to_refuse(fresh: Gateway, code: str) -> None:
    change(fresh, 0, minimumVersionCode=6, latestVersionCode=6)
    headers = {**app_client.identity("0" * 16), "x-client-version-code": code}
    assert fresh.call("POST", "/v1/quote", QUOTE, headers=headers).status == 200


def test_an_operator_can_switch_off_new_transcriptions(fresh: Gateway) -> None:
    change(fresh, 0, transcriptionSubmit=False, message="Back at noon.")
    headers = app_client.identity("0" * 16)
    reply = fresh.call("POST", "/v1/quote", QUOTE, headers=headers)
    assert (reply.status, reply.code) == (503, "submissions_paused")
    told = fresh.call("GET", "/v1/mobile/sync", headers=headers).json
    assert told["policy"]["transcriptionEnabled"] is False
    assert (told["service"]["acceptingJobs"], told["service"]["message"]) == (
        False,
        "Back at noon.",
    )
    assert shown(fresh)["features"]["transcriptionSubmit"] is False
