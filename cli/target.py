"""Which engine a command works on: that of a local run, or a table in AWS by the usual AWS settings."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from botocore.exceptions import BotoCoreError
from botocore.session import get_session

from cli.console import Trouble
from engine.table import CLIENT_CONFIG, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

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
class Target:
    """The table to work on, and where it is, in words."""

    table: Table
    place: str


def find(run_file: Path | None, table_name: str | None) -> Target:
    """The local run's table or the one in AWS, as the options say. Raises `Trouble`."""
    if run_file is not None and table_name is not None:
        raise Trouble("Say either --run-file or --table, not both.")
    if table_name is not None:
        return _in_aws(table_name)
    if run_file is None and not DEFAULT_RUN_FILE.exists():
        raise Trouble(f"There is no local run ({DEFAULT_RUN_FILE}); name a table with --table.")
    return _local(run_file or DEFAULT_RUN_FILE)


def _local(path: Path) -> Target:
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        address, name = str(members["engineUrl"]), str(members["tableName"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Trouble(f"{path} is not the file of a local run: {error!r}") from None
    client: DynamoDBClient = get_session().create_client(  # type: ignore[assignment]
        "dynamodb",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=CLIENT_CONFIG,
    )
    return Target(Table(client, name), f"{name} of the local run at {address}")


def _in_aws(name: str) -> Target:
    try:
        client: DynamoDBClient = get_session().create_client("dynamodb", config=CLIENT_CONFIG)  # type: ignore[assignment]
    except BotoCoreError as error:
        raise Trouble(str(error)) from None
    return Target(Table(client, name), f"{name} at {client.meta.endpoint_url}")
