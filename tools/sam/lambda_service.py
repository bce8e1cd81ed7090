"""`sam local start-lambda`: Lambda's own API before functions in containers, beside a run that is up."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import requests

from local.engine import free_port
from local.services import LOOPBACK
from tools.sam.events import TIMEOUT_S, Event
from tools.sam.layout import Layout
from tools.sam.rig import CheckError
from tools.sam.run import SAM

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
_LOOK_S = 0.1


@contextlib.contextmanager
def started_lambda(layout: Layout) -> Iterator[str]:
    """The address of Lambda's API for the functions of `layout`, until it is left; their containers end
    with it. Raises CheckError.
    """
    port = free_port()
    words = ["local", "start-lambda", "--config-file", str(layout.config_file), "--port", str(port)]
    log = layout.folder / "start-lambda.log"
    with open(log, "wb") as output:
        started = subprocess.Popen(
            [str(layout.root / SAM), *words],
            cwd=layout.folder,
            env={**os.environ, **layout.sam_environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not _listens(port):
            if started.poll() is not None or time.monotonic() > give_up_at:
                raise CheckError(f"start-lambda did not come up:\n{log.read_text()[-3000:]}")
            time.sleep(_LOOK_S)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        started.terminate()
        try:
            started.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def call(address: str, function: str, event: Event) -> tuple[bool, Any]:
    """Whether `function` ran to its end, and what it answered."""
    answer = requests.post(
        f"{address}/2015-03-31/functions/{function}/invocations", json=event, timeout=TIMEOUT_S
    )
    return answer.ok and "x-amz-function-error" not in answer.headers, answer.json()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0
