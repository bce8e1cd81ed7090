"""The copy of the template that the local engine gets, and what is said about the rest."""

from typing import Any

import boto3
import pytest
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from local.conditions import decided
from local.settings import ROOT
from local.template import TemplateError, load_template, parameter_values
from local.translate import Translation, translate

TEMPLATE = load_template(ROOT / "template.yaml")


def translated(**parameters: str) -> Translation:
    return translate(decided(TEMPLATE, parameter_values(TEMPLATE, parameters)), "bucket")


@pytest.mark.parametrize(
    ("parameters", "is_kept", "budget", "is_sent"),
    [
        ({"Environment": "local"}, False, None, False),
        ({"Environment": "staging", "ReserveConcurrency": "true"}, True, {"Ref": "VendConcurrency"}, False),
        ({"Environment": "prod", "AlarmEmail": "ops@example.com"}, True, None, True),
    ],
)  # fmt: skip
def test_conditions_are_decided_as_cloudformation_would(
    parameters: dict[str, str], is_kept: bool, budget: Any, is_sent: bool
) -> None:
    resources = decided(TEMPLATE, parameter_values(TEMPLATE, parameters))["Resources"]
    assert resources["Table"]["Properties"]["DeletionProtectionEnabled"] is is_kept
    assert resources["TokensFunction"]["Properties"].get("ReservedConcurrentExecutions") == budget
    assert ("AlarmSubscription" in resources) is is_sent


def test_no_condition_is_left_to_the_engine() -> None:
    left = decided(TEMPLATE, parameter_values(TEMPLATE, {}))
    assert "Conditions" not in left
    assert "Fn::If" not in str(left)
    assert not [name for name, found in left["Resources"].items() if "Condition" in found]


def test_a_condition_of_an_unknown_form_is_refused() -> None:
    strange = {"Conditions": {"X": {"Fn::Contains": ["a", "b"]}}, "Resources": {}}
    with pytest.raises(TemplateError, match="Contains"):
        decided(strange, {})


def test_what_the_engine_does_not_do_is_named() -> None:
    """Nothing is dropped in silence: each thing that a deployment has and a local run has not."""
    said = "\n".join(translated(Environment="local").not_shown)
    wanted = [
        "canary deployment", "rules about parameters", "access logs", "throttling", "tracing",
        "point-in-time recovery", "encryption at rest", "alarms: ", "limit on retries",
    ]  # fmt: skip
    assert [words for words in wanted if words not in said] == []


def test_alarms_that_the_engine_refuses_are_left_out_by_name_and_the_others_kept() -> None:
    translation = translated(Environment="local")
    alarms = {
        name
        for name, found in translation.template["Resources"].items()
        if found["Type"] == "AWS::CloudWatch::Alarm"
    }
    declared = {
        name: found["Properties"]
        for name, found in TEMPLATE["Resources"].items()
        if found["Type"] == "AWS::CloudWatch::Alarm"
    }
    gone = {name for name, properties in declared.items() if "Metrics" in properties}
    assert alarms == declared.keys() - gone
    (named,) = [line for line in translation.not_shown if line.startswith("alarms on computed")]
    assert all(name in named for name in gone)


def test_the_canary_of_a_real_deployment_watches_the_alarms() -> None:
    """SAM itself makes of the template a deployment group for each function, with the alarms in it."""
    resources = plainly_translated()
    groups = [r for r in resources.values() if r["Type"] == "AWS::CodeDeploy::DeploymentGroup"]
    functions = [r for r in resources.values() if r["Type"] == "AWS::Lambda::Function"]
    assert len(groups) == len(functions) > 0
    for group in groups:
        alarms = [a["Name"]["Ref"] for a in group["Properties"]["AlarmConfiguration"]["Alarms"]]
        assert {"ApiServerErrors", "VendSlow"} < set(alarms)
        assert group["Properties"]["AutoRollbackConfiguration"]["Enabled"] is True


def plainly_translated() -> dict[str, Any]:

    source = load_template(ROOT / "template.yaml")
    for found in source["Resources"].values():
        member = {
            "AWS::Serverless::Function": "CodeUri",
            "AWS::Serverless::LayerVersion": "ContentUri",
        }
        if found["Type"] in member:
            found["Properties"][member[found["Type"]]] = {"Bucket": "b", "Key": "k"}
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    return translator.translate(source, {"AWS::Region": "us-east-1"})["Resources"]
