"""Starts and stops the local AWS engine (MiniStack), which has its own virtual environment."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from engine.platform.aws_json import Client, Limits
from engine.platform.signing import Credentials
from local.engine_main import END_OF_LOG_VARIABLE
from local.function_entry import END_OF_LOG
from local.settings import ROOT
from local.template import load_template, resources_of_type

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION = "us-east-1"
READY_TIMEOUT_S = 120.0
PORT_ATTEMPTS = 3
# Properties of a CloudFormation table that CreateTable accepts under the same name.
_TABLE_MEMBERS = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "ProvisionedThroughput",
)


class EngineError(RuntimeError):
    """The engine did not start or stopped unexpectedly; the text contains the end of its log."""


class Engine:
    """A running MiniStack at `endpoint`, such as `http://127.0.0.1:4566`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, workdir: Path) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._process = process
        self._port = port
        self.workdir = workdir

    @classmethod
    def start(
        cls,
        root: Path = ROOT,
        port: int | None = None,
        function_env: Mapping[str, str] | None = None,
    ) -> Engine:
        """Starts the engine on `port`, or on a free port, without waiting until it answers.

        `function_env` is added to the environment of every function.
        Raises EngineError when the engine's virtual environment is missing.
        """
        python = root / ".venv-engine" / "bin" / "python"
        if not python.exists():
            raise EngineError(
                "The engine is not installed (.venv-engine is missing): run `make setup`."
            )
        port = port or free_port()
        workdir = Path(tempfile.mkdtemp(prefix="pluct-engine-"))
        with open(workdir / "engine.log", "wb") as log:
            process = subprocess.Popen(
                [str(python), str(Path(__file__).with_name("engine_main.py"))],
                cwd=workdir,
                env={**_environment(port, workdir), **(function_env or {})},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(process, port, workdir)

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Waits until the engine serves requests. Raises EngineError if it stops or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            if self._process.poll() is not None:
                raise EngineError(f"The engine stopped while starting:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The engine was not ready after {timeout_s:.0f} s:\n{self.log_tail()}"
                )
            time.sleep(0.02)

    def wait_end(self) -> int:
        """Waits until the engine has stopped; returns its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """Stops the engine and every process that it started, and removes its files. Safe to repeat."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        shutil.rmtree(self.workdir, ignore_errors=True)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of the engine's log; empty after `stop`."""
        log = self.workdir / "engine.log"
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=2)
        try:
            connection.request("GET", "/_ministack/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _environment(port: int, workdir: Path) -> dict[str, str]:
    """The whole environment of the engine. Nothing of the caller's is in it, because functions inherit it."""
    return {
        "BIND_HOST": "127.0.0.1",
        END_OF_LOG_VARIABLE: END_OF_LOG,
        "GATEWAY_PORT": str(port),
        "HOME": str(workdir),
        "IOT_MTLS_ENABLED": "0",
        "LANG": "C.UTF-8",
        # At INFO the engine writes a line for each request, which distorts measurements.
        "LOG_LEVEL": "WARNING",
        "MINISTACK_REGION": REGION,
        "PATH": os.defpath,
        "S3_DATA_DIR": str(workdir),
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(workdir),
        "TMPDIR": str(workdir),
    }


def free_port() -> int:
    """A free TCP port on loopback; another program may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start_ready(
    root: Path = ROOT, function_env: Mapping[str, str] | None = None, port: int | None = None
) -> Engine:
    """An engine that serves requests, on `port` or a free one. Retries, because another program may take
    the free port first.

    Raises EngineError when the engine does not start.
    """
    for attempt in range(1, PORT_ATTEMPTS + 1):
        engine = Engine.start(root, port, function_env=function_env)
        try:
            engine.wait_ready()
        except EngineError:
            engine.stop()
            if attempt == PORT_ATTEMPTS:
                raise
            continue
        break
    return engine


@contextlib.contextmanager
def running_engine(root: Path = ROOT) -> Iterator[Engine]:
    """An engine without the stack, for callers that need only AWS services; stopped on exit."""
    engine = start_ready(root)
    try:
        yield engine
    finally:
        engine.stop()


def aws_client(service: str, endpoint: str, **config: Any) -> Any:
    """A boto3 client for the engine: no retries, no proxy, dummy credentials."""
    settings: dict[str, Any] = {
        "connect_timeout": 5,
        "read_timeout": 90,
        "retries": {"total_max_attempts": 1},
        "proxies": {},
        **config,
    }
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**settings),
    )


def json_client(service: str, endpoint: str, attempts: int = 1) -> Client:
    """The functions' own client of DynamoDB or Parameter Store, for the engine; it waits as long."""
    return Client(
        service,
        Limits(attempts, connect_s=5, read_s=90),
        endpoint=endpoint,
        region=REGION,
        credentials=lambda: Credentials("test", "test"),
    )


def create_table(
    client: DynamoDBClient | Client,
    name: str,
    template: Path = ROOT / "template.yaml",
    logical_id: str = "Table",
) -> None:
    """Creates the template's table `logical_id` as `name`, with keys, indexes, stream and expiry.

    Works with any DynamoDB. Raises KeyError when the template has no such table.
    """
    properties = resources_of_type(load_template(template), "AWS::DynamoDB::Table")[logical_id][
        "Properties"
    ]
    request: dict[str, Any] = {
        member: properties[member] for member in _TABLE_MEMBERS if member in properties
    }
    if "StreamSpecification" in properties:
        request["StreamSpecification"] = {
            "StreamEnabled": True,
            **properties["StreamSpecification"],
        }
    client.create_table(TableName=name, **request)
    _wait_active(client, name)
    if "TimeToLiveSpecification" in properties:
        client.update_time_to_live(
            TableName=name, TimeToLiveSpecification=properties["TimeToLiveSpecification"]
        )


def _wait_active(client: DynamoDBClient | Client, name: str) -> None:
    """Raises EngineError after `READY_TIMEOUT_S`."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while client.describe_table(TableName=name)["Table"]["TableStatus"] != "ACTIVE":
        if time.monotonic() > deadline:
            raise EngineError(f"The table {name} was not created in {READY_TIMEOUT_S:.0f} s.")
        time.sleep(0.1)
