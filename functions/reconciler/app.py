"""Every five minutes: open purchases are looked at, and providers' lists are compared with ours."""

import time
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import KeyRings
from engine.payments import book, clients, reconciliation
from engine.payments.buying import Shop
from engine.payments.clients import Clients
from engine.payments.reconciliation import Reconciler
from engine.platform import config, logs, table
from engine.platform.act import by_system
from engine.platform.table import Table

settings = config.load()
books = book.opened(settings, Table(table.connect(), settings.table_name))
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (*clients.SECRETS, *clients.ASKING))
shop = Shop(books, Clients(settings, rings, books.table), settings)
clock = time.time

MOST_FINDINGS = 100


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """A scheduled event, whose content is not read; the counts of what was done."""
    with logs.invocation(context):
        request_id = str(getattr(context, "aws_request_id", "reconcile"))
        act = by_system("reconciler", request_id, "payment", at=int(clock()))
        done = Reconciler(shop, act, lambda: context.get_remaining_time_in_millis() / 1000).run()
        counts = {**done.counts, "isDone": int(done.is_done)}
        found = len(reconciliation.open_findings(books.table, MOST_FINDINGS))
        logs.reconciled(counts, findings=found)
    return counts
