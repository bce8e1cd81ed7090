"""Every minute: sends the notices of the outbox to the operator's own system."""

import time
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import NOTIFY_SECRET, KeyRings
from engine.platform import config, table
from engine.platform.logs import logger
from engine.platform.table import Table
from engine.subscriptions.delivery import Delivery
from engine.subscriptions.receiver import Receiver

settings = config.load()
store = Table(table.connect(), settings.table_name)
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (NOTIFY_SECRET,))
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Takes a scheduled event, whose content is not used; answers the counts of the round."""
    if not settings.notify_url:
        return {}
    receiver = Receiver(settings.notify_url, rings[NOTIFY_SECRET], is_local=settings.is_local)
    delivery = Delivery(store, receiver, clock=clock)
    delivery.round(lambda: context.get_remaining_time_in_millis() / 1000)
    logger.info("notices", extra=delivery.counts)
    return delivery.counts
