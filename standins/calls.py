"""The requests that a stand-in received, recorded for tests."""

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KEPT_CALLS = 5_000
KEPT_BODY_CHARACTERS = 16_384

_MASK = "***"
_SECRET_HEADERS = frozenset({"authorization", "x-engine-auth", "cookie", "x-api-key"})
_SCHEME = re.compile(r"^(Bearer|Basic) ", re.IGNORECASE)


@dataclass
class Call:
    """One request and its result.

    ``answered`` is the status that was sent, None while the request runs or if the
    connection was closed; ``fault`` is the kind of the fault that was applied.
    """

    route: str
    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    at: float
    fault: str | None = None
    answered: int | None = None

    def as_json(self) -> dict[str, Any]:
        """All members; ``at`` in Unix seconds, secrets masked."""
        return {**vars(self), "headers": dict(self.headers)}


class CallLog:
    """The last ``KEPT_CALLS`` requests, and their count for each route.

    ``secrets`` are masked everywhere in a request.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = [secret for secret in secrets if secret]
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._counts: Counter[str] = Counter()

    def add(self, call: Call) -> None:
        """Record a request, masked and with its body limited."""
        call.headers = {name: self._header(name, text) for name, text in call.headers.items()}
        call.path = self._masked(call.path)
        call.body = self._masked(call.body)[:KEPT_BODY_CHARACTERS]
        self._calls.append(call)
        self._counts[call.route] += 1

    def clear(self) -> None:
        """Remove all requests and counts."""
        self._calls.clear()
        self._counts.clear()

    def as_json(self, route: str | None = None) -> dict[str, Any]:
        """``{"counts": {route: n}, "calls": [...]}``, oldest first, of one route or of all."""
        calls = [call.as_json() for call in self._calls if route in (None, call.route)]
        return {"counts": dict(self._counts), "calls": calls}

    def _header(self, name: str, text: str) -> str:
        if name.lower() not in _SECRET_HEADERS:
            return self._masked(text)
        scheme = _SCHEME.match(text)
        return (scheme.group() if scheme else "") + _MASK

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        return text
