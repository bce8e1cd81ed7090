"""What GitHub, CloudFormation and a function of any template can do at most: `docs/deploy-roles.yaml`."""

import tomllib
from functools import cache
from typing import Any

import pytest

from local.template import load_template
from tests.support import template
from tests.support.template import ROOT, as_list, texts
from tools import role_coverage
from tools.expected_resources import translated

ROLES: dict[str, Any] = load_template(ROOT / "docs/deploy-roles.yaml")["Resources"]
BOUNDARY = {"iam:PermissionsBoundary": {"Ref": "Boundary"}}
WITHOUT_RESOURCE = {"MakeTheKey", "Traces", "WhatHasNoResource"}
"""Statements on `*`, as AWS takes no narrower resource for what they allow."""


def statements(name: str) -> list[dict[str, Any]]:
    found = ROLES[name]["Properties"]
    if "PolicyDocument" in found:
        return list(found["PolicyDocument"]["Statement"])
    return [s for policy in found["Policies"] for s in policy["PolicyDocument"]["Statement"]]


def actions(name: str) -> set[str]:
    return {action for statement in statements(name) for action in as_list(statement["Action"])}


def by_sid(name: str) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in statements(name)}


@cache
def translated_roles() -> dict[str, dict[str, Any]]:
    """For a deployment with all that a parameter can switch on."""
    given = {
        "Environment": "prod",
        "TttBase": "https://ttt.example.com",
        "DeploymentType": "Canary10Percent5Minutes",
        "Bounded": "true",
    }
    template = load_template(ROOT / "template.yaml")
    found = translated(template, given)["Resources"].items()
    return {n: r["Properties"] for n, r in found if r["Type"] == "AWS::IAM::Role"}


@pytest.mark.parametrize("name", ["DeployRole", "ExecutionRole", "Boundary"])
def test_actions_are_named_and_resources_too_where_aws_can_name_them(name: str) -> None:
    for statement in statements(name):
        assert "*" not in "".join(as_list(statement["Action"]))
        if statement["Sid"] not in WITHOUT_RESOURCE:
            assert "*" not in list(texts(statement["Resource"])), statement["Sid"]


def test_github_can_neither_read_the_data_nor_call_a_function() -> None:
    assert {action.partition(":")[0] for action in actions("DeployRole")} == {
        "cloudformation", "s3", "iam",
    }  # fmt: skip
    assert {a for a in actions("DeployRole") if a.startswith("iam:")} == {"iam:PassRole"}


def test_only_one_environment_s_jobs_get_the_role() -> None:
    (trust,) = ROLES["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    (asked,) = trust["Condition"].values()
    subject = asked["token.actions.githubusercontent.com:sub"]["Fn::Sub"]
    assert subject == "repo:${Repository}:environment:${GitHubEnvironment}"
    assert asked["token.actions.githubusercontent.com:aud"] == "sts.amazonaws.com"


def test_cloudformation_reads_and_writes_no_data_and_no_secret() -> None:
    data = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:PutItem",
            "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:DeleteTable"}  # fmt: skip
    found = actions("ExecutionRole")
    assert not found & data
    assert not [a for a in found if a.startswith(("ssm:", "secretsmanager:", "kms:Decrypt"))]


def test_a_role_of_a_function_is_made_and_given_rights_within_the_boundary_alone() -> None:
    """Whoever writes the template: each statement that can widen a role has the condition."""
    widening = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy",
                "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary",
                "iam:UpdateAssumeRolePolicy"}  # fmt: skip
    apart = {"CodeDeploysRole", "CodeDeploysPolicy"}
    for sid, statement in by_sid("ExecutionRole").items():
        if widening & set(as_list(statement["Action"])) and sid not in apart:
            assert statement["Condition"]["StringEquals"] == BOUNDARY, sid
    exception = by_sid("ExecutionRole")["CodeDeploysPolicy"]
    assert str(exception["Resource"]).count("-CodeDeployServiceRole-*") == 1
    assert list(texts(exception["Condition"])) == [
        "arn:${AWS::Partition}:iam::aws:policy/service-role/AWSCodeDeployRoleForLambda"
    ]


def test_the_boundary_takes_nothing_from_the_template_s_functions() -> None:
    needed = {
        action
        for function in template.functions().values()
        for statement in function.statements
        for action in as_list(statement["Action"])
    }
    assert not needed - actions("Boundary")


def test_with_bounded_each_function_s_role_has_the_boundary() -> None:
    roles = translated_roles()
    named = "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${AWS::StackName}-boundary"
    (made,) = ROLES["Boundary"]["Properties"]["ManagedPolicyName"].values()
    assert made == "${StackToDeploy}-boundary"
    without = [
        n for n, r in roles.items() if named not in list(texts(r.get("PermissionsBoundary")))
    ]
    assert without == ["CodeDeployServiceRole"]


def test_what_sam_attaches_to_roles_may_be_attached() -> None:
    attached = {
        str(arn).rpartition("policy/")[2]
        for role in translated_roles().values()
        for arn in role["ManagedPolicyArns"]
    }
    statements = by_sid("ExecutionRole")
    allowed = {
        text.rpartition("policy/")[2]
        for sid in ("WhatSamAttaches", "CodeDeploysPolicy")
        for text in texts(statements[sid]["Condition"]["ArnEquals"])
    }
    assert attached == allowed


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_the_stack_has_the_tags_by_which_its_key_is_told(environment: str) -> None:
    config = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
    tags = config[environment]["deploy"]["parameters"]["tags"].split()
    assert set(tags) == {"service=pluct", f"environment={environment}"}
    assert (
        environment
        in load_template(ROOT / "docs/deploy-roles.yaml")["Parameters"]["GitHubEnvironment"][
            "AllowedValues"
        ]
    )


def test_what_is_lacking_or_excused_for_nothing_is_found() -> None:
    every = {action for group in role_coverage.NOT_NEEDED.values() for action in group}
    assert role_coverage.findings([("AWS::A::B", every | {"a:Make"})], {"a:Make"}) == []
    assert role_coverage.findings([("AWS::A::B", every | {"a:Make"})], set()) == [
        "AWS::A::B: a:Make"
    ]
    (unused,) = role_coverage.findings([("AWS::A::B", every - {"iam:UpdateRole"})], set())
    assert unused == "in NOT_NEEDED, but no resource type needs it: iam:UpdateRole"
    (granted,) = role_coverage.findings([("AWS::A::B", every)], {"iam:UpdateRole"})
    assert granted == "in NOT_NEEDED, but granted: iam:UpdateRole"


def test_types_are_those_that_sam_makes_of_the_template() -> None:
    assert {"AWS::KMS::Key", "AWS::CodeDeploy::DeploymentGroup"} <= role_coverage.types()
