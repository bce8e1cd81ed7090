"""A stack in the local engine: what the alias `live` of each of its functions runs."""

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from local.engine import aws_client
from local.settings import ROOT
from tools.expected_resources import without_digest

ALIAS = "live"


@dataclass(frozen=True)
class Live:
    """The version that `live` of one function points to."""

    version: str
    layer: str
    """ARN of the layer's version."""
    environment: dict[str, str]
    code: str


class Stack:
    def __init__(self, endpoint: str, name: str) -> None:
        self._endpoint = endpoint
        self._name = name

    @cached_property
    def _lambda(self) -> Any:
        return aws_client("lambda", self._endpoint)

    @property
    def physical(self) -> dict[str, str]:
        """Physical ids by logical ids, those without SAM's digests."""
        stacks = aws_client("cloudformation", self._endpoint)
        listed = stacks.describe_stack_resources(StackName=self._name)["StackResources"]
        return {
            without_digest(found["LogicalResourceId"]): found["PhysicalResourceId"]
            for found in listed
        }

    @cached_property
    def functions(self) -> dict[str, str]:
        """Names of the functions by their logical ids."""
        return {
            name: physical
            for name, physical in self.physical.items()
            if name.endswith("Function") and ":" not in physical
        }

    def live(self) -> dict[str, Live]:
        return {name: self._live(function) for name, function in self.functions.items()}

    def _live(self, function: str) -> Live:
        version = self._lambda.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]
        held = self._lambda.get_function_configuration(FunctionName=function, Qualifier=version)
        (layer,) = held["Layers"]
        environment = held["Environment"]["Variables"]
        return Live(version, layer["Arn"], environment, held["CodeSha256"])

    def moved(self, before: dict[str, Live]) -> set[str]:
        """The functions whose `live` points to another version now."""
        return {name for name, live in self.live().items() if live.version != before[name].version}

    def health(self) -> dict[str, Any]:
        return self.call("HealthFunction", "health")

    def call(self, function: str, event: str) -> dict[str, Any]:
        """The body that `live` of `function` answers a sample event with."""
        payload = (ROOT / "events" / f"{event}.json").read_bytes()
        called = {"FunctionName": self.functions[function], "Qualifier": ALIAS}
        # With SnapStart a version is pending until its snapshot is there; AWS's CloudFormation waits.
        self._lambda.get_waiter("published_version_active").wait(
            **called, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
        )
        answer = self._lambda.invoke(**called, Payload=payload)
        assert "FunctionError" not in answer
        body: dict[str, Any] = json.loads(json.loads(answer["Payload"].read())["body"])
        return body

    def versions(self) -> dict[str, set[str]]:
        return {name: self._versions(function) for name, function in self.functions.items()}

    def _versions(self, function: str) -> set[str]:
        listed = self._lambda.list_versions_by_function(FunctionName=function)["Versions"]
        return {found["Version"] for found in listed} - {"$LATEST"}

    def layer_versions(self) -> set[str]:
        listed = self._lambda.list_layer_versions(LayerName=f"{self._name}-engine")
        return {found["LayerVersionArn"] for found in listed["LayerVersions"]}

    def tags(self, function: str) -> dict[str, str]:
        found = self._lambda.get_function(FunctionName=self.functions[function])
        tags: dict[str, str] = found["Tags"]
        return tags

    def actions(self, function: str) -> set[str]:
        """What the role of `live` allows by its own policies."""
        held = self._lambda.get_function_configuration(
            FunctionName=self.functions[function], Qualifier=ALIAS
        )
        role = held["Role"].rpartition("/")[2]
        roles = aws_client("iam", self._endpoint)
        names = roles.list_role_policies(RoleName=role)["PolicyNames"]
        documents = [
            roles.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for name in names
        ]
        statements = [found for document in documents for found in document["Statement"]]
        return {
            action
            for statement in statements
            if statement["Effect"] == "Allow"
            for action in _listed(statement["Action"])
        }


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
