"""Sends the notices of the outbox that are due, each by one process at a time.

What fails on one notice is recorded with it and repeated later; it does not stop the round for the others.
"""

from collections.abc import Callable
from email.utils import parsedate_to_datetime

from engine.credits import standard_webhooks
from engine.platform import logs
from engine.platform.errors import EngineError
from engine.platform.logs import logger
from engine.platform.table import Item, Table
from engine.subscriptions import outbox
from engine.subscriptions.outbox import Attempt
from engine.subscriptions.receiver import NotAllowed, NotDelivered, Receiver

BATCH = 50
RESERVE_S = 15.0
DIGITS = 12
GONE = 410
"""The receiver asks for no further attempt."""


class Delivery:
    """Sends what is due to one receiver. `counts` is what the rounds have done so far."""

    def __init__(self, table: Table, receiver: Receiver, *, clock: Callable[[], float]) -> None:
        self._table = table
        self._receiver = receiver
        self._clock = clock
        self.counts = {"sent": 0, "delivered": 0, "troubles": 0, "set_aside": 0}

    def round(self, remaining_s: Callable[[], float]) -> None:
        """One round: nothing is started with less than `RESERVE_S` left."""
        for shard in range(outbox.SHARDS):
            try:
                for item in outbox.due(self._table, shard, int(self._clock()), BATCH):
                    if remaining_s() < RESERVE_S:
                        return
                    self._guarded(item)
            except EngineError as error:
                self._count_trouble(f"shard {shard}", error)

    def _guarded(self, item: Item) -> None:
        """One notice. What the store refuses now is left for a later round; any other error is set aside."""
        try:
            self._deliver(item)
        except EngineError as error:
            self._count_trouble(str(item["sk"]), error)
        except Exception as error:  # noqa: BLE001 - one notice must not stop the round for the others.
            self.counts["set_aside"] += 1
            logs.set_aside("notices", str(item["sk"]), type(error).__name__)
            outbox.set_aside(self._table, item, int(self._clock()))

    def _deliver(self, item: Item) -> None:
        now = int(self._clock())
        if not outbox.claim(self._table, item, now):
            return
        attempt = self._sent(item, now)
        outbox.record_attempt(self._table, item, attempt, now)
        self.counts["sent"] += 1
        self.counts["delivered"] += attempt.is_final
        logger.info("be:notice", extra={"notice": item["sk"], "outcome": attempt.outcome})

    def _sent(self, item: Item, now: int) -> Attempt:
        receiver = self._receiver
        body = outbox.body_of(item)
        headers = standard_webhooks.headers(item["sk"], now, body, receiver.ring)
        try:
            answer = receiver.post(body, headers)
        except NotAllowed as refused:
            return Attempt(f"not allowed: {refused}")
        except NotDelivered as lost:
            return Attempt(str(lost))
        is_final = 200 <= answer.status < 300 or answer.status == GONE
        return Attempt(str(answer.status), is_final, retry_after_s(answer.retry_after, now))

    def _count_trouble(self, what: str, error: EngineError) -> None:
        self.counts["troubles"] += 1
        logger.warning("be:notices-later", extra={"what": what, "trouble": type(error).__name__})


def retry_after_s(text: str | None, now: int) -> int:
    """The seconds that a `Retry-After` asks to wait, as a number or as a date (RFC 9110, 10.2.3); 0 if it is
    absent, past or of another form.
    """
    text = (text or "").strip()
    if text.isascii() and text.isdigit():
        return int(text) if len(text) <= DIGITS else outbox.LONGEST_WAIT_S
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    return max(0, int(at.timestamp()) - now) if at.tzinfo is not None else 0
