"""Turns the table's stream into read models: account summaries, statistics, audit records, notices."""

from typing import Any

from engine.payments.notices import Notices
from engine.platform import config, logs, table
from engine.platform.table import Table
from engine.readmodels.projection import Projected, Projector

settings = config.load()
projector = Projector(
    Table(table.connect(), settings.table_name),
    low_balance=settings.low_balance,
    audit_days=settings.audit_days,
)
projector.beside = Notices(bool(settings.notify_url)).of_low_balance


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Projects a batch of the stream; the answer names the record to retry from, if one failed."""
    with logs.invocation(context):
        done = _project(event, context)
    failed = done.failed_from
    # Lambda retries from the lowest sequence number, so one is enough; records that were already
    # projected do nothing.
    return {"batchItemFailures": [{"itemIdentifier": failed}] if failed is not None else []}


def _project(event: dict[str, Any], context: Any) -> Projected:
    done = projector.batch(event["Records"], lambda: context.get_remaining_time_in_millis() / 1000)
    logs.moved(done.entries)
    for notice in done.notices:
        logs.low_balance(notice.user, notice.available, seq=notice.seq, threshold=notice.threshold)
    for trouble in done.troubles:
        logs.not_projected(trouble)
    return done
