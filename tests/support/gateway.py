"""The gateway in process: every function's real handler, over a real engine's table and parameters."""

import itertools
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from engine.access import keyrings, rotation, tokens
from engine.ledger import origins
from engine.ledger.items import Entry
from engine.ledger.origins import Texts
from engine.ledger.posting import Ledger
from engine.platform.table import Table
from local.engine import create_table, json_client
from tests.support import deployed

PREFIX = "pluct-test"
_counter = itertools.count(1)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)

    @property
    def code(self) -> str:
        return str(self.json.get("code"))

    @property
    def details(self) -> dict[str, Any]:
        """The facts of a refusal, without the sentence that stands among them for the app."""
        body = self.json
        return {
            name: value
            for name, value in body["details"].items()
            if (name, value) != ("message", body["message"])
        }


class Gateway:
    """Calls handlers with events; `now` moves the clock of every function when it is set."""

    def __init__(self, endpoint: str, **settings: str) -> None:
        self.endpoint = endpoint
        self.table_name = f"pluct-{next(_counter)}-{os.getpid()}"
        environment = {
            "AWS_ENDPOINT_URL": endpoint,
            "TABLE_NAME": self.table_name,
            "SECRETS_PREFIX": PREFIX,
            **settings,
        }
        self.modules: dict[str, ModuleType] = {}
        self._routes = deployed.all_routes()
        self.environment = environment
        self.dynamodb = json_client("dynamodb", endpoint)
        ssm = json_client("ssm", endpoint)
        create_table(self.dynamodb, self.table_name)
        names = deployed.secret_names()
        prefix = f"/{environment['SECRETS_PREFIX']}/"
        rotation.create_missing(ssm, prefix, names, int(time.time()))
        self.rings = keyrings.KeyRings(ssm, prefix, names)
        self.ledger = Ledger(Table(self.dynamodb, self.table_name))
        self.now: float | None = None

    def clock(self) -> float:
        return self.now if self.now is not None else time.time()

    def function(self, name: str) -> ModuleType:
        if name not in self.modules:
            module = deployed.load(name, self.environment)
            if hasattr(module, "api"):
                module.api.clock = self.clock
            if hasattr(module, "circuit"):
                module.circuit.clock = self.clock
            self.modules[name] = module
        return self.modules[name]

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        raw: str | None = None,
        encoded: bool = False,
        address: str = "203.0.113.7",
        cookies: Mapping[str, str] | None = None,
    ) -> Reply:
        function, members, route = self.routed(method, path)
        text = raw if raw is not None else None if body is None else json.dumps(body)
        event = event_of(method, path, route, members, text, headers or {}, query or {}, address)
        event["isBase64Encoded"] = encoded
        if cookies:
            event["cookies"] = [f"{name}={value}" for name, value in cookies.items()]
        answer = self.function(function).lambda_handler(event, None)
        return Reply(answer["statusCode"], answer["headers"], answer["body"])

    def routed(self, method: str, path: str) -> tuple[str, dict[str, str], str]:
        """The function that takes a call, the members of its path, and its route's key."""
        for function, route_method, rule in self._routes:
            members = deployed.match(rule, path)
            if route_method == method and members is not None:
                return function, members, f"{method} {rule}"
        return "health", {}, "$default"

    def user(self, balance: int = 0) -> tuple[str, dict[str, str]]:
        """A new user with `balance` credits: the id and the headers of its token."""
        made = self.call("POST", "/v1/devices").json
        user = str(made["userId"])
        if balance:
            self.add(user, balance)
        return user, {"authorization": f"Bearer {made['token']}"}

    def add(self, user: str, amount: int) -> None:
        reply = self.call(
            "POST", "/v1/credits/add", {"userId": user, "amount": amount}, headers=self.api_key
        )
        assert reply.status == 200, reply.text

    @property
    def api_key(self) -> dict[str, str]:
        return {"x-api-key": self.rings["ENGINE_ADMIN_KEY"].signing}

    @property
    def admin(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.rings['ADMIN_SECRET'].signing}"}

    def user_headers(self, user: str) -> dict[str, str]:
        ring = self.rings["ENGINE_JWT_SECRET"]
        token = tokens.issue_user(user, ring, now=int(self.clock()), lifetime_s=3600)
        return {"authorization": f"Bearer {token}"}

    def vend(self, headers: Mapping[str, str], key: str | None = None) -> Reply:
        body = {} if key is None else {"clientRequestId": key}
        return self.call("POST", "/v1/vend-token", body, headers=headers)

    def balance(self, user: str) -> int:
        return self.ledger.account(user).available

    def entries(self, user: str) -> list[Entry]:
        """Oldest first; fails where there are more than 1,000."""
        found = self.ledger.entries(user, limit=1001)
        assert len(found) <= 1000
        return found[::-1]

    def origin(self, entry: Entry) -> Texts:
        """Where `entry` came from, as far as that is kept."""
        name = (entry.user, entry.origin_id)
        return origins.texts(self.ledger.table, [name]).get(name, origins.UNKNOWN)

    def assert_explained(self, user: str) -> None:
        """The entries are contiguous, chained, add up at every step, end at the account, and each origin
        that they name is kept.
        """
        account = self.ledger.account(user)
        available = held = 0
        previous = "0" * 43
        entries = self.entries(user)
        for seq, entry in enumerate(entries, 1):
            available, held = available + entry.amount, held + entry.held
            assert entry.seq == seq
            assert (entry.available_after, entry.held_after) == (available, held)
            assert entry.prev == previous and entry.hash == entry.expected_hash()
            assert available >= 0 and held >= 0
            previous = entry.hash
        assert (account.available, account.held, account.seq) == (available, held, len(entries))
        assert account.head == previous
        kept = {item["sk"] for item in origins.of_user(self.ledger.table, user)}
        assert {entry.origin_id for entry in entries} <= {*kept, ""}


def event_of(
    method: str,
    path: str,
    route: str,
    members: Mapping[str, str],
    body: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, str] | None = None,
    address: str = "203.0.113.7",
) -> dict[str, Any]:
    """An event of the HTTP API, payload format 2.0."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"host": "api.example.test", "user-agent": "pluct-tests/1", **headers},
        "requestContext": {
            "domainName": "api.example.test",
            "http": {"method": method, "path": path, "sourceIp": address},
            "requestId": f"test-{next(_counter)}-{os.getpid()}",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if members:
        event["pathParameters"] = dict(members)
    if body is not None:
        event["body"] = body
    if query:
        event["queryStringParameters"] = dict(query)
    return event
