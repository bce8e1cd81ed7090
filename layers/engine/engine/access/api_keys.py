"""Generated API keys: shown once, stored as a hash, revoked permanently.

A key is `pk_live_`, 30 random characters and a checksum of 6, so that scanners of public code recognise a
real key offline. Its id is derived from its SHA-256, so one read finds a presented key. All keys are in one
partition, which one query lists and which carries 3,000 reads per second.
"""

import contextlib
import hashlib
import hmac
import re
import secrets
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.ledger.audit import Audit, Record
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy, EngineError
from engine.platform.table import Cancelled, ConditionFailed, Item, Put, Table, Update
from engine.platform.times import iso

KEYS_PK = "KEYS"
PREFIX = "pk_live_"
RANDOM_LENGTH = 30
CHECK_LENGTH = 6
SHOWN_LENGTH = len(PREFIX) + 4
MOST_KEYS = 1000
USE_NOTED_S = 3600
"""The last use is written at most this often."""

_ID = re.compile(r"key_[0-9a-f]{16}")
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A generated key as it is stored. Times in epoch seconds, 0 for never."""

    id: str
    hash: str
    hint: str
    """The first characters of the key, to tell keys apart."""
    description: str
    scopes: frozenset[str]
    created_by: str
    created_at: int
    last_used_at: int
    revoked_at: int


def generate(
    ledger: Ledger, audit: Audit, description: str, scopes: Iterable[str], act: Act
) -> tuple[ApiKey, str]:
    """A new key, and its text, which is not stored. It is created together with its audit record.

    Raises `Busy`, `OutcomeUnknown`.
    """
    body = "".join(secrets.choice(_ALPHABET) for _ in range(RANDOM_LENGTH))
    text = PREFIX + body + _check(body)
    hashed = _hashed(text)
    made = ApiKey(
        _id(hashed),
        hashed,
        text[:SHOWN_LENGTH],
        description,
        frozenset(scopes),
        act.actor,
        act.at,
        0,
        0,
    )
    record = audit.write(Record(made.id, "key_generate", True, "", act))
    put = Put(_item(made), condition="attribute_not_exists(pk)")
    try:
        ledger.transact_patiently([put, record])
    except Cancelled:  # Another key has this id.
        raise Busy() from None
    return made, text


def find(table: Table, text: str) -> ApiKey | None:
    """The key with this text; None if there is none or it was revoked. Raises `Busy`."""
    if not has_form(text):
        return None
    hashed = _hashed(text)
    item = table.get(KEYS_PK, _id(hashed))
    if item is None or not hmac.compare_digest(str(item["hash"]), hashed):
        return None
    found = read(item)
    return None if found.revoked_at else found


def by_id(table: Table, key_id: str) -> ApiKey | None:
    """The key, revoked or not; None if there is none. Raises `Busy`."""
    item = table.get(KEYS_PK, key_id) if _ID.fullmatch(key_id) else None
    return None if item is None else read(item)


def has_form(text: str) -> bool:
    """Whether `text` has the form of a key, checksum included."""
    body = text[len(PREFIX) : -CHECK_LENGTH]
    return text.isascii() and len(body) == RANDOM_LENGTH and text == PREFIX + body + _check(body)


def listed(table: Table) -> list[ApiKey]:
    """All keys, newest first, at most `MOST_KEYS`. Raises `Busy`."""
    keys = [read(item) for item in table.query(KEYS_PK, "key_", limit=MOST_KEYS, consistent=True)]
    return sorted(keys, key=lambda key: (key.created_at, key.id), reverse=True)


def revoke(ledger: Ledger, audit: Audit, key_id: str, act: Act) -> ApiKey | None:
    """The key, revoked now or before, together with the audit record of this act; None if there is no
    such key.

    Raises `Busy`, `OutcomeUnknown`.
    """
    update = Update(
        KEYS_PK,
        key_id,
        "SET revoked_at = if_not_exists(revoked_at, :now)",
        "attribute_exists(pk)",
        values={":now": act.at},
    )
    record = audit.write(Record(key_id, "key_revoke", True, "", act))
    try:
        ledger.transact_patiently([update, record])
    except Cancelled:
        return None
    return by_id(ledger.table, key_id)


def note_use(table: Table, key_id: str, *, now: int) -> None:
    """Store that the key was used, at most once an hour. Never raises: the last use is informative, and
    a failure to store it must not fail the call.
    """
    update = Update(
        KEYS_PK,
        key_id,
        "SET last_used_at = :now",
        "last_used_at <= :before",
        values={":now": now, ":before": now - USE_NOTED_S},
    )
    with contextlib.suppress(ConditionFailed, EngineError):
        table.write(update)


def read(item: Mapping[str, Any]) -> ApiKey:
    return ApiKey(
        item["sk"],
        item["hash"],
        item["hint"],
        item["description"],
        frozenset(item["scopes"]),
        item["created_by"],
        item["created_at"],
        item["last_used_at"],
        item.get("revoked_at", 0),
    )


def members(key: ApiKey) -> dict[str, Any]:
    """A key as the admin API shows it."""
    return {
        "id": key.id,
        "hint": key.hint,
        "description": key.description,
        "scopes": sorted(key.scopes),
        "createdBy": key.created_by,
        "createdAt": iso(key.created_at),
        "lastUsedAt": iso(key.last_used_at) if key.last_used_at else None,
        "revokedAt": iso(key.revoked_at) if key.revoked_at else None,
    }


def _item(key: ApiKey) -> Item:
    return {
        "pk": KEYS_PK,
        "sk": key.id,
        "hash": key.hash,
        "hint": key.hint,
        "description": key.description,
        "scopes": sorted(key.scopes),
        "created_by": key.created_by,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
    }


def _id(hashed: str) -> str:
    return f"key_{hashed[:16]}"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _check(body: str) -> str:
    """CRC-32 of `body` in base 62, six characters."""
    left, text = zlib.crc32(body.encode()), ""
    for _ in range(CHECK_LENGTH):
        left, digit = divmod(left, len(_ALPHABET))
        text = _ALPHABET[digit] + text
    return text
