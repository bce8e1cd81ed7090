"""Many processes and threads at one store, let go at the same moment.

A racer is a process of its own with the gateway's real handlers; it is told by name what to do, waits
at the gate for the others, and sends what came of it.
"""

import contextlib
import logging
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from engine.credits import hold_items, holds
from engine.credits.holds import Claim
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import EngineError
from engine.platform.table import ConditionFailed, Table
from engine.transcription import sweeping
from engine.transcription.upstream import NotSent
from local.engine import create_table, json_client
from tests.support.gateway import Gateway
from tests.support.proxy import proxy
from tests.support.replays import timeless

PROCESSES, THREADS = 10, 8
GATE_S = 60.0
DYNAMODB_ADDRESS = "AWS_ENDPOINT_URL_DYNAMODB"
"""The variable that stays in the environment when a gateway was made."""
context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload([__name__])
"""Racers are forks of one process that has imported what they need; ten imports take ten times as long."""


@dataclass(frozen=True)
class Track:
    """Where a race takes place: a table in a store, and secrets that lie where parameters are."""

    dynamodb: str
    ssm: str
    table: str

    def gateway(self) -> Gateway:
        return RacingGateway(self)


class RacingGateway(Gateway):
    """A gateway on a table that is there already, whose store may know of DynamoDB only."""

    def __init__(self, track: Track) -> None:
        super().__init__(track.ssm, RATE_LIMIT="100000", **{DYNAMODB_ADDRESS: track.dynamodb})
        self.table_name = track.table
        self.dynamodb = json_client("dynamodb", track.dynamodb)
        self.ledger = Ledger(Table(self.dynamodb, track.table))
        for name in ("tokens", "credits", "users"):
            self.function(name).ledger.table.name = track.table


@dataclass(frozen=True)
class Order:
    """What one thread of a racer does: the name of an act, and what it is about."""

    act: str
    arguments: dict[str, Any]


class Team:
    """Processes that race as often as they are told to; starting them is what takes long."""

    def __init__(self) -> None:
        self._gate = context.Barrier(PROCESSES)
        self._racers = [self._start() for _ in range(PROCESSES)]

    def race(self, track: Track, orders: Sequence[Order], processes: int = 4) -> list[Any]:
        """What came of `orders`, in their order, spread over the threads of so many processes."""
        for lane, (_, pipe) in enumerate(self._racers):
            pipe.send((track, orders[lane::processes] if lane < processes else []))
        found: list[Any] = [None] * len(orders)
        for lane, (_, pipe) in enumerate(self._racers):
            result = pipe.recv()
            if lane < processes:
                found[lane::processes] = result
        return found

    def close(self) -> None:
        for process, pipe in self._racers:
            pipe.close()
            process.join(GATE_S)
            process.kill()

    def _start(self) -> tuple[Any, Any]:
        ours, theirs = context.Pipe()
        process = context.Process(target=_racer, args=(self._gate, theirs), daemon=True)
        process.start()
        theirs.close()
        return process, ours


def _racer(gate: Any, pipe: Any) -> None:
    """Races until nobody tells it any more."""
    logging.disable()
    gateways: dict[Track, Gateway] = {}
    with ThreadPoolExecutor(THREADS) as pool, contextlib.suppress(EOFError):
        while True:
            track, orders = pipe.recv()
            gateway = gateways.get(track) or gateways.setdefault(track, track.gateway())
            gateway.ledger.account("nobody")
            gate.wait(GATE_S)
            pipe.send(list(pool.map(partial(_do, gateway), orders)))


def _do(gateway: Gateway, order: Order) -> Any:
    return ACTS[order.act](gateway, **order.arguments)


def vend(gateway: Gateway, user: str, key: str) -> tuple[int, str]:
    reply = gateway.vend(gateway.user_headers(user), key)
    return reply.status, timeless(reply.text)


def grant(gateway: Gateway, user: str, key: str) -> tuple[int, str]:
    body = {"userId": user, "amount": 1, "clientRequestId": key}
    reply = gateway.call("POST", "/v1/credits/add", body, headers=gateway.api_key)
    return reply.status, reply.text


def pay(gateway: Gateway, user: str, payment: str) -> tuple[int, str]:
    body = {"userId": user, "amount": 1, "transactionId": payment}
    headers = {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing}
    reply = gateway.call("POST", "/add-credits", body, headers=headers)
    return reply.status, reply.text


def redeem(gateway: Gateway, token: str) -> bool:
    body = {"token": token, "consume": True}
    return bool(gateway.call("POST", "/validate-token", body).json["valid"])


def settle(gateway: Gateway, user: str, jti: str, outcome: str) -> str:
    """The state that the hold was left in."""
    found = hold_items.find(gateway.ledger.table, user, jti)
    assert found is not None
    origin = Act("system:racer", f"{outcome}-of-{jti}", "", "", "a race", at=0)
    now = found.issued_at + 1
    return holds.settle(gateway.ledger, found, outcome, replace(origin, at=now)).state


def claim(gateway: Gateway, user: str, jti: str, by: str, now: int) -> bool:
    """Whether `by` has it for a transcription."""
    try:
        gateway.ledger.table.write(holds.claim(user, jti, Claim(by, by, now, look_at=now + 300)))
    except ConditionFailed:
        return False
    return True


class Queue:
    """Takes every call that is handed over; nobody makes it."""

    def send(self, user: str, jti: str) -> None:
        return None


def fulfil(gateway: Gateway, user: str, quote_id: str, key: str) -> tuple[int, str, int]:
    """The status, the job and what was reserved for it."""
    module: Any = gateway.function("wallet")
    module.ledger.table.name, module.calls = gateway.table_name, Queue()
    body = {"quoteId": quote_id, "clientRequestId": key}
    reply = gateway.call("POST", "/v1/fulfill", body, headers=gateway.user_headers(user))
    return reply.status, str(reply.json.get("jobId")), int(reply.json.get("reservedUnits", -1))


class NoUpstream:
    def status(self, *_: object) -> None:
        raise NotSent()


def sweep(gateway: Gateway, now: int) -> int | str:
    """How many it released, or the code of what it met."""
    upstream: Any = NoUpstream()
    try:
        return sweeping.sweep(
            proxy(gateway.ledger, upstream),
            now=now,
            request_id="race",
            remaining_s=lambda: 60.0,
        ).released
    except EngineError as error:
        return error.code


ACTS: dict[str, Callable[..., Any]] = {
    "vend": vend,
    "grant": grant,
    "pay": pay,
    "redeem": redeem,
    "settle": settle,
    "claim": claim,
    "fulfil": fulfil,
    "sweep": sweep,
}


def new_track(dynamodb: str, ssm: str, name: str) -> Track:
    """An empty table in the store at `dynamodb`."""
    create_table(json_client("dynamodb", dynamodb), name)
    return Track(dynamodb, ssm, name)
