"""The local run for tests and measurements: started as a program, located by its run file."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from local.engine import running_engine
from local.settings import BASE_VARIABLES, FRONT_PARAMETERS, ROOT

READY_TIMEOUT_S = 300.0
STOP_TIMEOUT_S = 60.0


@contextlib.contextmanager
def local_run(**env: str) -> Iterator[dict[str, str]]:
    """Runs `python -m local` on a free port with `env` added; yields the members of its run file.

    Variables of the caller that set services or limits are removed.
    Raises RuntimeError with all output when the run does not become ready or does not stop.
    """
    secrets = {"TTT_SHARED_SECRET", "PROVISIONING_API_KEY"}
    unwanted = {*BASE_VARIABLES, *FRONT_PARAMETERS, *secrets, "RATE_LIMIT", "REQUEST_TIMEOUT"}
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    with tempfile.TemporaryDirectory(prefix="pluct-run-") as folder:
        run_file, output = Path(folder) / "run.json", Path(folder) / "output.txt"
        with open(output, "wb") as written:
            process = subprocess.Popen(
                [sys.executable, "-m", "local"],
                cwd=ROOT,
                env={**inherited, "PORT": "0", "RUN_FILE": str(run_file), **env},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        try:
            yield _wait_ready(process, run_file, output)
        finally:
            _stop(process, output)


@contextlib.contextmanager
def engine_only() -> Iterator[str]:
    """The AWS engine without the stack; yields its endpoint URL."""
    with running_engine() as engine:
        yield engine.endpoint


def _wait_ready(process: subprocess.Popen[bytes], run_file: Path, output: Path) -> dict[str, str]:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not run_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"The local run did not become ready:\n{output.read_text()}")
        time.sleep(0.05)
    members: dict[str, str] = json.loads(run_file.read_text())
    return members


def _stop(process: subprocess.Popen[bytes], output: Path) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise RuntimeError(f"The local run did not stop:\n{output.read_text()}") from None
