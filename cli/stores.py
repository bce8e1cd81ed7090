"""Which engine a command works on: that of a local run, or one in AWS by the usual AWS settings."""

import json
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.session import get_session

from cli.output import Trouble
from engine.access import keyrings
from engine.platform.table import CLIENT_CONFIG, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_ssm.client import SSMClient

DEFAULT_RUN_FILE = Path(".local/run.json")

RunFile = Annotated[
    Path | None,
    typer.Option(help=f"The local run's file; {DEFAULT_RUN_FILE} where it exists."),
]
TableName = Annotated[
    str | None,
    typer.Option("--table", envvar="PLUCT_TABLE", help="The table of a deployment in AWS."),
]


@dataclass(frozen=True, slots=True)
class Options:
    """What was said before the command's name."""

    base_url: str | None = None
    vars_file: Path | None = None
    run_file: Path | None = None


OPTIONS: ContextVar[Options] = ContextVar("options", default=Options())  # noqa: B039 - it is frozen.
"""Those of the command that is running."""


@dataclass(frozen=True, slots=True)
class Target:
    """The table to work on, and where it is, in words."""

    table: Table
    place: str


def find(run_file: Path | None, table_name: str | None) -> Target:
    """The local run's table or the one in AWS, as the options say. Raises `Trouble`."""
    run_file = run_file or OPTIONS.get().run_file
    if run_file is not None and table_name is not None:
        raise Trouble("Say either --run-file or --table, not both.")
    if table_name is not None:
        return _in_aws(table_name)
    if run_file is None and not DEFAULT_RUN_FILE.exists():
        raise Trouble(f"There is no local run ({DEFAULT_RUN_FILE}); name a table with --table.")
    return _local(run_file or DEFAULT_RUN_FILE)


def parameters(run_file: Path | None, stack: str | None) -> tuple["SSMClient", str, str]:
    """The parameter store, the prefix of a deployment's secrets in it, and where that is, in words.

    Raises `Trouble`.
    """
    run_file = run_file or OPTIONS.get().run_file
    if run_file is not None and stack is not None:
        raise Trouble("Say either --run-file or --stack, not both.")
    if stack is not None:
        try:
            client: SSMClient = get_session().create_client("ssm", config=keyrings.CLIENT_CONFIG)  # type: ignore[assignment]
        except BotoCoreError as error:
            raise Trouble(str(error)) from None
        return client, f"/{stack}/", f"The stack {stack}"
    if run_file is None and not DEFAULT_RUN_FILE.exists():
        raise Trouble(f"There is no local run ({DEFAULT_RUN_FILE}); name a stack with --stack.")
    address, prefix = _run_members(run_file or DEFAULT_RUN_FILE, "secretsPrefix")
    return _local_client("ssm", address, keyrings.CLIENT_CONFIG), prefix, "The local run"


def _local(path: Path) -> Target:
    address, name = _run_members(path, "tableName")
    client = _local_client("dynamodb", address, CLIENT_CONFIG)
    return Target(Table(client, name), f"{name} of the local run at {address}")


def _local_client(service: str, address: str, config: Config) -> Any:
    """A client of a local engine, which takes any credentials."""
    return get_session().create_client(
        service,
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=config,
    )


def _run_members(path: Path, wanted: str) -> tuple[str, str]:
    """The engine's address in a run file, and the member `wanted`. Raises `Trouble`."""
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        return str(members["engineUrl"]), str(members[wanted])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Trouble(f"{path} is not the file of a local run: {error!r}") from None


def _in_aws(name: str) -> Target:
    try:
        client: DynamoDBClient = get_session().create_client("dynamodb", config=CLIENT_CONFIG)  # type: ignore[assignment]
    except BotoCoreError as error:
        raise Trouble(str(error)) from None
    return Target(Table(client, name), f"{name} at {client.meta.endpoint_url}")
