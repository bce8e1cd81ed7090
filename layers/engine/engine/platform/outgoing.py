"""JSON calls to services outside: limits on every one, and what happened told apart by what it means.

Limits: 3 s to connect, the given seconds in all, the given size, no redirect, no proxy of the
environment, one attempt. `NotSent`: the service can not have the request. `Unknown`: it may have it.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from engine.platform import snapshots

CONNECT_S = 3.0
CHUNK = 64 * 1024


class NotSent(Exception):
    """No connection was made, so the service can not have the request."""


class Unknown(Exception):
    """The request went out and no answer that can be read came back."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind
        """`timeout`, `broken`, `too_large`, `not_json`, or `failed` where it answered that it failed."""


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as it came."""

    status: int
    raw: bytes
    retry_after: str | None


def new_session() -> requests.Session:
    """A session that takes no proxy and no credential from its surroundings, nor a connection from a
    snapshot.
    """
    session = requests.Session()
    session.trust_env = False
    return snapshots.renews(session, requests.Session.close)


def send(
    session: requests.Session,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    size_limit: int,
    body: Any = None,
    query: Mapping[str, str] | None = None,
) -> RawAnswer:
    """One call with a JSON body, if there is one. Raises `NotSent`, `Unknown`."""
    deadline = time.monotonic() + timeout_s
    try:
        with session.request(
            method,
            url,
            json=body,
            params=query,
            headers={"Accept": "application/json", **headers},
            timeout=(min(CONNECT_S, timeout_s), timeout_s),
            allow_redirects=False,
            stream=True,
        ) as response:
            raw = _read(response, deadline, size_limit)
    except requests.ConnectTimeout as error:
        raise NotSent() from error
    except requests.ConnectionError as error:
        raise _lost(error) from error
    except (requests.Timeout, ReadTimeoutError) as error:
        raise Unknown("timeout") from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise Unknown("broken") from error
    return RawAnswer(response.status_code, raw, response.headers.get("Retry-After"))


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
