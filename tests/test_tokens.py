"""Tokens: only HS256 under the right ring and of the right kind is accepted."""

import json
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.access.keyrings import Ring
from engine.access.tokens import (
    UserToken,
    VendedToken,
    issue_user,
    issue_vended,
    verify_user,
    verify_vended,
)
from engine.platform.errors import Unauthorized
from tests.support import forge
from tests.support.properties import PROPERTY

NOW = 1_800_000_000
MAX_AGE_S = 86_400
KEY = "a-key-of-the-tests-that-is-long-enough-for-sha-256"
OLD_KEY = "an-older-key-of-the-tests-that-is-long-enough-too"
STRANGE_KEY = "a-key-that-nobody-gave-to-the-engine-in-these-tests"
RING = Ring((OLD_KEY, KEY))

USER: dict[str, Any] = {"sub": "ann", "exp": NOW + 600, "iat": NOW, "scope": "ttt:transcribe"}
VENDED: dict[str, Any] = {
    "iss": "pluct-business-engine",
    "aud": "tttranscribe",
    "sub": "ann",
    "scope": "ttt:transcribe",
    "jti": "j-1",
    "iat": NOW,
    "exp": NOW + 900,
}


def as_user(text: str, ring: Ring = RING, now: int = NOW) -> UserToken:
    return verify_user(text, ring, now=now, max_age_s=MAX_AGE_S)


def as_vended(text: str, ring: Ring = RING, now: int = NOW) -> VendedToken:
    return verify_vended(text, ring, now=now)


KINDS: list[tuple[Callable[[str], Any], dict[str, Any]]] = [(as_user, USER), (as_vended, VENDED)]
both_kinds = pytest.mark.parametrize(("verify", "claims"), KINDS, ids=["user", "vended"])


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in claims.items() if other != name}


def refusal(verify: Callable[[str], Any], text: str) -> str:
    """The reason that is given for refusing `text`; fails where it is accepted."""
    with pytest.raises(Unauthorized) as refused:
        verify(text)
    assert refused.value.status == 401
    assert refused.value.headers["WWW-Authenticate"].startswith("Bearer ")
    return str(refused.value.details["reason"])


def answer(verify: Callable[[str], Any], text: str) -> str:
    """The user of `text`, or the reason for refusing it."""
    try:
        return str(verify(text).user)
    except Unauthorized as refused:
        return str(refused.details["reason"])


@both_kinds
def test_a_valid_token_is_accepted(verify: Callable[[str], Any], claims: dict[str, Any]) -> None:
    assert verify(forge.token(claims, KEY)).user == "ann"


@both_kinds
@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "NONE"},
        {"alg": ""},
        {"alg": None},
        {"alg": ["HS256"]},
        {"alg": "hs256"},
        {"alg": " HS256"},
        {"alg": "RS256"},
        {"alg": "ES256"},
        {"alg": "PS256"},
        {"alg": "EdDSA"},
        {"typ": "JWT"},
        {},
        [],
        ["alg", "HS256"],
        '"HS256"',
        "null",
        "{",
        b"\xff\xfe",
        '{"alg":"HS256","alg":"none"}',
        '{"alg":"none","alg":"HS384"}',
        "[" * 2_500,
        {"alg": "HS256", "kid": 7},
        {"alg": "HS256", "kid": None},
        {"alg": "HS256", "jku": "https://evil.example/keys"},
        {"alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}},
        {"alg": "HS256", "x5u": "https://evil.example/cert"},
        {"alg": "HS256", "x5c": ["MIIB"]},
        {"alg": "HS256", "x5t": "AAAA"},
        {"alg": "HS256", "cty": "JWT"},
        {"alg": "HS256", "zip": "DEF"},
        {"alg": "HS256", "crit": []},
        {"alg": "HS256", "crit": ["exp"], "exp": 1},
        {"alg": "HS256", "crit": ["b64"], "b64": False},
        {"alg": "HS256", "b64": False},
        {"alg": "HS256", "b64": True},
        {"alg": "HS256", "typ": "at+jwt"},
        {"alg": "HS256", "typ": "refresh"},
        {"alg": "HS256", "typ": 1},
    ],
    ids=lambda header: str(header)[:40],
)
def test_a_header_that_is_not_plain_hs256_is_refused_also_under_a_right_signature(
    verify: Callable[[str], Any], claims: dict[str, Any], header: Any
) -> None:
    assert refusal(verify, forge.token(claims, KEY, header=header)) in ("malformed", "wrong kind")


@both_kinds
@pytest.mark.parametrize(("alg", "digest"), [("HS384", "sha384"), ("HS512", "sha512")])
def test_another_digest_under_the_same_key_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any], alg: str, digest: str
) -> None:
    text = forge.token(claims, KEY, header={"alg": alg, "typ": "JWT"}, digest=digest)
    assert refusal(verify, text) == "malformed"
    disguised = forge.token(claims, KEY, digest=digest)
    assert refusal(verify, disguised) == "bad signature"


@both_kinds
@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS256"])
def test_a_token_without_a_signature_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any], alg: str
) -> None:
    bare = f"{forge.part({'alg': alg, 'typ': 'JWT'})}.{forge.part(claims)}"
    for text in (f"{bare}.", bare, f"{bare}..", f".{bare}."):
        refusal(verify, text)


@both_kinds
def test_a_signature_that_is_cut_lengthened_or_written_otherwise_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    text = forge.token(claims, KEY)
    body, _, mac = text.rpartition(".")
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same_bits = last[last.index(mac[-1]) ^ 1]
    for other in (
        mac[:-1],
        mac[:-4],
        mac[:22],
        mac + "A",
        mac + "AAAA",
        mac * 2,
        mac[:-1] + same_bits,
    ):
        refusal(verify, f"{body}.{other}")


@both_kinds
def test_padding_is_refused_as_rfc_7515_has_none(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    refusal(verify, forge.token(claims, KEY) + "=")


@both_kinds
@pytest.mark.parametrize("odd", [" ", "\n", "\t", "\x00", "+", "/", "!", "%20", "é", "A"])
def test_characters_put_in_anywhere_are_refused(
    verify: Callable[[str], Any], claims: dict[str, Any], odd: str
) -> None:
    text = forge.token(claims, KEY)
    for place in (0, 5, text.index(".") + 3, text.rindex(".") + 3, len(text)):
        refusal(verify, text[:place] + odd + text[place:])


@both_kinds
def test_a_token_without_three_parts_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    text = forge.token(claims, KEY)
    for other in (
        "",
        ".",
        "..",
        "...",
        "x",
        f"{text}.",
        f".{text}",
        f"{text}.AAAA",
        f"{text}.{text}",
    ):
        refusal(verify, other)


@both_kinds
def test_a_token_over_four_kilobytes_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    assert refusal(verify, forge.token({**claims, "x": "x" * 4096}, KEY)) == "malformed"


@both_kinds
@pytest.mark.parametrize(
    "payload",
    ["[]", '["sub"]', '"x"', "1", "null", "true", "", "{", "{'a':1}", b"\xff", "[" * 2_000],
)
def test_a_payload_that_is_no_json_object_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any], payload: str | bytes
) -> None:
    assert refusal(verify, forge.token(payload, KEY)) == "malformed"


@both_kinds
def test_a_duplicate_member_cannot_hide_the_expiry(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    """Readers differ on which of the two counts; the one that ends the token is not passed over."""
    text = json.dumps(without(claims, "exp"))[:-1]
    refusal(verify, forge.token(f'{text},"exp":{NOW + 60},"exp":{NOW - 1}}}', KEY))
    refusal(verify, forge.token(f'{text},"exp":{NOW + 60},"exp":null}}', KEY))


@both_kinds
def test_another_key_is_refused(verify: Callable[[str], Any], claims: dict[str, Any]) -> None:
    assert refusal(verify, forge.token(claims, STRANGE_KEY)) == "bad signature"
    assert refusal(verify, forge.token(claims, "")) == "bad signature"
    assert refusal(verify, forge.token(claims, KEY + "\n")) == "bad signature"


@both_kinds
def test_every_key_of_the_ring_verifies(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    assert verify(forge.token(claims, OLD_KEY)).user == "ann"
    assert verify(forge.token(claims, KEY)).user == "ann"


def test_the_newest_key_signs_and_a_key_that_left_the_ring_verifies_no_more() -> None:
    text = issue_user("ann", RING, now=NOW, lifetime_s=60)
    assert as_user(text, Ring((KEY,))).user == "ann"
    assert as_user(text, Ring((KEY, STRANGE_KEY))).user == "ann"
    assert refusal(lambda t: as_user(t, Ring((OLD_KEY,))), text) == "bad signature"


@both_kinds
@pytest.mark.parametrize(
    "exp",
    [str(NOW + 60), True, None, [NOW + 60], {}, -1, -NOW, 1 << 53, 10**30, float("nan"),
     float("inf"), float("-inf")],
)  # fmt: skip
def test_a_malformed_exp_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any], exp: Any
) -> None:
    assert refusal(verify, forge.token({**claims, "exp": exp}, KEY)) == "no end"


@both_kinds
def test_a_token_without_exp_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    assert refusal(verify, forge.token(without(claims, "exp"), KEY)) == "no end"
    assert refusal(verify, forge.token({**claims, "exp": 0}, KEY)) == "expired"


@both_kinds
def test_a_token_expires_at_the_second_of_exp(
    verify: Callable[[str], Any], claims: dict[str, Any]
) -> None:
    assert verify(forge.token({**claims, "exp": NOW + 1}, KEY)).user == "ann"
    assert verify(forge.token({**claims, "exp": NOW + 0.5}, KEY)).user == "ann"
    assert refusal(verify, forge.token({**claims, "exp": NOW}, KEY)) == "expired"
    assert refusal(verify, forge.token({**claims, "exp": NOW - 1}, KEY)) == "expired"


@both_kinds
@pytest.mark.parametrize(
    "sub",
    [
        None,
        "",
        7,
        True,
        ["ann"],
        {},
        "an#n",
        "#",
        "A#ann",
        "ann/..",
        "a b",
        "a\n",
        "\u00e9",
        "a" * 129,
    ],
)
def test_a_subject_that_is_no_user_id_is_refused(
    verify: Callable[[str], Any], claims: dict[str, Any], sub: Any
) -> None:
    assert refusal(verify, forge.token({**claims, "sub": sub}, KEY)) == "no subject"
    assert refusal(verify, forge.token(without(claims, "sub"), KEY)) == "no subject"


@both_kinds
@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_a_token_from_the_future_is_refused_beyond_a_minute_of_skew(
    verify: Callable[[str], Any], claims: dict[str, Any], name: str
) -> None:
    assert verify(forge.token({**claims, name: NOW + 60}, KEY)).user == "ann"
    assert refusal(verify, forge.token({**claims, name: NOW + 61}, KEY)) == "not valid yet"
    odd_times: list[Any] = ["1", True, None, [], -1, 1 << 53, float("nan")]
    for odd in odd_times:
        assert refusal(verify, forge.token({**claims, name: odd}, KEY)) == "malformed"


@pytest.mark.parametrize(
    "aud",
    ["tttranscribe", "", "PLUCT-BUSINESS-ENGINE", None, 1, {}, [],
     ["other"], ["tttranscribe"], [["pluct-business-engine"]], "pluct-business-engine "],
)  # fmt: skip
def test_a_user_token_for_another_audience_is_refused(aud: Any) -> None:
    assert refusal(as_user, forge.token({**USER, "aud": aud}, KEY)) == "wrong audience"


def test_a_user_token_has_our_audience_or_none() -> None:
    for aud in (
        "pluct-business-engine",
        ["pluct-business-engine"],
        ["other", "pluct-business-engine"],
    ):
        assert as_user(forge.token({**USER, "aud": aud}, KEY)).user == "ann"


@pytest.mark.parametrize("typ", ["vended", "refresh", "", 1, ["user"], {"user": 1}, "USER"])
def test_a_token_with_another_typ_is_not_a_user_token(typ: Any) -> None:
    assert refusal(as_user, forge.token({**USER, "typ": typ}, KEY)) == "wrong kind"


def test_a_user_token_may_not_live_longer_than_the_setting() -> None:
    last = NOW + MAX_AGE_S + 60
    assert as_user(forge.token({**USER, "exp": last}, KEY)).user == "ann"
    assert refusal(as_user, forge.token({**USER, "exp": last + 1}, KEY)) == "lifetime too long"


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("ttt:transcribe", {"ttt:transcribe"}),
        ("read  ttt:transcribe", {"read", "ttt:transcribe"}),
        (["ttt:transcribe", 7], {"ttt:transcribe"}),
        ("ttt:transcribe:all", {"ttt:transcribe:all"}),
        ("", set()),
        (7, set()),
        (None, set()),
        ({"ttt:transcribe": True}, set()),
    ],
)
def test_scopes_are_words_in_a_string_or_in_a_list(scope: Any, scopes: set[str]) -> None:
    assert as_user(forge.token({**USER, "scope": scope}, KEY)).scopes == scopes
    assert as_user(forge.token(without(USER, "scope"), KEY)).scopes == frozenset()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("iss", "somebody", "wrong audience"),
        ("iss", None, "wrong audience"),
        ("aud", "pluct-business-engine", "wrong audience"),
        ("aud", ["pluct-business-engine"], "wrong audience"),
        ("aud", None, "wrong audience"),
        ("scope", "read", "wrong scope"),
        ("scope", None, "wrong scope"),
        ("jti", None, "malformed"),
        ("jti", "", "malformed"),
        ("jti", 7, "malformed"),
        ("jti", ["j"], "malformed"),
    ],
)
def test_a_vended_token_with_another_claim_is_refused(name: str, value: Any, reason: str) -> None:
    assert refusal(as_vended, forge.token({**VENDED, name: value}, KEY)) == reason
    assert refusal(as_vended, forge.token(without(VENDED, name), KEY)) == reason


def test_one_kind_of_token_is_never_accepted_as_another() -> None:
    ours = {"iss": "pluct-business-engine", "aud": "pluct-business-engine"}
    assert refusal(as_vended, issue_user("ann", RING, now=NOW, lifetime_s=60)) == "wrong audience"
    assert refusal(as_vended, forge.token({**VENDED, **ours}, KEY)) == "wrong audience"
    vended = issue_vended(VendedToken("ann", "j", NOW, NOW + 900), RING)
    assert refusal(as_user, vended) == "wrong audience"


def test_the_same_claims_give_the_same_text_under_the_same_key() -> None:
    made = VendedToken("ann", "j-1", NOW, NOW + 900)
    assert issue_vended(made, RING) == issue_vended(made, Ring((KEY,)))
    assert issue_vended(made, RING) != issue_vended(made, Ring((KEY, OLD_KEY)))
    assert as_vended(issue_vended(made, RING)) == made
    assert jwt.decode(issue_vended(made, RING), options={"verify_signature": False}) == VENDED


@PROPERTY
@given(
    user=st.text(max_size=20),
    units=st.integers(0, 10**9),
    secret=st.text(min_size=32, max_size=40),
)
def test_a_token_has_the_text_that_pyjwt_gives_it(user: str, units: int, secret: str) -> None:
    made = VendedToken(user, "j-1", NOW, NOW + 900, product="p@2", units=units)
    assert issue_vended(made, Ring((secret,))) == jwt.encode(made.claims(), secret)


@pytest.mark.parametrize(
    "key",
    [
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----",
        "ssh-rsa AAAAB3NzaC1yc2E=",
        '{"kty":"oct","k":"c2VjcmV0"}',
    ],
)
def test_a_key_that_is_no_shared_secret_signs_nothing(key: str) -> None:
    for _ in range(2):
        with pytest.raises(jwt.InvalidKeyError):
            issue_vended(VendedToken("ann", "j-1", NOW, NOW + 900), Ring((key,)))


TEXT = forge.token(USER, KEY)


@PROPERTY
@given(st.integers(0, len(TEXT) - 1), st.characters())
def test_a_token_with_any_one_character_changed_never_verifies(place: int, character: str) -> None:
    other = TEXT[:place] + character + TEXT[place + 1 :]
    if other == TEXT:
        assert as_user(other).user == "ann"
    else:
        refusal(as_user, other)


@PROPERTY
@given(st.text(max_size=300))
def test_any_text_is_refused_without_a_crash(text: str) -> None:
    refusal(as_user, text)
    refusal(as_vended, f"{text}.{text}.{text}")


@PROPERTY
@given(
    st.dictionaries(
        st.sampled_from(["sub", "exp", "nbf", "iat", "aud", "iss", "typ", "scope", "jti"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=3,
        ),
    )
)
def test_any_signed_claims_are_accepted_or_refused_without_a_crash(
    odd: dict[str, Any],
) -> None:
    for verify, claims in KINDS:
        assert 1 <= len(answer(verify, forge.token({**claims, **odd}, KEY))) <= 128


def test_a_ring_with_a_public_key_still_verifies_with_its_secrets() -> None:
    pem = (
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"
    )
    good = "a-good-secret-of-32-characters-00"
    text = issue_user("ann", Ring((good,)), now=NOW, lifetime_s=60)
    for ring in (Ring((good, pem)), Ring((pem, good))):
        assert verify_user(text, ring, now=NOW, max_age_s=3600).user == "ann"
    with pytest.raises(Unauthorized):
        verify_user(text, Ring((pem,)), now=NOW, max_age_s=3600)
