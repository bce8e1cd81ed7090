"""The stand-in for TTTranscribe, served from a thread of its own, with the orders that tests give it."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from standins import tttranscribe
from standins.clock import Clock
from tests.support.control import Control

STARTED_AT = 1_800_000_000.0


class Standin(Control):
    """A running stand-in whose time stands still until a test moves it."""

    def fault(self, route: str, kind: str, *, times: int | None = 1, **options: Any) -> None:
        """Let the next requests to `route` meet a fault, instead of those ordered before."""
        rule = {"route": route, "times": times, "action": {"kind": kind, **options}}
        self.order("faults", [rule])

    def answer(self, route: str, body: Any, status: int) -> None:
        """Let the next request to `route` be answered with just that, and without effect."""
        self.fault(route, "status", status=status, body=body)

    def calls(self, route: str) -> list[dict[str, Any]]:
        """The requests to `route` since the last `reset`, oldest first."""
        return list(self.order(f"calls?route={route}", method="GET")["calls"])

    def count(self) -> int:
        """How many requests came in since the last `reset`, to whatever route."""
        return sum(self.order("calls", method="GET")["counts"].values())

    def bodies(self, route: str) -> list[dict[str, Any]]:
        return [json.loads(call["body"]) for call in self.calls(route)]

    def reset(self) -> None:
        """No faults, no jobs, no records, and whoever still waits is let go."""
        self.sound()
        self.forward(3600)
        self.order("restart")
        self.order("calls", method="DELETE")

    def close(self) -> None:
        self._session.close()


@contextmanager
def serving(secret: str, **settings: Any) -> Iterator[Standin]:
    """A stand-in that answers on loopback while it lasts."""
    app = tttranscribe.create_app(secret, clock=Clock(lambda: STARTED_AT), **settings)
    with served(app) as base:
        standin = Standin(base)
        try:
            yield standin
        finally:
            standin.reset()
            standin.close()


@contextmanager
def served(app: web.Application) -> Iterator[str]:
    """The address of `app`, served from another thread's event loop."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    address = loop.run_until_complete(_start(runner))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{address[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        # A connection that was closed last leaves its end to the next turn of the loop.
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()


async def _start(runner: web.AppRunner) -> tuple[str, int]:
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address: tuple[str, int] = runner.addresses[0]
    return address
