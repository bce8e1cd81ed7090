"""A receiver of notices on this machine: it checks each signature and hands the notice on.

Format: Standard Webhooks 1.0, symmetric (`engine/credits/standard_webhooks.py`).
"""

import hmac
import json
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

from engine.access.keyrings import Ring
from engine.credits import standard_webhooks

LOOPBACK = "127.0.0.1"
TOLERANCE_S = 300
"""How far a notice's time may be from this machine's, as the standard's libraries have it."""
MOST_BYTES = 256 * 1024
READ_TIMEOUT_S = 10
FORWARD_TIMEOUT_S = 8
"""The sender waits ten seconds in all."""
SIGNED = ("webhook-id", "webhook-timestamp", "webhook-signature")


@dataclass(frozen=True, slots=True)
class Received:
    """A notice: its id and what it says; why it was refused, or the status where it was sent on."""

    message_id: str
    body: Mapping[str, Any]
    refused: str = ""
    forwarded: int | None = None

    @property
    def as_json(self) -> dict[str, Any]:
        known = {"id": self.message_id, "verified": not self.refused, **self.body}
        known |= {"refused": self.refused} if self.refused else {}
        return known | ({"forwarded": self.forwarded} if self.forwarded is not None else {})


def fault(headers: Mapping[str, str], body: bytes, ring: Ring, now: float) -> str:
    """Why a message is not believed; empty where it is. Names of headers are in lower case."""
    if any(name not in headers for name in SIGNED):
        return "it has no signature"
    message_id, timestamp, given = (headers[name] for name in SIGNED)
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE_S:
        return "its time is not now"
    for key in ring.secrets:
        made = standard_webhooks.signature(key.encode(), message_id, timestamp, body)
        for one in given.split():
            version, _, signature = one.partition(",")
            if version == "v1" and hmac.compare_digest(signature.encode(), made.encode()):
                return ""
    return "its signature is wrong"


@contextmanager
def receiving(port: int, ring: Ring, forward_to: str | None) -> Iterator[tuple[str, "Notices"]]:
    """The address of a receiver on `port`, any where it is 0, and the notices that come. Raises OSError."""
    notices = Notices(ring, forward_to)
    server = ThreadingHTTPServer((LOOPBACK, port), _handler(notices.take))
    server.daemon_threads = True
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}/", notices
    finally:
        server.shutdown()
        server.server_close()


class Notices:
    """The notices in the order in which they came."""

    def __init__(self, ring: Ring, forward_to: str | None) -> None:
        self._ring = ring
        self._forward_to = forward_to
        self._come: queue.Queue[Received] = queue.Queue()

    def next(self) -> Received:
        """The next notice, as soon as there is one."""
        while True:
            try:
                # A wait without an end would not be ended by Ctrl-C on every system.
                return self._come.get(timeout=1)
            except queue.Empty:
                continue

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """The status that the sender gets: 401 for a wrong signature, else that of the other receiver."""
        said = _object(body)
        message_id = headers.get("webhook-id", "-")
        if why := fault(headers, body, self._ring, time.time()):
            self._come.put(Received(message_id, said, refused=why))
            return 401
        forwarded = self._forward(headers, body)
        self._come.put(Received(message_id, said, forwarded=forwarded))
        return 204 if forwarded is None else forwarded

    def _forward(self, headers: Mapping[str, str], body: bytes) -> int | None:
        if self._forward_to is None:
            return None
        sent = {name: headers[name] for name in (*SIGNED, "content-type") if name in headers}
        try:
            with requests.post(
                self._forward_to,
                data=body,
                headers=sent,
                timeout=FORWARD_TIMEOUT_S,
                allow_redirects=False,
                stream=True,
            ) as answer:
                return answer.status_code
        except requests.RequestException:
            return 502


def _handler(take: Callable[[Mapping[str, str], bytes], int]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READ_TIMEOUT_S

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isdecimal() or int(length) > MOST_BYTES:
                self._answer(413)
                return
            given = {name.lower(): value for name, value in self.headers.items()}
            self._answer(take(given, self.rfile.read(int(length))))

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing: what comes is printed by the command."""

    return Handler


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {"text": body.decode(errors="replace")}
