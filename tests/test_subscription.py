"""Issuing keys to subscribers: charged, replaced, renewed, refused; over the real handler and a stand-in."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jwt
import pytest

from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import Move
from engine.platform.act import Act
from engine.subscriptions.lifecycle import NewKey
from engine.subscriptions.openrouter import CreatedKey
from engine.subscriptions.plans import CREDIT
from engine.subscriptions.provider_keys import key_name, parse_key_name
from tests.support.loglines import caught
from tests.support.openrouter import (
    MANAGEMENT_KEY,
    Standin,
    Studio,
    fresh_user,
    put_management_key,
    serving,
)
from tests.test_subscription_crashes import drain

pytestmark = pytest.mark.enable_socket


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def module_studio(endpoint: str, standin: Standin) -> Studio:
    return Studio(endpoint, standin)


@pytest.fixture
def studio(module_studio: Studio) -> Iterator[Studio]:
    module_studio.standin.sound()
    yield module_studio
    module_studio.standin.sound()


def test_the_first_call_opens_a_subscription_with_ten_credits_and_a_key_of_one(
    studio: Studio,
) -> None:
    user = fresh_user()
    reply = studio.ask(user)
    assert reply.status == 200 and reply.json["success"] is True
    data = reply.json["data"]
    assert (data["remaining_credits"], data["total_credits"], data["daily_limit"]) == (10, 10, 1)
    (key,) = studio.standin.keys(user)
    assert (key["live"], key["limit_usd"]) == (True, "1")
    assert studio.standin.spend(data["key"], "0.25")
    assert studio.types(user) == ["plan_grant", "key_fund"]
    assert studio.figures(user) == (9 * CREDIT, CREDIT)
    subscription = studio.subscription(user)
    assert (subscription.email, subscription.username) == (f"{user}@example.test", user)


def test_a_repeated_call_gets_the_same_key_and_charges_its_usage_once(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert studio.standin.spend(key, "0.300001")
    for _ in range(3):
        data = studio.key(user)
        assert (data["key"], data["remaining_credits"]) == (key, 9.699999)
        assert data["key_remaining"] == 0.699999
    assert studio.types(user) == ["plan_grant", "key_fund", "usage"]
    studio.assert_explained(user)


@pytest.mark.parametrize(("used", "is_new"), [("0.499999", False), ("0.5", True), ("1", True)])
def test_a_key_is_replaced_when_half_of_it_or_less_is_left(
    studio: Studio, used: str, is_new: bool
) -> None:
    user = fresh_user()
    old = studio.key(user)["key"]
    assert studio.standin.spend(old, used)
    data = studio.key(user)
    assert (data["key"] != old) is is_new
    assert len(studio.standin.keys(user)) == 1 + is_new
    studio.assert_explained(user)


def test_the_old_key_works_for_five_minutes_and_all_that_it_spends_is_charged(
    studio: Studio,
) -> None:
    user = fresh_user()
    old = studio.key(user)["key"]
    assert studio.standin.spend(old, "0.6")
    studio.key(user)
    studio.forward(299)
    studio.monitor()
    assert studio.standin.spend(old, "0.1")
    studio.forward(2)
    studio.monitor()
    assert not studio.standin.spend(old, "0.1")
    assert studio.standin.spend(old, "0.05", in_flight=True)
    studio.settle(rounds=3)
    assert [key.state for key in studio.items(user)] == ["closed", "live"]
    assert studio.items(user)[0].charged == 750_000
    assert studio.figures(user) == (8_250_000, CREDIT)
    assert studio.types(user)[-1] == "key_return"
    studio.assert_settled(user)


def test_a_lagging_reading_delays_the_end_of_a_key_and_loses_no_charge(endpoint: str) -> None:
    with serving(usage_lag_seconds=200.0) as standin:
        studio = Studio(endpoint, standin)
        user = fresh_user()
        old = studio.key(user)["key"]
        assert standin.spend(old, "0.6")
        studio.forward(201)
        studio.key(user)
        studio.forward(300)
        assert standin.spend(old, "0.3")
        studio.monitor()
        for _ in range(6):
            studio.forward(121)
            studio.monitor()
        assert [key.state for key in studio.items(user)] == ["closed", "live"]
        studio.assert_settled(user)


def test_the_limits_of_all_keys_together_never_exceed_the_account(studio: Studio) -> None:
    """All keys' limits together never exceed the account."""
    user = fresh_user()
    key = studio.key(user)["key"]
    drain(studio, user)
    top_up(studio, user, 400_000)
    assert studio.standin.spend(key, "0.7")
    data = studio.key(user)
    assert data["key"] != key and data["key_remaining"] == 0.4
    assert studio.standin.keys(user)[-1]["limit_usd"] == "0.4"
    assert studio.figures(user) == (0, 700_000)
    assert studio.standin.spend(data["key"], "0.4") and studio.standin.spend(key, "0.3")
    studio.settle(rounds=3)
    studio.assert_settled(user)


def top_up(studio: Studio, user: str, amount: int) -> None:
    act = Act("system:test", "in", "", "", "", at=int(studio.now))
    once = RequestOnce(studio.ledger, Request(user, "in", str(amount), "", act), {})
    move = Move(user, "admin_add", amount, 0, act)
    studio.ledger.post(move, once)


def test_the_last_money_is_not_split_into_ever_smaller_keys(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    drain(studio, user)
    top_up(studio, user, 450_000)
    assert studio.standin.spend(key, "0.54")
    assert studio.key(user)["key"] == key
    assert studio.standin.spend(key, "0.02")
    assert studio.key(user)["key"] != key


def test_at_a_tenth_of_a_credit_policy_reset_grants_a_new_allowance(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    drain(studio, user)
    assert studio.standin.spend(key, "0.899999")
    assert studio.key(user)["remaining_credits"] == 0.100001
    assert studio.standin.spend(key, "0.000001")
    data = studio.key(user)
    assert (data["remaining_credits"], data["total_credits"]) == (10, 10)
    assert data["key"] != key and data["key_remaining"] == 1
    assert studio.types(user).count("plan_grant") == 2
    assert studio.subscription(user).period == 2
    studio.assert_explained(user)


def test_policy_top_up_refuses_a_used_up_subscription_until_money_comes_in(endpoint: str) -> None:
    with serving() as own:
        other = Studio(endpoint, own, PLAN_POLICY="top_up")
        user = fresh_user()
        key = other.key(user)["key"]
        drain(other, user)
        assert own.spend(key, "0.95")
        reply = other.ask(user)
        assert (reply.status, reply.code) == (402, "subscription_used_up")
        assert reply.json["details"] == {"remaining_credits": 0.05}
        assert "key" not in reply.json.get("data", {})
        top_up(other, user, 2 * CREDIT)
        assert other.key(user)["remaining_credits"] == 2.05
        other.assert_explained(user)


def test_policy_block_blocks_a_used_up_subscription_and_disables_its_key(endpoint: str) -> None:
    with serving() as own:
        other = Studio(endpoint, own, PLAN_POLICY="block")
        user = fresh_user()
        key = other.key(user)["key"]
        drain(other, user)
        assert own.spend(key, "0.95")
        for _ in range(2):
            reply = other.ask(user)
            assert (reply.status, reply.code) == (402, "subscription_blocked")
        assert other.subscription(user).state == "blocked"
        other.settle(rounds=3)
        assert own.live(user) == []
        assert other.figures(user) == (50_000, 0)
        assert other.ask(user).status == 402
        other.assert_settled(user)


def test_usage_beyond_a_limit_is_taken_from_the_rest_or_written_off(
    studio: Studio,
) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert studio.standin.spend(key, "1.4", overshoot=True)
    assert studio.key(user)["remaining_credits"] == 8.6
    assert studio.items(user)[0].written_off == 0

    poor = fresh_user()
    key = studio.key(poor)["key"]
    drain(studio, poor)
    assert studio.standin.spend(key, "1.250003", overshoot=True)
    studio.ask(poor)
    assert studio.items(poor)[0].written_off == 250_003
    assert "usage_write_off" in studio.types(poor)
    for each in (user, poor):
        studio.settle(rounds=4)
        studio.assert_settled(each)


def test_a_key_that_was_disabled_or_deleted_at_openrouter_is_replaced(
    studio: Studio,
) -> None:
    user = fresh_user()
    first = studio.key(user)["key"]
    lifecycle = studio.app.lifecycle
    assert studio.standin.spend(first, "0.2")
    studio.key(user)
    lifecycle.provider.disable(studio.items(user)[0].hash)
    second = studio.key(user)["key"]
    assert second != first
    lifecycle.provider.delete(studio.items(user)[1].hash)
    assert studio.key(user)["key"] == second, "one answer that it is missing does not count"
    studio.forward(120)
    third = studio.key(user)["key"]
    assert third not in (first, second)
    studio.settle(rounds=3)
    assert [key.state for key in studio.items(user)] == ["closed", "closed", "live"]
    studio.assert_settled(user)


def test_a_key_that_ends_soon_is_replaced(studio: Studio) -> None:
    user = fresh_user()
    first = studio.key(user)["key"]
    studio.forward(83 * 86_400 - 1)
    assert studio.key(user)["key"] == first
    studio.forward(1)
    assert studio.key(user)["key"] != first
    studio.settle(rounds=3)
    studio.assert_settled(user)


AWAY: list[tuple[str, dict[str, Any]]] = [
    ("drop", {}),
    ("status", {"status": 500}),
    ("status", {"status": 429}),
    ("status", {"status": 401}),
    ("garbage", {}),
]


@pytest.mark.parametrize(("kind", "options"), AWAY, ids=str)
def test_the_stored_key_is_issued_while_openrouter_does_not_answer(
    studio: Studio, kind: str, options: dict[str, Any]
) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert studio.standin.spend(key, "0.7")
    studio.standin.fault("*", kind, times=None, **options)
    data = studio.key(user)
    assert (data["key"], data["fresh"], data["remaining_credits"]) == (key, False, 10)
    studio.standin.sound()
    assert studio.key(user)["key"] != key


@pytest.mark.parametrize(("kind", "options"), AWAY, ids=str)
def test_without_a_stored_key_the_answer_is_503_with_retry_after_and_no_text_of_openrouter(
    studio: Studio, kind: str, options: dict[str, Any]
) -> None:
    user = fresh_user()
    studio.standin.fault("*", kind, times=None, **options)
    reply = studio.ask(user)
    assert (reply.status, reply.code) == (503, "keys_unavailable")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    for word in ("Rate limit", "Missing Authentication", "Internal Server", "openrouter"):
        assert word not in reply.text
    studio.standin.sound()
    again = studio.ask(user)
    assert (again.status, int(again.headers["retry-after"]) > 0) == (503, True)
    studio.forward(61)
    assert studio.ask(user).status == 200
    studio.settle(rounds=4)
    studio.assert_settled(user)


def test_a_key_that_cannot_be_replaced_now_is_issued_while_it_is_good(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert studio.standin.spend(key, "0.7")
    studio.standin.fault("create_key", "status", status=500)
    assert studio.key(user)["key"] == key
    assert studio.standin.counts()["create_key"] > 0
    before = studio.standin.counts()["create_key"]
    assert studio.key(user)["key"] == key
    assert studio.standin.counts()["create_key"] == before, "not tried again at once"
    studio.forward(11)
    assert studio.key(user)["key"] != key


def test_no_key_is_made_while_the_usage_of_the_old_one_cannot_be_read(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert studio.standin.spend(key, "0.7")
    studio.standin.fault("create_key", "status", status=500)
    assert studio.key(user)["key"] == key
    studio.forward(11)
    studio.standin.fault("get_key", "status", times=None, status=500)
    data = studio.key(user)
    assert (data["key"], data["fresh"]) == (key, False)
    assert len(studio.standin.live(user)) == 1


def test_a_process_that_outlived_its_lease_deletes_the_key_that_it_created(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hung between OpenRouter and the table for longer than its lease."""
    user = fresh_user()
    lifecycle = studio.app.lifecycle
    create, hung = lifecycle.provider.create, []

    def slow(*asked: Any) -> CreatedKey:
        made = create(*asked)
        if not hung:
            hung.append(made.hash)
            origin = Act("system:test", "takes-over", "", "", "", at=0)
            lifecycle.release_claim(
                studio.subscription(user), replace(origin, at=int(studio.now) + 21)
            )
        return made

    monkeypatch.setattr(lifecycle.provider, "create", slow)
    assert studio.standin.spend(studio.key(user)["key"], "0.1")
    assert [key["deleted"] for key in studio.standin.keys(user)] == [True, False]
    assert studio.items(user)[0].hash != hung[0]
    studio.settle(rounds=3)
    studio.assert_settled(user)


def test_without_the_management_key_the_stored_key_is_issued_and_none_is_created(
    endpoint: str,
) -> None:
    with serving() as own:
        studio = Studio(endpoint, own)
        user = fresh_user()
        key = studio.key(user)["key"]
        rings = studio.app.rings
        paths = dict(rings._paths)
        rings._paths = {path: name for path, name in paths.items() if "PROVISIONING" not in path}
        rings._keys.pop("PROVISIONING_API_KEY")
        with caught() as lines:
            assert studio.key(user)["key"] == key
            reply = studio.ask(fresh_user())
        assert (reply.status, reply.code) == (503, "keys_unavailable")
        assert "be:no-provisioning-key" in lines.messages
        rings._paths = paths


def test_with_a_wrong_management_key_no_key_is_created_and_no_money_moves(endpoint: str) -> None:
    with serving() as own:
        studio = Studio(endpoint, own)
        put_management_key(endpoint, "sk-or-v1-a-key-that-was-revoked")
        user = fresh_user()
        try:
            assert studio.ask(user).status == 503
        finally:
            put_management_key(endpoint)
        assert studio.figures(user) == (10 * CREDIT, 0)
        assert own.keys(user) == []


def token(studio: Studio, **claims: Any) -> dict[str, str]:
    return studio.headers("ann", **claims)


@pytest.mark.parametrize(
    "claims",
    [
        {"uid": None},
        {"uid": 7},
        {"uid": ""},
        {"uid": "a b"},
        {"uid": "x" * 129},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
def test_an_invalid_token_is_401(studio: Studio, claims: dict[str, Any]) -> None:
    reply = studio.gateway.call("POST", "/api/key", headers=token(studio, **claims))
    assert (reply.status, reply.code, reply.json["error"]) == (401, "unauthorized", "Unauthorized")
    assert "www-authenticate" in reply.headers


def test_credentials_of_other_kinds_are_401(studio: Studio) -> None:
    gateway = studio.gateway
    claims = {"uid": "ann", "sub": "ann", "exp": int(studio.now) + 60}
    foreign = gateway.rings["ENGINE_JWT_SECRET"].signing
    for headers in (
        {},
        {"authorization": "Bearer invalid"},
        {"authorization": f"Bearer {jwt.encode(claims, foreign, 'HS256')}"},
        {"authorization": f"Bearer {jwt.encode(claims, None, 'none')}"},
        gateway.admin,
        gateway.api_key,
    ):
        assert gateway.call("POST", "/api/key", headers=headers).status == 401


def test_a_valid_token_for_another_audience_is_403(studio: Studio) -> None:
    reply = studio.gateway.call("POST", "/api/key", headers=token(studio, aud="another"))
    assert (reply.status, reply.code) == (403, "forbidden")


def test_calls_beyond_the_rate_limit_are_429(endpoint: str) -> None:
    with serving() as own:
        studio = Studio(endpoint, own, RATE_LIMIT="2")
        user = fresh_user()
        assert [studio.ask(user).status for _ in range(3)] == [200, 200, 429]


def test_two_users_have_two_keys(studio: Studio) -> None:
    ann, bob = fresh_user(), fresh_user()
    assert studio.key(ann)["key"] != studio.key(bob)["key"]


def test_a_key_appears_only_in_the_answer_to_its_owner(endpoint: str) -> None:
    with serving() as own, caught() as lines:
        studio = Studio(endpoint, own, PLAN_POLICY="block")
        user = fresh_user()
        seen = [studio.key(user)["key"]]
        own.spend(seen[0], "0.6")
        own.fault("create_key", "drop", when="after")
        seen.append(studio.key(user)["key"])
        studio.forward(30)
        seen.append(studio.key(user)["key"])
        studio.settle()
        drain(studio, user)
        own.spend(seen[-1], "0.95")
        refused = studio.ask(user)
        assert len(set(seen)) == 2
        texts = [json.dumps(studio.everything()), lines.text, refused.text]
        texts += [entry.reason + entry.subject for entry in studio.entries(user)]
        for secret in {*seen, MANAGEMENT_KEY}:
            assert not [text for text in texts if secret in text or secret[9:] in text]
        assert "sk-or-v1" not in "".join(texts)


def test_a_secret_does_not_appear_in_representations(studio: Studio) -> None:
    user = fresh_user()
    key = studio.key(user)["key"]
    assert key not in repr(CreatedKey("hash", key))
    assert key not in repr(NewKey(studio.items(user)[0], key))


@pytest.mark.parametrize("user", ["ann", "a:b:c", "x@y.z", "1.2:3", "u" * 128])
def test_a_key_name_carries_user_deployment_and_number(user: str) -> None:
    name = key_name("pluct-prod", user, 12)
    assert name == f"sub:{user}:pluct-prod.000000012"
    assert parse_key_name("pluct-prod", name) == (user, 12)
    assert parse_key_name("pluct-dev", name) is None


@pytest.mark.parametrize(
    "name",
    ["", "sub", "other product 1", "sub:ann:1", "sub:ann:pluct-prod.12", "sub::pluct-prod.000000001",
     "sub:ann:pluct-prod.00000001x", "SUB:ann:pluct-prod.000000001", "xsub:ann:pluct-prod.000000001",
     "sub:ann:pluct-prod.0000000011"],
)  # fmt: skip
def test_a_name_of_another_form_belongs_to_no_user(name: str) -> None:
    assert parse_key_name("pluct-prod", name) is None
