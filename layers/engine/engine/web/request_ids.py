"""The client's request id, which makes a write safe to repeat, and the fingerprint of its payload.

Header format: draft-ietf-httpapi-idempotency-key-header, a quoted string; unquoted values
are accepted, because most clients send them.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.platform.errors import InvalidRequest
from engine.platform.times import HOUR_S

KEEP_S = 48 * HOUR_S
"""How long an answer can be repeated; the contract promises 24 hours."""

KEY_MEMBER = "clientRequestId"
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


@dataclass(frozen=True, slots=True)
class RequestKey:
    """The client's id of a request, None if it sent none, and the fingerprint of its payload."""

    key: str | None
    fingerprint: str


def request_key(headers: Mapping[str, str], body: Mapping[str, Any]) -> RequestKey:
    """The key and fingerprint of a request; header names are lower-case.

    The key is `Idempotency-Key`, else `clientRequestId` in the body, else `X-Client-Request-Id`: the app
    sends a new header with every attempt and repeats the id in the body. Raises `InvalidRequest` if any
    of the three is malformed, even one that is not used.
    """
    payload = {name: value for name, value in body.items() if name != KEY_MEMBER}
    keys = [
        _checked(_bare(headers[name.lower()]), name) if name.lower() in headers else None
        for name in ("Idempotency-Key", "X-Client-Request-Id")
    ]
    if body.get(KEY_MEMBER) is not None:
        keys.insert(1, _checked(body[KEY_MEMBER], KEY_MEMBER))
    return RequestKey(next((key for key in keys if key is not None), None), fingerprint(payload))


def replay_headers(replayed: bool) -> dict[str, str]:
    """The header that marks a replayed answer; none for a first answer."""
    return {"Idempotency-Replayed": "true"} if replayed else {}


def fingerprint(payload: Mapping[str, Any]) -> str:
    """A digest of `payload`, independent of the order of its members."""
    return hashlib.sha256(_canonical(payload).encode()).hexdigest()[:32]


def _bare(value: str) -> str:
    """A Structured Fields string without quotes and escapes; other values unchanged."""
    value = value.strip()
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\([\"\\])", r"\1", value[1:-1])
    return value


def _checked(value: Any, field: str) -> str:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise InvalidRequest(
            "A request id is 1 to 255 printable ASCII characters.", details={"field": field}
        )
    return value
