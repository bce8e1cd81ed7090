"""What each function finds in its environment in a container: the variables of its own deployment in the
local engine, with addresses that a container reaches.
"""

from __future__ import annotations

import re

from local.deploy import STACK_NAME
from local.engine import REGION, aws_client

CONTAINER_HOST = "host.docker.internal"
"""How a container names the machine it runs on, by SAM's option `--add-host`."""

Environment = dict[str, dict[str, str]]
"""The variables of each function, by its logical id: the form of `sam local --env-vars`."""

_LOOPBACK = re.compile(r"(?<=//)(?:127\.0\.0\.1|localhost)(?=[:/]|$)")
_PORT = re.compile(rf"//{re.escape(CONTAINER_HOST)}:([0-9]+)")
# What the local engine's own entry needs; a runtime sets its own.
_NOT_GIVEN = frozenset({"_HANDLER"})


def deployed(engine_url: str, stack: str = STACK_NAME) -> Environment:
    """The variables of every function of `stack`, as the engine holds them."""
    stacks = aws_client("cloudformation", engine_url)
    resources = stacks.describe_stack_resources(StackName=stack)["StackResources"]
    logical = {item.get("PhysicalResourceId"): item["LogicalResourceId"] for item in resources}
    pages = aws_client("lambda", engine_url).get_paginator("list_functions").paginate()
    functions = [function for page in pages for function in page["Functions"]]
    return {
        logical[function["FunctionName"]]: function.get("Environment", {}).get("Variables", {})
        for function in functions
        if function["FunctionName"] in logical
    }


def for_containers(environment: Environment, engine_url: str) -> Environment:
    """`environment` with the way to the engine, and with loopback as a container reaches it."""
    return {
        function: {
            name: reachable(value)
            for name, value in (variables | _aws(engine_url)).items()
            if name not in _NOT_GIVEN
        }
        for function, variables in environment.items()
    }


def reachable(value: str) -> str:
    """`value` with loopback in its addresses as a container reaches it."""
    return _LOOPBACK.sub(CONTAINER_HOST, value)


def ports(environment: Environment) -> set[int]:
    """The ports of this machine that `environment`, made for containers, sends functions to."""
    values = (value for variables in environment.values() for value in variables.values())
    return {int(port) for value in values for port in _PORT.findall(value)}


def names(environment: Environment) -> list[str]:
    """Every variable that some function is given."""
    return sorted({name for variables in environment.values() for name in variables})


def _aws(engine_url: str) -> dict[str, str]:
    """AWS's own variables. The empty one keeps a token of the caller's account out of the container."""
    return {
        "AWS_ENDPOINT_URL": engine_url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }
