"""What the local engine does not show of the template, each with a word on why.

`tests/test_arrived.py` deploys by both ways and holds the list to what it finds: a difference that is
not here fails, and so does an entry whose property arrives after all.
"""

from __future__ import annotations

from dataclasses import dataclass

BY_RUN, BY_SAM = "make run", "sam deploy"
"""The two ways into the engine: a translated copy by change set, and the real command line."""

MISSING, DIFFERS, ADDED = "missing", "differs", "added"

_BOTH = (BY_RUN, BY_SAM)
_UNASKABLE = "no service describes it; CloudFormation alone would obey it"


@dataclass(frozen=True)
class Entry:
    """One thing that arrives other than it is declared.

    `path` names a property, and with it all below; `*` stands for any member. An empty one stands for
    whole resources: all of the type, those that declare the property `having`, or the one called `named`.
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
        """How it is called where the list is shown."""
        if self.path:
            return f"`{self.path}`"
        if self.having:
            return f"those with `{self.having}`"
        return self.named or "all of it"


NOT_SHOWN: tuple[Entry, ...] = (
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.openapi", MISSING,
        "the OpenAPI document itself is not kept",
    ),
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.paths.*.responses", MISSING,
        "documents the API and has no effect", (BY_RUN,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.paths.*.parameters", MISSING,
        "documents the API and has no effect", (BY_RUN,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.paths", MISSING,
        "the engine drops the OpenAPI document, so there is no route", (BY_SAM,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.x-amazon-apigateway-cors", MISSING,
        "dropped with the OpenAPI document", (BY_SAM,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.info", DIFFERS,
        "dropped with the OpenAPI document", (BY_SAM,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Api", "Body.tags", MISSING,
        "dropped with the OpenAPI document", (BY_SAM,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Integration", "", ADDED,
        "stand for the OpenAPI document, which the engine drops", (BY_RUN,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Route", "", ADDED,
        "stand for the OpenAPI document, which the engine drops", (BY_RUN,),
    ),
    Entry(
        "AWS::ApiGatewayV2::Stage", "DefaultRouteSettings", MISSING,
        "throttling and detailed metrics are not implemented",
    ),
    Entry("AWS::CloudFormation::Stack", "Description", DIFFERS, "the engine keeps no description"),
    Entry(
        "AWS::CloudWatch::Alarm", "", MISSING,
        "the engine refuses alarms on computed figures, so they are left out", having="Metrics",
    ),
    Entry(
        "AWS::CloudWatch::Alarm", "EvaluateLowSampleCountPercentile", MISSING,
        "the engine does not keep it",
    ),
    Entry(
        "AWS::CodeDeploy::Application", "", MISSING,
        "the engine has no CodeDeploy; its SAM takes the parameter's default, AllAtOnce", (BY_SAM,),
    ),
    Entry("AWS::CodeDeploy::DeploymentGroup", "", MISSING, "the engine has no CodeDeploy", (BY_SAM,)),
    Entry(
        "AWS::IAM::Role", "", MISSING, "CodeDeploy's role: the engine has no CodeDeploy", (BY_SAM,),
        named="CodeDeployServiceRole",
    ),
    Entry(
        "AWS::Lambda::Alias", "UpdatePolicy", MISSING,
        "hands the shift of calls to CodeDeploy, which the engine does not have", (BY_SAM,),
    ),
    Entry(
        "AWS::DynamoDB::Table", "PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled", DIFFERS,
        "dropped by the engine's CloudFormation",
    ),
    Entry(
        "AWS::DynamoDB::Table", "PointInTimeRecoverySpecification.RecoveryPeriodInDays", MISSING,
        "dropped by the engine's CloudFormation",
    ),
    Entry(
        "AWS::DynamoDB::Table", "SSESpecification.SSEEnabled", DIFFERS,
        "dropped by the engine's CloudFormation; its files are not encrypted",
    ),
    Entry(
        "AWS::DynamoDB::Table", "SSESpecification.SSEType", MISSING,
        "dropped by the engine's CloudFormation; its files are not encrypted",
    ),
    Entry(
        "AWS::DynamoDB::Table", "TimeToLiveSpecification.Enabled", DIFFERS,
        "dropped by the engine's CloudFormation; `make run` turns it on afterwards", (BY_SAM,),
    ),
    Entry(
        "AWS::DynamoDB::Table", "TimeToLiveSpecification.AttributeName", MISSING,
        "dropped by the engine's CloudFormation; `make run` turns it on afterwards", (BY_SAM,),
    ),
    Entry("AWS::DynamoDB::Table", "DeletionPolicy", MISSING, _UNASKABLE),
    Entry("AWS::DynamoDB::Table", "UpdateReplacePolicy", MISSING, _UNASKABLE),
    Entry("AWS::KMS::Key", "DeletionPolicy", MISSING, _UNASKABLE),
    Entry("AWS::KMS::Key", "UpdateReplacePolicy", MISSING, _UNASKABLE),
    Entry("AWS::Lambda::LayerVersion", "DeletionPolicy", MISSING, _UNASKABLE),
    Entry("AWS::Lambda::Version", "DeletionPolicy", MISSING, _UNASKABLE),
    Entry(
        "AWS::Lambda::Function", "ReservedConcurrentExecutions", MISSING,
        "dropped by the engine's CloudFormation; `make run` sets it where it is declared", (BY_SAM,),
    ),
    Entry(
        "AWS::Lambda::Function", "Handler", DIFFERS,
        "the local entry stands before it and makes events as AWS does", (BY_RUN,),
    ),
    Entry(
        "AWS::Lambda::Function", "Environment.Variables._HANDLER", ADDED,
        "tells the local entry the declared handler, as AWS's runtime does", (BY_RUN,),
    ),
    Entry(
        "Custom::Revision", "*", MISSING,
        "no service describes it; its digests are compared where versions have them",
    ),
    Entry(
        "Custom::Secrets", "ServiceToken", MISSING,
        "no service describes it; the secrets themselves are compared",
    ),
    Entry("Custom::Secrets", "ServiceTimeout", MISSING, _UNASKABLE),
    Entry(
        "Custom::Secrets", "Imported", MISSING,
        "names what an operator puts in, which a deployment does not create",
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
    ): "alarms: no figure of AWS's own services is ever reported",
    ("AWS::DynamoDB::Table", "PointInTimeRecoverySpecification"): "point-in-time recovery",
    ("AWS::DynamoDB::Table", "SSESpecification"): "encryption at rest",
    (
        "AWS::Lambda::EventSourceMapping",
        "BisectBatchOnFunctionError",
    ): "bisecting of failed batches",
    ("AWS::Lambda::EventSourceMapping", "MaximumRetryAttempts"): "limit on retries",
    ("AWS::Lambda::Function", "DeadLetterConfig"): "dead-letter queue of the function",
    ("AWS::Lambda::Function", "KmsKeyArn"): "encryption of the environment",
    ("AWS::Lambda::Function", "TracingConfig"): "tracing",
}
"""What the engine accepts, and may even describe, and then does nothing about."""


def entries(way: str) -> list[Entry]:
    """Those that hold for one way into the engine."""
    return [entry for entry in NOT_SHOWN if way in entry.ways]


def table() -> str:
    """The list as a table of Markdown."""
    rows = [
        f"| {entry.type_name.removeprefix('AWS::')} | {entry.what} | {entry.kind} "
        f"| {', '.join(entry.ways)} | {entry.why} |"
        for entry in sorted(NOT_SHOWN, key=lambda entry: (entry.type_name, entry.path))
    ]
    return "\n".join(["| resource | what | how | by | why |", "|---|---|---|---|---|", *rows])
