"""The local engine has what the template declares, except for what the run lists as unsupported."""

from typing import Any

import boto3
import pytest

from local.conditions import decided
from local.engine_gaps import BY_RUN, gaps_of
from local.settings import ROOT
from local.template import load_template, parameter_values, resources_of_type
from local.translate import translate
from tests.e2e.conftest import App
from tests.support import deployed
from tools.compare_deployment import Comparison, compare_run
from tools.expected_resources import without_digest

LOCAL = {"Environment": "local"}


def client(app: App, service: str) -> Any:
    return boto3.client(service, **deployed.client_settings(app.run["engineUrl"]))


def declared() -> dict[str, Any]:
    template = load_template(ROOT / "template.yaml")
    return decided(template, parameter_values(template, LOCAL))


def test_every_resource_is_deployed(app: App) -> None:
    """After SAM's translation. The local copy lists what it leaves out; see test_local_deployment."""
    found = client(app, "cloudformation").describe_stack_resources(StackName="pluct-local")
    arrived = [item["LogicalResourceId"] for item in found["StackResources"]]
    wanted = translate(declared(), "bucket").template["Resources"]
    assert sorted(map(without_digest, arrived)) == sorted(map(without_digest, wanted))


@pytest.fixture(scope="module")
def comparison(app: App) -> Comparison:
    return compare_run(app.run)


def test_every_declared_value_is_deployed_or_listed_as_unsupported(comparison: Comparison) -> None:
    """Compares all resources and properties of the translated template with the services' answers."""
    assert comparison.unlisted(gaps_of(BY_RUN)) == []
    assert len(comparison.same) > 1000


def test_no_deployed_value_is_listed_as_unsupported(comparison: Comparison) -> None:
    assert comparison.outdated(gaps_of(BY_RUN)) == []
    assert comparison.unused(gaps_of(BY_RUN)) == []


def test_every_function_has_a_log_group_with_a_retention(app: App) -> None:
    pages = client(app, "logs").get_paginator("describe_log_groups").paginate()
    groups = {group["logGroupName"]: group for page in pages for group in page["logGroups"]}
    functions = client(app, "lambda").list_functions()["Functions"]
    assert len(functions) == len(resources_of_type(declared(), "AWS::Serverless::Function"))
    for function in functions:
        assert groups[function["LoggingConfig"]["LogGroup"]]["retentionInDays"] == 90


def test_every_function_is_called_by_its_alias(app: App) -> None:
    functions = client(app, "lambda")
    for function in functions.list_functions()["Functions"]:
        aliases = functions.list_aliases(FunctionName=function["FunctionName"])["Aliases"]
        assert [alias["Name"] for alias in aliases] == ["live"]
        assert aliases[0]["FunctionVersion"] != "$LATEST"


def test_alarms_reach_the_topic_and_the_dashboard_exists(app: App) -> None:
    alarms = client(app, "cloudwatch").describe_alarms()["MetricAlarms"]
    (topic,) = client(app, "sns").list_topics()["Topics"]
    assert alarms
    assert all(alarm["AlarmActions"] == [topic["TopicArn"]] for alarm in alarms)
    (board,) = client(app, "cloudwatch").list_dashboards()["DashboardEntries"]
    assert board["DashboardName"] == "pluct-local"
