"""Validation of requests to the OpenRouter stand-in, by the documented types."""

import json
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web

from .openrouter_keys import RESETS


class FormError(ValueError):
    """The request is answered with 400; the text is the message."""


async def read_object(request: web.Request) -> dict[str, Any]:
    """The JSON object of the body, its numbers as Decimal or int."""
    try:
        body = await request.json(loads=_loads)
    except ValueError as error:
        raise FormError("Malformed JSON") from error
    if not isinstance(body, dict):
        raise FormError("Expected an object")
    return body


def creation(body: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The validated members of a new key. Raises FormError."""
    fields = _checked(body, _CREATE, now)
    if "name" not in fields:
        raise FormError("name: Required")
    return fields


def change(body: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The validated members of a key to change. Raises FormError."""
    return _checked(body, _UPDATE, now)


def offset_of(query: Mapping[str, str]) -> int:
    """The number of keys to skip. Raises FormError."""
    text = query.get("offset", "0")
    if not (text.isascii() and text.isdigit()):
        raise FormError("offset: Expected a whole number")
    return int(text)


def flag_of(query: Mapping[str, str], name: str) -> bool:
    """``true`` or ``false``, false where absent. Raises FormError."""
    text = query.get(name, "false")
    if text not in {"true", "false"}:
        raise FormError(f"{name}: Expected true or false")
    return text == "true"


def workspace_of(query: Mapping[str, str], default: str) -> str:
    """The requested workspace, else ``default``. Raises FormError."""
    return _uuid(query.get("workspace_id", default), 0.0)


def _loads(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise FormError(f"{name} is not JSON")


Check = Callable[[Any, float], Any]


def _checked(body: Mapping[str, Any], checks: Mapping[str, Check], now: float) -> dict[str, Any]:
    fields = {}
    for name, check in checks.items():
        if name in body:
            try:
                fields[name] = check(body[name], now)
            except FormError as error:
                raise FormError(f"{name}: {error}") from error
    return fields


def _name(value: Any, now: float) -> str:
    if not isinstance(value, str) or not value:
        raise FormError("Expected a string of at least 1 character")
    return value


def _limit(value: Any, now: float) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
        raise FormError("Expected a number of dollars or null")
    return Decimal(value)


def _reset(value: Any, now: float) -> str | None:
    if value is not None and value not in RESETS:
        raise FormError(f"Expected one of {', '.join(RESETS)} or null")
    return None if value is None else str(value)


def _flag(value: Any, now: float) -> bool:
    if not isinstance(value, bool):
        raise FormError("Expected a boolean")
    return value


def _text_or_null(value: Any, now: float) -> str | None:
    if value is not None and not isinstance(value, str):
        raise FormError("Expected a string or null")
    return value


def _uuid(value: Any, now: float) -> str:
    try:
        return str(uuid.UUID(value))
    except (AttributeError, TypeError, ValueError) as error:
        raise FormError("Expected a UUID") from error


def _expiry(value: Any, now: float) -> float | None:
    """An ISO 8601 time in UTC; other time zones are rejected, as documented."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise FormError("Expected an ISO 8601 timestamp") from error
    if moment.utcoffset() != timedelta(0):
        raise FormError("Expected a UTC timestamp")
    seconds = moment.astimezone(UTC).timestamp()
    if seconds <= now:
        raise FormError("Expected a time in the future")
    return seconds


_UPDATE: Mapping[str, Check] = {
    "name": _name,
    "disabled": _flag,
    "limit": _limit,
    "limit_reset": _reset,
    "include_byok_in_limit": _flag,
}
_CREATE: Mapping[str, Check] = {
    "name": _name,
    "limit": _limit,
    "limit_reset": _reset,
    "include_byok_in_limit": _flag,
    "expires_at": _expiry,
    "workspace_id": _uuid,
    "creator_user_id": _text_or_null,
}
