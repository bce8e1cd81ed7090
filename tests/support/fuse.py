"""Every call that the subscription service makes, in one row: to the table, to KMS and to OpenRouter.

Call number `at` (from 0) fails, before or after its effect. What fails is what each service's client
raises; a killed process raises what no code of ours catches.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from engine.platform.outgoing import NotSent, Unknown
from tests.support.faults import CALLS, Killed, failure
from tests.support.openrouter import Studio

KMS_CALLS = frozenset({"encrypt", "decrypt"})
WAYS = [(when, how) for when in ("before", "after") for how in ("killed", "timeout", "unreachable")]


class Fuse:
    """Counts calls; the one numbered `at` fails."""

    def __init__(self, at: int | None, when: str, how: str) -> None:
        self._at = at
        self._when = when
        self._how = how
        self.made: list[str] = []

    @property
    def blown(self) -> bool:
        return self._at is not None and len(self.made) > self._at

    def call(self, name: str, real: Callable[[], Any], error: Callable[[], BaseException]) -> Any:
        number = len(self.made)
        self.made.append(name)
        if number == self._at and self._when == "before":
            raise error()
        answer = real()
        if number == self._at and self._when == "after":
            raise error()
        return answer

    def aws(self, client: Any, names: frozenset[str]) -> Any:
        return _Client(client, names, self)

    def provider_error(self) -> BaseException:
        if self._how == "killed":
            return Killed()
        if self._how == "unreachable" and self._when == "before":
            return NotSent()
        return Unknown("timeout")

    def aws_error(self) -> BaseException:
        return failure(self._how)


class _Client:
    def __init__(self, client: Any, names: frozenset[str], fuse: Fuse) -> None:
        self._client = client
        self._names = names
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name not in self._names:
            return real
        return lambda **request: self._fuse.call(
            name, lambda: real(**request), self._fuse.aws_error
        )


@contextmanager
def fused(studio: Studio, fuse: Fuse) -> Iterator[None]:
    """Both functions of the service on clients that pass through `fuse`."""
    with ExitStack() as stack:
        for module in (studio.app, studio.watch):
            table, lifecycle = module.ledger.table, module.lifecycle
            sealer, provider = lifecycle.sealer, lifecycle.provider
            patched: list[tuple[Any, str, Any]] = [
                (table, "_client", fuse.aws(table._client, CALLS)),
                (sealer, "_client", fuse.aws(sealer._client, KMS_CALLS)),
                (provider, "_ask", _asking(provider._ask, fuse)),
            ]
            for holder, name, value in patched:
                stack.enter_context(mock.patch.object(holder, name, value))
        yield


def _asking(real: Any, fuse: Fuse) -> Any:
    def ask(method: str, path: str, **parts: Any) -> Any:
        return fuse.call(
            f"{method} {path}", lambda: real(method, path, **parts), fuse.provider_error
        )

    return ask
