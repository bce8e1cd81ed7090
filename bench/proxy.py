"""The gateway's overhead in a call of the transcription service: `python -m bench.proxy [--json] [-n CALLS]`.

The stand-in is called directly and through the real handler in turns of one run, so the difference is
the gateway's own. The figures are explained in `README.md`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from unittest.mock import patch
from uuid import uuid4

import requests
from aiohttp import web

from bench import engines
from bench.meter import Meter, Metered
from bench.world import Event, Handler, World, build, http_event, load, load_module
from engine.access.keyrings import TTT_SHARED_SECRET
from standins import tttranscribe

VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
CALLS = 100


@dataclass(frozen=True)
class Cost:
    """Medians of one kind of call in milliseconds; CPU includes the stand-in in the same process."""

    wall_ms: float
    cpu_ms: float


@dataclass(frozen=True)
class Compared:
    """A call made directly and through the gateway, and the gateway's calls of the table."""

    direct: Cost
    gateway: Cost
    asked: Metered

    @property
    def added_ms(self) -> float:
        return self.gateway.wall_ms - self.direct.wall_ms

    @property
    def added_cpu_ms(self) -> float:
        return self.gateway.cpu_ms - self.direct.cpu_ms


@contextmanager
def standin(secret: str) -> Iterator[str]:
    """Serves a stand-in in a thread; yields its address."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(tttranscribe.create_app(secret, job_seconds=3600), access_log=None)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_cleaned_up(runner), loop).result(timeout=30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cleaned_up(runner: web.AppRunner) -> None:
    await runner.cleanup()
    await asyncio.sleep(0.1)  # The cancelled tasks of its jobs need a turn of the loop to end.


class Bench:
    """A user with credits, the real handlers, and a direct client of the stand-in."""

    def __init__(self, world: World, base: str, calls: int) -> None:
        self._world = world
        self._base = base
        self._headers = {"X-Engine-Auth": world.rings[TTT_SHARED_SECRET].signing}
        self._session = requests.Session()
        self._session.trust_env = False
        self._meter = Meter()
        self._vend = load("tokens")
        self._module = load_module("transcription", self._meter.watch)
        self._proxy: Handler = self._module.lambda_handler
        self._calls = calls
        self.user = f"bench-{uuid4().hex}"
        world.give(self.user, calls + 10)

    def submits(self) -> Compared:
        """Starts of jobs, each with its own token."""
        body = {"url": VIDEO, "requestId": "bench"}
        events = [self._submit() for _ in range(self._calls + 2)]
        _answered(self._proxy(events.pop(), None))
        asked = self._metered(events.pop())
        direct = self._timed(lambda _: self._post(body))
        through = self._timed(lambda n: _answered(self._proxy(events[n], None)))
        return Compared(direct, through, asked)

    def asks(self) -> Compared:
        """Status calls, each the first in its second."""
        job = json.loads(_answered(self._proxy(self._submit(), None)))["id"]
        event = self._status(job)
        self._proxy(self._status("ping"), None)
        asked = self._metered(event)
        time.sleep(1)  # In the second of a new answer nobody asks again.
        direct = self._timed(lambda _: self._get(f"/status/{job}"))
        with patch.object(self._module, "questions", _Free()):
            through = self._timed(lambda _: _answered(self._proxy(event, None)))
        return Compared(direct, through, asked)

    def told(self) -> Compared:
        """Status calls repeated in the same second, which are answered by what was heard last."""
        job = json.loads(_answered(self._proxy(self._submit(), None)))["id"]
        event = self._status(job)
        direct = self._timed(lambda _: self._get(f"/status/{job}"))
        through = self._timed(lambda _: _answered(self._proxy(event, None)))
        return Compared(direct, through, self._metered(event))

    def _timed(self, call: Callable[[int], object]) -> Cost:
        walls, cpus = [], []
        for number in range(self._calls):
            cpu, wall = time.process_time(), time.perf_counter()
            call(number)
            walls.append((time.perf_counter() - wall) * 1000)
            cpus.append((time.process_time() - cpu) * 1000)
        return Cost(statistics.median(walls), statistics.median(cpus))

    def _metered(self, event: Event) -> Metered:
        return self._meter.measure(self._proxy, event)

    def _submit(self) -> Event:
        token = json.loads(_answered(self._vend(self._world.vend_event(self.user), None)))["token"]
        headers = {"authorization": f"Bearer {token}"}
        return http_event("POST", "/ttt/transcribe", headers, {"url": VIDEO})

    def _status(self, job: str) -> Event:
        headers = {"authorization": f"Bearer {self._world.token(self.user)}"}
        event = http_event("GET", f"/ttt/status/{job}", headers)
        return {**event, "pathParameters": {"id": job}}

    def _post(self, body: dict[str, str]) -> None:
        answer = self._session.post(f"{self._base}/transcribe", json=body, headers=self._headers)
        answer.raise_for_status()

    def _get(self, path: str) -> None:
        self._session.get(self._base + path, headers=self._headers).raise_for_status()


class _Free:
    """Lets every status call ask upstream, as if each were the first in its second."""

    def take(self, job_id: str, now: int) -> bool:
        return True


def _answered(answer: dict[str, str]) -> str:
    if not 200 <= int(answer["statusCode"]) < 300:
        raise RuntimeError(f"the gateway refused: {answer}")
    return answer["body"]


def measure(calls: int) -> dict[str, Compared]:
    with engines.running() as stores:
        world = build(stores)
        with standin(world.rings[TTT_SHARED_SECRET].signing) as base:
            os.environ.update(ENVIRONMENT="local", TTT_BASE=base)
            bench = Bench(world, base, calls)
            return {
                "submit": bench.submits(),
                "status, upstream asked": bench.asks(),
                "status, told again": bench.told(),
            }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.proxy", description=__doc__)
    parser.add_argument("-n", type=int, default=CALLS, metavar="CALLS", help="of each kind")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    found = measure(asked.n)
    if asked.json:
        print(json.dumps({name: asdict(compared) for name, compared in found.items()}, indent=2))
        return
    head = ("", "direct", "gateway", "added", "CPU", "added", "trips", "write", "read")
    print("{:24}{:>9}{:>9}{:>8}{:>8}{:>8}{:>7}{:>7}{:>6}   medians in ms".format(*head))
    for name, compared in found.items():
        units = compared.asked
        print(
            f"{name:24}{compared.direct.wall_ms:9.2f}{compared.gateway.wall_ms:9.2f}"
            f"{compared.added_ms:8.2f}{compared.gateway.cpu_ms:8.2f}{compared.added_cpu_ms:8.2f}"
            f"{units.round_trips:7}{units.write_units:7.1f}{units.read_units:6.1f}"
        )


if __name__ == "__main__":
    main()
