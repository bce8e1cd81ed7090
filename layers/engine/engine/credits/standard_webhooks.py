"""Signatures of webhooks, both ways. Format: Standard Webhooks 1.0, symmetric (`v1`).

A receiver's secret is `whsec_` and the base64 of a ring's secret in UTF-8. While a ring has several keys
each signs, so a receiver may change over at any time.
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
    """The base64 text of one signature of version 1; `timestamp` as it is sent."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
