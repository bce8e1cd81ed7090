"""Calls to TTTranscribe: limits on every one, and answers that are believed only as far as they parse.

Limits: 3 s to connect, the given seconds in all, 2 MB, no redirect, no proxy of the environment, one
attempt. What happened is told apart by what it means for the caller's money: `NotSent` (upstream can
not have the request), `Unknown` (it may have it), or an answer.
"""

import json
import math
import time
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from engine.http import dump, too_deep

CONNECT_S = 3.0
SIZE_LIMIT = 2 * 1024 * 1024
KEPT_LIMIT = 64 * 1024
"""The answer to a submit is kept in an item of the table, which takes 400 KB in all."""

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
    """TTTranscribe at `base`, an origin that the deployment names."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._session = requests.Session()
        self._session.trust_env = False

    def transcribe(
        self, url: str, request_id: str, secret: str, timeout_s: float
    ) -> UpstreamAnswer:
        """Start a job. It is not idempotent upstream. Raises `NotSent`, `Unknown`."""
        body = {"url": url, "requestId": request_id}
        return self._call("POST", "/transcribe", secret, timeout_s, body)

    def status(self, job_id: str, secret: str, timeout_s: float) -> UpstreamAnswer:
        """How the job goes; `job_id` must have been checked. Raises `NotSent`, `Unknown`."""
        return self._call("GET", f"/status/{job_id}", secret, timeout_s, None)

    def _call(
        self, method: str, path: str, secret: str, timeout_s: float, body: dict[str, Any] | None
    ) -> UpstreamAnswer:
        deadline = time.monotonic() + timeout_s
        try:
            with self._session.request(
                method,
                self.base + path,
                json=body,
                headers={AUTH_HEADER: secret, "Accept": "application/json"},
                timeout=(min(CONNECT_S, timeout_s), timeout_s),
                allow_redirects=False,
                stream=True,
            ) as response:
                raw = _read(response, deadline, KEPT_LIMIT if method == "POST" else SIZE_LIMIT)
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
