"""Every minute: looks after the keys at OpenRouter and the operator's balance there."""

import time
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import PROVISIONING_API_KEY, KeyRings
from engine.ledger.posting import Ledger
from engine.platform import config, logs, sealing, table
from engine.platform.act import by_system
from engine.platform.table import Table
from engine.subscriptions import wiring
from engine.subscriptions.issuing import KeyIssuer
from engine.subscriptions.monitor import Monitor
from engine.subscriptions.plans import UNIT

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name), UNIT)
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (PROVISIONING_API_KEY,))
lifecycle = wiring.lifecycle(settings, ledger, rings, sealing.connect())
monitor = Monitor(KeyIssuer(lifecycle, settings.plan_policy))
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Takes a scheduled event, whose content is not used; answers the counts of the round."""
    request_id = str(getattr(context, "aws_request_id", "monitor"))
    act = by_system("key-monitor", request_id, "usage", at=int(clock()))
    done = monitor.round(
        act,
        clock=clock,
        remaining_s=lambda: context.get_remaining_time_in_millis() / 1000,
    )
    if done.balance is not None:
        logs.provider_balance(done.balance.left, settings.house_low_usd)
    logs.logger.info("keys", extra=done.counts())
    return done.counts()
