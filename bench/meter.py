"""Counts the AWS calls, sequential round trips and request units of a call."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.world import Event, Handler
from engine.platform.aws_json import Answer, Client

READS = frozenset({"GetItem", "Query", "BatchGetItem", "Scan", "TransactGetItems"})


@dataclass(frozen=True)
class Units:
    """The request units of one call on the table or an index."""

    call: str
    at: str
    """`table`, or the name of an index."""
    write: float
    read: float


@dataclass(frozen=True)
class Metered:
    """The AWS calls of one call of a handler."""

    status: int
    calls: dict[str, int]
    round_trips: int
    units: list[Units]
    unreported: list[str]
    """Calls that DynamoDB refused. They are charged, but DynamoDB does not report their units."""

    @property
    def write_units(self) -> float:
        return sum(part.write for part in self.units)

    @property
    def read_units(self) -> float:
        return sum(part.read for part in self.units)


@dataclass
class Meter:
    """Observes clients of DynamoDB and Parameter Store, without changing the code that uses them."""

    _calls: Counter[str] = field(default_factory=Counter)
    _trips: list[tuple[float, float]] = field(default_factory=list)
    _units: list[Units] = field(default_factory=list)
    _unreported: list[str] = field(default_factory=list)

    def watch(self, client: Client) -> Client:
        """Observes `client` from now on; returns it."""
        real, is_table = client.exchange, client.service == "dynamodb"

        def exchange(operation: str, request: dict[str, Any]) -> Answer:
            asked = {**request, "ReturnConsumedCapacity": "INDEXES"} if is_table else request
            started = time.perf_counter()
            answer = real(operation, asked)
            self._trips.append((started, time.perf_counter()))
            self._ended(client.service, operation, json.loads(answer.body or b"{}"))
            return answer

        setattr(client, "exchange", exchange)  # noqa: B010 - a method of this one client.
        return client

    def units(self, act: Callable[[], object]) -> list[Units]:
        """Runs `act` and returns the AWS calls of the observed clients."""
        self._reset()
        act()
        return list(self._units)

    def _reset(self) -> None:
        self._calls.clear()
        self._trips.clear()
        self._units, self._unreported = [], []

    def measure(self, handler: Handler, event: Event) -> Metered:
        self._reset()
        answer = handler(event, None)
        return Metered(
            answer["statusCode"],
            dict(self._calls),
            sequential(self._trips),
            list(self._units),
            list(self._unreported),
        )

    def _ended(self, service: str, call: str, parsed: Mapping[str, Any]) -> None:
        self._calls[call if service == "dynamodb" else f"{service} {call}"] += 1
        if service != "dynamodb":
            return
        if "ConsumedCapacity" in parsed:
            self._units += _units(call, parsed["ConsumedCapacity"])
        else:
            self._unreported.append(call)


def sequential(trips: Iterable[tuple[float, float]]) -> int:
    """The length of the longest chain of trips that began after the previous one had ended."""
    chain, ended = 0, float("-inf")
    for start, end in sorted(trips, key=lambda trip: trip[1]):
        if start >= ended:
            chain, ended = chain + 1, end
    return chain


def _units(call: str, consumed: Any) -> list[Units]:
    tables = consumed if isinstance(consumed, list) else [consumed]
    found = []
    for consumption in tables:
        found.append(_part(call, "table", consumption.get("Table", consumption)))
        for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
            indexes = consumption.get(kind, {})
            found += [_part(call, name, part) for name, part in indexes.items()]
    return found


def _part(call: str, at: str, part: Mapping[str, float]) -> Units:
    total = part.get("CapacityUnits", 0.0)
    if call in READS:
        return Units(call, at, 0.0, part.get("ReadCapacityUnits", total))
    return Units(
        call, at, part.get("WriteCapacityUnits", total), part.get("ReadCapacityUnits", 0.0)
    )
