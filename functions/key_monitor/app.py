"""Every minute: keys at OpenRouter are looked after, and the operator's account there."""

import time
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import PROVISIONING_API_KEY, KeyRings
from engine.ledger.posting import Ledger
from engine.platform import config, logs, sealing, table
from engine.platform.act import by_system
from engine.platform.table import Table
from engine.subscriptions import setup
from engine.subscriptions.key_monitor import Monitor
from engine.subscriptions.plans import UNIT
from engine.subscriptions.subscribing import Subscribing

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (PROVISIONING_API_KEY,))
rotation = setup.rotation(settings, ledger, rings, sealing.connect())
monitor = Monitor(Subscribing(rotation, settings.plan_policy))
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A scheduled event, of which nothing is read; the counts of what was done."""
    request_id = str(getattr(context, "aws_request_id", "monitor"))
    act = by_system("key-monitor", request_id, "usage", at=int(clock()))
    watched = monitor.round(act, remaining_s=lambda: context.get_remaining_time_in_millis() / 1000)
    if watched.house is not None:
        logs.house_balance(watched.house.left, settings.house_low_usd)
    logs.logger.info("keys", extra=watched.counts())
    return watched.counts()
