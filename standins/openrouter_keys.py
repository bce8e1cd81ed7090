"""Keys of the OpenRouter stand-in: limits, spending, windows. Amounts are Decimal USD.

Shapes and meanings: section 3.1 and "OpenRouter key life-cycle" in the project's notes
on wire formats. ``usage`` covers the lifetime of a key and never resets; only the rest
of a limit follows ``limit_reset``.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from .clock import iso_seconds

KEY_PREFIX = "sk-or-v1-"
RESETS = ("daily", "weekly", "monthly")
ZERO = Decimal(0)


class RefusedError(Exception):
    """Spending is refused; the text says why."""


@dataclass(frozen=True)
class Spending:
    """An amount in USD, spent at ``at`` in Unix seconds."""

    at: float
    usd: Decimal


@dataclass
class Key:
    """A key with its spending; ``secret`` is the key itself."""

    name: str
    created_at: float
    workspace_id: str
    limit: Decimal | None = None
    limit_reset: str | None = None
    include_byok_in_limit: bool = False
    expires_at: float | None = None
    creator_user_id: str | None = None
    foreign: bool = False
    disabled: bool = False
    updated_at: float | None = None
    deleted_at: float | None = None
    writes: int = 0
    spendings: list[Spending] = field(default_factory=list)
    secret: str = field(default_factory=lambda: KEY_PREFIX + secrets.token_hex(32))
    # Random, because the real hash cannot be computed from the key either.
    hash: str = field(default_factory=lambda: hashlib.sha256(secrets.token_bytes(32)).hexdigest())

    @property
    def label(self) -> str:
        """``sk-or-v1-0e6...1c96``: the public part of the key."""
        return f"{self.secret[:12]}...{self.secret[-4:]}"

    def live(self, now: float) -> bool:
        """Whether it can be used: not deleted, disabled or expired."""
        expired = self.expires_at is not None and now >= self.expires_at
        return self.deleted_at is None and not self.disabled and not expired

    def usage(self, until: float, since: float = 0.0) -> Decimal:
        """The spending from ``since`` to ``until``."""
        spent = (one.usd for one in self.spendings if since <= one.at <= until)
        return sum(spent, ZERO)

    def remaining(self, now: float, until: float) -> Decimal | None:
        """The rest of the limit in the current window, never below zero; None without a limit.

        Spending after ``until`` is not counted.
        """
        if self.limit is None:
            return None
        since = window_start(self.limit_reset, now) if self.limit_reset else 0.0
        return max(ZERO, self.limit - self.usage(until, since))

    def spend(self, usd: Decimal, now: float, *, overshoot: bool, in_flight: bool) -> None:
        """Record spending; a limit applies at once, without the lag of reads.

        ``overshoot`` allows spending beyond the limit, as by a call whose cost was
        unknown when it began; ``in_flight`` allows it on a disabled, expired or deleted
        key, as by a call that ends late. Raises RefusedError otherwise.
        """
        if not (in_flight or self.live(now)):
            raise RefusedError("This API key is disabled, expired or deleted")
        left = self.remaining(now, now)
        if left is not None and usd > left and not overshoot:
            raise RefusedError("Key limit exceeded (total limit)")
        self.spendings.append(Spending(now, usd))

    def as_json(self, now: float, until: float) -> dict[str, Any]:
        """The documented object, with spending up to ``until``."""
        return {
            "hash": self.hash,
            "name": self.name,
            "label": self.label,
            "disabled": self.disabled,
            **self.money_json(now, until),
            "created_at": iso_seconds(self.created_at),
            "updated_at": _iso_or_none(self.updated_at),
            "expires_at": _iso_or_none(self.expires_at),
            "creator_user_id": self.creator_user_id,
            "workspace_id": self.workspace_id,
        }

    def money_json(self, now: float, until: float) -> dict[str, Any]:
        """The members for limits and usage, in USD."""
        windows = {reset: window_start(reset, now) for reset in RESETS}
        usage = {
            f"usage_{reset}": number(self.usage(until, since)) for reset, since in windows.items()
        }
        return {
            "limit": number(self.limit),
            "limit_remaining": number(self.remaining(now, until)),
            "limit_reset": self.limit_reset,
            "include_byok_in_limit": self.include_byok_in_limit,
            "usage": number(self.usage(until)),
            **usage,
            "byok_usage": 0,
            **{f"byok_{name}": 0 for name in usage},
        }


class KeyRing:
    """All keys, oldest first; deleted ones remain with their spending."""

    def __init__(self) -> None:
        self._keys: list[Key] = []

    def __iter__(self) -> Iterator[Key]:
        """All keys, including deleted ones."""
        return iter(self._keys)

    def add(self, key: Key) -> None:
        """Add a new key."""
        self._keys.append(key)

    def find(self, wanted: Callable[[Key], bool]) -> Key | None:
        """The first key that ``wanted`` accepts and that is not deleted."""
        found = (key for key in self._keys if key.deleted_at is None and wanted(key))
        return next(found, None)

    def ever(self, hash_or_secret: str) -> Key:
        """The key with that hash or secret, even if it is deleted. Raises KeyError."""
        for key in self._keys:
            if hash_or_secret in {key.hash, key.secret}:
                return key
        raise KeyError(hash_or_secret)

    def newest_first(self, workspace_id: str, *, include_disabled: bool) -> list[Key]:
        """The keys of a workspace that are not deleted, newest first."""
        return [
            key
            for key in reversed(self._keys)
            if key.deleted_at is None
            and key.workspace_id == workspace_id
            and (include_disabled or not key.disabled)
        ]

    def usage(self, until: float) -> Decimal:
        """The spending of all keys up to ``until``."""
        return sum((key.usage(until) for key in self._keys), ZERO)


def window_start(reset: str, now: float) -> float:
    """Start of the current UTC day, week (Monday) or month, in Unix seconds."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if reset == "weekly":
        day -= timedelta(days=day.weekday())
    if reset == "monthly":
        day = day.replace(day=1)
    return day.timestamp()


def number(usd: Decimal | None) -> float | int | None:
    """USD as a JSON number; whole amounts have no fraction."""
    if usd is None:
        return None
    return int(usd) if usd == usd.to_integral_value() else float(usd)


def _iso_or_none(moment: float | None) -> str | None:
    return None if moment is None else iso_seconds(moment)
