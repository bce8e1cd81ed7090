"""The table and the parameters that a command works on: a local run's, or a deployment's in AWS.

A deployment is reached with the usual AWS settings (environment, profile).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError
from botocore.session import get_session

from cli import local_run
from cli.errors import CommandError
from cli.options import GLOBAL
from engine.access import keyrings
from engine.platform import aws, table
from engine.platform.aws_json import Client, Limits
from engine.platform.signing import Credentials, NoCredentials
from engine.platform.table import Table


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table, and a description of where it is."""

    table: Table
    title: str


@dataclass(frozen=True, slots=True)
class FoundParameters:
    """The parameter store, the prefix of a deployment's secrets in it, and a description of it."""

    client: Client
    prefix: str
    title: str


def find_table(run_file: Path | None, table_name: str | None) -> FoundTable:
    """The table that the options name. Raises `CommandError`."""
    run_path = _run_path(run_file, table_name, "--table")
    if table_name is not None:
        client = _aws_client("dynamodb", table.LIMITS)
        return FoundTable(Table(client, table_name), f"{table_name} at {client.endpoint}")
    run = local_run.read(run_path, "engineUrl", "tableName")
    address, name = run["engineUrl"], run["tableName"]
    local = _local_client("dynamodb", address, table.LIMITS)
    return FoundTable(Table(local, name), f"{name} of the local run at {address}")


@dataclass(frozen=True, slots=True)
class FoundStack:
    """A stack, and how clients of AWS services that know it are made."""

    name: str
    title: str
    endpoint_url: str | None
    """The local engine's address; None in AWS."""

    def client(self, service: str) -> Any:
        """A client of botocore. Raises `CommandError`."""
        local = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}
        more: dict[str, Any] = {"region_name": "us-east-1", **local} if self.endpoint_url else {}
        try:
            return get_session().create_client(
                service, endpoint_url=self.endpoint_url, config=aws.limits(attempts=2), **more
            )
        except BotoCoreError as error:
            raise CommandError(str(error)) from None


def find_stack(run_file: Path | None, stack: str | None) -> FoundStack:
    """The stack that the options name. Raises `CommandError`."""
    run_path = _run_path(run_file, stack, "--stack")
    if stack is not None:
        return FoundStack(stack, f"The stack {stack}", None)
    run = local_run.read(run_path, "engineUrl", "secretsPrefix")
    return FoundStack(run["secretsPrefix"].strip("/"), "The local run", run["engineUrl"])


def find_parameters(run_file: Path | None, stack: str | None) -> FoundParameters:
    """The parameters of the deployment that the options name. Raises `CommandError`."""
    run_path = _run_path(run_file, stack, "--stack")
    if stack is not None:
        client = _aws_client("ssm", keyrings.LIMITS)
        return FoundParameters(client, f"/{stack}/", f"The stack {stack}")
    run = local_run.read(run_path, "engineUrl", "secretsPrefix")
    local = _local_client("ssm", run["engineUrl"], keyrings.LIMITS)
    return FoundParameters(local, run["secretsPrefix"], "The local run")


def _run_path(run_file: Path | None, name: str | None, option: str) -> Path:
    """The local run's file, unless `name`, the value of `option`, names a deployment.

    Raises `CommandError` where both or neither are given.
    """
    run_file = run_file or GLOBAL.get().run_file
    if run_file is not None and name is not None:
        raise CommandError(f"Give either --run-file or {option}, not both.")
    if run_file is None and name is None and not local_run.DEFAULT_PATH.exists():
        what = option.removeprefix("--")
        raise CommandError(
            f"There is no local run ({local_run.DEFAULT_PATH}); name a {what} with {option}."
        )
    return run_file or local_run.DEFAULT_PATH


def _local_client(service: str, address: str, limits: Limits) -> Client:
    """A client of a local engine, which accepts any credentials."""
    return Client(
        service,
        limits,
        endpoint=address,
        region="us-east-1",
        credentials=lambda: Credentials("local", "local"),
    )


def _aws_client(service: str, limits: Limits) -> Client:
    """A client with the usual AWS settings, as botocore finds them. Raises `CommandError` where they are
    incomplete.
    """
    session = get_session()
    try:
        meta = session.create_client(service).meta
        found = session.get_credentials()
    except BotoCoreError as error:
        raise CommandError(str(error)) from None
    if found is None:
        raise CommandError("Unable to locate credentials of AWS.")

    def credentials() -> Credentials:
        try:
            frozen = found.get_frozen_credentials()
        except BotoCoreError as error:
            raise NoCredentials(str(error)) from error
        return Credentials(frozen.access_key or "", frozen.secret_key or "", frozen.token or "")

    region, endpoint = meta.region_name, meta.endpoint_url
    return Client(service, limits, region=region, endpoint=endpoint, credentials=credentials)
