"""Stand-ins of payment providers, served from a thread of their own, with the orders that tests give them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from aiohttp import web

from tests.support.upstream import served

STARTED_AT = 1_800_000_000


class Standin:
    """A running stand-in."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False

    def order(self, path: str, method: str = "POST", **body: Any) -> Any:
        """The answer of the control API to an order."""
        url = f"{self.base}/_control/{path}"
        with self._session.request(method, url, json=body, timeout=10) as answer:
            answer.raise_for_status()
            return answer.json()

    def faults(self, *rules: dict[str, Any]) -> None:
        """Let these rules apply, instead of those ordered before."""
        url = f"{self.base}/_control/faults"
        self._session.post(url, json=list(rules), timeout=10).raise_for_status()

    def fault(self, route: str, kind: str, *, times: int | None = 1, **options: Any) -> None:
        """Let the next requests to `route` meet a fault."""
        self.faults({"route": route, "times": times, "action": {"kind": kind, **options}})

    def forward(self, seconds: float) -> None:
        self.order("clock", advance_seconds=seconds)

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.order("state", "GET")
        return found

    def calls(self, route: str) -> list[dict[str, Any]]:
        return list(self.order(f"calls?route={route}", "GET")["calls"])

    def close(self) -> None:
        self._session.close()


@contextmanager
def standing(app: web.Application) -> Iterator[Standin]:
    """The stand-in `app`, which answers on loopback while it lasts."""
    with served(app) as base:
        standin = Standin(base)
        try:
            yield standin
        finally:
            standin.close()
