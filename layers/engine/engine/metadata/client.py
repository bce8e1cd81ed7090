"""Calls to TikTok, to addresses that are made here: from an id of digits, or a code of a short link.

Limits: 3 s to connect, the given seconds in all, one attempt a call, no redirect followed, no proxy of the
environment, no cookie kept, no scheme but that of the base. Bodies are counted after they are decompressed,
while they come in: 3 MB for a page, 64 KB for oEmbed. Only gzip and deflate are taken. A name that resolves
to an address of a private, local or reserved network is hung up on before anything is sent, and
certificates are checked.
"""

import socket
import time
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError

from engine.metadata.facts import Trouble
from engine.metadata.links import ShortLink
from engine.platform import outgoing
from engine.platform.public_addresses import is_public

REAL = "https://www.tiktok.com"
CONNECT_S = 3.0
PAGE_LIMIT = 3 * 1024 * 1024
OEMBED_LIMIT = 64 * 1024
CHUNK = 64 * 1024
HEADERS = {
    # Crawlers' names get a decoy in place of the page.
    "User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Accept-Language": "en-US,en;q=0.9",
    "Accept-Encoding": "gzip, deflate",
}
_ENCODINGS = frozenset({"", "identity", "gzip", "deflate"})
_TYPES = frozenset({"", "text/html", "application/xhtml+xml", "application/json", "text/plain"})


class Lost(Exception):
    """No answer that can be read: `trouble` is `FAILED` or `SLOW`."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.value)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of TikTok: a body where the status is 200, a `location` where it redirects."""

    status: int
    body: bytes
    location: str | None


class _PublicConnection(HTTPSConnection):
    """A connection that is looked at once it stands, so that no second look-up can mislead it."""

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        if not is_public(connected.getpeername()[0]):
            connected.close()
            raise NewConnectionError(self, "the name leads into a network of its own")
        return connected


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class _Public(HTTPAdapter):
    """https to addresses of the public Internet, and nothing else."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": _PublicPool}


class Tiktok:
    """TikTok at `base`: the real one, or one origin that stands for all of its hosts."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._session = outgoing.new_session()
        self._session.headers.update(HEADERS)
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.adapters.clear()
        adapter = _Public() if base == REAL else HTTPAdapter()
        self._session.mount(urlsplit(base).scheme + "://", adapter)

    def oembed(self, post_id: str, timeout_s: float) -> Reply:
        """The documented answer about a post. Raises `Lost`."""
        address = quote(f"{REAL}/@_/video/{post_id}", safe="")
        return self._get(f"{self._base}/oembed?url={address}", timeout_s, OEMBED_LIMIT)

    def page(self, post_id: str, timeout_s: float) -> Reply:
        """A post's page; photos are served there too. Raises `Lost`."""
        return self._get(f"{self._base}/@_/video/{post_id}", timeout_s, PAGE_LIMIT)

    def short_link(self, link: ShortLink, timeout_s: float) -> Reply:
        """Where a short link leads; the body is not read. Raises `Lost`."""
        url = link.url if self._base == REAL else f"{self._base}/t/{link.code}"
        return self._get(url, timeout_s, 0)

    def _get(self, url: str, timeout_s: float, limit: int) -> Reply:
        deadline = time.monotonic() + timeout_s
        try:
            with self._session.get(
                url,
                timeout=(min(CONNECT_S, timeout_s), timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                is_read = response.status_code == 200 and limit > 0
                body = _read(response, deadline, limit) if is_read else b""
        except (requests.Timeout, ReadTimeoutError, TimeoutError) as error:
            raise Lost(Trouble.SLOW) from error
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise Lost(Trouble.FAILED) from error
        redirects = 300 <= response.status_code < 400
        return Reply(
            response.status_code, body, response.headers.get("Location") if redirects else None
        )


def _read(response: requests.Response, deadline: float, limit: int) -> bytes:
    """The whole body as it was before compression. Raises `Lost` past a limit."""
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if response.headers.get("Content-Encoding", "").strip().lower() not in _ENCODINGS:
        raise Lost(Trouble.FAILED)
    if media_type not in _TYPES:
        raise Lost(Trouble.FAILED)
    raw = bytearray()
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Lost(Trouble.SLOW)
        connection = response.raw.connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(left_s)
        chunk = response.raw.read1(CHUNK, decode_content=True)
        if not chunk:
            return bytes(raw)
        raw += chunk
        if len(raw) > limit:
            raise Lost(Trouble.FAILED)
