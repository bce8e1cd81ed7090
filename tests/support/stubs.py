"""A client of AWS whose answers are given beforehand, as they are on the wire."""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from engine.platform.aws_json import Answer, Client


class Stub:
    """Answers the calls of `client` in order; another call, or another request, fails the test."""

    def __init__(self, client: Client) -> None:
        self._waiting: deque[tuple[str, Mapping[str, Any] | None, Answer]] = deque()
        setattr(client, "exchange", self._exchange)  # noqa: B010 - a method of this one client.

    def add_response(self, name: str, members: Any, asked: Mapping[str, Any] | None = None) -> None:
        self._add(name, asked, 200, members)

    def add_client_error(
        self, name: str, code: str, *, http_status_code: int, modeled_fields: Any = None
    ) -> None:
        members = {"__type": f"com.amazonaws.any#{code}", **(modeled_fields or {})}
        self._add(name, None, http_status_code, members)

    def is_pending(self) -> bool:
        """Whether an answer was given that nobody has asked for yet."""
        return bool(self._waiting)

    def _add(self, name: str, asked: Mapping[str, Any] | None, status: int, members: Any) -> None:
        operation = "".join(part.capitalize() for part in name.split("_"))
        answer = Answer(status, {}, json.dumps(members).encode())
        self._waiting.append((operation, asked, answer))

    def _exchange(self, operation: str, request: dict[str, Any]) -> Answer:
        wanted, asked, answer = self._waiting.popleft()
        sent = {name: value for name, value in request.items() if name != "ClientRequestToken"}
        assert operation == wanted
        assert asked is None or sent == asked
        return answer
