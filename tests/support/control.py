"""The control API that all stand-ins share."""

from typing import Any

import requests

TIMEOUT_S = 20


class Control:
    """A running stand-in at `base`, and the orders that tests give it."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False

    def order(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """The answer of the control API to an order."""
        url = f"{self.base}/_control/{path}"
        with self._session.request(method, url, json=body, timeout=TIMEOUT_S) as answer:
            answer.raise_for_status()
            return answer.json()

    def sound(self) -> None:
        """No more faults."""
        self.order("faults", method="DELETE")

    def forward(self, seconds: float) -> None:
        self.order("clock", {"advance_seconds": seconds})

    def calls(self, route: str) -> list[dict[str, Any]]:
        """The requests to `route`, oldest first."""
        return list(self.order(f"calls?route={route}", method="GET")["calls"])

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.order("state", method="GET")
        return found
