"""A back end that holds credits over HTTP, and its products."""

from typing import Any

from engine.credits import verification
from engine.credits.backend_holds import name_of
from engine.platform.table import Item
from engine.readmodels import folds
from tests.support.gateway import Gateway, Reply
from tests.support.streams import fresh

NOW = 1_800_000_000
STEPS = {
    "version": 0, "label": "Steps", "unit": "call", "creditsPerUnit": 5, "mostUnits": 100,
    "scope": "steps:run", "audience": "steps", "lifetimeSeconds": 3600, "graceSeconds": 120,
    "reason": "a product",
}  # fmt: skip


def new_key(gateway: Gateway, *scopes: str) -> dict[str, str]:
    body = {"description": "back end", "scopes": list(scopes)}
    made = gateway.call("POST", "/admin/generate-key", body, headers=gateway.admin).json
    return {"x-api-key": made["key"]}


class Backend:
    """A back end with a key of its own, a product for each overage, and a user."""

    def __init__(self, gateway: Gateway, balance: int = 500) -> None:
        self.gateway = gateway
        self.key = new_key(gateway, "holds:write")
        self.user, self.headers = gateway.user(balance)

    def product(self, overage: str) -> str:
        code = f"steps_{overage}"
        body = STEPS | {"code": code, "overage": overage}
        self.gateway.call("POST", "/admin/products", body, headers=self.gateway.admin)
        for name in ("holds", "tokens"):
            self.gateway.function(name).products.forget()
        return code

    def place(self, hold_id: str = "", overage: str = "reject", **more: Any) -> Reply:
        body = {
            "userId": self.user,
            "holdId": hold_id or fresh("hold"),
            "product": self.product(overage),
        }
        if not {"units", "amount"} & more.keys():
            more["amount"] = 100
        return self.gateway.call("POST", "/v1/holds", body | more, headers=self.key)

    def held(self, overage: str = "reject", **more: Any) -> str:
        reply = self.place(overage=overage, **more)
        assert reply.status == 200, reply.text
        return str(reply.json["holdId"])

    def ask(
        self, hold_id: str, operation: str, *, key: str = "", headers: Any = None, **body: Any
    ) -> Reply:
        path = f"/v1/holds/{hold_id}/{operation}"
        body["clientRequestId"] = key or fresh("request")
        return self.gateway.call("POST", path, body, headers=headers or self.key)

    def show(self, hold_id: str) -> Reply:
        return self.gateway.call("GET", f"/v1/holds/{hold_id}", headers=self.key)

    @property
    def caller(self) -> str:
        keys = self.gateway.call("GET", "/admin/keys", headers=self.gateway.admin).json["keys"]
        (mine,) = [one for one in keys if self.key["x-api-key"].startswith(one["hint"])]
        return f"api-key:{mine['id']}"

    def item(self, hold_id: str) -> Item:
        name = name_of(self.caller, hold_id)
        item = self.gateway.ledger.table.get(f"HOLD#{name}", "HOLD")
        assert item is not None
        return item

    def figures(self) -> tuple[int, int, int]:
        """Available, held and owed; explained by the entries, and verified with all holds."""
        self.gateway.assert_explained(self.user)
        found = verification.verify_user(self.gateway.ledger.table, "credits", self.user)
        assert found.findings == []
        account = self.gateway.ledger.account(self.user)
        stats = folds.stats(folds.fold(self.gateway.entries(self.user)).counts)  # type: ignore[union-attr]
        assert (stats.available, stats.held, stats.owed) == (
            account.available, account.held, account.owed,
        )  # fmt: skip
        assert stats.issued + stats.owed == stats.spent + stats.available + stats.held
        return account.available, account.held, account.owed

    def listed(self) -> tuple[str, ...]:
        return self.gateway.ledger.account(self.user).open_holds


def told(reply: Reply) -> tuple[Any, ...]:
    names = ("state", "reserved", "committed", "released", "available", "owed")
    return tuple(reply.json[name] for name in names)


def sweep(gateway: Gateway) -> dict[str, int]:
    sweeper = gateway.function("sweeper")
    sweeper.clock = gateway.clock

    class Context:
        aws_request_id = "sweep"

        def get_remaining_time_in_millis(self) -> int:
            return 100_000

    found: dict[str, int] = sweeper.lambda_handler({}, Context())
    return found
