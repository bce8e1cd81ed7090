"""Calls to Daraja, the API of M-Pesa in Kenya.

Formats: the Daraja 3.0 portal. Every call carries the token that all instances share (`daraja_token`); where
Daraja calls it invalid, it is read again, renewed once, and the call is made once more, which is safe because
a call with an invalid token was not done. Apart from that a call is made once: Daraja has no idempotency key,
so after `Unknown` a push may be on the customer's phone and is never sent again.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from engine.platform import outgoing
from engine.platform.outgoing import Request
from engine.providers import daraja_results, money
from engine.providers.daraja_callbacks import NAIROBI, PAID, known, stamp
from engine.providers.daraja_results import PulledPayment
from engine.providers.daraja_token import Fetched
from engine.providers.money import Money
from engine.providers.wire import (
    LIMITS,
    Api,
    Page,
    Refused,
    Reply,
    Unknown,
    bearer,
    parsed,
    success,
    text,
    whole,
    word,
)

INVALID_TOKEN = frozenset({"404.001.03", "400.003.01", "401.001", "401.003.01"})
PENDING = "500.001.1001"
"""Of a query: the customer has not decided. Of a push: another transaction holds the subscriber."""

BUSY = "500.003.02"
SPIKE = "policies.ratelimit.SpikeArrestViolation"
ALREADY_REGISTERED = "500.003.1001"
"""Of the registration of addresses: the short code has some, and in production they are set once."""

DUPLICATE_ID = "500.002.1001"
"""Of B2C: an earlier request had the same id."""

LONGEST_PULL_S = 48 * 3600
LONGEST_REFERENCE = 12
LONGEST_DESCRIPTION = 13
_PHONE = re.compile(r"254[17][0-9]{8}")
_LOCAL_PHONE = re.compile(r"\+?(?:254|0)?([17][0-9]{8})")
_TOKEN = re.compile(r"[\x21-\x7e]{4,2048}")
_PLAIN = re.compile(r"[^A-Za-z0-9 ]")

Code = Literal["paid", "failed", "pending"]


class Token(Protocol):
    """`daraja_token.SharedToken`."""

    def get(self) -> str: ...

    def instead_of(self, refused: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Business:
    """Who is paid: `short_code` is the PayBill, or the store number where `till` is the till's number.

    `passkey` gives the secret of STK pushes, and raises `NotSent` if there is none.
    """

    short_code: str
    passkey: Callable[[], str]
    till: str = ""


@dataclass(frozen=True, slots=True)
class PushWanted:
    """A prompt on the customer's phone; `phone` as `phone_of` returns it, `reference` a pay code."""

    phone: str
    amount: Money
    reference: str
    description: str
    callback_url: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """Daraja took the push; whether it is paid comes later, under `checkout_id`."""

    checkout_id: str
    merchant_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a query says. `pending` also where Daraja is busy; `code` is its own word. There is no receipt in
    it: the callback, C2B or Pull names it.
    """

    state: Code
    code: str
    retry_after_s: int = 5


@dataclass(frozen=True, slots=True)
class Initiator:
    """Who asks for status, reversal and B2C: a name of the portal, and its password encrypted for Safaricom's
    certificate, which is made once and kept as a secret.
    """

    name: str
    credential: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Replies:
    """Where the result of a request goes, and the notice that none was made in time."""

    result_url: str
    timeout_url: str


def fetch_token(base: str, key: Callable[[], str], secret: Callable[[], str]) -> Fetched:
    """A new token of the app; the last one is invalid from now on. Raises `NotSent`, `Refused`, `Unknown`."""
    basic = base64.b64encode(f"{key()}:{secret()}".encode()).decode()
    url = base.rstrip("/") + "/oauth/v1/generate?grant_type=client_credentials"
    answer = outgoing.Client().send(
        Request("GET", url, {"Authorization": f"Basic {basic}"}), LIMITS
    )
    members = parsed(answer.raw) or {}
    reply = Reply(answer.status, members, answer.wait_s)
    token = text(success(reply, known(members)), "access_token", 2048)
    life_s = whole(members, "expires_in")
    if token is None or not _TOKEN.fullmatch(token) or life_s is None or not 0 < life_s < 10**6:
        raise Unknown("not_json")
    return Fetched(token, life_s)


def phone_of(typed: str) -> str | None:
    """A Kenyan mobile number as people type it, as Daraja takes it (`2547…`, `2541…`); None if it is none."""
    found = _LOCAL_PHONE.fullmatch(re.sub(r"[ ()-]", "", typed[:30]))
    return f"254{found[1]}" if found and typed.isascii() else None


def password(business: Business, at: str) -> str:
    """The password of a push or query at the time `at`, written as Daraja does."""
    return base64.b64encode(f"{business.short_code}{business.passkey()}{at}".encode()).decode()


class Daraja:
    """Daraja at `base`, for one business."""

    def __init__(
        self,
        base: str,
        token: Token,
        business: Business,
        clock: Callable[[], float],
        initiator: Initiator | None = None,
    ) -> None:
        self._token = token
        self._business = business
        self._clock = clock
        self._initiator = initiator
        self._api = Api(base)

    def push(self, wanted: PushWanted) -> Pushed:
        """Prompts the customer to pay. Never repeat it after `Unknown`.

        Raises `NotSent`; `Refused`, with `PENDING` if the customer has another prompt open; `Unknown`;
        `money.BadAmount`.
        """
        body = push_body(self._business, wanted, stamp(int(self._clock())))
        members = self._accepted("/mpesa/stkpush/v1/processrequest", body, PENDING)
        ids = text(members, "CheckoutRequestID", 80), text(members, "MerchantRequestID", 80)
        if ids[0] is None:
            raise Unknown("not_json")
        return Pushed(ids[0], ids[1] or "")

    def query(self, checkout_id: str) -> Outcome:
        """What became of a push. Raises `NotSent`, `Refused`; an answer that says nothing is pending."""
        at = stamp(int(self._clock()))
        body = {
            "BusinessShortCode": self._business.short_code,
            "Password": password(self._business, at),
            "Timestamp": at,
            "CheckoutRequestID": checkout_id,
        }
        try:
            reply = self._send("/mpesa/stkpushquery/v1/query", body)
        except Unknown:
            return Outcome("pending", "")
        code = known(reply.members)
        if 400 <= reply.status < 500 and reply.status != 429 and code not in (BUSY, SPIKE):
            raise Refused(reply.status, code, reply.retry_after_s)
        result = word(reply.members, "ResultCode")
        if not reply.is_success or not result:
            return Outcome("pending", code, reply.retry_after_s)
        return Outcome("paid" if result == PAID else "failed", result)

    def pull(self, start: int, end: int, offset: int = 0) -> Page[PulledPayment]:
        """C2B payments between two times (epoch seconds), at most `LONGEST_PULL_S` back.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        body = {
            "ShortCode": self._business.short_code,
            "StartDate": _spaced(start),
            "EndDate": _spaced(end),
            "OffSetValue": str(offset),
        }
        reply = self._send("/pulltransactions/v1/query", body)
        members = success(reply, known(reply.members))
        page = daraja_results.pulled(members, offset)
        if page is None:
            raise Unknown("not_json")
        return page

    def register_urls(self, confirmation_url: str, validation_url: str) -> None:
        """Says where C2B payments are told. In production once; later changes are made in the portal.

        Raises `NotSent`; `Refused`, with `ALREADY_REGISTERED` if there are addresses; `Unknown`.
        """
        body = {
            "ShortCode": self._business.short_code,
            # Payments go through where validation does not answer: late money is matched, lost money is not.
            "ResponseType": "Completed",
            "ConfirmationURL": confirmation_url,
            "ValidationURL": validation_url,
        }
        self._accepted("/mpesa/c2b/v2/registerurl", body, ALREADY_REGISTERED)

    def register_pull(self, nominated_number: str, callback_url: str) -> None:
        """Switches Pull on for the short code; again does nothing. Raises `NotSent`, `Refused`, `Unknown`."""
        body = {
            "ShortCode": self._business.short_code,
            "RequestType": "Pull",
            "NominatedNumber": nominated_number,
            "CallBackURL": callback_url,
        }
        reply = self._send("/pulltransactions/v1/register", body)
        members = success(reply, known(reply.members))
        # The name has a blank in it, and 1001 says that it was registered before.
        status = word(members, "Response Status") or word(members, "ResponseStatus")
        if status not in (PAID, "1000", "1001"):
            raise Refused(reply.status, status)

    def ask_status(self, receipt: str, replies: Replies) -> str:
        """Asks for the state of a payment; the result comes to `replies` under the id returned.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        body = {
            **self._signed("Initiator", "TransactionStatusQuery"),
            "TransactionID": receipt,
            "OriginatorConversationID": "",
            "PartyA": self._business.short_code,
            "IdentifierType": "4",
            **_replies(replies, "check"),
            "Occasion": "",
        }
        return self._asked("/mpesa/transactionstatus/v1/query", body)

    def reverse(self, receipt: str, amount: Money, replies: Replies) -> str:
        """Asks for a payment to be given back; the result comes to `replies` under the id returned.

        Raises `NotSent`, `Refused`, `Unknown`, `money.BadAmount`.
        """
        body = {
            **self._signed("Initiator", "TransactionReversal"),
            "TransactionID": receipt,
            "Amount": str(money.whole_shillings(amount)),
            "ReceiverParty": self._business.short_code,
            # So spelt by Daraja.
            "RecieverIdentifierType": "11",
            **_replies(replies, "Refund"),
            "Occasion": "refund",
        }
        return self._asked("/mpesa/reversal/v1/request", body)

    def pay_out(self, own_id: str, phone: str, amount: Money, replies: Replies) -> str:
        """Pays a customer; `own_id` is unique for ever, so that a repeat is refused with `DUPLICATE_ID`.

        Raises `NotSent`, `Refused`, `Unknown`, `money.BadAmount`.
        """
        signed = self._signed("InitiatorName", "BusinessPayment")
        body = {
            "OriginatorConversationID": own_id,
            **signed,
            "Amount": str(money.whole_shillings(amount)),
            "PartyA": self._business.short_code,
            "PartyB": phone,
            **_replies(replies, "Refund"),
            # So spelt by Daraja.
            "Occassion": "refund",
        }
        return self._asked("/mpesa/b2c/v3/paymentrequest", body, DUPLICATE_ID)

    def _signed(self, name: str, command: str) -> dict[str, str]:
        if self._initiator is None:
            raise Refused(0, "no_initiator")
        return {
            name: self._initiator.name,
            "SecurityCredential": self._initiator.credential(),
            "CommandID": command,
        }

    def _asked(self, path: str, body: Mapping[str, Any], not_begun: str = BUSY) -> str:
        conversation = text(self._accepted(path, body, not_begun), "ConversationID", 80)
        if conversation is None:
            raise Unknown("not_json")
        return conversation

    def _accepted(
        self, path: str, body: Mapping[str, Any], not_begun: str = BUSY
    ) -> Mapping[str, Any]:
        """The members of an answer that accepts the request. A 500 with the code `not_begun`, or of a busy
        gateway, is a refusal too. Raises `NotSent`, `Refused`, `Unknown`.
        """
        reply = self._send(path, body)
        code = known(reply.members)
        if reply.status >= 500 and code in (not_begun, BUSY, SPIKE):
            raise Refused(reply.status, code, reply.retry_after_s)
        members = success(reply, code)
        if word(members, "ResponseCode") != PAID:
            raise Refused(reply.status, word(members, "ResponseCode"))
        return members

    def _send(self, path: str, body: Mapping[str, Any]) -> Reply:
        token = self._token.get()
        reply = self._api.send("POST", path, bearer(token), body)
        if reply.status >= 400 and known(reply.members) in INVALID_TOKEN:
            another = self._token.instead_of(token)
            reply = self._api.send("POST", path, bearer(another), body)
        return reply


def push_body(business: Business, wanted: PushWanted, at: str) -> dict[str, Any]:
    """The body of a push. Parties are numbers: as texts Daraja answers 1037 and prompts nobody."""
    if not _PHONE.fullmatch(wanted.phone):
        raise Refused(0, "phone")
    return {
        "BusinessShortCode": int(business.short_code),
        "Password": password(business, at),
        "Timestamp": at,
        "TransactionType": "CustomerBuyGoodsOnline" if business.till else "CustomerPayBillOnline",
        "Amount": money.whole_shillings(wanted.amount),
        "PartyA": int(wanted.phone),
        "PartyB": int(business.till or business.short_code),
        "PhoneNumber": int(wanted.phone),
        "CallBackURL": wanted.callback_url,
        "AccountReference": _PLAIN.sub("", wanted.reference)[:LONGEST_REFERENCE],
        "TransactionDesc": _PLAIN.sub("", wanted.description)[:LONGEST_DESCRIPTION],
    }


def _replies(replies: Replies, remarks: str) -> dict[str, str]:
    return {
        "ResultURL": replies.result_url,
        "QueueTimeOutURL": replies.timeout_url,
        "Remarks": remarks,
    }


def _spaced(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(NAIROBI).strftime("%Y-%m-%d %H:%M:%S")
