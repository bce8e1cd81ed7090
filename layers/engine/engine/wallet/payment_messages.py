"""What is read from a payment message that a user has pasted: its receipt, and the text that is stored."""

from dataclasses import dataclass
from typing import Any

from engine.providers import mpesa_messages

LONGEST = 500


@dataclass(frozen=True, slots=True)
class Reported:
    """`receipt` is None where the text names none; `text` is redacted and at most `LONGEST` long."""

    receipt: str | None
    text: str


def read(text: str) -> Reported:
    """What `text` reports. Never raises."""
    receipts = mpesa_messages.receipts(text)
    shown = " ".join(mpesa_messages.redacted(text).split())[:LONGEST]
    return Reported(receipts[0] if receipts else None, shown)


def said(text: str, receipt: str | None) -> dict[str, Any] | None:
    """What the message with `receipt` in a stored text says, for operators; None where no form is known. It
    proves nothing: anyone can write it.
    """
    found = next((one for one in mpesa_messages.read(text) if one.receipt == receipt), None)
    if found is None:
        return None
    return {
        "kind": found.kind,
        "amountMinor": found.amount.minor if found.amount else None,
        "currency": found.amount.currency if found.amount else None,
        "account": found.account,
        "day": found.day.isoformat() if found.day else None,
    }
