"""The gateway over HTTP as Lambda runs it: several instances of each function, each with its own memory.

Every instance reads its key rings when it comes to need them, so the rings that they hold differ by up
to five minutes. All of them go by one clock, which tests move.
"""

import http.client
import itertools
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

from tests.support import deployed
from tests.support.gateway import Gateway, Reply, event_of

FUNCTIONS = ("users", "credits", "tokens", "transcription")
_numbers = itertools.count(1)


class Fleet:
    """`instances` of every function over the table and the secrets of one gateway."""

    def __init__(self, endpoint: str, upstream: str, *, instances: int, prefix: str) -> None:
        settings = {"TTT_BASE": upstream, "RATE_LIMIT": "100000", "SECRETS_PREFIX": prefix}
        self.gateway = Gateway(endpoint, **settings)
        self.now = self.gateway.clock()
        self._turn = itertools.count()
        self.rotation = deployed.load("rotation", self.gateway.environment)
        self.rotation.clock = lambda: self.now  # type: ignore[attr-defined]
        self.instances = [{name: self._load(name) for name in FUNCTIONS} for _ in range(instances)]

    def _load(self, name: str) -> ModuleType:
        module: Any = deployed.load(name, self.gateway.environment)
        module.api.clock = module.rings.clock = lambda: self.now
        return module

    def answer(self, method: str, path: str, body: str, headers: Mapping[str, str]) -> Any:
        """One instance's answer; they take turns, so that one caller meets all of them."""
        function, members, route = self.gateway.routed(method, path)
        event = event_of(method, path, route, members, body or None, headers)
        instance = self.instances[next(self._turn) % len(self.instances)]
        return instance[function].lambda_handler(event, None)

    def rotate(self) -> None:
        """What the schedule does once a day."""
        self.rotation.lambda_handler({"source": "aws.events"}, None)


@dataclass
class Client:
    """A connection to a fleet's address."""

    port: int

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body), dict(headers or {})
            )
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read().decode())
        finally:
            connection.close()


@contextmanager
def serving(fleet: Fleet) -> Iterator[Client]:
    """A client of the fleet, which listens on loopback while it lasts."""

    class Front(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = fleet.answer(self.command, self.path, body, headers)
            text = answer["body"].encode()
            self.send_response(answer["statusCode"])
            for name, value in answer["headers"].items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - the server looks for this name.

        def log_message(self, format: str, *args: Any) -> None:
            """The server says nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield Client(server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
