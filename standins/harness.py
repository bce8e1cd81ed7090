"""Use a stand-in from a test: serve it on loopback, control it, read its records."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from .control import PREFIX

Client = TestClient[web.Request, web.Application]
Scenario = Callable[[Client], Awaitable[None]]

_SCENARIO_SECONDS = 10.0


def play(app: web.Application, scenario: Scenario, **client_options: Any) -> None:
    """Run a scenario against a served application. Raises TimeoutError if it hangs."""

    async def run() -> None:
        async with TestClient(TestServer(app), **client_options) as client:
            await asyncio.wait_for(scenario(client), _SCENARIO_SECONDS)

    asyncio.run(run())


async def order(client: Client, path: str, body: Any = None, method: str = "POST") -> Any:
    """The JSON answer of a control route. Raises aiohttp.ClientResponseError if it is refused."""
    async with client.request(method, PREFIX + path, json=body) as answer:
        answer.raise_for_status()
        return await answer.json()


async def fault(client: Client, route: str, action: dict[str, Any], **rule: Any) -> None:
    """Replace all rules by one."""
    await order(client, "faults", [{"route": route, "action": action, **rule}])


async def forward(client: Client, seconds: float) -> None:
    """Move the stand-in's clock."""
    await order(client, "clock", {"advance_seconds": seconds})


async def calls(client: Client, route: str) -> list[dict[str, Any]]:
    """The recorded requests of one route, oldest first."""
    log = await order(client, f"calls?route={route}", method="GET")
    return list(log["calls"])
