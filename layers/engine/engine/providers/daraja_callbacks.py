"""What Daraja pushes about payments: the outcome of an STK push, and C2B validation and confirmation.

Formats: "M-Pesa Express" and "Customer to Business" of the Daraja 3.0 portal. Members are looked up by name,
because their order and number vary; codes come as numbers and as texts, amounts too. Whatever arrives is
answered 200: Daraja repeats nothing usefully, and a confirmation is sent once.

Nothing here is signed. A callback counts only under a path of `callback_paths`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from engine.providers import money
from engine.providers.money import BadAmount, Money
from engine.providers.wire import child, children, parsed, text, word

NAIROBI: Final = timezone(timedelta(hours=3))
"""Daraja writes wall-clock time of Nairobi, which has no summer time."""

PAID: Final = "0"
RETRY_AT_ONCE = frozenset({"1", "1019", "1025", "1032", "1037", "2001", "9999"})
"""The customer can simply try again: too little money, cancelled, not reached, wrong PIN, timed out."""

OUR_FAULT = frozenset({"2028", "8006", "SFC_IC0003"})
"""Wrong set-up or a locked credential: an operator must act."""

RECEIPT = re.compile(r"[A-Z0-9]{10,12}")
_TIME = re.compile(r"[0-9]{14}")
_HASHED = re.compile(r"[0-9a-fA-F]{64}")
_CHECKOUT = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class StkResult:
    """The outcome of a push. `code` is Daraja's word, `PAID` or another; `receipt`, `amount` and `paid_at`
    (epoch seconds) are there only if Daraja names them, which a payment needs to count.
    """

    checkout_id: str
    merchant_id: str
    code: str
    description: str
    receipt: str | None = None
    amount: Money | None = None
    paid_at: int | None = None
    payer: str = ""

    @property
    def is_paid(self) -> bool:
        return self.code == PAID

    @property
    def is_proof(self) -> bool:
        """Whether it names a receipt and an amount; without, ask `Daraja.query` and wait for C2B or Pull."""
        return self.is_paid and self.receipt is not None and self.amount is not None


@dataclass(frozen=True, slots=True)
class C2bPayment:
    """A payment to the short code. `reference` is what the payer typed, as it came; `payer` is masked."""

    receipt: str
    amount: Money
    short_code: str
    reference: str
    paid_at: int | None
    payer: str
    kind: str


def stk(raw: bytes) -> StkResult | None:
    """The outcome in a callback's body; None if it is none. Never raises."""
    callback = child(child(parsed(raw) or {}, "Body"), "stkCallback")
    checkout_id, code = text(callback, "CheckoutRequestID", 80), word(callback, "ResultCode")
    if checkout_id is None or not _CHECKOUT.fullmatch(checkout_id) or not code:
        return None
    found = {
        name: item.get("Value")
        for item in children(child(callback, "CallbackMetadata"), "Item")
        if isinstance(name := item.get("Name"), str)
    }
    return StkResult(
        checkout_id,
        text(callback, "MerchantRequestID", 80) or "",
        code,
        text(callback, "ResultDesc") or "",
        receipt_of(found.get("MpesaReceiptNumber")),
        amount_of(found.get("Amount")),
        moment_of(found.get("TransactionDate")),
        masked(found.get("PhoneNumber")),
    )


def c2b(raw: bytes) -> C2bPayment | None:
    """The payment in the body of a validation or confirmation; None if it is none. Never raises."""
    members = parsed(raw) or {}
    receipt, amount = receipt_of(members.get("TransID")), amount_of(members.get("TransAmount"))
    short_code = word(members, "BusinessShortCode")
    if receipt is None or amount is None or not short_code.isdigit():
        return None
    return C2bPayment(
        receipt,
        amount,
        short_code,
        text(members, "BillRefNumber", 100) or "",
        moment_of(members.get("TransTime")),
        masked(members.get("MSISDN")),
        text(members, "TransactionType", 40) or "",
    )


def accepted() -> dict[str, Any]:
    """The answer to a callback, whatever it was."""
    return {"ResultCode": 0, "ResultDesc": "Success"}


def admitted(third_party_id: str = "") -> dict[str, str]:
    """The answer to a validation that lets the payment through; the id comes back in the confirmation."""
    answer = {"ResultCode": "0", "ResultDesc": "Accepted"}
    return {**answer, "ThirdPartyTransID": third_party_id} if third_party_id else answer


def rejected(code: str) -> dict[str, str]:
    """The answer to a validation that stops the payment: `WRONG_ACCOUNT` or `WRONG_AMOUNT`."""
    return {"ResultCode": code, "ResultDesc": "Rejected"}


WRONG_ACCOUNT: Final = "C2B00012"
WRONG_AMOUNT: Final = "C2B00013"


def receipt_of(value: Any) -> str | None:
    """A receipt: 10 to 12 letters and digits, of which one is a letter and one a digit."""
    if not isinstance(value, str) or not RECEIPT.fullmatch(value):
        return None
    return None if value.isdigit() or value.isalpha() else value


def amount_of(value: Any) -> Money | None:
    """A positive amount in shillings."""
    try:
        amount = money.of_shillings(value)
    except BadAmount:
        return None
    return amount if amount.minor else None


def moment_of(value: Any) -> int | None:
    """`YYYYMMDDHHmmss` of Nairobi, a text or a number, as epoch seconds."""
    digits = str(value) if isinstance(value, int | str) else ""
    if not _TIME.fullmatch(digits):
        return None
    try:
        moment = datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=NAIROBI)
    except ValueError:
        return None
    return int(moment.timestamp()) if moment.year > 2000 else None


def stamp(now: int) -> str:
    """`now`, epoch seconds, as Daraja writes a time."""
    return datetime.fromtimestamp(now, UTC).astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")


def masked(number: Any) -> str:
    """A phone number as it may be stored: its last three digits. A hash or a masked number of Daraja's gives
    the same; anything else nothing.
    """
    given = str(number) if isinstance(number, int | str) and not isinstance(number, bool) else ""
    if _HASHED.fullmatch(given):
        return f"#{given[:6].lower()}"
    digits = re.sub(r"[ *]", "", given)
    if len(given) > 20 or not digits.isascii() or not digits.isdigit() or len(digits) < 6:
        return ""
    return f"***{digits[-3:]}"


def known(members: Mapping[str, Any]) -> str:
    """The code of an answer of Daraja's that is no success: `errorCode`, or Apigee's."""
    fault = child(child(members, "fault"), "detail")
    return word(members, "errorCode") or word(fault, "errorcode")
