"""Sends the notices of the outbox that are due, each by one process at a time."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.access.keyrings import Ring
from engine.credits import standard_webhooks
from engine.platform.logs import logger
from engine.platform.table import Item, Table
from engine.subscriptions import outbox, public_post
from engine.subscriptions.public_post import NotAllowed, NotDelivered, Resolve, resolve

BATCH = 50
RESERVE_S = 15.0
GONE = 410
"""The receiver asks for no further attempt."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where notices are sent, and the ring that signs them."""

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
    """Send what is due; counts of attempts and of deliveries. Raises `Busy`."""
    counts = {"sent": 0, "delivered": 0}
    for shard in range(outbox.SHARDS):
        for item in outbox.due(table, shard, int(clock()), BATCH):
            if remaining_s() < RESERVE_S:
                return counts
            now = int(clock())
            if outbox.claim(table, item, now):
                outcome, is_delivered = _sent(item, receiver, now)
                outbox.record_attempt(table, item, outcome, is_delivered=is_delivered, now=now)
                counts["sent"] += 1
                counts["delivered"] += is_delivered
                logger.info("be:notice", extra={"notice": item["sk"], "outcome": outcome})
    return counts


def _sent(item: Item, receiver: Receiver, now: int) -> tuple[str, bool]:
    """The outcome in a word, and whether the notice is done: received, or no longer wanted."""
    body = outbox.body_of(item)
    headers = standard_webhooks.headers(item["sk"], now, body, receiver.ring)
    try:
        to = public_post.target(
            receiver.url, is_local=receiver.is_local, resolver=receiver.resolver
        )
        status = public_post.post(to, body, headers)
    except NotAllowed as refused:
        return f"not allowed: {refused}", False
    except NotDelivered as lost:
        return str(lost), False
    return str(status), 200 <= status < 300 or status == GONE
