"""TikTok addresses: matched whole by exact host and path, then rebuilt from the id alone.

Nothing of what a user sent goes on; the transcription service puts the address into a shell command.
Forms: the table of docs/tiktok-urls.md.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from engine.errors import InvalidUrl

MAX_LENGTH = 2048
HOSTS = frozenset(
    {
        "tiktok.com",
        "www.tiktok.com",
        "m.tiktok.com",
        "lite.tiktok.com",
        "www.tiktokv.com",
        "tiktokv.com",
    }
)
SHORT_HOSTS = frozenset({"vm.tiktok.com", "vt.tiktok.com"})
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\U0010ffff\\]")
_POST = re.compile(
    r"(?:/[a-z]{2}(?:-[A-Za-z]{2,4})?)?"
    r"/(?:(?:@|%40)(?P<handle>[\w.\-]{0,100})/(?:video|photo)"
    r"|share/video|i18n/share/video|video|v|embed(?:/v[23])?|player/v1)"
    r"/(?P<id>\d{8,21})(?:\.html)?/?",
    re.ASCII,
)
_SHORT_CODE = re.compile(r"/([A-Za-z0-9]{5,21})/?", re.ASCII)
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
    if len(url) > MAX_LENGTH or _FORBIDDEN.search(url.strip(" ")):
        raise InvalidUrl()
    host, path = _host_and_path(url.strip(" "))
    if host in SHORT_HOSTS and (match := _SHORT_CODE.fullmatch(path)):
        return ShortLink(match[1], f"https://{host}/{match[1]}/")
    if host in HOSTS:
        if match := _SHORT_PATH.fullmatch(path):
            return ShortLink(match[1], f"https://vm.tiktok.com/{match[1]}/")
        if match := _POST.fullmatch(path):
            return _post(match)
    raise InvalidUrl()


def _host_and_path(url: str) -> tuple[str, str]:
    """The exact host and the path; no userinfo and no port but the scheme's own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise InvalidUrl() from None
    ports = {"https": 443, "http": 80}
    if parts.scheme not in ports or "@" in parts.netloc or port not in (None, ports[parts.scheme]):
        raise InvalidUrl()
    return (parts.hostname or "").removesuffix("."), parts.path


def _post(match: re.Match[str]) -> Post:
    return Post(
        match["id"], f"https://www.tiktok.com/@{match['handle'] or '_'}/video/{match['id']}"
    )
