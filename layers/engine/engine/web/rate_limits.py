"""Rate limits, exact across all instances: a window starts with its first call and lasts a minute.

`take` counts every call in a write of its own; `Lots` counts several in one, for routes that apps poll, and
can count the call after which an app polls in the same write.

Header format: draft-ietf-httpapi-ratelimit-headers-10.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_network

from engine.platform import snapshots
from engine.platform.errors import RateLimited
from engine.platform.table import ConditionFailed, Item, Put, Table, Update, Write
from engine.web.recent import Recent

WINDOW_S = 60
ADDRESS_FACTOR = 10
"""Many phones share one address, so an address has ten times the limit of a user."""

LOTS = 10
LOTS_TAKEN = 2
MOST_SUBJECTS = 2000
"""A process remembers the lots of so many subjects: a few hundred bytes each."""


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


@dataclass(frozen=True, slots=True)
class _Lot:
    """`served` of `size` calls that were counted in the window from `start`."""

    start: int
    served: int
    size: int
    is_last: bool = False
    """Whether the window has no room for another lot, so that its further calls are counted one by one."""


class Lots:
    """Counts calls in lots of a tenth of the limit: one write counts a lot, and this process serves the
    rest of it from memory for as long as the window lasts.

    No more calls than the limit get through. Only the first two lots of a window are taken ahead, and then
    each call is counted by itself, so no call is refused before four fifths of the limit were made, over
    however many processes they are spread.
    """

    def __init__(self) -> None:
        self._lots: Recent[_Lot] = Recent(MOST_SUBJECTS)
        snapshots.renews(self, Lots.forget)

    def forget(self) -> None:
        """Forget what is left of the lots: another process may have the same memory."""
        self._lots.clear()

    def take(self, table: Table, subject: str, route_class: str, limit: int, now: int) -> None:
        """Count one call as the function `take` does. Raises `RateLimited`, `OutcomeUnknown`."""
        place = f"{subject}#{route_class}"
        lot, is_served = self._serve(place, limit, now)
        if is_served:
            return
        if lot is None or not lot.is_last:
            lot = self._counted(table, subject, f"RATE#{route_class}", limit, lot, now)
            self._keep(place, lot)
        if lot.is_last:
            take(table, subject, route_class, limit, now)

    def take_beside(
        self, table: Table, subject: str, route_class: str, counter: str, limit: int, now: int
    ) -> None:
        """Count one call by itself, as the attribute `counter` of the window of `route_class`. The call that
        begins a window takes a lot of `route_class` in the same write. A refused call is not counted.

        Raises `RateLimited`, `OutcomeUnknown`.
        """
        place, sk, size = f"{subject}#{route_class}", f"RATE#{route_class}", max(1, limit // LOTS)
        begin = _new_lot(subject, sk, size, now, {counter: 1})
        count = _count_beside(subject, sk, counter, limit, now)
        write: Write = count if self._is_in_window(place, now) else begin
        while True:
            try:
                item = table.write(write)
                break
            except ConditionFailed as refused:
                is_new = refused.item is None or is_over(refused.item["rate_from"], now)
                write = begin if is_new else count
                if refused.item is not None and not is_new:
                    _require_room(refused.item, counter, limit, now)
        if write is begin:
            self._keep(place, _Lot(item["rate_from"], 0, size))

    def _is_in_window(self, place: str, now: int) -> bool:
        """Whether this process knows that the window of `place` has begun."""
        lot = self._lots.get(place)
        return lot is not None and not is_over(lot.start, now)

    def _serve(self, place: str, limit: int, now: int) -> tuple[_Lot | None, bool]:
        """The lot of the current window, if any, and whether the call was one of those it had left."""
        with self._lots.lock:
            lot = self._lots.get(place)
            if lot is None or is_over(lot.start, now):
                return None, False
            if lot.served == lot.size:
                return lot, False
            self._lots.put(place, replace(lot, served=lot.served + 1))
            return lot, True

    def _keep(self, place: str, lot: _Lot) -> None:
        """Keep `lot`, with what is left of one that another thread took in the same window."""
        with self._lots.lock:
            other = self._lots.get(place)
            if other is not None and other.start == lot.start:
                served, size = lot.served + other.served, lot.size + other.size
                lot = replace(lot, served=served, size=size)
            self._lots.put(place, lot)

    def _counted(
        self, table: Table, pk: str, sk: str, limit: int, lot: _Lot | None, now: int
    ) -> _Lot:
        """A new lot whose first call is served, or the end of lots in this window."""
        size = max(1, limit // LOTS)
        if lot is None:
            with suppress(ConditionFailed):
                return _Lot(table.write(_new_lot(pk, sk, size, now))["rate_from"], 1, size)
        try:
            return _Lot(table.write(_next_lot(pk, sk, size, limit, now))["rate_from"], 1, size)
        except ConditionFailed as refused:
            return _Lot(refused.item["rate_from"] if refused.item else now, 0, 0, is_last=True)


def _new_lot(pk: str, sk: str, size: int, now: int, beside: Mapping[str, int] | None = None) -> Put:
    """A window that begins with a lot, where there is none or the last one is over."""
    item = {"pk": pk, "sk": sk, "rate_from": now, "rate_used": size, "ttl": now + 3600}
    return Put(
        {**item, **(beside or {})},
        "attribute_not_exists(pk) OR rate_from <= :past OR rate_from >= :future",
        values={":past": now - WINDOW_S, ":future": now + WINDOW_S},
        mark="counted_by",
    )


def _next_lot(pk: str, sk: str, size: int, limit: int, now: int) -> Update:
    return Update(
        pk,
        sk,
        "SET rate_used = rate_used + :size",
        # A lot that was counted leaves no room for itself, so a repeat of the write counts nothing.
        "rate_from > :past AND rate_from < :future AND rate_used <= :most",
        values={
            ":size": size,
            ":most": min(LOTS_TAKEN * size, limit) - size,
            ":past": now - WINDOW_S,
            ":future": now + WINDOW_S,
        },
        mark="counted_by",
    )


def _count_beside(pk: str, sk: str, counter: str, limit: int, now: int) -> Update:
    return Update(
        pk,
        sk,
        "SET #counter = if_not_exists(#counter, :none) + :one",
        "rate_from > :past AND rate_from < :future AND counted_by <> :mark"
        " AND (attribute_not_exists(#counter) OR #counter < :limit)",
        names={"#counter": counter},
        values={
            ":none": 0,
            ":one": 1,
            ":limit": limit,
            ":past": now - WINDOW_S,
            ":future": now + WINDOW_S,
        },
        mark="counted_by",
    )


def _require_room(item: Item, counter: str, limit: int, now: int) -> None:
    """Raises `RateLimited` where the window in `item` has no room for another call that `counter` counts."""
    window = Window(item["rate_from"], item.get(counter, 0), limit).counted(now)
    if window.used > limit:
        raise RateLimited(window.resets_in_s, policy_headers(window))


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
        _require_room(seen, "rate_used", limit, now)
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
