"""Authenticates payment providers: by the plain secret, or by a signature over id, time and body bytes.
Format of signatures: Standard Webhooks 1.0.

The ring's secrets that begin with `whsec_` are keys of signatures; a plain secret never signs.
"""

import base64
import binascii
import hmac
import re
from dataclasses import dataclass

from engine.access.keyrings import Ring
from engine.credits.standard_webhooks import signature
from engine.platform.errors import Unauthorized
from engine.web.http import Call

ACTOR = "webhook:payment"
SCHEME = "WebhookSecret"
KEY_PREFIX = "whsec_"
TOLERANCE_S = 300
"""How far a signature's time may differ from ours, in either direction."""

MOST_SIGNATURES = 16
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")
_TIME = re.compile(r"[0-9]{1,12}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """An authenticated webhook; `id` is the provider's message id, None without a signature."""

    actor: str
    id: str | None


def verify(call: Call, ring: Ring) -> Delivery:
    """Raises `Unauthorized`; for a signed one also `InvalidRequest`, `PayloadTooLarge`."""
    if "webhook-signature" in call.headers:
        return Delivery(ACTOR, _signed_id(call, ring))
    presented = call.headers.get("x-webhook-secret", "")
    if not presented:
        raise Unauthorized(scheme=SCHEME)
    if not ring.matches(presented):
        raise Unauthorized("not known", scheme=SCHEME)
    return Delivery(ACTOR, None)


def _signed_id(call: Call, ring: Ring) -> str:
    message_id = call.headers.get("webhook-id", "")
    timestamp = call.headers.get("webhook-timestamp", "")
    if not _ID.fullmatch(message_id) or not _TIME.fullmatch(timestamp):
        raise Unauthorized("webhook-id and webhook-timestamp are needed", scheme=SCHEME)
    if abs(call.now - int(timestamp)) > TOLERANCE_S:
        raise Unauthorized("signed too long ago or ahead of time", scheme=SCHEME)
    given = [
        text.removeprefix("v1,").encode()
        for text in call.headers["webhook-signature"].split(" ")[:MOST_SIGNATURES]
        if text.startswith("v1,")
    ]
    found = False
    for key in _keys(ring):
        expected = signature(key, message_id, timestamp, call.raw_body).encode()
        for text in given:
            found |= hmac.compare_digest(expected, text)
    if not found:
        raise Unauthorized("the signature is not ours", scheme=SCHEME)
    return message_id


def _keys(ring: Ring) -> list[bytes]:
    """The keys of signatures; a secret that is not base64 is ignored."""
    keys = []
    for secret in ring.secrets:
        text = secret.removeprefix(KEY_PREFIX)
        if text == secret:
            continue
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            continue
        if key:
            keys.append(key)
    return keys
