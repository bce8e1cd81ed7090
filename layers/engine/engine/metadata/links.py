"""TikTok addresses: matched whole by exact host and path, then rebuilt from the id alone.

Nothing of what a user sent goes on; the transcription service puts the address into a shell command.
Forms: the table in docs/tiktok.md.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, urlsplit

from engine.platform.errors import InvalidUrl

MAX_LENGTH = 2048
HOSTS = frozenset(
    {
        "tiktok.com",
        "www.tiktok.com",
        "m.tiktok.com",
        "lite.tiktok.com",
        "pro.tiktok.com",
        "www.tiktokv.com",
        "tiktokv.com",
    }
)
SHORT_HOSTS = frozenset({"vm.tiktok.com", "vt.tiktok.com", "t.tiktok.com", "pro.tiktok.com"})
"""`vm` knows the codes of all but `vt`, so that no other host is ever asked about a code."""

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_LOCALE = r"(?:/[a-z]{2}(?:-[A-Za-z]{2,4})?)?"
_POST = re.compile(
    rf"{_LOCALE}"
    r"/(?:(?:@|%40)(?P<handle>[\w.\-]{0,100})/(?:video|photo)"
    r"|share/video|i18n/share/video|video|v|embed(?:/v[23])?|player/v1)"
    r"/(?P<id>\d{8,21})(?:\.html)?/?",
    re.ASCII,
)
_FEED = re.compile(rf"{_LOCALE}(?:/?|/(?:foryou|trending)/?)", re.ASCII)
_FEED_MEMBERS = frozenset({"item_id", "shareId"})
_ID = re.compile(r"\d{8,21}", re.ASCII)
_SHORT_CODE = re.compile(
    r"/(?!(?:login|signup|foryou|trending|explore|discover)/?\Z)([A-Za-z0-9]{5,21})/?", re.ASCII
)
_SHORT_PATH = re.compile(r"/t/([A-Za-z0-9]{5,21})/?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Post:
    """A post with a known id; `url` is safe to hand on: it is made of matched parts only.

    A photo post is served under `/video/` too, and that is the form that everybody accepts.
    """

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class ShortLink:
    """A share code that only TikTok can turn into a post; `url` is made of matched parts only."""

    code: str
    url: str


def parse(url: str) -> Post | ShortLink:
    """What `url` addresses. Raises `InvalidUrl`."""
    url = url.strip(" ")
    if len(url) > MAX_LENGTH or _FORBIDDEN.search(url):
        raise InvalidUrl()
    parts = _split(url)
    host = (parts.hostname or "").removesuffix(".")
    found = None
    if host in HOSTS:
        found = _path_code(parts.path) or _path_post(parts.path) or _feed_post(parts)
    if found is None and host in SHORT_HOSTS:
        found = _host_code(host, parts.path)
    if found is None:
        raise InvalidUrl()
    return found


def _split(url: str) -> SplitResult:
    """The parts of an address without userinfo and with no port but the scheme's own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidUrl() from None
    ports = {"https": 443, "http": 80}
    # The Kelvin sign and others become plain letters when a host is written small.
    is_plain = parts.netloc.isascii() and "@" not in parts.netloc
    if parts.scheme not in ports or not is_plain or port not in (None, ports[parts.scheme]):
        raise InvalidUrl()
    return parts


def _path_post(path: str) -> Post | None:
    match = _POST.fullmatch(path)
    return _post(match["id"], match["handle"]) if match else None


def _feed_post(parts: SplitResult) -> Post | None:
    """The one post that a feed's address names in its query; nothing else of any query is read."""
    if not _FEED.fullmatch(parts.path):
        return None
    named = {value for name, value in parse_qsl(parts.query) if name in _FEED_MEMBERS}
    post_id = named.pop() if len(named) == 1 else ""
    return _post(post_id, None) if _ID.fullmatch(post_id) else None


def _post(post_id: str, handle: str | None) -> Post:
    return Post(post_id, f"https://www.tiktok.com/@{handle or '_'}/video/{post_id}")


def _path_code(path: str) -> ShortLink | None:
    match = _SHORT_PATH.fullmatch(path)
    return _short_link("vm.tiktok.com", match[1]) if match else None


def _host_code(host: str, path: str) -> ShortLink | None:
    match = _SHORT_CODE.fullmatch(path)
    asked = host if host == "vt.tiktok.com" else "vm.tiktok.com"
    return _short_link(asked, match[1]) if match else None


def _short_link(host: str, code: str) -> ShortLink:
    return ShortLink(code, f"https://{host}/{code}/")
