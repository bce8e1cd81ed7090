"""What is read from a payment message that a user has pasted: its receipt, and the text that is stored."""

from dataclasses import dataclass

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
