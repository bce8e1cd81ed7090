"""One paying user, and every route that takes a body, each with what makes a call to it succeed."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.gateway import Gateway

VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"


@dataclass(frozen=True)
class Scene:
    """A user with three credits, one of them held by a token that was vended."""

    gateway: Gateway
    user: str
    headers: dict[str, str]
    refresh_secret: str
    vended: str

    @property
    def api_key(self) -> dict[str, str]:
        return self.gateway.api_key

    @property
    def webhook(self) -> dict[str, str]:
        return {"x-webhook-secret": self.gateway.rings["WEBHOOK_SECRET"].signing}

    @property
    def vended_headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.vended}"}

    def money(self) -> tuple[Any, ...]:
        """The user's account and entries: equal before and after, if nothing was changed."""
        return self.gateway.ledger.account(self.user), *self.gateway.entries(self.user)


def make_scene(gateway: Gateway) -> Scene:
    made = gateway.call("POST", "/v1/devices").json
    headers = {"authorization": f"Bearer {made['token']}"}
    gateway.add(made["userId"], 3)
    vended = gateway.vend(headers).json["token"]
    return Scene(gateway, made["userId"], headers, made["refreshSecret"], vended)


def nothing(_: Scene) -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Door:
    """A route that reads a body: its credential, and a body that it would accept."""

    path: str
    headers: Callable[[Scene], dict[str, str]] = nothing
    body: dict[str, Any] = field(default_factory=dict)


ADJUST = {"userId": "ann", "amount": 1, "reason": "x"}
DOORS = (
    Door("/v1/credits/add", lambda scene: scene.api_key, {"userId": "ann", "amount": 1}),
    Door("/add-credits", lambda scene: scene.webhook, {"userId": "ann", "amount": 1}),
    Door(
        "/webhooks/top-up",
        lambda scene: scene.webhook,
        {"userId": "ann", "amount": "1", "transactionId": "order-1"},
    ),
    Door("/user/create", lambda scene: scene.api_key, {"userId": "ann", "initialCredits": 1}),
    Door("/v1/vend-token", lambda scene: scene.headers),
    Door("/ttt/transcribe", lambda scene: scene.vended_headers, {"url": VIDEO}),
    Door("/vend-token", body={"userId": "ann"}),
    Door("/validate-token", body={"token": "x"}),
    Door("/admin/credits/add", lambda scene: scene.gateway.admin, ADJUST),
    Door("/admin/add-credits", lambda scene: scene.gateway.admin, ADJUST),
    Door("/admin/deduct-credits", lambda scene: scene.gateway.admin, ADJUST),
    Door("/admin/generate-key", lambda scene: scene.gateway.admin, {"description": "x"}),
    Door(
        "/admin/users/ann/transactions/1/undo", lambda scene: scene.gateway.admin, {"reason": "x"}
    ),
    Door(
        "/v1/payments/intents",
        lambda scene: scene.headers,
        {"packId": "p250", "provider": "stripe", "currency": "USD", "clientRequestId": "buy"},
    ),
    Door(
        "/admin/packs",
        lambda scene: scene.gateway.admin,
        {
            "packId": "p250",
            "version": 0,
            "label": "250",
            "credits": 250,
            "prices": {"USD": 499},
            "reason": "x",
        },
    ),
    Door("/v1/devices/token", body={"userId": "ann", "refreshSecret": "x"}),
)
DOOR = {door.path: door for door in DOORS}
