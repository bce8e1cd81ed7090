"""Vending: the price of a product becomes one single-use token; and the validation of a token."""

from dataclasses import dataclass, replace
from typing import Any

from engine.access import tokens
from engine.access.keyrings import Ring
from engine.access.tokens import VendedToken
from engine.credits import hold_items, holds, placing
from engine.credits.hold_items import OPEN, RELEASED, Hold
from engine.credits.placing import Vend
from engine.ledger.audit import Audit, Record
from engine.ledger.items import CREDITS, account_pk, account_sk
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import EngineError, InsufficientCredits, RateLimited, Unauthorized
from engine.platform.ids import digest
from engine.platform.table import ConditionFailed, Table
from engine.platform.times import iso
from engine.products.product import TRANSCRIPT
from engine.web import rate_limits
from engine.web.http import legacy
from engine.web.rate_limits import policy_headers
from engine.web.request_ids import replay_headers

HELD_OPERATION = "vend"
SPENT_OPERATION = "vend-legacy"
READING_KEY = "background_"
"""How request ids of the released app's background worker begin, which vends only to ask how a job goes."""

LAST_ENTRIES = 20


@dataclass(frozen=True, slots=True)
class Vended:
    """The answer's members and headers; a replay differs in what is left of the token's time."""

    members: dict[str, Any]
    headers: dict[str, str]


def vend_held(ledger: Ledger, ring: Ring, vend: Vend, *, rate_limit: int) -> Vended:
    """A token for held credits. The app's background worker, which buys tokens only to read, gets one
    that reads its user's last job where there is no credit. Raises what `placing.place` raises.
    """
    try:
        hold, headers = _place(ledger, vend, rate_limit=rate_limit)
    except InsufficientCredits:
        reading = _last_job(ledger, vend.user) if _is_for_reading(vend) else None
        if reading is None:
            raise
        token = reading.token_from(vend.act.at)
        told = replace(reading, balance_after=0, request_id=vend.act.request_id)
        return Vended(_members(told, token, ring, vend.act.at), {})
    return Vended(_members(hold, _token(hold, vend.act.at), ring, vend.act.at), headers)


def vend_spent(ledger: Ledger, ring: Ring, vend: Vend, *, rate_limit: int) -> Vended:
    """A token for credits that are spent at once. Raises what `placing.place` raises."""
    hold, headers = _place(ledger, vend, rate_limit=rate_limit)
    token = _token(hold, vend.act.at)
    members = {
        "token": tokens.issue_vended(token, ring.only(hold.kid)),
        "expiresIn": token.left_s(vend.act.at),
        "expiresAt": iso(token.expires_at),
        "balanceAfter": hold.balance_after,
        "requestId": hold.request_id,
    }
    return Vended(legacy(members, hold.issued_at), headers)


def _is_for_reading(vend: Vend) -> bool:
    return vend.key.startswith(READING_KEY) and vend.product.code == TRANSCRIPT.code


def _last_job(ledger: Ledger, user: str) -> Hold | None:
    """The newest of the user's holds that paid for a job, among the last entries."""
    subjects = dict.fromkeys(entry.subject for entry in ledger.entries(user, limit=LAST_ENTRIES))
    found = (hold_items.find(ledger.table, user, jti) for jti in subjects if jti)
    return next((hold for hold in found if hold is not None and hold.claim is not None), None)


def _members(hold: Hold, token: VendedToken, ring: Ring, now: int) -> dict[str, Any]:
    text = tokens.issue_vended(token, ring.only(hold.kid))
    return {
        "ok": True,
        "token": text,
        "serviceToken": text,
        "pollingToken": text,
        "scope": token.scope,
        "expiresIn": token.left_s(now),
        "expiresAt": iso(token.expires_at),
        "balanceAfter": hold.balance_after,
        "requestId": hold.request_id,
        "product": {"code": hold.product, "version": hold.version},
        "units": hold.units,
    }


def _token(hold: Hold, now: int) -> VendedToken:
    """The hold's token as it was sold. Where it has run out and its credit was used it is issued anew: it
    starts nothing any more, and reads the job that it paid for.
    """
    sold = hold.token
    if now < sold.expires_at or hold.claim is None:
        return sold
    return hold.token_from(now)


def refused(
    audit: Audit,
    user: str,
    error: EngineError,
    act: Act,
    *,
    rate_limit: int,
    action: str = HELD_OPERATION,
) -> EngineError:
    """Count a refused vend, or another `action` that spends, against the rate limit and keep it in the
    audit; the error to answer.

    That is `error`, or `RateLimited` when the window has no room for one more refusal. A call that was
    refused by the limit is not counted. Raises `OutcomeUnknown`.
    """
    if error.status != 429:
        try:
            _count_refusal(audit.table, user, rate_limit, act.at)
        except RateLimited as limited:
            error = limited
    audit.keep(Record(user, action, False, error.code, act))
    return error


def _count_refusal(table: Table, user: str, rate_limit: int, now: int) -> None:
    """In the account's own window, which vends count in too; without an account, beside it."""
    try:
        rate_limits.take_on_item(table, account_pk(user), account_sk(CREDITS), rate_limit, now)
    except ConditionFailed:
        rate_limits.take(table, account_pk(user), "vend", rate_limit, now)


def vend_request(user: str, state: str, ring: Ring, key: str, fingerprint: str, act: Act) -> Vend:
    """A vend of `state` (`OPEN` or `SPENT`), signed with the newest key of `ring`. It is for one
    transcript, where the caller does not replace `product` and `units`.
    """
    operation = HELD_OPERATION if state == OPEN else SPENT_OPERATION
    return Vend(user, operation, key, fingerprint, state, ring.kid, act)


def validate(ledger: Ledger, token: VendedToken) -> Hold:
    """The hold of a verified token. Raises `Unauthorized` where the token is no longer valid."""
    hold = hold_items.find(ledger.table, token.user, token.jti)
    if hold is None:
        raise Unauthorized("unknown")
    if hold.state == RELEASED:
        raise Unauthorized("released")
    return hold


def redeem(ledger: Ledger, hold: Hold, key: str, act: Act) -> None:
    """Let an outside backend honour the token once: claimed and, if it was held, captured with it.

    The same `key` again is the same redemption. Raises `Unauthorized` when it was used before.
    """
    claim = f"redeem:{digest(key)}"
    if holds.redeem(ledger, hold, claim, act) != claim:
        raise Unauthorized("already used")


def _place(ledger: Ledger, vend: Vend, *, rate_limit: int) -> tuple[Hold, dict[str, str]]:
    """The hold, and the answer's headers. A refusal for want of credits names the price."""
    try:
        hold, posted = placing.place(ledger, vend, rate_limit=rate_limit)
    except InsufficientCredits as short:
        short.details |= {
            "price": vend.price,
            "product": {"code": vend.product.code, "version": vend.product.version},
        }
        raise
    if posted is not None:
        return hold, policy_headers(posted.window) if posted.window else {}
    ours = hold.request_id == vend.act.request_id
    return hold, replay_headers(not ours)
