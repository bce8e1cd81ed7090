"""Keys of the OpenRouter stand-in: limits, spending, windows. All money in Decimal USD.

Shapes and meanings: section 3.1 and "OpenRouter key life-cycle" in the project's notes
on wire formats. ``usage`` is the lifetime of a key and never resets; only what is left
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
    """A key may not spend; the text says why."""


@dataclass(frozen=True)
class Spending:
    """One cost in USD, at a moment in Unix seconds."""

    at: float
    usd: Decimal


@dataclass
class Key:
    """A key and everything that was spent on it; ``secret`` is the key itself."""

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
    # Of its own randomness: the real one can not be computed from the key either.
    hash: str = field(default_factory=lambda: hashlib.sha256(secrets.token_bytes(32)).hexdigest())

    @property
    def label(self) -> str:
        """``sk-or-v1-0e6...1c96``: what may be shown of the key."""
        return f"{self.secret[:12]}...{self.secret[-4:]}"

    def live(self, now: float) -> bool:
        """Whether it can be used: there, not disabled, not expired."""
        expired = self.expires_at is not None and now >= self.expires_at
        return self.deleted_at is None and not self.disabled and not expired

    def usage(self, until: float, since: float = 0.0) -> Decimal:
        """What was spent from ``since`` to ``until``."""
        spent = (one.usd for one in self.spendings if since <= one.at <= until)
        return sum(spent, ZERO)

    def remaining(self, now: float, until: float) -> Decimal | None:
        """What is left of the limit in the present window, never below zero.

        Counts what was spent up to ``until``. None without a limit.
        """
        if self.limit is None:
            return None
        since = window_start(self.limit_reset, now) if self.limit_reset else 0.0
        return max(ZERO, self.limit - self.usage(until, since))

    def spend(self, usd: Decimal, now: float, *, overshoot: bool, in_flight: bool) -> None:
        """Book a cost; a limit binds at once, whatever the reads still show.

        ``overshoot`` books beyond the limit, as a call does that was cheap when it
        began; ``in_flight`` books on a disabled, expired or deleted key, as a call does
        that ends late. Raises RefusedError otherwise.
        """
        if not (in_flight or self.live(now)):
            raise RefusedError("This API key is disabled, expired or deleted")
        left = self.remaining(now, now)
        if left is not None and usd > left and not overshoot:
            raise RefusedError("Key limit exceeded (total limit)")
        self.spendings.append(Spending(now, usd))

    def as_json(self, now: float, until: float) -> dict[str, Any]:
        """The documented object; spending after ``until`` is not in it yet."""
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
        """The members about limits and usage, in USD."""
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
    """Every key there ever was, oldest first; deleted ones keep their spending."""

    def __init__(self) -> None:
        self._keys: list[Key] = []

    def __iter__(self) -> Iterator[Key]:
        """Deleted keys too."""
        return iter(self._keys)

    def add(self, key: Key) -> None:
        """Keep a new key."""
        self._keys.append(key)

    def find(self, wanted: Callable[[Key], bool]) -> Key | None:
        """The key that is wanted, unless it is deleted."""
        found = (key for key in self._keys if key.deleted_at is None and wanted(key))
        return next(found, None)

    def ever(self, hash_or_secret: str) -> Key:
        """The key of that hash or secret, deleted or not. Raises KeyError."""
        for key in self._keys:
            if hash_or_secret in {key.hash, key.secret}:
                return key
        raise KeyError(hash_or_secret)

    def newest_first(self, workspace_id: str, *, include_disabled: bool) -> list[Key]:
        """The keys of a workspace that are not deleted."""
        return [
            key
            for key in reversed(self._keys)
            if key.deleted_at is None
            and key.workspace_id == workspace_id
            and (include_disabled or not key.disabled)
        ]

    def usage(self, until: float) -> Decimal:
        """What all keys spent up to ``until``."""
        return sum((key.usage(until) for key in self._keys), ZERO)


def window_start(reset: str, now: float) -> float:
    """Start of the present UTC day, week (Monday) or month, in Unix seconds."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if reset == "weekly":
        day -= timedelta(days=day.weekday())
    if reset == "monthly":
        day = day.replace(day=1)
    return day.timestamp()


def number(usd: Decimal | None) -> float | int | None:
    """Dollars as a JSON number, whole ones without a fraction."""
    if usd is None:
        return None
    return int(usd) if usd == usd.to_integral_value() else float(usd)


def _iso_or_none(moment: float | None) -> str | None:
    return None if moment is None else iso_seconds(moment)
