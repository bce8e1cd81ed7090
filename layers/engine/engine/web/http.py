"""Requests, answers and errors over HTTP.

Events have payload format 2.0 of API Gateway's HTTP API. API Gateway has already chosen the route: its
`routeKey` names the handler, and the path is not matched again.
"""

import base64
import json
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from msgspec import structs

from engine.platform import logs
from engine.platform.act import Act
from engine.platform.config import Settings
from engine.platform.errors import (
    EngineError,
    FrontRequired,
    InvalidRequest,
    PayloadTooLarge,
    RequestIdRequired,
    RouteNotFound,
    UnsupportedEncoding,
)
from engine.platform.logs import logger
from engine.platform.times import iso
from engine.web import caller_address, front, released_app
from engine.web.front import Front
from engine.web.request_ids import RequestKey, request_key

BODY_LIMIT = 64 * 1024
DEPTH_LIMIT = 32
QUERY_LIMIT = 10 * 1024
"""API Gateway's limit for the request line and headers."""

DIGITS_LIMIT = 15
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii"})
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\s;\"]*)")
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a route; `body` is written as JSON unless it is text or bytes."""

    body: Mapping[str, Any] | str | bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


class Call:
    """One request; its parts are parsed on first use."""

    def __init__(
        self, event: Mapping[str, Any], settings: Settings, now: int, invocation_id: str = ""
    ) -> None:
        self._event = event
        self._settings = settings
        self.now = now
        """Time of the request, epoch seconds."""
        context = event["requestContext"]
        own_id = invocation_id if settings.repeats_request_ids else ""
        self.request_id = own_id or str(context["requestId"])
        """The API's id of the request; Lambda's id of the invocation where the API repeats one."""
        self.method = str(context["http"]["method"]).upper()
        self.path = str(event["rawPath"])
        self.route = str(event.get("routeKey", "$default"))
        """The route as the template names it, such as `GET /user/{userId}/balance`."""
        self.refusal: str | None = None
        """The code of the error answered, None for a success."""
        self.identified_by = ""
        """How the caller was known, where it was by less than a credential."""
        self.is_admitted = True
        """Whether the call came the required way, so that its headers may be believed."""
        self.headers = {name.lower(): value for name, value in _texts(event.get("headers")).items()}
        self.path_members = _texts(event.get("pathParameters"))
        self.query = _texts(event.get("queryStringParameters"))

    @cached_property
    def address(self) -> str:
        """The caller's address; a header is believed only where the settings say so."""
        seen = str(self._event["requestContext"]["http"]["sourceIp"])
        if not self.is_admitted:
            return seen
        return caller_address.of(seen, self.headers, self._settings)

    @property
    def event(self) -> Mapping[str, Any]:
        """The event as API Gateway made it, for what its authorizers have found."""
        return self._event

    @property
    def bearer(self) -> str:
        """The token of the Authorization header; empty if there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @cached_property
    def cookies(self) -> Mapping[str, str]:
        """The cookies by name; API Gateway passes them apart from the headers."""
        pairs = (_text(pair).partition("=") for pair in self._event.get("cookies") or ())
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def base_path(self) -> str:
        """The path under which clients reach the gateway; empty in most deployments."""
        return self._settings.base_path

    @property
    def public_base(self) -> str:
        """Where clients reach the gateway: `scheme://host` and the base path, without a slash at the end."""
        if self._settings.public_base:
            return self._settings.public_base
        if self._settings.is_local:
            return "http://" + self.headers.get("host", "127.0.0.1")
        return "https://" + str(self._event["requestContext"]["domainName"])

    @cached_property
    def raw_body(self) -> bytes:
        """The body's bytes. Raises `InvalidRequest`, `PayloadTooLarge`, `UnsupportedEncoding`."""
        self._require_plain()
        body = self._event.get("body") or ""
        if len(body) > BODY_LIMIT * 2:
            raise PayloadTooLarge()
        try:
            raw = base64.b64decode(body, validate=True) if self._encoded else body.encode()
        except ValueError:
            raise InvalidRequest("The body cannot be read.") from None
        if len(raw) > BODY_LIMIT:
            raise PayloadTooLarge()
        return raw

    def _require_plain(self) -> None:
        """Raises `UnsupportedEncoding` for a compressed body or another character set than UTF-8."""
        coding = self.headers.get("content-encoding", "").strip().lower()
        charset = _CHARSET.search(self.headers.get("content-type", "").lower())
        if coding not in ("", "identity") or (charset and charset[1] not in CHARSETS):
            raise UnsupportedEncoding()

    @property
    def _encoded(self) -> bool:
        return bool(self._event.get("isBase64Encoded"))

    @cached_property
    def members(self) -> dict[str, Any]:
        """The JSON object in the body; empty if there is no body. Raises `InvalidRequest`."""
        return parse_object(self.raw_body) if self.raw_body.strip() else {}

    def read(self, form: type[T]) -> T:
        """The body as `form`, a msgspec struct. Raises `InvalidRequest` with the field named."""
        return convert(self.members, form)

    def read_query(self, form: type[T]) -> T:
        """The query as `form`; numbers are decimal digits. Raises `InvalidRequest`."""
        if any(len(value) > QUERY_LIMIT for value in self.query.values()):
            raise InvalidRequest("A query member has too many characters.")
        return convert({**self.query, **whole_numbers(self.query, form)}, form)

    @cached_property
    def request_key(self) -> RequestKey:
        return request_key(self.headers, self.members)

    @property
    def money_key(self) -> RequestKey:
        """The request key on a route that adds or deducts credits. Raises `RequestIdRequired` if the
        deployment requires an id and there is none, `InvalidRequest`.
        """
        if self._settings.require_request_ids and self.request_key.key is None:
            raise RequestIdRequired()
        return self.request_key

    def act(self, actor: str, reason: str = "") -> Act:
        """The call as an act: who, when, why and from where."""
        agent = self.headers.get("user-agent", "")
        return Act(actor, self.request_id, self.address, agent[:160], reason, at=self.now)


class Api:
    """The routes of one function, and its Lambda handler.

    A route is a function of a `Call` and its path members that returns an `Answer`.
    """

    def __init__(
        self,
        settings: Settings,
        front: Front | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.settings = settings
        self.front = front
        self.clock = clock
        self.routes: list[tuple[str, str]] = []
        self._handlers: dict[str, Callable[..., Answer]] = {}
        self._fallback: Callable[[Call], Answer] = _no_route

    def fallback(self, handler: Callable[[Call], Answer]) -> Callable[[Call], Answer]:
        """Registers the handler for calls that match no route."""
        self._fallback = handler
        return handler

    def route(
        self, method: str, path: str
    ) -> Callable[[Callable[..., Answer]], Callable[..., Answer]]:
        """Registers a route; path members stand in braces, as in `template.yaml`. A route of GET also
        answers HEAD.
        """

        def register(handler: Callable[..., Answer]) -> Callable[..., Answer]:
            for answered in ("GET", "HEAD") if method == "GET" else (method,):
                self._handlers[f"{answered} {path}"] = handler
                self.routes.append((answered, path))
            return handler

        return register

    def __call__(self, event: dict[str, Any], context: Any = None) -> dict[str, Any]:
        invocation_id = str(getattr(context, "aws_request_id", ""))
        call = Call(event, self.settings, int(self.clock()), invocation_id)
        with logs.invocation(context, call.request_id) as line:
            try:
                response = _response(self._answer(call), call)
            except Exception:  # noqa: BLE001 - an unexpected error is logged; its text never reaches the client.
                logger.exception("unhandled")
                response = _response(self._refused(call, EngineError()), call)
            if call.identified_by:
                line.identified_by(call.identified_by)
            if self.settings.believes_headers:
                line.came_from(call.address)
            line.answered(call.route, response["statusCode"], call.refusal)
        return response

    def _answer(self, call: Call) -> Answer:
        # No route has an empty path segment, but the local engine ignores empty segments.
        handler = None if "//" in call.path else self._handlers.get(call.route)
        try:
            self._admit(call)
            return handler(call, **call.path_members) if handler else self._fallback(call)
        except EngineError as error:
            return self._refused(call, error)

    def _admit(self, call: Call) -> None:
        """Raises `FrontRequired` where the call did not come through the front, `Busy`."""
        shown = call.headers.pop(front.HEADER, "")
        if self.front is None:
            return
        call.is_admitted = False
        if not self.front.admits(shown):
            raise FrontRequired()
        call.is_admitted = True

    def _refused(self, call: Call, error: EngineError) -> Answer:
        call.refusal = error.code
        return Answer(error_body(error, call, self.settings), error.status, error.headers)


def _response(answer: Answer, call: Call) -> dict[str, Any]:
    """The response in payload format 2.0; bytes are sent as base64."""
    body = answer.body if isinstance(answer.body, str | bytes) else dump(answer.body)
    own = {name.lower(): value for name, value in answer.headers.items()}
    varies = ["Origin", own.pop("vary", "")]
    if call.method == "HEAD":
        body = ""
    return {
        "statusCode": answer.status,
        "headers": {
            "content-type": answer.content_type,
            "vary": ", ".join(filter(None, varies)),
            "cache-control": "no-store",
            **own,
            "x-request-id": call.request_id,
            "x-content-type-options": "nosniff",
        },
        "body": base64.b64encode(body).decode() if isinstance(body, bytes) else body,
        "isBase64Encoded": isinstance(body, bytes),
    }


def error_body(error: EngineError, call: Call, settings: Settings) -> dict[str, Any]:
    """The error body of every route."""
    return {
        "ok": False,
        "success": False,
        "code": error.code,
        "error": error.error,
        "message": error.message,
        "details": released_app.shown_details(error, call.route),
        "requestId": call.request_id,
        "build": settings.build,
        "guidance": error.guidance,
        "timestamp": iso(call.now),
        **error.members,
    }


def legacy(members: Mapping[str, Any], at: int) -> dict[str, Any]:
    """The success body of the older documents: flat members plus `success`, `data`, `timestamp`."""
    return {**members, "success": True, "data": dict(members), "timestamp": iso(at)}


def dump(body: Any) -> str:
    """`body` as compact JSON; equal values give equal text."""
    return _compact(body)


def parse_object(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`, which may begin with a byte-order mark; without NaN, numbers too large for
    a float, duplicate keys, deep nesting or lone surrogates.

    Raises `InvalidRequest`.
    """
    try:
        document = json.loads(
            raw.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
        dump(document).encode()
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not a JSON object in UTF-8.") from None
    if not isinstance(document, dict):
        raise InvalidRequest("The body is not a JSON object in UTF-8.")
    if too_deep(document, DEPTH_LIMIT):
        raise InvalidRequest("The body is nested too deeply.")
    return document


def whole_numbers(query: Mapping[str, str], form: type[Any]) -> dict[str, int]:
    """The members of `query` that `form` declares as numbers and that consist of digits."""
    numeric = {field.encode_name for field in structs.fields(form) if _takes_numbers(field.type)}
    return {
        name: int(value)
        for name, value in query.items()
        if name in numeric and value.isascii() and value.isdigit() and len(value) <= DIGITS_LIMIT
    }


def convert(members: Mapping[str, Any], form: type[T]) -> T:
    """`members` as `form`. Raises `InvalidRequest` with the field's name; the library's text is not shown."""
    try:
        return msgspec.convert(members, form)
    except msgspec.ValidationError as error:
        raise InvalidRequest(details={"field": _field_of(str(error))}) from None


def _takes_numbers(kind: Any) -> bool:
    return kind is int or any(_takes_numbers(inner) for inner in getattr(kind, "__args__", ()))


def _no_route(call: Call) -> Answer:
    raise RouteNotFound()


def _field_of(text: str) -> str:
    """The field that msgspec names: after `$.`, or in backquotes if a field is missing."""
    _, found, path = text.partition(" - at `$.")
    if found:
        return path.rstrip("`")
    return text.partition("`")[2].partition("`")[0]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a key twice")
    return members


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(digits)
    return number


def _texts(members: Mapping[str, Any] | None) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in (members or {}).items()}


def _text(value: Any) -> str:
    """`value` as text that can be encoded: a lone surrogate becomes a question mark."""
    return str(value).encode(errors="replace").decode()


def too_deep(value: Any, left: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return left == 0 or any(too_deep(member, left - 1) for member in inner)
