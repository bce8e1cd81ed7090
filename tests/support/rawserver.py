"""Servers on loopback that send bytes as they are told, broken and slow ones too."""

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Handler = Callable[[socket.socket], None]


class RawServer:
    """Runs `handler` on each connection after its first request came in.

    `accepted` counts the connections, `requests` keeps what each sent first.
    """

    def __init__(
        self, handler: Handler, *, tls: ssl.SSLContext | None = None, reads: bool = True
    ) -> None:
        self.handler = handler
        self.accepted = 0
        self.requests: list[bytes] = []
        self._tls = tls
        self._reads = reads
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            try:
                if self._tls is None:
                    self._answer(connection)
                else:
                    with self._tls.wrap_socket(connection, server_side=True) as wrapped:
                        self._answer(wrapped)
            except OSError:
                # The client hung up, as it should on what is too slow or too large.
                return

    def _answer(self, connection: socket.socket) -> None:
        if self._reads:
            self.requests.append(_request(connection))
        self.handler(connection)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def _request(connection: socket.socket) -> bytes:
    """A request with its whole body; TCP may deliver them apart."""
    received = connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    while length and len(body) < int(length[1]) and (more := connection.recv(65536)):
        received, body = received + more, body + more
    return received


@contextmanager
def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, reads: bool = True
) -> Iterator[RawServer]:
    """A server that answers while it lasts."""
    server = RawServer(handler, tls=tls, reads=reads)
    try:
        yield server
    finally:
        server.close()


def dripping(connection: socket.socket, start: bytes, piece: bytes, every_s: float = 0.05) -> None:
    """Sends `start`, then `piece` again and again for three seconds; only waits where `every_s` is 0."""
    over = threading.Event()
    connection.sendall(start)
    if not every_s:
        over.wait(3)
        return
    for _ in range(int(3 / every_s)):
        connection.sendall(piece)
        over.wait(every_s)
