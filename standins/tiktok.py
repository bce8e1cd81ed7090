"""Stand-in for TikTok: oEmbed, pages of posts, short links, on one address for all its hosts.

Behaviour: docs/tiktok.md. Names of the routes for faults and counts: ``oembed``, ``page``
(addresses of a post), ``embed`` (``/embed/v2/{id}``), ``short`` (``/t/{code}`` and ``/{code}``),
``elsewhere`` (home, login, link/v2, profiles: nothing that a resolver should fetch).

Its control API beside that of ``control``:

- ``GET /_control/posts``: every post with the expected answer of a resolver
- ``POST /_control/posts``: ``[{"id": "...", "caption"?, ...}]`` adds or replaces posts
- ``GET /_control/links``: ``{code: Location}`` of every short link
- ``POST /_control/links``: ``{code: Location}`` adds or replaces short links

Fault kinds beside those of ``faults``: ``page`` (``as`` one of ``PAGES`` or of the
generations, or ``file`` of the saved answers; ``code`` and ``message`` with ``as:
status``; ``browser`` where only a ``desktop`` or a ``phone`` gets it) on the route
``page``, and ``oembed`` (``as`` one of ``OEMBEDS``, or ``file``) on the route ``oembed``.
"""

import json
import re
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from aiohttp import web

from . import tiktok_pages
from .clock import Clock
from .control import PREFIX, Desk, own_action
from .faults import Action, Kind, Options
from .tiktok_links import HOME, NO_LOCATION, links
from .tiktok_posts import GENERATIONS, POSTS, Post, post_of
from .tiktok_saved import SavedAnswers

PAGES = frozenset(
    {
        "waf",
        "captcha",
        "verify",
        "shell",
        "decoy",
        "no_detail",
        "status",
        "age_gate",
        "login",
        "region",
    }
)
OEMBEDS = frozenset({"error", "status_msg", "status_code", "profile", "shape_2020"})

_PAGE_OPTIONS: Options = {
    "as": PAGES | frozenset(GENERATIONS),
    "file": None,
    "code": None,
    "message": None,
    "browser": frozenset({"desktop", "phone"}),
}
_OWN_KINDS = {
    "page": Kind(_PAGE_OPTIONS, frozenset({"page"})),
    "oembed": Kind({"as": OEMBEDS, "file": None}, frozenset({"oembed"})),
}
_POST_PATHS = (
    "/@{handle}/video/{id}",
    "/@/video/{id}",
    "/video/{id}",
    "/v/{id}.html",
    "/v/{id}",
    "/share/video/{id}",
    "/i18n/share/video/{id}",
)
# Paths that look like the code of a short link but are not.
_WORDS = ("/login", "/foryou", "/trending", "/explore")
_ID_IN_URL = re.compile(r"/(?:video|photo|v)/(\d{8,21})(?:\.html)?/?(?:[?#]|$)")
_PROFILE_URL = re.compile(r"^https://www\.tiktok\.com/@([\w.\-]+)/?$", re.ASCII)
_CRAWLERS = re.compile(r"facebookexternalhit|discordbot|twitterbot", re.IGNORECASE)
_NOT_FOUND = (10204, "item doesn't exist")
_WENT_WRONG = "Something went wrong"


def create_app(
    fixtures: Path | None = None,
    *,
    filler_kb: int = 300,
    clock: Clock | None = None,
) -> web.Application:
    """The stand-in with its invented posts and the saved answers in ``fixtures``.

    ``filler_kb`` is the size of the filler before the data of each invented page. Raises
    OSError or ValueError for a folder without a readable manifest.
    """
    desk = Desk(_error_body, clock, own_kinds=_OWN_KINDS)
    saved = SavedAnswers(fixtures) if fixtures else None
    routes = _Routes(saved, filler_kb)
    app = desk.application()
    # aiohttp does not add HEAD by itself; a link can be resolved with either method.
    for method in ("GET", "HEAD"):
        desk.add(app, method, ["/oembed"], routes.oembed, "oembed")
        desk.add(app, method, _with_slash(_POST_PATHS), routes.post_page, "page")
        desk.add(app, method, _with_slash(["/@{handle}/photo/{id}"]), routes.photo_page, "page")
        desk.add(app, method, _with_slash(_WORDS), routes.elsewhere, "elsewhere")
        desk.add(app, method, _with_slash(["/embed/v2/{id}"]), routes.embed_page, "embed")
        desk.add(app, method, _with_slash(["/t/{code}"]), routes.short_link, "short")
        desk.add(
            app, method, _with_slash(["/{code:[A-Za-z0-9_-]{5,100}}"]), routes.short_link, "short"
        )
        desk.add(app, method, ["/{rest:(?!_control/).*}"], routes.elsewhere, "elsewhere")
    app.router.add_get(PREFIX + "posts", routes.list_posts)
    app.router.add_post(PREFIX + "posts", routes.add_posts)
    app.router.add_get(PREFIX + "links", routes.list_links)
    app.router.add_post(PREFIX + "links", routes.add_links)
    return app


def _with_slash(paths: Iterable[str]) -> list[str]:
    return [form for path in paths for form in (path, path + "/")]


class _Routes:
    """The routes of TikTok."""

    def __init__(self, saved: SavedAnswers | None, filler_kb: int) -> None:
        self._saved = saved
        self._filler_kb = filler_kb
        self._posts = {post.id: post for post in POSTS}
        self._more_links: dict[str, str] = {}

    async def oembed(self, request: web.Request) -> web.Response:
        """The documented endpoint; the same 400 for every post that is not shown."""
        action = own_action(request, "oembed")
        url = request.query.get("url", "")
        if action and action.get("file"):
            return self._saved_file(action, "application/json")
        if action:
            return _odd_oembed(str(action.get("as", "error")), self._post_in(url) or POSTS[0])
        profile = _PROFILE_URL.match(url)
        if profile:
            return web.json_response(_profile_json(profile.group(1)))
        found = _ID_IN_URL.search(url)
        kept = self._saved.oembed(found.group(1)) if self._saved and found else None
        if kept is not None:
            return web.Response(body=kept, content_type="application/json")
        post = self._post_in(url)
        if post is None or not post.oembed:
            return web.json_response(_error_body("oembed", 400), status=400)
        return _json_response(oembed_json(post))

    async def post_page(self, request: web.Request) -> web.Response:
        """The page of a post in its generation; `reflow` for a phone that requests a current one."""
        post_id = request.match_info["id"]
        action = own_action(request, "page")
        post = self._posts.get(post_id)
        if action and action.get("browser") in (None, _browser(request)):
            return self._odd_page(request, action, post or POSTS[0])
        if _CRAWLERS.search(request.headers.get("User-Agent", "")):
            return _page(tiktok_pages.decoy(post or POSTS[0]))
        kept = self._saved.page(post_id) if self._saved else None
        if kept is not None:
            return web.Response(body=kept, content_type="text/html", charset="utf-8")
        if post is None or post.status_code:
            code, message = (post.status_code, post.status_msg) if post else _NOT_FOUND
            return _page(self._status_page(request, code, message))
        return _page(self._page(request, post, _generation_for(request, post)))

    async def photo_page(self, request: web.Request) -> web.Response:
        """The page of a photo address has data without the post, even for a photo post."""
        if own_action(request, "page"):
            return await self.post_page(request)
        return _page(tiktok_pages.page_without_detail(self._filler_kb))

    async def embed_page(self, request: web.Request) -> web.Response:
        """The page for frames of other sites; it has data for the posts that are ``embedded`` only."""
        post = self._posts.get(request.match_info["id"])
        shown = post if post and post.embedded else None
        return _page(tiktok_pages.embed_page(shown, self._filler_kb))

    async def short_link(self, request: web.Request) -> web.Response:
        """A redirect to the target of the code, or to the home page for an unknown code."""
        location = self._links().get(request.match_info["code"], HOME)
        if location == NO_LOCATION or "Discordbot" in request.headers.get("User-Agent", ""):
            return _page(tiktok_pages.page_without_detail(0))
        return _redirect(location)

    async def elsewhere(self, request: web.Request) -> web.Response:
        """Any other path: 200 without a post."""
        return _page(tiktok_pages.page_without_detail(self._filler_kb))

    async def list_posts(self, request: web.Request) -> web.Response:
        """``[{id, title, handle, duration, ...}]``: the expected answers of a resolver."""
        return web.json_response([post.expected() for post in self._posts.values()])

    async def add_posts(self, request: web.Request) -> web.Response:
        """The posts added."""
        added = [post_of(members) for members in await request.json()]
        self._posts.update({post.id: post for post in added})
        return web.json_response([post.expected() for post in added])

    async def list_links(self, request: web.Request) -> web.Response:
        """``{code: Location}``, empty where the link has no Location."""
        return web.json_response(self._links())

    async def add_links(self, request: web.Request) -> web.Response:
        """All links, with those added."""
        self._more_links.update(await request.json())
        return web.json_response(self._links())

    def _links(self) -> dict[str, str]:
        return {**links(self._posts.values()), **self._more_links}

    def _post_in(self, url: str) -> Post | None:
        found = _ID_IN_URL.search(url)
        return self._posts.get(found.group(1)) if found else None

    def _odd_page(self, request: web.Request, action: Action, post: Post) -> web.Response:
        if action.get("file"):
            return self._saved_file(action, "text/html")
        wanted = str(action.get("as", "waf"))
        if wanted in GENERATIONS:
            return _page(self._page(request, post, wanted))
        if wanted == "status":
            code, message = int(action.get("code", 10204)), str(action.get("message", ""))
            return _page(self._status_page(request, code, message))
        if wanted == "age_gate":
            return _page(tiktok_pages.age_gate(request.match_info["id"], self._filler_kb))
        if wanted == "no_detail":
            return _page(tiktok_pages.page_without_detail(self._filler_kb))
        return _odd_page(wanted, post)

    def _saved_file(self, action: Action, content_type: str) -> web.Response:
        body = self._saved.file(str(action.get("file"))) if self._saved else None
        return web.Response(body=body or b"", content_type=content_type, charset="utf-8")

    def _page(self, request: web.Request, post: Post, generation: str) -> str:
        handle = request.match_info.get("handle", "")
        return tiktok_pages.page(post, generation, handle, self._filler_kb)

    def _status_page(self, request: web.Request, code: int, message: str) -> str:
        mobile = _browser(request) == "phone"
        return tiktok_pages.status_page(code, message, mobile=mobile, filler_kb=self._filler_kb)


def oembed_json(post: Post) -> dict[str, Any]:
    """The oEmbed answer of 2024 and later; it has no duration, statistics or date."""
    return {
        **_oembed_2020(post),
        "author_unique_id": post.handle,
        "embed_product_id": post.id,
        "embed_type": "video",
    }


def _oembed_2020(post: Post) -> dict[str, Any]:
    cite = f"https://www.tiktok.com/@{post.handle}/video/{post.id}"
    block = f'<blockquote class="tiktok-embed" cite="{cite}" data-video-id="{post.id}">'
    return {
        "version": "1.0",
        "type": "video",
        "title": post.caption,
        "author_url": f"https://www.tiktok.com/@{post.handle}",
        "author_name": post.nickname,
        "width": "100%",
        "height": "100%",
        "html": block
        + '</blockquote> <script async src="https://www.tiktok.com/embed.js"></script>',
        "thumbnail_width": 576,
        "thumbnail_height": 1024,
        "thumbnail_url": post.thumbnail + "?x-expires=1893456000&x-signature=invented",
        "provider_url": "https://www.tiktok.com",
        "provider_name": "TikTok",
    }


def _profile_json(handle: str) -> dict[str, Any]:
    return {
        "version": "1.0",
        "type": "rich",
        "title": f"{handle}'s Creator Profile",
        "author_url": f"https://www.tiktok.com/@{handle}",
        "author_name": handle,
        "author_unique_id": handle,
        "embed_type": "profile",
        "provider_name": "TikTok",
    }


def _odd_oembed(wanted: str, post: Post) -> web.Response:
    # The two older refusals have status 200.
    bodies: dict[str, Any] = {
        "error": _error_body("oembed", 400),
        "status_msg": {"status_msg": _WENT_WRONG},
        "status_code": {"status_code": 10101, "status_msg": _WENT_WRONG},
        "profile": _profile_json(post.handle),
        "shape_2020": _oembed_2020(post),
    }
    return _json_response(bodies[wanted], 400 if wanted == "error" else 200)


def _odd_page(wanted: str, post: Post) -> web.Response:
    redirects = {
        "login": f"https://www.tiktok.com/login?redirect_url={quote(post.url, safe='')}",
        "region": "https://www.tiktok.com/hk/notfound",
    }
    if wanted in redirects:
        return _redirect(redirects[wanted])
    texts = {
        "waf": tiktok_pages.WAF,
        "captcha": tiktok_pages.CAPTCHA,
        "verify": tiktok_pages.VERIFY,
        "shell": tiktok_pages.downgraded_shell(),
        "decoy": tiktok_pages.decoy(post),
    }
    return _page(texts[wanted])


def _generation_for(request: web.Request, post: Post) -> str:
    is_phone = _browser(request) == "phone"
    return "reflow" if post.generation == "universal" and is_phone else post.generation


def _browser(request: web.Request) -> str:
    return "phone" if "iPhone" in request.headers.get("User-Agent", "") else "desktop"


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html", charset="utf-8")


def _redirect(location: str) -> web.Response:
    link = f'<a href="{escape(location)}">Found</a>'
    headers = {"Location": location, "Content-Type": "text/html; charset=utf-8"}
    return web.Response(status=302, body=link.encode(), headers=headers)


def _json_response(body: Any, status: int = 200) -> web.Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(text=text, status=status, content_type="application/json")


def _error_body(route: str, status: int) -> Any:
    return {"message": _WENT_WRONG, "code": status}
