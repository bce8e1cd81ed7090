"""Calls to TikTok, at addresses that are built here from an id of digits or from the code of a short link.

The limits are those of `platform.outgoing`: the given seconds cover the whole exchange, bodies have at
most 4 MB (a page) or 64 KB (oEmbed) once decompressed, and no redirect is followed. TikTok's own hosts
are called over TLS only, and only at public addresses.
"""

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from engine.metadata.facts import Trouble
from engine.metadata.links import ShortLink
from engine.platform.outgoing import Client, Limits, NotSent, Request, Response, Unknown
from engine.platform.public_addresses import is_public

REAL = "https://www.tiktok.com"
PAGE_LIMIT = 4 * 1024 * 1024
OEMBED_LIMIT = 64 * 1024
_TYPES = frozenset({"", "text/html", "application/xhtml+xml", "application/json", "text/plain"})


class Browser(StrEnum):
    """The `User-Agent` that is sent. Crawlers' names get a decoy in place of the page."""

    DESKTOP = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
        "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
    )
    PHONE = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
        "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
    )


class Lost(Exception):
    """There is no usable answer: `trouble` is `FAILED` or `SLOW`."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of TikTok: a body where the status is 200, a `location` where it redirects."""

    status: int
    body: bytes
    location: str | None


class Tiktok:
    """TikTok at `base`: the real one, or one origin that stands for all of its hosts."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._client = Client(allows=is_public, is_tls_only=True) if base == REAL else Client()

    def oembed(self, post_id: str, timeout_s: float) -> Reply:
        """The documented answer about a post. Raises `Lost`."""
        address = quote(f"{REAL}/@_/video/{post_id}", safe="")
        limits = Limits(timeout_s, OEMBED_LIMIT)
        return self._get(f"{self._base}/oembed?url={address}", Browser.DESKTOP, limits)

    def page(self, post_id: str, browser: Browser, timeout_s: float) -> Reply:
        """A post's page; photo posts are served there too. Raises `Lost`."""
        limits = Limits(timeout_s, PAGE_LIMIT)
        return self._get(f"{self._base}/@_/video/{post_id}", browser, limits)

    def embed(self, post_id: str, timeout_s: float) -> Reply:
        """The page that other sites show in a frame. Raises `Lost`."""
        limits = Limits(timeout_s, PAGE_LIMIT)
        return self._get(f"{self._base}/embed/v2/{post_id}", Browser.DESKTOP, limits)

    def short_link(self, link: ShortLink, timeout_s: float) -> Reply:
        """Where a short link leads; no body is read. Raises `Lost`."""
        url = link.url if self._base == REAL else f"{self._base}/t/{link.code}"
        return self._get(url, Browser.DESKTOP, Limits(timeout_s, 0))

    def _get(self, url: str, browser: Browser, limits: Limits) -> Reply:
        headers = {"User-Agent": browser.value, "Accept-Language": "en-US,en;q=0.9"}
        try:
            with self._client.open(Request("GET", url, headers), limits) as response:
                is_read = response.status == 200 and limits.size > 0
                body = _read(response) if is_read else b""
                return Reply(response.status, body, _location(response))
        except (NotSent, Unknown) as lost:
            is_slow = lost.kind == "timeout"
            raise Lost(Trouble.SLOW if is_slow else Trouble.FAILED) from lost


def _read(response: Response) -> bytes:
    media_type = (response.header("Content-Type") or "").partition(";")[0].strip().lower()
    if media_type not in _TYPES:
        raise Lost(Trouble.FAILED)
    return response.read()


def _location(response: Response) -> str | None:
    """Where a redirect leads. Handles outside ASCII come as raw UTF-8 bytes."""
    location = response.header("Location") if response.is_redirect else None
    return location and location.encode("latin-1").decode("utf-8", "replace")
