"""Ways in which an answer is lost or spoiled on its way to the caller."""

import asyncio
import json
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from .clock import Clock
from .faults import Action

_MEBIBYTE = 1 << 20
_GARBAGE = bytes(range(256)) * 2
_HTML = "<!DOCTYPE html><html><head><title>502</title></head><body>Bad Gateway</body></html>"

# 64 MiB of zeros, compressed by the reference brotli encoder at quality 11 (RFC 7932).
BROTLI_64_MIB = bytes.fromhex(
    "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f"
    "0088c30200ddfb3ffeffffc13f0110870500baf77ffcffff837f02200e0b0074"
    "effff8ffff07ff04401c1600e8defff1ffff0ffe0980382c00d0bdffe3ffff1f"
    "fc1300715800a07bff37"
)


@dataclass(frozen=True)
class Moment:
    """A request to which a fault applies, and its answer without the fault."""

    request: web.Request
    real: web.Response
    action: Action
    clock: Clock


Spoiler = Callable[[Moment], Awaitable[web.StreamResponse]]


async def spoil(at: Moment) -> web.StreamResponse:
    """The answer that replaces ``at.real``, by the action's kind.

    ``at.real`` is an empty 200 where the request had no effect.
    """
    return await _SPOILERS[at.action.kind](at)


async def _delay(at: Moment) -> web.StreamResponse:
    return at.real


async def _drop(at: Moment) -> web.StreamResponse:
    _hang_up(at.request)
    return at.real


async def _status(at: Moment) -> web.StreamResponse:
    status = int(at.action.get("status"))
    headers = at.action.get("headers", {"Retry-After": "2"} if status == 429 else {})
    return web.json_response(at.action.get("body"), status=status, headers=headers)


async def _garbage(at: Moment) -> web.StreamResponse:
    return _body(_GARBAGE, at)


async def _html(at: Moment) -> web.StreamResponse:
    return _body(_HTML.encode(), at, "text/html")


async def _empty(at: Moment) -> web.StreamResponse:
    return _body(b"", at)


async def _not_object(at: Moment) -> web.StreamResponse:
    return _body(json.dumps(at.action.get("value", [])).encode(), at)


async def _content_type(at: Moment) -> web.StreamResponse:
    return _body(_bytes_of(at.real), at, at.action.get("value", "text/plain"))


async def _members(at: Moment) -> web.StreamResponse:
    """The real JSON object with members set and removed; ``a.0.b`` is ``b`` in the first item of ``a``."""
    body = json.loads(_bytes_of(at.real) or b"{}")
    for path, value in at.action.get("set", {}).items():
        holder, name = _member(body, path)
        holder[name] = value
    for path in at.action.get("remove", []):
        holder, name = _member(body, path)
        holder.pop(name, None)
    return _body(json.dumps(body, ensure_ascii=False).encode(), at)


async def _truncated(at: Moment) -> web.StreamResponse:
    """The full Content-Length, half of the body, then a closed connection."""
    body = _bytes_of(at.real) or b'{"truncated": true}'
    response = web.StreamResponse(status=at.real.status)
    response.content_type = at.real.content_type
    response.content_length = len(body)
    await response.prepare(at.request)
    await response.write(body[: len(body) // 2])
    if at.request.transport is not None:
        at.request.transport.close()
    return response


async def _oversized(at: Moment) -> web.StreamResponse:
    """A JSON object of ``megabytes`` MiB, or a small body that decompresses to it."""
    response = web.StreamResponse(status=at.real.status)
    response.content_type = at.real.content_type
    encoding = at.action.get("encoding")
    if encoding:
        response.headers["Content-Encoding"] = encoding
    # A caller with a size limit closes the connection.
    with suppress(ConnectionError):
        await response.prepare(at.request)
        for chunk in _large(int(at.action.get("megabytes", 64)), encoding):
            await response.write(chunk)
            await asyncio.sleep(0)
    return response


async def _redirect(at: Moment) -> web.StreamResponse:
    headers = {"Location": str(at.action.get("location"))}
    return web.Response(status=int(at.action.get("status", 302)), headers=headers)


async def _drip(at: Moment) -> web.StreamResponse:
    """The real body, a few bytes at a time."""
    body, step = _bytes_of(at.real), int(at.action.get("chunk_bytes", 8))
    response = web.StreamResponse(status=at.real.status)
    response.content_type = at.real.content_type
    response.content_length = len(body)
    with suppress(ConnectionError):
        await response.prepare(at.request)
        for start in range(0, len(body), step):
            await response.write(body[start : start + step])
            await at.clock.sleep(float(at.action.get("chunk_seconds", 1.0)))
    return response


_SPOILERS: dict[str, Spoiler] = {
    "delay": _delay,
    "drop": _drop,
    "status": _status,
    "garbage": _garbage,
    "html": _html,
    "empty": _empty,
    "not_object": _not_object,
    "content_type": _content_type,
    "members": _members,
    "truncated": _truncated,
    "oversized": _oversized,
    "redirect": _redirect,
    "drip": _drip,
}


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _bytes_of(response: web.Response) -> bytes:
    return response.body if isinstance(response.body, bytes) else b""


def _body(body: bytes, at: Moment, content_type: str = "application/json") -> web.Response:
    status = int(at.action.get("status", at.real.status))
    return web.Response(body=body, status=status, headers={"Content-Type": content_type})


def _member(body: Any, path: str) -> tuple[dict[str, Any], str]:
    *outer, name = path.split(".")
    for step in outer:
        body = body[int(step)] if isinstance(body, list) else body.setdefault(step, {})
    return body, name


def _large(megabytes: int, encoding: Any) -> Iterator[bytes]:
    if encoding == "br":
        return iter((BROTLI_64_MIB,))
    plain = _padded_object(megabytes)
    return _gzipped(plain) if encoding == "gzip" else plain


def _padded_object(megabytes: int) -> Iterator[bytes]:
    yield b'{"padding": "'
    for _ in range(megabytes):
        yield b"a" * _MEBIBYTE
    yield b'"}'


def _gzipped(chunks: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()
