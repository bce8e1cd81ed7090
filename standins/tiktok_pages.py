"""Pages of the TikTok stand-in: the fields of each generation, with known traps.

Source: the table of generations in docs/tiktok.md. The traps: the sound has another
duration, other posts, viewers, comments and statistics stand beside the right ones,
``<title>``, ``og:title`` and the canonical address mislead.
"""

import html
import json
from collections.abc import Callable
from typing import Any

from .tiktok_posts import Post

_OTHER_ID = "7300000000000000777"
_STAT_NAMES = ("diggCount", "shareCount", "commentCount", "playCount", "collectCount")
# Real pages have hundreds of kilobytes of styles and settings before their data.
_FILLER_LINE = ".css-0filler{display:block;margin:0;padding:0;border:0}\n"

Render = Callable[[Post, str], str]


def page(post: Post, generation: str, requested_handle: str, filler_kb: int) -> str:
    """The page of a post in the layout of ``generation``, after ``filler_kb`` of filler."""
    return _document(_RENDERERS[generation](post, requested_handle), filler_kb)


def status_page(code: int, message: str, *, mobile: bool, filler_kb: int) -> str:
    """A page of status 200 whose data says why there is no post."""
    key, name = _detail_names(mobile=mobile)
    return _document(_universal({key: {"statusCode": code, name: message}}), filler_kb)


def page_without_detail(filler_kb: int) -> str:
    """A home page, profile or photo page: data without a post."""
    return _document(_universal({}), filler_kb)


def age_gate(post_id: str, filler_kb: int) -> str:
    """HTTP 200 with a post of which nothing but its id is shown."""
    item = {"id": post_id, "isContentClassified": True, "ContentClassificationReason": 209007}
    detail = {"itemInfo": {"itemStruct": item}, "statusCode": 0, "statusMsg": ""}
    return _document(_universal({"webapp.video-detail": detail}), filler_kb)


def embed_page(post: Post | None, filler_kb: int) -> str:
    """The page for frames of other sites; without data where ``post`` is None."""
    shown = (
        {f"/embed/v2/{post.id}": {"isReady": True, "videoData": _video_data(post)}} if post else {}
    )
    data = {"frontity": {"rendering": "both"}, "source": {"data": shown}}
    return _document(_script("__FRONTITY_CONNECT_STATE__", data), filler_kb)


WAF = (
    '<!DOCTYPE html><html lang="en"><head><script id="slardar-config" type="application/json">'
    '{"slardarClient":"SlardarWAF","bid":"slardar_us_waf"}</script></head><body>Please wait... '
    '<p id="wci" class="_wafchallengeid"></p><p id="cs" class="eyJ2Ijp7fX0"></p>'
    '<p id="rci" class="waforiginalreid"></p></body></html>'
)
CAPTCHA = (
    "<!DOCTYPE html><html><head><title>Security Check</title>"
    '<script id="captcha-config" type="application/json">{"type":"verify"}</script></head>'
    '<body><div id="captcha_container"></div></body></html>'
)

VERIFY = (
    '<!DOCTYPE html><html><head><title></title></head><body><div id="verify-ele"></div>'
    '<script>const option = {"title":"tiktok-verify-page","host":"https://verify.example/"};'
    "</script></body></html>"
)


def downgraded_shell() -> str:
    """About 11 KB of valid HTML without data."""
    links = '<link rel="preload" as="script" href="https://static.example/builder-runtime.js"/>'
    body = '<body data-downgrade="1"><div id="app"></div></body>'
    head = f'<meta charSet="UTF-8"/><title data-rh="true"></title>{links * 130}'
    return f'<!DOCTYPE html><html lang="en"><head>{head}</head>{body}</html>'


def decoy(post: Post) -> str:
    """The page for known crawlers (reported in the notes)."""
    name = html.escape(post.nickname)
    return (
        f'<!DOCTYPE html><html><head><meta property="og:title" content="TikTok · {name}"/>'
        '<meta property="og:description" content="TikTok | Make Your Day"/></head>'
        f"<body>{' ' * 6000}</body></html>"
    )


def _document(parts: str, filler_kb: int) -> str:
    filler = _FILLER_LINE * (filler_kb * 1024 // len(_FILLER_LINE))
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<title>TikTok - Make Your Day</title>"
        f"<style>{filler}</style></head><body>{parts}</body></html>"
    )


def _script(script_id: str, data: Any, attributes: str = 'type="application/json"') -> str:
    return f'<script id="{script_id}" {attributes}>{_json(data)}</script>'


def _json(data: Any) -> str:
    # A caption may contain </script>; the rest is not escaped, U+2028 included, as on real pages.
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003C")


def _universal(scope: dict[str, Any]) -> str:
    before = {
        "webapp.app-context": {"language": "en", "user": {"uniqueId": "the.viewer"}},
        "webapp.biz-context": {"os": "windows", "videoPlayerConfig": {"duration": 5}},
    }
    data = {"__DEFAULT_SCOPE__": {**before, **scope, "webapp.a-b": {}}}
    return _script("__UNIVERSAL_DATA_FOR_REHYDRATION__", data)


def _detail_names(*, mobile: bool) -> tuple[str, str]:
    """Names of the detail and of the message beside its status code."""
    if mobile:
        return "webapp.reflow.video.detail", "statusMessage"
    return "webapp.video-detail", "statusMsg"


def _desktop(post: Post, requested_handle: str) -> str:
    item = _item(post, author=_author(post))
    item["statsV2"] = {name: str(count) for name, count in item["stats"].items()}
    canonical = f"https://www.tiktok.com/@{requested_handle}/video/{post.id}"
    detail = {"itemInfo": {"itemStruct": item}, "shareMeta": _share(post), "statusCode": 0}
    scope = {
        "seo.abtest": {"canonical": canonical},
        "webapp.recommend": {"itemList": [_other_item()]},
        "webapp.video-detail": {**detail, "statusMsg": "ok" if post.image_count else ""},
    }
    return _universal(scope)


def _reflow(post: Post, requested_handle: str) -> str:
    item = _item(post, author=_author(post))
    item["challenges"] = [{"id": "1", "stats": dict.fromkeys(_STAT_NAMES, 999_999_999)}]
    detail = {"statusCode": 0, "statusMessage": "", "itemInfo": {"itemStruct": item}}
    scope = {
        "seo.abtest": {"canonical": f"https://www.tiktok.com/@/video/{post.id}"},
        "webapp.reflow.video.detail": {**detail, "shareMeta": _share(post), "extra_info": {}},
    }
    return _universal(scope)


def _sigi_state(post: Post) -> dict[str, Any]:
    item = {**_item(post, author=post.handle), "nickname": post.nickname}
    users = {
        "the.viewer": {"uniqueId": "the.viewer", "nickname": "The Viewer"},
        post.handle: {"uniqueId": post.handle, "nickname": post.nickname},
    }
    return {
        "AppContext": {"appContext": {"user": users["the.viewer"]}},
        "ItemModule": {_OTHER_ID: _other_item(), post.id: item},
        "UserModule": {"users": users},
        "VideoPage": {"statusCode": 0},
    }


def _sigi(post: Post, requested_handle: str) -> str:
    return _script("SIGI_STATE", _sigi_state(post))


def _sigi_persisted(post: Post, requested_handle: str) -> str:
    code = f"window['SIGI_STATE']={_json(_sigi_state(post))};window['SIGI_RETRY']={{}}"
    return f'<script id="sigi-persisted-data">{code}</script>'


def _sigi_sharing(post: Post, requested_handle: str) -> str:
    item = _item(post, author=_author(post))
    shared = {"videoData": {"itemInfo": {"itemStruct": item}, "statusCode": 0}}
    state = {"AppContext": {"appContext": {"user": None}}, "SharingVideoModule": shared}
    return _script("SIGI_STATE", state)


def _api_data(post: Post, requested_handle: str) -> str:
    item = _item(post, author=_author(post))
    detail = {"statusCode": 0, "statusMessage": "", "itemInfo": {"itemStruct": item}}
    comment = {"aweme_id": post.id, "text": "a comment", "user": {"unique_id": "somebody.else"}}
    data = {
        "videoDetail": {**detail, "shareMeta": _share(post)},
        "commentList": {"comments": [comment], "status_code": 0},
    }
    # Today's data stands on the page as well, without the post.
    return (
        _universal({})
        + f'<script id="api-data" type="application/json">\n  {_json(data)}\n</script>'
    )


def _next_item(post: Post, requested_handle: str) -> str:
    item = {**_item(post, author=_author(post)), "createTime": post.created_at}
    props = {"statusCode": 0, "itemInfo": {"itemStruct": item}, "shareMeta": _share(post)}
    return _next_data(props)


def _next_video(post: Post, requested_handle: str) -> str:
    og_title = html.escape(f"{post.nickname} on TikTok")
    meta = f'<meta property="og:title" content="{og_title}"/>'
    return meta + _json_ld(post) + _next_data({"statusCode": 0, "videoData": _video_data(post)})


def _video_data(post: Post) -> dict[str, Any]:
    likes, shares, comments, plays, _ = post.stats
    infos = {
        "id": post.id,
        "video": {"videoMeta": {"ratio": 29, "duration": post.duration_s}},
        "covers": [post.thumbnail],
        "text": post.caption,
        "createTime": str(post.created_at),
        "diggCount": likes,
        "shareCount": shares,
        "commentCount": comments,
        "playCount": plays,
    }
    return {
        "itemInfos": infos,
        "authorInfos": {"uniqueId": post.handle, "nickName": post.nickname},
        "musicInfos": {"musicName": "a sound", "duration": post.music_seconds},
    }


def _next_data(props: dict[str, Any]) -> str:
    return _script("__NEXT_DATA__", {"props": {"pageProps": props}, "page": "/video"})


def _json_ld(post: Post) -> str:
    video = {
        "@context": "http://schema.org/",
        "@type": "VideoObject",
        "name": f"{post.nickname} on TikTok",
        "duration": f"PT{post.duration_s}S",
        "creator": {"name": post.nickname, "alternateName": post.handle},
    }
    return _script("videoObject", video, 'type="application/ld+json"')


_RENDERERS: dict[str, Render] = {
    "universal": _desktop,
    "reflow": _reflow,
    "sigi": _sigi,
    "api_data": _api_data,
    "sigi_persisted": _sigi_persisted,
    "sigi_sharing": _sigi_sharing,
    "next_item": _next_item,
    "next_video": _next_video,
}


def _item(post: Post, author: Any) -> dict[str, Any]:
    stats: dict[str, Any] = dict(zip(_STAT_NAMES, post.stats, strict=True))
    item = {
        "id": post.id,
        "desc": post.caption,
        "createTime": str(post.created_at),
        "music": {"id": "1", "title": "a sound", "duration": post.music_seconds},
        "video": _video(post),
        "author": author,
        "stats": {**stats, "collectCount": str(stats["collectCount"])},
    }
    if post.image_count:
        item["imagePost"] = _images(post)
    if post.age_gated:
        gated = {name: value for name, value in item.items() if name not in {"author", "video"}}
        return {**gated, "isContentClassified": True}
    return item


def _video(post: Post) -> dict[str, Any]:
    # The id is empty, as on real pages of 2024.
    cover = post.thumbnail + "?x-expires=1893456000&x-signature=invented"
    return {"id": "", "duration": post.duration_s, "cover": cover, "originCover": cover}


def _author(post: Post) -> dict[str, Any]:
    return {"id": "6900000000000000001", "uniqueId": post.handle, "nickname": post.nickname}


def _images(post: Post) -> dict[str, Any]:
    urls = [f"{post.thumbnail}?place={place}" for place in range(post.image_count)]
    return {"images": [{"imageURL": {"urlList": [url]}} for url in urls], "title": post.image_title}


def _share(post: Post) -> dict[str, Any]:
    return {"title": f"{post.nickname} on TikTok", "desc": "1.2K likes, 45 comments."}


def _other_item() -> dict[str, Any]:
    return {
        "id": _OTHER_ID,
        "desc": "another post altogether",
        "video": {"id": _OTHER_ID, "duration": 7},
        "author": "somebody.else",
        "nickname": "Somebody Else",
        "stats": dict.fromkeys(_STAT_NAMES, 5),
    }
