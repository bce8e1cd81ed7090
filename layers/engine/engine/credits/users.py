"""Users and their devices: created once, with a token; read by themselves."""

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.access import tokens
from engine.access.keyrings import Ring
from engine.ledger import once as requests_once
from engine.ledger.items import Account, Entry, Move, account_pk
from engine.ledger.once import RequestOnce
from engine.ledger.posting import AlreadyDone, Ledger
from engine.platform.act import Act
from engine.platform.errors import Forbidden, InvalidRequest, Unauthorized, UserExists
from engine.platform.ids import new_id
from engine.platform.table import Put, Table
from engine.platform.times import iso

USER_TOKEN_LIFETIME_S = 24 * 3600
DEVICE_SK = "DEVICE"
PROFILE_SK = "PROFILE"
PROFILE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user who was just created, and the token for them."""

    user: str
    balance: int
    token: str
    issued_at: int
    request_id: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class NewUserRequest:
    user: str
    initial_credits: int
    key: str
    fingerprint: str
    act: Act


def require_grant_allowed(initial_credits: int, welcome: int, *, privileged: bool) -> None:
    """Nobody mints credits without a secret. Raises `Forbidden`."""
    if initial_credits > welcome and not privileged:
        raise Forbidden(
            "A start amount above the welcome grant needs an API key.",
            details={"allowed": welcome},
        )


def create(ledger: Ledger, ring: Ring, asked: NewUserRequest) -> NewUser:
    """Create the user with an opening entry. Raises `UserExists`, `KeyReused`, `Busy`."""
    facts = {"request_id": asked.act.request_id, "at": asked.act.at, "kid": ring.kid}
    once = RequestOnce(
        ledger.table,
        user=asked.user,
        operation="user_creation",
        key=asked.key,
        fingerprint=asked.fingerprint,
        now=asked.act.at,
        facts=facts,
    )
    move = Move(asked.user, "user_creation", asked.initial_credits, 0, asked.act)
    try:
        posted = ledger.post(move, once, new_account=UserExists())
    except AlreadyDone as done:
        item = requests_once.replayed(done.item, asked.fingerprint)
        replayed = item["facts"]["request_id"] != asked.act.request_id
        return _new_user(asked.user, ring, item["balance_after"], item["facts"], replayed)
    return _new_user(asked.user, ring, posted.entry.available_after, facts, False)


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device's user; `refresh_secret` is shown once and kept only as a hash."""

    user: str
    refresh_secret: str
    token: str


def register_device(ledger: Ledger, ring: Ring, act: Act) -> NewDevice:
    """A new user for a device. Raises `Busy`, `OutcomeUnknown`."""
    user, secret = new_id("u"), "rs_" + secrets.token_urlsafe(32)
    once = RequestOnce(
        ledger.table,
        user=user,
        operation="user_creation",
        key=act.request_id,
        fingerprint="",
        now=act.at,
        facts={},
    )
    device = Put(
        {
            "pk": account_pk(user),
            "sk": DEVICE_SK,
            "secret_hash": _hashed(secret),
            "created_at": act.at,
        },
        condition="attribute_not_exists(pk)",
    )
    move = Move(user, "user_creation", 0, 0, act)
    with contextlib.suppress(AlreadyDone):  # Only our own write, sent again by the SDK.
        ledger.post(move, once, also=lambda _: [device])
    return NewDevice(user, secret, _token(user, ring, act.at))


def refresh_device(ledger: Ledger, ring: Ring, user: str, secret: str, *, now: int) -> str:
    """A fresh user token for a device's secret. Raises `Unauthorized`, also where the secret was erased,
    and `Busy`.
    """
    item = ledger.table.get(account_pk(user), DEVICE_SK) or {}
    known = item.get("secret_hash")
    if not hmac.compare_digest(known or _hashed(""), _hashed(secret)) or known is None:
        raise Unauthorized("bad refresh secret")
    return _token(user, ring, now)


def write_profile(table: Table, user: str, profile: Mapping[str, Any], *, now: int) -> None:
    """Keep `profile` in place of what there was. Raises `InvalidRequest` where it is too long,
    `OutcomeUnknown`.
    """
    text = json.dumps(profile, separators=(",", ":"))
    if len(text) > PROFILE_LIMIT:
        raise InvalidRequest("A profile has at most 4096 characters.", details={"field": "profile"})
    item = {"pk": account_pk(user), "sk": PROFILE_SK, "profile": text, "updated_at": now}
    table.write(Put(item, condition=""))


def profile_members(table: Table, user: str) -> dict[str, Any]:
    """The user's profile, empty where none was kept. Raises `Busy`."""
    item = table.get(account_pk(user), PROFILE_SK)
    return {
        "ok": True,
        "userId": user,
        "profile": {} if item is None else json.loads(item["profile"]),
        "updatedAt": None if item is None else iso(item["updated_at"]),
    }


def balance_members(account: Account, build: dict[str, str]) -> dict[str, Any]:
    """The balance as the app reads it; no bonus is given, so `main` is all of it."""
    return {
        "ok": True,
        "userId": account.user,
        "balance": account.available,
        "updatedAt": iso(account.updated_at),
        "main": account.available,
        "bonus": 0,
        "availableUnits": account.available,
        "reservedUnits": account.held,
        "availableCredits": account.available,
        "heldCredits": account.held,
        "pendingJobs": account.held,
        "freeUsesRemaining": 0,
        "build": build,
    }


def transaction_members(entry: Entry) -> dict[str, Any]:
    """An entry as the history shows it."""
    return {
        "id": f"{entry.user}:{entry.seq}",
        "userId": entry.user,
        "seq": entry.seq,
        "type": entry.type,
        "amount": entry.amount,
        "heldChange": entry.held,
        "balanceAfter": entry.available_after,
        "heldAfter": entry.held_after,
        "reason": entry.reason,
        "subject": entry.subject,
        "reverses": entry.reverses,
        "requestId": entry.request_id,
        "timestamp": iso(entry.at),
    }


def _new_user(
    user: str, ring: Ring, balance: int, facts: dict[str, Any], replayed: bool
) -> NewUser:
    token = _token(user, ring.only(facts["kid"]), facts["at"])
    return NewUser(user, balance, token, facts["at"], facts["request_id"], replayed)


def _token(user: str, ring: Ring, now: int) -> str:
    return tokens.issue_user(user, ring, now=now, lifetime_s=USER_TOKEN_LIFETIME_S)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
