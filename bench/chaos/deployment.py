"""The deployment: instances of the real functions over one table, each call in an instance of its own."""

from __future__ import annotations

import itertools
import json
import random
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench import ROOT, world
from bench.chaos.provider import Provider
from bench.chaos.store import Killed, UnreliableClient
from bench.chaos.timeline import Timeline
from bench.world import World
from engine.access import tokens
from engine.access.keyrings import ENGINE_ADMIN_KEY, ENGINE_JWT_SECRET, WEBHOOK_SECRET
from engine.platform.errors import EngineError
from engine.transcription.handover import NotHandedOver
from local.template import load_template, resources_of_type

FRONT_LIMIT_S = 29.0
"""When API Gateway answers 503 in a function's place."""

REDELIVERED_S = 720.0
LEFT_S = 240.0
DELIVERIES = 4
_WORKER_EVENT: dict[str, Any] = {"eventSource": "aws:sqs"}


@dataclass(frozen=True)
class Reply:
    """What a client receives; `status` is 0 where nothing came."""

    status: int
    text: str = ""

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.text) if self.text else {}
        return found if isinstance(found, dict) else {}


@dataclass
class Context:
    """What Lambda says of an invocation that ends at `ends_at`."""

    timeline: Timeline
    ends_at: float
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        return int(1000 * (self.ends_at - self.timeline.now))


class Deployment:
    """Calls of clients and of AWS, in virtual time."""

    def __init__(
        self,
        over: World,
        timeline: Timeline,
        rng: random.Random,
        provider: Provider,
        store: UnreliableClient,
    ) -> None:
        self.timeline = timeline
        self.provider = provider
        self.answers: Counter[tuple[str, int]] = Counter()
        self.failures: list[str] = []
        """Answers 500 and errors that left a handler."""
        self.cut: Counter[str] = Counter()
        """Rounds and messages that ended because the store did not answer; they come again."""
        self._world = over
        self._rng = rng
        self._store = store
        self.faults = store.faults
        self._idle: dict[str, list[Any]] = {}
        """The instances of each function that handle no call."""
        self._numbers = itertools.count(1)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        job: str = "",
    ) -> Reply:
        """The answer to a call; `path` is a route's, and `job` stands for its `{id}`."""
        event = world.http_event(method, path, headers or {}, body)
        event["rawPath"] = path.replace("{id}", job)
        event["requestContext"]["requestId"] = f"call-{next(self._numbers)}"
        if job:
            event["pathParameters"] = {"id": job}
        return self._answered(f"{method} {path}", event)

    def notify(self, body: str) -> None:
        """The service's webhook."""
        event = world.http_event("POST", "/webhooks/tttranscribe", {})
        event["body"] = body
        event["requestContext"]["requestId"] = f"call-{next(self._numbers)}"
        self._answered("POST /webhooks/tttranscribe", event)

    def user_headers(self, user: str) -> dict[str, str]:
        """A fresh token of the user's, which the app got before."""
        ring = self._world.rings[ENGINE_JWT_SECRET]
        now = int(self.timeline.now)
        token = tokens.issue_user(user, ring, now=now, lifetime_s=world.TOKEN_LIFETIME_S)
        return {"authorization": f"Bearer {token}"}

    @property
    def api_key(self) -> dict[str, str]:
        return {"x-api-key": self._world.rings[ENGINE_ADMIN_KEY].signing}

    @property
    def webhook(self) -> dict[str, str]:
        return {"x-webhook-secret": self._world.rings[WEBHOOK_SECRET].signing}

    def send(self, user: str, jti: str) -> None:
        """The queue takes a message for the worker; its answer may be lost, or it may be away."""
        fault = self._rng.random() if self.faults.is_on else 1.0
        if fault < 0.02:
            raise NotHandedOver()
        body = json.dumps({"user": user, "jti": jti})
        for _ in range(2 if fault > 0.97 and self.faults.is_on else 1):
            self.timeline.spawn(partial(self._work, body), self._rng.uniform(0.05, 3))
        if fault < 0.03:
            raise NotHandedOver()

    def sweep(self) -> None:
        """One round of the sweeper, as the schedule starts it."""
        self._invoked("sweeper", {})

    def sweep_every_s(self) -> int:
        """The template's schedule."""
        functions = resources_of_type(
            load_template(ROOT / "template.yaml"), "AWS::Serverless::Function"
        )
        (sweeper,) = [
            function["Properties"]
            for function in functions.values()
            if function["Properties"]["CodeUri"] == "functions/sweeper"
        ]
        (event,) = sweeper["Events"].values()
        number, unit = event["Properties"]["Schedule"].removeprefix("rate(").rstrip(")").split()
        return int(number) * {"minute": 60, "minutes": 60}[unit]

    def _work(self, body: str) -> None:
        """The worker's message, delivered until a worker has handled it."""
        record = {**_WORKER_EVENT, "messageId": f"message-{next(self._numbers)}", "body": body}
        for _ in range(DELIVERIES):
            answer = self._invoked("transcription_worker", {"Records": [record]})
            if answer is not None and not answer["batchItemFailures"]:
                return
            self.timeline.sleep(REDELIVERED_S)

    def _answered(self, route: str, event: dict[str, Any]) -> Reply:
        began = self.timeline.now
        answer = self._invoked(_FUNCTIONS[route], event)
        if answer is None:
            reply = Reply(502, '{"message": "Internal Server Error"}')
        elif self.timeline.now - began > FRONT_LIMIT_S:
            reply = Reply(503, '{"message": "Service Unavailable"}')
        else:
            reply = Reply(answer["statusCode"], answer["body"])
            if reply.status == 500:
                self.failures.append(f"{route} answered 500: {reply.text[:300]}")
        self.answers[route, reply.status] += 1
        return reply

    def _invoked(self, function: str, event: dict[str, Any]) -> Any:
        """What the handler answered, None where its process was killed or an error left it."""
        idle = self._idle.setdefault(function, [])
        module = idle.pop() if idle else self._started(function)
        context = Context(
            self.timeline, self.timeline.now + LEFT_S, f"invocation-{next(self._numbers)}"
        )
        try:
            answer = module.lambda_handler(event, context)
        except Killed:
            return None
        except EngineError as error:
            self.cut[f"{function}: {error.code}"] += 1
            return None
        except Exception:  # noqa: BLE001 - whatever leaves a handler is a finding.
            self.failures.append(f"{function} raised: {traceback.format_exc(limit=-4)}")
            return None
        idle.append(module)
        return answer

    def _observed(self, client: Any) -> Any:
        """The store's client is replaced; that of the parameters stays."""
        if client.service != "dynamodb":
            return client
        client.close()
        return self._store

    def _started(self, function: str) -> Any:
        """A new instance, which lives in virtual time."""
        module: Any = world.load_module(function, self._observed)
        timeline = self.timeline
        replaced = {
            "clock": timeline.time,
            "pause": timeline.sleep,
            "upstream": self.provider,
            "calls": self,
        }
        for name, value in replaced.items():
            if hasattr(module, name):
                setattr(module, name, value)
        if hasattr(module, "api"):
            module.api.clock = timeline.time
        if hasattr(module, "circuit"):
            module.circuit.clock = timeline.time
            module.Gateway = partial(module.Gateway, monotonic=timeline.time)
        if function == "transcription":
            module.Gateway = partial(module.Gateway, sleep=timeline.sleep)
        module.ledger._clock = timeline.time  # noqa: SLF001 - the functions leave both as they are.
        module.ledger._sleep = module.ledger.table._sleep = timeline.sleep  # noqa: SLF001
        return module


_FUNCTIONS = {
    "POST /v1/vend-token": "tokens",
    "POST /v1/credits/add": "credits",
    "POST /add-credits": "credits",
    "GET /v1/credits/balance": "credits",
    "POST /ttt/transcribe": "transcription",
    "GET /ttt/status/{id}": "transcription",
    "GET /ttt/poll/{id}": "transcription",
    "POST /webhooks/tttranscribe": "transcription",
}
