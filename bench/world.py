"""A minimal deployment in process: the template's environment, table and secrets, and the real handlers."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import uuid4

from bench import ROOT
from bench.engines import Engines
from engine.access import keyrings, rotation, tokens
from engine.access.keyrings import ENGINE_ADMIN_KEY, ENGINE_JWT_SECRET, Ring
from engine.platform import aws_json, logs, table
from local.engine import REGION, aws_client, create_table
from local.template import load_template, parameter_values

Event = dict[str, Any]
Handler = Callable[[Event, Any], dict[str, Any]]
Observer = Callable[[aws_json.Client], Any]
Client = TypeVar("Client")

TABLE_NAME = "bench"
SECRETS_PREFIX = "/bench/"
TOKEN_LIFETIME_S = 3600


@dataclass(frozen=True)
class World:
    """The target of a measurement; `environ` is the environment of the functions."""

    environ: Mapping[str, str]
    rings: Mapping[str, Ring]
    handlers: dict[str, Handler] = field(default_factory=dict)

    def token(self, user: str) -> str:
        now = int(time.time())
        return tokens.issue_user(
            user, self.rings[ENGINE_JWT_SECRET], now=now, lifetime_s=TOKEN_LIFETIME_S
        )

    def vend_event(self, user: str, request_id: str | None = None) -> Event:
        """An event for a vend of `user`; the same `request_id` makes it a repeated request."""
        body = {"clientRequestId": request_id or str(uuid4())}
        return http_event(
            "POST", "/v1/vend-token", {"authorization": f"Bearer {self.token(user)}"}, body
        )

    def balance_event(self, user: str) -> Event:
        return http_event(
            "GET", "/v1/credits/balance", {"authorization": f"Bearer {self.token(user)}"}
        )

    def give(self, user: str, credits: int) -> None:
        """Adds credits with an API key. Raises RuntimeError when the gateway refuses."""
        event = http_event(
            "POST",
            "/v1/credits/add",
            {"x-api-key": self.rings[ENGINE_ADMIN_KEY].signing},
            {"userId": user, "amount": credits},
        )
        answer = self.handlers["credits"](event, None)
        if answer["statusCode"] != 200:
            raise RuntimeError(f"no credits: {answer['body']}")


def build(engines: Engines) -> World:
    """Creates table and secrets in the engines, and sets the functions' environment."""
    world = prepare(engines)
    _silence_logs()
    return world


def prepare(engines: Engines) -> World:
    """The same, with log lines as they are."""
    template = load_template(ROOT / "template.yaml")
    create_table(aws_client("dynamodb", engines.dynamodb), TABLE_NAME)
    environ = {**_aws_environ(engines), **function_environ(template)}
    os.environ.update(environ)
    client = keyrings.connect()
    names = template["Resources"]["Secrets"]["Properties"]["Names"]
    rotation.create_missing(client, SECRETS_PREFIX, names, int(time.time()))
    world = World(environ, _read_rings(names))
    world.handlers["credits"] = load("credits")
    return world


def load(function: str, observe: Observer = lambda client: client) -> Handler:
    """A fresh `lambda_handler` of `functions/<function>`; `observe` as for `load_module`."""
    handler: Handler = load_module(function, observe).lambda_handler
    return handler


def load_module(function: str, observe: Observer = lambda client: client) -> ModuleType:
    """A fresh module of `functions/<function>`; `observe` is shown its clients as they are made, and
    answers what the function is to use for them.
    """
    path = ROOT / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"bench_{function}_{uuid4().hex}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with (
        patch.object(table, "connect", _observed(table.connect, observe)),
        patch.object(keyrings, "connect", _observed(keyrings.connect, observe)),
    ):
        spec.loader.exec_module(module)
    return module


def http_event(
    method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
) -> Event:
    """An event of the HTTP API, payload format 2.0, as for a request from a phone."""
    event: Event = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {
            "accept": "application/json",
            "accept-encoding": "gzip",
            "content-type": "application/json",
            "host": "api.example.com",
            "user-agent": "okhttp/4.12.0",
            "x-amzn-trace-id": "Root=1-6740f5a1-3c1f5e9b7d2a4c8f0e6b1d3a",
            "x-forwarded-for": "203.0.113.9",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
            **headers,
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api0000000",
            "domainName": "api.example.com",
            "domainPrefix": "api",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.9",
                "userAgent": "okhttp/4.12.0",
            },
            "requestId": uuid4().hex[:16],
            "routeKey": f"{method} {path}",
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime()),
            "timeEpoch": time.time_ns() // 1_000_000,
        },
        "isBase64Encoded": False,
    }
    if body is not None:
        event["body"] = json.dumps(body)
        event["headers"]["content-length"] = str(len(event["body"]))
    return event


def _observed(connect: Callable[[], Client], observe: Observer) -> Callable[[], Any]:
    def connect_and_show() -> Any:
        client: Any = connect()
        return observe(client)

    return connect_and_show


def function_environ(template: Mapping[str, Any]) -> dict[str, str]:
    """The environment that the template gives every function, no rate limit in the way; a resource
    that it refers to is called by its logical id.
    """
    values: dict[str, Any] = {
        **parameter_values(dict(template), {"RateLimit": "1000000"}),
        "Table": TABLE_NAME,
    }
    variables = template["Globals"]["Function"]["Environment"]["Variables"]
    referred = {
        name: str(values.get(value["Ref"], value["Ref"]))
        for name, value in variables.items()
        if "Ref" in value
    }
    literal = {name: value for name, value in variables.items() if isinstance(value, str)}
    made = {
        name: str(value["Fn::GetAtt"][0])
        for name, value in variables.items()
        if "Fn::GetAtt" in value
    }
    return {**literal, **referred, **made, "SECRETS_PREFIX": SECRETS_PREFIX}


def _aws_environ(engines: Engines) -> dict[str, str]:
    """The variables that Lambda sets, with the engines as AWS endpoints and no account of the caller."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL_DYNAMODB": engines.dynamodb,
        "AWS_ENDPOINT_URL_SSM": engines.ssm,
        "AWS_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def _read_rings(names: list[str]) -> dict[str, Ring]:
    rings = keyrings.KeyRings(keyrings.connect(), SECRETS_PREFIX, names)
    return {name: rings[name] for name in names}


def _silence_logs() -> None:
    """Log lines are still written, which is part of the cost, but not to the terminal."""
    for handler in logs.logger.handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(Path(os.devnull).open("w"))  # noqa: SIM115 - open as long as the process.
