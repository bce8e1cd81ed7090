"""The formats of ids from clients, and the ids created here."""

import base64
import hashlib
import re
import secrets
import time
from typing import Any

USER_ID = r"^[A-Za-z0-9][A-Za-z0-9._:@+=-]{0,127}\Z"
JOB_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}\Z"
PROVIDER = r"^[a-z0-9][a-z0-9_-]{0,31}\Z"
OPERATOR_NAME = r"^[a-z][a-z0-9._-]{1,31}\Z"
PAYMENT_ID = r"^[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,254}\Z"

_USER_ID = re.compile(USER_ID)
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
LONGEST_IN_KEY = 900
"""Bytes of ids in a key."""


def is_user_id(value: Any) -> bool:
    """1 to 128 of `A-Z a-z 0-9 . _ : @ + = -`, the first a letter or digit."""
    return isinstance(value, str) and _USER_ID.match(value) is not None


def is_job_id(value: Any) -> bool:
    """1 to 128 of `A-Z a-z 0-9 . _ -`, the first a letter or digit."""
    return isinstance(value, str) and re.match(JOB_ID, value) is not None


def is_part_of_user_id(text: str) -> bool:
    """Whether some user id may have `text` in it."""
    return is_user_id(f"a{text}")


def is_provider(text: str) -> bool:
    """Whether `text` has the form of a payment provider's name."""
    return re.match(PROVIDER, text) is not None


def fits_key(*parts: str) -> bool:
    """Whether ids of a client or a provider can be parts of a key: DynamoDB refuses a sort key above 1,024
    bytes, so nothing is stored under a longer one.
    """
    return sum(len(part.encode(errors="surrogatepass")) for part in parts) <= LONGEST_IN_KEY


def digest(*parts: str) -> str:
    """A digest of `parts`: 22 characters (128 bits), safe in keys, tokens and URLs."""
    joined = "\x1f".join(parts).encode()
    return base64.urlsafe_b64encode(hashlib.sha256(joined).digest()[:16]).decode().rstrip("=")


def shard(text: str, count: int) -> int:
    """Which of `count` partitions `text` belongs to; always the same one."""
    return hashlib.sha256(text.encode()).digest()[0] % count


def base36(number: int) -> str:
    """`number` (not negative) in base 36: 0 to 9 and a to z."""
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _ALPHABET[digit] + text
        if not number:
            return text


def new_mark() -> str:
    """64 random bits that tell one write from all others."""
    return secrets.token_hex(8)


def new_id(prefix: str) -> str:
    """An id with 96 random bits that sorts by its time of creation."""
    return f"{prefix}_{base36(time.time_ns() // 1_000_000)}{secrets.token_hex(12)}"
