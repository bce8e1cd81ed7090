"""Stand-in for Google Play's developer API, with Google's token services and pushes by Pub/Sub.

Names of its routes for faults and counts: ``exchange`` (STS), ``impersonate`` (IAM), ``purchase``,
``consume``, ``acknowledge``, ``voided``, ``order``, ``refund``, ``review_refund``, ``keys`` (the public
keys of pushes), and ``push`` for what it posts (see ``deliveries``). Pushes carry a token that is signed
like Google's; ``forged`` ones name another account. Purchases are a tester's unless ``test`` is false.

Its control API beside that of ``control``:

- ``POST /_control/buy``: ``{"product", "quantity"?, "account"?, "state"?, "test"?, "units"?, "currency"?}``
- ``POST /_control/complete``: ``{"token", "state"}`` ends a pending purchase
- ``POST /_control/void``: ``{"token", "quantity"?, "reason"?}``
- ``POST /_control/review``: ``{"token"}`` Google asks about a refund
- ``POST /_control/deliver``: ``{"order"}``; ``retry``: ``{}``
- ``POST /_control/settings``: ``{"webhook_url"}``
- ``POST /_control/token``: ``{}`` a token as pushes carry it
- ``GET /_control/state``: purchases, reviews, deliveries
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict
from functools import cached_property
from typing import Any
from urllib.parse import unquote

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from . import play_store
from .clock import Clock, iso_seconds
from .control import PREFIX, Desk, Handler, ordered
from .deliveries import KINDS, Deliveries, Message, on_loopback
from .play_store import FULL, PARTIAL, STATES, Purchase, Voided

PACKAGE = "app.pluct"
PUSH_ACCOUNT = "play-rtdn@pluct-pay.iam.gserviceaccount.com"
ISSUER = "https://accounts.google.com"
KEYS_PATH = "/oauth2/v3/certs"
TOKEN_LIFE_S = 3600
PAGE_SIZE = 1000
MOST_USES = 1000
_APP = f"/androidpublisher/v3/applications/{PACKAGE}"
_ERRORS = {
    400: ("INVALID_ARGUMENT", "invalid"),
    401: ("UNAUTHENTICATED", "authError"),
    404: ("NOT_FOUND", "purchaseTokenNotFound"),
    410: ("FAILED_PRECONDITION", "purchaseTokenNoLongerValid"),
    429: ("RESOURCE_EXHAUSTED", "rateLimitExceeded"),
}


class Refusal(Exception):
    """An error in Google's form."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def create_app(
    webhook_url: str | None = None,
    audience: str = "",
    *,
    clock: Clock | None = None,
) -> web.Application:
    """The stand-in for the app ``PACKAGE``; pushes go to ``webhook_url`` with a token for ``audience``, by
    default that URL.
    """
    desk = Desk(_error_body, clock, own_kinds=KINDS)
    google = _Google(desk.clock, audience)
    store = _Store(desk, google)
    store.aim(webhook_url)
    app = desk.application()
    desk.add(app, "POST", ["/v1/token"], _refusing(google.exchange), "exchange")
    path = "/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
    desk.add(app, "POST", [path], _refusing(google.impersonate), "impersonate")
    desk.add(app, "GET", [KEYS_PATH], google.keys, "keys")
    for method, path, handler, name in (
        ("GET", "/purchases/productsv2/tokens/{token}", store.purchase, "purchase"),
        ("POST", "/purchases/products/{product}/tokens/{token}:consume", store.consume, "consume"),
        (
            "POST",
            "/purchases/products/{product}/tokens/{token}:acknowledge",
            store.acknowledge,
            "acknowledge",
        ),
        ("GET", "/purchases/voidedpurchases", store.voided, "voided"),
        ("GET", "/orders/{order}", store.order, "order"),
        ("POST", "/orders/{order}:refund", store.refund, "refund"),
        ("POST", "/orders/{order}:reviewrefund", store.review_refund, "review_refund"),
    ):
        desk.add(app, method, [_APP + path], _refusing(google.gated(handler)), name)
    for order in ("buy", "complete", "void", "review", "deliver", "retry", "settings", "token"):
        app.router.add_post(PREFIX + order, ordered(getattr(store, f"order_{order}")))
    app.router.add_get(PREFIX + "state", store.state)
    return app


class _Google:
    """Tokens: those of the two token services, and those that pushes carry."""

    def __init__(self, clock: Clock, audience: str) -> None:
        self.audience = audience
        self._clock = clock
        self._pool_tokens: set[str] = set()
        self._access: dict[str, float] = {}

    async def exchange(self, request: web.Request) -> web.Response:
        """A token of the pool for a signed request of AWS that names the same audience."""
        asked = await request.json()
        signed = json.loads(unquote(asked["subjectToken"]))
        headers = {one["key"].lower(): one["value"] for one in signed["headers"]}
        is_signed = "x-goog-cloud-target-resource" in headers.get("authorization", "")
        if not is_signed or headers["x-goog-cloud-target-resource"] != asked["audience"]:
            return web.json_response({"error": "invalid_grant"}, status=400)
        token = secrets.token_urlsafe(40)
        self._pool_tokens.add(token)
        body = {
            "access_token": token,
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_S,
        }
        return web.json_response(body)

    async def impersonate(self, request: web.Request) -> web.Response:
        """A token of the service account, for a token of the pool."""
        if _bearer(request) not in self._pool_tokens:
            raise Refusal(401)
        token, ends_at = secrets.token_urlsafe(40), self._clock.now() + TOKEN_LIFE_S
        self._access[token] = ends_at
        return web.json_response({"accessToken": token, "expireTime": iso_seconds(ends_at)})

    def gated(self, handler: Handler) -> Handler:
        """``handler`` for callers with a valid token of the service account."""

        async def gated(request: web.Request) -> web.Response:
            if self._access.get(_bearer(request), 0) <= self._clock.now():
                raise Refusal(401)
            return await handler(request)

        return gated

    async def keys(self, request: web.Request) -> web.Response:
        """The public key of pushes, as a JWK set."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return web.json_response({"keys": [{**key, "kid": "k1", "alg": "RS256", "use": "sig"}]})

    def push_token(self, url: str, at: float, *, is_forged: bool) -> str:
        """The token of a push to ``url``, signed at ``at``."""
        claims = {
            "aud": self.audience or url,
            "azp": "113774264463038321964",
            "email": "stranger@evil.iam.gserviceaccount.com" if is_forged else PUSH_ACCOUNT,
            "email_verified": True,
            "exp": int(at) + TOKEN_LIFE_S,
            "iat": int(at),
            "iss": ISSUER,
            "sub": "113774264463038321964",
        }
        return jwt.encode(claims, self._key, "RS256", {"kid": "k1"})

    @cached_property
    def _key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)


class _Store:
    """The documented operations, and the orders of the control API."""

    def __init__(self, desk: Desk, google: _Google) -> None:
        self.deliveries = Deliveries(desk.rules, desk.clock)
        self._clock = desk.clock
        self._google = google
        self._purchases: dict[str, Purchase] = {}
        self._voided: list[Voided] = []
        self._reviews: dict[str, dict[str, Any]] = {}
        self._pushed = 0

    def aim(self, url: str | None) -> None:
        """Push to ``url`` from now on. Raises ValueError unless it is on loopback."""
        self._url = None if url is None else on_loopback(url)

    async def purchase(self, request: web.Request) -> web.Response:
        return web.json_response(self._named(request).as_json())

    async def consume(self, request: web.Request) -> web.Response:
        """Consumes and acknowledges; again is an error."""
        purchase = self._delivered(request)
        if purchase.is_consumed:
            raise Refusal(400)
        purchase.is_consumed = purchase.is_acknowledged = True
        return web.Response(status=204)

    async def acknowledge(self, request: web.Request) -> web.Response:
        self._delivered(request).is_acknowledged = True
        return web.Response(status=204)

    async def voided(self, request: web.Request) -> web.Response:
        """A page of voided purchases, oldest first."""
        since_s = int(request.query["startTime"]) / 1000
        if since_s < self._clock.now() - 30 * 86_400 - 60:
            raise Refusal(400)
        with_parts = request.query.get("includeQuantityBasedPartialRefund") == "true"
        rows = [
            row.as_json()
            for row in self._voided
            if row.at >= since_s and (with_parts or row.quantity is None)
        ]
        start = int(request.query.get("token", "0"))
        end = start + min(PAGE_SIZE, int(request.query.get("maxResults", PAGE_SIZE)))
        body: dict[str, Any] = {"voidedPurchases": rows[start:end]} if rows[start:end] else {}
        if end < len(rows):
            body["tokenPagination"] = {"nextPageToken": str(end)}
        return web.json_response(body)

    async def order(self, request: web.Request) -> web.Response:
        return web.json_response(self._ordered_as(request.match_info["order"]).order_json())

    async def refund(self, request: web.Request) -> web.Response:
        """Refunds the whole order; with ``revoke`` it is told as voided."""
        purchase = self._ordered_as(request.match_info["order"])
        if request.query.get("revoke") == "true":
            self._void(purchase, None, 0)
        return web.Response(status=204)

    async def review_refund(self, request: web.Request) -> web.Response:
        """Keeps the first answer to a review; one with too many uses is refused."""
        asked = await request.json()
        review = self._reviews[asked["pendingRefundToken"]]
        is_long = len(asked.get("consumptionUsageEvents", ())) > MOST_USES
        if review["order"] != request.match_info["order"] or is_long:
            raise Refusal(400)
        review.setdefault("answer", asked)
        return web.json_response({})

    async def order_buy(self, order: Mapping[str, Any]) -> Any:
        state = str(order.get("state", "PURCHASED"))
        if state not in STATES:
            raise ValueError(f"state: one of {sorted(STATES)}")
        purchase = Purchase(
            str(order["product"]),
            int(order.get("quantity", 1)),
            order.get("account"),
            state,
            self._clock.now(),
            is_test=bool(order.get("test", True)),
            units=int(order.get("units", 290)),
            currency=str(order.get("currency", "KES")),
        )
        self._purchases[purchase.token] = purchase
        if state == "PURCHASED":
            self._push(play_store.bought(purchase, 1))
        return {"token": purchase.token, "order": purchase.order}

    async def order_complete(self, order: Mapping[str, Any]) -> Any:
        purchase = self._purchases[order["token"]]
        if purchase.state != "PENDING" or order["state"] not in STATES:
            raise ValueError("only a pending purchase can be completed")
        purchase.state = str(order["state"])
        self._push(play_store.bought(purchase, 1 if purchase.state == "PURCHASED" else 2))
        return purchase.as_json()

    async def order_void(self, order: Mapping[str, Any]) -> Any:
        purchase = self._purchases[order["token"]]
        quantity = int(order["quantity"]) if "quantity" in order else None
        return self._void(purchase, quantity, int(order.get("reason", 1))).as_json()

    async def order_review(self, order: Mapping[str, Any]) -> Any:
        purchase = self._purchases[order["token"]]
        refund_token = "prt-" + secrets.token_urlsafe(12)
        self._reviews[refund_token] = {"order": purchase.order}
        self._push(play_store.review(purchase, refund_token))
        return {"pendingRefundToken": refund_token}

    async def order_deliver(self, order: Mapping[str, Any]) -> Any:
        return {"delivered": await self.deliveries.deliver(str(order["order"]))}

    async def order_retry(self, order: Mapping[str, Any]) -> Any:
        return {"delivered": await self.deliveries.retry()}

    async def order_settings(self, order: Mapping[str, Any]) -> Any:
        self.aim(order["webhook_url"])
        return {"webhook_url": self._url}

    async def order_token(self, _: Mapping[str, Any]) -> Any:
        return {
            "token": self._google.push_token(self._url or "", self._clock.now(), is_forged=False)
        }

    async def state(self, request: web.Request) -> web.Response:
        """Everything, oldest first."""
        purchases = [asdict(purchase) for purchase in self._purchases.values()]
        told = self.deliveries.as_json()
        return web.json_response({"purchases": purchases, "reviews": self._reviews, **told})

    def _void(self, purchase: Purchase, quantity: int | None, reason: int) -> Voided:
        """The last part of a purchase is told as the whole, as Google does."""
        purchase.refunded += quantity or purchase.quantity - purchase.refunded
        if purchase.refunded > purchase.quantity:
            raise ValueError("more than was bought")
        voided = Voided(purchase, self._clock.now(), reason, quantity)
        self._voided.append(voided)
        is_all = purchase.refunded == purchase.quantity
        if is_all:
            purchase.state = "CANCELLED"
        self._push(play_store.voided(purchase, FULL if is_all else PARTIAL))
        return voided

    def _push(self, about: Mapping[str, Any]) -> None:
        if self._url is None:
            return
        self._pushed += 1
        url, message_id, now = self._url, str(1000 + self._pushed), self._clock.now()
        body = play_store.pushed(PACKAGE, about, message_id, now)

        def proof(at: float, is_forged: bool) -> Mapping[str, str]:
            return {
                "Authorization": f"Bearer {self._google.push_token(url, at, is_forged=is_forged)}"
            }

        message = Message(f"rtdn:{message_id}", url, body, proof)
        self.deliveries.later(self.deliveries.send(message))

    def _named(self, request: web.Request) -> Purchase:
        try:
            return self._purchases[request.match_info["token"]]
        except KeyError:
            raise Refusal(404) from None

    def _delivered(self, request: web.Request) -> Purchase:
        purchase = self._named(request)
        if purchase.product != request.match_info["product"] or purchase.state != "PURCHASED":
            raise Refusal(400)
        return purchase

    def _ordered_as(self, order: str) -> Purchase:
        for purchase in self._purchases.values():
            if purchase.order == order and purchase.state != "PENDING":
                return purchase
        raise Refusal(404)


def _refusing(handler: Handler) -> Handler:
    async def refusing(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refusal as refusal:
            return web.json_response(_error_body("", refusal.status), status=refusal.status)
        except (KeyError, TypeError, ValueError):
            return web.json_response(_error_body("", 400), status=400)

    return refusing


def _bearer(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


def _error_body(route: str, status: int) -> Any:
    """The documented body of an error."""
    word, reason = _ERRORS.get(status, ("INTERNAL", "backendError"))
    errors = [{"reason": reason, "domain": "androidpublisher"}]
    return {"error": {"code": status, "message": word, "status": word, "errors": errors}}
