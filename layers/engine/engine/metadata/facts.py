"""What TikTok's JSON says about one post, read without trusting any member of it.

Sources of the formats: TikTok's oEmbed documentation, and saved pages of every generation since 2020
(docs/tiktok.md). No JSON whatever makes these functions raise.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import unquote

from engine.metadata.links import is_handle

TEXT_LIMIT = 10_000
"""Longer than any caption, and short enough for an item of the table."""

ADDRESS_LIMIT = 2048
NUMBER_LIMIT = 10**15
_PROFILE = re.compile(r"https://www\.tiktok\.com/@([^/?#]{1,1200})/?(?:\?.*)?")
_EMBEDDED_ID = re.compile(r'data-video-id="(\d{8,21})"')
_CITED = re.compile(r'cite="https://www\.tiktok\.com/@[^/"]{0,100}/(video|photo)/(\d{8,21})"')
_ADDRESS = re.compile(r"https://[!-~]+")
_SAYS_AGE = re.compile(r"content_classif|\bage[ _-]?(?:gate|limit|restrict|verif)", re.IGNORECASE)
_SAYS_LOGIN = re.compile(r"log[ _-]?in", re.IGNORECASE)
_COUNTS = {
    "likes": "diggCount",
    "shares": "shareCount",
    "comments": "commentCount",
    "plays": "playCount",
    "saves": "collectCount",
}


class Trouble(StrEnum):
    """Why a source says nothing about a post; the most telling reason first."""

    PRIVATE = "private"
    REMOVED = "removed"
    AGE_RESTRICTED = "age_restricted"
    """The post exists, for adults who are logged in."""
    HIDDEN = "hidden"
    """The post is gone, not shown in our region, or not shown to everybody: TikTok does not say which."""
    NOT_A_POST = "not_a_post"
    """TikTok calls the id invalid."""
    LOGIN_REQUIRED = "login_required"
    """The post exists, for people who are logged in."""
    BLOCKED = "blocked"
    """A challenge or a captcha in place of the answer."""
    REFUSED = "refused"
    """oEmbed's one answer for deleted, private, region-blocked, age-restricted and non-existent posts."""
    FAILED = "failed"
    SLOW = "slow"
    NO_POST = "no_post"
    """A well-formed answer that does not contain the post."""


_REASONS = {
    10216: Trouble.PRIVATE,
    10222: Trouble.PRIVATE,
    10217: Trouble.REMOVED,
    10221: Trouble.REMOVED,
    10101: Trouble.FAILED,
    100004: Trouble.FAILED,
    100002: Trouble.NOT_A_POST,
}
"""TikTok's status codes of failures."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one source says about a post; None is what it does not say. A caption may be empty."""

    id: str
    caption: str | None = None
    title: str | None = None
    """A photo post's own title, which stands beside its caption."""
    author: str | None = None
    handle: str | None = None
    thumbnail: str | None = None
    is_photo: bool = False
    duration_s: int | None = None
    created_at: int | None = None
    stats: Mapping[str, int | None] | None = None
    is_age_gated: bool = False


def from_oembed(document: Any, post_id: str) -> Facts | Trouble:
    """An oEmbed answer of any year: `REFUSED` where it contains no post or another one.

    The answers of 2020 have neither `author_unique_id` nor `embed_product_id`.
    """
    author = _text(_at(document, "author_name"))
    caption = _text(_at(document, "title"))
    html = _text(_at(document, "html")) or ""
    if caption is None or author is None or _oembed_id(document, html) != post_id:
        return Trouble.REFUSED
    cited = _CITED.search(html)
    return Facts(
        post_id,
        caption,
        author=author,
        handle=_handle(_at(document, "author_unique_id")) or _profile_handle(document),
        thumbnail=_address(_at(document, "thumbnail_url")),
        is_photo=_at(document, "embed_type") == "photo" or bool(cited and cited[1] == "photo"),
    )


def _oembed_id(document: Any, html: str) -> str | None:
    given = _id(_at(document, "embed_product_id"))
    if given:
        return given
    found = _EMBEDDED_ID.search(html)
    if found:
        return found[1]
    cited = _CITED.search(html)
    return cited[2] if cited else None


def _profile_handle(document: Any) -> str | None:
    found = _PROFILE.fullmatch(_text(_at(document, "author_url")) or "")
    return _handle(unquote(found[1])) if found else None


def from_universal(document: Any, post_id: str) -> Facts | Trouble:
    """`__UNIVERSAL_DATA_FOR_REHYDRATION__`: pages since 2023, for desktops and (reflow) for phones."""
    scope = _at(document, "__DEFAULT_SCOPE__")
    return most_telling(
        _from_detail(_at(scope, name), post_id)
        for name in ("webapp.video-detail", "webapp.reflow.video.detail")
    )


def from_api_data(document: Any, post_id: str) -> Facts | Trouble:
    """`api-data`: phone pages of 2026, for videos and photos. Comments and share texts are never read."""
    return _from_detail(_at(document, "videoDetail"), post_id)


def from_sigi(document: Any, post_id: str) -> Facts | Trouble:
    """`SIGI_STATE`, 2021 to 2023: an item's author is a handle, and the nickname is beside it.

    Phone pages of 2022 have the post in `SharingVideoModule` instead.
    """
    shared = _from_detail(_at(document, "SharingVideoModule", "videoData"), post_id)
    trouble = _trouble_of(_at(document, "VideoPage"))
    if trouble is not None:
        return most_telling([shared, trouble])
    users = _at(document, "UserModule", "users")
    return most_telling([_from_item(_at(document, "ItemModule", post_id), post_id, users), shared])


def from_embed(document: Any, post_id: str) -> Facts | Trouble:
    """`__FRONTITY_CONNECT_STATE__`: the page for frames of other sites, 2022 to now."""
    page = _at(document, "source", "data", f"/embed/v2/{post_id}")
    return _from_video_data(_at(page, "videoData"), post_id)


def from_next(document: Any, post_id: str) -> Facts | Trouble:
    """`__NEXT_DATA__`: `itemInfo` from 2020-10 to 2021, `videoData` before."""
    props = _at(document, "props", "pageProps")
    trouble = _trouble_of(props)
    if trouble is not None:
        return trouble
    older = _from_video_data(_at(props, "videoData"), post_id)
    return most_telling([_from_detail(props, post_id), older])


def most_telling(found: Iterable[Facts | Trouble]) -> Facts | Trouble:
    """The first facts, else the trouble that says most about why there are none."""
    troubles: list[Trouble] = [Trouble.NO_POST]
    for one in found:
        if isinstance(one, Facts):
            return one
        troubles.append(one)
    return min(troubles, key=list(Trouble).index)


def _from_detail(detail: Any, post_id: str) -> Facts | Trouble:
    trouble = _trouble_of(detail)
    if trouble is not None:
        return trouble
    return _from_item(_at(detail, "itemInfo", "itemStruct"), post_id)


def _from_item(item: Any, post_id: str, users: Any = None) -> Facts | Trouble:
    """An item of any page except the oldest. `video.id` is empty on some: the item's own id is used."""
    video = _at(item, "video")
    duration_s = _duration(_at(video, "duration"))
    is_photo = _shows_photos(_at(item, "imagePost"), duration_s)
    handle, author = _author_of(item, users)
    covers = (_at(video, "cover"), _at(video, "originCover"), _first_image(item))
    facts = Facts(
        _id(_at(item, "id")),
        _text(_at(item, "desc")),
        title=_title(_at(item, "imagePost")) if is_photo else None,
        author=author,
        handle=handle,
        thumbnail=next(filter(None, map(_address, covers)), None),
        is_photo=is_photo,
        duration_s=None if is_photo else duration_s,
        created_at=_whole(_at(item, "createTime")) or None,
        stats=_stats(_at(item, "stats"), _at(item, "statsV2")),
        is_age_gated=_at(item, "isContentClassified") is True,
    )
    return _checked(facts, post_id)


def _title(image_post: Any) -> str | None:
    title = _text(_at(image_post, "title"))
    return title if title and title.strip() else None


def _shows_photos(image_post: Any, duration_s: int | None) -> bool:
    """A photo post has its images in `imagePost` or `imagePostInfo`; a video with an empty one is a video."""
    images = _at(image_post, "images") or _at(image_post, "displayImages")
    return isinstance(image_post, dict) and (bool(_at(images, 0)) or duration_s is None)


def _author_of(item: Any, users: Any) -> tuple[str | None, str | None]:
    """Handle and nickname: members of `author`, or a handle with the nickname beside it or in `users`."""
    author = _at(item, "author")
    handle = author if isinstance(author, str) else _at(author, "uniqueId")
    user = _at(users, handle) if isinstance(handle, str) else None
    nicknames = (_at(author, "nickname"), _at(item, "nickname"), _at(user, "nickname"))
    known = [text for text in map(_text, nicknames) if text is not None]
    return _handle(handle), known[0] if known else None


def _from_video_data(data: Any, post_id: str) -> Facts | Trouble:
    infos, author = _at(data, "itemInfos"), _at(data, "authorInfos")
    duration_s = _duration(_at(infos, "video", "videoMeta", "duration"))
    is_photo = _shows_photos(_at(data, "imagePostInfo"), duration_s)
    facts = Facts(
        _id(_at(infos, "id")),
        _text(_at(infos, "text")),
        author=_text(_at(author, "nickName")),
        handle=_handle(_at(author, "uniqueId")),
        thumbnail=_address(_at(infos, "covers", 0)),
        is_photo=is_photo,
        duration_s=None if is_photo else duration_s,
        created_at=_whole(_at(infos, "createTime")) or None,
        stats=_stats(infos, None),
    )
    return _checked(facts, post_id)


def _checked(facts: Facts, post_id: str) -> Facts | Trouble:
    """`facts` of the post that was asked for, with more in them than its id."""
    if facts.id != post_id:
        return Trouble.NO_POST
    if facts.caption is not None or facts.handle is not None:
        return facts
    return Trouble.AGE_RESTRICTED if facts.is_age_gated else Trouble.NO_POST


def _trouble_of(detail: Any) -> Trouble | None:
    """What TikTok's status code says: one code covers many reasons, so an unknown one is `HIDDEN`.

    The message is "ok", empty or missing on success, and names an age gate or a log-in on a failure.
    """
    code = _whole(_at(detail, "statusCode"))
    message = str(_at(detail, "statusMsg") or _at(detail, "statusMessage") or "")[:TEXT_LIMIT]
    if code and _SAYS_AGE.search(message):
        return Trouble.AGE_RESTRICTED
    if code and _SAYS_LOGIN.search(message):
        return Trouble.LOGIN_REQUIRED
    return _REASONS.get(code, Trouble.HIDDEN) if code else None


def _stats(numbers: Any, texts: Any) -> dict[str, int | None] | None:
    counted = {
        name: found if (found := _whole(_at(numbers, key))) is not None else _whole(_at(texts, key))
        for name, key in _COUNTS.items()
    }
    return counted if any(count is not None for count in counted.values()) else None


def _first_image(item: Any) -> Any:
    return _at(item, "imagePost", "images", 0, "imageURL", "urlList", 0)


def _at(value: Any, *path: str | int) -> Any:
    """The value under `path`, None where there is none."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        else:
            return None
    return value


def _text(value: Any) -> str | None:
    """A text that can be written as UTF-8: half a surrogate pair becomes U+FFFD, as browsers show it."""
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        return None
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _id(value: Any) -> str:
    """Ids are texts of digits because they are greater than 2^53; a number is accepted too."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**21
    return str(value) if is_number else _text(value) or ""


def _handle(value: Any) -> str | None:
    return value if isinstance(value, str) and is_handle(value) else None


def _address(value: Any) -> str | None:
    """An https address; it is passed on and never called."""
    fits = isinstance(value, str) and len(value) <= ADDRESS_LIMIT and _ADDRESS.fullmatch(value)
    return str(value) if fits else None


def _whole(value: Any) -> int | None:
    """A whole number of 0 or more, which TikTok writes as a number or as a text of digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= NUMBER_LIMIT else None


def _duration(value: Any) -> int | None:
    """Whole seconds; photo posts and broken answers have 0, which means unknown."""
    return _whole(value) or None
