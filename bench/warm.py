"""CPU of a warm call in process, and its parts.

`time.process_time` counts this process alone, so the time that the store takes is not in it; the
system calls that talk to the store are.
"""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from bench.world import Event, Handler, Observer, World, load, load_module
from engine.access import tokens
from engine.platform import aws_json, config, logs
from engine.web.http import Answer, Api, Call

ROUNDS = 5
CALLS = 200
WARM_UP_CALLS = 20
CREDITS = 100_000

STORE_CALLS = ("get_item", "transact_write_items")
HTTP = "HTTP"


@dataclass(frozen=True)
class Warm:
    """Medians of the rounds' means, in milliseconds a call."""

    wall_ms: float
    cpu_ms: float
    """Of a vend that reads the account."""
    served_cpu_ms: float
    """Of a vend from an account that the process has just served."""
    nothing_cpu_ms: float
    """A route that does nothing, behind the same `Api`, with the same event."""
    ratio: float
    split_cpu_ms: dict[str, float]
    """The parts of the CPU; measured separately, so they add up to `split_whole_cpu_ms`, not `cpu_ms`."""
    split_whole_cpu_ms: float
    calls: int
    rounds: int


def measure(world: World, *, rounds: int = ROUNDS, calls: int = CALLS) -> Warm:
    """Repeated first vends of an existing account."""
    handlers: dict[str, Handler] = {
        "vend": _forgetful(),
        "served": load("tokens"),
        "nothing": _do_nothing(),
    }
    seen = defaultdict[str, list[tuple[float, float]]](list)
    splits: list[dict[str, float]] = []
    for _ in range(rounds):
        for name, handler in handlers.items():
            user = _fresh_user(world)
            _round(handler, _events(world, user, WARM_UP_CALLS))
            seen[name].append(_round(handler, _events(world, user, calls)))
        splits.append(_split(world, _fresh_user(world), calls))
    wall_ms, cpu_ms = (statistics.median(column) for column in zip(*seen["vend"], strict=True))
    nothing = statistics.median(cpu for _, cpu in seen["nothing"])
    served = statistics.median(cpu for _, cpu in seen["served"])
    parts = {name: statistics.median(split[name] for split in splits) for name in splits[0]}
    whole = parts.pop("whole")
    parts["the request and its answer"] = nothing
    parts["the rest"] = whole - sum(parts.values())
    return Warm(wall_ms, cpu_ms, served, nothing, cpu_ms / nothing, parts, whole, calls, rounds)


def _round(handler: Handler, events: list[Event]) -> tuple[float, float]:
    """Wall and CPU milliseconds a call. Raises RuntimeError when a call is refused."""
    wall, cpu = time.perf_counter(), time.process_time()
    statuses = {handler(event, None)["statusCode"] for event in events}
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    if statuses != {200}:
        raise RuntimeError(f"refused: {statuses}")
    return wall_s / len(events) * 1000, cpu_s / len(events) * 1000


def _fresh_user(world: World) -> str:
    """A new user with credits for each round, because local stores slow down as a partition grows."""
    user = f"warm-{uuid4().hex}"
    world.give(user, CREDITS)
    return user


def _events(world: World, user: str, calls: int) -> list[Event]:
    return [world.vend_event(user) for _ in range(calls)]


def _forgetful(observe: Observer = lambda client: client) -> Handler:
    """Vends by a process that serves another account each time."""
    module: Any = load_module("tokens", observe)

    def vend(event: Event, context: Any) -> dict[str, Any]:
        module.served.forget()
        answer: dict[str, Any] = module.lambda_handler(event, context)
        return answer

    return vend


def _do_nothing() -> Api:
    api = Api(config.load(os.environ))

    @api.route("POST", "/v1/vend-token")
    def nothing(call: Call) -> Answer:
        return Answer({})

    return api


def _split(world: World, user: str, calls: int) -> dict[str, float]:
    """CPU milliseconds of a vend by part, and `whole`, with timing of the parts."""
    watch = _Stopwatch()
    with _timed_parts(watch):
        handler = _forgetful(lambda client: _TimedClient(client, watch))
        events = _events(world, user, calls)
        _round(handler, _events(world, user, WARM_UP_CALLS))
        watch.spent.clear()
        _, whole = _round(handler, events)
    parts = {name: spent / calls * 1000 for name, spent in sorted(watch.spent.items())}
    return {**parts, "whole": whole}


class _Stopwatch:
    """CPU seconds by the innermost running part."""

    def __init__(self) -> None:
        self.spent = defaultdict[str, float](float)
        self._open: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        self._switch()
        self._open.append(name)
        try:
            yield
        finally:
            self._switch()
            self._open.pop()

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **members: Any) -> Any:
            with self.part(f"{self._open[-1]}: {name}" if name == HTTP and self._open else name):
                return function(*args, **members)

        return run

    def _switch(self) -> None:
        """Adds the time since the last switch to the part that was running."""
        now = time.process_time()
        if self._open:
            self.spent[self._open[-1]] += now - self._since
        self._since = now


class _TimedClient:
    """A client whose calls to the table are timed."""

    def __init__(self, client: Any, watch: _Stopwatch) -> None:
        self._client = client
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._client, name)
        return self._watch.timed(name, member) if name in STORE_CALLS else member


@contextmanager
def _timed_parts(watch: _Stopwatch) -> Iterator[None]:
    parts = (
        ("JWT verify", tokens, "verify_user"),
        ("JWT sign", tokens, "issue_vended"),
        ("log line", logs.Line, "write"),
        (HTTP, aws_json.Client, "_sent"),
    )
    with ExitStack() as patches:
        for name, owner, member in parts:
            patches.enter_context(
                patch.object(owner, member, watch.timed(name, getattr(owner, member)))
            )
        yield
