"""Calls to TTTranscribe: answers are believed only as far as they parse.

The limits are those of `platform.outgoing`, with 256 KB. What happened is told apart by what it means for the
caller's money: `NotSent` (upstream cannot have the request), `Unknown` (it may have it), or an answer.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.access import tokens
from engine.platform import outgoing
from engine.platform.outgoing import Limits, NotSent, Unknown
from engine.web.http import dump, too_deep

__all__ = ["NotSent", "Unknown", "Upstream", "UpstreamAnswer", "parse"]

SIZE_LIMIT = 256 * 1024
SUBMIT_LIMIT = 64 * 1024
"""Answers are kept in items of the table, which take 400 KB; a transcript has at most 10,000 characters."""

HEALTH_S = 5.0

DEPTH_LIMIT = 64
AUTH_HEADER = "X-Engine-Auth"


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """A JSON object with its status; members in upstream's order."""

    status: int
    members: dict[str, Any]
    retry_after: str | None = None


class Upstream:
    """TTTranscribe at `base`, an origin that the deployment names; with `signs` it is also shown a short
    token beside the shared secret (it looks at the token alone where both are sent).
    """

    def __init__(
        self, base: str, *, signs: bool = False, clock: Callable[[], float] = time.time
    ) -> None:
        self.base = base
        self._signs = signs
        self._clock = clock
        self._client = outgoing.Client()

    def transcribe(
        self, url: str, request_id: str, secret: str, timeout_s: float
    ) -> UpstreamAnswer:
        """Start a job. It is not idempotent upstream. Raises `NotSent`, `Unknown`."""
        body = {"url": url, "requestId": request_id}
        headers = self._credentials(secret, request_id)
        return self._call("POST", "/transcribe", headers, timeout_s, body)

    def status(self, job_id: str, secret: str, timeout_s: float) -> UpstreamAnswer:
        """How the job goes; `job_id` must have been checked. Raises `NotSent`, `Unknown`."""
        headers = self._credentials(secret, job_id)
        return self._call("GET", f"/status/{job_id}", headers, timeout_s, None)

    def health(self) -> UpstreamAnswer:
        """What it says of itself, to anybody. Raises `NotSent`, `Unknown`."""
        return self._call("GET", "/health", {}, HEALTH_S, None)

    def _credentials(self, secret: str, subject: str) -> dict[str, str]:
        shown = {AUTH_HEADER: secret}
        if self._signs:
            token = tokens.issue_for_upstream(subject, secret, now=int(self._clock()))
            shown["Authorization"] = f"Bearer {token}"
        return shown

    def _call(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        timeout_s: float,
        body: dict[str, Any] | None,
    ) -> UpstreamAnswer:
        request = outgoing.json_request(method, self.base + path, headers, body)
        limits = Limits(timeout_s, SUBMIT_LIMIT if method == "POST" else SIZE_LIMIT)
        answer = self._client.send(request, limits)
        return UpstreamAnswer(answer.status, parse(answer.raw), answer.retry_after)


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`. Raises `Unknown`."""
    try:
        document = json.loads(raw, parse_constant=_refuse, parse_float=_finite)
        dump(document).encode()
    except (ValueError, RecursionError):
        raise Unknown("not_json") from None
    if not isinstance(document, dict) or too_deep(document, DEPTH_LIMIT):
        raise Unknown("not_json")
    return document


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
