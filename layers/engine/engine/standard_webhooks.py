"""Signatures of outgoing webhooks. Format: Standard Webhooks 1.0, symmetric (`v1`).

A receiver's secret is `whsec_` and the base64 of a ring's secret in UTF-8. While a ring has several keys
each signs, so a receiver may change over at any time.
"""

import base64
import hashlib
import hmac

from engine.keyrings import Ring


def headers(message_id: str, timestamp: int, body: bytes, ring: Ring) -> dict[str, str]:
    """The three headers of a message; `timestamp` in epoch seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [_signature(secret.encode(), signed) for secret in ring.secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def _signature(key: bytes, signed: bytes) -> str:
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()
