"""What a TikTok link shows: kept answers first, and TikTok asked once for all callers who ask together.

What a kept answer does not need (the HTTP client, BeautifulSoup) is loaded only when TikTok is asked.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from engine.metadata import links
from engine.metadata.cache import Ask, Cache, Kept, Watch
from engine.metadata.errors import (
    AgeRestricted,
    LinkUnresolved,
    LoginRequired,
    PostNotFound,
    PostPrivate,
    PostRemoved,
    TiktokBlocked,
    TiktokFailed,
    TiktokSlow,
)
from engine.metadata.links import Post, ShortLink
from engine.platform.errors import EngineError, NotAVideo
from engine.platform.table import Table

if TYPE_CHECKING:
    from engine.metadata.client import Tiktok

REQUEST_S = 24.0
POST_S = 8.0
LINK_S = 4.0
"""Waiting for another instance's look-up of both and then doing both oneself stays below the 24."""

_OUTAGE_ERRORS: tuple[type[TiktokFailed], ...] = (
    TiktokFailed,
    LinkUnresolved,
    TiktokBlocked,
    TiktokSlow,
)
_FINAL: tuple[type[EngineError], ...] = (
    AgeRestricted,
    LoginRequired,
    NotAVideo,
    PostNotFound,
    PostPrivate,
    PostRemoved,
)
_OUTAGES = {error.code: error for error in _OUTAGE_ERRORS}
_REFUSALS = {error.code: error for error in _FINAL}


class Metadata:
    """Posts of TikTok at `base`, kept in `table`."""

    def __init__(self, table: Table, base: str) -> None:
        self._cache = Cache(table, frozenset(_REFUSALS), frozenset(_OUTAGES))
        self._base = base

    def of(self, url: str, now: int, admit: Callable[[], object]) -> dict[str, Any]:
        """The members of an answer about the post that `url` links to: an address, or a text with one.

        `admit` is called before each time that TikTok is asked, and may raise to prevent it; a stale
        answer is given then, if there is one. Raises what `admit` raises, `InvalidUrl` before TikTok is
        asked, `NotAVideo`, `PostNotFound`, `PostPrivate`, `PostRemoved`, `AgeRestricted`,
        `LoginRequired`, `TiktokFailed` and its subclasses, `Busy`.
        """
        target = links.parse(url)
        watch = Watch(now, REQUEST_S)
        post_id = target.id if isinstance(target, Post) else self._resolved(target, admit, watch)
        ask = partial(self._look_up, post_id, admit)
        return _answer(self._fetch(_key_of(post_id), ask, watch, POST_S))

    def known(self, url: str) -> dict[str, Any]:
        """What is kept about the post that `url` links to, however old; empty if nothing is. TikTok is not
        asked. Raises `InvalidUrl`, `Busy`.
        """
        target = links.parse(url)
        if isinstance(target, Post):
            return self._cache.peek(_key_of(target.id))
        linked = self._cache.peek(_key_of_link(target))
        return self._cache.peek(_key_of(linked["id"])) if linked else {}

    def _resolved(self, link: ShortLink, admit: Callable[[], object], watch: Watch) -> str:
        ask = partial(self._follow, link, admit)
        return str(self._fetch(_key_of_link(link), ask, watch, LINK_S).members["id"])

    def _follow(
        self, link: ShortLink, admit: Callable[[], object], left_s: Callable[[], float]
    ) -> dict[str, Any]:
        admit()
        from engine.metadata import lookup

        return {"id": lookup.resolve(_client(self._base), link, left_s)}

    def _look_up(
        self, post_id: str, admit: Callable[[], object], left_s: Callable[[], float]
    ) -> dict[str, Any]:
        admit()
        from engine.metadata import lookup

        return lookup.look_up(_client(self._base), post_id, left_s)

    def _fetch(self, key: str, ask: Ask, watch: Watch, limit_s: float) -> Kept:
        kept = self._cache.fetch(key, ask, watch, limit_s)
        if kept.refusal in _OUTAGES:
            raise _OUTAGES[kept.refusal](retry_after_s=kept.fresh_s)
        if kept.refusal:
            raise _REFUSALS[kept.refusal]()
        return kept


def _key_of(post_id: str) -> str:
    return f"TIKTOK#{post_id}"


def _key_of_link(link: ShortLink) -> str:
    return _key_of(link.url.removeprefix("https://").rstrip("/"))


@cache
def _client(base: str) -> "Tiktok":
    """One for all calls of this process, so that connections are used again."""
    from engine.metadata.client import Tiktok

    return Tiktok(base)


def _answer(kept: Kept) -> dict[str, Any]:
    """An unknown duration is kept as None and answered as 0: some clients read numbers only."""
    duration_s = kept.members["duration"]
    return {
        "ok": True,
        **kept.members,
        "duration": duration_s or 0,
        "durationKnown": duration_s is not None,
        "cached": kept.cached,
        "age": kept.age_s,
        "stale": kept.stale,
    }
