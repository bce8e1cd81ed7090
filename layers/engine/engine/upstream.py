"""Calls to TTTranscribe: limits on every one, and answers that are believed only as far as they parse.

Limits: 3 s to connect, the given seconds in all, 256 KB, no redirect, no proxy of the environment, one
attempt. What happened is told apart by what it means for the caller's money: `NotSent` (upstream can
not have the request), `Unknown` (it may have it), or an answer.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from engine import tokens
from engine.http import dump, too_deep

CONNECT_S = 3.0
SIZE_LIMIT = 256 * 1024
SUBMIT_LIMIT = 64 * 1024
"""Answers are kept in items of the table, which take 400 KB; a transcript has at most 10,000 characters."""

HEALTH_S = 5.0

DEPTH_LIMIT = 64
CHUNK = 64 * 1024
AUTH_HEADER = "X-Engine-Auth"


class NotSent(Exception):
    """No connection was made, so upstream can not have the request."""


class Unknown(Exception):
    """The request went out and no answer that can be read came back."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        """`timeout`, `broken`, `too_large` or `not_json`."""


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
        self._session = requests.Session()
        self._session.trust_env = False

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
        deadline = time.monotonic() + timeout_s
        try:
            with self._session.request(
                method,
                self.base + path,
                json=body,
                headers={**headers, "Accept": "application/json"},
                timeout=(min(CONNECT_S, timeout_s), timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                raw = _read(response, deadline, SUBMIT_LIMIT if method == "POST" else SIZE_LIMIT)
        except requests.ConnectTimeout as error:
            raise NotSent() from error
        except requests.ConnectionError as error:
            raise _lost(error) from error
        except (requests.Timeout, ReadTimeoutError) as error:
            raise Unknown("timeout") from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise Unknown("broken") from error
        return UpstreamAnswer(response.status_code, parse(raw), response.headers.get("Retry-After"))


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


def _read(response: requests.Response, deadline: float, limit: int) -> bytes:
    """The whole body, within the size and time limits."""
    raw = bytearray()
    while True:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Unknown("timeout")
        connection = response.raw.connection
        if connection is not None and connection.sock is not None:
            connection.sock.settimeout(left_s)
        chunk = response.raw.read1(CHUNK, decode_content=True)
        if not chunk:
            return bytes(raw)
        raw += chunk
        if len(raw) > limit:
            raise Unknown("too_large")


def _lost(error: requests.ConnectionError) -> Exception:
    """A refused connection was never made; any other may have carried the request."""
    reason: Any = error.args[0] if error.args else None
    reason = getattr(reason, "reason", reason)
    never_made = type(reason).__name__ in ("NewConnectionError", "NameResolutionError")
    return NotSent() if never_made else Unknown("broken")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number


def _refuse(constant: str) -> Any:
    raise ValueError(constant)
