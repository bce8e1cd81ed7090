"""The resources of a deployed stack as their services report them, in the form of a CloudFormation template.

Each resource is read from its own service, never from CloudFormation, which only repeats the template.
A property that the service does not report is absent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from local.engine import aws_client
from tools.expected_resources import STACK, without_digest

Properties = dict[str, Any]


@dataclass(frozen=True)
class ActualResource:
    """A resource as its service reports it; `attributes` are the values of `Fn::GetAtt`."""

    properties: Properties
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ActualStack:
    """A whole stack. Logical ids have no digests, see `expected_resources.without_digest`."""

    types: dict[str, str]
    physical: dict[str, str]
    resources: dict[str, ActualResource]
    account: str


class Services:
    """Clients of one engine, and cached answers about a stack in it."""

    def __init__(self, endpoint: str, stack: str) -> None:
        self.stack = stack
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}

    def __getitem__(self, service: str) -> Any:
        if service not in self._clients:
            addressing = {"s3": {"addressing_style": "path"}} if service == "s3" else {}
            self._clients[service] = aws_client(service, self._endpoint, **addressing)
        return self._clients[service]

    @cached_property
    def listed(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self["cloudformation"].describe_stack_resources(
            StackName=self.stack
        )["StackResources"]
        return found

    @cached_property
    def grants(self) -> dict[str, dict[str, Any]]:
        """The statements of the resource policies of all functions, by their id."""
        functions = self["lambda"]
        found: dict[str, dict[str, Any]] = {}
        for page in functions.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                try:
                    policy = functions.get_policy(
                        FunctionName=function["FunctionName"], Qualifier="live"
                    )
                except ClientError as refusal:
                    if refusal.response["Error"]["Code"] != "ResourceNotFoundException":
                        raise
                    continue
                statements = json.loads(policy["Policy"])["Statement"]
                found |= {statement["Sid"]: statement for statement in statements}
        return found

    @cached_property
    def log_groups(self) -> dict[str, dict[str, Any]]:
        pages = self["logs"].get_paginator("describe_log_groups").paginate()
        return {group["logGroupName"]: group for page in pages for group in page["logGroups"]}


def actual_stack(endpoint: str, stack: str) -> ActualStack:
    """The resources of `stack` in the engine at `endpoint`."""
    services = Services(endpoint, stack)
    types = {
        without_digest(each["LogicalResourceId"]): each["ResourceType"] for each in services.listed
    }
    physical = {
        without_digest(each["LogicalResourceId"]): each["PhysicalResourceId"]
        for each in services.listed
    }
    resources = {
        name: described
        for name in types
        if (described := _describe(services, types[name], physical[name])) is not None
    }
    stacks = services["cloudformation"].describe_stacks(StackName=stack)["Stacks"]
    resources["Stack"] = _stack(stacks[0])
    account = services["sts"].get_caller_identity()["Account"]
    return ActualStack({**types, "Stack": STACK}, physical, resources, account)


def parameters_of(endpoint: str, stack: str) -> dict[str, str]:
    """The parameter values of the stack."""
    stacks = Services(endpoint, stack)["cloudformation"].describe_stacks(StackName=stack)["Stacks"]
    return dict(_parameters(stacks[0]))


def sent_code(endpoint: str, stack: str) -> dict[str, str]:
    """The SHA-256 digest of each function's and layer's uploaded code, in base64 as Lambda reports it."""
    services = Services(endpoint, stack)
    template = services["cloudformation"].get_template(StackName=stack, TemplateStage="Processed")
    body = template["TemplateBody"]
    resources = (json.loads(body) if isinstance(body, str) else body)["Resources"]
    digests = {}
    for name, resource in resources.items():
        member = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}.get(
            resource["Type"]
        )
        if member:
            at = resource["Properties"][member]
            kept = services["s3"].get_object(Bucket=at["S3Bucket"], Key=at["S3Key"])
            digest = hashlib.sha256(kept["Body"].read()).digest()
            digests[without_digest(name)] = base64.b64encode(digest).decode()
    return digests


def _describe(services: Services, type_name: str, physical_id: str) -> ActualResource | None:
    """The resource, or None where its service does not have it. Raises KeyError for an unsupported type."""
    describe = _DESCRIBERS[type_name]
    try:
        return describe(services, physical_id)
    except ClientError as refusal:
        if refusal.response["ResponseMetadata"]["HTTPStatusCode"] in {400, 404}:
            return None
        raise


def _stack(stack: Mapping[str, Any]) -> ActualResource:
    outputs = {
        output["OutputKey"]: {
            "Value": output["OutputValue"], "Description": output.get("Description", "")
        }
        for output in stack["Outputs"]
    }  # fmt: skip
    return ActualResource(
        {
            "Description": stack["Description"],
            "Parameters": _parameters(stack),
            "Outputs": outputs,
        }
    )


def _parameters(stack: Mapping[str, Any]) -> Properties:
    return {given["ParameterKey"]: given["ParameterValue"] for given in stack["Parameters"]}


def _picked(found: Mapping[str, Any], *members: str) -> Properties:
    return {member: found[member] for member in members if member in found}


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _function(services: Services, name: str) -> ActualResource:
    functions = services["lambda"]
    found = functions.get_function(FunctionName=name)
    configuration = found["Configuration"]
    properties = _picked(
        configuration, "Architectures", "Description", "Environment", "Handler", "LoggingConfig",
        "MemorySize", "Role", "Runtime", "Timeout", "TracingConfig",
    )  # fmt: skip
    properties["SnapStart"] = _picked(configuration["SnapStart"], "ApplyOn")
    properties["Code"] = configuration["CodeSha256"]
    properties["Layers"] = [layer["Arn"] for layer in configuration.get("Layers", [])]
    properties["Tags"] = _tags(found.get("Tags", {}))
    properties |= _picked(
        functions.get_function_concurrency(FunctionName=name), "ReservedConcurrentExecutions"
    )
    return ActualResource(properties, {"Arn": configuration["FunctionArn"]})


def _version(services: Services, arn: str) -> ActualResource:
    found = services["lambda"].get_function_configuration(FunctionName=arn)
    properties = _picked(found, "FunctionName", "Description")
    return ActualResource(properties, {"Version": found["Version"]})


def _alias(services: Services, arn: str) -> ActualResource:
    function, _, alias = arn.partition(":function:")[2].partition(":")
    found = services["lambda"].get_alias(FunctionName=function, Name=alias)
    return ActualResource({"FunctionName": function, **_picked(found, "Name", "FunctionVersion")})


def _layer(services: Services, arn: str) -> ActualResource:
    found = services["lambda"].get_layer_version_by_arn(Arn=arn)
    properties = _picked(found, "CompatibleArchitectures", "CompatibleRuntimes", "Description")
    name = found["LayerArn"].rpartition(":")[2]
    return ActualResource(
        {**properties, "LayerName": name, "Content": found["Content"]["CodeSha256"]}
    )


def _permission(services: Services, statement_id: str) -> ActualResource | None:
    found = services.grants.get(statement_id)
    if found is None:
        return None
    sources = [value for test in found.get("Condition", {}).values() for value in test.values()]
    return ActualResource(
        {
            "Action": found["Action"],
            "FunctionName": found["Resource"],
            "Principal": found["Principal"]["Service"],
            "SourceArn": sources[0] if sources else None,
        }
    )


def _mapping(services: Services, uuid: str) -> ActualResource:
    found = services["lambda"].get_event_source_mapping(UUID=uuid)
    properties = _picked(
        found, "BatchSize", "BisectBatchOnFunctionError", "DestinationConfig", "EventSourceArn",
        "FilterCriteria", "FunctionResponseTypes", "MaximumRetryAttempts", "ParallelizationFactor",
        "ScalingConfig", "StartingPosition",
    )  # fmt: skip
    return ActualResource({**properties, "FunctionName": found["FunctionArn"]})


def _table(services: Services, name: str) -> ActualResource:
    tables = services["dynamodb"]
    found = tables.describe_table(TableName=name)["Table"]
    properties = _picked(found, "AttributeDefinitions", "DeletionProtectionEnabled", "KeySchema")
    properties |= _picked(found.get("BillingModeSummary", {}), "BillingMode")
    properties["GlobalSecondaryIndexes"] = [
        _picked(index, "IndexName", "KeySchema", "Projection")
        for index in found.get("GlobalSecondaryIndexes", [])
    ]
    if "StreamSpecification" in found:
        view = _picked(found["StreamSpecification"], "StreamViewType")
        properties["StreamSpecification"] = view
    properties["SSESpecification"] = _encryption(found.get("SSEDescription", {}))
    backups = tables.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {})
    properties["PointInTimeRecoverySpecification"] = {
        "PointInTimeRecoveryEnabled": recovery.get("PointInTimeRecoveryStatus") == "ENABLED",
        **_picked(recovery, "RecoveryPeriodInDays"),
    }
    expiry = tables.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    properties["TimeToLiveSpecification"] = {
        "Enabled": expiry["TimeToLiveStatus"] in {"ENABLED", "ENABLING"},
        **_picked(expiry, "AttributeName"),
    }
    return ActualResource(
        properties, {"Arn": found["TableArn"], "StreamArn": found.get("LatestStreamArn", "")}
    )


def _encryption(found: Mapping[str, Any]) -> Properties:
    enabled = found.get("Status") in {"ENABLED", "ENABLING"}
    return {"SSEEnabled": enabled, **_picked(found, "SSEType")}


def _queue(services: Services, url: str) -> ActualResource:
    asked = services["sqs"].get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    found = asked["Attributes"]
    properties = _picked(
        found, "MessageRetentionPeriod", "SqsManagedSseEnabled", "VisibilityTimeout"
    )
    if "RedrivePolicy" in found:
        properties["RedrivePolicy"] = json.loads(found["RedrivePolicy"])
    arn = found["QueueArn"]
    return ActualResource(properties, {"Arn": arn, "QueueName": arn.rpartition(":")[2]})


def _topic(services: Services, arn: str) -> ActualResource:
    found = services["sns"].get_topic_attributes(TopicArn=arn)["Attributes"]
    return ActualResource(_picked(found, "DisplayName"))


def _subscription(services: Services, arn: str) -> ActualResource | None:
    for page in services["sns"].get_paginator("list_subscriptions").paginate():
        for found in page["Subscriptions"]:
            if found["SubscriptionArn"] == arn:
                return ActualResource(_picked(found, "Endpoint", "Protocol", "TopicArn"))
    return None


def _log_group(services: Services, name: str) -> ActualResource | None:
    found = services.log_groups.get(name)
    if found is None:
        return None
    properties = {"LogGroupName": name}
    if "retentionInDays" in found:
        properties["RetentionInDays"] = found["retentionInDays"]
    return ActualResource(properties, {"Arn": found["arn"]})


def _role(services: Services, name: str) -> ActualResource:
    roles = services["iam"]
    found = roles.get_role(RoleName=name)["Role"]
    attached = roles.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    policies = [
        _picked(roles.get_role_policy(RoleName=name, PolicyName=policy), "PolicyName", "PolicyDocument")
        for policy in roles.list_role_policies(RoleName=name)["PolicyNames"]
    ]  # fmt: skip
    return ActualResource(
        {
            "AssumeRolePolicyDocument": found["AssumeRolePolicyDocument"],
            "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
            "Policies": policies,
            "Tags": found.get("Tags", []),
        },
        {"Arn": found["Arn"]},
    )


def _rule(services: Services, name: str) -> ActualResource:
    rules = services["events"]
    found = rules.describe_rule(Name=name)
    targets = rules.list_targets_by_rule(Rule=name)["Targets"]
    return ActualResource(
        {**_picked(found, "ScheduleExpression", "State"), "Targets": targets}, {"Arn": found["Arn"]}
    )


def _key(services: Services, key_id: str) -> ActualResource:
    keys = services["kms"]
    found = keys.describe_key(KeyId=key_id)["KeyMetadata"]
    policy = keys.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    rotation = keys.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]
    properties = {"EnableKeyRotation": rotation, "KeyPolicy": json.loads(policy)}
    return ActualResource({**properties, **_picked(found, "Description")}, {"Arn": found["Arn"]})


def _alarm(services: Services, name: str) -> ActualResource | None:
    found = services["cloudwatch"].describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return ActualResource(found[0]) if found else None


def _dashboard(services: Services, name: str) -> ActualResource:
    found = services["cloudwatch"].get_dashboard(DashboardName=name)
    return ActualResource(_picked(found, "DashboardName", "DashboardBody"))


def _api(services: Services, api_id: str) -> ActualResource:
    """The API as the OpenAPI document that would create it."""
    apis = services["apigatewayv2"]
    found = apis.get_api(ApiId=api_id)
    uris = {
        integration["IntegrationId"]: {
            "httpMethod": integration.get("IntegrationMethod"),
            "type": integration["IntegrationType"].lower(),
            "uri": integration["IntegrationUri"],
            "payloadFormatVersion": integration["PayloadFormatVersion"],
        }
        for integration in apis.get_integrations(ApiId=api_id, MaxResults="500")["Items"]
    }
    authorizers = {
        authorizer["AuthorizerId"]: authorizer
        for authorizer in apis.get_authorizers(ApiId=api_id, MaxResults="500")["Items"]
    }
    paths: dict[str, dict[str, Any]] = {}
    for page in apis.get_paginator("get_routes").paginate(ApiId=api_id):
        for route in page["Items"]:
            method, _, path = route["RouteKey"].rpartition(" ")
            operation: Properties = {
                "x-amazon-apigateway-integration": uris[route["Target"].rpartition("/")[2]]
            }
            if path == "$default":
                operation["isDefaultRoute"] = True
            if route.get("AuthorizerId"):
                operation["security"] = [{authorizers[route["AuthorizerId"]]["Name"]: []}]
            paths.setdefault(path, {})[method.lower() or "x-amazon-apigateway-any-method"] = (
                operation
            )
    cors = found.get("CorsConfiguration", {})
    body = {
        "info": {
            "title": found["Name"],
            "description": found.get("Description"),
            "version": found.get("Version"),
        },
        "paths": paths,
        "x-amazon-apigateway-cors": {name[0].lower() + name[1:]: cors[name] for name in cors},
        "tags": found.get("Tags", {}),
    }
    if authorizers:
        schemes = {one["Name"]: _authorizer(one) for one in authorizers.values()}
        body["components"] = {"securitySchemes": schemes}
    return ActualResource({"Body": body}, {"ApiEndpoint": found["ApiEndpoint"]})


def _authorizer(found: Mapping[str, Any]) -> Properties:
    """A JWT authorizer as in the OpenAPI document."""
    configuration = found["JwtConfiguration"]
    declared = {
        "type": found["AuthorizerType"].lower(),
        "identitySource": found["IdentitySource"][0],
        "jwtConfiguration": {
            "issuer": configuration["Issuer"],
            "audience": configuration["Audience"],
        },
    }
    return {"type": "oauth2", "x-amazon-apigateway-authorizer": declared}


def _stage(services: Services, name: str) -> ActualResource:
    (api_id,) = [
        each["PhysicalResourceId"]
        for each in services.listed
        if each["ResourceType"] == "AWS::ApiGatewayV2::Api"
    ]
    found = services["apigatewayv2"].get_stage(ApiId=api_id, StageName=name)
    properties = _picked(
        found, "AccessLogSettings", "AutoDeploy", "DefaultRouteSettings", "StageName", "Tags"
    )
    return ActualResource({**properties, "ApiId": api_id})


def _secrets(services: Services, _physical_id: str) -> ActualResource:
    """The secrets that the custom resource has created."""
    prefix = f"/{services.stack}/"
    pages = services["ssm"].get_paginator("get_parameters_by_path").paginate(Path=prefix)
    found = [parameter["Name"] for page in pages for parameter in page["Parameters"]]
    return ActualResource({"Names": sorted(name.removeprefix(prefix) for name in found)})


def _revision(_services: Services, _physical_id: str) -> ActualResource:
    """The digests of a `Custom::Revision`, which are compared where versions have them."""
    return ActualResource({})


def _of_the_api(_services: Services, _physical_id: str) -> ActualResource:
    """Routes, integrations and authorizers of the local run, which are reported as parts of their API."""
    return ActualResource({})


_DESCRIBERS: dict[str, Callable[[Services, str], ActualResource | None]] = {
    "AWS::ApiGatewayV2::Api": _api,
    "AWS::ApiGatewayV2::Authorizer": _of_the_api,
    "AWS::ApiGatewayV2::Integration": _of_the_api,
    "AWS::ApiGatewayV2::Route": _of_the_api,
    "AWS::ApiGatewayV2::Stage": _stage,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::CloudWatch::Dashboard": _dashboard,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::Rule": _rule,
    "AWS::IAM::Role": _role,
    "AWS::KMS::Key": _key,
    "AWS::Lambda::Alias": _alias,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::LayerVersion": _layer,
    "AWS::Lambda::Permission": _permission,
    "AWS::Lambda::Version": _version,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::SNS::Subscription": _subscription,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "Custom::Revision": _revision,
    "Custom::Secrets": _secrets,
}
