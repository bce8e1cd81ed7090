"""Every minute: holds past their time are resolved."""

import time
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import TTT_SHARED_SECRET, KeyRings
from engine.ledger.posting import Ledger
from engine.platform import config, logs, table
from engine.platform.circuit import Circuit
from engine.platform.table import Table
from engine.products.catalogue import Catalogue
from engine.transcription import sweeping
from engine.transcription.gateway import Gateway, Questions
from engine.transcription.sweeping import Swept
from engine.transcription.upstream import Upstream

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (TTT_SHARED_SECRET,))
upstream = Upstream(settings.ttt_base, signs=settings.ttt_signs)
questions = Questions()
products = Catalogue(ledger.table)
circuit = Circuit(ledger.table, "ttt")
clock = time.time


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A scheduled event, whose content is not read; the counts of what was done."""
    with logs.invocation(context):
        swept = sweeping.sweep(
            _gateway(),
            now=int(clock()),
            request_id=str(getattr(context, "aws_request_id", "sweep")),
            remaining_s=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        counts = _counts(swept)
        logs.sweep(counts, is_cut=swept.is_cut)
    return counts


def _gateway() -> Gateway:
    return Gateway(
        ledger,
        upstream,
        rings[TTT_SHARED_SECRET].signing,
        settings.request_timeout_s,
        breaker=circuit,
        keep_days=settings.text_days,
        job_limit_s=settings.job_limit_s,
        products=products,
        questions=questions,
    )


def _counts(swept: Swept) -> dict[str, int]:
    return {
        "lookedAt": swept.looked_at,
        "captured": swept.captured,
        "released": swept.released,
        "waiting": swept.waiting,
    }
