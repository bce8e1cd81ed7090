"""A gateway made up for a test: answers in the order given, and what it was asked."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DROP = "drop"
"""In place of an answer: the connection is closed after the request was read."""


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    status: int = 200
    members: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    is_cut_off: bool = False
    """Whether the connection is closed before the last byte of the body."""


class Answering(ThreadingHTTPServer):
    """`plan` is taken from the front; when it is empty, the last answer stays."""

    def __init__(self, plan: list[Answer | str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.plan = plan
        self.asked: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Answering

    def do_GET(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        is_csv = headers.get("content-type") == "text/csv"
        body = raw.decode() if is_csv else json.loads(raw) if raw else None
        self.server.asked.append(Asked(self.command, self.path, headers, body))
        answer = self.server.plan.pop(0) if len(self.server.plan) > 1 else self.server.plan[0]
        if isinstance(answer, str):
            self.close_connection = True
            return
        text = answer.members if isinstance(answer.members, str) else json.dumps(answer.members)
        self.send_response(answer.status)
        for name, value in {"x-request-id": "asked-1", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode()[:-1] if answer.is_cut_off else text.encode())

    do_POST = do_GET  # noqa: N815 - the server looks for this name.
    do_PUT = do_GET  # noqa: N815 - likewise.
    do_DELETE = do_GET  # noqa: N815 - likewise.

    def log_message(self, format: str, *args: Any) -> None:
        """The server says nothing on the terminal."""


@contextmanager
def answering(*plan: Answer | str) -> Iterator[Answering]:
    with Answering(list(plan)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
