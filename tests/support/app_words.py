"""How the released app reads a refusal: which text it shows, and what it takes the words of it for."""

from collections.abc import Mapping
from typing import Any, Final

SLOW_VIDEO: Final = "the video takes too long"
WRONG_LINK: Final = "the link is not supported"
AWAY: Final = "temporarily unavailable, tried three times"
TOO_LONG: Final = "the video is too long"
CREDITS: Final = "add credits"
NETWORK: Final = "no network"
REFUNDED: Final = "the credit is back, so the request id is forgotten"
NO_ROUTE: Final = "the wallet is not served: legacy flow"

MEANINGS: Final[Mapping[str, tuple[str, ...]]] = {
    SLOW_VIDEO: ("timeout",),
    WRONG_LINK: ("invalid", "format"),
    AWAY: ("unavailable", "down"),
    TOO_LONG: ("too long",),
    CREDITS: ("insufficient", "402"),
    NETWORK: ("connection", "network"),
    REFUNDED: ("refunded",),
    NO_ROUTE: ("quote_not_found", "route_not_found"),
}


def shown_text(body: Mapping[str, Any]) -> str:
    """The first text that is there, in the order of the app's error parser."""
    details = body.get("details")
    inner = details if isinstance(details, dict) else {}
    found = [
        *(inner.get(name) for name in ("error", "upstreamError", "message")),
        body.get("error"),
        body.get("message"),
    ]
    return next((text for text in found if isinstance(text, str) and text.strip()), "")


def taken_for(text: str) -> set[str]:
    """What the app takes `text` for, by parts of words and whatever their case."""
    lowered = text.lower()
    return {meaning for meaning, words in MEANINGS.items() if any(w in lowered for w in words)}
