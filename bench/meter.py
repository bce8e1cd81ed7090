"""Counts the AWS calls, sequential round trips and request units of a call."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench.world import Event, Handler

if TYPE_CHECKING:
    from botocore.client import BaseClient

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
    """Observes clients by botocore's events, without changing the code that uses them."""

    _calls: Counter[str] = field(default_factory=Counter)
    _trips: list[tuple[float, float]] = field(default_factory=list)
    _units: list[Units] = field(default_factory=list)
    _unreported: list[str] = field(default_factory=list)
    _sent_at: dict[int, float] = field(default_factory=dict)

    def watch(self, client: BaseClient) -> BaseClient:
        """Observes `client` from now on; returns it."""
        events = client.meta.events
        events.register("provide-client-params.dynamodb", self._ask_for_units)
        events.register("before-send", self._sent)
        events.register("response-received", self._received)
        events.register("after-call", self._ended)
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

    def _ask_for_units(self, params: dict[str, Any], **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "INDEXES"

    def _sent(self, **_: Any) -> None:
        self._sent_at[threading.get_ident()] = time.perf_counter()

    def _received(self, **_: Any) -> None:
        started = self._sent_at.pop(threading.get_ident())
        self._trips.append((started, time.perf_counter()))

    def _ended(self, event_name: str, parsed: Mapping[str, Any], **_: Any) -> None:
        service, call = event_name.split(".")[1:]
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
