"""Forged and mismatched tokens are answered with 401 on every route."""

import time
from typing import Any

import pytest

from engine.access.keyrings import Ring
from engine.access.tokens import issue_user
from tests.support import deployed, forge
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway
from tests.support.scene import VIDEO

STRANGE_KEY = "a-key-that-nobody-gave-to-the-engine-in-these-tests"


def claims(user: str, **changed: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {"sub": user, "iat": now, "exp": now + 600, "scope": "ttt:transcribe", **changed}
    return {name: value for name, value in made.items() if value != "left out"}


def vended_claims(user: str, **changed: Any) -> dict[str, Any]:
    ours = {"iss": "pluct-business-engine", "aud": "tttranscribe", "jti": "made-up"}
    return claims(user, **{**ours, **changed})


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


FORGERIES: dict[str, dict[str, Any]] = {
    "no end": {"exp": "left out"},
    "no subject": {"sub": "left out"},
    "run out": {"exp": 1_700_000_000},
    "ends in words": {"exp": "tomorrow"},
    "ends never": {"exp": 1 << 60},
    "from the future": {"iat": 1 << 40},
    "for another audience": {"aud": "somebody"},
    "subject with a hash": {"sub": "ann#x"},
}


@pytest.mark.parametrize("changed", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_user_token_with_bad_claims_is_refused(gateway: Gateway, changed: dict[str, Any]) -> None:
    user, _ = gateway.user(balance=1)
    key = gateway.rings["ENGINE_JWT_SECRET"].signing
    headers = bearer(forge.token(claims(user, **changed), key))
    for method, path in (
        ("GET", "/v1/credits/balance"),
        ("POST", "/v1/vend-token"),
        ("GET", f"/user/{user}/balance"),
        ("GET", "/ttt/status/ping"),
        ("GET", "/estimate"),
    ):
        reply = gateway.call(method, path, headers=headers)
        assert_refused(reply, 401)
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]
    assert gateway.balance(user) == 1


@pytest.mark.parametrize("changed", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_vended_token_with_bad_claims_is_refused(
    gateway: Gateway, changed: dict[str, Any]
) -> None:
    user, _ = gateway.user(balance=1)
    key = gateway.rings["VEND_JWT_SECRET"].signing
    text = forge.token(vended_claims(user, **changed), key)
    reply = gateway.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=bearer(text))
    assert_refused(reply, 401)
    look = gateway.call("POST", "/validate-token", {"token": text, "consume": True})
    assert look.json["valid"] is False


@pytest.mark.parametrize("alg", ["none", "None", "NONE"])
def test_an_unsigned_token_is_refused(gateway: Gateway, alg: str) -> None:
    user, _ = gateway.user(balance=1)
    header = forge.part({"alg": alg, "typ": "JWT"})
    text = f"{header}.{forge.part(claims(user))}."
    assert_refused(gateway.call("POST", "/v1/vend-token", {}, headers=bearer(text)), 401)
    assert gateway.balance(user) == 1


def test_each_kind_of_token_needs_its_own_key(gateway: Gateway) -> None:
    """Every secret there is is tried on every kind but its own."""
    user, _ = gateway.user(balance=1)
    for name in (
        "VEND_JWT_SECRET",
        "ENGINE_ADMIN_KEY",
        "ADMIN_SECRET",
        "WEBHOOK_SECRET",
        "TTT_SHARED_SECRET",
    ):
        text = forge.token(claims(user), gateway.rings[name].signing)
        assert_refused(gateway.call("GET", "/v1/credits/balance", headers=bearer(text)), 401)
    for name in sorted(set(deployed.secret_names()) - {"VEND_JWT_SECRET"}):
        text = forge.token(vended_claims(user), gateway.rings[name].signing)
        reply = gateway.call("POST", "/ttt/transcribe", {"url": VIDEO}, headers=bearer(text))
        assert_refused(reply, 401)
    for key in (STRANGE_KEY, "", "secret", "changeme"):
        text = forge.token(claims(user), key)
        assert_refused(gateway.call("POST", "/v1/vend-token", {}, headers=bearer(text)), 401)
    assert gateway.balance(user) == 1


def test_a_refused_token_is_not_shown_in_the_answer(gateway: Gateway) -> None:
    text = forge.token(claims("ann"), STRANGE_KEY)
    reply = gateway.call("GET", "/v1/credits/balance", headers=bearer(text))
    assert text not in reply.text and text not in str(reply.headers)
    assert reply.details == {"reason": "bad signature"}


@pytest.mark.parametrize("scope", ["", "read", "ttt:transcribe:all", ["read"], 7, None])
def test_vending_needs_the_transcription_scope(gateway: Gateway, scope: Any) -> None:
    user, _ = gateway.user(balance=1)
    text = forge.token(claims(user, scope=scope), gateway.rings["ENGINE_JWT_SECRET"].signing)
    reply = gateway.call("POST", "/v1/vend-token", {}, headers=bearer(text))
    assert_refused(reply, 403)
    assert reply.details == {"scope": "ttt:transcribe"}
    assert gateway.call("GET", "/v1/credits/balance", headers=bearer(text)).status == 200
    assert gateway.balance(user) == 1


def test_a_user_token_may_not_live_longer_than_the_deployment_says(endpoint: str) -> None:
    gateway = Gateway(endpoint, USER_TOKEN_MAX_AGE="600")
    gateway.now = 1_800_000_000
    ring = gateway.rings["ENGINE_JWT_SECRET"]
    for lifetime_s, status in ((600, 200), (661, 401)):
        text = issue_user("ann", ring, now=1_800_000_000, lifetime_s=lifetime_s)
        reply = gateway.call("GET", "/v1/credits/balance", headers=bearer(text))
        assert reply.status == status


def test_after_a_rotation_the_old_key_verifies_and_the_new_one_signs(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = gateway.rings["ENGINE_JWT_SECRET"].signing
    rings = {"ENGINE_JWT_SECRET": Ring((old, STRANGE_KEY))}
    monkeypatch.setattr(gateway.function("users"), "rings", rings)
    monkeypatch.setattr(gateway.function("credits"), "rings", rings)
    made = gateway.call("POST", "/v1/devices").json
    for text in (made["token"], forge.token(claims(made["userId"]), old)):
        assert gateway.call("GET", "/v1/credits/balance", headers=bearer(text)).status == 200
    monkeypatch.undo()
    assert_refused(gateway.call("GET", "/v1/credits/balance", headers=bearer(made["token"])), 401)
