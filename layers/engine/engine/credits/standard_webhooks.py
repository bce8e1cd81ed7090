"""Signatures of received and sent webhooks. Format: Standard Webhooks 1.0, symmetric (`v1`).

A receiver's secret is `whsec_` and the base64 of a ring's secret in UTF-8. Every key of a ring signs, so a
receiver may switch to a new key at any time.
"""

import base64
import hashlib
import hmac

from engine.access.keyrings import Ring


def headers(message_id: str, timestamp: int, body: bytes, ring: Ring) -> dict[str, str]:
    """The three headers of a message; `timestamp` in epoch seconds."""
    at = str(timestamp)
    signatures = [
        f"v1,{signature(secret.encode(), message_id, at, body)}" for secret in ring.secrets
    ]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": at,
        "webhook-signature": " ".join(signatures),
    }


def signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    """One signature of version 1 in base64; `timestamp` as in the header."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
