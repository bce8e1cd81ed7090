"""Deploys the translated template into the local engine and verifies the result."""

from __future__ import annotations

import http.client
import json
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from local.conditions import decided
from local.engine import aws_client
from local.template import Resources, Template, parameter_values, resources_of_type
from local.translate import API_ID, Translation, translate, without_types

STACK_NAME = "pluct-local"
SECRETS_PREFIX = f"/{STACK_NAME}/"
CODE_BUCKET = "pluct-local-code"
_CHANGE_SET = "deploy"
_TIMEOUT_S = 90.0
_POLL_S = 0.02


class DeployError(RuntimeError):
    """The stack was refused, failed, or differs from the template; the text says how."""


@dataclass(frozen=True)
class Deployment:
    """A stack that is deployed in the engine.

    `routes` are route keys ("POST /v1/vend-token"), `functions` the names to invoke, one for each function,
    `table_name` the physical name of the template's first table, `secrets` the newest secret of each
    ring by its short name, and `engine_gaps` the parts of the template that have no effect in the engine.
    """

    api_path: str
    routes: frozenset[str]
    functions: tuple[str, ...]
    table_name: str
    secrets: dict[str, str]
    engine_gaps: tuple[str, ...]


def put_secret(endpoint: str, name: str, secret: str) -> None:
    """Writes a ring with one secret to the parameter `name` that the functions read."""
    ring = {
        "keys": [
            {"secret": secret, "createdAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        ]
    }
    aws_client("ssm", endpoint).put_parameter(
        Name=SECRETS_PREFIX + name, Value=json.dumps(ring), Type="SecureString", Overwrite=True
    )


def deploy(
    endpoint: str, template: Template, packages: dict[str, bytes], parameters: dict[str, str]
) -> Deployment:
    """Deploys `template`. `packages` is the packed code of its functions and layers by logical id.

    Raises DeployError when a part of the stack is missing afterwards, TemplateError when the template cannot
    be deployed.
    """
    _upload(endpoint, packages)
    values = parameter_values(template, parameters)
    translation = translate(decided(template, values), CODE_BUCKET)
    translation = _create(endpoint, translation, parameters)
    physical = _physical_ids(endpoint)
    _finish_tables(endpoint, translation.template, physical)
    _finish_functions(endpoint, translation.template, physical, values)
    secrets = newest_secrets(endpoint)
    _check(endpoint, translation, physical, secrets)
    tables = resources_of_type(translation.template, "AWS::DynamoDB::Table")
    return Deployment(
        api_path=_api_path(),
        routes=translation.routes,
        functions=tuple(physical[name] for name in _invoked(translation.template)),
        table_name=physical[next(iter(tables))],
        secrets=secrets,
        engine_gaps=translation.engine_gaps,
    )


def newest_secrets(endpoint: str) -> dict[str, str]:
    """The newest secret of every ring of the stack, by the parameter's last name."""
    pages = aws_client("ssm", endpoint).get_paginator("get_parameters_by_path")
    found: dict[str, str] = {}
    for page in pages.paginate(Path=SECRETS_PREFIX, Recursive=True, WithDecryption=True):
        for parameter in page["Parameters"]:
            name = parameter["Name"].removeprefix(SECRETS_PREFIX)
            found[name] = json.loads(parameter["Value"])["keys"][-1]["secret"]
    return found


def _api_path() -> str:
    return f"/_aws/execute-api/{API_ID}/$default"


def _upload(endpoint: str, packages: dict[str, bytes]) -> None:
    store = aws_client("s3", endpoint, s3={"addressing_style": "path"})
    store.create_bucket(Bucket=CODE_BUCKET)
    for name, package in packages.items():
        store.put_object(Bucket=CODE_BUCKET, Key=name, Body=package)


def _create(endpoint: str, translation: Translation, parameters: dict[str, str]) -> Translation:
    """Deploys by change set; unsupported resource types are left out and recorded in the result."""
    stacks = aws_client("cloudformation", endpoint)
    try:
        _create_change_set(stacks, endpoint, translation.template, parameters)
    except ClientError as refusal:
        # The engine lists the unsupported types in the message and nowhere else.
        used = {resource["Type"] for resource in translation.template["Resources"].values()}
        refused = used & set(
            re.findall(r"\w+::\w+::\w+", refusal.response["Error"].get("Message", ""))
        )
        if not refused:
            raise DeployError(f"The engine refused the stack: {refusal}") from refusal
        translation = without_types(translation, refused)
        _create_change_set(stacks, endpoint, translation.template, parameters)
    _await(lambda: _change_set_status(stacks), {"CREATE_COMPLETE"}, stacks)
    stacks.execute_change_set(StackName=STACK_NAME, ChangeSetName=_CHANGE_SET)
    _await(lambda: _stack_status(stacks), {"CREATE_COMPLETE"}, stacks)
    return translation


def _create_change_set(
    stacks: Any, endpoint: str, template: Template, parameters: dict[str, str]
) -> None:
    # By URL, because a template in the call itself is limited to 51,200 bytes.
    aws_client("s3", endpoint, s3={"addressing_style": "path"}).put_object(
        Bucket=CODE_BUCKET, Key="template.json", Body=json.dumps(template).encode()
    )
    stacks.create_change_set(
        StackName=STACK_NAME,
        ChangeSetName=_CHANGE_SET,
        ChangeSetType="CREATE",
        TemplateURL=f"{endpoint}/{CODE_BUCKET}/template.json",
        Parameters=[
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )


def _await(status: Any, wanted: set[str], stacks: Any) -> None:
    deadline = time.monotonic() + _TIMEOUT_S
    while (now := status()) not in wanted:
        if "FAILED" in now or "ROLLBACK" in now or time.monotonic() > deadline:
            raise DeployError(f"The stack is {now}:\n{_reasons(stacks)}")
        time.sleep(_POLL_S)


def _change_set_status(stacks: Any) -> str:
    described = stacks.describe_change_set(StackName=STACK_NAME, ChangeSetName=_CHANGE_SET)
    return str(described["Status"])


def _stack_status(stacks: Any) -> str:
    return str(stacks.describe_stacks(StackName=STACK_NAME)["Stacks"][0]["StackStatus"])


def _reasons(stacks: Any) -> str:
    events = stacks.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
    failed = [event for event in reversed(events) if "FAILED" in event["ResourceStatus"]]
    return "\n".join(
        f"  {event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}"
        for event in failed
    )


def _physical_ids(endpoint: str) -> dict[str, str]:
    stacks = aws_client("cloudformation", endpoint)
    resources = stacks.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    return {item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in resources}


def _finish_tables(endpoint: str, template: Template, physical: dict[str, str]) -> None:
    """Turns on the expiry of items, which the engine's CloudFormation ignores."""
    tables = aws_client("dynamodb", endpoint)
    for logical_id, table in _with_expiry(template).items():
        tables.update_time_to_live(
            TableName=physical[logical_id],
            TimeToLiveSpecification=table["Properties"]["TimeToLiveSpecification"],
        )


def _invoked(template: Template) -> list[str]:
    """The alias of each function that has one, else the function: an alias has its own processes."""
    aliases = resources_of_type(template, "AWS::Lambda::Alias")
    behind = {alias["Properties"]["FunctionName"]["Ref"] for alias in aliases.values()}
    return [*aliases, *(resources_of_type(template, "AWS::Lambda::Function").keys() - behind)]


def _with_expiry(template: Template) -> Resources:
    tables = resources_of_type(template, "AWS::DynamoDB::Table")
    return {
        name: table
        for name, table in tables.items()
        if "TimeToLiveSpecification" in table["Properties"]
    }


def _finish_functions(
    endpoint: str, template: Template, physical: dict[str, str], values: dict[str, Any]
) -> None:
    """Sets the reserved concurrency, which the engine's CloudFormation ignores."""
    functions = aws_client("lambda", endpoint)
    for logical_id, function in resources_of_type(template, "AWS::Lambda::Function").items():
        reserved = function["Properties"].get("ReservedConcurrentExecutions")
        if isinstance(reserved, dict):
            reserved = values[reserved["Ref"]]
        if reserved is not None:
            functions.put_function_concurrency(
                FunctionName=physical[logical_id], ReservedConcurrentExecutions=int(reserved)
            )


def _check(
    endpoint: str, translation: Translation, physical: dict[str, str], secrets: dict[str, str]
) -> None:
    """Checks each part that the engine may ignore although it reports CREATE_COMPLETE."""
    template = translation.template
    _check_routes(endpoint, translation.routes)
    _check_expiry(endpoint, template, physical)
    _check_mappings(endpoint, template)
    _check_custom_resources(template, physical, secrets)
    if any(api["Properties"]["CorsConfiguration"] for api in _apis(template).values()):
        _check_preflight(endpoint)


def _apis(template: Template) -> Resources:
    return resources_of_type(template, "AWS::ApiGatewayV2::Api")


def _check_routes(endpoint: str, wanted: frozenset[str]) -> None:
    pages = aws_client("apigatewayv2", endpoint).get_paginator("get_routes")
    found = {route["RouteKey"] for page in pages.paginate(ApiId=API_ID) for route in page["Items"]}
    if not found or found != wanted:
        raise DeployError(
            f"Routes differ from the template: {sorted(found ^ wanted) or 'there is none'}."
        )


def _check_expiry(endpoint: str, template: Template, physical: dict[str, str]) -> None:
    tables = aws_client("dynamodb", endpoint)
    for logical_id in _with_expiry(template):
        state = tables.describe_time_to_live(TableName=physical[logical_id])[
            "TimeToLiveDescription"
        ]
        if state["TimeToLiveStatus"] not in {"ENABLED", "ENABLING"}:
            raise DeployError(f"The expiry of items is not enabled in {logical_id}.")


def _check_mappings(endpoint: str, template: Template) -> None:
    wanted = len(resources_of_type(template, "AWS::Lambda::EventSourceMapping"))
    pages = aws_client("lambda", endpoint).get_paginator("list_event_source_mappings")
    mappings = [mapping for page in pages.paginate() for mapping in page["EventSourceMappings"]]
    working = [
        mapping
        for mapping in mappings
        if mapping["State"] == "Enabled" and mapping.get("EventSourceArn")
    ]
    if len(working) != wanted:
        raise DeployError(
            f"{len(working)} of {wanted} queues and streams are connected to their functions."
        )


def _check_custom_resources(
    template: Template, physical: dict[str, str], secrets: dict[str, str]
) -> None:
    for logical_id, resource in resources_of_type(template, "Custom::").items():
        missing = set(resource["Properties"].get("Names", [])) - set(secrets)
        if not physical.get(logical_id) or missing:
            raise DeployError(f"The custom resource {logical_id} did not create {sorted(missing)}.")


def _check_preflight(endpoint: str) -> None:
    origin = {"origin": "https://app.example", "access-control-request-method": "POST"}
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    try:
        connection.request("OPTIONS", f"{_api_path()}/", headers=origin)
        status = connection.getresponse().status
    finally:
        connection.close()
    # The engine answers 403 without CORS as well as for an origin that is not allowed.
    if status not in {200, 204}:
        raise DeployError(
            f"The API answers a browser's preflight with {status}: CORS is not configured."
        )
