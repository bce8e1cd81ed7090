"""Tokens as an attacker or a careless issuer would make them: any header, any bytes, any signature."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

HS256_HEADER: Mapping[str, Any] = {"alg": "HS256", "typ": "JWT"}


def b64url(raw: bytes) -> str:
    """Base64url without padding, as RFC 7515 demands it."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def part(value: Mapping[str, Any] | list[Any] | str | bytes) -> str:
    """A segment: text and bytes go in as they are, everything else as JSON."""
    if isinstance(value, str):
        return b64url(value.encode())
    return b64url(value if isinstance(value, bytes) else json.dumps(value).encode())


def signature(signing_input: str, key: str, digest: str = "sha256") -> str:
    """The HMAC of `signing_input` as a segment."""
    return b64url(hmac.new(key.encode(), signing_input.encode(), getattr(hashlib, digest)).digest())


def token(
    payload: Mapping[str, Any] | list[Any] | str | bytes,
    key: str,
    *,
    header: Mapping[str, Any] | list[Any] | str | bytes = HS256_HEADER,
    digest: str = "sha256",
) -> str:
    """A token whose signature is right for its bytes, whatever they say."""
    signing_input = f"{part(header)}.{part(payload)}"
    return f"{signing_input}.{signature(signing_input, key, digest)}"
