"""Calls to upstream: what came back is told apart by what it means for the caller's money."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.transcription.mirror import without_addresses
from engine.transcription.upstream import (
    SIZE_LIMIT,
    NotSent,
    Unknown,
    Upstream,
    UpstreamAnswer,
    parse,
)
from tests.support.gateway import Gateway
from tests.support.upstream import Standin, serving

SECRET = "a-shared-secret-of-the-tests-of-upstream-calls"
VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"
PATIENCE_S = 5.0


@pytest.fixture(scope="module")
def running() -> Iterator[Standin]:
    with serving(SECRET) as standin:
        yield standin


@pytest.fixture
def standin(running: Standin) -> Standin:
    running.reset()
    return running


def submit(base: str, timeout_s: float = PATIENCE_S) -> UpstreamAnswer:
    return Upstream(base).transcribe(VIDEO, "ours-1", SECRET, timeout_s)


@contextmanager
def raw_server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers one connection with just these bytes, then hangs up."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received.append(connection.recv(65536))
                connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", received
        thread.join()


def test_a_submission_carries_the_address_our_id_and_the_secret(standin: Standin) -> None:
    answer = submit(standin.base)
    assert answer.status == 202
    assert standin.bodies("transcribe") == [{"url": VIDEO, "requestId": "ours-1"}]
    assert Upstream(standin.base).status(answer.members["id"], SECRET, PATIENCE_S).status == 200


def test_a_wrong_secret_is_an_answer_like_any_other(standin: Standin) -> None:
    answer = Upstream(standin.base).transcribe(VIDEO, "ours-1", "wrong", PATIENCE_S)
    assert (answer.status, answer.members["error"]) == (401, "unauthorized")


def test_what_the_environment_says_about_proxies_is_not_heard(
    standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert submit(standin.base).status == 202


def test_retry_after_is_handed_on(standin: Standin) -> None:
    standin.fault("transcribe", "status", status=429, headers={"Retry-After": "7"})
    assert submit(standin.base).retry_after == "7"
    assert submit(standin.base).retry_after is None


def test_where_nobody_listens_nothing_was_sent() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with pytest.raises(NotSent):
            submit(f"http://127.0.0.1:{nobody.getsockname()[1]}")


def test_a_name_that_does_not_resolve_was_never_sent_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_name(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    with pytest.raises(NotSent):
        submit("https://ttt.example.test")


@pytest.mark.parametrize(
    ("kind", "options", "told"),
    [
        ("drop", {"when": "before"}, "broken"),
        ("drop", {"when": "after"}, "broken"),
        ("truncated", {}, "broken"),
        ("garbage", {}, "not_json"),
        ("html", {}, "not_json"),
        ("empty", {}, "not_json"),
        ("not_object", {"value": [1]}, "not_json"),
        ("not_object", {"value": "x"}, "not_json"),
        ("oversized", {"megabytes": 3}, "too_large"),
        ("oversized", {"megabytes": 64, "encoding": "gzip"}, "too_large"),
    ],
)
def test_what_cannot_be_read_may_have_had_its_effect(
    standin: Standin, kind: str, options: dict[str, Any], told: str
) -> None:
    standin.fault("transcribe", kind, **options)
    with pytest.raises(Unknown) as unknown:
        submit(standin.base)
    assert unknown.value.kind == told
    assert len(standin.calls("transcribe")) == 1


def test_a_packed_bomb_of_another_kind_is_not_unpacked(standin: Standin) -> None:
    standin.fault("transcribe", "oversized", encoding="br")
    with pytest.raises(Unknown) as unknown:
        submit(standin.base)
    assert unknown.value.kind == "broken"


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_that_takes_too_long_is_a_timeout(standin: Standin, when: str) -> None:
    standin.fault("transcribe", "delay", seconds=60, when=when)
    with pytest.raises(Unknown) as unknown:
        submit(standin.base, timeout_s=0.2)
    assert unknown.value.kind == "timeout"


def test_an_answer_that_stops_half_way_is_a_timeout(standin: Standin) -> None:
    standin.fault("transcribe", "drip", chunk_bytes=8, chunk_seconds=60)
    with pytest.raises(Unknown) as unknown:
        submit(standin.base, timeout_s=0.2)
    assert unknown.value.kind == "timeout"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n{}",
    ],
    ids=lambda answer: repr(answer)[2:40],
)
def test_a_broken_line_is_broken(answer: bytes) -> None:
    with raw_server(answer) as (base, received):
        with pytest.raises(Unknown) as unknown:
            submit(base)
        assert unknown.value.kind == "broken"
    assert received[0].startswith(b"POST /transcribe HTTP/1.1\r\n")


def test_a_redirect_is_not_followed_and_takes_the_secret_nowhere(standin: Standin) -> None:
    for location in (standin.base + "/health", "/health", "https://evil.example/"):
        standin.fault("transcribe", "redirect", location=location, status=307)
        with pytest.raises(Unknown):
            submit(standin.base)
    assert standin.count() == 3


def test_a_call_is_made_once_whatever_comes_back(standin: Standin) -> None:
    for status in (429, 500, 502, 503, 504):
        standin.reset()
        standin.answer("transcribe", {}, status)
        assert submit(standin.base).status == status
        assert standin.count() == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"[]", b'"x"', b"null", b"{", b"NaN", b'{"a":NaN}', b'{"a":-Infinity}', b'{"a":1e999}',
        b"\xff\xfe", b"<html>", b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"9" * 10_000 + b"}",
    ],
    ids=lambda raw: repr(raw)[2:30],
)  # fmt: skip
def test_what_is_no_plain_json_object_is_not_believed(raw: bytes) -> None:
    with pytest.raises(Unknown) as unknown:
        parse(raw)
    assert unknown.value.kind == "not_json"


def test_members_keep_their_order_and_numbers_their_kind() -> None:
    members = parse(b'{"z":1,"a":1.0,"m":{"y":[true,null]},"e":"\xc3\xa9"}')
    assert list(members) == ["z", "a", "m", "e"]
    assert [type(members[name]) for name in "za"] == [int, float]
    assert members["e"] == "\u00e9"


@pytest.mark.parametrize("depth", [50, 300, 600, 900])
def test_whatever_is_believed_can_also_be_mirrored(depth: int) -> None:
    """An answer nested too deep to be handled is refused where it comes in."""
    raw = b'{"a":' + b"[" * depth + b"]" * depth + b"}"
    try:
        members = parse(raw)
    except Unknown as refused:
        told = refused.kind
    else:
        told = json.dumps(
            without_addresses(members, members, "https://u.example", "https://p.example")
        )
    assert told in ("not_json", json.dumps(json.loads(raw)))


def test_the_size_limit_leaves_room_for_the_longest_transcript() -> None:
    assert SIZE_LIMIT >= 4 * 10_000 * 6


def test_a_deployment_that_signs_shows_a_token_that_the_service_takes_before_the_secret(
    endpoint: str,
) -> None:
    """The service looks at the token alone where both are shown, so it is good where the job is taken."""
    secret = Gateway(endpoint).rings["TTT_SHARED_SECRET"].signing
    with serving(secret) as standin:
        service = Upstream(standin.base, signs=True, clock=time.time)
        assert service.transcribe(SIGNED_VIDEO, "job-signed", secret, 5).status == 202
        (call,) = standin.calls("transcribe")
        names = {name.lower() for name in call["headers"]}
        assert {"authorization", "x-engine-auth"} <= names
        stale = Upstream(standin.base, signs=True, clock=lambda: 1.0)
        assert stale.transcribe(SIGNED_VIDEO, "job-stale", secret, 5).status == 401


SIGNED_VIDEO = "https://www.tiktok.com/@someone/video/7300000000000000001"
