"""Rate limits, exact across all instances: a window starts with its first call and lasts a minute.

Header format: draft-ietf-httpapi-ratelimit-headers-10.
"""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network

from engine.platform.errors import RateLimited
from engine.platform.table import ConditionFailed, Item, Put, Table, Update, Write

WINDOW_S = 60
ADDRESS_FACTOR = 10
"""Many phones share one address, so an address has ten times the limit of a user."""

BATCH = 20


@dataclass(frozen=True, slots=True)
class Window:
    """`used` of `limit` calls since `start` (epoch seconds; 0: no call yet)."""

    start: int
    used: int
    limit: int
    resets_in_s: int = WINDOW_S

    def counted(self, now: int) -> "Window":
        """The window after one more call at `now`; a new window if this one is over."""
        if is_over(self.start, now):
            return Window(now, 1, self.limit)
        return Window(self.start, self.used + 1, self.limit, _resets_in_s(self.start, now))


def is_over(start: int, now: int) -> bool:
    """Whether the window that began at `start` is over at `now`.

    A start slightly in the future comes from a clock that differs, and the window stands. A start more
    than a window ahead comes from a wrong clock, and the window is over.
    """
    return abs(now - start) >= WINDOW_S


def policy_headers(window: Window) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` for an answer."""
    left = max(0, window.limit - window.used)
    return {
        "RateLimit-Policy": f'"default";q={window.limit};w={WINDOW_S}',
        "RateLimit": f'"default";r={left};t={window.resets_in_s}',
    }


def of_caller(actor: str) -> str:
    """The subject that counts the calls of a back end."""
    return f"CALLER#{actor}"


def of_address(address: str) -> str:
    """The subject that counts an address's calls; for IPv6 its /64 network, which one caller controls."""
    try:
        network = ip_network(f"{address}/64", strict=False) if ":" in address else None
    except ValueError:  # Not an address, so it is a subject of its own.
        network = None
    return f"IP#{network.network_address if network else address}"


class Batched:
    """Counts calls of `route_class` in batches of `BATCH`, one write for each, so that a call costs a part
    of a write unit. At most `BATCH` - 1 calls of an instance stay unused; `limit` is rounded down to batches.
    """

    def __init__(self, table: Table, route_class: str, limit: int) -> None:
        self._table = table
        self._route_class = route_class
        self._batches = limit // BATCH
        self._left: dict[str, tuple[int, int]] = {}
        """When the window began that a subject's last batch is of, and what is left of the batch."""

    def take(self, subject: str, now: int) -> None:
        """Count one call of `subject`. Raises `RateLimited`, `OutcomeUnknown`."""
        start, left = self._left.get(subject, (0, 0))
        if left == 0 or is_over(start, now):
            start, left = self._begun(subject, now), BATCH
        self._left[subject] = start, left - 1

    def _begun(self, subject: str, now: int) -> int:
        """When the window began that one more batch is of."""
        try:
            return take(self._table, subject, self._route_class, self._batches, now).start
        except RateLimited as over:
            limit, resets_in_s = self._batches * BATCH, int(over.details["retryAfterSeconds"])
            window = Window(0, limit, limit, resets_in_s)
            raise RateLimited(resets_in_s, policy_headers(window)) from None


def take(table: Table, subject: str, route_class: str, limit: int, now: int) -> Window:
    """Count one call of `subject` (`A#<userId>`, or that of an address or a caller) in `route_class`.

    A refused call is not counted. Raises `RateLimited`, `OutcomeUnknown`.
    """
    sk = f"RATE#{route_class}"
    return _counted(table, subject, sk, limit, now, lambda seen: _new_item(subject, sk, seen, now))


def take_on_item(table: Table, pk: str, sk: str, limit: int, now: int) -> Window:
    """Count one call in the window stored on the item at (`pk`, `sk`).

    A refused call is not counted. Raises `RateLimited`, `OutcomeUnknown`, and `ConditionFailed` if the
    item does not exist.
    """
    return _counted(table, pk, sk, limit, now, lambda seen: _new_window(pk, sk, seen, now))


def _counted(
    table: Table, pk: str, sk: str, limit: int, now: int, begin: Callable[[Item | None], Write]
) -> Window:
    """One more call in the current window, or the first of a new one."""
    write: Write = _count(pk, sk, limit, now)
    while True:
        try:
            return _window(table.write(write), limit, now)
        except ConditionFailed as refused:
            seen = refused.item
        if seen is None or is_over(seen["rate_from"], now):
            write = begin(seen)
            continue
        window = Window(seen["rate_from"], seen["rate_used"], limit).counted(now)
        if window.used > limit:
            raise RateLimited(window.resets_in_s, policy_headers(window))
        write = _count(pk, sk, limit, now)


def _count(pk: str, sk: str, limit: int, now: int) -> Update:
    return Update(
        pk,
        sk,
        "SET rate_used = rate_used + :one",
        # The last clause keeps a call from being counted twice where the answer to its first was lost.
        "rate_from > :over AND rate_used < :limit AND counted_by <> :mark",
        values={":one": 1, ":over": now - WINDOW_S, ":limit": limit},
        mark="counted_by",
    )


def _new_item(pk: str, sk: str, seen: Item | None, now: int) -> Put:
    """A new window that replaces one that is over, or the first window."""
    item = {"pk": pk, "sk": sk, "rate_from": now, "rate_used": 1, "ttl": now + 3600}
    return Put(
        item,
        "attribute_not_exists(pk) OR rate_from = :seen_from",
        values={":seen_from": seen["rate_from"] if seen else -1},
        mark="counted_by",
    )


def _new_window(pk: str, sk: str, seen: Item | None, now: int) -> Update:
    """A new window on an item that also stores other data."""
    if seen is None:
        raise ConditionFailed(None)
    return Update(
        pk,
        sk,
        "SET rate_from = :now, rate_used = :one",
        "rate_from = :seen_from",
        values={":now": now, ":one": 1, ":seen_from": seen["rate_from"]},
        mark="counted_by",
    )


def _window(item: Item, limit: int, now: int) -> Window:
    start, used = item["rate_from"], item["rate_used"]
    return Window(start, used, limit, _resets_in_s(start, now))


def _resets_in_s(start: int, now: int) -> int:
    return min(WINDOW_S, max(1, start + WINDOW_S - now))
