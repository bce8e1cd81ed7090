"""Calls to services outside end in time, keep no more than they may, and raise two errors alone."""

import gzip
import re
import socket
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.platform import dialing
from engine.platform.outgoing import (
    Answer,
    Client,
    Limits,
    NotSent,
    Request,
    Unknown,
    json_request,
)
from engine.platform.public_addresses import is_public
from local.settings import ROOT
from tests.support.properties import PROPERTY
from tests.support.rawserver import RawServer, dripping, serving
from tests.support.receivers import self_signed

ENGINE = ROOT / "layers" / "engine" / "engine"
CALLS = re.compile(
    r"^\s*(?:import|from) (?:requests|urllib3|urllib\.request|http\.client|socket)\b", re.MULTILINE
)

LIMITS = Limits(seconds=0.5, size=1000)
SLACK_S = 0.8
"""What a call may take beyond its limit on a busy machine."""

OK = b"HTTP/1.1 200 OK\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /x\r\n"


def get(base: str, limits: Limits = LIMITS) -> Answer:
    return Client().send(Request("GET", base + "/"), limits)


def failing(call: Callable[[], object]) -> NotSent | Unknown:
    started = time.monotonic()
    with pytest.raises((NotSent, Unknown)) as failed:
        call()
    assert time.monotonic() - started < LIMITS.seconds + SLACK_S
    failure: NotSent | Unknown = failed.value
    return failure


def endless(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)


SLOW: dict[str, Callable[[socket.socket], None]] = {
    "nothing is answered": lambda c: dripping(c, b"", b"", 0),
    "the status line drips": lambda c: dripping(c, b"", b"H"),
    "headers drip": lambda c: dripping(c, OK + b"X-Pad: ", b"x"),
    "whole header lines drip": lambda c: dripping(c, OK, b"X: y\r\n"),
    "interim answers drip": lambda c: dripping(c, b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a body of known length drips": lambda c: dripping(
        c, OK + b"Content-Length: 900\r\n\r\n", b"x"
    ),
    "a body without a length drips": lambda c: dripping(c, OK + b"\r\n", b"x"),
    "chunks drip": lambda c: dripping(c, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "a chunk's size drips": lambda c: dripping(c, OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "trailers drip": lambda c: dripping(
        c, OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n"
    ),
    "empty gzip members drip": lambda c: dripping(
        c, OK + b"Content-Encoding: gzip\r\n\r\n", gzip.compress(b"")
    ),
}


@pytest.mark.parametrize("handler", SLOW.values(), ids=SLOW.keys())
def test_a_peer_that_drips_is_given_up_at_the_deadline(
    handler: Callable[[socket.socket], None],
) -> None:
    with serving(handler) as server:
        failure = failing(lambda: get(server.base))
    assert isinstance(failure, Unknown)
    assert failure.kind == "timeout"


ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "header lines": (OK, b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n"),
    "a header line": (OK + b"X: ", b"y" * 4096),
    "long header lines": (OK, b"X: " + b"y" * 30_000 + b"\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\nX: yyyyyyyyy\r\n\r\n"),
    "a status line": (b"HTTP/1.1 200 ", b"O" * 4096),
}


@pytest.mark.parametrize(("start", "piece"), ENDLESS.values(), ids=ENDLESS.keys())
def test_endless_headers_are_given_up_before_they_are_kept(start: bytes, piece: bytes) -> None:
    def handler(connection: socket.socket) -> None:
        connection.sendall(start)
        endless(connection, piece)

    with serving(handler) as server, keeping_less_than(4 * 1024 * 1024):
        failure = failing(lambda: get(server.base))
    assert failure.kind in ("too_large", "broken")


@contextmanager
def keeping_less_than(size: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size


BODIES: dict[str, tuple[bytes, bytes]] = {
    "of known length": (OK + b"Content-Length: 300000000\r\n\r\n", b"x" * 65536),
    "without a length": (OK + b"\r\n", b"x" * 65536),
    "in chunks": (
        OK + b"Transfer-Encoding: chunked\r\n\r\n",
        b"10000\r\n" + b"x" * 65536 + b"\r\n",
    ),
    "of an error": (b"HTTP/1.1 500 Oops\r\n\r\n", b"x" * 65536),
}


@pytest.mark.parametrize(("head", "piece"), BODIES.values(), ids=BODIES.keys())
def test_a_body_over_the_limit_is_given_up_before_it_is_kept(head: bytes, piece: bytes) -> None:
    def handler(connection: socket.socket) -> None:
        connection.sendall(head)
        endless(connection, piece)

    with serving(handler) as server, keeping_less_than(4 * 1024 * 1024):
        failure = failing(lambda: get(server.base))
    assert (type(failure), failure.kind) == (Unknown, "too_large")


@pytest.mark.parametrize("name", ["gzip", "deflate"])
def test_a_compressed_bomb_is_given_up_before_it_is_unpacked(name: str) -> None:
    plain = bytes(50 * 1024 * 1024)
    bomb = gzip.compress(plain) if name == "gzip" else zlib.compress(plain)
    answer = OK + f"Content-Encoding: {name}\r\n\r\n".encode() + bomb
    with serving(lambda c: c.sendall(answer)) as server, keeping_less_than(4 * 1024 * 1024):
        failure = failing(lambda: get(server.base, Limits(5, 1000)))
    assert failure.kind == "too_large"


@pytest.mark.parametrize("size", [1000, 0])
def test_a_body_of_exactly_the_limit_is_read(size: int) -> None:
    answer = OK + f"Content-Length: {size}\r\n\r\n".encode() + b"x" * size
    with serving(lambda c: c.sendall(answer)) as server:
        assert get(server.base, Limits(5, size)).raw == b"x" * size


REDIRECT_BODIES: dict[str, Callable[[socket.socket], None]] = {
    "a body that drips": lambda c: dripping(c, REDIRECT + b"Content-Length: 1000000\r\n\r\n", b"x"),
    "a body without end": lambda c: (c.sendall(REDIRECT + b"\r\n"), endless(c, b"x" * 65536))[1],
    "a Location that is no address": lambda c: c.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: http://[oops\r\nContent-Length: 0\r\n\r\n"
    ),
    "a Location of odd bytes": lambda c: c.sendall(
        b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\x00//\xc3\xa9\r\n\r\n"
    ),
}


@pytest.mark.parametrize("handler", REDIRECT_BODIES.values(), ids=REDIRECT_BODIES.keys())
def test_a_redirect_is_answered_at_once_without_its_body(
    handler: Callable[[socket.socket], None],
) -> None:
    with serving(handler) as server, keeping_less_than(4 * 1024 * 1024):
        started = time.monotonic()
        answer = get(server.base)
        assert time.monotonic() - started < LIMITS.seconds
    assert (answer.status, answer.raw) == (302, b"")
    assert len(server.requests) == 1


ODD = [
    b"", b"\r\n", b"\x00\xff\r\n\r\n", b"HTTP/9.9 200 x\r\n\r\n", b"HTTP/1.1 abc x\r\n\r\n",
    OK + b"Content-Length: 10\r\n\r\n{}", OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}",
    OK + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nabcde\r\n0\r\n\r\n",
    OK + b"Content-Encoding: gzip\r\n\r\nno gzip", OK + b"Content-Encoding: br\r\n\r\nx",
    OK + b"Content-Encoding: gzip, gzip\r\n\r\nx",
    OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 900)[:-9] + b"junk junk",
]  # fmt: skip


@pytest.mark.parametrize("answer", ODD, ids=lambda answer: repr(answer)[2:50])
def test_an_answer_that_is_broken_is_unknown(answer: bytes) -> None:
    with serving(lambda c: c.sendall(answer)) as server:
        failure = failing(lambda: get(server.base))
    assert (type(failure), failure.kind) == (Unknown, "broken")


PIECES = [
    b"HTTP/1.1 200 OK", b"HTTP/1.1 302 x", b"HTTP/1.1 100 Continue", b"HTTP/1.0 204 x", b"\r\n", b"\n", b"\r",
    b"\r\n\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Content-Encoding: gzip",
    b"Content-Encoding: deflate", b"Location: ", b"Retry-After: ", b"Set-Cookie: a=b", b"http://[", b"5",
    b"-1", b"0x10", b"9" * 30, b"9" * 5000, b"0\r\n\r\n", b"\x00", b"\xff", b": ", b" ", b"\t", b";",
    b"=?utf-8?q?=", gzip.compress(b"x" * 2000), zlib.compress(b"y"), b"{}",
]  # fmt: skip


@pytest.fixture(scope="module")
def scripted() -> Iterator[RawServer]:
    with serving(socket.socket.close) as server:
        yield server


ANSWERS = st.lists(st.sampled_from(PIECES) | st.binary(max_size=4), max_size=14).map(b"".join)


@PROPERTY
@given(ANSWERS)
def test_whatever_is_answered_raises_nothing_else(scripted: RawServer, answer: bytes) -> None:
    assert_bounded(scripted, answer)


@PROPERTY
@given(ANSWERS)
def test_whatever_headers_and_body_are_answered_raises_nothing_else(
    scripted: RawServer, rest: bytes
) -> None:
    assert_bounded(scripted, OK + rest)


def assert_bounded(server: RawServer, answer: bytes) -> None:
    server.handler = lambda connection: connection.sendall(answer)
    try:
        found = get(server.base, Limits(5, 1000))
    except (NotSent, Unknown):
        return
    assert len(found.raw) <= 1000


def test_a_refused_connection_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failure = failing(lambda: get(f"http://127.0.0.1:{port}"))
    assert (type(failure), failure.kind) == (NotSent, "refused")


def test_a_connection_that_is_never_taken_is_given_up_at_the_deadline() -> None:
    """A full backlog lets further connections wait for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            waiting.append(filler)
        try:
            failure = failing(lambda: get(f"http://127.0.0.1:{address[1]}"))
        finally:
            for filler in waiting:
                filler.close()
    assert (type(failure), failure.kind) == (NotSent, "timeout")


def test_a_peer_that_says_nothing_in_tls_is_given_up_at_the_deadline() -> None:
    with serving(lambda c: dripping(c, b"", b"", 0)) as server:
        failure = failing(lambda: get(f"https://127.0.0.1:{server.port}"))
    assert (type(failure), failure.kind) == (NotSent, "timeout")


def test_a_peer_that_drips_in_tls_is_given_up_at_the_deadline() -> None:
    with serving(lambda c: dripping(c, b"\x16\x03\x03\x40\x00", b"\x02")) as server:
        failure = failing(lambda: get(f"https://127.0.0.1:{server.port}"))
    assert isinstance(failure, NotSent)


def test_a_peer_without_tls_has_not_got_the_request() -> None:
    with serving(lambda c: c.sendall(OK + b"\r\n")) as server:
        failure = failing(lambda: get(f"https://127.0.0.1:{server.port}"))
    assert (type(failure), failure.kind) == (NotSent, "broken")


@contextmanager
def over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handler: Callable[[Any], None]
) -> Iterator[str]:
    """A server with a certificate for `service.example.test`, whose name resolves to it."""
    certificate, key = self_signed(tmp_path, "service.example.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setattr("engine.platform.outgoing.certifi.where", lambda: str(certificate))
    with serving(handler, tls=context) as server:
        resolving_to(monkeypatch, ("127.0.0.1", server.port))
        yield f"https://service.example.test:{server.port}"


def resolving_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)


def test_headers_that_drip_through_tls_are_given_up_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with over_tls(tmp_path, monkeypatch, lambda c: dripping(c, OK + b"X: ", b"x")) as base:
        failure = failing(lambda: get(base))
    assert (type(failure), failure.kind) == (Unknown, "timeout")


def test_a_certificate_for_another_name_is_not_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = OK + b"Content-Length: 2\r\n\r\n{}"
    with over_tls(tmp_path, monkeypatch, lambda c: c.sendall(answer)) as base:
        assert get(base, Limits(5, 10)).raw == b"{}"
        failure = failing(lambda: get(base.replace("service", "other")))
    assert isinstance(failure, NotSent)


def test_a_name_that_takes_too_long_to_resolve_is_given_up_at_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(5) and [])
    try:
        failure = failing(lambda: get("http://service.example.test"))
    finally:
        over.set()
    assert (type(failure), failure.kind) == (NotSent, "timeout")


@pytest.mark.parametrize("error", [socket.gaierror(-2, "x"), UnicodeError("x"), OSError("x")])
def test_a_name_that_does_not_resolve_is_not_sent(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    failure = failing(lambda: get("http://service.example.test"))
    assert (type(failure), failure.kind) == (NotSent, "not_resolved")


def test_all_addresses_of_a_name_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as dead,
        serving(lambda c: c.sendall(OK + b"Content-Length: 2\r\n\r\n{}")) as server,
    ):
        unused = dead.getsockname()[1]
        dead.close()
        resolving_to(monkeypatch, ("127.0.0.1", unused), ("127.0.0.1", server.port))
        assert get("http://service.example.test", Limits(5, 10)).raw == b"{}"


def test_an_address_that_is_not_allowed_is_not_connected_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = Client(allows=is_public)
    with serving(lambda c: c.sendall(OK + b"\r\n")) as server:
        for addresses in ([server.port], [server.port, server.port]):
            resolving_to(monkeypatch, *(("127.0.0.1", port) for port in addresses))
            call = Request("GET", "http://service.example.test/")
            failure = failing(lambda call=call: client.send(call, LIMITS))  # type: ignore[misc]
            assert (type(failure), failure.kind) == (NotSent, "not_allowed")
        assert server.accepted == 0


def test_where_tls_is_required_nothing_else_is_called() -> None:
    client = Client(is_tls_only=True)
    with serving(lambda c: c.sendall(OK + b"\r\n")) as server:
        for url in (server.base, "file:///etc/passwd", "ftp://service.example.test/"):
            failure = failing(lambda url=url: client.send(Request("GET", url), LIMITS))  # type: ignore[misc]
            assert (type(failure), failure.kind) == (NotSent, "not_allowed")
        assert server.accepted == 0


def test_a_connection_is_used_again_after_a_whole_answer_and_only_then() -> None:
    answers = [OK + b"Content-Length: 2\r\n\r\n{}"] * 2 + [
        REDIRECT + b"Content-Length: 2\r\n\r\n{}"
    ]

    def handler(connection: socket.socket) -> None:
        for answer in answers:
            connection.sendall(answer)
            if not connection.recv(65536):
                return

    client = Client()
    with serving(handler) as server:
        call = Request("GET", server.base + "/")
        found = [client.send(call, Limits(5, 10)).status for _ in range(4)]
        assert (found, server.accepted) == ([200, 200, 302, 200], 2)


def test_a_second_call_has_its_own_deadline() -> None:
    def handler(connection: socket.socket) -> None:
        connection.sendall(OK + b"Content-Length: 2\r\n\r\n{}")
        connection.recv(65536)
        dripping(connection, OK + b"X: ", b"x")

    client = Client()
    with serving(handler) as server:
        call = Request("GET", server.base + "/")
        assert client.send(call, LIMITS).raw == b"{}"
        assert failing(lambda: client.send(call, LIMITS)).kind == "timeout"


def test_a_request_that_cannot_be_sent_whole_may_have_arrived() -> None:
    with serving(lambda c: dripping(c, b"", b"", 0), reads=False) as server:
        call = Request("POST", server.base + "/", {}, b"x" * 30_000_000)
        failure = failing(lambda: Client().send(call, LIMITS))
    assert (type(failure), failure.kind) == (Unknown, "timeout")


def test_a_json_request_carries_its_body_and_says_so() -> None:
    with serving(lambda c: c.sendall(OK + b"Content-Length: 0\r\n\r\n")) as server:
        call = json_request("POST", server.base + "/a?b=c", {"X-Key": "k"}, {"a": ["\u00e9", None]})
        assert Client().send(call, Limits(5, 10)) == Answer(200, b"", None)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines[0] == "post /a?b=c http/1.1"
    assert {"accept: application/json", "content-type: application/json", "x-key: k"} < set(lines)
    assert body == b'{"a": ["\\u00e9", null]}'


def test_the_head_may_be_as_long_as_its_limit() -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(60))
    with serving(lambda c: c.sendall(OK + fields + b"Content-Length: 2\r\n\r\n{}")) as server:
        assert get(server.base, Limits(5, 10)).raw == b"{}"
    assert len(fields) < dialing.HEAD_LIMIT


def test_no_other_module_of_the_engine_opens_connections() -> None:
    """The client of AWS's own services, the reader of its answers, and its credentials apart."""
    found = {path.name for path in ENGINE.rglob("*.py") if CALLS.search(path.read_text())}
    aws = {"aws_json.py", "http_answers.py", "signing.py"}
    assert found == {"outgoing.py", "dialing.py"} | aws
