"""Properties of the template that the local engine does not keep or obey, each with the reason.

`tests/e2e/test_deployment.py` and `tests/test_sam_deploy.py` deploy in both ways and compare: a difference
that is not listed here fails the test, and so does an entry whose property is kept after all.
"""

from __future__ import annotations

from dataclasses import dataclass

BY_RUN, BY_SAM = "make run", "sam deploy"
"""The two ways to deploy: a translated copy by change set, and the real `sam deploy`."""

MISSING, DIFFERS, ADDED = "missing", "differs", "added"

_BOTH = (BY_RUN, BY_SAM)
_NOT_REPORTED = "no service reports it; only CloudFormation itself uses it"


@dataclass(frozen=True)
class Gap:
    """A property or resource that differs from its declaration after a deployment.

    `path` is a property and everything below it; `*` matches any member. An empty path means whole
    resources: all of the type, those that declare the property `having`, or the one called `named`.
    """

    type_name: str
    path: str
    kind: str
    why: str
    ways: tuple[str, ...] = _BOTH
    having: str = ""
    named: str = ""

    @property
    def what(self) -> str:
        """The name of the gap in the table."""
        if self.path:
            return f"`{self.path}`"
        if self.having:
            return f"those with `{self.having}`"
        return self.named or "all of it"


GAPS: tuple[Gap, ...] = (
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.openapi", MISSING,
        "the OpenAPI document itself is not kept",
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.paths.*.responses", MISSING,
        "documentation of the API, without effect", (BY_RUN,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.paths.*.parameters", MISSING,
        "documentation of the API, without effect", (BY_RUN,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.paths", MISSING,
        "the engine ignores the OpenAPI document, so there is no route", (BY_SAM,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.x-amazon-apigateway-cors", MISSING,
        "ignored with the OpenAPI document", (BY_SAM,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.info", DIFFERS,
        "ignored with the OpenAPI document", (BY_SAM,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.tags", MISSING,
        "ignored with the OpenAPI document", (BY_SAM,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Api", "Body.components", MISSING,
        "ignored with the OpenAPI document", (BY_SAM,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Authorizer", "", ADDED,
        "replace the OpenAPI document, which the engine ignores", (BY_RUN,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Integration", "", ADDED,
        "replace the OpenAPI document, which the engine ignores", (BY_RUN,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Route", "", ADDED,
        "replace the OpenAPI document, which the engine ignores", (BY_RUN,),
    ),
    Gap(
        "AWS::ApiGatewayV2::Stage", "DefaultRouteSettings", MISSING,
        "throttling and detailed metrics are not implemented",
    ),
    Gap("AWS::CloudFormation::Stack", "Description", DIFFERS, "not stored by the engine"),
    Gap(
        "AWS::CloudWatch::Alarm", "", MISSING,
        "the engine refuses alarms on metric math, so they are left out", having="Metrics",
    ),
    Gap(
        "AWS::CloudWatch::Alarm", "EvaluateLowSampleCountPercentile", MISSING,
        "not stored by the engine",
    ),
    Gap(
        "AWS::CodeDeploy::Application", "", MISSING,
        "the engine has no CodeDeploy; its SAM takes the parameter's default, AllAtOnce", (BY_SAM,),
    ),
    Gap("AWS::CodeDeploy::DeploymentGroup", "", MISSING, "the engine has no CodeDeploy", (BY_SAM,)),
    Gap(
        "AWS::IAM::Role", "", MISSING, "CodeDeploy's role: the engine has no CodeDeploy", (BY_SAM,),
        named="CodeDeployServiceRole",
    ),
    Gap(
        "AWS::Lambda::Alias", "UpdatePolicy", MISSING,
        "shifts traffic by CodeDeploy, which the engine does not have", (BY_SAM,),
    ),
    Gap(
        "AWS::DynamoDB::Table", "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", DIFFERS,
        "ignored by the engine's CloudFormation",
    ),
    Gap(
        "AWS::DynamoDB::Table", "PointInTimeRecoverySpecification.RecoveryPeriodInDays", MISSING,
        "ignored by the engine's CloudFormation",
    ),
    Gap(
        "AWS::DynamoDB::Table", "SSESpecification.SSEEnabled", DIFFERS,
        "ignored by the engine's CloudFormation; its files are not encrypted",
    ),
    Gap(
        "AWS::DynamoDB::Table", "SSESpecification.SSEType", MISSING,
        "ignored by the engine's CloudFormation; its files are not encrypted",
    ),
    Gap(
        "AWS::DynamoDB::Table", "TimeToLiveSpecification.Enabled", DIFFERS,
        "ignored by the engine's CloudFormation; `make run` turns it on afterwards", (BY_SAM,),
    ),
    Gap(
        "AWS::DynamoDB::Table", "TimeToLiveSpecification.AttributeName", MISSING,
        "ignored by the engine's CloudFormation; `make run` turns it on afterwards", (BY_SAM,),
    ),
    Gap("AWS::DynamoDB::Table", "DeletionPolicy", MISSING, _NOT_REPORTED),
    Gap("AWS::DynamoDB::Table", "UpdateReplacePolicy", MISSING, _NOT_REPORTED),
    Gap("AWS::KMS::Key", "DeletionPolicy", MISSING, _NOT_REPORTED),
    Gap("AWS::KMS::Key", "UpdateReplacePolicy", MISSING, _NOT_REPORTED),
    Gap("AWS::Lambda::LayerVersion", "DeletionPolicy", MISSING, _NOT_REPORTED),
    Gap("AWS::Lambda::Version", "DeletionPolicy", MISSING, _NOT_REPORTED),
    Gap(
        "AWS::Lambda::Permission", "", MISSING,
        "the engine never asks for them; without them the copy has room for routes", (BY_RUN,),
    ),
    Gap(
        "AWS::Lambda::Function", "ReservedConcurrentExecutions", MISSING,
        "ignored by the engine's CloudFormation; `make run` sets it where it is declared", (BY_SAM,),
    ),
    Gap(
        "AWS::Lambda::Function", "Handler", DIFFERS,
        "the local entry calls it with events as AWS makes them", (BY_RUN,),
    ),
    Gap(
        "AWS::Lambda::Function", "Environment.Variables._HANDLER", ADDED,
        "names the declared handler for the local entry, as AWS's runtime does", (BY_RUN,),
    ),
    Gap(
        "Custom::Revision", "*", MISSING,
        "no service reports it; its digests are compared where versions have them",
    ),
    Gap(
        "Custom::Secrets", "ServiceToken", MISSING,
        "no service reports it; the secrets themselves are compared",
    ),
    Gap("Custom::Secrets", "ServiceTimeout", MISSING, _NOT_REPORTED),
    Gap(
        "Custom::Secrets", "Imported", MISSING,
        "names secrets that an operator adds, which a deployment does not create",
    ),
)  # fmt: skip


WITHOUT_EFFECT = {
    ("AWS::ApiGatewayV2::Stage", "AccessLogSettings"): "access logs",
    ("AWS::ApiGatewayV2::Stage", "DefaultRouteSettings"): "throttling",
    ("AWS::ApiGatewayV2::Stage", "RouteSettings"): "throttling of routes",
    ("AWS::ApiGatewayV2::Stage", "StageVariables"): "stage variables",
    (
        "AWS::CloudWatch::Alarm",
        "AlarmActions",
    ): "alarms: the engine reports no metrics of AWS services",
    ("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification"): "point-in-time recovery",
    ("AWS::DynamoDB::Table", "SSESpecification"): "encryption at rest",
    (
        "AWS::Lambda::EventSourceMapping",
        "BisectBatchOnFunctionError",
    ): "bisection of failed batches",
    ("AWS::Lambda::EventSourceMapping", "MaximumRetryAttempts"): "limit on retries",
    ("AWS::Lambda::Function", "DeadLetterConfig"): "dead-letter queue of the function",
    ("AWS::Lambda::Function", "KmsKeyArn"): "encryption of the environment",
    ("AWS::Lambda::Function", "TracingConfig"): "tracing",
}
"""What the engine accepts, and may even report, but does not apply."""


def gaps_of(way: str) -> list[Gap]:
    """The gaps of one way to deploy."""
    return [entry for entry in GAPS if way in entry.ways]


def table() -> str:
    """The gaps as a Markdown table."""
    rows = [
        f"| {entry.type_name.removeprefix('AWS::')} | {entry.what} | {entry.kind} "
        f"| {', '.join(entry.ways)} | {entry.why} |"
        for entry in sorted(GAPS, key=lambda entry: (entry.type_name, entry.path))
    ]
    return "\n".join(["| resource | what | how | by | why |", "|---|---|---|---|---|", *rows])
