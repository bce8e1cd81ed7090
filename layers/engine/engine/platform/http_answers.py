"""Answers in HTTP/1.1 (RFC 9112), read as `http.client` reads them with a fraction of its CPU.

`http.client` gives every head to a parser of e-mails. Here that parser gets only a head in which some line
is not `name: value`; `tests/test_http_answers.py` compares the two. What differs is stricter: an answer that
ends within its head, or states a size above `LARGEST`, is refused.
"""

import io
import re
from collections.abc import Mapping
from http.client import parse_headers
from typing import BinaryIO

LARGEST = 64 * 1024 * 1024
"""Bytes of an answer with its head."""
LONGEST_LINE, MOST_LINES = 65536, 100
_HEADER = re.compile(r"^([!-9;-~]+):[ \t]*([^\r\n]*)\r?\n", re.MULTILINE)
_BLANK = (b"\r\n", b"\n", b"")


def read(file: BinaryIO) -> tuple[int, dict[str, str], bytes, bool]:
    """Status, headers and body of the answer to a POST, and whether its connection can be used again.

    Names of headers are in lower case; of several values the last one counts. Raises `ValueError`, and what
    `file` raises.
    """
    version, status = _status(file)
    while status == 100:
        _lines(file)
        version, status = _status(file)
    pairs = _headers(_lines(file))
    first = dict(reversed(pairs))
    is_kept = _is_kept(version, first)
    if first.get("transfer-encoding", "").lower() == "chunked":
        body = _chunks(file)
    elif (length := _length(status, first)) is not None:
        body = _exactly(file, length)
    else:
        body, is_kept = file.read(), False
    return status, dict(pairs), body, is_kept


def _status(file: BinaryIO) -> tuple[str, int]:
    """Protocol and status of a status line."""
    version, status, *_ = _line(file).decode("iso-8859-1").split(None, 2)
    if not version.startswith("HTTP/1.") and version != "HTTP/0.9":
        raise ValueError("another protocol")
    if not 100 <= int(status) <= 999:
        raise ValueError("no status")
    return version, int(status)


def _headers(lines: list[bytes]) -> list[tuple[str, str]]:
    """Names in lower case, and values, in the order of the head."""
    *fields, end = lines
    if not end:
        raise ValueError("the head is cut off")
    head = b"".join(fields)
    pairs = _HEADER.findall(head.decode("iso-8859-1"))
    if len(pairs) != len(fields):
        pairs = parse_headers(io.BytesIO(head)).items()
    return [(name.lower(), value) for name, value in pairs]


def _is_kept(version: str, headers: Mapping[str, str]) -> bool:
    """Whether the server keeps the connection."""
    asked = headers.get("connection", "").lower()
    return "keep-alive" in asked if version in ("HTTP/1.0", "HTTP/0.9") else "close" not in asked


def _length(status: int, headers: Mapping[str, str]) -> int | None:
    """The length of the body; None where it ends with the connection."""
    if status < 200 or status in (204, 304):
        return 0
    try:
        length = int(headers.get("content-length", ""))
    except ValueError:
        return None
    return length if length >= 0 else None


def _chunks(file: BinaryIO) -> bytes:
    """A body in chunks (RFC 9112, section 7.1)."""
    chunks = []
    while size := int(_line(file).partition(b";")[0], 16):
        chunks.append(_exactly(file, size))
        _exactly(file, len(b"\r\n"))
    _lines(file)
    return b"".join(chunks)


def _exactly(file: BinaryIO, size: int) -> bytes:
    if not 0 <= size <= LARGEST:
        raise ValueError("no size of an answer")
    data = file.read(size)
    if len(data) < size:
        raise ValueError("the body is cut off")
    return data


def _lines(file: BinaryIO) -> list[bytes]:
    """Lines up to a blank one, which is the last."""
    lines = [_line(file)]
    while lines[-1] not in _BLANK:
        if len(lines) == MOST_LINES:
            raise ValueError("too many lines")
        lines.append(_line(file))
    return lines


def _line(file: BinaryIO) -> bytes:
    """A line with its end; empty at the end of the file."""
    line = file.readline(LONGEST_LINE + 1)
    if len(line) > LONGEST_LINE:
        raise ValueError("a line is too long")
    return line
