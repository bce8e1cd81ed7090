"""The addresses at which Safaricom's Daraja tells of payments to a short code (C2B)."""

import time
from pathlib import Path

from cli.errors import CommandError
from cli.exit_codes import INVALID, UNAVAILABLE
from cli.stores import find_parameters
from engine.access.keyrings import (
    CALLBACK_SECRET,
    DARAJA_CONSUMER_KEY,
    DARAJA_CONSUMER_SECRET,
    KeyRings,
)
from engine.providers import callback_paths
from engine.providers.daraja import Business, Daraja, fetch_token
from engine.providers.wire import NotSent, Refused, Unknown

SANDBOX = "174379"
"""The short code of Daraja's sandbox, which the local run has."""


def addresses(
    base_url: str, short_code: str, run_file: Path | None, stack: str | None
) -> dict[str, str]:
    """The address of confirmations and that of validations. Raises `CommandError`, `EngineError`."""
    secret = _rings(run_file, stack, CALLBACK_SECRET)[CALLBACK_SECRET].signing
    try:
        return {
            kind: base_url + callback_paths.path(kind, secret, short_code)
            for kind in ("confirmation", "validation")
        }
    except ValueError:
        raise CommandError(f"{short_code!r} is not a short code.", INVALID) from None


def register(daraja_url: str, base_url: str) -> None:
    """Registers the addresses of the local run at its stand-in. Raises `CommandError`, `EngineError`."""
    told = addresses(base_url, SANDBOX, None, None)
    daraja = Daraja(daraja_url, _Token(daraja_url), Business(SANDBOX, str), time.time)
    try:
        daraja.register_urls(told["confirmation"], told["validation"])
    except (NotSent, Refused, Unknown) as error:
        raise CommandError(f"Daraja did not take the addresses: {error}", UNAVAILABLE) from None


class _Token:
    """A token of the app that is fetched once."""

    def __init__(self, daraja_url: str) -> None:
        self._base = daraja_url

    def get(self) -> str:
        rings = _rings(None, None, DARAJA_CONSUMER_KEY, DARAJA_CONSUMER_SECRET)
        key, secret = rings[DARAJA_CONSUMER_KEY], rings[DARAJA_CONSUMER_SECRET]
        return fetch_token(self._base, lambda: key.signing, lambda: secret.signing).token

    def instead_of(self, refused: str) -> str:
        return self.get()


def _rings(run_file: Path | None, stack: str | None, *names: str) -> KeyRings:
    found = find_parameters(run_file, stack)
    return KeyRings(found.client, found.prefix, names)
