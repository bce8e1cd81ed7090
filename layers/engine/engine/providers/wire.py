"""One provider's API: bounded calls, three outcomes, and members of its messages read without trust.

The limits are those of `platform.outgoing`: one deadline and one size limit for a call, one attempt. Readers
of members answer None (or an empty value) for a member that is absent or of another kind, so odd bytes make
no exception. Numbers with a fraction are decimals.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal, InvalidOperation
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from engine.platform import outgoing
from engine.platform.outgoing import Limits, NotSent, Request, Unknown

__all__ = ["NotSent", "Refused", "Unknown"]

LIMITS = Limits(seconds=8.0, size=1024 * 1024)
MOST_NUMBER = 10**15
_CODE = re.compile(r"[A-Za-z0-9._-]{1,64}")

T = TypeVar("T")


class Refused(Exception):
    """The provider refused, so nothing was done. `code` is its own word for why, empty if it gave none;
    `retry_after_s` its `Retry-After`.
    """

    def __init__(self, status: int, code: str = "", retry_after_s: int = 5) -> None:
        super().__init__(f"{status} {code}".strip())
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page of a list. `after` continues it, None at the end; `unreadable` rows were passed over."""

    rows: tuple[T, ...]
    after: str | None
    unreadable: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of any status; `members` is empty where the body is no JSON object."""

    status: int
    members: Mapping[str, Any]
    retry_after_s: int

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class Api:
    """The API at `base`. The headers of a call hold its credential."""

    def __init__(self, base: str) -> None:
        self._base = base.rstrip("/")
        self._client = outgoing.Client()

    def get(
        self, path: str, headers: Mapping[str, str], query: Mapping[str, str] | None = None
    ) -> Reply:
        """Raises `NotSent`, `Unknown`."""
        return self.send("GET", path + (f"?{urlencode(query)}" if query else ""), headers)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Reply:
        """`body` as JSON unless it is None. Raises `NotSent`, `Unknown`."""
        return self._reply(outgoing.json_request(method, self._base + path, headers, body))

    def send_form(
        self, path: str, headers: Mapping[str, str], form: list[tuple[str, str]]
    ) -> Reply:
        """`form` as `application/x-www-form-urlencoded`. Raises `NotSent`, `Unknown`."""
        wanted = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            **headers,
        }
        return self._reply(Request("POST", self._base + path, wanted, urlencode(form).encode()))

    def _reply(self, request: Request) -> Reply:
        answer = self._client.send(request, LIMITS)
        return Reply(answer.status, parsed(answer.raw) or {}, answer.wait_s)


def bearer(token: str) -> dict[str, str]:
    """The header that holds `token`."""
    return {"Authorization": f"Bearer {token}"}


def success(reply: Reply, code: str) -> Mapping[str, Any]:
    """The members of a success. Raises `Refused` with `code` for a refusal, `Unknown` for a failure or a
    success without an object.
    """
    done(reply, code)
    if not reply.members:
        raise Unknown("not_json")
    return reply.members


def done(reply: Reply, code: str) -> None:
    """Returns for a success of any body. Raises `Refused` with `code` for a refusal, else `Unknown`."""
    # 409 says that the same request is under way.
    if 400 <= reply.status < 500 and reply.status not in (408, 409):
        raise Refused(reply.status, code, reply.retry_after_s)
    if not reply.is_success:
        raise Unknown("failed")


def is_missing(reply: Reply, statuses: Collection[int]) -> bool:
    """Whether the provider says that there is no such object, in its own form. Raises `Unknown` for the same
    status in another form, such as a page of something before the provider.
    """
    if reply.status not in statuses:
        return False
    if not child(reply.members, "error"):
        raise Unknown("not_json")
    return True


def parsed(raw: bytes) -> dict[str, Any] | None:
    """The JSON object in `raw`, None if it is none. Never raises."""
    try:
        document = json.loads(raw, parse_float=_decimal, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def text(members: Mapping[str, Any], name: str, most: int = 255) -> str | None:
    """A text of 1 to `most` characters that UTF-8 can hold."""
    value = members.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= most or not is_storable(value):
        return None
    return value


def word(members: Mapping[str, Any], name: str) -> str:
    """A code: up to 64 of `A-Z a-z 0-9 . _ -`, also written as a number; empty if it is none."""
    value = members.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST_NUMBER:
        return str(value)
    return value if isinstance(value, str) and _CODE.fullmatch(value) else ""


def whole(members: Mapping[str, Any], name: str) -> int | None:
    """A whole number, also one written as digits in a text, as Google writes 64-bit numbers."""
    value = members.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= MOST_NUMBER:
        return None
    return value


def child(members: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object `name`; empty if it is none."""
    value = members.get(name)
    return value if isinstance(value, dict) else {}


def children(members: Mapping[str, Any], name: str) -> Iterator[Mapping[str, Any]]:
    """The objects of the list `name`."""
    value = members.get(name)
    return (row for row in value if isinstance(row, dict)) if isinstance(value, list) else iter(())


def moment(members: Mapping[str, Any], name: str, zone: tzinfo | None = None) -> int | None:
    """A time in ISO 8601 as epoch seconds. Without an offset it is that of `zone`, and none without one."""
    value = members.get(name)
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        found = found if found.tzinfo else found.replace(tzinfo=zone)
        return int(found.timestamp()) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def is_storable(value: str) -> bool:
    """Whether UTF-8 can hold `value`: JSON may name half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _decimal(digits: str) -> Decimal | str:
    try:
        return Decimal(digits)
    except InvalidOperation:
        return digits
