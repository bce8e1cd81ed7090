"""One access token of Daraja for all instances, because each new token makes the last one invalid.

The token lies sealed in one item; whoever finds it near its end takes a lease, asks Daraja and stores the new
one, and everybody else goes on with what is stored. A token that Daraja refused (another program asked for
one) is read again first, and replaced only if nobody has done so.

The item `PROVIDER#daraja` / `TOKEN#<digest of the account>` holds `sealed`, `version`, `renew_at`,
`expires_at`, `lease_until`, `lease_by`, `ttl`; times in epoch seconds.
"""

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from engine.platform import snapshots
from engine.platform.errors import Busy
from engine.platform.ids import digest
from engine.platform.table import ConditionFailed, Item, Table, Update
from engine.platform.times import DAY_S
from engine.providers.wire import LIMITS, NotSent, Refused, Unknown

PK = "PROVIDER#daraja"
RENEW_PERCENT = 80
"""The part of its life after which a token is replaced."""

LEASE_S = int(LIMITS.seconds) + 4
POLL_S = 0.2
PATIENCE_S = 5.0
"""How long a caller without a usable token waits for the one who asks for a new one."""


class Seals(Protocol):
    """`platform.sealing.Sealer`."""

    def seal(self, secret: str, *, user: str, hash_: str) -> str: ...

    def open(self, sealed: str, *, user: str, hash_: str) -> str: ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """A new token and the seconds that it lives."""

    token: str
    expires_in_s: int

    def __repr__(self) -> str:
        return f"Fetched({self.expires_in_s} s)"


@dataclass(frozen=True, slots=True)
class _Held:
    """A stored token; `version` grows by one with each."""

    token: str
    version: int
    renew_at: int
    expires_at: int


class SharedToken:
    """The token of `account`, any text that names the host and the app at Daraja.

    `fetch` asks Daraja for a new one and raises `NotSent`, `Refused` or `Unknown`.
    """

    def __init__(
        self,
        table: Table,
        sealer: Seals,
        account: str,
        fetch: Callable[[], Fetched],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = table
        self._sealer = sealer
        self._sk = f"TOKEN#{digest(account)}"
        self._fetch = fetch
        self._clock = clock
        self._sleep = sleep
        self.forget()
        snapshots.renews(self, SharedToken.forget)

    def forget(self) -> None:
        """Keep nothing in the process: the next call reads the item."""
        self._held: _Held | None = None

    def get(self) -> str:
        """A token, as a rule without a read. Raises `NotSent`, `Refused`, `Unknown`, `Busy`."""
        if self._held is None or self._held.renew_at <= self._now():
            self._held = self._stored() or self._renewed("")
        return self._held.token

    def instead_of(self, refused: str) -> str:
        """A token other than `refused`, which Daraja did not accept.

        Raises `NotSent`, `Refused`, `Unknown`, `Busy`.
        """
        stored = self._stored()
        if stored is None or stored.token == refused:
            stored = self._renewed(refused)
        self._held = stored
        return stored.token

    def _stored(self) -> _Held | None:
        """The stored token unless it is time to renew it."""
        held = self._opened(self._read())
        return held if held is not None and self._now() < held.renew_at else None

    def _renewed(self, refused: str) -> _Held:
        """A new token, of this caller or another, or the old one for as long as it lives."""
        item = self._read()
        for _ in range(int(PATIENCE_S / POLL_S)):
            held = self._usable(item, refused)
            if held is not None and self._now() < held.renew_at:
                return held
            is_ours, item = self._claim(item)
            if is_ours:
                return self._replace(item, held)
            held = self._usable(item, refused)
            if held is not None:
                return held
            self._sleep(POLL_S)
            item = self._read()
        raise NotSent("token")

    def _usable(self, item: Item, refused: str) -> _Held | None:
        """The item's token if it still lives and is not `refused`."""
        held = self._opened(item)
        if held is None or held.token == refused or held.expires_at <= self._now():
            return None
        return held

    def _claim(self, seen: Item) -> tuple[bool, Item]:
        """Whether this caller has the lease, and the item as it is now."""
        lease = Update(
            PK,
            self._sk,
            "SET lease_until = :until, lease_by = :lease, #ttl = :ttl",
            # Nobody is asking Daraja, or whoever was is gone.
            "(attribute_not_exists(lease_until) OR lease_until <= :now)"
            # No token has been stored since the item was read.
            " AND (attribute_not_exists(version) OR version = :seen)",
            names={"#ttl": "ttl"},
            values={
                ":now": self._now(),
                ":until": self._now() + LEASE_S,
                ":lease": secrets.token_hex(8),
                ":seen": seen.get("version", 0),
                ":ttl": max(seen.get("ttl", 0), self._now() + DAY_S),
            },
            mark="changed_by",
        )
        try:
            return True, self._table.write(lease)
        except ConditionFailed as refused:
            return False, refused.item or {}

    def _replace(self, claimed: Item, old: _Held | None) -> _Held:
        """Asks Daraja and stores what it answers; `old` where it answers nothing."""
        try:
            fetched = self._fetch()
        except (NotSent, Refused, Unknown):
            self._release(claimed)
            if old is not None:
                return old
            raise
        return self._store(claimed, fetched)

    def _store(self, claimed: Item, fetched: Fetched) -> _Held:
        now, version = self._now(), claimed.get("version", 0) + 1
        made = _Held(
            fetched.token,
            version,
            now + fetched.expires_in_s * RENEW_PERCENT // 100,
            now + fetched.expires_in_s,
        )
        values = {
            ":sealed": self._sealer.seal(made.token, user=PK, hash_=self._sk),
            ":version": version,
            ":renew": made.renew_at,
            ":expires": made.expires_at,
            ":ttl": made.expires_at + DAY_S,
            ":lease": claimed["lease_by"],
        }
        change = (
            "SET sealed = :sealed, version = :version, renew_at = :renew, expires_at = :expires, "
            "#ttl = :ttl REMOVE lease_until, lease_by"
        )
        write = Update(
            PK, self._sk, change, "lease_by = :lease", {"#ttl": "ttl"}, values, "changed_by"
        )
        try:
            self._table.write(write)
        except ConditionFailed as refused:
            # Our lease ran out and another has asked since. Should its token be the older one, the first call
            # finds out.
            return self._opened(refused.item or {}) or made
        return made

    def _release(self, claimed: Item) -> None:
        release = Update(
            PK,
            self._sk,
            "REMOVE lease_until, lease_by",
            "lease_by = :lease",
            values={":lease": claimed["lease_by"]},
        )
        with suppress(ConditionFailed, Busy):
            self._table.write(release)

    def _read(self) -> Item:
        return self._table.get(PK, self._sk) or {}

    def _opened(self, item: Item) -> _Held | None:
        if "sealed" not in item:
            return None
        held = self._held
        if held is not None and held.version == item["version"]:
            return held
        token = self._sealer.open(item["sealed"], user=PK, hash_=self._sk)
        return _Held(token, item["version"], item["renew_at"], item["expires_at"])

    def _now(self) -> int:
        return int(self._clock())
