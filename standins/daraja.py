"""Stand-in for Daraja: the token, STK push and query, C2B, Pull, status, reversal, B2C.

Names of its routes for faults and counts: ``token``, ``push_stk``, ``query``,
``register_urls``, ``register_pull``, ``pull``, ``status``, ``reverse``, ``pay_out``, and ``push`` for
what it posts (see ``deliveries``): callbacks are named ``stk:<checkout>``, confirmations
``c2b:<receipt>``, results ``result:<conversation>``. A new token makes the last one invalid.

Its control API beside that of ``control``:

- ``POST /_control/answer``: ``{"checkout", "answer", "amount"?}`` what the customer does now
- ``POST /_control/c2b``: ``{"reference", "amount", "phone"?, "msisdn"?, "kind"?}`` somebody pays
- ``POST /_control/deliver``: ``{"order"}``; ``retry``: ``{}``
- ``POST /_control/settings``: ``{"answer"?, "seconds"?}`` what customers do by themselves, null for nothing
- ``POST /_control/other_token``: another program asks for a token
- ``GET /_control/state``: pushes, payments, deliveries
"""

import base64
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from aiohttp import web

from . import daraja_ledger as ledger
from .clock import Clock
from .control import PREFIX, Desk, Handler, ordered
from .daraja_ledger import ANSWERS, Payment, Push
from .deliveries import KINDS, Deliveries, Message, exchange, on_loopback

TOKEN_LIFE_S = 3599
SHORT_CODE = "174379"
"""The short code of Daraja's sandbox."""

PHONE = "254708374149"
BANNED = ("m-pesa", "mpesa", "safaricom", "exe", "exec", "cmd", "sql", "query")
_SHORT_TOKEN = ("404.001.03", "Invalid Access Token", 404)
_OTHER_TOKEN = ("400.003.01", "Invalid Access Token", 400)


class Refusal(Exception):
    """An error in Daraja's form."""

    def __init__(self, code: str, words: str, status: int) -> None:
        super().__init__(code)
        self.status = status
        self.body = {"requestId": "1-2-3", "errorCode": code, "errorMessage": words}


def create_app(
    consumer_key: str,
    consumer_secret: str,
    passkey: str,
    *,
    answer: str | None = "pays",
    answer_seconds: float = 1.0,
    clock: Clock | None = None,
) -> web.Application:
    """The stand-in for one app and ``SHORT_CODE``, whose customers do what ``answer`` says, one of
    ``ANSWERS``, after ``answer_seconds``; with None they wait for an order.
    """
    desk = Desk(_error_body, clock, own_kinds=KINDS, secrets=[consumer_secret, passkey])
    gate = _Gate(f"{consumer_key}:{consumer_secret}", desk.clock)
    mpesa = _Mpesa(desk, passkey)
    mpesa.answer, mpesa.answer_s = answer, answer_seconds
    app = desk.application()
    desk.add(app, "GET", ["/oauth/v1/generate"], gate.token, "token")
    for path, handler, name, refusal in (
        ("/mpesa/stkpush/v1/processrequest", mpesa.push, "push_stk", _SHORT_TOKEN),
        ("/mpesa/stkpushquery/v1/query", mpesa.query, "query", _OTHER_TOKEN),
        ("/mpesa/c2b/v2/registerurl", mpesa.register_urls, "register_urls", _OTHER_TOKEN),
        ("/pulltransactions/v1/register", mpesa.register_pull, "register_pull", _OTHER_TOKEN),
        ("/pulltransactions/v1/query", mpesa.pull, "pull", _OTHER_TOKEN),
        ("/mpesa/transactionstatus/v1/query", mpesa.status, "status", _OTHER_TOKEN),
        ("/mpesa/reversal/v1/request", mpesa.reverse, "reverse", _SHORT_TOKEN),
        ("/mpesa/b2c/v3/paymentrequest", mpesa.pay_out, "pay_out", _OTHER_TOKEN),
    ):
        desk.add(app, "POST", [path], gate.gated(handler, refusal), name)
    _add_orders(app, _Orders(mpesa, gate))
    return app


def _add_orders(app: web.Application, orders: "_Orders") -> None:
    for name in ("answer", "c2b", "deliver", "retry", "settings", "other_token"):
        app.router.add_post(PREFIX + name, ordered(getattr(orders, name)))
    app.router.add_get(PREFIX + "state", orders.state)


Operation = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class _Gate:
    """The app's token: only the last one is valid."""

    def __init__(self, credential: str, clock: Clock) -> None:
        self._basic = "Basic " + base64.b64encode(credential.encode()).decode()
        self._clock = clock
        self._token, self._ends_at = "", 0.0

    def renew(self) -> str:
        """A new token, which makes the last one invalid."""
        self._token, self._ends_at = secrets.token_hex(14), self._clock.now() + TOKEN_LIFE_S
        return self._token

    async def token(self, request: web.Request) -> web.Response:
        """A wrong credential gets 400 and no body."""
        if request.headers.get("Authorization") != self._basic:
            return web.Response(status=400)
        return web.json_response({"access_token": self.renew(), "expires_in": str(TOKEN_LIFE_S)})

    def gated(self, operation: Operation, refusal: tuple[str, str, int]) -> Handler:
        """``operation`` for callers with the valid token, others get ``refusal``."""

        async def gated(request: web.Request) -> web.Response:
            try:
                self._check(request, refusal)
                return web.json_response(await operation(dict(await request.json())))
            except Refusal as refused:
                return web.json_response(refused.body, status=refused.status)
            except (KeyError, TypeError, ValueError) as error:
                wrong = Refusal("400.002.02", f"Bad Request - Invalid {error}", 400)
                return web.json_response(wrong.body, status=wrong.status)

        return gated

    def _check(self, request: web.Request, refusal: tuple[str, str, int]) -> None:
        presented = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if presented != self._token or self._clock.now() >= self._ends_at:
            raise Refusal(*refusal)


class _Mpesa:
    """The documented operations, and what follows from them."""

    def __init__(self, desk: Desk, passkey: str) -> None:
        self.answer: str | None = None
        self.answer_s = 0.0
        self.pushes: dict[str, Push] = {}
        self.payments: dict[str, Payment] = {}
        self.deliveries = Deliveries(desk.rules, desk.clock)
        self._clock = desk.clock
        self._passkey = passkey
        self._urls: dict[str, str] = {}
        self._own_ids: set[str] = set()

    async def push(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Accepted is not paid: the customer answers later."""
        self._check_password(asked)
        if not isinstance(asked["Amount"], int) or asked["Amount"] < 1:
            raise Refusal("400.002.02", "Bad Request - Invalid Amount", 400)
        if any(word in str(asked["CallBackURL"]).lower() for word in BANNED):
            raise Refusal("400.002.02", "Bad Request - Invalid CallBackURL", 400)
        push = Push(asked, self._clock.now())
        if any(one.phone == push.phone and not one.answer for one in self.pushes.values()):
            words = "[STK_CB - ]Unable to lock subscriber, a transaction is already in process"
            raise Refusal("500.001.1001", words, 500)
        on_loopback(str(asked["CallBackURL"]))
        self.pushes[push.checkout_id] = push
        # Parties as texts are taken, and nobody is prompted.
        is_number = isinstance(asked["PartyA"], int) and isinstance(asked["PhoneNumber"], int)
        wanted = self.answer if is_number else "is_unreachable"
        if wanted is not None:
            self.deliveries.later(self._answer_later(push, wanted))
        return {
            "MerchantRequestID": push.merchant_id,
            "CheckoutRequestID": push.checkout_id,
            "ResponseCode": "0",
            "ResponseDescription": "Success. Request accepted for processing",
            "CustomerMessage": "Success. Request accepted for processing",
        }

    async def query(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """What became of a push, without its receipt."""
        self._check_password(asked)
        push = self.pushes.get(str(asked["CheckoutRequestID"]))
        if push is None or push.answer is None:
            raise Refusal("500.001.1001", "The transaction is being processed", 500)
        code, words = ANSWERS[push.answer]
        return {
            "ResponseCode": "0",
            "ResponseDescription": "The service request has been accepted successsfully",
            "MerchantRequestID": push.merchant_id,
            "CheckoutRequestID": push.checkout_id,
            "ResultCode": str(code),
            "ResultDesc": words,
        }

    async def register_urls(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """From now on payments to the short code are told there."""
        self._urls = {
            name: on_loopback(str(asked[name])) for name in ("ConfirmationURL", "ValidationURL")
        }
        return {
            "OriginatorCoversationID": secrets.token_hex(8),
            "ResponseCode": "0",
            "ResponseDescription": "Success",
        }

    async def register_pull(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "ResponseRefID": secrets.token_hex(8),
            "Response Status": "1001",
            "ShortCode": str(asked["ShortCode"]),
            "Response Description": "ShortCode already Registered",
        }

    async def pull(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """The payments of a time, a list in a list."""
        start, end = (_read(str(asked[name])) for name in ("StartDate", "EndDate"))
        rows = [
            ledger.pull_row(payment)
            for payment in self.payments.values()
            if start <= int(payment.at) <= end and payment.short_code == str(asked["ShortCode"])
        ][int(asked.get("OffSetValue", "0")) :]
        return {
            "ResponseRefID": secrets.token_hex(8),
            "ResponseCode": "1000" if rows else "1001",
            "ResponseMessage": "Success" if rows else "No transactions",
            "Response": [rows],
        }

    async def status(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        payment = self.payments.get(str(asked["TransactionID"]))
        found = ledger.status_of(payment) if payment else {}
        outcome = (
            ANSWERS["pays"] if payment else (2001, "The transaction receipt number is unknown")
        )
        return self._acknowledged(asked, outcome, found)

    async def reverse(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        payment = self.payments.get(str(asked["TransactionID"]))
        if payment is None:
            outcome = ("R000002", "The OriginalTransactionID is invalid.")
            return self._acknowledged(asked, outcome, {})
        if payment.is_reversed:
            outcome = ("R000001", "The transaction has already been reversed.")
            return self._acknowledged(asked, outcome, {})
        payment.is_reversed = True
        found = ledger.reversal_of(payment, self._clock.now())
        return self._acknowledged(asked, ANSWERS["pays"], found)

    async def pay_out(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        own_id = str(asked["OriginatorConversationID"])
        if own_id in self._own_ids:
            raise Refusal("500.002.1001", "Duplicate OriginatorConversationID.", 500)
        self._own_ids.add(own_id)
        found = ledger.payout_of(asked, self._clock.now())
        return self._acknowledged(asked, ANSWERS["pays"], found)

    async def decide(self, push: Push, answer: str, amount: str | None) -> None:
        """The customer does ``answer``; the amount paid is what was asked unless it is given."""
        if push.answer is not None:
            raise ValueError("the customer has answered before")
        now = self._clock.now()
        code, _ = ANSWERS[answer]
        if code == 0:
            paid = amount or str(push.asked["Amount"])
            short_code = str(push.asked["BusinessShortCode"])
            push.payment = self._paid(
                Payment(
                    ledger.new_receipt(now),
                    now,
                    short_code,
                    f"{float(paid):.2f}",
                    push.phone,
                    str(push.asked["AccountReference"]),
                )
            )
        push.answer = answer
        url = str(push.asked["CallBackURL"])
        await self._tell(f"stk:{push.checkout_id}", url, ledger.callback(push))
        if push.payment is not None:
            await self._confirm(push.payment, "hashed")

    async def pay(self, payment: Payment, msisdn: str) -> bool:
        """Somebody pays; False if our validation refuses. Silence lets it through."""
        url = self._urls.get("ValidationURL")
        if url:
            asked = json.dumps(ledger.c2b_body(payment, msisdn, balance="")).encode()
            _, answer = await exchange(url, asked, {})
            if not _admits(answer):
                return False
        await self._confirm(self._paid(payment), msisdn)
        return True

    def payment(self, order: Mapping[str, Any]) -> Payment:
        """The payment that a control call describes."""
        now = self._clock.now()
        amount = f"{float(str(order['amount'])):.2f}"
        return Payment(
            str(order.get("receipt") or ledger.new_receipt(now)),
            now,
            str(order.get("short_code") or SHORT_CODE),
            amount,
            str(order.get("phone", PHONE)),
            str(order["reference"]),
            str(order.get("kind", "Pay Bill")),
        )

    def _paid(self, payment: Payment) -> Payment:
        self.payments[payment.receipt] = payment
        return payment

    async def _confirm(self, payment: Payment, msisdn: str) -> None:
        url = self._urls.get("ConfirmationURL")
        if url:
            await self._tell(f"c2b:{payment.receipt}", url, ledger.c2b_body(payment, msisdn))

    async def _answer_later(self, push: Push, answer: str) -> None:
        await self._clock.sleep(self.answer_s)
        if push.answer is None:
            await self.decide(push, answer, None)

    def _acknowledged(
        self, asked: Mapping[str, Any], outcome: tuple[Any, str], found: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        conversation = "AG_" + secrets.token_hex(10)
        own_id = str(asked.get("OriginatorConversationID") or secrets.token_hex(8))
        body = ledger.result(conversation, own_id, outcome, found)
        url = on_loopback(str(asked["ResultURL"]))
        self.deliveries.later(self._tell(f"result:{conversation}", url, body))
        return {
            "OriginatorConversationID": own_id,
            "ConversationID": conversation,
            "ResponseCode": "0",
            "ResponseDescription": "Accept the service request successfully.",
        }

    async def _tell(self, name: str, url: str, body: Mapping[str, Any]) -> None:
        forged = url[:-1] + ("0" if url[-1] != "0" else "1")
        message = Message(name, url, json.dumps(body).encode(), forged_url=forged)
        await self.deliveries.send(message)

    def _check_password(self, asked: Mapping[str, Any]) -> None:
        secret = f"{asked['BusinessShortCode']}{self._passkey}{asked['Timestamp']}"
        is_right = asked["Password"] == base64.b64encode(secret.encode()).decode()
        if str(asked["BusinessShortCode"]) != SHORT_CODE or not is_right:
            raise Refusal("500.001.1001", "[MerchantValidate] - Wrong credentials", 500)


class _Orders:
    """The control API of this stand-in."""

    def __init__(self, mpesa: _Mpesa, gate: _Gate) -> None:
        self._mpesa = mpesa
        self._gate = gate

    async def answer(self, order: Mapping[str, Any]) -> Any:
        push = self._mpesa.pushes[str(order["checkout"])]
        amount = str(order["amount"]) if "amount" in order else None
        await self._mpesa.decide(push, str(order["answer"]), amount)
        return {"receipt": push.payment.receipt if push.payment else None}

    async def c2b(self, order: Mapping[str, Any]) -> Any:
        payment = self._mpesa.payment(order)
        is_paid = await self._mpesa.pay(payment, str(order.get("msisdn", "hashed")))
        return {"receipt": payment.receipt, "accepted": is_paid}

    async def deliver(self, order: Mapping[str, Any]) -> Any:
        return {"delivered": await self._mpesa.deliveries.deliver(str(order["order"]))}

    async def retry(self, order: Mapping[str, Any]) -> Any:
        return {"delivered": await self._mpesa.deliveries.retry()}

    async def settings(self, order: Mapping[str, Any]) -> Any:
        answer = order.get("answer", self._mpesa.answer)
        if answer is not None and answer not in ANSWERS:
            raise ValueError(f"answer: one of {sorted(ANSWERS)} or null")
        self._mpesa.answer = answer
        self._mpesa.answer_s = float(order.get("seconds", self._mpesa.answer_s))
        return {"answer": answer, "seconds": self._mpesa.answer_s}

    async def other_token(self, order: Mapping[str, Any]) -> Any:
        self._gate.renew()
        return {}

    async def state(self, request: web.Request) -> web.Response:
        """Everything, oldest first."""
        pushes = [asdict(push) for push in self._mpesa.pushes.values()]
        payments = [asdict(payment) for payment in self._mpesa.payments.values()]
        told = self._mpesa.deliveries.as_json()
        return web.json_response({"pushes": pushes, "payments": payments, **told})


def _admits(answer: bytes) -> bool:
    """Whether the answer to a validation lets the payment through, as no answer does."""
    try:
        return str(json.loads(answer)["ResultCode"]) == "0"
    except (KeyError, TypeError, ValueError):
        return True


def _read(text: str) -> float:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ledger.NAIROBI).timestamp()


def _error_body(route: str, status: int) -> Any:
    """The documented body of an error, for faults that ask for a status."""
    if status == 429:
        code = "policies.ratelimit.SpikeArrestViolation"
        return {"fault": {"faultstring": "Spike arrest violation.", "detail": {"errorcode": code}}}
    return {
        "requestId": "1-2-3",
        "errorCode": f"{status}.003.02",
        "errorMessage": "System is busy.",
    }
