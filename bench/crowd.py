"""Many callers who vend from one account at once: `python -m bench.crowd [--run-file .local/run.json]`.

In process, the real `lambda_handler` of `functions/tokens` is called by as many threads as there are callers;
with a run file, over HTTP. It prints figures, and exits with 1 where the account's credits were not sold
exactly, or an answer was neither 200 nor 402.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from bench import engines, http_load, world

CALLERS, CREDITS = 1000, 50
MOST_CALLERS = 4000
REQUEST_LIMIT_S = 60
SOLD, REFUSED = 200, 402


@dataclass(frozen=True)
class Crowd:
    """What the callers were answered, and when."""

    seconds: float
    """From the moment when all began to the last answer."""
    cpu_s: float
    """Of this process, which is the callers and, where it is not over HTTP, the function."""
    statuses: Mapping[int, int]
    tokens: int
    """How many different tokens were sold."""
    latest_sale_s: float

    def is_right(self, callers: int, credits: int) -> bool:
        """Whether exactly `credits` were sold, each once, and every other caller was refused."""
        wanted = {SOLD: credits, REFUSED: callers - credits}
        return self.statuses == {s: n for s, n in wanted.items() if n} and self.tokens == credits


def in_process(callers: int, credits: int, *, ministack_only: bool = False) -> Crowd:
    """The callers are threads that call the handler with an event of their own."""
    with engines.running(ministack_only=ministack_only) as stores:
        made = world.build(stores)
        handler, user = world.load("tokens"), f"crowd-{uuid4().hex}"
        made.give(user, credits)
        rich = f"warm-{uuid4().hex}"
        made.give(rich, 1)
        handler(made.vend_event(rich), None)
        return _at_once([made.vend_event(user) for _ in range(callers)], handler)


def _at_once(events: list[dict[str, Any]], handler: Callable[..., dict[str, Any]]) -> Crowd:
    gate = threading.Barrier(len(events) + 1)

    def call(event: dict[str, Any]) -> tuple[int, str, float]:
        gate.wait()
        answer = handler(event, None)
        return answer["statusCode"], answer["body"], time.perf_counter()

    with ThreadPoolExecutor(len(events)) as pool:
        waiting = [pool.submit(call, event) for event in events]
        gate.wait()
        began, cpu = time.perf_counter(), time.process_time()
        answers = [one.result() for one in waiting]
        return _crowd(answers, began, time.process_time() - cpu)


async def over_http(target: http_load.Target, callers: int, credits: int) -> Crowd:
    """The callers have a connection each; the front makes the most of them wait."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_LIMIT_S)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=timeout, trust_env=False
    ) as session:
        driver = http_load.Driver(session, target, http_load.Samples())
        user = f"crowd-{uuid4().hex}"
        await driver.give(user, credits)
        bearer = {"authorization": f"Bearer {driver.token(user)}"}

        async def call() -> tuple[int, str, float]:
            body = {"clientRequestId": str(uuid4())}
            url = f"{target.base_url}/v1/vend-token"
            try:
                async with session.post(url, headers=bearer, json=body) as answer:
                    return answer.status, await answer.text(), time.perf_counter()
            except (aiohttp.ClientError, TimeoutError):
                return 0, "", time.perf_counter()

        began, cpu = time.perf_counter(), time.process_time()
        answers = await asyncio.gather(*(call() for _ in range(callers)))
        return _crowd(answers, began, time.process_time() - cpu)


def _crowd(answers: list[tuple[int, str, float]], began: float, cpu_s: float) -> Crowd:
    sold = [(body, at) for status, body, at in answers if status == SOLD]
    return Crowd(
        max(at for _, _, at in answers) - began,
        cpu_s,
        Counter(status for status, _, _ in answers),
        len({json.loads(body)["token"] for body, _ in sold}),
        max((at for _, at in sold), default=began) - began,
    )


def text(crowd: Crowd, callers: int, credits: int) -> str:
    """The figures for a terminal."""
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(crowd.statuses.items()))
    return (
        f"{callers} callers, {credits} credits: {crowd.seconds:.1f} s, the last sale after "
        f"{crowd.latest_sale_s:.1f} s, CPU {crowd.cpu_s:.1f} s; {statuses}; {crowd.tokens} tokens"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.crowd", description=__doc__)
    parser.add_argument("-n", "--callers", type=int, default=CALLERS)
    parser.add_argument("-k", "--credits", type=int, default=CREDITS)
    parser.add_argument("--run-file", type=Path, help="over HTTP, to this run")
    parser.add_argument("--ministack", action="store_true")
    asked = parser.parse_args()
    if not 1 <= asked.callers <= MOST_CALLERS:
        parser.error(f"at most {MOST_CALLERS} callers")
    if asked.run_file:
        target = http_load.Target.read(asked.run_file)
        crowd = asyncio.run(over_http(target, asked.callers, asked.credits))
    else:
        crowd = in_process(asked.callers, asked.credits, ministack_only=asked.ministack)
    print(text(crowd, asked.callers, asked.credits))
    sys.exit(0 if crowd.is_right(asked.callers, asked.credits) else 1)


if __name__ == "__main__":
    main()
