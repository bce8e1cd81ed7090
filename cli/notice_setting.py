"""Where a local run sends its notices: the variable `NOTIFY_URL` of its functions, in the local engine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from cli.errors import CommandError
from cli.exit_codes import UNAVAILABLE
from cli.stores import FoundStack

VARIABLE = "NOTIFY_URL"


@dataclass(frozen=True, slots=True)
class _Function:
    """A function of the run: its variables, and the versions that its aliases point to."""

    name: str
    variables: dict[str, str]
    aliases: dict[str, str]


@contextmanager
def notices_to(stack: FoundStack, url: str) -> Iterator[int]:
    """The number of functions that know of `url` meanwhile; afterwards they are what they were.

    Calls go to aliases, so each function gets a version with `url` that they point to. Raises `CommandError`.
    """
    client = stack.client("lambda")
    functions = _functions(client, stack.name)
    made: list[tuple[str, str]] = []
    try:
        # What was made before an error is in the list, as each is added when it is made.
        made.extend((one.name, _told(client, one, url)) for one in functions)
        yield len(functions)
    finally:
        for function in functions:
            _set(client, function.name, function.variables)
            _point(client, function.name, function.aliases)
        for name, version in made:
            _asked(client.delete_function, FunctionName=name, Qualifier=version)


def _functions(client: Any, stack: str) -> list[_Function]:
    """The functions of `stack` that are told where notices go. Raises `CommandError`."""
    pages = _asked(lambda: [*client.get_paginator("list_functions").paginate()])
    told = [
        (one["FunctionName"], one.get("Environment", {}).get("Variables", {}))
        for page in pages
        for one in page["Functions"]
    ]
    return [
        _Function(name, variables, _aliases(client, name))
        for name, variables in told
        if name.startswith(f"{stack}-") and VARIABLE in variables
    ]


def _aliases(client: Any, name: str) -> dict[str, str]:
    found = _asked(client.list_aliases, FunctionName=name)["Aliases"]
    return {one["Name"]: one["FunctionVersion"] for one in found}


def _told(client: Any, function: _Function, url: str) -> str:
    """The new version of `function`, which knows of `url`."""
    _set(client, function.name, {**function.variables, VARIABLE: url})
    version = str(_asked(client.publish_version, FunctionName=function.name)["Version"])
    _point(client, function.name, dict.fromkeys(function.aliases, version))
    return version


def _set(client: Any, name: str, variables: dict[str, str]) -> None:
    environment = {"Variables": variables}
    _asked(client.update_function_configuration, FunctionName=name, Environment=environment)


def _point(client: Any, name: str, aliases: dict[str, str]) -> None:
    for alias, version in aliases.items():
        _asked(client.update_alias, FunctionName=name, Name=alias, FunctionVersion=version)


def _asked(operation: Callable[..., Any], **asked: Any) -> Any:
    """What the engine answers. Raises `CommandError`."""
    try:
        return operation(**asked)
    except (BotoCoreError, ClientError) as error:
        raise _unavailable(error) from None


def _unavailable(error: Exception) -> CommandError:
    return CommandError(f"The local engine does not take the receiver: {error}", UNAVAILABLE)
