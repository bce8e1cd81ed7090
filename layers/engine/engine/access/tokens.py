"""JSON web tokens: HS256 alone, one key ring and one audience for each kind.

One kind is never accepted as another: the rings differ, and the claims of the kind are checked.
PyJWT checks form and signature, and signs; times are checked here against an injected clock.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jwt

from engine.access.keyrings import Ring
from engine.platform.errors import Forbidden, Unauthorized
from engine.platform.ids import is_user_id
from engine.platform.times import HOUR_S
from engine.web import scopes

ISSUER = "pluct-business-engine"
UPSTREAM_AUDIENCE = "tttranscribe"
VENDED_LIFETIME_S = 15 * 60
USER_LIFETIME_S = 24 * HOUR_S
UPSTREAM_LIFETIME_S = 60
SKEW_S = 60
"""How far an issuer's clock may be ahead of ours; an expired token gets no tolerance."""
MAX_LENGTH = 4096
TOLD_LIMIT = 320
"""No e-mail address is longer (RFC 3696)."""

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""Three parts in base64url without padding (RFC 7515, section 2)."""
ALGORITHM = "HS256"
_compact = json.JSONEncoder(separators=(",", ":")).encode
_HEADER = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
"""`{"alg":"HS256","typ":"JWT"}`."""
_signatures = jwt.PyJWS([ALGORITHM])
_hs256 = _signatures.get_algorithm_by_name(ALGORITHM)


@dataclass(frozen=True, slots=True)
class UserToken:
    """An authenticated user."""

    user: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class SubscriberToken:
    """An authenticated subscriber; `email` and `username` are empty if the token lacks them."""

    user: str
    email: str
    username: str


@dataclass(frozen=True, slots=True)
class VendedToken:
    """The right to use what one hold pays for: by default to start one transcription, and to read its
    owner's jobs. Times in epoch seconds.
    """

    user: str
    jti: str
    issued_at: int
    expires_at: int
    audience: str = UPSTREAM_AUDIENCE
    scope: str = scopes.TRANSCRIBE
    product: str = ""
    """The product and its version, `<code>@<version>`; empty for the first version of `transcript`."""
    units: int = 0
    """The units of the product, 0 without one."""

    def left_s(self, now: int) -> int:
        """The seconds that are left of its time, 0 where it is over."""
        return max(0, self.expires_at - now)

    def claims(self) -> dict[str, Any]:
        about = {"product": self.product, "units": self.units} if self.product else {}
        return {
            "iss": ISSUER,
            "aud": self.audience,
            "sub": self.user,
            "scope": self.scope,
            "jti": self.jti,
            "iat": self.issued_at,
            "exp": self.expires_at,
            **about,
        }


def issue_vended(token: VendedToken, ring: Ring) -> str:
    """The token's text; equal claims under the same key give equal text."""
    return _signed(token.claims(), ring.signing)


def issue_user(user: str, ring: Ring, *, now: int, lifetime_s: int) -> str:
    """A user token with the scope to vend."""
    claims = {
        "iss": ISSUER,
        "aud": ISSUER,
        "sub": user,
        "scope": scopes.TRANSCRIBE,
        "iat": now,
        "exp": now + lifetime_s,
    }
    return _signed(claims, ring.signing)


def issue_for_upstream(subject: str, secret: str, *, now: int) -> str:
    """A token for the transcription service, valid for a minute."""
    claims = {
        "iss": ISSUER,
        "aud": UPSTREAM_AUDIENCE,
        "sub": subject,
        "iat": now,
        "exp": now + UPSTREAM_LIFETIME_S,
    }
    return _signed(claims, secret)


def verify_user(text: str, ring: Ring, *, now: int, max_age_s: int) -> UserToken:
    """The user of the token `text`. Raises `Unauthorized`.

    `aud` must be absent or contain ours, and the remaining lifetime at most `max_age_s`.
    """
    claims = _verified(text, ring, now)
    if not _is_for(claims, ISSUER, absent=True):
        raise Unauthorized("wrong audience")
    if claims.get("typ") not in (None, "user", "access"):
        raise Unauthorized("wrong kind")
    if claims["exp"] - now > max_age_s + SKEW_S:
        raise Unauthorized("lifetime too long")
    return UserToken(claims["sub"], _scopes(claims))


def verify_subscriber(text: str, ring: Ring, *, now: int) -> SubscriberToken:
    """The subscriber of the token `text`, named by `uid`. Raises `Unauthorized`, and `Forbidden` for a valid
    token with another audience.
    """
    claims = _verified(text, ring, now, "uid")
    if not _is_for(claims, ISSUER, absent=True):
        raise Forbidden("This credential is for another service.")
    return SubscriberToken(claims["uid"], _told(claims, "email"), _told(claims, "username"))


def verify_vended(text: str, ring: Ring, *, now: int) -> VendedToken:
    """The vended token in `text`, which may start a transcription. Raises `Unauthorized`."""
    token = verify_for(text, ring, UPSTREAM_AUDIENCE, now=now)
    if scopes.TRANSCRIBE not in token.scope.split():
        raise Unauthorized("wrong scope")
    return token


def verify_for(text: str, ring: Ring, audience: str, *, now: int) -> VendedToken:
    """The vended token in `text`, which is for `audience`. Raises `Unauthorized`."""
    claims = _verified(text, ring, now)
    if claims.get("iss") != ISSUER or not _is_for(claims, audience):
        raise Unauthorized("wrong audience")
    jti, issued_at = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not jti or not isinstance(issued_at, int):
        raise Unauthorized("malformed")
    units = claims.get("units", 0)
    return VendedToken(
        claims["sub"],
        jti,
        issued_at,
        int(claims["exp"]),
        audience,
        " ".join(sorted(_scopes(claims))),
        _told(claims, "product"),
        units if isinstance(units, int) else 0,
    )


def verify_own(text: str, ring: Ring, *, now: int) -> VendedToken:
    """The vended token in `text`, for whatever audience it names. Raises `Unauthorized`."""
    audience = _audience(text)
    if not isinstance(audience, str) or audience == ISSUER:
        raise Unauthorized("wrong audience")
    return verify_for(text, ring, audience, now=now)


def is_for_upstream(text: str) -> bool:
    """Whether `text` claims to be a vended token; it is not verified."""
    return _is_for({"aud": _audience(text)}, UPSTREAM_AUDIENCE)


def _audience(text: str) -> Any:
    """The `aud` that `text` claims, None without one; it is not verified."""
    try:
        claims: Any = jwt.decode(text, options={"verify_signature": False})
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        return None
    return claims.get("aud")


def _is_for(claims: Mapping[str, Any], audience: str, *, absent: bool = False) -> bool:
    """Whether `aud` is `audience` or a list that contains it (RFC 7519, section 4.1.3); `absent` is the
    answer without an `aud`.
    """
    if "aud" not in claims:
        return absent
    found = claims["aud"]
    return audience in found if isinstance(found, list) else bool(found == audience)


def _verified(text: str, ring: Ring, now: int, subject: str = "sub") -> dict[str, Any]:
    """The claims of a token that a key of `ring` signed and that is valid at `now`; the claim `subject` is
    a user id.
    """
    if len(text) > MAX_LENGTH or not _COMPACT.fullmatch(text):
        raise Unauthorized("malformed")
    claims = _signed_claims(text, ring)
    if not is_user_id(claims.get(subject)):
        raise Unauthorized("no subject")
    if not all(_is_time(claims.get(name, 0)) for name in ("nbf", "iat")):
        raise Unauthorized("malformed")
    if not _is_time(claims.get("exp")):
        raise Unauthorized("no end")
    if now >= claims["exp"]:
        raise Unauthorized("expired")
    if now < max(claims.get("nbf", 0), claims.get("iat", 0)) - SKEW_S:
        raise Unauthorized("not valid yet")
    return claims


def _signed(claims: Mapping[str, Any], secret: str) -> str:
    """`claims` as a token, as PyJWT's `encode` writes it, which prepares the key anew for each token: that
    costs more than the rest.
    """
    text = f"{_HEADER}.{_part(_compact(claims).encode())}"
    return f"{text}.{_part(_hs256.sign(text.encode(), _prepared(secret)))}"


@lru_cache(maxsize=16)
def _prepared(secret: str) -> Any:
    """The key in `secret`. Raises `jwt.InvalidKeyError` for one that is no shared secret."""
    return _hs256.prepare_key(secret)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _signed_claims(text: str, ring: Ring) -> dict[str, Any]:
    """Tries the newest key first, because most tokens carry its signature."""
    for secret in reversed(ring.secrets):
        try:
            token = _signatures.decode_complete(text, secret, algorithms=[ALGORITHM])
            claims: Any = json.loads(token["payload"])
        except (jwt.InvalidSignatureError, jwt.InvalidKeyError):
            continue
        except (jwt.InvalidTokenError, ValueError, RecursionError):
            raise Unauthorized("malformed") from None
        if not isinstance(claims, dict):
            raise Unauthorized("malformed")
        _refuse_foreign_header(token["header"])
        return claims
    raise Unauthorized("bad signature")


def _refuse_foreign_header(header: Mapping[str, Any]) -> None:
    """A header contains only `alg` HS256, `typ` JWT and `kid`; no key of its own and no `crit`."""
    if header.get("alg") != ALGORITHM or header.keys() - {"alg", "typ", "kid"}:
        raise Unauthorized("malformed")
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise Unauthorized("wrong kind")


def _told(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value[:TOLD_LIMIT] if isinstance(value, str) else ""


def _is_time(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < 1 << 53


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """`scope` as words in a string (RFC 8693), or as a list, which older apps send."""
    scope = claims.get("scope", "")
    if isinstance(scope, str):
        return frozenset(scope.split())
    if isinstance(scope, list):
        return frozenset(word for word in scope if isinstance(word, str))
    return frozenset()
