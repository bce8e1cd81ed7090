"""The released app's network code, rebuilt from what was seen of it: what it sends, how strictly it reads,
when it tries again, and what it takes a refusal for. Not a line of it is the app's own.

It knows a gateway by one function, `send`, so it runs over HTTP and in process alike.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from itertools import count
from typing import Any, Final

import jwt

from tests.support.app_words import shown_text

RETRIED: Final = frozenset({408, 429, 500, 502, 503, 504})
TRIES = 3
TRIES_OF_401: Final = {"balance": 6, "estimate": 6, "vend": 6}
"""Calls that are sent again for a 401, with how often; every other call is sent `TRIES` times."""

POLLS = 30
POLL_AFTER_S: Final = (15, 15, 15, 30, 30, 30, 30, 60, 60, 60, 60)
"""Before each poll; after that, two minutes."""

ACTIVE: Final = frozenset({"reserved", "queued", "processing", "joined"})
FAILED: Final = ("failed_refunded", "cancelled_refunded")
_numbers = count(1)


@dataclass(frozen=True)
class Sent:
    """An answer of the gateway, or none where the phone had no network."""

    status: int
    text: str
    date: str = ""
    """The header `Date`, by which builds that sign tokens put their clock right."""


class NoNetwork(Exception):
    """The phone has no network."""


class Refused(Exception):
    """An answer that is not a success; `text` is what the person sees."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{status} {code}: {text}")
        self.status, self.code, self.text = status, code, text


class Unreadable(Exception):
    """A success whose body the strict parser refuses."""


Send = Callable[[str, str, str | None, Mapping[str, str]], Sent]
"""Method, path with query, body and headers of a request; raises `NoNetwork`."""


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) or _number(value)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


@dataclass(frozen=True)
class Shape:
    """What the parser wants: `required` may be neither missing nor null; `optional` may be both."""

    required: Mapping[str, Any] = field(default_factory=dict)
    optional: Mapping[str, Any] = field(default_factory=dict)

    def read(self, value: Any, path: str = "") -> None:
        """Raises `Unreadable` where `value` is not of this shape."""
        if not isinstance(value, dict):
            raise Unreadable(f"{path or 'body'} is no object")
        missing = [name for name in self.required if value.get(name) is None]
        if missing:
            raise Unreadable(f"{path}: {missing} are missing")
        for name, wanted in {**self.required, **self.optional}.items():
            if value.get(name) is not None:
                _read_member(value[name], wanted, f"{path}.{name}")


def _read_member(found: Any, wanted: Any, path: str) -> None:
    if isinstance(wanted, Shape):
        wanted.read(found, path)
    elif isinstance(wanted, list):
        for one in found:
            wanted[0].read(one, f"{path}[]")
    elif not wanted(found):
        raise Unreadable(f"{path} is {found!r}")


RESULT = Shape(
    optional={
        "transcription": _text, "transcript": _text, "text": _text, "confidence": _number,
        "language": _text, "duration": _number, "wordCount": _whole, "speakerCount": _whole,
        "audioQuality": _text, "processingTime": _whole,
    }
)  # fmt: skip
SHAPES: Final[Mapping[str, Shape]] = {
    "balance": Shape(
        {"userId": _text, "balance": _whole, "updatedAt": _text},
        {"main": _whole, "bonus": _whole, "freeUsesRemaining": _whole},
    ),
    "vend": Shape({"token": _text}, {"expiresIn": _whole, "balanceAfter": _whole}),
    "estimate": Shape({"estimatedCredits": _whole}, {"estimatedDuration": _whole}),
    "meta": Shape({"title": _text, "author": _text, "description": _text, "url": _text, "duration": _whole}),
    "quote": Shape(
        {
            "quoteId": _text, "priceVersion": _text, "expiresAt": _text,
            "estimated": Shape(
                optional={
                    "durationSeconds": _whole, "language": _text, "reserveUnits": _whole,
                    "maxSettleUnits": _whole, "cacheHit": _flag,
                    "products": [Shape({"code": _text, "label": _text, "priceUnits": _whole})],
                }
            ),
        },
        {"ok": _flag, "balance": Shape({"availableUnits": _whole, "reservedUnits": _whole})},
    ),
    "fulfill": Shape(
        {"jobId": _text, "status": _text},
        {
            "reservedUnits": _whole, "balanceAfterReservation": _whole, "products": _texts,
            "settlement": Shape(
                {"reservedUnits": _whole, "settledUnits": _whole, "refundedUnits": _whole}
            ),
            "result": RESULT,
        },
    ),
    "job": Shape(
        {"jobId": _text, "status": _text},
        {
            "progress": _whole, "transcript": _text, "text": _text, "confidence": _number,
            "language": _text, "duration": _whole, "ok": _flag, "message": _text, "note": _text,
            "error": _text, "url": _text, "requestId": _text, "statusUrl": _text,
            "submittedAt": _text, "completedAt": _text, "guidance": _text, "result": RESULT,
            "estimatedCredits": _whole,
        },
    ),
    "sync": Shape(
        {"revision": _text, "serverTime": _text},
        {
            "ok": _flag, "serverTimeMs": _whole, "nextSyncAfterSeconds": _whole, "budgetMode": _text,
            "policy": Shape(
                optional={
                    "minimumVersionCode": _whole, "recommendedVersionCode": _whole,
                    "hardUpdate": _flag, "transcriptionEnabled": _flag,
                }
            ),
            "service": Shape(
                optional={"state": _text, "acceptingJobs": _flag, "message": _text, "updatedAt": _text}
            ),
            "wallet": Shape(
                optional={"availableUses": _whole, "reservedUses": _whole, "displayText": _text}
            ),
            "jobs": Shape(
                optional={
                    "changedSinceCursor": [
                        Shape({"jobId": _text, "status": _text, "updatedAt": _text})
                    ]
                }
            ),
            "entitlements": Shape(
                optional={"plan": _text, "adsEnabled": _flag, "priorityQueue": _flag}
            ),
            "premiumOffer": Shape(
                optional={
                    "enabled": _flag, "successfulPlucts": _whole,
                    "nextPromptAtSuccessfulPluctCount": _whole,
                }
            ),
        },
    ),
}  # fmt: skip


def identity(name: str, version_code: int = 5) -> dict[str, str]:
    """The headers of every request of a phone; `name` is the id's part behind the dash."""
    return {
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": "PluctMobile/1.0.3 (android)",
        "x-user-id": f"mobile-{name}",
        "x-device-id": f"device-{name}",
        "x-client-version": "1.0.3",
        "x-client-version-code": str(version_code),
        "x-client-platform": "android",
    }


def new_id(prefix: str) -> str:
    return f"{prefix}_{next(_numbers):024x}"


class Phone:
    """One phone with the app. `pause` waits between tries and polls; tests let time go on there."""

    def __init__(
        self,
        send: Send,
        headers: Mapping[str, str],
        pause: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._send = send
        self._headers = dict(headers)
        self._pause = pause
        self.requests: list[tuple[str, str]] = []
        """Kind of call and request id of the header, of every request that was sent."""
        self.pending: dict[str, str] = {}
        """The id of quote and fulfilment, kept on disk by address over restarts."""
        self.token = ""
        """The vended token that the app uses for every video until it is refused."""
        self.cursor = 0
        self.uses = 0
        """The number on the screen."""
        self.active = False

    # The client: tries, headers, parser.

    def call(
        self, kind: str, method: str, path: str, body: Any = None, bearer: str = ""
    ) -> dict[str, Any]:
        """The body of a success that its parser accepts. Raises `Refused`, `Unreadable`, `NoNetwork`."""
        text = None if body is None else json.dumps(body)
        for attempt in range(TRIES_OF_401.get(kind, TRIES)):
            if attempt:
                self._pause(min(attempt, 2))
            answer = self._once(kind, method, path, text, bearer)
            is_retried = answer.status in RETRIED and attempt + 1 < TRIES
            if not is_retried and answer.status != 401:
                return self._read(kind, answer)
        return self._read(kind, answer)

    def _once(self, kind: str, method: str, path: str, text: str | None, bearer: str) -> Sent:
        fresh = new_id("req")
        headers = {**self._headers, "x-request-id": fresh, "x-client-request-id": fresh}
        if bearer:
            headers["authorization"] = f"Bearer {bearer}"
        self.requests.append((kind, fresh))
        return self._send(method, path, text, headers)

    def _read(self, kind: str, answer: Sent) -> dict[str, Any]:
        try:
            body = json.loads(answer.text) if answer.text else {}
        except ValueError:
            body = {}
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, str(body.get("code", "")), shown_text(body))
        if kind in SHAPES:
            SHAPES[kind].read(body)
        return dict(body)

    # The flows.

    def start(self) -> None:
        """What the app does once per process; failures are passed over."""
        for kind, method, path, body in (
            ("health", "GET", "/health/services", None),
            ("profile", "POST", "/v1/profile/device", {
                "deviceModel": "Pixel 8", "deviceType": "phone", "osName": "android", "osVersion": "15",
                "appVersion": "1.0.3", "locale": "en-KE", "source": "runtime_refresh",
            }),
            ("policy", "GET", "/v1/public/client-policy?platform=android&versionCode=5&version=1.0.3", None),
        ):  # fmt: skip
            try:
                self.call(kind, method, path, body)
            except (Refused, NoNetwork):
                continue
        self.sync()

    def sync(self) -> dict[str, Any]:
        """The answer, from which the number on the screen comes; empty where the call failed."""
        try:
            body = self.call("sync", "GET", f"/v1/mobile/sync?since={self.cursor}&versionCode=5")
        except (Refused, NoNetwork):
            return {}
        self.cursor = body.get("serverTimeMs") or 0
        self.uses = (body.get("wallet") or {}).get("availableUses", 0)
        changed = (body.get("jobs") or {}).get("changedSinceCursor", [])
        self.active = any(job["status"] in ACTIVE for job in changed)
        return body

    def balance(self) -> int:
        """What the app asks at its first start; it also vends a token, which is not used."""
        body = self.call("balance", "GET", "/v1/credits/balance")
        self.uses = body.get("main", 0) + body.get("bonus", 0)
        try:
            self.vend(new_id("look"))
        except Refused:
            self.token = ""
        return self.uses

    def vend(self, key: str) -> str:
        self.token = str(
            self.call("vend", "POST", "/v1/vend-token", {"clientRequestId": key})["token"]
        )
        return self.token

    def tap(self, url: str, polls: int = POLLS) -> str:
        """One video from the tap to its text, by the wallet. Raises `Refused` with what is shown."""
        key = self.pending.setdefault(url, new_id("pluct"))
        try:
            text = self._wallet(url, key, polls)
        except Refused as refused:
            shown = refused.text.lower()
            if "refunded" in shown or "invalid" in shown:
                del self.pending[url]
            raise
        del self.pending[url]
        return text

    def quote(self, url: str, key: str) -> dict[str, Any]:
        asked = {
            "inputType": "tiktok_url", "url": url, "requestedProducts": ["transcript"],
            "clientRequestId": key,
        }  # fmt: skip
        return self.call("quote", "POST", "/v1/quote", asked)

    def fulfill(self, quote_id: str, key: str) -> dict[str, Any]:
        body = {"quoteId": quote_id, "clientRequestId": key}
        return self.call("fulfill", "POST", "/v1/fulfill", body)

    def _wallet(self, url: str, key: str, polls: int) -> str:
        done = self.fulfill(self.quote(url, key)["quoteId"], key)
        text = text_in(done.get("result") or {})
        return text or self.poll(done["jobId"], polls)

    def poll(self, job_id: str, polls: int = POLLS) -> str:
        """The text of a job; errors of HTTP are passed over until the last poll."""
        for number in range(polls):
            self._pause(POLL_AFTER_S[number] if number < len(POLL_AFTER_S) else 120)
            try:
                body = self.call("job", "GET", f"/v1/jobs/{job_id}")
            except (Refused, NoNetwork):
                if number + 1 == polls:
                    raise
                continue
            text = text_in(body.get("result") or {}) or text_in(body)
            if text:
                return text
            if any(word in body["status"] for word in FAILED):
                raise Refused(200, body["status"], "The job failed and was refunded.")
        raise Refused(200, "timeout", "The job did not end.")

    def legacy_tap(self, url: str, polls: int = POLLS) -> str:
        """One video by the older flow, with the token at hand."""
        for attempt in range(2):
            if not self.token:
                self.vend(new_id("video"))
            try:
                body = {"url": url, "clientRequestId": new_id("submit")}
                job = self.call("transcribe", "POST", "/ttt/transcribe", body, self.token)
                break
            except Refused as refused:
                heals = "auth" in refused.text.lower() or refused.status == 401
                if attempt or not heals:
                    raise
                self.token = ""
        return self.legacy_poll(job["jobId"], polls)

    def legacy_poll(self, job_id: str, polls: int = POLLS) -> str:
        """The text of a job by the older flow, which ends with the word `failed` alone."""
        for _ in range(polls):
            self._pause(15)
            try:
                body = self.call("poll", "GET", f"/ttt/status/{job_id}", None, self.token)
            except (Refused, NoNetwork):
                continue
            if text_in(body):
                return text_in(body)
            if body["status"] == "failed":
                raise Refused(200, "failed", "The job failed.")
        raise Refused(200, "timeout", "The job did not end.")

    def request_credits(self, message: str) -> None:
        body = {
            "amount": 0, "reason": "top-up", "reference": message,
            "clientRequestId": new_id("credit_req"),
        }  # fmt: skip
        self.call("credits", "POST", "/v1/credits/request", body)


class OlderPhone(Phone):
    """A build that signs its own user token, with or without an audience, and sends no id in headers.

    Its clock is `clock_off_s` off; it goes by the time of the last answer, once there was one.
    """

    def __init__(
        self,
        send: Send,
        user: str,
        secret: str,
        *,
        pause: Callable[[float], None] = lambda _: None,
        audience: str = "",
        clock_off_s: int = 0,
    ) -> None:
        agent = {"user-agent": "PluctMobile/1.0.0 (android)", "content-type": "application/json"}
        super().__init__(send, agent, pause)
        self.user = user
        self._secret = secret
        self._audience = audience
        self._off_s = clock_off_s

    def _once(self, kind: str, method: str, path: str, text: str | None, bearer: str) -> Sent:
        answer = super()._once(kind, method, path, text, bearer or self._signed())
        if answer.date:
            self._off_s = int(parsedate_to_datetime(answer.date).timestamp() - time.time())
        return answer

    def _signed(self) -> str:
        now = int(time.time()) + self._off_s
        claims = {"sub": self.user, "scope": "ttt:transcribe", "iat": now, "exp": now + 900}
        claims |= {"aud": self._audience} if self._audience else {}
        return jwt.encode(claims, self._secret, algorithm="HS256")


def text_in(body: Mapping[str, Any]) -> str:
    """The first text that is not blank."""
    found = (body.get(name) for name in ("transcription", "transcript", "text"))
    return next((text for text in found if isinstance(text, str) and text.strip()), "")
