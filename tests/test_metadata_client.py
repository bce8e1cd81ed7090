"""Calls to TikTok: to public addresses alone, direct, bounded, and to no other host."""

import gzip
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.metadata.client import OEMBED_LIMIT, PAGE_LIMIT, REAL, Browser, Lost, Reply, Tiktok
from engine.metadata.facts import Trouble
from engine.metadata.links import ShortLink
from engine.platform.outgoing import Client, Limits, NotSent, Request, Response
from engine.platform.public_addresses import is_public
from tests.support import rawserver
from tests.support.rawserver import RawServer
from tests.support.tiktok import VISIBLE

POST_ID = VISIBLE[0].id
LINK = ShortLink("ZTx", "https://vt.tiktok.com/ZTx/")
OK = "HTTP/1.1 200 OK"
HTML = "Content-Type: text/html"


@contextmanager
def serving(*head: str, body: bytes = b"") -> Iterator[RawServer]:
    """A server that answers every request with the same bytes."""
    answer = "\r\n".join([*head, "Connection: close", "", ""]).encode() + body
    with rawserver.serving(lambda connection: connection.sendall(answer)) as server:
        yield server


def page(*head: str, body: bytes = b"") -> Reply:
    with serving(*head, body=body) as server:
        return Tiktok(server.base).page(POST_ID, Browser.DESKTOP, 5)


def trouble(call: Callable[[], object]) -> Trouble:
    with pytest.raises(Lost) as lost:
        call()
    return lost.value.trouble


def leading_to(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every name resolves to loopback, as a rebound one does."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_a_name_that_leads_into_a_private_network_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serving(OK, HTML) as server:
        leading_to(server.port, monkeypatch)
        client = Tiktok(REAL)
        for call in calls_of(client):
            assert trouble(call) is Trouble.FAILED
        assert server.accepted == 0


def calls_of(client: Tiktok) -> list[Callable[[], Reply]]:
    return [
        lambda: client.oembed(POST_ID, 2),
        lambda: client.page(POST_ID, Browser.DESKTOP, 2),
        lambda: client.page(POST_ID, Browser.PHONE, 2),
        lambda: client.embed(POST_ID, 2),
        lambda: client.short_link(LINK, 2),
    ]


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "23.32.5.9"])
def test_addresses_of_the_public_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
     "0.0.0.0", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254",
     "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2001:db8::1", "224.0.0.1", "ff02::1",
     "64:ff9b::a00:1", "2002:7f00:1::", "nonsense"],
)  # fmt: skip
def test_addresses_of_other_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_the_real_tiktok_is_asked_at_its_own_hosts() -> None:
    """Nothing of what a client sent is in an address but digits and the letters of a code."""
    asked: list[str] = []

    class Recorder(Client):
        @contextmanager
        def open(self, request: Request, limits: Limits) -> Iterator[Response]:
            asked.append(request.url)
            raise NotSent
            yield

    client = Tiktok(REAL)
    client._client = Recorder()
    for call in calls_of(client):
        assert trouble(call) is Trouble.FAILED
    encoded = f"https%3A%2F%2Fwww.tiktok.com%2F%40_%2Fvideo%2F{POST_ID}"
    assert asked == [
        f"https://www.tiktok.com/oembed?url={encoded}",
        f"https://www.tiktok.com/@_/video/{POST_ID}",
        f"https://www.tiktok.com/@_/video/{POST_ID}",
        f"https://www.tiktok.com/embed/v2/{POST_ID}",
        "https://vt.tiktok.com/ZTx/",
    ]


@pytest.mark.parametrize(
    "url", ["http://www.tiktok.com/", "file:///etc/passwd", "ftp://x.example/"]
)
def test_the_real_tiktok_is_called_over_https_alone(url: str) -> None:
    with pytest.raises(NotSent):
        Tiktok(REAL)._client.send(Request("GET", url), Limits(1, 10))


def test_no_proxy_and_no_password_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    netrc.chmod(0o600)
    with serving(OK, HTML, body=b"x") as proxy, serving(OK, HTML, body=b"x") as server:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.base)
            monkeypatch.setenv(name.lower(), proxy.base)
        monkeypatch.setenv("NETRC", str(netrc))
        assert Tiktok(server.base).page(POST_ID, Browser.DESKTOP, 5).body == b"x"
    assert proxy.requests == []
    assert b"authorization" not in server.requests[0].lower()


def test_no_cookie_comes_back() -> None:
    with serving(OK, HTML, "Set-Cookie: ttwid=1; Path=/", body=b"x") as server:
        client = Tiktok(server.base)
        for _ in range(2):
            client.page(POST_ID, Browser.DESKTOP, 5)
    assert not any(b"cookie" in request.lower() for request in server.requests)
    assert len(server.requests) == 2


def compressed(body: bytes, name: str) -> bytes:
    return gzip.compress(body) if name == "gzip" else zlib.compress(body)


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_compressed_bodies_are_read(name: str) -> None:
    text = "première ".encode() * 9000
    reply = page(OK, HTML, f"Content-Encoding: {name}", body=compressed(text, name))
    assert reply == Reply(200, text, None)


def test_a_compressed_body_that_comes_in_chunks_is_read() -> None:
    text, chunks = b"a page " * 9000, b""
    packed = gzip.compress(text)
    for place in range(0, len(packed), 7):
        part = packed[place : place + 7]
        chunks += f"{len(part):x}\r\n".encode() + part + b"\r\n"
    head = (OK, HTML, "Content-Encoding: gzip", "Transfer-Encoding: chunked")
    assert page(*head, body=chunks + b"0\r\n\r\n").body == text


@pytest.mark.parametrize("name", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "x"])
def test_an_encoding_that_was_not_asked_for_is_a_failure(name: str) -> None:
    head = (OK, HTML, f"Content-Encoding: {name}")
    assert trouble(lambda: page(*head, body=gzip.compress(b"x"))) is Trouble.FAILED


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_a_bomb_is_given_up_before_it_is_unpacked(name: str) -> None:
    bomb = compressed(bytes(100 * 1024 * 1024), name)
    tracemalloc.start()
    try:
        found = trouble(lambda: page(OK, HTML, f"Content-Encoding: {name}", body=bomb))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is Trouble.FAILED
    assert peak < 16 * 1024 * 1024


def test_a_body_over_its_limit_is_given_up() -> None:
    def oembed(size: int) -> Reply:
        with serving(OK, "Content-Type: application/json", body=b"x" * size) as server:
            return Tiktok(server.base).oembed(POST_ID, 5)

    assert len(page(OK, HTML, body=b"x" * PAGE_LIMIT).body) == PAGE_LIMIT == 4 * 1024 * 1024
    assert trouble(lambda: page(OK, HTML, body=b"x" * (PAGE_LIMIT + 1))) is Trouble.FAILED
    assert len(oembed(OEMBED_LIMIT).body) == OEMBED_LIMIT == 64 * 1024
    assert trouble(lambda: oembed(OEMBED_LIMIT + 1)) is Trouble.FAILED


def test_a_body_that_ends_early_is_a_failure() -> None:
    head = (OK, HTML, "Content-Length: 1000")
    assert trouble(lambda: page(*head, body=b"x" * 999)) is Trouble.FAILED
    cut = gzip.compress(b"abc" * 9000)[:-20]
    head = (OK, HTML, "Content-Encoding: gzip", f"Content-Length: {len(cut) + 20}")
    assert trouble(lambda: page(*head, body=cut)) is Trouble.FAILED


@pytest.mark.parametrize("status", [302, 403, 429, 500])
def test_only_a_success_is_read(status: int) -> None:
    """The body of a refusal does not matter, however odd it is."""
    head = (f"HTTP/1.1 {status} x", "Content-Type: video/mp4", "Content-Encoding: br")
    reply = page(*head, "Location: https://www.tiktok.com/login", body=b"\xff" * 9)
    assert reply == Reply(status, b"", "https://www.tiktok.com/login" if status == 302 else None)


@pytest.mark.parametrize("head", ["\x00\x01", "HTTP/9.9 x", "HTTP/1.1 200 OK\r\nA" + "x" * 70_000])
def test_an_answer_that_is_not_http_is_a_failure(head: str) -> None:
    assert trouble(lambda: page(head)) is Trouble.FAILED


def test_a_location_of_raw_bytes_is_read_as_utf_8_and_never_fails() -> None:
    def location(raw: bytes) -> str | None:
        answer = b"HTTP/1.1 302 Found\r\nLocation: " + raw + b"\r\nConnection: close\r\n\r\n"
        with rawserver.serving(lambda connection: connection.sendall(answer)) as server:
            return Tiktok(server.base).short_link(LINK, 5).location

    assert location("/@\u5934/video/1".encode()) == "/@\u5934/video/1"
    assert location(b"/@\xff/video/1") == "/@\ufffd/video/1"


def test_each_browser_is_named_by_its_own_user_agent() -> None:
    with serving(OK, HTML, body=b"x") as server:
        for browser in Browser:
            Tiktok(server.base).page(POST_ID, browser, 5)
    desktop, phone = (request.decode() for request in server.requests)
    assert "Windows NT" in desktop and "Chrome/" in desktop and "iPhone" not in desktop
    assert "iPhone" in phone and "Mobile/" in phone
