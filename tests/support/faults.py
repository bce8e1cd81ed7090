"""A DynamoDB client that fails at one call: before it took effect, or after."""

from collections.abc import Callable
from typing import Any

from engine.platform.aws_json import NoAnswer
from engine.platform.outgoing import Unknown

CALLS = frozenset(
    {"get_item", "put_item", "update_item", "query", "transact_write_items", "delete_item"}
)


class Killed(BaseException):
    """The function's process ended here: nothing of it runs any more, no handler and no `except`."""


def failure(how: str) -> BaseException:
    """What the caller sees: `killed`, `timeout` or `unreachable`."""
    return {
        "killed": Killed(),
        "timeout": NoAnswer("timeout"),
        "unreachable": NoAnswer("unreachable", is_unknown=False),
    }[how]


class FaultyClient:
    """Passes calls on to `client`; call number `at` (from 0) fails, `before` or `after` its effect.

    With `at` None nothing fails and `made` counts the calls.
    """

    def __init__(self, client: Any, at: int | None, when: str, how: str) -> None:
        self._client = client
        self._at = at
        self._when = when
        self._how = how
        self.made = 0

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name not in CALLS:
            return real

        def call(**request: Any) -> Any:
            return self.passed(lambda: real(**request), lambda: failure(self._how))

        return call

    def passed(self, call: Callable[[], Any], fails: Callable[[], BaseException]) -> Any:
        """What `call` answers; it is counted, and fails with what `fails` makes if its turn is now."""
        number, self.made = self.made, self.made + 1
        if number == self._at and self._when == "before":
            raise fails()
        answer = call()
        if number == self._at and self._when == "after":
            raise fails()
        return answer


class FaultyWire:
    """Sends over `client`; in the turn of `calls` the process is killed, or the answer is lost."""

    def __init__(self, calls: FaultyClient, client: Any, *, is_killed: bool) -> None:
        self._calls = calls
        self._client = client
        self._is_killed = is_killed

    def send(self, request: Any, limits: Any) -> Any:
        return self._calls.passed(
            lambda: self._client.send(request, limits),
            lambda: Killed() if self._is_killed else Unknown("timeout"),
        )
