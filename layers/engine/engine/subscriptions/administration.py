"""What operators see of subscriptions and do to them. A key, or what it is sealed in, is never shown.

Every act has a reason and is kept: money moves in the ledger, the others in the audit.
"""

import contextlib
import re
from decimal import Decimal
from typing import Any

from engine.credits import users
from engine.credits.verify import verify_user
from engine.ledger import once as requests_once
from engine.ledger.audit import Audit, Record
from engine.ledger.items import account_pk
from engine.ledger.once import RequestOnce
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
from engine.platform.times import iso
from engine.readmodels import figures
from engine.subscriptions import key_steps as steps
from engine.subscriptions import moves, notices, usage
from engine.subscriptions.items import (
    BLOCKED,
    KEY_PREFIX,
    ProviderKey,
    Subscription,
    read_key,
)
from engine.subscriptions.key_rotation import GRACE_S, TROUBLE, NotMade
from engine.subscriptions.plans import CREDIT, micros, shown
from engine.subscriptions.subscribing import Subscribing
from engine.web.idempotency import RequestKey

LAST_TRANSACTIONS = 20
LAST_KEYS = 50
TRIES = 5
_MESSAGE_ID = re.compile(r"msg_[A-Za-z0-9_-]{1,60}")


def found(ledger: Ledger, user: str) -> Subscription:
    """The user's subscription. Raises `NotFound`."""
    subscription = steps.find_subscription(ledger.table, user) if is_user_id(user) else None
    if subscription is None:
        raise NotFound()
    return subscription


def page_members(ledger: Ledger, prefix: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """A page of subscribers, by user id; who is new shows as soon as the projector has seen them."""
    page = figures.list_summaries(ledger.table, ledger.unit, prefix, cursor, limit)
    listed = [
        (summary, steps.find_subscription(ledger.table, summary.user)) for summary in page.summaries
    ]
    return {
        "ok": True,
        "subscriptions": [
            {
                **_facts(subscription),
                "remaining_credits": shown(summary.stats.available + summary.stats.held),
                "used_credits": shown(summary.stats.spent),
            }
            for summary, subscription in listed
            if subscription is not None
        ],
        "nextCursor": page.cursor,
    }


def look(ledger: Ledger, user: str, now: int) -> dict[str, Any]:
    """All of one subscription, with the ledger's check. Raises `NotFound`, `Busy`."""
    subscription = found(ledger, user)
    account = ledger.account(user)
    keys = ledger.table.query(account_pk(user), KEY_PREFIX, limit=LAST_KEYS, consistent=True)
    verified = verify_user(ledger.table, ledger.unit, user)
    return {
        "ok": True,
        **_facts(subscription),
        **usage.members(ledger, subscription, now),
        "available_credits": shown(account.available),
        "held_credits": shown(account.held),
        "keys": [_key_members(read_key(item)) for item in keys],
        "transactions": [
            users.transaction_members(entry)
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
    type_ = "admin_add" if change > 0 else "admin_deduct"
    seen = found(ledger, user)
    once = _once(ledger, user, "adjust", asked, {"amount": change}, act)
    try:
        entry = moves.adjust(ledger, seen, type_, change, once, act)
    except AlreadyDone as done:
        item = requests_once.replayed(done.item, asked.fingerprint)
        return _moved(user, item["facts"]["amount"], item["balance_after"])
    except InsufficientCredits as short:
        raise SubscriptionUsedUp(
            "The subscription has less than that outside of its keys.",
            details={"remaining_credits": shown(short.balance)},
        ) from None
    return _moved(user, change, entry.available_after)


def change_plan(
    ledger: Ledger, user: str, plan: str, policy: str | None, asked: RequestKey, act: Act
) -> dict[str, Any]:
    """Put the subscription on another plan. Raises `NotFound`, `KeyReused`, `Busy`."""
    once = _once(ledger, user, "plan", asked, {"plan": plan, "policy": policy}, act)
    for _ in range(TRIES):
        try:
            entry = moves.change_plan(ledger, found(ledger, user), plan, policy, once, act)
        except AlreadyDone as done:
            item = requests_once.replayed(done.item, asked.fingerprint)
            return _planned(user, item["facts"], item["balance_after"])
        if entry is not None:
            return _planned(user, {"plan": plan, "policy": policy}, entry.available_after)
    raise Busy()


def block(subscribing: Subscribing, audit: Audit, user: str, act: Act) -> dict[str, Any]:
    """Stop the subscription and disable its key. Raises `NotFound`, `Busy`."""
    ledger = subscribing.ledger
    for _ in range(TRIES):
        seen = found(ledger, user)
        if seen.state != BLOCKED:
            if not steps.retire(ledger, seen, state=BLOCKED, now=act.at, look_at=act.at):
                continue
            _disable(subscribing, user, seen.current, act)
            _keep(audit, user, "subscription_block", act)
        return {"ok": True, "userId": user, "state": BLOCKED}
    raise Busy()


def unblock(ledger: Ledger, audit: Audit, user: str, act: Act) -> dict[str, Any]:
    """Lift a block; the next call gets a key. Raises `NotFound`, `Busy`."""
    if steps.unblock(ledger.table, found(ledger, user), now=act.at):
        _keep(audit, user, "subscription_unblock", act)
    return {"ok": True, "userId": user, "state": found(ledger, user).state}


def rotate(
    subscribing: Subscribing, audit: Audit, user: str, act: Act, *, revoke: bool
) -> dict[str, Any]:
    """Replace the current key now; with `revoke` the old one ends at once. Raises `NotFound`,
    `KeysUnavailable`, `Busy`.
    """
    ledger = subscribing.ledger
    seen = found(ledger, user)
    grace_s = 0 if revoke else GRACE_S
    try:
        rotated = subscribing.replace(user, seen.current, act, grace_s=grace_s)
    except NotMade as not_made:
        raise KeysUnavailable(retry_after_s=not_made.retry_after_s) from None
    if rotated:
        if revoke:
            _disable(subscribing, user, seen.current, act)
        _keep(audit, user, "subscription_rotate", act)
    return {"ok": True, "userId": user, "rotated": rotated, "key": found(ledger, user).current}


def _disable(subscribing: Subscribing, user: str, number: int, act: Act) -> None:
    """Disable a retiring key at once; where that can not be done now, the monitor does it."""
    key = steps.find_key(subscribing.ledger.table, user, number)
    if key is not None:
        with contextlib.suppress(*TROUBLE, Busy):
            subscribing.rotation.advance(key, tuple, act)


def notice_page(ledger: Ledger, user: str, limit: int, cursor: str | None) -> dict[str, Any]:
    """Notices about a subscription with what was tried, newest first. Raises `NotFound`, `Busy`."""
    found(ledger, user)
    items = notices.of_user(ledger.table, user, limit=limit + 1, before=cursor)
    shown_items = items[:limit]
    return {
        "ok": True,
        "webhooks": [notices.members(item) for item in shown_items],
        "nextCursor": shown_items[-1]["sk"] if len(items) > limit else None,
    }


def replay_notice(
    ledger: Ledger, audit: Audit, user: str, message: str, act: Act
) -> dict[str, Any]:
    """Send a notice again, with the same id. Raises `NotFound`, `Busy`."""
    found(ledger, user)
    if not _MESSAGE_ID.fullmatch(message) or not notices.replay(
        ledger.table, user, message, act.at
    ):
        raise NotFound()
    _keep(audit, user, "webhook_replay", act)
    return {"ok": True, "id": message, "state": notices.PENDING}


def signed_micros(amount: str) -> int:
    """The micro-dollars of a form's `amount`. Raises `InvalidRequest` for nothing and for too much."""
    change = micros(Decimal(amount.removeprefix("-")))
    if not 0 < change <= CREDIT * CREDIT:
        raise InvalidRequest("The amount must not be zero.", details={"field": "amount"})
    return -change if amount.startswith("-") else change


def _once(
    ledger: Ledger, user: str, operation: str, asked: RequestKey, facts: dict[str, Any], act: Act
) -> RequestOnce:
    return RequestOnce(
        ledger.table,
        user=user,
        operation=f"subscription_{operation}",
        key=asked.key or act.request_id,
        fingerprint=asked.fingerprint,
        now=act.at,
        facts=facts,
    )


def _moved(user: str, change: int, available: int) -> dict[str, Any]:
    sign = -1 if change < 0 else 1
    amount = sign * shown(abs(change))
    return {"ok": True, "userId": user, "amount": amount, "available_credits": shown(available)}


def _planned(user: str, facts: dict[str, Any], available: int) -> dict[str, Any]:
    return {
        "ok": True,
        "userId": user,
        "plan": facts["plan"],
        "policy": facts["policy"],
        "available_credits": shown(available),
    }


def _keep(audit: Audit, user: str, action: str, act: Act) -> None:
    audit.keep(Record(user, action, True, "", act))


def _facts(subscription: Subscription) -> dict[str, Any]:
    return {
        "userId": subscription.user,
        "email": subscription.email or "",
        "username": subscription.username or "",
        "plan": subscription.plan,
        "policy": subscription.policy,
        "state": subscription.state,
        "total_credits": shown(subscription.total),
        "currentKey": subscription.current,
        "createdAt": iso(subscription.created_at),
        "updatedAt": iso(subscription.updated_at),
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
