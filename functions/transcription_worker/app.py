"""Makes the calls to TTTranscribe that an app cannot wait for; each message is one call."""

import time
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import TTT_SHARED_SECRET, KeyRings
from engine.ledger.posting import Ledger
from engine.platform import config, logs, table
from engine.platform.circuit import Circuit
from engine.platform.errors import Busy
from engine.platform.logs import logger
from engine.platform.table import Table
from engine.products.catalogue import Catalogue
from engine.transcription import handover, starting
from engine.transcription.gateway import Gateway, Questions
from engine.transcription.upstream import Upstream

settings = config.load()
ledger = Ledger(Table(table.connect(), settings.table_name))
rings = KeyRings(keyrings.connect(), settings.secrets_prefix, (TTT_SHARED_SECRET,))
upstream = Upstream(settings.ttt_base, signs=settings.ttt_signs)
questions = Questions()
products = Catalogue(ledger.table)
circuit = Circuit(ledger.table, "ttt")
clock = time.time
pause = time.sleep


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of messages; those named in the answer come again."""
    with logs.invocation(context):
        failed = [record["messageId"] for record in event["Records"] if not _done(record)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in failed]}


def _done(record: dict[str, Any]) -> bool:
    """Whether the message need not come again."""
    try:
        user, jti = handover.read_message(record["body"])
        outcome = starting.perform(_gateway(), user, jti, int(clock()))
    except ValueError:
        logger.error("be:call not a call", extra={"message_id": record["messageId"]})
        return False
    except Busy as busy:
        logger.warning("be:call comes again", extra={"code": busy.code})
        return False
    logger.info(f"be:call outcome={outcome.replace(' ', '-')}", extra={"user": user, "jti": jti})
    return True


def _gateway() -> Gateway:
    return Gateway(
        ledger,
        upstream,
        rings[TTT_SHARED_SECRET].signing,
        settings.transcription_timeout_s,
        breaker=circuit,
        keep_days=settings.text_days,
        job_limit_s=settings.job_limit_s,
        products=products,
        questions=questions,
        sleep=pause,
    )
