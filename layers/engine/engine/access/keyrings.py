"""Secrets as key rings in the parameter store, oldest to newest: the last signs, all verify.

A parameter holds `{"keys": [{"secret": "...", "createdAt": "<ISO 8601>", "signsFrom": "<ISO 8601>"},
...]}` as a SecureString; `engine.access.ring_store` writes it. A key verifies from the moment it is read and
signs from `signsFrom` on, without it from `createdAt` on, so that nobody signs with what others do not
know yet.

An entry that cannot be used (malformed, or a key of PEM, SSH or JSON) is reported and passed over; the other
keys of the ring stay in use.

Failure policy: one batched read, 1 s to connect and 2 s to read, two attempts. Rings are kept for
up to five minutes by the wall clock (others stand still while a function is frozen); when a later read
fails, the rings in hand serve on (a new key waits an hour before it signs), and without any the
answer is `Busy`, 503.

The store takes 40 calls a second of an account, so no request repeats a read that has just failed: the
next one waits for a second, and twice as long after each further failure, up to `RETRY_S`. A parameter
that is not there is asked for every `RETRY_S` at most. Every wait is spread, so that instances that began
together do not read together.
"""

import contextlib
import hmac
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.platform import aws_json, logs, snapshots
from engine.platform.aws_json import AwsError, Client
from engine.platform.errors import Busy
from engine.platform.ids import digest

KEEP_S = 300
"""The longest that a ring is kept without another read."""
RETRY_S = 15
"""The longest wait after a read that failed or lacked a ring."""
FIRST_RETRY_S = 1
SPREAD = 0.2
"""The part of a wait that chance may take off."""
LIMITS = aws_json.Limits(attempts=2)
SHORTEST_IMPORT = 16
_ARMOUR = re.compile(r"---- ?BEGIN ", re.IGNORECASE)
SSH_KINDS = ("ssh-rsa", "ssh-dss", "ssh-ed25519", "ecdsa-sha2-nistp")

NO_ANSWER = (AwsError, AttributeError, KeyError, TypeError)
"""What a call raises where the store does not answer, or with something that is no answer of its kind."""

ENGINE_JWT_SECRET = "ENGINE_JWT_SECRET"
VEND_JWT_SECRET = "VEND_JWT_SECRET"
ENGINE_ADMIN_KEY = "ENGINE_ADMIN_KEY"
ADMIN_SECRET = "ADMIN_SECRET"
WEBHOOK_SECRET = "WEBHOOK_SECRET"
TTT_SHARED_SECRET = "TTT_SHARED_SECRET"
JWT_SECRET_CLOUD = "JWT_SECRET_CLOUD"
NOTIFY_SECRET = "NOTIFY_SECRET"
FRONT_SECRET = "FRONT_SECRET"
CALLBACK_SECRET = "CALLBACK_SECRET"
STRIPE_SECRET_KEY = "STRIPE_SECRET_KEY"
STRIPE_WEBHOOK_SECRET = "STRIPE_WEBHOOK_SECRET"
DARAJA_CONSUMER_KEY = "DARAJA_CONSUMER_KEY"
DARAJA_CONSUMER_SECRET = "DARAJA_CONSUMER_SECRET"
DARAJA_PASSKEY = "DARAJA_PASSKEY"
DARAJA_CREDENTIAL = "DARAJA_CREDENTIAL"
PROVISIONING_API_KEY = "PROVISIONING_API_KEY"
"""OpenRouter's, so nobody creates it: an operator puts it in, and until then no key can be made."""


@dataclass(frozen=True, slots=True)
class Ring:
    """Secrets of one purpose, oldest first; never empty. `signer` is the place of the one that signs."""

    secrets: tuple[str, ...]
    signer: int = -1

    def __post_init__(self) -> None:
        if not self.secrets or not all(self.secrets):
            raise ValueError("a ring needs at least one secret, and none may be empty")

    def __repr__(self) -> str:
        return f"Ring({len(self.secrets)} secrets)"

    @property
    def signing(self) -> str:
        return self.secrets[self.signer]

    @property
    def kid(self) -> str:
        """A name for the signing key that does not give it away."""
        return key_name(self.signing)

    def only(self, kid: str) -> "Ring":
        """The ring with just the key called `kid`, so that a replay signs as the first answer did;
        the whole ring when that key has been rotated out.
        """
        named = tuple(secret for secret in self.secrets if key_name(secret) == kid)
        return Ring(named) if named else self

    def matches(self, presented: str) -> bool:
        """Whether `presented` is one of the secrets, in time that does not depend on which."""
        given = presented.encode(errors="surrogatepass")
        found = False
        for secret in self.secrets:
            found |= hmac.compare_digest(secret.encode(), given)
        return found


@dataclass(frozen=True, slots=True)
class Key:
    """One secret of a ring; times in epoch seconds."""

    secret: str
    created_at: int
    signs_from: int
    imported: bool = False
    """Whether somebody else may hold it too: such a key is never dropped because time has passed."""

    def __repr__(self) -> str:
        return f"Key({self.kid})"

    @property
    def kid(self) -> str:
        return key_name(self.secret)


def connect() -> Client:
    """A client with this module's limits; region and endpoint come from the environment."""
    return aws_json.Client("ssm", LIMITS)


def spread(seconds: float) -> float:
    """`seconds` or up to a fifth less."""
    return seconds * random.uniform(1 - SPREAD, 1)


class KeyRings:
    """The rings that one function may read, by name; `names` are those of its IAM policy."""

    def __init__(
        self,
        client: Client,
        prefix: str,
        names: Sequence[str],
        clock: Callable[[], float] = time.time,
        spread: Callable[[float], float] = spread,
    ) -> None:
        self.clock = clock
        self._client = client
        self._spread = spread
        self._paths = {prefix + name: name for name in names}
        self.forget()
        snapshots.renews(self, KeyRings.forget)

    def __getitem__(self, name: str) -> Ring:
        """The ring called `name`. Raises `Busy` when it cannot be read and none is cached."""
        now = self.clock()
        wait_until = self._fresh_until if name in self._keys else self._ask_again_at
        # More than `KEEP_S` ahead, the time was taken from a clock that has been set back.
        if not 0 < wait_until - now <= KEEP_S:
            self._refresh(now)
        try:
            return ring_at(self._keys[name], now)
        except KeyError:
            raise Busy("The service is being set up.") from None

    def forget(self) -> None:
        """Keep nothing that was read: the next use reads again."""
        self._keys: dict[str, tuple[Key, ...]] = {}
        self._failures = 0
        self._fresh_until = self._ask_again_at = 0.0

    def answers(self) -> bool:
        """Whether the parameter store answers; what the parameters hold is not looked at."""
        try:
            self._client.get_parameters(Names=list(self._paths))["Parameters"]
        except NO_ANSWER:
            return False
        return True

    def _refresh(self, now: float) -> None:
        try:
            answer = self._client.get_parameters(Names=list(self._paths), WithDecryption=True)
            values = {one["Name"]: one["Value"] for one in answer["Parameters"]}
        except NO_ANSWER as error:
            self._wait_after_failure(now)
            if not self._keys:
                raise Busy() from error
            return
        for path, name in self._paths.items():
            # A damaged or missing parameter leaves the cached ring in use.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._keys[name] = _usable_of(name, values[path])
        if not self._keys:
            self._wait_after_failure(now)
            return
        self._failures = 0
        self._fresh_until = now + self._spread(KEEP_S)
        self._ask_again_at = now + self._spread(RETRY_S)

    def _wait_after_failure(self, now: float) -> None:
        """With rings in hand there is time; without any, every request is refused meanwhile."""
        doubled = FIRST_RETRY_S * 2 ** min(self._failures, 10)
        self._failures += 1
        self._fresh_until = now + self._spread(RETRY_S)
        self._ask_again_at = now + self._spread(min(RETRY_S, doubled))


def key_name(secret: str) -> str:
    """8 characters that tell the keys of a ring apart."""
    return digest("key", secret)[:8]


def ring_at(keys: Sequence[Key], now: float) -> Ring:
    """The ring at `now`: the newest key whose time to sign has come signs, else the oldest."""
    signer = max((at for at, key in enumerate(keys) if key.signs_from <= now), default=0)
    return Ring(tuple(key.secret for key in keys), signer)


def parse(value: str) -> tuple[Key, ...]:
    """The keys in a parameter's value, oldest first. Raises `ValueError` if an entry is malformed."""
    return tuple(_key(key) for key in _entries(value))


def usable(value: str) -> tuple[tuple[Key, ...], int]:
    """The keys in a parameter's value that can be used, and the number of other entries.

    Raises `ValueError` if it is not a ring or no key can be used.
    """
    entries = _entries(value)
    keys: list[Key] = []
    for entry in entries:
        with contextlib.suppress(ValueError):
            keys += [key for key in [_key(entry)] if not unusable(key.secret)]
    if not keys:
        raise ValueError("no usable key")
    return tuple(keys), len(entries) - len(keys)


def unusable(secret: str) -> str:
    """Why `secret` cannot be a shared secret, empty if it can: it is a certificate, a public or private
    key, or a JSON web key (RFC 7517), which PyJWT refuses; or it has no bytes that anyone could show.
    """
    if _ARMOUR.search(secret) or any(kind in secret for kind in SSH_KINDS):
        return "it is a PEM or SSH key or a certificate, not a shared secret"
    if '"kty"' in secret:
        return "it is a JSON web key, not a shared secret"
    if not secret.strip() or any("\ud800" <= character <= "\udfff" for character in secret):
        return "it is blank, or not text"
    return ""


def unfit_to_import(secret: str) -> str:
    """Why `secret` is refused for import, empty if it is accepted."""
    if len(secret) < SHORTEST_IMPORT:
        return f"it has {len(secret)} characters; at least {SHORTEST_IMPORT} are required"
    if not secret.isprintable() or secret != secret.strip():
        return "it contains control characters, or blanks at its ends"
    return unusable(secret)


def _usable_of(name: str, value: str) -> tuple[Key, ...]:
    """Reports entries that are passed over; the others are used. Raises `ValueError`."""
    keys, others = usable(value)
    if others:
        logs.not_rotated(name, f"entries that cannot be used: {others}")
    return keys


def _entries(value: str) -> list[Any]:
    document: Any = json.loads(value)
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not keys:
        raise ValueError("not a key ring")
    return keys


def _key(members: Any) -> Key:
    secret = members.get("secret") if isinstance(members, dict) else None
    if not isinstance(secret, str) or not secret:
        raise ValueError("not a key")
    created_at = _epoch(members.get("createdAt"))
    signs_from = _epoch(members["signsFrom"]) if "signsFrom" in members else created_at
    return Key(secret, created_at, signs_from, members.get("imported") is True)


def _epoch(written: Any) -> int:
    """Epoch seconds of an ISO 8601 time with its zone; 0, long ago, where there is none."""
    if written is None:
        return 0
    if not isinstance(written, str) or (at := datetime.fromisoformat(written)).tzinfo is None:
        raise ValueError("not a time")
    return int(at.timestamp())
