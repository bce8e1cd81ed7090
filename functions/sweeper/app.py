"""Every five minutes: holds past their time are resolved."""

import time
from typing import Any

from engine import config, keyrings, logs, sweeping, table
from engine.circuit import Circuit
from engine.keyrings import TTT_SHARED_SECRET, KeyRings
from engine.ledger import Ledger
from engine.logs import logger
from engine.table import Table
from engine.upstream import Upstream

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (TTT_SHARED_SECRET,))
upstream = Upstream(settings.ttt_base, signs=settings.ttt_signs)
circuit = Circuit(ledger.table, "ttt")
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A scheduled event, of which nothing is read; the counts of what was done."""
    with logs.invocation(context):
        counts = _swept(str(getattr(context, "aws_request_id", "sweep")))
        logger.info("sweep", extra=counts)
    return counts


def _swept(request_id: str) -> dict[str, int]:
    swept = sweeping.sweep(
        ledger,
        upstream,
        rings[TTT_SHARED_SECRET].signing,
        now=int(clock()),
        request_id=request_id,
        timeout_s=settings.request_timeout_s,
        breaker=circuit,
    )
    return {
        "lookedAt": swept.looked_at,
        "captured": swept.captured,
        "released": swept.released,
        "waiting": swept.waiting,
    }
