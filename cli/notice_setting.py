"""Where a local run sends its notices: the variable `NOTIFY_URL` of its functions, in the local engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.errors import CommandError
from cli.exit_codes import UNAVAILABLE
from cli.stores import FoundStack

VARIABLE = "NOTIFY_URL"


@contextmanager
def notices_to(stack: FoundStack, url: str) -> Iterator[int]:
    """The number of functions that know of `url` meanwhile; afterwards they have what they had.

    Raises `CommandError`.
    """
    client = stack.client("lambda")
    before = _variables(client, stack.name)
    try:
        for name, variables in before.items():
            _set(client, name, {**variables, VARIABLE: url})
        yield len(before)
    finally:
        for name, variables in before.items():
            _set(client, name, variables)


def _variables(client: Any, stack: str) -> dict[str, dict[str, str]]:
    """The variables of the functions of `stack` that are told where notices go. Raises `CommandError`."""
    try:
        pages = client.get_paginator("list_functions").paginate()
        functions = [function for page in pages for function in page["Functions"]]
    except (BotoCoreError, ClientError) as error:
        raise _unavailable(error) from None
    told = {
        one["FunctionName"]: one.get("Environment", {}).get("Variables", {}) for one in functions
    }
    return {
        name: variables
        for name, variables in told.items()
        if name.startswith(f"{stack}-") and VARIABLE in variables
    }


def _set(client: Any, name: str, variables: dict[str, str]) -> None:
    try:
        client.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )
    except (BotoCoreError, ClientError) as error:
        raise _unavailable(error) from None


def _unavailable(error: Exception) -> CommandError:
    return CommandError(f"The local engine does not take the receiver: {error}", UNAVAILABLE)
