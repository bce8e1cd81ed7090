"""A bounded load on a local run: `python -m bench.http_load vend|balance|journey`.

It sends a fixed number of units (a vend, a balance, a whole journey) to the run of `.local/run.json` over a
fixed number of connections, and stops at a time limit. Only loopback targets are allowed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp

from bench import ROOT
from engine.access import tokens
from engine.access.keyrings import Ring
from engine.platform.config import LOOPBACK

MOST_UNITS = 100_000
MOST_CONNECTIONS = 256
MOST_SECONDS = 600
REQUEST_LIMIT_S = 30
TOKEN_LIFETIME_S = 3600
POLL_EVERY_S = 0.25
MOST_POLLS = 120
ENDED = frozenset({"completed", "failed"})
VIDEO = "https://www.tiktok.com/@scout2015/video/6718335390845095173"
FAILED = "no answer"


@dataclass(frozen=True)
class Load:
    """The size of a load; every number is a maximum."""

    scenario: str
    units: int
    connections: int
    seconds: float
    users: int


@dataclass
class Samples:
    """Measured milliseconds and statuses by step."""

    milliseconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    outcomes: Counter[str] = field(default_factory=Counter)
    """The ends of journeys: the last status of the job, or the step that failed."""
    units: int = 0
    seconds: float = 0.0
    cut_short: bool = False


@dataclass(frozen=True)
class Target:
    """A local run as in its run file."""

    base_url: str
    admin_key: str
    user_ring: Ring

    @classmethod
    def read(cls, path: Path) -> Target:
        """Raises ValueError when the address in the file is not on loopback."""
        members: dict[str, str] = json.loads(path.read_text())
        parts = urlsplit(members["baseUrl"])
        if parts.scheme != "http" or parts.hostname not in LOOPBACK:
            raise ValueError(f"{members['baseUrl']} is not on loopback")
        return cls(members["baseUrl"], members["adminKey"], Ring((members["userJwtSecret"],)))


class Driver:
    """Sends requests to a target; each one is timed and counted."""

    def __init__(self, session: aiohttp.ClientSession, target: Target, samples: Samples) -> None:
        self._session = session
        self._target = target
        self._samples = samples

    def token(self, user: str) -> str:
        now = int(time.time())
        return tokens.issue_user(user, self._target.user_ring, now=now, lifetime_s=TOKEN_LIFETIME_S)

    async def give(self, user: str, credits: int) -> None:
        """Adds credits without counting the request. Raises RuntimeError when the gateway refuses."""
        async with self._session.post(
            f"{self._target.base_url}/v1/credits/add",
            headers={"x-api-key": self._target.admin_key},
            json={"userId": user, "amount": credits},
        ) as answer:
            if answer.status != 200:
                raise RuntimeError(f"no credits: {answer.status} {await answer.text()}")

    async def vend(self, token: str) -> None:
        await self._ask("vend", "POST", "/v1/vend-token", token, {"clientRequestId": str(uuid4())})

    async def balance(self, token: str) -> None:
        await self._ask("balance", "GET", "/v1/credits/balance", token)

    async def journey(self, token: str) -> None:
        """Vend, transcribe, and status until the job has ended; stops at a step that fails."""
        self._samples.outcomes[await self._transcribe(token)] += 1

    async def _transcribe(self, token: str) -> str:
        """The end of the journey."""
        asked = {"clientRequestId": str(uuid4())}
        vended = await self._ask("vend", "POST", "/v1/vend-token", token, asked)
        if "token" not in vended:
            return "not vended"
        ticket = str(vended["token"])
        job = await self._ask("transcribe", "POST", "/ttt/transcribe", ticket, {"url": VIDEO})
        if "jobId" not in job:
            return "not submitted"
        for _ in range(MOST_POLLS):
            seen = await self._ask("status", "GET", f"/ttt/status/{job['jobId']}", ticket)
            if seen.get("status") in ENDED:
                return str(seen["status"])
            await asyncio.sleep(POLL_EVERY_S)
        return "not ended"

    async def _ask(
        self, step: str, method: str, path: str, token: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The members of the answer; empty without an answer or a JSON object."""
        started = time.perf_counter()
        try:
            async with self._session.request(
                method,
                self._target.base_url + path,
                headers={"authorization": f"Bearer {token}"},
                json=body,
                allow_redirects=False,
            ) as answer:
                raw, status = await answer.read(), str(answer.status)
        except (aiohttp.ClientError, TimeoutError):
            raw, status = b"{}", FAILED
        self._samples.milliseconds[step].append((time.perf_counter() - started) * 1000)
        self._samples.statuses[step][status] += 1
        return _members(raw)


async def run(target: Target, load: Load) -> Samples:
    """Runs `load` against `target`; returns the figures."""
    samples = Samples()
    connector = aiohttp.TCPConnector(limit=load.connections)
    timeout = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=False
    ) as session:
        driver = Driver(session, target, samples)
        bearers = await _prepare(driver, load)
        await _warm_up(Driver(session, target, Samples()), bearers, load)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(load.seconds):
                await _drive(_scenario(driver, load.scenario), bearers, load, samples)
        except TimeoutError:
            samples.cut_short = True
        samples.seconds = time.perf_counter() - started
    return samples


def report(load: Load, samples: Samples) -> dict[str, Any]:
    """The figures, by step."""
    asked = sum(map(len, samples.milliseconds.values()))
    return {
        "scenario": load.scenario,
        "connections": load.connections,
        "users": load.users,
        "units": samples.units,
        "seconds": samples.seconds,
        "cutShort": samples.cut_short,
        "requests": asked,
        "requestsPerSecond": asked / samples.seconds,
        "unitsPerSecond": samples.units / samples.seconds,
        "outcomes": dict(samples.outcomes),
        "steps": {
            step: {
                "p50Ms": statistics.median(seen),
                "p99Ms": sorted(seen)[int(len(seen) * 0.99)],
                "statuses": dict(samples.statuses[step]),
            }
            for step, seen in samples.milliseconds.items()
        },
    }


def text(figures: Mapping[str, Any]) -> str:
    """The figures for a terminal."""
    cut = ", cut short by its time limit" if figures["cutShort"] else ""
    heading = (
        f"{figures['units']} x {figures['scenario']} on {figures['connections']} connections, "
        f"{figures['users']} users, {figures['seconds']:.1f} s{cut}"
    )
    lines = [
        heading,
        f"{figures['requestsPerSecond']:.0f} requests/s, {figures['unitsPerSecond']:.1f} units/s",
        f"{'step':<12}{'p50 ms':>9}{'p99 ms':>9}  statuses",
    ]
    for step, seen in figures["steps"].items():
        statuses = ", ".join(
            f"{count} x {status}" for status, count in sorted(seen["statuses"].items())
        )
        lines.append(f"{step:<12}{seen['p50Ms']:>9.1f}{seen['p99Ms']:>9.1f}  {statuses}")
    if figures["outcomes"]:
        ended = (f"{count} x {outcome}" for outcome, count in figures["outcomes"].items())
        lines.append(f"journeys ended: {', '.join(ended)}")
    return "\n".join(lines)


async def _prepare(driver: Driver, load: Load) -> list[str]:
    """Creates users with enough credits for the load; returns their tokens."""
    users = [f"load-{uuid4().hex}" for _ in range(load.users)]
    for user in users:
        await driver.give(user, load.units + load.connections)
    return [driver.token(user) for user in users]


async def _warm_up(driver: Driver, bearers: list[str], load: Load) -> None:
    """One uncounted unit for each connection: the engine starts a process for each concurrent call."""
    once = replace(load, units=load.connections)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(load.seconds):
            await _drive(_scenario(driver, load.scenario), bearers, once, Samples())


def _scenario(driver: Driver, name: str) -> Callable[[str], Awaitable[None]]:
    return {"vend": driver.vend, "balance": driver.balance, "journey": driver.journey}[name]


async def _drive(
    unit: Callable[[str], Awaitable[None]], bearers: list[str], load: Load, samples: Samples
) -> None:
    """Each connection takes the next unit until none is left; users take turns."""
    left: Iterator[str] = itertools.islice(itertools.cycle(bearers), load.units)

    async def connection() -> None:
        for bearer in left:
            await unit(bearer)
            samples.units += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(load.connections):
            group.create_task(connection())


def _members(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _at_most(limit: int) -> Callable[[str], int]:
    def whole(given: str) -> int:
        if not 1 <= int(given) <= limit:
            raise argparse.ArgumentTypeError(f"must be from 1 to {limit}")
        return int(given)

    return whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.http_load", description=__doc__)
    parser.add_argument("scenario", choices=("vend", "balance", "journey"))
    parser.add_argument("-n", "--units", type=_at_most(MOST_UNITS), default=1000)
    parser.add_argument("-c", "--connections", type=_at_most(MOST_CONNECTIONS), default=16)
    parser.add_argument("-u", "--users", type=_at_most(1000), default=16)
    parser.add_argument("-s", "--seconds", type=_at_most(MOST_SECONDS), default=60)
    parser.add_argument("--run-file", type=Path, default=ROOT / ".local/run.json")
    parser.add_argument("--json", action="store_true", help="print JSON")
    asked = parser.parse_args()
    try:
        target = Target.read(asked.run_file)
    except FileNotFoundError:
        parser.error(f"{asked.run_file} is missing: start a local run first")
    except ValueError as error:
        parser.error(str(error))
    load = Load(asked.scenario, asked.units, asked.connections, asked.seconds, asked.users)
    figures = report(load, asyncio.run(run(target, load)))
    print(json.dumps(figures, indent=2) if asked.json else text(figures))


if __name__ == "__main__":
    main()
