"""Paths under which Daraja calls back: they cannot be guessed, because Daraja signs nothing.

The last segment is `<subject>.<mac>`; the mac is the first 32 hex digits of HMAC-SHA256(secret,
"daraja-<kind>:<subject>"). The subject is the intent for an STK push, else the short code or what the caller
chose. A path with a wrong mac is refused without a look at the store. Daraja refuses URLs that contain one
of `BANNED`, which a random subject may: a point breaks the word there, and is taken out again.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Final

BASE = "/v1/payments/callbacks"
LETTERS: Final[Mapping[str, str]] = {
    "stk": "k",
    "confirmation": "c",
    "validation": "v",
    "pull": "p",
    "status": "s",
    "reversal": "r",
    "payout": "b",
    "timeout": "t",
}
"""The kinds of callbacks, and the letter of each in its path."""

BANNED = ("m-pesa", "mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
"""Words in a URL that Daraja refuses; source: mpesakit's schema and ex_mpesa's documentation."""

ADDRESSES = frozenset(
    f"196.201.{rest}"
    for rest in (
        "214.200", "214.206", "214.207", "214.208", "213.114", "213.44", "212.127", "212.129", "212.136",
        "212.138", "212.74", "212.69", "212.128", "212.132",
    )
)  # fmt: skip
"""Where Daraja calls from; the last two are older ones. Source: "Callback and IP whitelisting" of Safaricom,
as kept by mpesakit. A second factor: an unknown address is logged, because the list may grow without notice.
"""

_SUBJECT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAC = re.compile(r"[0-9a-f]{32}")
_BEGINS_A_WORD = re.compile(
    "|".join(f"{word[0]}(?={re.escape(word[1:])})" for word in BANNED), re.IGNORECASE
)
_LONGEST = 140


def mac(kind: str, secret: str, subject: str) -> str:
    """The part of a path that proves that we made it."""
    signed = f"daraja-{kind}:{subject}".encode()
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()[:32]


def path(kind: str, secret: str, subject: str) -> str:
    """The path of a callback of `kind`, one of `LETTERS`, for `subject`: 1 to 64 letters, digits, `_`, `-`.

    Raises `ValueError` for another subject.
    """
    if not _SUBJECT.fullmatch(subject):
        raise ValueError("the subject of a callback's path")
    shown = _BEGINS_A_WORD.sub(r"\g<0>.", subject)
    return f"{BASE}/{LETTERS[kind]}/{shown}.{mac(kind, secret, subject)}"


def subject_of(kind: str, secrets: Iterable[str], segment: str) -> str | None:
    """The subject of a path's last segment, None if none of `secrets` made it."""
    shown, _, given = segment[:_LONGEST].rpartition(".")
    subject = shown.replace(".", "")
    if len(segment) > _LONGEST or not _SUBJECT.fullmatch(subject) or not _MAC.fullmatch(given):
        return None
    found = False
    for secret in secrets:
        found |= hmac.compare_digest(mac(kind, secret, subject).encode(), given.encode())
    return subject if found else None


def banned_in(url: str) -> str | None:
    """A word in `url` that Daraja refuses, None if there is none."""
    return next((word for word in BANNED if word in url.lower()), None)


def masked(url: str) -> str:
    """`url` as it may be shown: without the mac, which is the proof."""
    shown, point, _ = url.rpartition(".")
    return f"{shown}{point}***"


def is_known_address(address: str) -> bool:
    """Whether Daraja is known to call from `address`, that of `requestContext.http.sourceIp`."""
    return address in ADDRESSES
