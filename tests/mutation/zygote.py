"""A process that has imported what does not depend on the layer, and forks for each run of tests.

It reads one order a line (JSON) and answers each with one line. A run is limited by the CPU time that it
uses, so that the load of the machine decides nothing; the limit of wall time is for runs that only wait.
"""

import contextlib
import importlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from local.settings import ROOT

PRELOADED = (
    "_pytest.doctest", "_pytest.junitxml", "_pytest.pastebin", "_pytest.unittest", "aiohttp", "anyio",
    "aws_lambda_powertools", "aws_lambda_powertools.event_handler", "boto3.session",
    "botocore.regions", "botocore.auth", "botocore.httpsession", "botocore.waiter",
    "cryptography.hazmat.primitives.asymmetric.ec", "cryptography.x509", "hypothesis", "hypothesis.stateful",
    "hypothesis.strategies", "_hypothesis_pytestplugin", "jwt", "msgspec", "pytest", "pytest_socket",
    "requests", "samtranslator.parser.parser", "trio", "yaml", "zoneinfo", "xml.etree.ElementTree",
)  # fmt: skip
"""Imported before the fork: nothing of the project that imports the layer."""

POLL_S = 0.01


@dataclass(frozen=True)
class Order:
    """One run of pytest. `module` (dotted) is imported from `source` instead of its file, if it is named."""

    tests: tuple[str, ...]
    endpoint: str
    cpu_s: int
    wall_s: float
    module: str = ""
    source: str = ""
    trace: bool = False
    """Whether to say which functions of the layer each test enters."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: pytest's exit code, None where a limit ended it; the first test that failed, and what
    was traced.
    """

    code: int | None
    output: str
    cpu_s: float
    failed: str
    touched: dict[str, list[str]]


class Zygote:
    """The process, seen from its owner; for one thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.mutation.zygote"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order) -> Ended:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def stop(self) -> None:
        """Ends the process, and with it the run that it waits for."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve() -> None:
    """Answers orders until there are no more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _preload()
    for line in sys.stdin:
        order = Order(**json.loads(line))
        print(json.dumps(asdict(_run(order))), file=answers, flush=True)


def _preload() -> None:
    """Imports libraries, and has botocore read its descriptions of the two services."""
    for name in PRELOADED:
        importlib.import_module(name)
    import boto3

    for service in ("dynamodb", "ssm"):
        boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url="http://127.0.0.1:9",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


def _run(order: Order) -> Ended:
    with tempfile.TemporaryDirectory(prefix="pluct-mutant-") as name:
        folder = Path(name)
        pid = os.fork()
        if pid == 0:
            _become(order, folder)
        code, cpu_s = _waited(pid, time.monotonic() + order.wall_s)
        told = folder / "told"
        nothing = {"failed": "", "touched": {}}
        more = json.loads(told.read_text()) if told.exists() else nothing
        return Ended(code, (folder / "output").read_text(errors="replace"), cpu_s, **more)


def _become(order: Order, folder: Path) -> None:
    """Runs pytest in this process, which ends with it."""
    code = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_s, order.cpu_s + 5))
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        from tests.mutation.plugin import run_pytest

        code = run_pytest(order, folder / "told")
    except BaseException:  # noqa: BLE001 The process ends here, and its output must say why.
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _waited(pid: int, until: float) -> tuple[int | None, float]:
    """The exit code of `pid`, None where a signal ended it, and the seconds of CPU that it took."""
    ended, status, usage = os.wait4(pid, os.WNOHANG)
    while not ended and time.monotonic() < until:
        time.sleep(POLL_S)
        ended, status, usage = os.wait4(pid, os.WNOHANG)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    if not ended:
        _, status, usage = os.wait4(pid, 0)
    code: Any = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
    return code, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    serve()
