"""The gateway with its clock, its transcription service and its table in a test's hands."""

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import Any

from engine.credits import hold_items
from engine.ledger.items import Entry
from engine.platform.circuit import AlwaysClosed
from engine.platform.table import Item
from engine.transcription.gateway import Questions
from engine.transcription.handover import NoHandover
from local.engine import create_table
from tests.support.gateway import Gateway, Reply
from tests.support.scripted import ScriptedUpstream
from tests.support.streams import Context, event, records

BEGINNING = 1_900_000_000
MONEY_FUNCTIONS = ("tokens", "credits", "users", "transcription", "sweeper")
VIDEO = "https://www.tiktok.com/@someone/video/730000000000000000"
_tables = itertools.count(1)


class World:
    """Calls of clients, and the events that nobody calls for.

    Every world has a table and an upstream of its own; its gateway is of no use outside worlds.
    """

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.upstream = ScriptedUpstream()
        self.now = BEGINNING
        self.secret = gateway.rings["WEBHOOK_SECRET"].signing
        name = f"pluct-world-{next(_tables)}-{os.getpid()}"
        create_table(gateway.dynamodb, name)
        for table in self._tables():
            table.name = name
        self.table = gateway.ledger.table
        for function in ("transcription", "sweeper"):
            module: Any = gateway.function(function)
            module.upstream, module.circuit = self.upstream, AlwaysClosed()
            module.questions = Questions()
        transcription: Any = gateway.function("transcription")
        transcription.calls = NoHandover()
        gateway.function("sweeper").clock = lambda: self.now  # type: ignore[attr-defined]

    def close(self) -> None:
        self.gateway.now = None
        self.gateway.dynamodb.delete_table(TableName=self.table.name)

    @property
    def now(self) -> int:
        return int(self.gateway.clock())

    @now.setter
    def now(self, at: int) -> None:
        self.gateway.now = at

    def _tables(self) -> list[Any]:
        modules = [self.gateway.function(name) for name in MONEY_FUNCTIONS]
        projector = self.gateway.function("projector").projector
        return [*(m.ledger.table for m in modules), projector.table, self.gateway.ledger.table]

    def add(self, body: Mapping[str, Any]) -> Reply:
        return self.gateway.call(
            "POST", "/v1/credits/add", dict(body), headers=self.gateway.api_key
        )

    def pay(self, body: Mapping[str, Any]) -> Reply:
        headers = {"x-webhook-secret": self.secret}
        return self.gateway.call("POST", "/add-credits", dict(body), headers=headers)

    def vend(self, user: str, body: Mapping[str, Any]) -> Reply:
        headers = self.gateway.user_headers(user)
        return self.gateway.call("POST", "/v1/vend-token", dict(body), headers=headers)

    def vend_at_once(self, user: str, body: Mapping[str, Any]) -> Reply:
        return self.gateway.call("POST", "/vend-token", {"userId": user, **body})

    def validate(self, token: str, *, consume: bool, **members: str) -> dict[str, Any]:
        body = {"token": token, "consume": consume, **members}
        return self.gateway.call("POST", "/validate-token", body).json

    def transcribe(self, token: str, video: int = 1) -> Reply:
        headers = {"authorization": f"Bearer {token}"}
        body = {"url": f"{VIDEO}{video}"}
        return self.gateway.call("POST", "/ttt/transcribe", body, headers=headers)

    def status(self, user: str, job_id: str) -> Reply:
        headers = self.gateway.user_headers(user)
        return self.gateway.call("GET", f"/ttt/status/{job_id}", headers=headers)

    def balance(self, user: str) -> dict[str, Any]:
        headers = self.gateway.user_headers(user)
        return self.gateway.call("GET", "/v1/credits/balance", headers=headers).json

    def sweep(self) -> dict[str, int]:
        return self.gateway.function("sweeper").lambda_handler({}, Context())

    def project(self, entries: Sequence[Entry]) -> None:
        """Deliver the records of `entries` as one batch of the stream."""
        handler = self.gateway.function("projector").lambda_handler
        assert handler(event(records(entries)), Context()) == {"batchItemFailures": []}

    def hold(self, user: str, jti: str) -> hold_items.Hold:
        found = hold_items.find(self.table, user, jti)
        assert found is not None
        return found

    def expire(self, items: Sequence[Item]) -> None:
        """Delete those of `items` whose time has passed, as the store does some day."""
        for item in items:
            if item.get("ttl", self.now) < self.now:
                key = {name: {"S": item[name]} for name in ("pk", "sk")}
                self.gateway.dynamodb.delete_item(TableName=self.table.name, Key=key)
