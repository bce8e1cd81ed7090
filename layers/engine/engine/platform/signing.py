"""Signature Version 4, and the credentials of the function's role.

Formats: "Create a signed AWS API request" (AWS IAM user guide), "Container credential provider" (AWS SDKs and
tools reference guide), which is what Lambda offers where SnapStart is on.
"""

import hashlib
import hmac
import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

EARLY_S, PAUSE_S = 900, 60
"""Credentials are replaced this long before they end; what fails is tried again after the pause."""
TRIES, TIMEOUT_S = 3, 1.0
_HOSTS = ("localhost", "169.254.170.2", "169.254.170.23", "fd00:ec2::23")


class NoCredentials(Exception):
    """There are no credentials, or their endpoint does not answer."""


@dataclass(frozen=True, slots=True)
class Credentials:
    key_id: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)
    ends_at: float = math.inf


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs requests to one service, to its path `/`; names of headers are in lower case."""

    service: str
    region: str

    def signed(
        self,
        credentials: Credentials,
        headers: Mapping[str, str],
        body: bytes,
        at: float,
        query: Sequence[tuple[str, str]] = (),
    ) -> dict[str, str]:
        """The headers of a POST: `headers`, which must have `host`, the date and the signature over all."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        headers = {**headers, "x-amz-date": stamp}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = sorted(headers)
        pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in query)
        lines = ["POST", "/", "&".join(f"{k}={v}" for k, v in pairs)]
        lines += [f"{name}:{' '.join(headers[name].split())}" for name in names]
        lines += ["", ";".join(names), hashlib.sha256(body).hexdigest()]
        scope = (stamp[:8], self.region, self.service, "aws4_request")
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256", stamp, "/".join(scope), digest))
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.key_id}/{'/'.join(scope)}, "
            f"SignedHeaders={';'.join(names)}, "
            f"Signature={_hmac(_key(credentials.secret, *scope), text).hex()}"
        )
        return headers


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


@lru_cache(maxsize=8)
def _key(secret: str, *scope: str) -> bytes:
    key = ("AWS4" + secret).encode()
    for part in scope:
        key = _hmac(key, part)
    return key


class Role:
    """The credentials in the environment, or of the endpoint that it names; those are kept until they end.

    Failure policy: three tries of a second each; what is in hand is used until it ends.
    """

    def __init__(
        self, environ: Mapping[str, str] = os.environ, clock: Callable[[], float] = time.time
    ) -> None:
        self._environ, self._clock, self._lock = environ, clock, threading.Lock()
        self.forget()

    def forget(self) -> bool:
        """Keeps nothing, as AWS refuses what there is. Whether there will be others."""
        self._kept, self._ask_at = Credentials("", "", ends_at=0), 0.0
        return not self._environ.get("AWS_ACCESS_KEY_ID")

    def __call__(self) -> Credentials:
        """Raises `NoCredentials`."""
        environ = self._environ
        if key_id := environ.get("AWS_ACCESS_KEY_ID"):
            secret = environ.get("AWS_SECRET_ACCESS_KEY", "")
            return Credentials(key_id, secret, environ.get("AWS_SESSION_TOKEN", ""))
        with self._lock:
            now = self._clock()
            if now >= self._ask_at:
                self._ask(now)
            return self._kept

    def _ask(self, now: float) -> None:
        for left in reversed(range(TRIES)):
            try:
                self._kept = _fetched(self._environ)
            except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
                if not left and now >= self._kept.ends_at:
                    raise NoCredentials(str(error)) from error
                self._ask_at = min(now + PAUSE_S, self._kept.ends_at)
            else:
                # Where the life is short from the start, half of it is used.
                self._ask_at = max(self._kept.ends_at - EARLY_S, (now + self._kept.ends_at) / 2)
                return


def _fetched(environ: Mapping[str, str]) -> Credentials:
    url = urlsplit(environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    host, is_tls = url.hostname or "", url.scheme == "https"
    if not is_tls and host not in _HOSTS and not ip_address(host).is_loopback:
        raise ValueError("no place for a token without TLS")
    token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
    if path := environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
        with open(path, encoding="utf-8") as file:
            token = file.read()
    connection = (HTTPSConnection if is_tls else HTTPConnection)(host, url.port, timeout=TIMEOUT_S)
    try:
        target = url._replace(scheme="", netloc="", fragment="").geturl()
        connection.request("GET", target, headers={"Authorization": token} if token else {})
        answer = connection.getresponse()
        members = json.loads(answer.read(65536)) if answer.status == 200 else {}
    finally:
        connection.close()
    ends_at = datetime.fromisoformat(members["Expiration"]).timestamp()
    key_id, secret = members["AccessKeyId"], members["SecretAccessKey"]
    return Credentials(key_id, secret, members.get("Token") or "", ends_at)
