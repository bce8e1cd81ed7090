"""Stand-in for Stripe: Checkout, refunds, disputes, events, and signed webhooks.

Names of its routes for faults and counts: ``create_session``, ``create_refund``,
``get_<kind>`` and ``list_<kind>`` with the kinds ``session``, ``payment_intent``,
``charge``, ``refund``, ``dispute``, ``event`` (no list of payments, no single event), and
``push`` for webhooks (see ``deliveries``).

A buyer pays by POST to the session's ``url``. Its control API beside that of ``control``:

- ``POST /_control/pay``: ``{"session", "later"?, "currency"?, "amount"?}``
- ``POST /_control/settle``: ``{"session", "paid"}`` ends a payment that came later
- ``POST /_control/end_session``: ``{"session"}`` lets it expire
- ``POST /_control/refund``: ``{"payment", "amount"?}``; ``fail_refund``: ``{"refund"}``
- ``POST /_control/dispute``: ``{"payment", "inquiry"?, "amount"?}``; ``end_dispute``: ``{"dispute", "won"}``
- ``POST /_control/deliver``: ``{"order": "first", "last" or "shuffled"}``; ``retry``: ``{}``
- ``POST /_control/settings``: ``{"webhook_url"?, "thin"?, "livemode"?}``
- ``GET /_control/state``: sessions, payments, charges, refunds, disputes, events, deliveries
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from .clock import Clock, iso_millis
from .control import PREFIX, Desk, Handler, ordered
from .deliveries import KINDS, Deliveries, Message, on_loopback
from .stripe_account import Account, Object, Refusal

PAGE_SIZE = 100
_LISTED = {
    "checkout/sessions": ("checkout.session", "session"),
    "payment_intents": ("payment_intent", "payment_intent"),
    "charges": ("charge", "charge"),
    "refunds": ("refund", "refund"),
    "disputes": ("dispute", "dispute"),
    "events": ("event", "event"),
}


def create_app(
    secret_key: str,
    webhook_secret: str,
    webhook_url: str | None = None,
    *,
    clock: Clock | None = None,
) -> web.Application:
    """The stand-in for an account with one endpoint, which gets every event."""
    desk = Desk(_error_body, clock, own_kinds=KINDS, secrets=[secret_key, webhook_secret])
    account = Account(desk.clock.now)
    webhooks = _Webhooks(account, desk, webhook_secret, webhook_url)
    routes = _Routes(account, secret_key, webhooks.pending)
    app = desk.application()
    _add_routes(app, desk, routes, webhooks)
    _add_orders(app, _Orders(account, webhooks))
    return app


def _add_routes(app: web.Application, desk: Desk, routes: "_Routes", webhooks: "_Webhooks") -> None:
    gated = routes.gated
    desk.add(app, "POST", ["/v1/checkout/sessions"], gated(routes.create_session), "create_session")

    async def create_refund(request: web.Request) -> web.Response:
        answer, refund = await routes.create_refund(request)
        if refund is not None:
            webhooks.refunded(refund)
        return answer

    desk.add(app, "POST", ["/v1/refunds"], gated(create_refund), "create_refund")
    for path, (kind, name) in _LISTED.items():
        desk.add(app, "GET", [f"/v1/{path}"], gated(routes.list(kind)), f"list_{name}")
        desk.add(app, "GET", [f"/v1/{path}/{{id}}"], gated(routes.get(kind)), f"get_{name}")

    async def buy(request: web.Request) -> web.Response:
        session = routes.account.find("checkout.session", request.match_info["id"])
        webhooks.pay(session, {}, at_once=True)
        return web.Response(status=303, headers={"Location": str(session["success_url"])})

    desk.add(app, "POST", ["/c/pay/{id}"], _refusing(buy), "buy")


def _add_orders(app: web.Application, orders: "_Orders") -> None:
    for name in (
        "pay", "settle", "end_session", "refund", "fail_refund", "dispute", "end_dispute", "deliver", "retry",
        "settings",
    ):  # fmt: skip
        app.router.add_post(PREFIX + name, _refusing(ordered(getattr(orders, name))))
    app.router.add_get(PREFIX + "state", orders.state)


class _Webhooks:
    """Changes of the account that Stripe tells by events, and how they are posted."""

    def __init__(self, account: Account, desk: Desk, secret: str, url: str | None) -> None:
        self.is_thin = False
        self.deliveries = Deliveries(desk.rules, desk.clock)
        self.aim(url)
        self._account = account
        self._clock = desk.clock
        self._secret = secret

    def aim(self, url: str | None) -> None:
        """Post to ``url`` from now on. Raises ValueError unless it is on loopback."""
        self._url = None if url is None else on_loopback(url)

    def pay(self, session: Object, changed: Mapping[str, Any], *, at_once: bool) -> None:
        self._account.pay(session, changed, at_once=at_once)
        self._tell("checkout.session.completed", session)

    def settle(self, session: Object, *, is_paid: bool) -> None:
        self._account.settle(session, is_paid=is_paid)
        outcome = "succeeded" if is_paid else "failed"
        self._tell(f"checkout.session.async_payment_{outcome}", session)

    def end_session(self, session: Object) -> None:
        session |= {"status": "expired", "url": None}
        self._tell("checkout.session.expired", session)

    def refunded(self, refund: Object) -> None:
        self._tell("charge.refunded", self._account.find("charge", refund["charge"]))

    def fail_refund(self, refund: Object) -> None:
        self._account.fail_refund(refund)
        self._tell("refund.failed", refund)

    def dispute(self, payment: str, *, is_inquiry: bool, amount: int | None) -> Object:
        dispute = self._account.dispute(payment, is_inquiry=is_inquiry, amount=amount)
        self._tell("charge.dispute.created", dispute)
        if not is_inquiry:
            self._tell("charge.dispute.funds_withdrawn", dispute)
        return dispute

    def end_dispute(self, dispute: Object, *, is_won: bool) -> None:
        is_inquiry = dispute["status"].startswith("warning_")
        self._account.end_dispute(dispute, is_won=is_won)
        self._tell("charge.dispute.closed", dispute)
        if is_won and not is_inquiry:
            self._tell("charge.dispute.funds_reinstated", dispute)

    def pending(self, event: Object) -> bool:
        """Whether the endpoint has not accepted the event."""
        return self._url is not None and event["id"] in self.deliveries.undelivered

    def _tell(self, type_: str, about: Object) -> None:
        event = self._account.event(type_, about)
        if self._url is None:
            return
        body = json.dumps(_thin(event) if self.is_thin else event, indent=2).encode()
        message = Message(event["id"], self._url, body, self._proof(body))
        self.deliveries.later(self.deliveries.send(message))

    def _proof(self, body: bytes) -> Callable[[float, bool], Mapping[str, str]]:
        def proof(at: float, is_forged: bool) -> Mapping[str, str]:
            secret = "not-" + self._secret if is_forged else self._secret
            signed = f"{int(at)}.".encode() + body
            mac = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            return {"Stripe-Signature": f"t={int(at)},v1={mac}"}

        return proof


class _Routes:
    """The documented operations."""

    def __init__(
        self, account: Account, secret_key: str, is_pending: Callable[[Object], bool]
    ) -> None:
        self.account = account
        self._secret_key = secret_key
        self._is_pending = is_pending
        self._first: dict[str, tuple[str, int, Any]] = {}

    def gated(self, handler: Handler) -> Handler:
        """``handler`` for callers with the account's key."""
        refusing = _refusing(handler)

        async def gated(request: web.Request) -> web.Response:
            if request.headers.get("Authorization") != f"Bearer {self._secret_key}":
                return web.json_response({"error": {"type": "invalid_request_error"}}, status=401)
            return await refusing(request)

        return gated

    async def create_session(self, request: web.Request) -> web.Response:
        """The session; the same key gets the same one."""
        base = _own_origin(request)

        def create(form: Mapping[str, Any]) -> Object:
            return self.account.open_session(form, lambda id_: f"{base}/c/pay/{id_}")

        answer, _ = await self._once(request, create)
        return answer

    async def create_refund(self, request: web.Request) -> tuple[web.Response, Object | None]:
        """The answer, and the refund unless it was made before."""

        def create(form: Mapping[str, Any]) -> Object:
            amount = int(form["amount"]) if "amount" in form else None
            return self.account.refund(str(form["payment_intent"]), amount)

        return await self._once(request, create)

    def get(self, kind: str) -> Handler:
        async def get(request: web.Request) -> web.Response:
            found = self.account.find(kind, request.match_info["id"])
            is_expanded = "latest_charge" in request.query.getall("expand[]", [])
            return web.json_response(self.account.shown(kind, found, is_expanded=is_expanded))

        return get

    def list(self, kind: str) -> Handler:
        async def list_(request: web.Request) -> web.Response:
            rows = [row for row in self.account.newest(kind) if self._matches(row, request.query)]
            ids = [row["id"] for row in rows]
            after = request.query.get("starting_after")
            start = ids.index(after) + 1 if after in ids else 0
            limit = min(PAGE_SIZE, int(request.query.get("limit", "10")))
            page = rows[start : start + limit]
            body = {
                "object": "list",
                "url": request.path,
                "has_more": start + limit < len(rows),
                "data": page,
            }
            return web.json_response(body)

        return list_

    def _matches(self, row: Object, query: Mapping[str, str]) -> bool:
        if row["created"] < int(query.get("created[gte]", "0")):
            return False
        if "payment_intent" in query and row.get("payment_intent") != query["payment_intent"]:
            return False
        return "delivery_success" not in query or self._is_pending(row)

    async def _once(
        self, request: web.Request, create: Callable[[Mapping[str, Any]], Object]
    ) -> tuple[web.Response, Object | None]:
        """The first answer for an idempotency key; what was made if it was made now."""
        text = await request.text()
        key = request.headers.get("Idempotency-Key", "")
        if key in self._first:
            sent, status, body = self._first[key]
            if sent != text:
                raise Refusal(400, "idempotency_error")
            headers = {"Idempotent-Replayed": "true"}
            return web.json_response(body, status=status, headers=headers), None
        made = create(_nested(text))
        body = json.loads(json.dumps(made))
        if key:
            self._first[key] = (text, 200, body)
        return web.json_response(body), made


class _Orders:
    """The control API of this stand-in."""

    def __init__(self, account: Account, webhooks: _Webhooks) -> None:
        self._account = account
        self._webhooks = webhooks

    async def pay(self, order: Mapping[str, Any]) -> Any:
        session = self._session(order)
        changed = {"currency": order["currency"]} if "currency" in order else {}
        changed |= {"amount_total": int(order["amount"])} if "amount" in order else {}
        self._webhooks.pay(session, changed, at_once=not order.get("later", False))
        return session

    async def settle(self, order: Mapping[str, Any]) -> Any:
        self._webhooks.settle(self._session(order), is_paid=bool(order["paid"]))
        return self._session(order)

    async def end_session(self, order: Mapping[str, Any]) -> Any:
        self._webhooks.end_session(self._session(order))
        return self._session(order)

    async def refund(self, order: Mapping[str, Any]) -> Any:
        refund = self._account.refund(str(order["payment"]), order.get("amount"))
        self._webhooks.refunded(refund)
        return refund

    async def fail_refund(self, order: Mapping[str, Any]) -> Any:
        refund = self._account.find("refund", str(order["refund"]))
        self._webhooks.fail_refund(refund)
        return refund

    async def dispute(self, order: Mapping[str, Any]) -> Any:
        is_inquiry = bool(order.get("inquiry", False))
        payment = str(order["payment"])
        return self._webhooks.dispute(payment, is_inquiry=is_inquiry, amount=order.get("amount"))

    async def end_dispute(self, order: Mapping[str, Any]) -> Any:
        dispute = self._account.find("dispute", str(order["dispute"]))
        self._webhooks.end_dispute(dispute, is_won=bool(order["won"]))
        return dispute

    async def deliver(self, order: Mapping[str, Any]) -> Any:
        return {"delivered": await self._webhooks.deliveries.deliver(str(order["order"]))}

    async def retry(self, order: Mapping[str, Any]) -> Any:
        return {"delivered": await self._webhooks.deliveries.retry()}

    async def settings(self, order: Mapping[str, Any]) -> Any:
        if "webhook_url" in order:
            self._webhooks.aim(order["webhook_url"])
        self._webhooks.is_thin = bool(order.get("thin", self._webhooks.is_thin))
        self._account.livemode = bool(order.get("livemode", self._account.livemode))
        return {"thin": self._webhooks.is_thin, "livemode": self._account.livemode}

    async def state(self, request: web.Request) -> web.Response:
        """Everything, oldest first."""
        lists = {
            name: list(self._account.objects[kind].values()) for kind, name in _LISTED.values()
        }
        return web.json_response({**lists, **self._webhooks.deliveries.as_json()})

    def _session(self, order: Mapping[str, Any]) -> Object:
        return self._account.find("checkout.session", str(order["session"]))


def _own_origin(request: web.Request) -> str:
    """Where this stand-in listens: a caller in a container has another name for it than a buyer."""
    if request.transport is None:
        return f"{request.scheme}://{request.host}"
    host, port = request.transport.get_extra_info("sockname")[:2]
    return f"http://{host}:{port}"


def _refusing(handler: Handler) -> Handler:
    """``handler``, with Stripe's answer to what it refuses."""

    async def refusing(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return web.json_response(refusal.body, status=refusal.status)
        except (KeyError, ValueError):
            return web.json_response({"error": {"type": "invalid_request_error"}}, status=400)

    return refusing


def _nested(text: str) -> dict[str, Any]:
    """The members of a form; ``a[b][c]=1`` is nested."""
    members: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, strict_parsing=True):
        *path, last = name.replace("]", "").split("[")
        place = members
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return members


def _thin(event: Object) -> Object:
    about = event["data"]["object"]
    path = {kind: path for path, (kind, _) in _LISTED.items()}[about["object"]]
    return {
        "id": "evt_test_" + event["id"].removeprefix("evt_"),
        "object": "v2.core.event",
        "type": "v1." + event["type"],
        "livemode": event["livemode"],
        "created": iso_millis(event["created"]),
        "context": None,
        "reason": None,
        "related_object": {
            "id": about["id"],
            "type": about["object"],
            "url": f"/v1/{path}/{about['id']}",
        },
        "snapshot_event": event["id"],
    }


def _error_body(route: str, status: int) -> Any:
    """The documented body of an error, for faults that ask for a status."""
    return {"error": {"type": "api_error" if status >= 500 else "invalid_request_error"}}
