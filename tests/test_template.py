"""What the template promises operators, for every function that there is and will be.

Whoever adds a function, a queue or an alarm is told here which part of it is missing.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import template
from tests.support.template import ROOT, as_list, document, resources, texts

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
PAGE = re.compile(r"docs/runbook\.md#([a-z-]+)$")
FUNCTIONS = sorted(resources("AWS::Serverless::Function"))
ALARMS = sorted(resources("AWS::CloudWatch::Alarm"))
GLOBALS = document()["Globals"]["Function"]
ACCOUNT_LIMIT, UNRESERVED = 1000, 100
"""Lambda's limit of a grown account, and what it keeps for functions without a budget."""


def refs(name: str) -> dict[str, str]:
    return {"Ref": name}


def stem(function: str) -> str:
    return function.removesuffix("Function")


def figures(alarm: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The metrics that an alarm looks at, also those under an expression."""
    if "MetricName" in alarm:
        yield alarm
    for part in alarm.get("Metrics", []):
        if "MetricStat" in part:
            yield part["MetricStat"]["Metric"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_log_of_its_own_that_does_not_last_for_ever(name: str) -> None:
    function, log = resources("AWS::Serverless::Function")[name], f"{stem(name)}Logs"
    assert function.get("LoggingConfig") == {"LogGroup": refs(log)}, f"{name} needs LoggingConfig"
    group = resources("AWS::Logs::LogGroup").get(log)
    assert group is not None, f"template.yaml has no AWS::Logs::LogGroup {log}"
    assert group["RetentionInDays"] == refs("LogDays")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_that_fails_raises_an_alarm_and_is_rolled_back(name: str) -> None:
    alarm = resources("AWS::CloudWatch::Alarm").get(f"{stem(name)}Failing")
    assert alarm is not None, f"template.yaml has no AWS::CloudWatch::Alarm {stem(name)}Failing"
    seen = {
        (figure["MetricName"], figure["Dimensions"][0]["Value"]["Ref"]) for figure in figures(alarm)
    }
    assert seen == {("Errors", name), ("Throttles", name)}
    function = resources("AWS::Serverless::Function")[name]
    rollback = function.get("DeploymentPreference", {}).get("Alarms", [])
    assert refs(f"{stem(name)}Failing") in rollback, f"{name} needs DeploymentPreference"


def test_every_function_is_traced_and_published_under_an_alias() -> None:
    """All properties count: an alias must not stay behind when only a setting changed.

    tests/test_revisions.py shows which change publishes what.
    """
    assert GLOBALS["Tracing"] == "Active"
    assert (GLOBALS["AutoPublishAlias"], GLOBALS["AutoPublishAliasAllProperties"]) == ("live", True)
    (revision,) = resources("Custom::Revision").values()
    for name, function in resources("AWS::Serverless::Function").items():
        digest = name if name in revision else "Common"
        assert function["VersionDescription"] == {"Fn::GetAtt": ["Revision", digest]}, name
        overridden = {"Tracing", "AutoPublishAlias", "Runtime", "Architectures"} & set(function)
        assert not overridden, f"{name} has its own {sorted(overridden)}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_lambda_does_not_version_is_no_literal_of_a_function(name: str) -> None:
    """SAM would publish a version of an unchanged function for it, which AWS refuses.

    Tags are those of the stack (`samconfig.toml`), budgets of instances are parameters, but for the one
    instance of a function that may run only once.
    """
    function = resources("AWS::Serverless::Function")[name]
    assert "Tags" not in {**GLOBALS, **function}
    match function.get("ReservedConcurrentExecutions"):
        case None | {"Fn::If": ["ReservesConcurrency", {"Ref": _} | 1, {"Ref": "AWS::NoValue"}]}:
            return
    pytest.fail(f"{name}: ReservedConcurrentExecutions must be a parameter")


def test_a_new_version_is_taken_back_when_the_api_fails_or_slows_down() -> None:
    alarms = [alarm["Ref"] for alarm in GLOBALS["DeploymentPreference"]["Alarms"]]
    assert {"ApiServerErrors", "VendSlow"} <= set(alarms)
    assert GLOBALS["DeploymentPreference"]["Type"] == refs("DeploymentType")


@pytest.mark.parametrize("name", sorted(resources("AWS::Lambda::EventSourceMapping")))
def test_streams_and_queues_feed_the_published_version(name: str) -> None:
    mapping = resources("AWS::Lambda::EventSourceMapping")[name]
    assert mapping["FunctionName"]["Ref"].endswith(".Alias"), f"{name}: !Ref <function>.Alias"
    assert mapping["FunctionName"]["Ref"].removesuffix(".Alias") in FUNCTIONS


@pytest.mark.parametrize("name", ALARMS)
def test_an_alarm_tells_somebody_and_names_its_page_of_the_runbook(name: str) -> None:
    alarm = resources("AWS::CloudWatch::Alarm")[name]
    assert alarm.get("AlarmActions") == alarm.get("OKActions") == [refs("AlarmTopic")]
    page = PAGE.search(alarm["AlarmDescription"])
    assert page, f"{name}: its description must end in docs/runbook.md#<section>"
    assert page[1] in sections(), f"docs/runbook.md has no section {page[1]}, which {name} names"
    assert "TreatMissingData" in alarm


def sections() -> dict[str, str]:
    """The runbook's sections by their anchor, as GitHub makes it of a heading."""
    parts = re.split(r"^## (.+)$", RUNBOOK, flags=re.MULTILINE)[1:]
    return {
        re.sub(r"[^a-z-]", "", heading.lower().replace(" ", "-")): body
        for heading, body in zip(parts[::2], parts[1::2], strict=True)
    }


def test_every_page_of_the_runbook_belongs_to_an_alarm_and_says_what_to_do() -> None:
    alarms = resources("AWS::CloudWatch::Alarm").values()
    named = {page[1] for alarm in alarms if (page := PAGE.search(alarm["AlarmDescription"]))}
    assert set(sections()) == named
    for name, body in sections().items():
        assert all(part in body for part in ("**Means**", "**Look at**", "**Do**")), name


def test_every_queue_of_dead_letters_raises_an_alarm() -> None:
    dead = {
        target["Fn::GetAtt"][0]
        for found in document()["Resources"].values()
        for target in dead_letter_targets(found.get("Properties", {}))
    }
    watched = {
        dimension["Value"]["Fn::GetAtt"][0]
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        for figure in figures(alarm)
        if figure["Namespace"] == "AWS/SQS"
        for dimension in figure["Dimensions"]
    }
    assert dead, "nothing has a queue of dead letters"
    assert not dead - watched, f"no alarm on {sorted(dead - watched)}"


def dead_letter_targets(properties: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match properties:
        case {"DestinationConfig": {"OnFailure": {"Destination": target}}}:
            yield target
        case {"RedrivePolicy": {"deadLetterTargetArn": target}}:
            yield target
        case {"DeadLetterQueue": {"TargetArn": target}}:
            yield target


def test_every_stream_that_lags_raises_an_alarm() -> None:
    behind = {
        dimension["Value"]["Ref"]
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        for figure in figures(alarm)
        if figure["MetricName"] == "IteratorAge"
        for dimension in figure["Dimensions"]
    }
    fed = {
        mapping["FunctionName"]["Ref"].removesuffix(".Alias")
        for mapping in resources("AWS::Lambda::EventSourceMapping").values()
        if mapping["EventSourceArn"]["Fn::GetAtt"][1] == "StreamArn"
    }
    assert behind == fed


def test_what_is_kept_is_encrypted_and_cannot_be_lost_by_a_slip() -> None:
    (table,) = resources("AWS::DynamoDB::Table").values()
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"] == {"SSEEnabled": True, "SSEType": "KMS"}
    assert table["DeletionProtectionEnabled"] == {"Fn::If": ["IsKept", True, False]}
    assert document()["Resources"]["Table"]["UpdateReplacePolicy"] == "Retain"
    for name, queue in resources("AWS::SQS::Queue").items():
        assert queue.get("SqsManagedSseEnabled") is True, f"{name} is not encrypted"


def test_the_api_logs_who_asked_for_which_route_and_no_secret() -> None:
    (api,) = resources("AWS::Serverless::HttpApi").values()
    kept = json.loads(api["AccessLogSettings"]["Format"])
    assert {"requestId", "route", "status", "latencyMs"} <= set(kept)
    unwanted = ("$context.path", "authorizer", '$context.identity.user"', "querystring", "header")
    assert not [text for text in kept.values() if any(word in text for word in unwanted)]
    assert {"ThrottlingRateLimit", "ThrottlingBurstLimit"} <= set(api["DefaultRouteSettings"])


def test_no_policy_allows_everything_of_anything() -> None:
    """Actions and resources are named; only keys of items may end in `*`."""
    statements = [s for function in template.functions().values() for s in function.statements]
    assert statements
    for statement in statements:
        named = [*as_list(statement["Action"]), *as_list(statement["Resource"])]
        assert not [text for text in texts(named) if "*" in text], statement


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_no_function_makes_a_log_that_the_stack_does_not_know(name: str) -> None:
    """AWS's policy for logs allows it. What a late invocation of a deleted stack made under the name of
    one of its logs, the next deployment could not create.
    """
    assert template.functions()[name].denials == [
        {"Effect": "Deny", "Action": "logs:CreateLogGroup", "Resource": "*"}
    ]


@pytest.mark.parametrize("name", sorted(document()["Parameters"]))
def test_a_parameter_says_what_it_is_for_and_what_it_may_be(name: str) -> None:
    parameter = document()["Parameters"][name]
    free = {"BuildRef", "DeployedAt", "AllowedOrigins"}
    limits = {"AllowedValues", "AllowedPattern", "MinValue"} & set(parameter)
    assert parameter["Description"].endswith(".")
    assert limits or name in free, f"{name} takes anything"
    assert "Default" in parameter


def test_budgets_of_instances_leave_room_for_the_other_functions() -> None:
    parameters = document()["Parameters"]
    budgets = [
        f.get("ReservedConcurrentExecutions")
        for f in resources("AWS::Serverless::Function").values()
    ]
    chosen = [budget["Fn::If"][1] for budget in budgets if budget]
    reserved = [parameters[b["Ref"]]["Default"] if isinstance(b, dict) else b for b in chosen]
    assert sum(reserved) <= ACCOUNT_LIMIT - UNRESERVED - 200


def test_the_overview_is_readable_and_knows_every_kind_of_figure() -> None:
    (board,) = resources("AWS::CloudWatch::Dashboard").values()
    widgets = json.loads(board["DashboardBody"]["Fn::Sub"])["widgets"]
    shown = json.dumps(widgets)
    spaces = ("AWS/ApiGateway", "AWS/Lambda", "AWS/DynamoDB", "Pluct/${AWS::StackName}")
    assert all(space in shown for space in spaces)
    places = [(widget["x"], widget["y"]) for widget in widgets]
    assert len(places) == len(set(places))


def test_every_output_is_explained() -> None:
    assert all(output["Description"] for output in document()["Outputs"].values())


CONFIGURED = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))
BUILT = "file://.aws-sam/build/parameters.yaml"


@pytest.mark.parametrize(
    ("name", "environment"), [("default", "dev"), ("staging", "staging"), ("prod", "prod")]
)
def test_sam_deploy_needs_no_further_word(name: str, environment: str) -> None:
    """Stack, environment and build are in samconfig.toml; deploying the same again is no failure."""
    chosen = CONFIGURED[name]["deploy"]["parameters"]
    given = dict(text.split("=", 1) for text in chosen["parameter_overrides"] if text != BUILT)
    assert CONFIGURED[name]["global"]["parameters"]["stack_name"] == f"pluct-{environment}"
    assert given["Environment"] == environment
    assert given.keys() <= document()["Parameters"].keys()
    assert chosen["parameter_overrides"][-1] == BUILT
    assert chosen["fail_on_empty_changeset"] is False
    for parameter, value in given.items():
        allowed = document()["Parameters"][parameter].get("AllowedValues", [value])
        assert value in map(str, allowed), f"{parameter}={value}"


def test_what_users_depend_on_is_shifted_slowly_and_has_room_of_its_own() -> None:
    given = CONFIGURED["prod"]["deploy"]["parameters"]["parameter_overrides"]
    assert any(text.startswith("DeploymentType=Canary") for text in given)
    assert "ReserveConcurrency=true" in given


def test_a_deployment_that_names_no_upstream_is_refused() -> None:
    (rule,) = document()["Rules"].values()
    placeholder = document()["Parameters"]["TttBase"]["Default"]
    assert placeholder in list(texts(rule["Assertions"]))
