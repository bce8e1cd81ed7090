"""Notices about payments and low balances, in the outbox of `engine.subscriptions.outbox`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from engine.payments.rows import Row
from engine.platform.table import Write
from engine.platform.times import iso
from engine.readmodels.writes import LowBalance
from engine.subscriptions import outbox

GRANTED: Final = "payment.granted"
REFUNDED: Final = "payment.refunded"
UNMATCHED: Final = "payment.unmatched"
CREDITS_LOW: Final = "credits.low"
NOBODY: Final = "payments"
"""Whose notices those are that concern no user."""


@dataclass(frozen=True, slots=True)
class Notices:
    """Gives the notices of changes; none unless `is_on`."""

    is_on: bool = False

    def of_row(self, type_: str, row: Row, at: int) -> Sequence[Write]:
        """The notice of what happened to a payment: granted, refunded (with what is refunded in all),
        unmatched. One for each revision of the row.
        """
        if not self.is_on:
            return ()
        about = f"{row.subject}:{row.revision + 1}"
        return (outbox.notice(row.user or NOBODY, type_, about, members(row), at),)

    def of_low_balance(self, low: LowBalance) -> Sequence[Write]:
        """The notice of a balance that fell below the deployment's threshold."""
        if not self.is_on:
            return ()
        facts = {
            "userId": low.user,
            "balance": low.available,
            "threshold": low.threshold,
            "since": iso(low.at),
        }
        return (outbox.notice(low.user, CREDITS_LOW, f"low:{low.seq}", facts, low.at),)


def members(row: Row) -> dict[str, Any]:
    """The facts of a payment in a notice; nothing of the payer."""
    return {
        "userId": row.user or None,
        "provider": row.provider,
        "paymentId": row.id,
        "status": row.state,
        "reason": row.trouble or None,
        "packId": row.pack.partition("@")[0] or None,
        "grossMinor": row.gross,
        "currency": row.currency or None,
        "granted": row.granted,
        "taken": row.clawed,
        "refundedMinor": row.refunded,
        "disputedMinor": row.disputed,
        "receiptNumber": row.number,
    }
