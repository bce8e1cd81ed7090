"""Calls of the gateway: limits, repeats that are safe, and what becomes of a refusal."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import requests

import engine
from cli import call_log as journal
from cli.endpoint import Place
from cli.output import (
    INVALID,
    LIMITED,
    NO_CREDITS,
    NOT_FOUND,
    REFUSED,
    UNREACHABLE,
    Trouble,
)

LIMITS_S = (5, 35)
"""To connect, and to read: API Gateway itself gives up after 30."""
ATTEMPTS = 3
LONGEST_WAIT_S = 10.0
SIZE_LIMIT = 32 * 1024 * 1024
CODES = {401: REFUSED, 403: REFUSED, 404: NOT_FOUND, 402: NO_CREDITS, 429: LIMITED}


class Members(dict[str, Any]):
    """An answer's members. One that the gateway always gives and that is missing raises `Trouble`."""

    def __missing__(self, name: str) -> Any:
        text = f"The answer has no {name}: is this address a Pluct gateway?"
        raise Trouble(text, UNREACHABLE, {"code": "strange_answer"})


class Unknown(Trouble):
    """A write may or may not have happened: repeating it under the same request id tells."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    text: str
    what: str
    """The call in words, for messages: `GET /health`."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def members(self) -> Members:
        """The JSON object of the body, empty where it is none."""
        try:
            found = json.loads(self.text)
        except ValueError:
            return Members()
        return Members(found) if isinstance(found, dict) else Members()

    @property
    def request_id(self) -> str:
        return self.headers.get("x-request-id", "-")

    def refusal(self) -> Trouble:
        """The refusal as the user is told of it: one line with the request id."""
        members = self.members
        said = members.get("message") or members.get("error") or f"answered {self.status}"
        details = members.get("details")
        named = f" [{', '.join(f'{k}: {v}' for k, v in details.items())}]" if details else ""
        is_ours = 400 <= self.status < 500
        code = CODES.get(self.status, INVALID if is_ours else UNREACHABLE)
        if members.get("code") == "insufficient_credits":  # The older vend answers 403.
            code = NO_CREDITS
        facts = {
            "status": self.status,
            "code": members.get("code"),
            "requestId": members.get("requestId", self.request_id),
        }
        text = f"{said}{named} ({self.what}: {self.status}, request {facts['requestId']})"
        return Trouble(text, code, facts)

    def required(self) -> "Reply":
        """Itself if it is no refusal. Raises `Trouble`."""
        if not self.ok:
            raise self.refusal()
        return self


class Calls:
    """Calls one gateway over one session; `close` it."""

    def __init__(self, place: Place, sleep: Callable[[float], None] = time.sleep) -> None:
        self.place = place
        self._sleep = sleep
        self._session = requests.Session()
        # A ~/.netrc would replace the bearer token, a proxy has no business on this machine.
        self._session.auth = lambda request: request
        self._session.trust_env = not place.is_loopback
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
        """A read, tried again where no answer came or the gateway asks for patience."""
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
        """A write under the request id `key`, which makes trying again safe; without one, once.

        Raises `Unknown` where it may have happened.
        """
        keyed = {**(headers or {}), **({"idempotency-key": f'"{key}"'} if key else {})}
        return self._tried("POST", path, body, keyed, attempts=ATTEMPTS if key else 1)

    def delete(self, path: str, *, headers: Mapping[str, str]) -> Reply:
        """A removal, which may be repeated."""
        return self._tried("DELETE", path, None, headers)

    def _tried(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
        attempts: int = ATTEMPTS,
    ) -> Reply:
        for attempt in range(1, attempts):
            try:
                reply = self._once(method, path, body, headers)
            except Unknown:
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
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
    ) -> Reply:
        """One attempt. Raises `Unknown` where it was sent and no answer came, else `Trouble`."""
        what = f"{method} {path.partition('?')[0]}"
        began = time.monotonic()
        try:
            answer = self._session.request(
                method,
                self.place.base_url + path,
                json=body,
                headers=dict(headers),
                timeout=LIMITS_S,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                text = answer.raw.read(SIZE_LIMIT, decode_content=True).decode(errors="replace")
        except requests.RequestException as error:
            journal.append("call", what, "no-answer", type(error).__name__)
            raise self._no_answer(error, what) from None
        took_ms = int((time.monotonic() - began) * 1000)
        found = {name.lower(): value for name, value in answer.headers.items()}
        reply = Reply(answer.status_code, found, text, what)
        journal.append("call", what, reply.status, f"{took_ms}ms", reply.request_id)
        return reply

    def _no_answer(self, error: requests.RequestException, what: str) -> Trouble:
        reason = type(error).__name__
        facts = {"status": None, "code": "no_answer", "requestId": None}
        never_sent = isinstance(error, requests.ConnectTimeout) or "NewConnectionError" in str(
            error
        )
        if never_sent or isinstance(error, requests.exceptions.SSLError):
            text = f"{self.place.base_url} can not be reached ({reason})."
            return Trouble(text, UNREACHABLE, facts)
        return Unknown(
            f"{what} at {self.place.base_url} gave no answer ({reason}).", UNREACHABLE, facts
        )


def segment(text: str) -> str:
    """`text` as one part of a path. Raises `Trouble` for one that would mean another path."""
    if text in ("", ".", ".."):
        raise Trouble(f"{text!r} is no id.", INVALID)
    return quote(text, safe="")


def new_key() -> str:
    """A request id that nobody else uses."""
    return f"cli-{uuid.uuid4()}"


def _wait_s(reply: Reply) -> float | None:
    """How long to wait before the same call may be tried again; None where its answer stands."""
    if reply.status not in (429, 503):
        return None
    asked = reply.headers.get("retry-after", "1")
    wait_s = float(asked) if asked.isdigit() else 1.0
    return wait_s if wait_s <= LONGEST_WAIT_S else None
