"""The documented errors of the transcription stand-in, and its authentication."""

import hmac
import re
from collections.abc import Mapping
from typing import Any

import jwt
from aiohttp import web

from .control import Handler

URL_EXAMPLE = "https://www.tiktok.com/@username/video/1234567890"

_ERRORS: Mapping[int, Mapping[str, Any]] = {
    400: {
        "error": "invalid_url",
        "message": "URL must be a valid TikTok video URL",
        "details": {"providedUrl": "undefined", "expectedFormat": URL_EXAMPLE},
    },
    401: {
        "error": "unauthorized",
        "message": "Missing or invalid authentication",
        "details": {"provided": "present", "expected": "Bearer token or X-Engine-Auth"},
    },
    404: {
        "error": "job_not_found",
        "message": "Transcription job not found",
        "details": {"jobId": "unknown"},
    },
    429: {
        "error": "rate_limited",
        "message": "Too many requests. Please wait before retrying.",
        "details": {"retryAfter": 2},
    },
    500: {
        "error": "processing_failed",
        "message": "Failed to start transcription job",
        "details": {"reason": "internal_error"},
    },
    503: {
        "error": "service_unavailable",
        "message": "TTTranscribe is not ready yet",
        "details": {"reason": "Missing required secrets", "missing": ["HF_API_KEY"]},
    },
}


def error_body(route: str, status: int) -> Any:
    """The documented body of an error, or the general one."""
    if route == "ready":
        return {"ready": False, **_ERRORS[503]["details"]}
    return _ERRORS.get(status, {"error": "internal server error"})


def error(status: int, **details: Any) -> web.Response:
    """The documented error of a status, with its details updated by ``details``."""
    body = _ERRORS[status]
    merged = {**body, "details": {**body["details"], **details}}
    return web.json_response(merged, status=status)


class Gate:
    """Upstream's authentication: Bearer before X-Engine-Auth, JWT before shared secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def guard(self, handler: Handler) -> Handler:
        """``handler`` with authentication: without a valid credential, the documented 401."""

        async def guarded(request: web.Request) -> web.Response:
            token = _presented(request)
            if token is None or not self._accepts(token):
                return _unauthorized(request, token)
            return await handler(request)

        return guarded

    def _accepts(self, token: str) -> bool:
        return self._is_jwt(token) or hmac.compare_digest(token.encode(), self._secret.encode())

    def _is_jwt(self, token: str) -> bool:
        try:
            jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                issuer="pluct-business-engine",
                audience="tttranscribe",
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.InvalidTokenError:
            return False
        return True


def _presented(request: web.Request) -> str | None:
    """The credential of the request: Bearer if there is one, else X-Engine-Auth."""
    bearer = re.match(r"Bearer (.+)", request.headers.get("Authorization", ""), re.IGNORECASE)
    return bearer.group(1).strip() if bearer else request.headers.get("X-Engine-Auth")


def _unauthorized(request: web.Request, token: str | None) -> web.Response:
    return error(
        401,
        provided="present" if token else "missing",
        ip=request.headers.get("X-Forwarded-For", "unknown").split(",")[0],
        userAgent=request.headers.get("User-Agent", ""),
        path=request.path,
        method=request.method,
    )
