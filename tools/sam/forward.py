"""Lets containers of Docker's bridge reach ports that listen on this machine's loopback alone."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
from collections.abc import AsyncIterator, Iterable

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 65_536
# Where Docker runs in a virtual machine its bridge is in there, and `host.docker.internal` reaches loopback.
_NOT_OURS = errno.EADDRNOTAVAIL


@contextlib.asynccontextmanager
async def forwarding(
    address: str, ports: Iterable[int], peers: ipaddress.IPv4Network
) -> AsyncIterator[bool]:
    """Passes TCP connections to `address` on to the same port of loopback, both ways, until it is left.

    Only `address` is listened on, and a caller outside `peers` is not answered. Yields whether there
    was something to do: nothing where the machine does not have the address. Raises OSError when a
    port is taken there.
    """
    async with contextlib.AsyncExitStack() as held:
        try:
            for port in sorted(ports):
                await held.enter_async_context(_forwarder(address, port, peers))
        except OSError as error:
            if error.errno != _NOT_OURS:
                raise
            yield False
            return
        yield True


@contextlib.asynccontextmanager
async def _forwarder(
    address: str, port: int, peers: ipaddress.IPv4Network
) -> AsyncIterator[asyncio.Server]:
    open_connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.add(writer)
        try:
            if ipaddress.IPv4Address(writer.get_extra_info("peername")[0]) in peers:
                await _connect(reader, writer, port)
        finally:
            open_connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, address, port)
    try:
        yield server
    finally:
        server.close()
        for writer in list(open_connections):
            writer.transport.abort()


async def _connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return
    try:
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))
    finally:
        inner_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until the sender has finished, and says so to the receiver; a broken connection ends it."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
        writer.write_eof()
