"""The gateway with the stand-ins of all payment providers, whose pushes reach it over HTTP."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
import jwt
from aiohttp import web

from engine.providers import stripe_signature
from local.engine import json_client
from standins import daraja, play, stripe
from tests.support import deployed, payers
from tests.support.control import Control
from tests.support.gateway import PREFIX, Gateway, Reply, event_of
from tests.support.openrouter import Context
from tests.support.shop import begin
from tests.support.upstream import served

SECRETS = {
    "STRIPE_SECRET_KEY": "sk_test_of_all_tests",
    "STRIPE_WEBHOOK_SECRET": "whsec_of_all_tests_0123",
    "DARAJA_CONSUMER_KEY": "consumer-key-of-all-tests",
    "DARAJA_CONSUMER_SECRET": "consumer-secret-of-all-tests",
    "DARAJA_PASSKEY": "passkey-of-all-tests",
    "DARAJA_CREDENTIAL": "credential-of-all-tests",
}
PHONE = "254708374149"


class Provider(Control):
    """The control API of one stand-in."""

    def fault(self, route: str, kind: str, *, times: int | None = None, **options: Any) -> None:
        rule = {"route": route, "times": times, "action": {"kind": kind, **options}}
        self.order("faults", [rule])


@dataclass
class Market:
    """A shop, its providers, and what buyers do."""

    gateway: Gateway
    stripe: Provider
    daraja: Provider
    play: Provider
    answers: list[int] = field(default_factory=list)
    """The statuses of what the gateway answered to pushes."""

    def buyer(self) -> tuple[str, dict[str, str]]:
        return self.gateway.user()

    def intent(self, headers: dict[str, str], pack: str = "p250", **changed: Any) -> dict[str, Any]:
        made = begin(self.gateway, headers, pack, **{"provider": "stripe", **changed})
        assert made.status == 200, made.text
        return made.json

    def by_mpesa(self, headers: dict[str, str], **changed: Any) -> dict[str, Any]:
        return self.intent(headers, provider="mpesa", currency="KES", **changed)

    def session(self, intent: dict[str, Any]) -> str:
        return str(intent["checkoutUrl"].rpartition("/")[2])

    def payment(self, intent: dict[str, Any]) -> str:
        """Stripe's payment intent of a paid session."""
        found = self.stripe.state()
        for one in found["session"]:
            if one["client_reference_id"] == intent["intentId"]:
                return str(one["payment_intent"])
        raise AssertionError(intent["intentId"])

    def claim(self, headers: dict[str, str], token: str) -> Reply:
        body = {"purchaseToken": token}
        return self.gateway.call("POST", "/v1/payments/google/claim", body, headers=headers)

    def status(self, headers: dict[str, str], intent: dict[str, Any]) -> str:
        path = f"/v1/payments/{intent['intentId']}"
        return str(self.gateway.call("GET", path, headers=headers).json["status"])

    def account(self, user: str) -> tuple[int, int]:
        account = self.gateway.ledger.account(user)
        return account.available, account.owed

    def reconcile(self) -> dict[str, int]:
        function: Any = self.gateway.function("reconciler")
        found: dict[str, int] = function.lambda_handler({}, Context())
        return found

    def by_hand(self) -> dict[str, Any]:
        """A round of the reconciler by an operator, which waits for no schedule."""
        path, body = "/admin/payments/reconcile", {"reason": "test"}
        reply = self.gateway.call("POST", path, body, headers=self.gateway.admin)
        assert reply.status == 200, reply.text
        return reply.json


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Waits until pushes, which come from another thread, have been heard."""
    ends_at = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < ends_at, what
        time.sleep(0.05)


@contextmanager
def market(endpoint: str, **settings: str) -> Iterator[Market]:
    """Every provider's stand-in, and a gateway that sells packs by them."""
    with ExitStack() as held:
        opened: list[Market] = []
        door = held.enter_context(served(doors_of(opened)))
        bases = {
            "stripe": held.enter_context(
                served(
                    stripe.create_app(
                        SECRETS["STRIPE_SECRET_KEY"],
                        SECRETS["STRIPE_WEBHOOK_SECRET"],
                        f"{door}/webhooks/stripe",
                    )
                )
            ),
            "daraja": held.enter_context(
                served(
                    daraja.create_app(
                        SECRETS["DARAJA_CONSUMER_KEY"],
                        SECRETS["DARAJA_CONSUMER_SECRET"],
                        SECRETS["DARAJA_PASSKEY"],
                        answer_seconds=0.0,
                    )
                )
            ),
            "play": held.enter_context(
                served(play.create_app(f"{door}/webhooks/play", "audience"))
            ),
        }
        put_secrets(endpoint)
        kms = boto3.client("kms", **deployed.client_settings(endpoint))  # type: ignore[call-overload]
        gateway = payers.selling(
            endpoint,
            STRIPE_BASE=bases["stripe"],
            DARAJA_BASE=bases["daraja"],
            PLAY_BASE=bases["play"],
            PLAY_AUDIENCE="audience",
            PUBLIC_BASE=door,
            KMS_KEY=kms.create_key()["KeyMetadata"]["Arn"],
            **{"MPESA_INITIATOR": "pluctapi", **settings},
        )
        providers = {name: Provider(base) for name, base in bases.items()}
        made = Market(gateway, **providers)
        opened.append(made)
        yield made


def put_secrets(endpoint: str) -> None:
    for name, secret in SECRETS.items():
        ring = {"keys": [{"secret": secret, "createdAt": "2025-01-01T00:00:00.000Z"}]}
        json_client("ssm", endpoint).put_parameter(
            Name=f"/{PREFIX}/{name}",
            Value=json.dumps(ring),
            Type="SecureString",
            Overwrite=True,
        )


def doors_of(opened: list[Market]) -> web.Application:
    """An HTTP door to the gateway in this process, with what API Gateway's authorizer would find."""

    async def hear(request: web.Request) -> web.Response:
        body, headers = await request.read(), {k.lower(): v for k, v in request.headers.items()}
        (made,) = opened

        def call() -> dict[str, Any]:
            function, members, route = made.gateway.routed(request.method, request.path)
            event = event_of(request.method, request.path, route, members, body.decode(), headers)
            if request.path == "/webhooks/play":
                event["requestContext"]["authorizer"] = {"jwt": {"claims": claims_of(headers)}}
            answer: dict[str, Any] = made.gateway.function(function).lambda_handler(event, None)
            return answer

        answer = await asyncio.to_thread(call)
        made.answers.append(answer["statusCode"])
        return web.Response(status=answer["statusCode"], text=answer["body"])

    app = web.Application()
    app.router.add_post("/{tail:.*}", hear)
    return app


def claims_of(headers: dict[str, str]) -> dict[str, str]:
    """The claims of a push's token as API Gateway passes them: as texts."""
    token = headers["authorization"].removeprefix("Bearer ")
    claims = jwt.decode(token, options={"verify_signature": False})
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in claims.items()
    }


def stripe_event(type_: str, about: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
    """A snapshot event of `type_` about an object of which the id and the kind are given."""
    head = {"id": "evt_of_a_test", "object": "event", "created": int(time.time())}
    return {**head, "livemode": False, "type": type_, "data": {"object": dict(about)}, **changed}


def signed(body: str, secret: str = SECRETS["STRIPE_WEBHOOK_SECRET"], at: int | None = None) -> str:
    """The header with which Stripe signs `body`, now or at the time `at`."""
    stamp = str(int(time.time()) if at is None else at)
    return f"t={stamp},v1={stripe_signature.signature(secret, stamp, body.encode())}"


def told(shop: Market, event: Mapping[str, Any], header: str = "") -> Reply:
    """The gateway's answer to an event of Stripe, signed unless a header is given."""
    body = json.dumps(event)
    headers = {"stripe-signature": header or signed(body)}
    return shop.gateway.call("POST", "/webhooks/stripe", raw=body, headers=headers)
