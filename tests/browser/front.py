"""A proxy before the gateway, as CloudFront with a base path is: it ends TLS, removes the path, and adds
the viewer's address.
"""

import http.client
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.receivers import self_signed

VIEWER = "203.0.113.5"
_TIMEOUT_S = 60
_HOP = ("connection", "date", "keep-alive", "server", "transfer-encoding", "content-length")


class Front(ThreadingHTTPServer):
    """`seen` has the path of every request. One outside of `base_path` gets 404, as if from another site."""

    daemon_threads = True

    def __init__(self, target: str, base_path: str) -> None:
        super().__init__(("127.0.0.1", 0), _Forwarder)
        self.target = urlsplit(target).netloc
        self.base_path = base_path
        self.seen: list[str] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that closes a connection is no fault; a page that gets no answer shows it."""


class _Forwarder(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def _forward(self) -> None:
        self.server.seen.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        base_path = self.server.base_path
        if self.path.partition("?")[0] != base_path and not self.path.startswith(f"{base_path}/"):
            self._send(404, [], b"")
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        origin = http.client.HTTPConnection(self.server.target, timeout=_TIMEOUT_S)
        try:
            path = self.path.removeprefix(base_path)
            target = path if path.startswith("/") else f"/{path}"
            origin.request(self.command, target, body, {**headers, "x-forwarded-for": VIEWER})
            answer = origin.getresponse()
            self._send(answer.status, answer.getheaders(), answer.read())
        finally:
            origin.close()

    def do_GET(self) -> None:
        self._forward()

    def do_POST(self) -> None:
        self._forward()

    def do_DELETE(self) -> None:
        self._forward()

    def _send(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """The console belongs to the tests."""


@contextmanager
def front(target: str, host: str, base_path: str, folder: Path) -> Iterator[Front]:
    """Serves `https://<host><base_path>` on a free port of loopback, with its certificate in `folder`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*self_signed(folder, host))
    with Front(target, base_path) as server:
        # The handshake belongs into the thread of its connection: a browser opens some that it does not use.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
