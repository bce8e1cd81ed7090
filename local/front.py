"""A reverse proxy that serves the deployed API on an ordinary address, as API Gateway would.

Method, path, query, end-to-end headers and body pass unchanged in both directions. The proxy adds what
API Gateway adds and the engine does not: forwarding headers, limits on size and time, and API Gateway's
own error bodies. It is part of every measurement, so it does nothing else for a request.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    StreamReader,
    TCPConnector,
    web,
)
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpProcessingError, RawRequestMessage
from aiohttp.web_protocol import RequestHandler
from multidict import CIMultiDict
from yarl import URL

from local.function_entry import ANSWER_MARK

BODY_LIMIT_BYTES = 10 * 1024 * 1024
UPSTREAM_TIMEOUT_S = 30.0
CONNECTIONS = 500
# The engine starts a process for each concurrent call; a hundred that start at once on two processors
# are all slow. Calls beyond this limit wait here. API Gateway has no such queue.
AT_ONCE = 32
# Shorter than the engine's 75 s, so that the engine never closes a connection that is about to be reused.
_KEEPALIVE_S = 30.0
# How long a refused upload is still read, and how long a stopping run waits for requests in progress.
_LINGER_S = 1.0
# RFC 9110, section 7.6.1: hop-by-hop headers. The last three are set for each hop.
_NOT_FORWARDED = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "host",
        "content-length",
    }
)
_NOT_RETURNED = _NOT_FORWARDED - {"host"} | {"date", "server", ANSWER_MARK}
FRONT_HEADER = "x-front-secret"
_SET_HERE = frozenset({"x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", FRONT_HEADER})
# Any other Host could select a service of the engine, which routes by Host before it looks at the path.
_PLAIN_HOST = re.compile(r"(localhost|[0-9.]+|\[[0-9a-f:]+\])(:[0-9]+)?", re.IGNORECASE)


@dataclass
class Front:
    """Forwards requests to `target`: an origin with the path prefix of the API.

    `own_host` ("127.0.0.1:8787") is the Host that functions see, `secret` what proves that a request came
    this way, in the place of what the client sent; `show` gets one line for each request,
    `show_error` the engine's message where a function failed.
    """

    target: str
    own_host: str
    show: Callable[[str], None]
    show_error: Callable[[str], None]
    secret: str = ""
    upstream_timeout_s: float = UPSTREAM_TIMEOUT_S
    _session: ClientSession = field(init=False)
    _places: asyncio.Semaphore = field(init=False)

    async def open(self) -> web.ServerRunner:
        """The server without an address; `close` releases its connections."""
        self._places = asyncio.Semaphore(AT_ONCE)
        self._session = ClientSession(
            connector=TCPConnector(limit=CONNECTIONS, keepalive_timeout=_KEEPALIVE_S),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=self.upstream_timeout_s),
            auto_decompress=False,
            skip_auto_headers=("accept", "accept-encoding", "content-type", "user-agent"),
        )
        server = web.Server(
            self.handle,
            request_factory=_request,
            auto_decompress=False,
            access_log=None,
            lingering_time=_LINGER_S,
            logger=_server_log(),
        )
        runner = web.ServerRunner(server, shutdown_timeout=_LINGER_S)
        await runner.setup()
        return runner

    async def close(self) -> None:
        """Closes the connections to the engine."""
        await self._session.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answers one request and logs it in one line."""
        started = time.perf_counter()
        response = await self._answer(request)
        took_ms = (time.perf_counter() - started) * 1000
        self.show(_line(request, response, took_ms))
        return response

    async def _answer(self, request: web.BaseRequest) -> web.Response:
        target = request.raw_path
        if not target.startswith("/") or not target.isascii():
            return _own_answer(400, "Bad Request")
        try:
            body = await _read(request)
            async with self._places:
                response = await self._forward(request, target, body)
        except web.HTTPRequestEntityTooLarge:
            return _own_answer(413, "Request Too Long")
        except (web.RequestPayloadError, ConnectionError, UnicodeEncodeError):
            # A broken or incomplete body, or a header that is not text, cannot be forwarded.
            return _own_answer(400, "Bad Request")
        except (TimeoutError, ClientError) as error:
            self.show_error(f"no answer to {request.method} {target}: {error!r}")
            return _own_answer(503, "Service Unavailable")
        return response

    async def _forward(self, request: web.BaseRequest, target: str, body: bytes) -> web.Response:
        async with self._session.request(
            request.method,
            URL(f"{self.target}{target}", encoded=True),
            data=body or None,
            headers=self._headers(request),
            allow_redirects=False,
        ) as answer:
            return self._response(answer, await answer.read())

    def _headers(self, request: web.BaseRequest) -> CIMultiDict[str]:
        headers = _without(request.headers.items(), _NOT_FORWARDED | _SET_HERE)
        host = request.headers.get("host", "")
        headers["host"] = host if _PLAIN_HOST.fullmatch(host) else self.own_host
        claimed = request.headers.getall("x-forwarded-for", [])
        headers["x-forwarded-for"] = ", ".join([*claimed, request.remote or "127.0.0.1"])
        headers["x-forwarded-port"] = self.own_host.rpartition(":")[2]
        headers["x-forwarded-proto"] = "http"
        if self.secret:
            headers[FRONT_HEADER] = self.secret
        return headers

    def _response(self, answer: ClientResponse, body: bytes) -> web.Response:
        if ANSWER_MARK not in answer.headers:
            if answer.status >= 500:
                self.show_error(body.decode(errors="replace"))
                return _own_answer(
                    500, "Internal Server Error", _without(answer.headers.items(), _NOT_RETURNED)
                )
            if answer.status == 429:
                # The engine answers 429 at a function's reserved concurrency; API Gateway answers 503.
                return _own_answer(503, "Service Unavailable")
        return web.Response(
            status=answer.status, body=body, headers=_without(answer.headers.items(), _NOT_RETURNED)
        )


def _server_log() -> logging.Logger:
    """The server's log without malformed HTTP requests, which are answered and are not our errors."""
    log = logging.getLogger("local.front")
    log.addFilter(_is_ours)
    return log


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(
        message, payload, protocol, writer, task, loop, client_max_size=BODY_LIMIT_BYTES
    )


async def _read(request: web.BaseRequest) -> bytes:
    """The body. Raises HTTPRequestEntityTooLarge, before reading where Content-Length is given."""
    if (request.content_length or 0) > BODY_LIMIT_BYTES:
        raise web.HTTPRequestEntityTooLarge(BODY_LIMIT_BYTES, request.content_length or 0)
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    return await request.read()


def _without(headers: Iterable[tuple[str, str]], names: frozenset[str]) -> CIMultiDict[str]:
    return CIMultiDict((name, value) for name, value in headers if name.lower() not in names)


def _own_answer(status: int, message: str, headers: CIMultiDict[str] | None = None) -> web.Response:
    kept = _without((headers or {}).items(), frozenset({"content-type"}))
    return web.Response(
        status=status,
        text=f'{{"message":"{message}"}}',
        content_type="application/json",
        headers=kept,
    )


def _line(request: web.BaseRequest, response: web.StreamResponse, took_ms: float) -> str:
    path = request.raw_path.partition("?")[0].encode("ascii", "backslashreplace").decode()
    request_id = response.headers.get("x-request-id") or response.headers.get(
        "apigw-requestid", "-"
    )
    clock = time.strftime("%H:%M:%S")
    return f"{clock} {request.method:<6} {path} {response.status} {took_ms:.0f} ms {request_id}\n"


def to_terminal(line: str) -> None:
    """Writes without buffering, so that the lines of a request and of its function appear in order."""
    sys.stdout.write(line)
    sys.stdout.flush()
