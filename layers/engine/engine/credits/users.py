"""Users and devices: created once, with a user token; profiles and balances."""

import contextlib
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.access import tokens
from engine.access.identity import DEVICE_SK
from engine.access.keyrings import Ring
from engine.ledger import idempotency
from engine.ledger.audit import Audit, Record
from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.items import Account, Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, Ledger
from engine.platform.act import Act
from engine.platform.errors import Forbidden, InvalidRequest, Unauthorized, UserExists
from engine.platform.ids import new_id
from engine.platform.table import Cancelled, Put, Table
from engine.platform.times import iso

CREATION: Final = "user_creation"
CLAIM: Final = "device_claim"
PROFILE_SK = "PROFILE"
PROFILE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class NewUser:
    """A new user, and their user token, which ends `expires_in_s` after this answer."""

    user: str
    balance: int
    token: str
    expires_in_s: int
    issued_at: int
    request_id: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class NewUserRequest:
    """A user to create. Only `caller` may repeat the request and get the token again."""

    user: str
    initial_credits: int
    key: str | None
    fingerprint: str
    act: Act
    caller: str = ""


def require_grant_allowed(initial_credits: int, welcome: int, *, privileged: bool) -> None:
    """Refuse a start amount above the welcome grant without a secret. Raises `Forbidden`."""
    if initial_credits > welcome and not privileged:
        raise Forbidden(
            "A start amount above the welcome grant needs an API key.",
            details={"allowed": welcome},
        )


def create(ledger: Ledger, ring: Ring, asked: NewUserRequest) -> NewUser:
    """Create the user, with an entry for the initial credits.

    The same caller's repeated request gets the same token while it is valid. Raises `UserExists`,
    `KeyReused`, `Busy`.
    """
    facts = {"request_id": asked.act.request_id, "at": asked.act.at, "kid": ring.kid}
    request = Request(asked.user, CREATION, asked.key, asked.fingerprint, asked.act, asked.caller)
    once = RequestOnce(ledger, request, facts)
    move = Move(asked.user, CREATION, asked.initial_credits, 0, asked.act)
    try:
        posted = ledger.post(move, once, new_account=UserExists())
    except AlreadyDone as done:
        item = idempotency.replayed(done.item, asked.fingerprint)
        replayed = item["facts"]["request_id"] != asked.act.request_id
        return _new_user(asked, ring, item["balance_after"], item["facts"], replayed)
    return _new_user(asked, ring, posted.entry.available_after, facts, False)


@dataclass(frozen=True, slots=True)
class NewDevice:
    """A device's user; `refresh_secret` is shown once and stored as a hash."""

    user: str
    refresh_secret: str
    token: str


def register_device(ledger: Ledger, ring: Ring, act: Act) -> NewDevice:
    """A new user for a device. Raises `Busy`, `OutcomeUnknown`."""
    user, secret = new_id("u"), "rs_" + secrets.token_urlsafe(32)
    once = RequestOnce(ledger, Request(user, CREATION, None, "", act), {})
    device = Put(
        {
            "pk": account_pk(user),
            "sk": DEVICE_SK,
            "secret_hash": _hashed(secret),
            "created_at": act.at,
        },
        condition="attribute_not_exists(pk)",
    )
    move = Move(user, CREATION, 0, 0, act)
    with contextlib.suppress(AlreadyDone):  # Only the SDK can have repeated it.
        ledger.post(move, once, also=lambda _: [device])
    return NewDevice(user, secret, _token(user, ring, act.at))


def claim_device(ledger: Ledger, audit: Audit, ring: Ring, user: str, secret: str, act: Act) -> str:
    """A user token for an id that was known by headers until now, which from then on needs its refresh
    secret. The app makes the secret and stores it first, so a repeated call has the same result.

    Raises `Unauthorized` if the id has another secret, `Busy`, `OutcomeUnknown`.
    """
    device = Put(
        {
            "pk": account_pk(user),
            "sk": DEVICE_SK,
            "secret_hash": _hashed(secret),
            "created_at": act.at,
        },
        condition="attribute_not_exists(pk)",
    )
    try:
        ledger.transact_patiently([device, audit.write(Record(user, CLAIM, True, "", act))])
    except Cancelled:
        return refresh_device(ledger, ring, user, secret, now=act.at)
    return _token(user, ring, act.at)


def refresh_device(ledger: Ledger, ring: Ring, user: str, secret: str, *, now: int) -> str:
    """A new user token for a device's refresh secret. Raises `Unauthorized`, also after an erasure, and
    `Busy`.
    """
    item = ledger.table.get(account_pk(user), DEVICE_SK) or {}
    known = item.get("secret_hash")
    if not hmac.compare_digest(known or _hashed(""), _hashed(secret)) or known is None:
        raise Unauthorized("bad refresh secret")
    return _token(user, ring, now)


def write_profile(table: Table, user: str, profile: Mapping[str, Any], *, now: int) -> None:
    """Replace the stored profile. Raises `InvalidRequest` if it is too long,
    `OutcomeUnknown`.
    """
    text = json.dumps(profile, separators=(",", ":"))
    if len(text) > PROFILE_LIMIT:
        raise InvalidRequest("A profile has at most 4096 characters.", details={"field": "profile"})
    item = {"pk": account_pk(user), "sk": PROFILE_SK, "profile": text, "updated_at": now}
    table.write(Put(item, condition=""))


def profile_members(table: Table, user: str) -> dict[str, Any]:
    """The user's profile; empty if none is stored. Raises `Busy`."""
    item = table.get(account_pk(user), PROFILE_SK)
    return {
        "ok": True,
        "userId": user,
        "profile": {} if item is None else json.loads(item["profile"]),
        "updatedAt": None if item is None else iso(item["updated_at"]),
    }


def balance_members(account: Account, build: dict[str, str]) -> dict[str, Any]:
    """The balance in the members that the app reads; there is no bonus, so `main` is the balance."""
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
        "owed": account.owed,
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
        "owedChange": entry.owed,
        "owedAfter": entry.owed_after,
        "product": entry.product or None,
        "units": entry.units or None,
        "heldLeft": entry.left,
        "reason": entry.reason,
        "subject": entry.subject,
        "reverses": entry.reverses,
        "requestId": entry.request_id,
        "timestamp": iso(entry.at),
    }


def _new_user(
    asked: NewUserRequest, ring: Ring, balance: int, facts: dict[str, Any], replayed: bool
) -> NewUser:
    """Raises `UserExists` if the token of the first answer has expired."""
    left_s = facts["at"] + tokens.USER_LIFETIME_S - asked.act.at
    if left_s <= 0:
        raise UserExists()
    token = _token(asked.user, ring.only(facts["kid"]), facts["at"])
    return NewUser(asked.user, balance, token, left_s, facts["at"], facts["request_id"], replayed)


def _token(user: str, ring: Ring, now: int) -> str:
    return tokens.issue_user(user, ring, now=now, lifetime_s=tokens.USER_LIFETIME_S)


def _hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
