"""What an app keeps about its user: theirs alone, whole, and never shown to a stranger."""

from typing import Any

import pytest

from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply
from tests.support.streams import fresh

PROFILE = {"name": "Zoë", "theme": "dark", "tags": ["a", 1, None, True], "ratio": 0.5}


def put(gateway: Gateway, user: str, profile: Any, headers: dict[str, str]) -> Reply:
    return gateway.call("PUT", f"/user/{user}/profile", {"profile": profile}, headers=headers)


def get(gateway: Gateway, user: str, headers: dict[str, str]) -> Reply:
    return gateway.call("GET", f"/user/{user}/profile", headers=headers)


def test_a_profile_is_read_as_it_was_kept_and_replaced_as_a_whole(gateway: Gateway) -> None:
    user, headers = gateway.user()
    assert get(gateway, user, headers).json == {
        "ok": True,
        "userId": user,
        "profile": {},
        "updatedAt": None,
    }
    kept = put(gateway, user, PROFILE, headers)
    assert (kept.status, kept.json["profile"]) == (200, PROFILE)
    assert get(gateway, user, headers).text == kept.text
    assert put(gateway, user, {"theme": "light"}, headers).json["profile"] == {"theme": "light"}
    assert len(gateway.entries(user)) == 1


def test_operators_read_profiles_and_only_an_admin_writes_them(gateway: Gateway) -> None:
    user, headers = gateway.user()
    put(gateway, user, PROFILE, headers)
    for credential in (gateway.api_key, gateway.admin):
        assert get(gateway, user, credential).json["profile"] == PROFILE
    assert_refused(put(gateway, user, {}, gateway.api_key), 403)
    assert put(gateway, user, {"flag": 1}, gateway.admin).json["profile"] == {"flag": 1}


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_profile_is_nobody_elses(gateway: Gateway, method: str) -> None:
    user, own = gateway.user(balance=1)
    _, other = gateway.user()
    body = {"profile": {}} if method == "PUT" else None
    vended = {"authorization": f"Bearer {gateway.vend(own).json['token']}"}
    path = f"/user/{user}/profile"
    assert_refused(gateway.call(method, path, body, headers=other), 404)
    for credential in ({}, vended, {"x-api-key": "x"}):
        assert_refused(gateway.call(method, path, body, headers=credential), 401)
    nobody = gateway.user_headers("nobody-at-all")
    for name in ("nobody-at-all", "%23", "x" * 129):
        assert_refused(gateway.call(method, f"/user/{name}/profile", body, headers=nobody), 404)
        assert_refused(
            gateway.call(method, f"/user/{name}/profile", body, headers=gateway.admin), 404
        )


@pytest.mark.parametrize(
    "profile",
    [None, [], "x", 7, {f"m{n}": 1 for n in range(65)}, {"long": "x" * 4096}, {"ü": "ü" * 700}],
)
def test_a_profile_is_an_object_of_a_size(gateway: Gateway, profile: Any) -> None:
    user, headers = gateway.user()
    reply = put(gateway, user, profile, headers)
    assert_refused(reply, 400)
    assert reply.json["details"] == {"field": "profile"}
    assert get(gateway, user, headers).json["updatedAt"] is None


def test_a_profile_counts_in_the_users_limit(endpoint: str) -> None:
    gateway = Gateway(endpoint, RATE_LIMIT="2")
    user, headers = gateway.user()
    for status in (200, 200, 429):
        assert get(gateway, user, headers).status == status


def test_a_kept_profile_does_not_make_a_user(gateway: Gateway) -> None:
    user = fresh("ghost")
    assert_refused(put(gateway, user, {}, gateway.user_headers(user)), 404)
    assert gateway.ledger.table.get(f"A#{user}", "PROFILE") is None
