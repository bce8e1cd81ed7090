"""Asks TikTok about a post: oEmbed first, the page second, and one answer made of the two.

The page wins where it speaks: it alone has duration, statistics, date and kind. oEmbed is the documented
source and stays when pages are blocked. Every second attempt and every wait is bounded by the caller's
limit; a challenge is never tried again.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from engine.metadata import links
from engine.metadata.client import Lost, Reply, Tiktok
from engine.metadata.facts import Facts, Trouble, from_oembed
from engine.metadata.links import Post, ShortLink
from engine.metadata.pages import read_page
from engine.platform.errors import (
    EngineError,
    InvalidUrl,
    LinkUnresolved,
    NotAVideo,
    PostNotFound,
    PostPrivate,
    PostRemoved,
    TiktokBlocked,
    TiktokFailed,
    TiktokSlow,
)
from engine.platform.times import iso

OEMBED_S = 5.0
PAGE_S = 8.0
HOP_S = 3.0
HOPS = 3
ATTEMPTS = 2
LEAST_S = 0.05
"""With less time left nothing is asked any more."""

FIRST_POST_AT, LAST_POST_AT = 1_400_000_000, 4_100_000_000
"""2014 to 2099: an id whose upper half says something else was not made from a time."""

_REFUSALS: dict[Trouble, type[EngineError]] = {
    Trouble.PRIVATE: PostPrivate,
    Trouble.REMOVED: PostRemoved,
    Trouble.HIDDEN: PostNotFound,
    Trouble.NOT_A_POST: NotAVideo,
    Trouble.BLOCKED: TiktokBlocked,
    Trouble.SLOW: TiktokSlow,
}
_MENDABLE = frozenset({Trouble.FAILED, Trouble.NO_POST})
"""What passes now and then: server errors, and shells without data. A time-out took all there was."""

T = TypeVar("T")
Asked = Callable[[float], T | Trouble]


def resolve(client: Tiktok, link: ShortLink, left_s: Callable[[], float]) -> str:
    """The id of the post that a short link leads to, in at most three hops.

    Every target is matched by the parser of addresses before it is taken, and asked for at an address
    made anew from its code. Raises `NotAVideo`, `PostNotFound`, `LinkUnresolved`, `TiktokBlocked`,
    `TiktokFailed`, `TiktokSlow`.
    """
    for _ in range(HOPS):
        target = _target(client, link, left_s)
        if isinstance(target, Post):
            return target.id
        link = target
    raise LinkUnresolved()


def look_up(client: Tiktok, post_id: str, left_s: Callable[[], float]) -> dict[str, Any]:
    """What TikTok says about a post, as members of an answer; texts, whole numbers, booleans, None.

    Raises `PostNotFound`, `PostPrivate`, `PostRemoved`, `NotAVideo` where TikTok shows nothing, and
    `TiktokBlocked`, `TiktokFailed`, `TiktokSlow` where it did not say.
    """

    def ask_oembed(timeout_s: float) -> Facts | Trouble:
        return _read_oembed(client.oembed(post_id, timeout_s), post_id)

    def ask_page(timeout_s: float) -> Facts | Trouble:
        return _read_page(client.page(post_id, timeout_s), post_id)

    embedded = _attempts(ask_oembed, OEMBED_S, left_s)
    paged = _attempts(ask_page, PAGE_S, left_s)
    if isinstance(embedded, Trouble) and isinstance(paged, Trouble):
        raise _refusal(embedded, paged)
    return _members(embedded, paged)


def _attempts(ask: Asked[T], limit_s: float, left_s: Callable[[], float]) -> T | Trouble:
    """The answer, asked for twice at most within the limit; the last trouble if there is none."""
    ends = time.monotonic() + min(limit_s, left_s())
    found: T | Trouble = Trouble.SLOW
    for _ in range(ATTEMPTS):
        timeout_s = ends - time.monotonic()
        if timeout_s < LEAST_S:
            return found
        try:
            found = ask(timeout_s)
        except Lost as lost:
            found = lost.trouble
        if not (isinstance(found, Trouble) and found in _MENDABLE):
            return found
    return found


def _read_oembed(reply: Reply, post_id: str) -> Facts | Trouble:
    if reply.status == 200:
        try:
            return from_oembed(json.loads(reply.body), post_id)
        except (ValueError, RecursionError):
            return Trouble.FAILED
    if reply.status in (403, 429):
        return Trouble.BLOCKED
    return Trouble.REFUSED if 400 <= reply.status < 500 else Trouble.FAILED


def _read_page(reply: Reply, post_id: str) -> Facts | Trouble:
    match reply.status:
        case 200:
            return read_page(reply.body, post_id)
        case 404 | 410:
            return Trouble.NO_POST
        case 403 | 429 | 301 | 302 | 303 | 307 | 308:
            # It redirects to the login, or to a notice for the region: never to a post.
            return Trouble.BLOCKED
    return Trouble.FAILED


def _refusal(embedded: Trouble, paged: Trouble) -> EngineError:
    """The page tells reasons apart, oEmbed does not; a page without the post needs its word as well."""
    if paged is Trouble.NO_POST and embedded is Trouble.REFUSED:
        return PostNotFound()
    return _REFUSALS.get(paged, TiktokFailed)()


def _members(embedded: Facts | Trouble, paged: Facts | Trouble) -> dict[str, Any]:
    found = {
        name: facts
        for name, facts in (("page", paged), ("oembed", embedded))
        if isinstance(facts, Facts)
    }
    facts = _merged(*found.values())
    known = None not in (facts.caption, facts.author, facts.handle)
    is_whole = "page" in found and known and (facts.is_photo or facts.duration_s is not None)
    return {
        "id": facts.id,
        "title": facts.caption,
        "description": facts.caption,
        "author": facts.author,
        "handle": facts.handle,
        "duration": facts.duration_s,
        "url": _url(facts),
        "thumbnail": facts.thumbnail,
        "mediaType": "photo" if facts.is_photo else "video",
        "createdAt": _created_at(facts),
        "stats": dict(facts.stats) if facts.stats else None,
        "source": "+".join(found),
        "partial": not is_whole,
        "warnings": _warnings(embedded, paged),
    }


def _merged(first: Facts, second: Facts | None = None) -> Facts:
    """`first`, and of its gaps in the texts what `second` has."""
    if second is None:
        return first
    return replace(
        first,
        caption=second.caption if first.caption is None else first.caption,
        author=first.author or second.author,
        handle=first.handle or second.handle,
        thumbnail=first.thumbnail or second.thumbnail,
    )


def _url(facts: Facts) -> str:
    kind = "photo" if facts.is_photo else "video"
    return f"https://www.tiktok.com/@{facts.handle or '_'}/{kind}/{facts.id}"


def _created_at(facts: Facts) -> str | None:
    """The upper 32 bits of an id are its time too, within two minutes (measured on saved pages)."""
    for moment in (facts.created_at, int(facts.id) >> 32):
        if moment is not None and FIRST_POST_AT <= moment <= LAST_POST_AT:
            return iso(moment)
    return None


def _warnings(embedded: Facts | Trouble, paged: Facts | Trouble) -> list[str]:
    sources = {"oembed": embedded, "page": paged}
    found = [f"{name}_{told}" for name, told in sources.items() if isinstance(told, Trouble)]
    gated = isinstance(paged, Facts) and paged.is_age_gated
    return [*found, "age_restricted"] if gated else found


def _target(client: Tiktok, link: ShortLink, left_s: Callable[[], float]) -> Post | ShortLink:
    """What the next hop addresses."""

    def ask(timeout_s: float) -> Reply | Trouble:
        reply = client.short_link(link, timeout_s)
        return Trouble.FAILED if reply.status >= 500 else reply

    reply = _attempts(ask, HOP_S, left_s)
    if isinstance(reply, Trouble):
        raise _REFUSALS.get(reply, TiktokFailed)()
    if reply.location is None:
        raise _unled(reply.status)
    try:
        address = urljoin(link.url, reply.location)
        return links.parse(address)
    except InvalidUrl:
        raise _elsewhere(address) from None
    except ValueError:
        raise LinkUnresolved() from None


def _unled(status: int) -> EngineError:
    """A short link's answer that leads nowhere; TikTok also gives it to callers that it does not like."""
    if status in (404, 410):
        return PostNotFound()
    return TiktokBlocked() if status in (403, 429) else LinkUnresolved()


def _elsewhere(address: str) -> EngineError:
    """Why a target that is no post is none; it is never called."""
    try:
        parts = urlsplit(address)
        host, path = parts.hostname or "", parts.path
    except ValueError:
        return LinkUnresolved()
    if host not in links.HOSTS | {"shop.tiktok.com"} or path.startswith(("/login", "/link/")):
        return LinkUnresolved()
    # Dead and invented codes lead to the home page.
    is_dead = path in ("", "/") or path.startswith("/404") or path.endswith("/notfound")
    return PostNotFound() if is_dead else NotAVideo()
