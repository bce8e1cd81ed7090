"""What a stand-in pushes to the gateway: one POST for each message, and the faults of pushing.

A fault of the kind ``push`` on the route ``push`` has the option ``mode``:

- ``never``: the message is lost, and stays with the undelivered ones
- ``twice``: it is posted two times
- ``late``: it is posted after the rule's ``seconds``
- ``forged``: its proof (a signature, a token, a path) is not the right one
- ``stale``: its proof is ``age_seconds`` old, by default an hour
- ``held``: it waits until ``deliver`` lets all held messages go, in an order of its choice
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from .clock import Clock
from .faults import Action, Kind, RuleBook

ROUTE = "push"
MODES = frozenset({"never", "twice", "late", "forged", "stale", "held"})
KINDS = {"push": Kind({"mode": MODES, "age_seconds": None}, frozenset({ROUTE}))}
ORDERS: Mapping[str, Callable[[list["Message"]], list["Message"]]] = {
    "first": lambda held: held,
    "last": lambda held: held[::-1],
    "shuffled": lambda held: random.sample(held, len(held)),
}
_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_TIMEOUT_SECONDS = 10
_KEPT_DELIVERIES = 10_000


@dataclass(frozen=True)
class Message:
    """A body to post to ``url``; ``headers`` makes the proof for a time, right or forged."""

    name: str
    url: str
    body: bytes
    headers: Callable[[float, bool], Mapping[str, str]] = field(default=lambda _at, _forged: {})
    forged_url: str = ""


class Deliveries:
    """Posts messages and records what became of them; 2xx counts as delivered."""

    def __init__(self, rules: RuleBook, clock: Clock) -> None:
        self.undelivered: dict[str, Message] = {}
        self.held: list[Message] = []
        self.log: deque[dict[str, Any]] = deque(maxlen=_KEPT_DELIVERIES)
        self._rules = rules
        self._clock = clock
        self._tasks: set[asyncio.Task[Any]] = set()

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do ``work`` after this answer was given."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def send(self, message: Message) -> None:
        """Post the message, with the fault that the rules have for it."""
        action = self._rules.take(ROUTE, f"{message.name}\n{message.body.decode()}")
        mode = action.get("mode", "late") if action else ""
        self.undelivered[message.name] = message
        if mode == "never":
            return
        if mode == "held":
            self.held.append(message)
            return
        if action:
            await self._clock.sleep(action.seconds)
        for _ in range(2 if mode == "twice" else 1):
            await self._post(message, action)

    async def deliver(self, order: str) -> int:
        """Post every held message in an order of ``ORDERS``; returns how many. Raises KeyError."""
        held, self.held = ORDERS[order](self.held), []
        for message in held:
            await self._post(message, None)
        return len(held)

    async def retry(self) -> int:
        """Post every undelivered message again; returns how many were delivered now."""
        held = {id(message) for message in self.held}
        waiting = [one for one in self.undelivered.values() if id(one) not in held]
        for message in waiting:
            await self._post(message, None)
        return sum(message.name not in self.undelivered for message in waiting)

    def as_json(self) -> dict[str, Any]:
        """The record of this stand-in's control API."""
        return {
            "deliveries": list(self.log),
            "undelivered": list(self.undelivered),
            "held": [message.name for message in self.held],
        }

    async def _post(self, message: Message, action: Action | None) -> None:
        mode = action.get("mode", "late") if action else ""
        is_forged = mode == "forged"
        age_s = float(action.get("age_seconds", 3600)) if action and mode == "stale" else 0.0
        headers = message.headers(self._clock.now() - age_s, is_forged)
        url = message.forged_url if is_forged and message.forged_url else message.url
        status = await post(url, message.body, headers)
        is_delivered = status is not None and status // 100 == 2
        self.log.append({"name": message.name, "answered": status, "delivered": is_delivered})
        if is_delivered:
            self.undelivered.pop(message.name, None)


def on_loopback(url: str) -> str:
    """``url`` unchanged. Raises ValueError unless it is on loopback."""
    if urlsplit(url).hostname not in _LOOPBACK:
        raise ValueError("the URL must be on loopback")
    return url


async def post(url: str, body: bytes, headers: Mapping[str, str]) -> int | None:
    """The receiver's status, or None without an answer."""
    return (await exchange(url, body, headers))[0]


async def exchange(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int | None, bytes]:
    """The receiver's status and body; None and nothing without an answer."""
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    wanted = {"Content-Type": "application/json", **headers}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body, headers=wanted, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return None, b""
