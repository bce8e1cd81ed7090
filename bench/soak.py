"""A mix of all client requests for minutes, on its own local run: `python -m bench.soak`.

Afterwards it checks that no answer was 5xx or missing, no function process leaked memory or files, the ledger
adds up, and the read models agree with it. Exits with 1 when one of these fails.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from dataclasses import replace
from uuid import uuid4

import aiohttp

from bench.http_load import FAILED, REQUEST_LIMIT_S, Driver, Load, Samples, Target, report, text
from bench.processes import Growth, Watch
from engine.access.keyrings import Ring
from engine.credits import verification
from engine.ledger.items import CREDITS as CREDITS_UNIT
from engine.platform.table import Table
from engine.readmodels import figures, rebuild
from local.engine import json_client
from local.harness import local_run

SAMPLE_EVERY_S = 5
WARM_UP_S = 15.0
SETTLE_S = 20.0
CATCH_UP_S = 1200.0
"""The time limit for the projector to process its backlog, which is due to the local engine's speed."""
AUDIT_DAYS = 400
CREDITS = 1_000_000
WEIGHTS = {
    "balance": 40,
    "vend": 25,
    "journey": 15,
    "meta": 10,
    "replay": 5,
    "device": 3,
    "health": 2,
}
"""Shares of a hundred units. Balances are the most frequent request of an app."""


class Client(Driver):
    """All client requests, one call or journey at a time."""

    async def meta(self, _token: str) -> None:
        number = random.randrange(1, 50)
        path = f"/meta?url=https://www.tiktok.com/@scout2015/video/67183353908450{number:05d}"
        await self._ask("meta", "GET", path, _token)

    async def health(self, token: str) -> None:
        await self._ask("health", "GET", "/health", token)

    async def device(self, token: str) -> None:
        await self._ask("device", "POST", "/v1/devices", token)

    async def replay(self, token: str) -> None:
        """The same vend twice, concurrently."""
        asked = {"clientRequestId": str(uuid4())}
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(self._ask("replay", "POST", "/v1/vend-token", token, asked))


async def soak(target: Target, load: Load, watch: Watch) -> Samples:
    """Keeps `load.connections` busy for `load.seconds`, after an uncounted warm-up."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
    connector = aiohttp.TCPConnector(limit=2 * load.connections)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, trust_env=False
    ) as session:
        samples = Samples()
        client = Client(session, target, samples)
        users = [f"soak-{uuid4().hex}" for _ in range(load.users)]
        for user in users:
            await client.give(user, CREDITS)
        bearers = [client.token(user) for user in users]
        await _busy(Client(session, target, Samples()), bearers, replace(load, seconds=WARM_UP_S))
        started = time.perf_counter()
        sampling = asyncio.create_task(_sample(watch))
        samples.units = await _busy(client, bearers, load)
        sampling.cancel()
        samples.seconds = time.perf_counter() - started
    return samples


async def _busy(client: Client, bearers: list[str], load: Load) -> int:
    ends_at = time.monotonic() + load.seconds
    done = Counter[str]()

    async def connection() -> None:
        while time.monotonic() < ends_at:
            (unit,) = random.choices(list(WEIGHTS), weights=list(WEIGHTS.values()))
            await getattr(client, unit)(random.choice(bearers))
            done[unit] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(load.connections):
            group.create_task(connection())
    return done.total()


async def _sample(watch: Watch) -> None:
    while True:
        await asyncio.sleep(SAMPLE_EVERY_S)
        await asyncio.to_thread(watch.sample)


def troubles(samples: Samples, growths: list[Growth], table: Table) -> list[str]:
    """The faults found afterwards; empty when there is none."""
    found = [
        f"{step}: {count} x {status}"
        for step, statuses in samples.statuses.items()
        for status, count in statuses.items()
        if status == FAILED or status.startswith("5")
    ]
    found += [f"{growth} grew" for growth in growths if growth.is_leak]
    for checked in verification.verify_all(table):
        found += [f"ledger of {checked.user}: {finding.text}" for finding in checked.findings]
    return found + _differences(table)


def caught_up_s(table: Table) -> float:
    """Seconds until the figures stopped changing after the load; at most `CATCH_UP_S`."""
    began = moved = time.monotonic()
    seen = figures.totals(table, CREDITS_UNIT)
    while moved > time.monotonic() - SETTLE_S and time.monotonic() < began + CATCH_UP_S:
        time.sleep(1)
        now = figures.totals(table, CREDITS_UNIT)
        if now != seen:
            seen, moved = now, time.monotonic()
    return moved - began


def _differences(table: Table) -> list[str]:
    """Differences between read models and ledger, once the stream has been processed."""
    give_up_at = time.monotonic() + SETTLE_S
    while True:
        compared = rebuild.compare(table, audit_days=AUDIT_DAYS, now=int(time.time()))
        left = [f"read model {difference.key}" for difference in compared.differences]
        if not left or time.monotonic() > give_up_at:
            return left
        time.sleep(1)


def _table(growths: list[Growth]) -> str:
    lines = [f"{'function':<24}{'pid':>8}{'MB first':>10}{'last':>8}{'files first':>13}{'last':>6}"]
    lines += [
        f"{growth.function:<24}{growth.pid:>8}{growth.memory_mb[0]:>10.1f}{growth.memory_mb[1]:>8.1f}"
        f"{growth.files[0]:>13}{growth.files[1]:>6}"
        for growth in growths
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("-m", "--minutes", type=float, default=10)
    connections, users = range(1, 33), range(1, 1001)
    parser.add_argument(
        "-c", "--connections", type=int, choices=connections, default=8, metavar="1..32"
    )
    parser.add_argument("-u", "--users", type=int, choices=users, default=200, metavar="1..1000")
    asked = parser.parse_args()
    seconds = min(asked.minutes, 60) * 60
    load = Load("soak", 0, asked.connections, seconds, asked.users)
    watch = Watch()
    with local_run(RATE_LIMIT="1000000", QUIET="1") as run:
        target = Target(run["baseUrl"], run["adminKey"], Ring((run["userJwtSecret"],)))
        samples = asyncio.run(soak(target, load, watch))
        growths = watch.growths(fewest=max(2, int(seconds / SAMPLE_EVERY_S / 2)))
        table = Table(json_client("dynamodb", run["engineUrl"]), run["tableName"])
        behind_s = caught_up_s(table)
        wrong = troubles(samples, growths, table)
    print(text(report(load, samples)))
    print(f"the projector was through {behind_s:.0f} s after the load")
    print(_table(growths))
    print("\n".join(wrong) or "Nothing failed, nothing grew, everything adds up.")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
