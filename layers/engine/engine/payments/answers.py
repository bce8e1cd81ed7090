"""Payments as buyers and operators see them: intents, receipts, rows of the inbox."""

from collections.abc import Mapping
from typing import Any

from engine.payments import intents, packs, rows
from engine.payments.book import Book
from engine.payments.errors import PaymentNotFound
from engine.payments.intents import Intent
from engine.payments.packs import Pack
from engine.payments.rows import Row
from engine.platform.times import iso
from engine.subscriptions.plans import UNIT as DOLLARS
from engine.subscriptions.plans import shown


def packs_members(sold: list[Pack]) -> dict[str, Any]:
    """The packs that are sold."""
    return {"ok": True, "packs": [packs.members(pack) for pack in sold]}


def intent_members(
    intent: Intent, now: int, row: Row | None = None, pay_to: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An intent with what became of it; `pay_to` says where to pay with the pay code."""
    pack, _, version = intent.pack.rpartition("@")
    status = row.state if row is not None and row.is_granted else intent.status(now)
    return {
        "ok": True,
        "intentId": intent.id,
        "packId": pack,
        "packVersion": int(version),
        "provider": intent.provider,
        "amountMinor": intent.amount,
        "currency": intent.currency,
        **_grants(intent.unit, intent.grants),
        "payCode": intent.pay_code or None,
        "status": status,
        "reason": intent.trouble or None,
        "isCallUnknown": intent.call in (intents.CALLING, intents.UNKNOWN),
        "checkoutUrl": intent.url or None,
        "payTo": dict(pay_to) if pay_to else None,
        "createdAt": iso(intent.created_at),
        "expiresAt": iso(intent.ends_at),
    }


def payment_members(book: Book, intent: Intent, row: Row | None, now: int) -> dict[str, Any]:
    """A purchase with its receipt, which is None until it is granted."""
    members = intent_members(intent, now, row)
    receipt = _receipt(book, row) if row is not None and row.is_granted else None
    return {**members, "receipt": receipt}


def page_members(book: Book, user: str, limit: int, cursor: str | None, now: int) -> dict[str, Any]:
    """A user's purchases, newest first. Raises `Busy`."""
    page, after = intents.of_user(book.table, user, limit=limit, before=cursor)
    found = rows.many(book.table, _granted_names(page))
    shown_ = [
        payment_members(book, one, found.get((one.provider, one.payment)), now) for one in page
    ]
    return {"ok": True, "payments": shown_, "nextCursor": after}


def one_of(book: Book, user: str, intent_id: str, now: int) -> dict[str, Any]:
    """One purchase of the user. Raises `PaymentNotFound`, also for another user's, `Busy`."""
    intent = intents.find(book.table, intent_id)
    if intent is None or intent.user != user:
        raise PaymentNotFound()
    row = None
    if intent.payment:
        row = rows.find(book.table, intent.provider, intent.payment)
    return payment_members(book, intent, row, now)


def claimed_members(row: Row | None) -> dict[str, Any]:
    """What became of a claimed purchase; None is one that is pending."""
    granted = row.granted if row is not None and row.is_granted else 0
    return {
        "ok": True,
        "status": row.state if row is not None else "pending",
        "intentId": (row.intent or None) if row is not None else None,
        **_grants(row.unit if row is not None else "", granted),
        "reason": (row.trouble or None) if row is not None and not row.is_granted else None,
    }


def row_members(row: Row, now: int) -> dict[str, Any]:
    """A payment as operators see it; the payer is masked."""
    return {
        "provider": row.provider,
        "paymentId": row.id,
        "status": row.state,
        "reason": row.trouble or None,
        "userId": row.user or None,
        "intentId": row.intent or None,
        "pack": row.pack or None,
        "grossMinor": row.gross,
        "currency": row.currency or None,
        "unit": row.unit or None,
        "granted": row.granted,
        "taken": row.clawed,
        "short": row.short,
        "refundedMinor": row.refunded,
        "disputedMinor": row.disputed,
        "receiptNumber": row.number,
        "providerReceipt": row.receipt or None,
        "refundReceipt": row.refund_receipt or None,
        "payer": row.payer or None,
        "account": row.account or None,
        "toFinish": row.to_finish or None,
        "paidAt": iso(row.paid_at) if row.paid_at else None,
        "seenAt": iso(row.seen_at),
        "ageSeconds": max(0, now - row.seen_at),
    }


def _granted_names(page: list[Intent]) -> list[tuple[str, str]]:
    names = [(one.provider, one.payment) for one in page if one.payment]
    return list(dict.fromkeys(names))


def _receipt(book: Book, row: Row) -> dict[str, Any]:
    """The receipt of a granted payment. Raises `Busy`."""
    pack = book.packs.named(row.pack)
    is_priced = bool(row.currency or row.price_currency)
    return {
        "number": row.number,
        "providerReceipt": row.receipt or None,
        "pack": pack.label,
        **_grants(row.unit, row.granted),
        "amountMinor": (row.gross if row.currency else row.price) if is_priced else None,
        "currency": row.currency or row.price_currency or None,
        "refundedMinor": row.refunded,
        "taxNote": pack.tax_note,
        "paidAt": iso(row.paid_at),
        "status": row.state,
    }


def _grants(unit: str, amount: int) -> dict[str, Any]:
    """What a purchase grants: credits, or dollars of a subscription."""
    is_dollars = unit == DOLLARS
    return {
        "credits": 0 if is_dollars else amount,
        "dollars": shown(amount) if is_dollars else 0,
    }
