"""Every minute: keys at OpenRouter are looked after, and the operator's account there."""

import time
from typing import Any

from engine import config, keyrings, logs, sealing, subscription_keys, table
from engine.key_monitor import Monitor
from engine.keyrings import PROVISIONING_API_KEY, KeyRings
from engine.ledger import Ledger
from engine.origin import Origin
from engine.plans import UNIT
from engine.subscribing import Subscribing
from engine.table import Table

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (PROVISIONING_API_KEY,))
rotation = subscription_keys.rotation(settings, ledger, rings, sealing.connect())
monitor = Monitor(Subscribing(rotation, settings.plan_policy))
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A scheduled event, of which nothing is read; the counts of what was done."""
    request_id = str(getattr(context, "aws_request_id", "monitor"))
    origin = Origin("system:key-monitor", request_id, "", "", "usage")
    watched = monitor.round(
        origin, now=int(clock()), remaining_s=lambda: context.get_remaining_time_in_millis() / 1000
    )
    if watched.house is not None:
        logs.house_balance(watched.house.left, settings.house_low_usd)
    logs.logger.info("keys", extra=watched.counts())
    return watched.counts()
