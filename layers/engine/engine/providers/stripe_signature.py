"""The signature of Stripe's webhooks. Format: docs.stripe.com/webhooks/signature, scheme `v1`.

The header is `t=<seconds>,v1=<hex>[,v1=<hex>][,v0=<hex>]`; the signature is HMAC-SHA256 of `<t>.<body>` under
the whole secret, `whsec_` included. Stricter than Stripe's library: a time ahead of ours is bounded too, the
time has no leading zero, there is one `t`, and no blanks.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable

HEADER = "stripe-signature"
TOLERANCE_S = 300
MOST_ITEMS = 16
_LONGEST = 4096
_TIME = re.compile(r"[1-9][0-9]{0,11}")


def is_signed(header: str, body: bytes, secrets: Iterable[str], now: int) -> bool:
    """Whether one of `secrets` signed `body` at most `TOLERANCE_S` from `now` (epoch seconds)."""
    pairs = [item.partition("=") for item in header.split(",")[:MOST_ITEMS]]
    times = [value for name, _, value in pairs if name == "t"]
    if len(header) > _LONGEST or not all(equals for _, equals, _ in pairs) or len(times) != 1:
        return False
    if not _TIME.fullmatch(times[0]) or abs(now - int(times[0])) > TOLERANCE_S:
        return False
    # Bytes, because a comparison of texts raises on what is not ASCII.
    given = [value.encode(errors="surrogatepass") for name, _, value in pairs if name == "v1"]
    found = False
    for secret in secrets:
        expected = signature(secret, times[0], body).encode()
        for value in given:
            found |= hmac.compare_digest(expected, value)
    return found


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The signature of scheme `v1` in lower-case hex; `timestamp` as in the header."""
    signed = timestamp.encode() + b"." + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
