"""Takes a retained table and key into a new stack of the same name: `python -m tools.retained`.

Deleting a stack leaves its table and its key behind. This makes the stack anew with nothing but these
two in it, by CloudFormation's import of resources; the next `sam deploy` adds everything else.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.exceptions import ClientError, WaiterError

from local.conditions import decided
from local.settings import ROOT
from local.template import Resources, Template, load_template, parameter_values
from tools.sam_deploy import parameters, stack_name

CHANGE_SET = "retained"
IDENTIFIERS = {"AWS::DynamoDB::Table": "TableName", "AWS::KMS::Key": "KeyId"}
"""What CloudFormation tells a resource to import by."""

_WAIT = {"Delay": 2, "MaxAttempts": 300}


class ImportRefused(RuntimeError):
    """The stack was not made; the text is CloudFormation's reason."""


def retained(template: Template) -> Resources:
    """The resources that outlive their stack, by logical id."""
    return {
        name: resource
        for name, resource in template["Resources"].items()
        if resource.get("DeletionPolicy", "").startswith("Retain")
    }


def import_template(template: Template, values: Mapping[str, str]) -> Template:
    """The template with these resources alone, for the parameters `values`.

    An import takes resources with the policy `Retain`; the deployment after it gives them their own.
    """
    kept = retained(decided(template, parameter_values(template, dict(values))))
    resources = {name: {**resource, "DeletionPolicy": "Retain"} for name, resource in kept.items()}
    return {
        "AWSTemplateFormatVersion": template["AWSTemplateFormatVersion"],
        "Description": template["Description"],
        "Resources": resources,
    }


def take_in(stacks: Any, stack: str, template: Template, ids: Mapping[str, str]) -> None:
    """Make `stack` of what lies there under `ids`, physical ids by type. Raises ImportRefused."""
    resources = template["Resources"]
    wanted = [
        {
            "ResourceType": resource["Type"],
            "LogicalResourceId": name,
            "ResourceIdentifier": {IDENTIFIERS[resource["Type"]]: ids[resource["Type"]]},
        }
        for name, resource in resources.items()
    ]
    named = {"StackName": stack, "ChangeSetName": CHANGE_SET}
    try:
        stacks.create_change_set(
            **named,
            ChangeSetType="IMPORT",
            TemplateBody=json.dumps(template),
            ResourcesToImport=wanted,
        )
        stacks.get_waiter("change_set_create_complete").wait(**named, WaiterConfig=_WAIT)
        stacks.execute_change_set(**named)
        stacks.get_waiter("stack_import_complete").wait(StackName=stack, WaiterConfig=_WAIT)
    except (ClientError, WaiterError) as error:
        raise ImportRefused(_reason(stacks, named) or str(error)) from error


def _reason(stacks: Any, named: Mapping[str, str]) -> str:
    try:
        reason: str = stacks.describe_change_set(**named).get("StatusReason", "")
    except ClientError:
        return ""
    return reason


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.retained", description=__doc__)
    parser.add_argument("--config-env", default="default", help="of samconfig.toml; %(default)s")
    parser.add_argument("--table", required=True, help="name of the retained table")
    parser.add_argument("--key", required=True, help="id of the retained key")
    asked = parser.parse_args()
    template = load_template(ROOT / "template.yaml")
    made = import_template(template, parameters(asked.config_env, {}))
    ids = {"AWS::DynamoDB::Table": asked.table, "AWS::KMS::Key": asked.key}
    stack = stack_name(asked.config_env)
    try:
        take_in(boto3.client("cloudformation"), stack, made, ids)
    except ImportRefused as refused:
        print(refused, file=sys.stderr)
        return 1
    print(f"{stack} has {', '.join(sorted(made['Resources']))}; deploy the rest by `sam deploy`.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
