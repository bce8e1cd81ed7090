"""Rate limits, exact across all instances: a window begins with its first call and lasts a minute.

Header format: draft-ietf-httpapi-ratelimit-headers-10.
"""

from dataclasses import dataclass

from engine.errors import RateLimited
from engine.table import ConditionFailed, Item, Put, Table, Update

WINDOW_S = 60
ADDRESS_FACTOR = 10
"""Many phones share one address, so an address may call ten times as often as a user."""


@dataclass(frozen=True, slots=True)
class Window:
    """`used` of `limit` calls since `start` (epoch seconds; 0: no call yet)."""

    start: int
    used: int
    limit: int
    resets_in_s: int = WINDOW_S

    def counted(self, now: int) -> "Window":
        """The window with one more call at `now`: this one, or a new one when it is over."""
        if now - self.start >= WINDOW_S or now < self.start:
            return Window(now, 1, self.limit)
        return Window(self.start, self.used + 1, self.limit, self.start + WINDOW_S - now)


def policy_headers(window: Window) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit` for an answer."""
    left = max(0, window.limit - window.used)
    return {
        "RateLimit-Policy": f'"default";q={window.limit};w={WINDOW_S}',
        "RateLimit": f'"default";r={left};t={window.resets_in_s}',
    }


def take(table: Table, subject: str, route_class: str, limit: int, now: int) -> Window:
    """Count one call of `subject` (`A#<userId>` or `IP#<address>`) in `route_class`.

    A refused call is not counted. Raises `RateLimited`, `OutcomeUnknown`.
    """
    sk = f"RATE#{route_class}"
    seen: Item | None = None
    try:
        return _window(table.write(_count(subject, sk, limit, now)), limit, now)
    except ConditionFailed as refused:
        seen = refused.item
    while True:
        if seen is not None:
            window = Window(seen["rate_from"], seen["rate_used"], limit).counted(now)
            if window.used > limit:
                raise RateLimited(window.resets_in_s, policy_headers(window))
        try:
            if seen is None or now - seen["rate_from"] >= WINDOW_S:
                return _window(table.write(_begin(subject, sk, seen, now)), limit, now)
            return _window(table.write(_count(subject, sk, limit, now)), limit, now)
        except ConditionFailed as refused:
            seen = refused.item


def _count(subject: str, sk: str, limit: int, now: int) -> Update:
    return Update(
        subject,
        sk,
        "SET rate_used = rate_used + :one",
        "rate_from > :over AND rate_used < :limit",
        values={":one": 1, ":over": now - WINDOW_S, ":limit": limit},
    )


def _begin(subject: str, sk: str, seen: Item | None, now: int) -> Put:
    """A new window in place of the one that was seen to be over."""
    item = {"pk": subject, "sk": sk, "rate_from": now, "rate_used": 1, "ttl": now + 3600}
    return Put(
        item,
        "attribute_not_exists(pk) OR rate_from = :seen_from",
        values={":seen_from": seen["rate_from"] if seen else -1},
    )


def _window(item: Item, limit: int, now: int) -> Window:
    start, used = item["rate_from"], item["rate_used"]
    return Window(start, used, limit, max(1, start + WINDOW_S - now))
