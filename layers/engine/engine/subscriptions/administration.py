"""What operators see of subscriptions and do to them. A key, sealed or not, is never shown.

Every act has a reason and is recorded in its own transaction: money moves by their entry in the ledger, all
others by a record in the audit.
"""

import contextlib
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

from engine.credits import users
from engine.credits.verification import verify_user
from engine.ledger import idempotency
from engine.ledger.audit import Audit, Record
from engine.ledger.idempotency import Request, RequestOnce
from engine.ledger.posting import AlreadyDone, Ledger
from engine.platform.act import Act
from engine.platform.errors import (
    Busy,
    InsufficientCredits,
    InvalidRequest,
    KeysUnavailable,
    NotFound,
    SubscriptionUsedUp,
)
from engine.platform.ids import is_user_id
from engine.platform.table import Write
from engine.platform.times import iso
from engine.readmodels import figures
from engine.subscriptions import (
    outbox,
    provider_keys,
    subscription,
    transitions,
    usage,
)
from engine.subscriptions.issuing import KeyIssuer
from engine.subscriptions.lifecycle import GRACE_S, PROVIDER_ERRORS, NotCreated
from engine.subscriptions.plans import CREDIT, micros, shown, signed
from engine.subscriptions.provider_keys import ProviderKey
from engine.subscriptions.subscription import BLOCKED, PlanChoice, Subscription
from engine.web.desk_forms import NoticesQuery, ReplayForm
from engine.web.request_ids import RequestKey

LAST_TRANSACTIONS = 20
LAST_KEYS = 50
TRIES = 5
_MESSAGE_ID = re.compile(r"msg_[A-Za-z0-9_-]{1,60}")


def found(ledger: Ledger, user: str) -> Subscription:
    """The user's subscription. Raises `NotFound`."""
    seen = transitions.find(ledger, user) if is_user_id(user) else None
    if seen is None:
        raise NotFound()
    return seen


def page_members(ledger: Ledger, prefix: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of subscribers, by user id; a new one appears once the projector has read them."""
    page = figures.list_summaries(ledger.table, ledger.unit, prefix, cursor, limit)
    listed = [
        (summary, subscription.find(ledger.table, summary.user)) for summary in page.summaries
    ]
    return {
        "ok": True,
        "subscriptions": [
            {
                **_facts(seen),
                "remaining_credits": shown(summary.stats.available + summary.stats.held),
                "used_credits": shown(summary.stats.spent),
            }
            for summary, seen in listed
            if seen is not None
        ],
        "nextCursor": page.cursor,
    }


def look(ledger: Ledger, user: str, now: int) -> dict[str, Any]:
    """One subscription with keys, last entries and the ledger's verification. Raises `NotFound`, `Busy`."""
    seen = found(ledger, user)
    account = ledger.account(user)
    keys = provider_keys.newest(ledger.table, user, LAST_KEYS)
    verified = verify_user(ledger.table, ledger.unit, user)
    return {
        "ok": True,
        **_facts(seen),
        "granted_credits": shown(seen.granted or 0),
        "paid_credits": shown(seen.paid or 0),
        "adjusted_credits": signed(seen.adjusted or 0),
        **usage.members(ledger, seen, now),
        "available_credits": shown(account.available),
        "held_credits": shown(account.held),
        "keys": [_key_members(key) for key in keys],
        "transactions": [
            {**users.transaction_members(entry), "actor": entry.actor}
            for entry in ledger.entries(user, limit=LAST_TRANSACTIONS)
        ],
        "verification": {
            "ok": verified.ok,
            "entries": verified.entries,
            "findings": [
                {"kind": finding.kind, "seq": finding.seq, "text": finding.text}
                for finding in verified.findings
            ],
        },
    }


def adjust(ledger: Ledger, user: str, amount: str, asked: RequestKey, act: Act) -> dict[str, Any]:
    """Add credits, or take them from what no key has set aside. Raises `InvalidRequest`, `NotFound`,
    `SubscriptionUsedUp`, `KeyReused`, `Busy`.
    """
    change = signed_micros(amount)
    seen = found(ledger, user)
    once = _once(ledger, user, "adjust", asked, {"amount": change}, act)
    try:
        entry = transitions.adjust(ledger, seen, change, once, act)
    except AlreadyDone as done:
        item = idempotency.replayed(done.item, asked.fingerprint)
        return _moved(user, item["facts"]["amount"], item["balance_after"])
    except InsufficientCredits as short:
        raise SubscriptionUsedUp(
            "The subscription has less than that outside of its keys.",
            details={"remaining_credits": shown(short.balance)},
        ) from None
    return _moved(user, change, entry.available_after)


def change_plan(
    ledger: Ledger, audit: Audit, user: str, choice: PlanChoice, asked: RequestKey, act: Act
) -> dict[str, Any]:
    """Put the subscription on another plan. Raises `NotFound`, `KeyReused`, `Busy`."""
    record = _record(audit, user, "subscription_plan", act)
    facts = {"plan": choice.plan, "policy": choice.policy}
    once = _once(ledger, user, "plan", asked, facts, act)
    for _ in range(TRIES):
        try:
            entry = transitions.change_plan(
                ledger, found(ledger, user), choice, once, act, [record]
            )
        except AlreadyDone as done:
            item = idempotency.replayed(done.item, asked.fingerprint)
            return _planned(user, item["facts"], item["balance_after"])
        if entry is not None:
            return _planned(user, facts, entry.available_after)
    raise Busy()


def block(issuer: KeyIssuer, audit: Audit, user: str, act: Act) -> dict[str, Any]:
    """Stop the subscription and disable its key. Raises `NotFound`, `Busy`."""
    ledger, record = issuer.ledger, _record(audit, user, "subscription_block", act)
    for _ in range(TRIES):
        seen = found(ledger, user)
        if seen.state != BLOCKED:
            if not transitions.block(ledger, seen, act.at, [record]):
                continue
            _disable(issuer, user, seen.current, act)
        return {"ok": True, "userId": user, "state": BLOCKED}
    raise Busy()


def unblock(ledger: Ledger, audit: Audit, user: str, act: Act) -> dict[str, Any]:
    """Lift a block; the next call gets a key. Raises `NotFound`, `Busy`."""
    found(ledger, user)
    transitions.unblock(ledger, user, act.at, [_record(audit, user, "subscription_unblock", act)])
    return {"ok": True, "userId": user, "state": found(ledger, user).state}


def rotate(issuer: KeyIssuer, audit: Audit, user: str, act: Act, *, revoke: bool) -> dict[str, Any]:
    """Replace the current key now; with `revoke` the old one ends at once. Raises `NotFound`,
    `KeysUnavailable`, `Busy`.
    """
    ledger = issuer.ledger
    seen = found(ledger, user)
    grace_s = 0 if revoke else GRACE_S
    record = _record(audit, user, "subscription_rotate", act)
    try:
        rotated = issuer.replace(user, seen.current, act, grace_s=grace_s, beside=[record])
    except NotCreated as failed:
        raise KeysUnavailable(retry_after_s=failed.retry_after_s) from None
    if rotated and revoke:
        _disable(issuer, user, seen.current, act)
    return {"ok": True, "userId": user, "rotated": rotated, "key": found(ledger, user).current}


def _disable(issuer: KeyIssuer, user: str, number: int, act: Act) -> None:
    """Disable a retiring key at once; if that fails, the monitor does it."""
    key = provider_keys.find(issuer.ledger.table, user, number)
    if key is not None:
        with contextlib.suppress(*PROVIDER_ERRORS, Busy):
            issuer.lifecycle.advance(key, tuple, act)


def notice_page(ledger: Ledger, user: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """Notices about a subscription with their attempts, newest first. Raises `NotFound`, `Busy`."""
    found(ledger, user)
    items = outbox.of_user(ledger.table, user, limit=limit + 1, before=cursor)
    shown_items = items[:limit]
    return {
        "ok": True,
        "webhooks": [outbox.members(item) for item in shown_items],
        "nextCursor": shown_items[-1]["sk"] if len(items) > limit else None,
    }


def notices(ledger: Ledger, query: NoticesQuery) -> dict[str, Any]:
    """Notices of all users in a state, or all of a user, about whatever they are. Raises `Busy`."""
    limit = query.limit
    if query.user is not None:
        before = query.cursor if (query.cursor or "").startswith("msg_") else None
        items = outbox.of_user(ledger.table, query.user, limit=limit + 1, before=before)
        after = items[limit - 1]["sk"] if len(items) > limit else None
    else:
        place = _place(query.cursor)
        items, last = outbox.in_state(ledger.table, query.state, limit, place)
        after = f"{last.at}.{last.message_id}.{last.user}" if last is not None else None
    shown_items = [{**outbox.members(item), "userId": item["user"]} for item in items[:limit]]
    return {"ok": True, "notices": shown_items, "nextCursor": after}


def _place(cursor: str | None) -> outbox.Place | None:
    """The place in a cursor of `notices`; None for a cursor of another list."""
    at, _, rest = (cursor or "").partition(".")
    message, _, user = rest.partition(".")
    return outbox.Place(int(at), user, message) if at.isdigit() and user else None


def replay_notices(ledger: Ledger, audit: Audit, form: ReplayForm, act: Act) -> dict[str, Any]:
    """Send notices again, each with the same id: what became of each, in order. Raises `Busy`."""
    outcomes = []
    for number, place in enumerate(form.notices, 1):
        user, _, message = place.partition("/")
        own = replace(act, request_id=f"{act.request_id}:{number}")
        try:
            state = _replay(ledger, audit, user, message, own)
        except NotFound:
            state = "not_found"
        outcomes.append({"userId": user, "id": message, "state": state})
    return {"ok": True, "notices": outcomes}


def replay_notice(
    ledger: Ledger, audit: Audit, user: str, message: str, act: Act
) -> dict[str, Any]:
    """Send a notice again, with the same id. Raises `NotFound`, `Busy`."""
    found(ledger, user)
    return {"ok": True, "id": message, "state": _replay(ledger, audit, user, message, act)}


def _replay(ledger: Ledger, audit: Audit, user: str, message: str, act: Act) -> str:
    """The state of the notice, which is due again. Raises `NotFound`, `Busy`."""
    record = _record(audit, user, "webhook_replay", act)
    for _ in range(TRIES):
        is_id = _MESSAGE_ID.fullmatch(message)
        notice = outbox.find(ledger.table, user, message) if is_id else None
        if notice is None:
            raise NotFound()
        if transitions.replay(ledger, notice, act.at, [record]):
            return outbox.PENDING
    raise Busy()


def signed_micros(amount: str) -> int:
    """The micro-dollars of a form's `amount`. Raises `InvalidRequest` if it is zero or too large."""
    change = micros(Decimal(amount.removeprefix("-")))
    if not 0 < change <= CREDIT * CREDIT:
        raise InvalidRequest("The amount must not be zero.", details={"field": "amount"})
    return -change if amount.startswith("-") else change


def _once(
    ledger: Ledger, user: str, operation: str, asked: RequestKey, facts: dict[str, Any], act: Act
) -> RequestOnce:
    request = Request(user, f"subscription_{operation}", asked.key, asked.fingerprint, act)
    return RequestOnce(ledger, request, facts)


def _moved(user: str, change: int, available: int) -> dict[str, Any]:
    return {
        "ok": True,
        "userId": user,
        "amount": signed(change),
        "available_credits": shown(available),
    }


def _planned(user: str, facts: dict[str, Any], available: int) -> dict[str, Any]:
    return {
        "ok": True,
        "userId": user,
        "plan": facts["plan"],
        "policy": facts["policy"],
        "available_credits": shown(available),
    }


def _record(audit: Audit, user: str, action: str, act: Act) -> Write:
    """The audit's record of an act, for the act's own transaction."""
    return audit.write(Record(user, action, True, "", act))


def _facts(seen: Subscription) -> dict[str, Any]:
    return {
        "userId": seen.user,
        "email": seen.email or "",
        "username": seen.username or "",
        "plan": seen.plan,
        "policy": seen.policy,
        "state": seen.state,
        "total_credits": shown(seen.total),
        "currentKey": seen.current,
        "createdAt": iso(seen.created_at),
        "updatedAt": iso(seen.updated_at),
    }


def _key_members(key: ProviderKey) -> dict[str, Any]:
    return {
        "number": key.number,
        "name": key.name,
        "state": key.state,
        "limit_credits": shown(key.limit),
        "held_credits": shown(key.held),
        "used_credits": shown(key.usage),
        "written_off_credits": shown(key.written_off),
        "createdAt": iso(key.created_at),
        "endsAt": iso(key.ends_at),
    }
