"""What Daraja answers later: results of transaction status, reversal and B2C, and the rows of Pull.

Formats: "Transaction Status", "Reversals", "Business to Customer" and "Pull Transactions" of the Daraja 3.0
portal. A result comes to the ResultURL of its request, under a path of `callback_paths`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from engine.providers.daraja_callbacks import (
    NAIROBI,
    PAID,
    amount_of,
    masked,
    moment_of,
    receipt_of,
)
from engine.providers.money import Money
from engine.providers.wire import Page, child, children, moment, parsed, text, word

ALREADY_REVERSED: Final = "R000001"
UNKNOWN_ORIGINAL: Final = "R000002"
COMPLETED: Final = "Completed"
PULLED: Final = "1000"
NOTHING_TO_PULL: Final = "1001"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one request. `request_id` is the conversation that its acknowledgement named, `own_id`
    the one that we chose (B2C); `parameters` are texts by key.
    """

    request_id: str
    own_id: str
    code: str
    description: str
    transaction: str
    parameters: Mapping[str, str]

    @property
    def is_success(self) -> bool:
        return self.code == PAID


@dataclass(frozen=True, slots=True)
class ProvedPayment:
    """What a transaction status proves: this receipt paid this amount to this short code."""

    receipt: str
    amount: Money
    paid_at: int | None
    payer: str


@dataclass(frozen=True, slots=True)
class PulledPayment:
    """A row of Pull: a payment to our short code."""

    receipt: str
    amount: Money
    reference: str
    paid_at: int | None
    payer: str


def result(raw: bytes) -> Result | None:
    """The result in a callback's body; None if it is none. Never raises."""
    members = child(parsed(raw) or {}, "Result")
    request_id, code = text(members, "ConversationID", 80), word(members, "ResultCode")
    if request_id is None or not code:
        return None
    return Result(
        request_id,
        text(members, "OriginatorConversationID", 80) or "",
        code,
        text(members, "ResultDesc") or "",
        word(members, "TransactionID"),
        dict(_parameters(members)),
    )


def proved(found: Result, receipt: str, short_code: str) -> ProvedPayment | None:
    """The payment `receipt` to `short_code` that a transaction status proves; None if it proves another,
    or none. The short code is checked, because Daraja answers the status of any payment.
    """
    told = found.parameters
    amount = amount_of(told.get("Amount"))
    is_ours = told.get("CreditPartyName", "").partition(" ")[0] == short_code
    is_whole = found.is_success and told.get("TransactionStatus") == COMPLETED
    if not (is_ours and is_whole) or told.get("ReceiptNo") != receipt or amount is None:
        return None
    payer = masked(told.get("DebitPartyName", "").partition(" ")[0])
    return ProvedPayment(receipt, amount, moment_of(told.get("FinalisedTime")), payer)


def reversed_amount(found: Result, receipt: str) -> Money | None:
    """What a reversal of `receipt` gave back; None if it gave nothing, or names no amount. `ALREADY_REVERSED`
    gives no amount: the whole payment is back.
    """
    if not found.is_success or found.parameters.get("OriginalTransactionID") != receipt:
        return None
    return amount_of(found.parameters.get("Amount"))


def paid_out(found: Result) -> Money | None:
    """What a B2C payment has paid; None if it failed or names no amount."""
    return amount_of(found.parameters.get("TransactionAmount")) if found.is_success else None


def pulled(members: Mapping[str, Any], offset: int) -> Page[PulledPayment] | None:
    """The rows of one answer of Pull, which are a list inside a list; None for an answer that is none.

    `after` is the offset to continue at.
    """
    code = word(members, "ResponseCode")
    listed = members.get("Response")
    if code not in (PULLED, NOTHING_TO_PULL) or not isinstance(listed, list):
        return None
    rows = [row for part in listed for row in (part if isinstance(part, list) else [part])]
    read = [_row(row if isinstance(row, dict) else {}) for row in rows]
    payments = tuple(row for row in read if row is not None)
    after = str(offset + len(rows)) if rows else None
    return Page(payments, after, len(rows) - len(payments))


def _row(members: Mapping[str, Any]) -> PulledPayment | None:
    receipt = receipt_of(members.get("transactionId"))
    amount = amount_of(members.get("amount"))
    if receipt is None or amount is None:
        return None
    return PulledPayment(
        receipt,
        amount,
        text(members, "billreference", 100) or "",
        moment(members, "trxDate", NAIROBI),
        masked(members.get("msisdn")),
    )


def _parameters(members: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for item in children(child(members, "ResultParameters"), "ResultParameter"):
        key, value = text(item, "Key", 64), item.get("Value")
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            value = (
                f"{value:f}" if isinstance(value, Decimal) and abs(value.adjusted()) < 20 else value
            )
            yield str(key), str(value)
        elif key is not None and text(item, "Value") is not None:
            yield key, str(value)
