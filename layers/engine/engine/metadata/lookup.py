"""Asks TikTok about a post: oEmbed, then the page, then the page for frames, and makes one answer of them.

oEmbed is the documented source and stays when pages are blocked; the page alone has duration,
statistics, date and kind, and wins where it says something. One call at a time, each within `CALL_S`,
all within the caller's limit.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar
from urllib.parse import quote, urljoin, urlsplit

from engine.metadata import links
from engine.metadata.client import Browser, Lost, Reply, Tiktok
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
from engine.metadata.facts import Facts, Trouble, from_oembed, most_telling
from engine.metadata.links import Post, ShortLink
from engine.metadata.pages import read_page
from engine.platform.errors import EngineError, InvalidUrl, NotAVideo
from engine.platform.times import iso

CALL_S = 2.0
HOPS = 3
ATTEMPTS = 2
LEAST_S = 0.05
"""With less time left, no call is started."""

FIRST_POST_AT, LAST_POST_AT = 1_400_000_000, 4_100_000_000
"""2014 to 2099: outside these years, the upper half of an id is no time."""

_REFUSALS: dict[Trouble, type[EngineError]] = {
    Trouble.PRIVATE: PostPrivate,
    Trouble.REMOVED: PostRemoved,
    Trouble.AGE_RESTRICTED: AgeRestricted,
    Trouble.LOGIN_REQUIRED: LoginRequired,
    Trouble.HIDDEN: PostNotFound,
    Trouble.NOT_A_POST: NotAVideo,
    Trouble.BLOCKED: TiktokBlocked,
    Trouble.SLOW: TiktokSlow,
}
_PASSING = frozenset({Trouble.FAILED, Trouble.NO_POST})
"""What a second attempt may not meet: server errors, and shells without data. A time-out is not repeated."""

_OTHER_BROWSER_HELPS = _PASSING | {Trouble.BLOCKED, Trouble.LOGIN_REQUIRED}
_EMBED_HELPS = frozenset(
    {Trouble.BLOCKED, Trouble.LOGIN_REQUIRED, Trouble.AGE_RESTRICTED, Trouble.NO_POST}
)
_PLAIN_WARNINGS = frozenset({Trouble.AGE_RESTRICTED, Trouble.LOGIN_REQUIRED})
"""Warnings that no source need be named for."""

T = TypeVar("T")
Asked = Callable[[float], T | Trouble]
LeftS = Callable[[], float]


def resolve(client: Tiktok, link: ShortLink, left_s: Callable[[], float]) -> str:
    """The id of the post that a short link leads to, in at most three hops.

    Every target is matched by the parser of links before it is used, and called at an address that is rebuilt
    from its code. Raises `NotAVideo`, `PostNotFound`, `LoginRequired`, `LinkUnresolved`, `TiktokBlocked`,
    `TiktokFailed`, `TiktokSlow`.
    """
    for _ in range(HOPS):
        target = _target(client, link, left_s)
        if isinstance(target, Post):
            return target.id
        link = target
    raise LinkUnresolved()


def look_up(client: Tiktok, post_id: str, left_s: LeftS) -> dict[str, Any]:
    """What TikTok says about a post, as members of an answer; texts, whole numbers, booleans, None.

    Raises `PostNotFound`, `PostPrivate`, `PostRemoved`, `AgeRestricted`, `LoginRequired`, `NotAVideo`
    where TikTok does not show the post, and `TiktokBlocked`, `TiktokFailed`, `TiktokSlow` where it did
    not say.
    """

    def ask_oembed(timeout_s: float) -> Facts | Trouble:
        return _read_oembed(client.oembed(post_id, timeout_s), post_id)

    def ask_embed(timeout_s: float) -> Facts | Trouble:
        return _read_page(client.embed(post_id, timeout_s), post_id)

    embedded = _attempts([ask_oembed] * ATTEMPTS, left_s)
    paged = _ask_page(client, post_id, left_s)
    framed: Facts | Trouble = Trouble.NO_POST
    if isinstance(paged, Trouble) and paged in _EMBED_HELPS:
        framed = _attempts([ask_embed], left_s)
    sources = {"page": paged, "embed": framed, "oembed": embedded}
    if all(isinstance(told, Trouble) for told in sources.values()):
        raise _refusal(embedded, paged)
    return _members(sources)


def _ask_page(client: Tiktok, post_id: str, left_s: LeftS) -> Facts | Trouble:
    """What the page says: a desktop's, and where that is blocked or has no data, a phone's."""

    def ask(browser: Browser) -> Asked[Facts]:
        return lambda timeout_s: _read_page(client.page(post_id, browser, timeout_s), post_id)

    found: list[Facts | Trouble] = []
    for browser in Browser:
        found.append(_attempts([ask(browser)], left_s))
        if isinstance(found[-1], Facts) or found[-1] not in _OTHER_BROWSER_HELPS:
            break
    return most_telling(found)


def _attempts(asks: list[Asked[T]], left_s: LeftS) -> T | Trouble:
    """The first answer that is no passing trouble, else the last one; each within `CALL_S`."""
    found: T | Trouble = Trouble.SLOW
    for ask in asks:
        timeout_s = min(CALL_S, left_s())
        if timeout_s < LEAST_S:
            return found
        try:
            found = ask(timeout_s)
        except Lost as lost:
            found = lost.trouble
        if not (isinstance(found, Trouble) and found in _PASSING):
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
        case 301 | 302 | 303 | 307 | 308:
            # It leads to the log-in page or to a notice for the region, never to a post.
            return Trouble.LOGIN_REQUIRED if _is_login(reply.location) else Trouble.BLOCKED
        case 403 | 429:
            return Trouble.BLOCKED
    return Trouble.FAILED


def _is_login(location: str | None) -> bool:
    try:
        parts = urlsplit(urljoin("https://www.tiktok.com/", location or ""))
    except ValueError:
        return False
    return parts.hostname in links.HOSTS and links.is_login(parts.path)


def _refusal(embedded: Facts | Trouble, paged: Facts | Trouble) -> EngineError:
    """The page gives reasons, oEmbed gives none; a page without the post needs oEmbed's refusal as well."""
    if paged is Trouble.NO_POST and embedded is Trouble.REFUSED:
        return PostNotFound()
    return (_REFUSALS.get(paged, TiktokFailed) if isinstance(paged, Trouble) else TiktokFailed)()


def _members(sources: dict[str, Facts | Trouble]) -> dict[str, Any]:
    found = {name: told for name, told in sources.items() if isinstance(told, Facts)}
    facts = reduce(_merged, found.values())
    known = None not in (facts.caption, facts.author, facts.handle)
    is_whole = "page" in found and known and (facts.is_photo or facts.duration_s is not None)
    return {
        "id": facts.id,
        "title": facts.title or facts.caption,
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
        "warnings": list(_warnings(sources)),
    }


def _merged(first: Facts, second: Facts) -> Facts:
    """`first`, with its gaps filled from `second`; what kind of post it is, `first` decides."""
    return replace(
        first,
        caption=second.caption if first.caption is None else first.caption,
        author=first.author or second.author,
        handle=first.handle or second.handle,
        thumbnail=first.thumbnail or second.thumbnail,
    )


def _url(facts: Facts) -> str:
    kind = "photo" if facts.is_photo else "video"
    return f"https://www.tiktok.com/@{quote(facts.handle or '_')}/{kind}/{facts.id}"


def _created_at(facts: Facts) -> str | None:
    """The upper 32 bits of an id are its time as well, within two minutes (measured on saved pages)."""
    for moment in (facts.created_at, int(facts.id) >> 32):
        if moment is not None and FIRST_POST_AT <= moment <= LAST_POST_AT:
            return iso(moment)
    return None


def _warnings(sources: dict[str, Facts | Trouble]) -> Iterator[str]:
    """What could not be seen and why. The page for frames is only a substitute: no warning is about it."""
    for name in ("oembed", "page"):
        told = sources[name]
        if isinstance(told, Trouble):
            yield told.value if told in _PLAIN_WARNINGS else f"{name}_{told}"
        elif told.is_age_gated:
            yield Trouble.AGE_RESTRICTED.value


def _target(client: Tiktok, link: ShortLink, left_s: Callable[[], float]) -> Post | ShortLink:
    """What the next hop leads to. Raises `LinkUnresolved` and the errors of an outage."""

    def ask(timeout_s: float) -> Reply | Trouble:
        reply = client.short_link(link, timeout_s)
        return Trouble.FAILED if reply.status >= 500 else reply

    reply = _attempts([ask] * ATTEMPTS, left_s)
    if isinstance(reply, Trouble):
        raise _REFUSALS.get(reply, TiktokFailed)()
    if reply.location is None:
        raise _without_location(reply.status)
    try:
        address = urljoin(link.url, reply.location)
        target = links.parse_address(address)
    except (InvalidUrl, ValueError):
        raise LinkUnresolved() from None
    if target is None:
        raise _not_a_post(address)
    return target


def _without_location(status: int) -> EngineError:
    """Why a short link redirects nowhere; TikTok also answers so to callers that it does not trust."""
    if status in (404, 410):
        return PostNotFound()
    return TiktokBlocked() if status in (403, 429) else LinkUnresolved()


def _not_a_post(address: str) -> EngineError:
    """Why a short link to one of TikTok's other pages is refused; that page is never called."""
    path = urlsplit(address).path
    if links.is_login(path):
        return LoginRequired()
    if path.startswith("/link/"):
        return LinkUnresolved()
    # Dead and invented codes lead to the home page.
    is_dead = path in ("", "/") or path.startswith("/404") or path.endswith("/notfound")
    return PostNotFound() if is_dead else NotAVideo()
