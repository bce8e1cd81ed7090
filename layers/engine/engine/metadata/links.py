"""TikTok links: found in what people paste, matched by exact host and path, rebuilt from their parts.

Nothing of the text goes on but an id, an ASCII handle and a code: the transcription service puts the
address into a shell command. Whatever in the text looks like an address must be one of TikTok's,
otherwise all of it is refused. Forms, their sources and what is refused: docs/tiktok.md.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote_to_bytes, urlsplit

from engine.platform.errors import InvalidUrl, SeveralLinks

TEXT_LIMIT = 4096
MAX_LENGTH = 2048
"""Of one address."""

HANDLE_LIMIT = 100
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

OTHER_HOSTS = frozenset({"shop.tiktok.com"})
"""TikTok's own, without posts."""

_REGION = re.compile(r"[a-z]{2}\.tiktok\.com")
"""`us.`, `uk.`: TikTok's own names for a country. Posts are read from their paths; nothing is asked there."""

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters but for tabs and line feeds, which part words. A carriage return inside is one."""

_OPTION = re.compile(r"(?:^|\s)--\w")
"""An option of a command, which no share sheet writes."""

_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2068\u2069\ufeff"
)
"""What keyboards and chats leave at the ends of a link. Overrides of direction are not among it."""

_WIDE_STOP = re.compile(
    r"(?<![:/])(/(?!/)[!-~]*)[\u2026\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f]"
)
"""A wide stop behind a path, where text goes on without a space. In a host it is a lookalike of a dot."""

_LABELLED = re.compile(r"<([^<>|\s]+)\|[^<>]*>")
"""A link with its label, as Slack writes it."""

_WRAPPERS = re.compile(
    r'[<>"()\[\]{}\u00ab\u00bb\u2018-\u201f\u2039\u203a\u3008-\u3011\u3014-\u301b\uff08\uff09]+'
)
"""Brackets and quotation marks, which no link of TikTok's holds."""

_EMPHASIS = "*_~|'`"
"""Markup that stands on both sides of what it marks."""

_STOPS = ".,!?;:" + _EMPHASIS
_DOTS = ".\u3002\uff0e\uff61"
"""What parts the labels of a host, in the eyes of one reader or another."""

_SCHEME = re.compile(r"https?(?=:/|//)", re.IGNORECASE)
_START = re.compile(r"(?:(?P<scheme>https?)(?::/+|//+)|//|)(?=[a-z0-9])", re.IGNORECASE)
_ADDRESS = re.compile(
    r"[a-z][a-z0-9+.\-]*:[/\\]|https?:|[/\\]{2}|[^\s/\\]*\.[^\W\d_]{2,}\.?(?::\d+)?[/\\]",
    re.IGNORECASE,
)
"""How any address starts: a scheme, two slashes, or a name with a dot before its path."""

_PARENT = re.compile(r"/\.\.(?:/|\Z)")
_QUERY_WITH_AND = re.compile(r"&(?:amp;)?[A-Za-z_]\w*=", re.ASCII)
_LOCALE = r"(?:/[a-z]{2}(?:-[A-Za-z]{2,4})?)?"
LEAST_ID = 8
"""Digits of the id of a post."""

_POST = re.compile(
    rf"{_LOCALE}"
    r"/(?:(?:@|%40)(?P<handle>[^/]{0,1200})/(?:video|photo)"
    r"|(?:i18n/)?share/(?:video|photo)|video|v|embed(?:/v[23])?|player/v1)"
    r"/(?P<id>[0-9]{8,21})(?:\.html)?/?"
)
_FEED = re.compile(rf"{_LOCALE}(?:/?|/(?:foryou|trending)/?)")
_FEED_MEMBERS = frozenset({"item_id", "shareId"})
_LOGIN = re.compile(rf"{_LOCALE}/login(?:/[a-z-]+)*/?")
_ID = re.compile(r"[0-9]{8,21}")
_CODE = r"[A-Za-z0-9][A-Za-z0-9_-]{4,99}"
_SHORT_CODE = re.compile(
    rf"/(?!(?:login|signup|foryou|trending|explore|discover|oembed|embed|share|video|photo|music)/?\Z)({_CODE})/?"
)
_SHORT_PATH = re.compile(rf"/t/({_CODE})/?")


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


def parse(text: str) -> Post | ShortLink:
    """The one link of TikTok's in `text`: an address in any dress, or the text of a share sheet around it.

    Raises `InvalidUrl`, `SeveralLinks`.
    """
    text = text.strip(" \t\r\n" + _INVISIBLE)
    if len(text) > TEXT_LIMIT or _FORBIDDEN.search(text) or _OPTION.search(text):
        raise InvalidUrl()
    found: dict[str, Post | ShortLink] = {}
    for address in _addresses(text):
        target = parse_address(address, is_lenient=True)
        if target is not None:
            found.setdefault(target.id if isinstance(target, Post) else target.code, target)
    if not found:
        raise InvalidUrl()
    if len(found) > 1:
        raise SeveralLinks()
    return next(iter(found.values()))


def parse_address(
    address: str, *, is_lenient: bool = False, is_nested: bool = False
) -> Post | ShortLink | None:
    """What an address of TikTok's names; None where it is one of TikTok's pages that is no post.

    A lenient one may lack parts of its scheme. Raises `InvalidUrl` for what is not TikTok's, or is no
    plain address.
    """
    parts = _split(address, is_lenient=is_lenient)
    host, path = (parts.hostname or "").removesuffix("."), re.sub("/{2,}", "/", parts.path)
    is_region = _REGION.fullmatch(host) is not None
    if host in OTHER_HOSTS:
        return None
    if host not in HOSTS | SHORT_HOSTS and not is_region:
        raise InvalidUrl()
    found = _path_code(path) or _path_post(path)
    if found is None and host in SHORT_HOSTS:
        found = _host_code(host, path)
    if found is None and host in HOSTS:
        found = _feed_post(path, parts.query)
        if found is None and is_login(path):
            return _behind_login(parts.query, is_nested=is_nested)
    return found


def is_handle(text: str) -> bool:
    """Whether `text` can be a handle: letters, marks and digits of any script, `_`, `.`, `-`."""
    return 0 < len(text) <= HANDLE_LIMIT and all(
        character in "_.-" or unicodedata.category(character)[0] in "LMN" for character in text
    )


def is_login(path: str) -> bool:
    """Whether `path` is that of a log-in page."""
    return _LOGIN.fullmatch(path) is not None


def _addresses(text: str) -> Iterator[str]:
    """Everything in `text` that starts as an address does, without what surrounds it.

    A lookalike comes out too, so that the text is refused.
    """
    for word in _WIDE_STOP.sub(r"\1 ", _LABELLED.sub(r" \1 ", text)).split():
        for piece in _WRAPPERS.split(word):
            address = _unwrapped(piece)
            if _ADDRESS.match(address) or _looks_alike(address):
                yield address


def _looks_alike(piece: str) -> bool:
    """Whether it names TikTok as an address would, in whatever letters and with whatever in front."""
    plain = unicodedata.normalize("NFKC", piece).casefold()
    return "tiktok" in plain and bool(
        re.search(r"[/\\]", plain) and re.search(r"[.@\u3002]", plain)
    )


def _unwrapped(piece: str) -> str:
    """The address in a piece of a word, without emphasis, punctuation and symbols around it."""
    start = _start_of_address(piece)
    before, address = piece[:start], piece[start:]
    if _PARENT.search(address):
        return address
    end = len(address)
    # A code may end with a low line: that is markup only where one stands before the link as well.
    while end and _surrounds(address[end - 1]) and (address[end - 1] != "_" or "_" in before):
        end -= 1
    return address[:end]


def _start_of_address(piece: str) -> int:
    """Where its scheme is, unless that belongs to a longer address; else behind markup and symbols."""
    scheme = _SCHEME.search(piece)
    before = piece[: scheme.start()] if scheme else ""
    # An address around it, or the end of a longer scheme.
    if before and not re.search(r"[./\\@%?#&]|[A-Za-z0-9+\-]:?\Z", before):
        return len(before)
    return next((n for n, one in enumerate(piece) if one in _DOTS or not _surrounds(one)), 0)


def _surrounds(character: str) -> bool:
    """Whether it is none of a link's: a stop, markup, a symbol as an emoji is, or invisible."""
    if character.isascii():
        return character in _STOPS
    return character in _INVISIBLE + "\ufe0f" or unicodedata.category(character)[0] in "PS"


def _split(address: str, *, is_lenient: bool) -> SplitResult:
    """The parts of an address without userinfo and with no port but the scheme's own. Raises `InvalidUrl`."""
    start = _START.match(address)
    if start is None or len(address) > MAX_LENGTH or re.search(r"[\x00-\x20\x7f-\x9f\\]", address):
        raise InvalidUrl()
    if not is_lenient and not re.match(r"https?://", address, re.IGNORECASE):
        raise InvalidUrl()
    scheme, rest = (start["scheme"] or "https").lower(), address[start.end() :]
    joined = _QUERY_WITH_AND.search(rest)
    if joined and not re.search("[?#]", rest[: joined.start()]):
        rest = f"{rest[: joined.start()]}?{rest[joined.start() + 1 :]}"
    try:
        parts = urlsplit(f"{scheme}://{rest}")
        port = parts.port
    except ValueError:
        raise InvalidUrl() from None
    # The Kelvin sign and others become plain letters when a host is written small.
    is_plain = parts.netloc.isascii() and "@" not in parts.netloc
    if not is_plain or port not in (None, {"https": 443, "http": 80}[scheme]):
        raise InvalidUrl()
    return parts


def _path_post(path: str) -> Post | None:
    match = _POST.fullmatch(path)
    handle = _decoded(match["handle"] or "") if match else None
    return _post(match["id"], handle) if match and handle is not None else None


def _decoded(handle: str) -> str | None:
    """A handle, percent-encoded or not; empty where the address names none, None where it is none."""
    try:
        text = unquote_to_bytes(handle).decode("utf-8") if "%" in handle else handle
    except UnicodeDecodeError:
        return None
    return text if not text or is_handle(text) else None


def _feed_post(path: str, query: str) -> Post | None:
    """The one post that a feed's address names in its query."""
    if not _FEED.fullmatch(path):
        return None
    named = {value for name, value in parse_qsl(query) if name in _FEED_MEMBERS}
    post_id = named.pop() if len(named) == 1 else ""
    return _post(post_id, "") if _ID.fullmatch(post_id) else None


def _behind_login(query: str, *, is_nested: bool) -> Post | ShortLink | None:
    """What a log-in page goes on to. Raises `InvalidUrl` where that is not TikTok's, or another log-in
    page.
    """
    named = {value for name, value in parse_qsl(query) if name == "redirect_url"}
    if not named and not is_nested:
        return None
    if len(named) != 1 or is_nested:
        raise InvalidUrl()
    return parse_address(named.pop(), is_nested=True)


def _post(post_id: str, handle: str) -> Post:
    shown = handle if handle.isascii() and handle else "_"
    return Post(post_id, f"https://www.tiktok.com/@{shown}/video/{post_id}")


def _path_code(path: str) -> ShortLink | None:
    match = _SHORT_PATH.fullmatch(path)
    return _short_link("vm.tiktok.com", match[1]) if match else None


def _host_code(host: str, path: str) -> ShortLink | None:
    match = _SHORT_CODE.fullmatch(path)
    asked = host if host == "vt.tiktok.com" else "vm.tiktok.com"
    return _short_link(asked, match[1]) if match else None


def _short_link(host: str, code: str) -> ShortLink:
    return ShortLink(code, f"https://{host}/{code}/")
