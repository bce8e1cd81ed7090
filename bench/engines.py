"""The local stores of a measurement: dynoxide if it is installed, else MiniStack.

Secrets are always in MiniStack, because dynoxide has only DynamoDB.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import ROOT
from local.engine import free_port
from local.harness import engine_only

DYNOXIDE = ROOT / ".cache/dynoxide/node_modules/@dynoxide/linux-x64/dynoxide"
START_LIMIT_S = 10.0


@dataclass(frozen=True)
class Engines:
    """The endpoints of the stores, and the name of the one for DynamoDB."""

    dynamodb: str
    ssm: str
    dynamodb_name: str
    ssm_name: str
    counts_reads: bool
    """Whether it reports the same read units as DynamoDB."""


@contextlib.contextmanager
def running(*, ministack_only: bool = False) -> Iterator[Engines]:
    """Starts the engines; stops them on exit."""
    with engine_only() as ministack:
        name = _ministack_name()
        if ministack_only or not DYNOXIDE.exists():
            yield Engines(ministack, ministack, name, name, counts_reads=False)
            return
        with _dynoxide() as endpoint:
            yield Engines(endpoint, ministack, _dynoxide_name(), name, counts_reads=True)


@contextlib.contextmanager
def _dynoxide() -> Iterator[str]:
    """Runs dynoxide with empty tables in memory; yields its endpoint."""
    port = free_port()
    process = subprocess.Popen(
        [str(DYNOXIDE), "serve", "--host", "127.0.0.1", "--port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={},
    )
    try:
        _await_listener(process, port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _await_listener(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("dynoxide did not start") from None
            time.sleep(0.01)
        else:
            return


def _dynoxide_name() -> str:
    asked = subprocess.run([str(DYNOXIDE), "--version"], capture_output=True, text=True, check=True)
    return asked.stdout.strip()


def _ministack_name() -> str:
    installed: list[Path] = sorted(
        ROOT.glob(".venv-engine/lib/*/site-packages/ministack-*.dist-info")
    )
    return " ".join(installed[-1].stem.split("-")[:2]) if installed else "ministack"
