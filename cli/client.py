"""The HTTP client of the gateway: time and size limits, safe retries, and refusals as errors."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import requests
from urllib3.exceptions import HTTPError

import engine
from cli import call_log
from cli.endpoint import Endpoint
from cli.errors import CommandError
from cli.exit_codes import (
    INVALID,
    NO_CREDITS,
    NOT_FOUND,
    RATE_LIMITED,
    REFUSED,
    UNAVAILABLE,
)

LIMITS_S = (5, 35)
"""To connect and to read. API Gateway itself ends a request after 30 s."""
ATTEMPTS = 3
LONGEST_WAIT_S = 10.0
SIZE_LIMIT = 32 * 1024 * 1024
Body = Mapping[str, object] | bytes | None
"""An object, a text, or nothing."""
CODES = {401: REFUSED, 403: REFUSED, 404: NOT_FOUND, 402: NO_CREDITS, 429: RATE_LIMITED}


class Members(dict[str, Any]):
    """The members of an answer. Reading one that is missing raises `CommandError`."""

    def __missing__(self, name: str) -> Any:
        text = f"The answer has no {name}: is this address a Pluct gateway?"
        raise CommandError(text, UNAVAILABLE, {"code": "strange_answer"})


class UnknownOutcome(CommandError):
    """A write may have happened; it can be repeated safely under the same request id."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    what: str
    """The call as messages show it: `GET /health`."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def members(self) -> Members:
        """The JSON object in the body; empty where the body is not a JSON object."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return Members()
        return Members(found) if isinstance(found, dict) else Members()

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "-")

    def refusal(self) -> CommandError:
        """The error for the user: one line with the gateway's message and the request id."""
        members = self.members
        said = members.get("message") or members.get("error") or f"answered {self.status}"
        details = members.get("details")
        named = f" [{', '.join(f'{k}: {v}' for k, v in details.items())}]" if details else ""
        is_client_error = 400 <= self.status < 500
        code = CODES.get(self.status, INVALID if is_client_error else UNAVAILABLE)
        if members.get("code") == "insufficient_credits":  # POST /vend-token answers 403 for this.
            code = NO_CREDITS
        facts = {
            "status": self.status,
            "code": members.get("code"),
            "requestId": members.get("requestId", self.request_id),
        }
        text = f"{said}{named} ({self.what}: {self.status}, request {facts['requestId']})"
        return CommandError(text, code, facts)

    def required(self) -> "Reply":
        """Itself, unless it is a refusal. Raises `CommandError`."""
        if not self.ok:
            raise self.refusal()
        return self


class Client:
    """Calls one gateway over one HTTP session, which `close` ends."""

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        self.endpoint = endpoint
        self._sleep = sleep
        self._session = requests.Session()
        # Credentials of ~/.netrc must not replace the bearer token; loopback needs no proxy.
        self._session.auth = lambda request: request
        self._session.trust_env = not endpoint.is_loopback
        self._session.headers["user-agent"] = f"pluct-cli/{engine.__version__}"

    def close(self) -> None:
        self._session.close()

    def get(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, object] | None = None,
    ) -> Reply:
        """A read; tried again after no answer, or when the gateway answers 429 or 503.

        Raises `CommandError` where no attempt was answered.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        where = f"{path}?{urlencode(given)}" if given else path
        return self._tried("GET", where, None, headers or {})

    def post(
        self,
        path: str,
        body: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        """A write under the request id `key`, which makes retries safe; without a key, one attempt.

        Raises `UnknownOutcome` where the write may have happened, else `CommandError`.
        """
        keyed = {**(headers or {}), **({"idempotency-key": f'"{key}"'} if key else {})}
        return self._tried("POST", path, body, keyed, attempts=ATTEMPTS if key else 1)

    def put(self, path: str, body: Mapping[str, object], *, headers: Mapping[str, str]) -> Reply:
        """A write of the whole thing; retries are safe. Raises `CommandError`."""
        return self._tried("PUT", path, body, headers)

    def post_csv(self, path: str, text: bytes, *, headers: Mapping[str, str]) -> Reply:
        """A file whose rows have ids of their own, which makes retries safe.

        Raises `UnknownOutcome` where it may have been done, else `CommandError`.
        """
        return self._tried("POST", path, text, {**headers, "content-type": "text/csv"})

    def delete(self, path: str, *, headers: Mapping[str, str]) -> Reply:
        """A deletion; retries are safe. Raises `CommandError`."""
        return self._tried("DELETE", path, None, headers)

    def _tried(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
        attempts: int = ATTEMPTS,
    ) -> Reply:
        for attempt in range(1, attempts):
            try:
                reply = self._once(method, path, body, headers)
            except UnknownOutcome:
                self._sleep(0.5 * attempt)
                continue
            wait_s = _wait_s(reply)
            if wait_s is None:
                return reply
            self._sleep(wait_s)
        return self._once(method, path, body, headers)

    def _once(
        self,
        method: str,
        path: str,
        body: Body,
        headers: Mapping[str, str],
    ) -> Reply:
        """One attempt.

        Raises `UnknownOutcome` where it was sent but not answered, else `CommandError`.
        """
        what = f"{method} {path.partition('?')[0]}"
        began = time.monotonic()
        try:
            answer = self._session.request(
                method,
                self.endpoint.base_url + path,
                json=None if isinstance(body, bytes) else body,
                data=body if isinstance(body, bytes) else None,
                headers=dict(headers),
                timeout=LIMITS_S,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                text = answer.raw.read(SIZE_LIMIT, decode_content=True).decode(errors="replace")
        except (requests.RequestException, HTTPError) as error:
            call_log.append("call", what, "no-answer", type(error).__name__)
            raise self._no_answer(error, what) from None
        took_ms = int((time.monotonic() - began) * 1000)
        found = {name.lower(): value for name, value in answer.headers.items()}
        reply = Reply(answer.status_code, found, text, what)
        call_log.append("call", what, reply.status, f"{took_ms}ms", reply.request_id)
        return reply

    def _no_answer(self, error: requests.RequestException | HTTPError, what: str) -> CommandError:
        reason = type(error).__name__
        facts = {"status": None, "code": "no_answer", "requestId": None}
        never_sent = isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in str(
            error
        )
        if never_sent or isinstance(error, requests.exceptions.SSLError):
            text = f"{self.endpoint.base_url} cannot be reached ({reason})."
            return CommandError(text, UNAVAILABLE, facts)
        return UnknownOutcome(
            f"{what} at {self.endpoint.base_url} gave no complete answer ({reason}).",
            UNAVAILABLE,
            facts,
        )


def path_segment(text: str) -> str:
    """`text` as one segment of a path. Raises `CommandError` where it would change the path."""
    if text in ("", ".", ".."):
        raise CommandError(f"{text!r} is not an id.", INVALID)
    return quote(text, safe="")


def new_request_id() -> str:
    """A unique request id."""
    return f"cli-{uuid.uuid4()}"


def _wait_s(reply: Reply) -> float | None:
    """How long to wait before a retry; None where the reply is final."""
    if reply.status not in (429, 503):
        return None
    asked = reply.headers.get("retry-after", "1")
    wait_s = float(asked) if asked.isdigit() else 1.0
    return wait_s if wait_s <= LONGEST_WAIT_S else None
