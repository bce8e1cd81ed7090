"""The habits of the released mobile app that the gateway answers to.

Of a refusal the app shows the first of `details.error`, `details.upstreamError`, `details.message`, `error`
and `message`, and decides by words of that text what to do next. So the routes that it calls have the
sentence of `message` in `details.message`, and `tests/test_app_words.py` checks every text.
"""

from collections.abc import Mapping
from typing import Any, Final

from engine.platform.errors import EngineError

USER_AGENT: Final = "PluctMobile/"
"""How the user agent of every release begins."""

ROUTES: Final = frozenset(
    {
        "GET /health/services",
        "GET /v1/credits/balance",
        "POST /v1/user/balance",
        "GET /estimate",
        "GET /meta",
        "POST /meta/resolve",
        "POST /v1/vend-token",
        "POST /ttt/transcribe",
        "GET /ttt/status/{id}",
        "GET /ttt/poll/{id}",
        "POST /v1/quote",
        "POST /v1/fulfill",
        "GET /v1/jobs/{id}",
        "GET /v1/mobile/sync",
        "POST /v1/profile/device",
        "POST /v1/credits/request",
        "GET /v1/credits/requests",
        "GET /v1/public/client-policy",
        "POST /v1/devices",
        "POST /v1/devices/claim",
        "POST /v1/devices/token",
    }
)
"""The routes that the app calls, also later releases of it."""


def is_calling(headers: Mapping[str, str]) -> bool:
    """Whether a call comes from the app; header names are lower-case."""
    return headers.get("user-agent", "").startswith(USER_AGENT)


def shown_details(error: EngineError, route: str) -> dict[str, Any]:
    """The details of a refusal on `route`, with the sentence that the app is to show.

    What the transcription service said itself stays the first text: its members replace ours.
    """
    if route not in ROUTES or "error" in error.members:
        return error.details
    return {"message": error.message, **error.details}
