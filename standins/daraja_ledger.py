"""What M-Pesa knows in the Daraja stand-in: payments, pushes, and the bodies that tell them.

Formats: the Daraja 3.0 portal. Times are wall-clock times of Nairobi.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

NAIROBI = timezone(timedelta(hours=3))
ANSWERS: Mapping[str, tuple[Any, str]] = {
    "pays": (0, "The service request is processed successfully."),
    "has_too_little": (1, "The balance is insufficient for the transaction."),
    "cancels": (1032, "Request canceled by user."),
    "is_unreachable": (1037, "DS timeout user cannot be reached"),
    "types_a_wrong_pin": (2001, "The initiator information is invalid."),
    "expires": (1019, "Transaction has expired"),
    "is_locked": (1001, "Unable to lock subscriber, a transaction is already in process"),
    "meets_an_unknown_operator": ("SFC_IC0003", "The operator does not exist."),
}
"""What a customer does with a prompt, and Daraja's code and words for it."""

_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DAYS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


@dataclass
class Payment:
    """A payment to a short code."""

    receipt: str
    at: float
    short_code: str
    amount: str
    phone: str
    reference: str
    kind: str = "Pay Bill"
    is_reversed: bool = False


@dataclass
class Push:
    """A prompt; ``answer`` is None until the customer decides."""

    asked: Mapping[str, Any]
    at: float
    checkout_id: str = field(default_factory=lambda: "ws_CO_" + secrets.token_hex(13))
    merchant_id: str = field(default_factory=lambda: secrets.token_hex(8))
    answer: str | None = None
    payment: Payment | None = None

    @property
    def phone(self) -> str:
        return str(self.asked["PhoneNumber"])


def new_receipt(at: float) -> str:
    """A receipt as Kenya's M-Pesa makes them: its day in three characters, then seven more."""
    day = datetime.fromtimestamp(at, NAIROBI)
    year = chr(ord("L") + (day.year - 2017) % 15)
    rest = "".join(secrets.choice(_LETTERS) for _ in range(6))
    return f"{year}{chr(ord('A') + day.month - 1)}{_DAYS[day.day]}{rest}{secrets.randbelow(10)}"


def stamp(at: float) -> str:
    """``YYYYMMDDHHmmss``."""
    return datetime.fromtimestamp(at, UTC).astimezone(NAIROBI).strftime("%Y%m%d%H%M%S")


def callback(push: Push) -> dict[str, Any]:
    """The body that tells the outcome of a push."""
    code, words = ANSWERS[str(push.answer)]
    told: dict[str, Any] = {
        "MerchantRequestID": push.merchant_id,
        "CheckoutRequestID": push.checkout_id,
        "ResultCode": code,
        "ResultDesc": words,
    }
    if push.payment is not None:
        items = {
            "Amount": float(push.payment.amount),
            "MpesaReceiptNumber": push.payment.receipt,
            "TransactionDate": int(stamp(push.payment.at)),
            "PhoneNumber": int(push.payment.phone),
        }
        told["CallbackMetadata"] = {
            "Item": [{"Name": name, "Value": value} for name, value in items.items()]
        }
    return {"Body": {"stkCallback": told}}


def c2b_body(payment: Payment, msisdn: str = "hashed", balance: str = "49197.00") -> dict[str, str]:
    """The body of a validation or confirmation; ``msisdn`` is hashed, masked or plain."""
    phones = {
        "hashed": hashlib.sha256(payment.phone.encode()).hexdigest(),
        "masked": f"{payment.phone[:4]} ***** {payment.phone[-3:]}",
        "plain": payment.phone,
    }
    return {
        "TransactionType": payment.kind,
        "TransID": payment.receipt,
        "TransTime": stamp(payment.at),
        "TransAmount": payment.amount,
        "BusinessShortCode": payment.short_code,
        "BillRefNumber": payment.reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": balance,
        "ThirdPartyTransID": "",
        "MSISDN": phones[msisdn],
        "FirstName": "WANJIKU",
        "MiddleName": "",
        "LastName": "",
    }


def pull_row(payment: Payment) -> dict[str, Any]:
    """A payment as Pull lists it."""
    at = datetime.fromtimestamp(int(payment.at), NAIROBI)
    return {
        "transactionId": payment.receipt,
        "trxDate": at.isoformat(),
        "msisdn": int(payment.phone),
        "sender": "MPESA",
        "transactiontype": "c2b-pay-bill-debit",
        "billreference": payment.reference,
        "amount": str(float(payment.amount)),
        "organizationname": "PLUCT",
    }


def result(
    conversation: str, own_id: str, outcome: tuple[Any, str], found: Mapping[str, Any]
) -> dict[str, Any]:
    """The body that tells the result of a request."""
    told: dict[str, Any] = {
        "ResultType": 0,
        "ResultCode": outcome[0],
        "ResultDesc": outcome[1],
        "OriginatorConversationID": own_id,
        "ConversationID": conversation,
        "TransactionID": new_receipt(0),
    }
    if found:
        pairs = [{"Key": key, "Value": value} for key, value in found.items()]
        told["ResultParameters"] = {"ResultParameter": pairs}
    return {"Result": told}


def status_of(payment: Payment) -> dict[str, Any]:
    """What a transaction status says about a payment."""
    return {
        "DebitPartyName": f"{payment.phone} - WANJIKU",
        "CreditPartyName": f"{payment.short_code} - PLUCT",
        "InitiatedTime": int(stamp(payment.at)),
        "DebitPartyCharges": "",
        "ReasonType": "Pay Bill Online",
        "TransactionStatus": "Reversed" if payment.is_reversed else "Completed",
        "FinalisedTime": int(stamp(payment.at)),
        "Amount": float(payment.amount),
        "ReceiptNo": payment.receipt,
    }


def reversal_of(payment: Payment, at: float) -> dict[str, Any]:
    """What the result of a reversal says."""
    return {
        "DebitAccountBalance": "Utility Account|KES|7722179.62|7722179.62|0.00|0.00",
        "Amount": float(payment.amount),
        "TransCompletedTime": int(stamp(at)),
        "OriginalTransactionID": payment.receipt,
        "Charge": 0,
        "CreditPartyPublicName": f"{payment.phone} - WANJIKU",
        "DebitPartyPublicName": f"{payment.short_code} - PLUCT",
    }


def payout_of(asked: Mapping[str, Any], at: float) -> dict[str, Any]:
    """What the result of a payment to a customer says."""
    moment = datetime.fromtimestamp(at, NAIROBI)
    return {
        "TransactionAmount": int(asked["Amount"]),
        "TransactionReceipt": new_receipt(at),
        "B2CRecipientIsRegisteredCustomer": "Y",
        "ReceiverPartyPublicName": f"{asked['PartyB']} - WANJIKU",
        "TransactionCompletedDateTime": moment.strftime("%d.%m.%Y %H:%M:%S"),
    }
