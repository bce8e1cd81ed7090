"""Answers are read as `http.client` reads them, whatever is in their heads; a few are refused besides."""

import io
from http.client import HTTPException, HTTPResponse
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.platform import http_answers
from engine.platform.aws_json import AwsError, Client, Limits
from engine.platform.signing import Credentials
from tests.support.properties import PROPERTY
from tests.support.rawserver import RawServer

REFUSED = "refused"
SERVICE = (
    b"HTTP/1.1 200 OK\r\nServer: Server\r\nDate: Mon, 30 Nov 2026 11:00:00 GMT\r\n"
    b"Content-Type: application/x-amz-json-1.0\r\nContent-Length: 2\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: A\r\nx-amz-crc32: 2745614147\r\n\r\n{}"
)
"""The form of an answer of DynamoDB."""


class _Connection:
    """What `http.client` reads an answer from."""

    def __init__(self, sent: bytes) -> None:
        self.file = io.BytesIO(sent)

    def makefile(self, _mode: str) -> io.BytesIO:
        return self.file


def ours(sent: bytes) -> Any:
    file = io.BytesIO(sent)
    try:
        return *http_answers.read(file), file.read()
    except ValueError:
        return REFUSED


def theirs(sent: bytes) -> Any:
    connection: Any = _Connection(sent)
    response = HTTPResponse(connection, method="POST")
    # `http.client` closes its file after the body; what is left belongs to the next answer.
    connection.file.close = lambda: None
    try:
        response.begin()
        headers = {name.lower(): value for name, value in response.getheaders()}
        body = response.read()
    except (HTTPException, ValueError, OverflowError):
        return REFUSED
    return response.status, headers, body, not response.will_close, connection.file.read()


def with_fields(*fields: bytes, body: bytes = b"{}{}", status: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([status, *fields, b"", body])


ODD = {
    "two lengths": with_fields(b"Content-Length: 2", b"content-length: 4"),
    "two connections": with_fields(b"Content-Length: 4", b"Connection: close", b"Connection: x"),
    "two codings": with_fields(b"Transfer-Encoding: chunked", b"Transfer-Encoding: x", body=b"0\r\n\r\n"),
    "two values": with_fields(b"Content-Length: 4", b"X: 1", b"x: 2"),
    "a length below zero": with_fields(b"Content-Length: -2"),
    "no length": with_fields(),
    "a length that is no number": with_fields(b"Content-Length: two"),
    "HTTP/1.0": with_fields(b"Content-Length: 2", status=b"HTTP/1.0 200 OK"),
    "HTTP/1.0, kept": with_fields(b"Content-Length: 2", b"Connection: Keep-Alive", status=b"HTTP/1.0 200 OK"),
    "HTTP/1.0, kept until its end": with_fields(b"Connection: keep-alive", status=b"HTTP/1.0 200 OK"),
    "closed": with_fields(b"Content-Length: 2", b"Connection: Close"),
    "chunks": with_fields(b"Transfer-Encoding: Chunked", body=b"2\r\n{}\r\n0\r\n\r\nrest"),
    "chunks and a length": with_fields(
        b"Content-Length: 1", b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"
    ),
    "a trailer": with_fields(b"Transfer-Encoding: chunked", body=b"2;a=b\r\n{}\r\n0\r\nA: b\r\n\r\nrest"),
    "a trailer that is cut off": with_fields(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\nA: b"),
    "a chunk that is cut off": with_fields(b"Transfer-Encoding: chunked", body=b"9\r\n{}"),
    "no last chunk": with_fields(b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n"),
    "two interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + SERVICE,
    "an early hint": with_fields(b"Content-Length: 2", status=b"HTTP/1.1 103 Early Hints"),
    "not modified": with_fields(b"Content-Length: 2", status=b"HTTP/1.1 304 Not Modified"),
    "no content": with_fields(status=b"HTTP/1.1 204 No Content"),
    "a folded value": with_fields(b"X: a", b"  b", b"Content-Length: 2"),
    "a fold before all": with_fields(b"  b", b"Content-Length: 2"),
    "a line without a colon": with_fields(b"Content-Length: 2", b"oops", b"Connection: close"),
    "a blank before the colon": with_fields(b"Content-Length: 2", b"Connection : close"),
    "two words before the colon": with_fields(b"X Content-Length: 2", b"Connection: close"),
    "no name": with_fields(b"Content-Length: 2", b": close", b"Connection: close"),
    "a carriage return": with_fields(b"X: a\rContent-Length: 2", b"Y: b"),
    "a name with a NUL": with_fields(b"Content-Length: 2", b"Conn\x00ection: close"),
    "a mailbox's line": with_fields(b"From me", b"Content-Length: 2"),
    "bare line feeds": SERVICE.replace(b"\r\n", b"\n"),
    "letters beyond ASCII": with_fields(b"Content-Length: 2", b"X: \xe4\xff"),
}  # fmt: skip


@pytest.mark.parametrize("sent", ODD.values(), ids=ODD)
def test_an_odd_answer_is_read_as_by_http_client(sent: bytes) -> None:
    assert ours(sent) == theirs(sent)


STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 OK",
        b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 x", b"HTTP/1.1 103 Early",
        b"HTTP/1.1 100 Continue", b"HTTP/1.1 500  x y z", b"HTTP/1.2 200 OK", b"HTTP/0.9 200 OK",
        b"HTTP/2 200", b"HTTP/1.1 99 x", b"HTTP/1.1 1000 x", b"HTTP/1.1 abc x", b"HTTP/1.1", b"", b"\xff",
        b"ICY 200 OK", b" HTTP/1.1 200 OK", b"HTTP/1.1\t200\tOK", b"HTTP/1.1 -200 OK", b"HTTP/1.1 2_00 OK",
    ]
)  # fmt: skip
NAMES = st.sampled_from(
    [
        b"Content-Length", b"content-length", b"CONTENT-LENGTH", b"Transfer-Encoding", b"Connection",
        b"x-amz-crc32", b"X-Odd", b"", b"Content-Length ", b"X Y", b"\xe4", b"From ", b"\x00",
        b"Content-Type",
    ]
)  # fmt: skip
VALUES = st.sampled_from(
    [
        b"0", b"2", b"5", b" 5", b"5 ", b"+5", b"-5", b"5,5", b"1_0", b"", b"chunked", b"Chunked",
        b"gzip, chunked", b"close", b"Close", b"keep-alive", b"keep-alive, close", b"a: b", b"\xfc", b"\x00",
        b"a\rb: c", b"a\r",
        b"multipart/mixed; boundary=x", b"message/rfc822", "\u0665".encode(), b"\x0b5", b"\x855",
    ]
) | st.binary(max_size=6)  # fmt: skip
BETWEEN = st.sampled_from([b": ", b":", b":\t "])
LINES = (
    st.builds(lambda *parts: b"".join(parts), NAMES, BETWEEN, VALUES)
    | st.sampled_from([b" folded", b"\tfolded: x", b"no colon", b"From someone", b"\rX: y"])
    | st.binary(max_size=8)
)
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
BODIES = st.sampled_from(
    [
        b"", b"{}", b"{}{}{}{}", b"5\r\nhello\r\n0\r\n\r\n",
        b"5;x=y\r\nhello\r\n2\nab\r\n0\r\nT: v\r\n\r\nrest", b"5\r\nhel", b"0\r\n",
        b"x\r\nhello\r\n", b"\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"A\r\n0123456789XX0\r\n\r\n",
    ]
)  # fmt: skip


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    lines = [draw(STATUS_LINES), *draw(st.lists(LINES, max_size=6))]
    return b"".join(line + draw(ENDS) for line in lines) + draw(ENDS)


@PROPERTY
@given(interim=st.booleans(), head=heads(), body=BODIES)
@example(interim=False, head=SERVICE, body=b"")
def test_an_answer_is_read_as_by_http_client(interim: bool, head: bytes, body: bytes) -> None:
    sent = b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" * interim + head + body
    assert ours(sent) == theirs(sent)


@pytest.mark.parametrize("size", [0, 1, 65_533, 65_534, 65_535, 65_536, 200_000])
def test_a_line_has_the_limit_of_http_client(size: int) -> None:
    for head in (b"HTTP/1.1 200 " + b"x" * size, b"HTTP/1.1 200 OK\r\nX:" + b"y" * size):
        sent = head + b"\r\nContent-Length: 2\r\n\r\n{}"
        assert ours(sent) == theirs(sent)


@pytest.mark.parametrize("lines", [1, 98, 99, 101, 5000])
def test_a_head_has_the_number_of_lines_of_http_client(lines: int) -> None:
    sent = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * (lines - 1) + b"Content-Length: 2\r\n\r\n{}"
    assert ours(sent) == theirs(sent)
    assert (ours(sent) == REFUSED) == (lines > 99)


def test_an_answer_that_ends_within_its_head_is_refused() -> None:
    """`http.client` takes it for an answer without a body: a stored item would look like none."""
    head = SERVICE[: -len(b"\r\n{}")]
    for size in range(len(head) + 1):
        assert ours(head[:size]) == REFUSED
    assert theirs(head[: head.index(b"Content-Length")])[:1] == (200,)


def test_an_answer_that_ends_within_its_body_is_refused() -> None:
    assert ours(SERVICE[:-1]) == theirs(SERVICE[:-1]) == REFUSED


@pytest.mark.parametrize("size", [http_answers.LARGEST + 1, 10**15, 10**30])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_a_size_beyond_the_largest_answer_is_refused_before_it_is_read(
    size: int, is_chunked: bool
) -> None:
    """`http.client` asks for the memory first."""
    field = b"Transfer-Encoding: chunked\r\n\r\n%x" if is_chunked else b"Content-Length: %d\r\n"
    assert ours(b"HTTP/1.1 200 OK\r\n" + field % size + b"\r\nxy") == REFUSED


def test_a_call_whose_answer_is_cut_off_in_its_head_has_no_answer() -> None:
    server = RawServer(lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nServer: x\r\n"))
    client = Client(
        "dynamodb",
        Limits(1),
        endpoint=server.base,
        region="r",
        credentials=lambda: Credentials("a", "b"),
    )
    with pytest.raises(AwsError, match="broken") as cut:
        client.get_item(TableName="t", Key={})
    assert cut.value.is_unknown
