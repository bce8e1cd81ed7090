"""Vending: one credit becomes one single-use token; and saying whether a token is good."""

from dataclasses import dataclass
from typing import Any

from engine.access import tokens
from engine.access.keyrings import Ring
from engine.access.tokens import VENDED_LIFETIME_S, VendedToken
from engine.credits import holds
from engine.credits.holds import CAPTURED, OPEN, RELEASED, SPENT, Hold, Vend
from engine.ledger.audit import Audit, Record
from engine.ledger.items import CREDITS, account_pk, account_sk
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import EngineError, RateLimited, Unauthorized
from engine.platform.ids import digest
from engine.platform.table import ConditionFailed, Table, Update
from engine.platform.times import iso
from engine.web import limits, scopes
from engine.web.http import legacy
from engine.web.idempotency import replay_headers
from engine.web.limits import policy_headers

HELD_OPERATION = "vend"
SPENT_OPERATION = "vend-legacy"


@dataclass(frozen=True, slots=True)
class Vended:
    """The answer's members and headers; the same for the first call and every replay."""

    members: dict[str, Any]
    headers: dict[str, str]


def vend_held(ledger: Ledger, ring: Ring, vend: Vend, *, rate_limit: int) -> Vended:
    """A token for a held credit. Raises what `holds.place` raises."""
    hold, headers = _place(ledger, vend, rate_limit=rate_limit)
    text = tokens.issue_vended(hold.token, ring.only(hold.kid))
    members = {
        "ok": True,
        "token": text,
        "serviceToken": text,
        "pollingToken": text,
        "scope": scopes.TRANSCRIBE,
        "expiresIn": VENDED_LIFETIME_S,
        "expiresAt": iso(hold.token.expires_at),
        "balanceAfter": hold.balance_after,
        "requestId": hold.request_id,
    }
    return Vended(members, headers)


def vend_spent(ledger: Ledger, ring: Ring, vend: Vend, *, rate_limit: int) -> Vended:
    """A token for a credit that is spent at once. Raises what `holds.place` raises."""
    hold, headers = _place(ledger, vend, rate_limit=rate_limit)
    members = {
        "token": tokens.issue_vended(hold.token, ring.only(hold.kid)),
        "expiresIn": VENDED_LIFETIME_S,
        "expiresAt": iso(hold.token.expires_at),
        "balanceAfter": hold.balance_after,
        "requestId": hold.request_id,
    }
    return Vended(legacy(members, hold.issued_at), headers)


def refused(
    audit: Audit, user: str, error: EngineError, act: Act, *, rate_limit: int
) -> EngineError:
    """Count a refused vend against the rate limit and keep it in the audit; the error to answer.

    That is `error`, or `RateLimited` when the window has no room for one more refusal. A call that
    the limit itself refused is not counted. Raises `OutcomeUnknown`.
    """
    if error.status != 429:
        try:
            _count_refusal(audit.table, user, rate_limit, act.at)
        except RateLimited as limited:
            error = limited
    audit.keep(Record(user, "vend", False, error.code, act))
    return error


def _count_refusal(table: Table, user: str, rate_limit: int, now: int) -> None:
    """In the account's own window, which vends count in too; without an account, beside it."""
    try:
        limits.take_on_item(table, account_pk(user), account_sk(CREDITS), rate_limit, now)
    except ConditionFailed:
        limits.take(table, account_pk(user), "vend", rate_limit, now)


def vend_request(user: str, state: str, ring: Ring, key: str, fingerprint: str, act: Act) -> Vend:
    """A vend of `state` (`OPEN` or `SPENT`), to be signed with the newest key of `ring`."""
    operation = HELD_OPERATION if state == OPEN else SPENT_OPERATION
    return Vend(user, operation, key, fingerprint, state, ring.kid, act)


def validate(ledger: Ledger, token: VendedToken) -> Hold:
    """The hold of a verified token. Raises `Unauthorized` where it is not good any more."""
    hold = holds.find(ledger.table, token.user, token.jti)
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
    if hold.claim == claim:
        return
    if hold.state == OPEN:
        found = holds.settle(ledger, hold, CAPTURED, act, claim=claim).claim
    else:
        found = _claim_spent(ledger, hold, claim, act)
    if found != claim:
        raise Unauthorized("already used")


def _claim_spent(ledger: Ledger, hold: Hold, claim: str, act: Act) -> str | None:
    """The claim that the hold carries afterwards."""
    try:
        item = ledger.table.write(claim_write(hold.user, hold.jti, claim, act.request_id, act.at))
    except ConditionFailed as refused:
        return refused.item.get("claim") if refused.item else None
    return str(item["claim"])


def claim_write(
    user: str, jti: str, claim: str, claimed_by: str, now: int, *, look_at: int | None = None
) -> Update:
    """Marks the hold of `jti` as used by `claim`, where nothing used it before.

    With `look_at` (epoch seconds) the sweeper asks by then what became of the job, and the record does
    not pass before it has.
    """
    name = jti[: holds.NAME_LENGTH]
    change = "SET claim = :claim, claimed_by = :by, claimed_at = :now"
    names = {"#state": "state"}
    values: dict[str, str | int] = {
        ":claim": claim,
        ":by": claimed_by,
        ":now": now,
        ":jti": jti,
        ":open": OPEN,
        ":spent": SPENT,
    }
    if look_at is not None:
        change += ", open_shard = :shard, expires_at = :look_at REMOVE #ttl"
        names["#ttl"] = "ttl"
        values |= {":shard": holds.shard_of(name), ":look_at": look_at}
    return Update(
        account_pk(user),
        holds.hold_sk(name),
        change,
        "jti = :jti AND attribute_not_exists(claim) AND #state IN (:open, :spent)",
        names=names,
        values=values,
    )


def _place(ledger: Ledger, vend: Vend, *, rate_limit: int) -> tuple[Hold, dict[str, str]]:
    hold, posted = holds.place(ledger, vend, rate_limit=rate_limit)
    if posted is not None:
        return hold, policy_headers(posted.window) if posted.window else {}
    ours = hold.request_id == vend.act.request_id
    return hold, replay_headers(not ours)
