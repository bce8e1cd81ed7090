"""Sends the notices that are due, each by one process at a time."""

from collections.abc import Callable
from dataclasses import dataclass

from engine import notices, standard_webhooks, webhook_sender
from engine.keyrings import Ring
from engine.logs import logger
from engine.subscription_items import SHARDS
from engine.table import Item, Table
from engine.webhook_sender import NotAllowed, NotDelivered, Resolve, resolve

BATCH = 50
RESERVE_S = 15.0
GONE = 410
"""The receiver wants no more of it."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where notices go, and the ring that signs them."""

    url: str
    ring: Ring
    is_local: bool
    resolver: Resolve = resolve


def deliver(
    table: Table,
    receiver: Receiver,
    *,
    clock: Callable[[], float],
    remaining_s: Callable[[], float],
) -> dict[str, int]:
    """Send what is due; the counts of what came of it. Raises `Busy`."""
    counts = {"sent": 0, "delivered": 0}
    for shard in range(SHARDS):
        for item in notices.due(table, shard, int(clock()), BATCH):
            if remaining_s() < RESERVE_S:
                return counts
            now = int(clock())
            if notices.claim(table, item, now):
                outcome, is_delivered = _sent(item, receiver, now)
                notices.tried(table, item, outcome, is_delivered=is_delivered, now=now)
                counts["sent"] += 1
                counts["delivered"] += is_delivered
                logger.info("be:notice", extra={"notice": item["sk"], "outcome": outcome})
    return counts


def _sent(item: Item, receiver: Receiver, now: int) -> tuple[str, bool]:
    """What came of it in a word, and whether the receiver has it or wants it no more."""
    body = notices.body_of(item)
    headers = standard_webhooks.headers(item["sk"], now, body, receiver.ring)
    try:
        to = webhook_sender.target(
            receiver.url, is_local=receiver.is_local, resolver=receiver.resolver
        )
        status = webhook_sender.post(to, body, headers)
    except NotAllowed as refused:
        return f"not allowed: {refused}", False
    except NotDelivered as lost:
        return str(lost), False
    return str(status), 200 <= status < 300 or status == GONE
