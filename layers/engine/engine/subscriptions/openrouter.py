"""OpenRouter's management API of keys: what is asked, and what its answers mean.

Format: OpenRouter's specification of `/keys` and `/credits`. Amounts are read as decimals and kept as
micro-dollars; `usage` is the lifetime of a key and never resets. The limits are those of `platform.outgoing`,
with 8 s for a call and 1 MB.

The outcomes are `NotSent` and `Refused` (nothing was done), `Unknown` (it may have been), or an answer. No
text of OpenRouter's is passed on.
"""

import contextlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlencode

from engine.platform import outgoing
from engine.platform.outgoing import Limits, Unknown
from engine.platform.times import iso
from engine.subscriptions.plans import micros, shown

LIMITS = Limits(seconds=8.0, size=1024 * 1024)
PAGE = 100
BASE_PATH = "/api/v1"
_HASH = re.compile(r"[A-Za-z0-9_-]{8,128}")
_SECRET = re.compile(r"[\x21-\x7e]{16,512}")


class Refused(Exception):
    """OpenRouter refused, so nothing was done; `retry_after_s` is its `Retry-After`."""

    def __init__(self, status: int, retry_after_s: int) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A key as OpenRouter shows it; `usage` in micro-dollars since it was created."""

    hash: str
    name: str
    usage: int
    disabled: bool


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list: the keys that can be read, of `size` in all."""

    keys: list[KeyFacts]
    size: int


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key; OpenRouter shows `secret` only once."""

    hash: str
    secret: str

    def __repr__(self) -> str:
        return f"CreatedKey({self.hash})"


@dataclass(frozen=True, slots=True)
class ProviderBalance:
    """The operator's account at OpenRouter, in micro-dollars."""

    granted: int
    used: int

    @property
    def left(self) -> int:
        return self.granted - self.used


class OpenRouter:
    """OpenRouter at `base`; `management_key` gives the key of the operator's account, and raises
    `NotSent` if there is none. With `workspace`, only keys of that workspace are created and listed.
    """

    def __init__(self, base: str, management_key: Callable[[], str], workspace: str = "") -> None:
        self._base = base + BASE_PATH
        self._management_key = management_key
        self._workspace = {"workspace_id": workspace} if workspace else {}
        self._client = outgoing.Client()

    def create(self, name: str, limit: int, ends_at: int) -> CreatedKey:
        """A new key that may spend `limit` micro-dollars until `ends_at`. Not idempotent.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        body = {
            "name": name,
            "limit": shown(limit),
            "limit_reset": None,
            "include_byok_in_limit": False,
            "expires_at": iso(ends_at),
            **self._workspace,
        }
        members = self._ask("POST", "/keys", body=body)
        found = _data(members).get("hash"), members.get("key")
        if not _matches(_HASH, found[0]) or not _matches(_SECRET, found[1]):
            raise Unknown("not_json")
        return CreatedKey(str(found[0]), str(found[1]))

    def read(self, hash_: str) -> KeyFacts | None:
        """The key, None if there is none. Raises `NotSent`, `Refused`, `Unknown`."""
        try:
            facts = _facts(_data(self._ask("GET", f"/keys/{hash_}")))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        if facts.hash != hash_:
            raise Unknown("not_json")
        return facts

    def disable(self, hash_: str) -> bool:
        """Disables the key; False if OpenRouter says that there is none.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        return self._is_found("PATCH", hash_, {"disabled": True})

    def delete(self, hash_: str) -> bool:
        """Deletes the key; False if OpenRouter says that there is none.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        return self._is_found("DELETE", hash_, None)

    def page(self, offset: int) -> Page:
        """At most `PAGE` keys after the first `offset`, newest first, disabled ones included.

        Raises `NotSent`, `Refused`, `Unknown`.
        """
        query = {"include_disabled": "true", "offset": str(offset), **self._workspace}
        listed = self._ask("GET", "/keys", query=query).get("data")
        if not isinstance(listed, list):
            raise Unknown("not_json")
        keys = []
        for member in listed:
            with contextlib.suppress(Unknown):
                keys.append(_facts(member))
        return Page(keys, len(listed))

    def balance(self) -> ProviderBalance:
        """The operator's balance. Raises `NotSent`, `Refused`, `Unknown`."""
        data = _data(self._ask("GET", "/credits"))
        return ProviderBalance(_amount(data.get("total_credits")), _amount(data.get("total_usage")))

    def _is_found(self, method: str, hash_: str, body: Any) -> bool:
        try:
            self._ask(method, f"/keys/{hash_}", body=body)
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    def _ask(
        self, method: str, path: str, *, body: Any = None, query: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        url = self._base + path + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {self._management_key()}"}
        request = outgoing.json_request(method, url, headers, body)
        answer = self._client.send(request, LIMITS)
        if 400 <= answer.status < 500 and answer.status != 408:
            raise Refused(answer.status, answer.wait_s)
        if not 200 <= answer.status < 300:
            raise Unknown("failed")
        return _parsed(answer.raw)


def _parsed(raw: bytes) -> dict[str, Any]:
    """The JSON object in `raw`, its fractions as decimals. Raises `Unknown`."""
    try:
        document = json.loads(raw, parse_float=_number, parse_int=_number, parse_constant=str)
    except (ValueError, RecursionError):
        raise Unknown("not_json") from None
    if not isinstance(document, dict):
        raise Unknown("not_json")
    return document


def _data(members: Mapping[str, Any]) -> Mapping[str, Any]:
    data = members.get("data")
    if not isinstance(data, dict):
        raise Unknown("not_json")
    return data


def _facts(data: Any) -> KeyFacts:
    if not isinstance(data, dict):
        raise Unknown("not_json")
    hash_, name, disabled = data.get("hash"), data.get("name"), data.get("disabled")
    if not _matches(_HASH, hash_) or not isinstance(name, str) or not isinstance(disabled, bool):
        raise Unknown("not_json")
    return KeyFacts(str(hash_), name, _amount(data.get("usage")), disabled)


def _amount(value: Any) -> int:
    if not isinstance(value, Decimal):
        raise Unknown("not_json")
    try:
        return micros(value)
    except (ValueError, InvalidOperation):
        raise Unknown("not_json") from None


def _matches(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None


def _number(text: str) -> Decimal | str:
    """The number in `text`; the text itself if it is beyond what a decimal holds, which makes no amount."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
