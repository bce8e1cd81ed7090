"""What TikTok's JSON says about one post, read without trusting any member of it.

Sources of the formats: TikTok's oEmbed documentation, and saved pages of every generation since 2020.
Nothing here raises on whatever JSON it is given.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

TEXT_LIMIT = 10_000
"""Longer than any caption; the record of a post must fit an item of the table."""

ADDRESS_LIMIT = 2048
NUMBER_LIMIT = 10**15
_HANDLE = re.compile(r"[\w.\-]{1,100}", re.ASCII)
_PROFILE = re.compile(r"https://www\.tiktok\.com/@([\w.\-]{1,100})/?(?:\?.*)?", re.ASCII)
_EMBEDDED_ID = re.compile(r'data-video-id="(\d{8,21})"')
_CITED = re.compile(r'cite="https://www\.tiktok\.com/@[^/"]{0,100}/(video|photo)/(\d{8,21})"')
_ADDRESS = re.compile(r"https://[!-~]+")
_COUNTS = {
    "likes": "diggCount",
    "shares": "shareCount",
    "comments": "commentCount",
    "plays": "playCount",
    "saves": "collectCount",
}


class Trouble(StrEnum):
    """Why a source does not tell about a post; the values are shown as `<source>_<value>`."""

    REFUSED = "refused"
    """oEmbed's one answer for deleted, private, geo-blocked, age-gated and never made."""
    HIDDEN = "hidden"
    """The post exists no more, not here, or not for everybody: TikTok does not say which."""
    PRIVATE = "private"
    REMOVED = "removed"
    NO_POST = "no_post"
    """An answer in good order with no such post in it."""
    NOT_A_POST = "not_a_post"
    """TikTok calls the id invalid."""
    BLOCKED = "blocked"
    """A challenge, a captcha or a login page in place of the answer."""
    FAILED = "failed"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Facts:
    """What one source says about a post; None is what it does not say. An empty caption is one."""

    id: str
    caption: str | None = None
    author: str | None = None
    handle: str | None = None
    thumbnail: str | None = None
    is_photo: bool = False
    duration_s: int | None = None
    created_at: int | None = None
    stats: Mapping[str, int | None] | None = None
    is_age_gated: bool = False


def from_oembed(document: Any, post_id: str) -> Facts | Trouble:
    """An oEmbed answer of any age: `REFUSED` without a post in it or with another one.

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
        author,
        _handle(_at(document, "author_unique_id")) or _profile_handle(document),
        _address(_at(document, "thumbnail_url")),
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
    return found[1] if found else None


def from_universal(document: Any, post_id: str) -> Facts | Trouble:
    """`__UNIVERSAL_DATA_FOR_REHYDRATION__`: today's pages, for desktops and (reflow) for phones."""
    scope = _at(document, "__DEFAULT_SCOPE__")
    return most_telling(
        _from_detail(_at(scope, name), post_id)
        for name in ("webapp.video-detail", "webapp.reflow.video.detail")
    )


def from_sigi(document: Any, post_id: str) -> Facts | Trouble:
    """`SIGI_STATE`, 2021 to 2023: an item's author is a handle, the nickname stands beside it."""
    trouble = _trouble_of(_at(document, "VideoPage", "statusCode"))
    if trouble is not None:
        return trouble
    return _from_item(
        _at(document, "ItemModule", post_id), post_id, _at(document, "UserModule", "users")
    )


def from_next(document: Any, post_id: str) -> Facts | Trouble:
    """`__NEXT_DATA__`: `itemInfo` from 2020-10 to 2021, `videoData` before."""
    props = _at(document, "props", "pageProps")
    trouble = _trouble_of(_at(props, "statusCode"))
    if trouble is not None:
        return trouble
    older = _from_video_data(_at(props, "videoData"), post_id)
    return most_telling([_from_detail(props, post_id), older])


def most_telling(found: Iterable[Facts | Trouble]) -> Facts | Trouble:
    """The first facts, else the first trouble that says why there are none."""
    troubles: list[Trouble] = []
    for one in found:
        if isinstance(one, Facts):
            return one
        troubles.append(one)
    telling = [trouble for trouble in troubles if trouble is not Trouble.NO_POST]
    return telling[0] if telling else Trouble.NO_POST


def _from_detail(detail: Any, post_id: str) -> Facts | Trouble:
    # The message is "ok", "" or missing on success: only the number counts.
    trouble = _trouble_of(_at(detail, "statusCode"))
    if trouble is not None:
        return trouble
    return _from_item(_at(detail, "itemInfo", "itemStruct"), post_id)


def _from_item(item: Any, post_id: str, users: Any = None) -> Facts | Trouble:
    """An item of any page but the oldest. `video.id` is empty on some: the item's own id counts."""
    video = _at(item, "video")
    duration_s = _duration(_at(video, "duration"))
    is_photo = _shows_photos(_at(item, "imagePost"), duration_s)
    handle, author = _author_of(item, users)
    facts = Facts(
        _id(_at(item, "id")),
        _text(_at(item, "desc")),
        author,
        handle,
        _address(_at(video, "cover")) or _address(_at(video, "originCover")) or _first_image(item),
        is_photo,
        None if is_photo else duration_s,
        _whole(_at(item, "createTime")) or None,
        _stats(_at(item, "stats"), _at(item, "statsV2")),
        _at(item, "isContentClassified") is True,
    )
    return _checked(facts, post_id)


def _shows_photos(image_post: Any, duration_s: int | None) -> bool:
    """A photo post has its images in `imagePost`; a video with an empty one is still a video."""
    return isinstance(image_post, dict) and (
        bool(_at(image_post, "images", 0)) or duration_s is None
    )


def _author_of(item: Any, users: Any) -> tuple[str | None, str | None]:
    """Handle and nickname: members of `author`, or a handle with the nickname beside or in `users`."""
    author = _at(item, "author")
    handle = author if isinstance(author, str) else _at(author, "uniqueId")
    user = _at(users, handle) if isinstance(handle, str) else None
    nicknames = (_at(author, "nickname"), _at(item, "nickname"), _at(user, "nickname"))
    known = [text for text in map(_text, nicknames) if text is not None]
    return _handle(handle), known[0] if known else None


def _from_video_data(data: Any, post_id: str) -> Facts | Trouble:
    infos, author = _at(data, "itemInfos"), _at(data, "authorInfos")
    facts = Facts(
        _id(_at(infos, "id")),
        _text(_at(infos, "text")),
        _text(_at(author, "nickName")),
        _handle(_at(author, "uniqueId")),
        _address(_at(infos, "covers", 0)),
        duration_s=_duration(_at(infos, "video", "videoMeta", "duration")),
        created_at=_whole(_at(infos, "createTime")) or None,
        stats=_stats(infos, None),
    )
    return _checked(facts, post_id)


def _checked(facts: Facts, post_id: str) -> Facts | Trouble:
    """No post without its own id, nor one of which nothing is known but that."""
    known = facts.caption is not None or facts.handle is not None
    return facts if facts.id == post_id and known else Trouble.NO_POST


def _trouble_of(status: Any) -> Trouble | None:
    """TikTok's status codes: one covers many reasons, so an unknown one says only `HIDDEN`."""
    match _whole(status):
        case None | 0:
            return None
        case 10216 | 10222:
            return Trouble.PRIVATE
        case 10217 | 10221:
            return Trouble.REMOVED
        case 10101 | 100004:
            return Trouble.FAILED
        case 100002:
            return Trouble.NOT_A_POST
    return Trouble.HIDDEN


def _stats(numbers: Any, texts: Any) -> dict[str, int | None] | None:
    counted = {
        name: found if (found := _whole(_at(numbers, key))) is not None else _whole(_at(texts, key))
        for name, key in _COUNTS.items()
    }
    return counted if any(count is not None for count in counted.values()) else None


def _first_image(item: Any) -> str | None:
    return _address(_at(item, "imagePost", "images", 0, "imageURL", "urlList", 0))


def _at(value: Any, *path: str | int) -> Any:
    """What lies under `path`, None where there is no such place."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        else:
            return None
    return value


def _text(value: Any) -> str | None:
    """A text that can be written as UTF-8: half of a surrogate pair is U+FFFD, as browsers show it."""
    if not isinstance(value, str) or len(value) > TEXT_LIMIT:
        return None
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _id(value: Any) -> str:
    """Ids are texts of digits, as they pass 2^53; a number is taken too."""
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**21
    return str(value) if is_number else _text(value) or ""


def _handle(value: Any) -> str | None:
    return value if isinstance(value, str) and _HANDLE.fullmatch(value) else None


def _address(value: Any) -> str | None:
    """An https address; it is handed on and never called."""
    fits = isinstance(value, str) and len(value) <= ADDRESS_LIMIT and _ADDRESS.fullmatch(value)
    return str(value) if fits else None


def _whole(value: Any) -> int | None:
    """A whole number from 0 up, which TikTok writes as a number or as a text of digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value <= NUMBER_LIMIT else None


def _duration(value: Any) -> int | None:
    """Whole seconds; 0 is what photos and broken answers have."""
    return _whole(value) or None
