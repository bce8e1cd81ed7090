"""Checks that CloudFormation's role allows what the template needs: `python -m tools.role_coverage`.

CloudFormation's registry lists the actions that each resource type needs; cfn-lint has a copy, so this runs
in `.venv-sam`. Each action must be allowed by the execution role in `docs/deploy-roles.yaml`, or be listed
in NOT_NEEDED with the reason. Exits with 1 and prints the actions that are neither.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser  # type: ignore[import-untyped]
from samtranslator.translator.translator import Translator  # type: ignore[import-untyped]

from local.settings import ROOT
from local.template import load_template

ROLES = ROOT / "docs/deploy-roles.yaml"
HANDLERS = ("create", "read", "update", "delete")
CUSTOM = frozenset({"lambda:InvokeFunction"})
"""The action that a custom resource needs."""

_GIVEN = {"AWS::Region": "us-east-1", "DeploymentType": "Canary10Percent5Minutes"}

NOT_NEEDED: dict[str, tuple[str, ...]] = {
    "the table and the key are never deleted by a deployment": (
        "dynamodb:DeleteTable", "kms:DisableKeyRotation", "kms:ScheduleKeyDeletion",
    ),
    "the table has no replica, import, Kinesis stream, resource policy or contributor insights": (
        "dynamodb:AssociateTableReplica", "dynamodb:BatchWriteItem", "dynamodb:CreateTableReplica",
        "dynamodb:DeleteItem", "dynamodb:DeleteResourcePolicy", "dynamodb:DescribeImport",
        "dynamodb:DisableKinesisStreamingDestination", "dynamodb:EnableKinesisStreamingDestination",
        "dynamodb:GetItem", "dynamodb:ImportTable", "dynamodb:PutItem", "dynamodb:PutResourcePolicy",
        "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateContributorInsights", "dynamodb:UpdateItem",
        "dynamodb:UpdateKinesisStreamingDestination", "kinesis:DescribeStream", "kinesis:PutRecords",
        "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", "s3:ListBucket",
        "s3:GetObjectMetadata", "iam:CreateServiceLinkedRole",
    ),
    "table, functions and logs are encrypted with keys of AWS's, which need no grant": (
        "kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ListAliases",
        "kms:RevokeGrant", "logs:AssociateKmsKey", "logs:DisassociateKmsKey",
    ),
    "functions are in no network, mount no file system and sign no code": (
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
        "ec2:DescribeVpcs", "elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets",
        "lambda:DeleteFunctionCodeSigningConfig", "lambda:GetCodeSigningConfig",
        "lambda:PutFunctionCodeSigningConfig",
    ),
    "functions keep Lambda's own choice of runtime, scaling and recursion": (
        "lambda:AssociateRuntimeAlias", "lambda:PassCapacityProvider",
        "lambda:PutFunctionRecursionConfig", "lambda:PutFunctionScalingConfig",
        "lambda:PutRuntimeManagementConfig", "lambda:DeleteProvisionedConcurrencyConfig",
        "lambda:PutProvisionedConcurrencyConfig",
    ),
    "a role's trust and boundary never change": (
        "iam:DeleteRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole",
        "iam:UpdateRoleDescription",
    ),
    "logs and topics have no index, protection or delivery policy of their own": (
        "firehose:TagDeliveryStream", "logs:DeleteDataProtectionPolicy", "logs:DeleteIndexPolicy",
        "logs:DeleteResourcePolicy", "logs:DeleteRetentionPolicy", "logs:PutBearerTokenAuthentication",
        "logs:PutDataProtectionPolicy", "logs:PutIndexPolicy", "logs:PutLogGroupDeletionProtection",
        "s3:REST.PUT.OBJECT", "sns:PutDataProtectionPolicy",
    ),
    "CodeDeploy has no revision of files and no machine": (
        "codedeploy:GetApplicationRevision", "codedeploy:ListDeployments",
        "codedeploy:RegisterOnPremisesInstance",
    ),
    "the API's description is in the template; builds have no versions in their bucket": (
        "s3:getObject", "s3:GetObjectVersion",
    ),
    "an HTTP API's tags are set by apigateway:POST on /tags": (
        "apigateway:TagResource", "apigateway:UntagResource",
    ),
}  # fmt: skip


def types() -> set[str]:
    """The types of all resources in SAM's translation of the template, CodeDeploy's included."""
    source = load_template(ROOT / "template.yaml")
    members = {
        "AWS::Serverless::Function": "CodeUri",
        "AWS::Serverless::LayerVersion": "ContentUri",
    }
    for found in source["Resources"].values():
        if found["Type"] in members:
            found["Properties"][members[found["Type"]]] = {"Bucket": "b", "Key": "k"}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    made = translator.translate(source, _GIVEN)["Resources"]
    return {resource["Type"] for resource in made.values()}


def granted() -> set[str]:
    """Every action that CloudFormation's role allows."""
    role = load_template(ROLES)["Resources"]["ExecutionRole"]["Properties"]
    statements = [s for policy in role["Policies"] for s in policy["PolicyDocument"]["Statement"]]
    actions: set[str] = set()
    for statement in statements:
        named = statement["Action"]
        actions |= {named} if isinstance(named, str) else set(named)
    return actions


def taken(type_name: str, schemas: Path) -> set[str]:
    """The actions that CloudFormation needs for a resource of that type."""
    if type_name.startswith("Custom::"):
        return set(CUSTOM)
    names = json.loads((schemas / "providers/us-east-1.json").read_text(encoding="utf-8"))
    path = schemas / "resources" / f"{names[type_name]}.json"
    handlers: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["handlers"]
    return {a for name in HANDLERS for a in handlers.get(name, {}).get("permissions", ())}


def findings(needed: Iterable[tuple[str, set[str]]], has: set[str]) -> list[str]:
    """Actions that the role lacks, by type, and entries of NOT_NEEDED that are wrong."""
    excused = {action for actions in NOT_NEEDED.values() for action in actions}
    found: list[str] = []
    every: set[str] = set()
    for type_name, actions in needed:
        every |= actions
        found += [f"{type_name}: {action}" for action in sorted(actions - has - excused)]
    found += [
        f"in NOT_NEEDED, but no resource type needs it: {action}"
        for action in sorted(excused - every)
    ]
    found += [f"in NOT_NEEDED, but granted: {action}" for action in sorted(excused & has)]
    return found


def main() -> int:
    logging.disable(logging.WARNING)
    linter = importlib.util.find_spec("cfnlint")
    if linter is None or linter.origin is None:
        raise SystemExit("cfn-lint is not installed: run this with .venv-sam/bin/python.")
    schemas = Path(linter.origin).parent / "data/schemas"
    needed = [(name, taken(name, schemas)) for name in sorted(types())]
    found = findings(needed, granted())
    print("\n".join(found) or f"CloudFormation's role covers all {len(needed)} resource types.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
