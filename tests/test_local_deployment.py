"""The copy of the template that the local engine gets, and what is said about the rest."""

from typing import Any

import pytest

from local.conditions import decided
from local.settings import ROOT
from local.template import TemplateError, load_template, parameter_values
from local.translate import Translation, translate
from tools import declared

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
    in_template = {
        name: found["Properties"]
        for name, found in TEMPLATE["Resources"].items()
        if found["Type"] == "AWS::CloudWatch::Alarm"
    }
    gone = {name for name, properties in in_template.items() if "Metrics" in properties}
    assert alarms == in_template.keys() - gone
    (named,) = [line for line in translation.not_shown if line.startswith("alarms on computed")]
    assert all(name in named for name in gone)


GRADUAL = ["Canary10Percent5Minutes", "Canary10Percent15Minutes", "Linear10PercentEvery1Minute"]


@pytest.mark.parametrize("deployment_type", GRADUAL)
def test_the_canary_of_a_real_deployment_watches_the_alarms(deployment_type: str) -> None:
    """SAM itself makes of the template a deployment group for each function, with the alarms in it."""
    resources = by_sam(deployment_type).values()
    groups = [r for r in resources if r["Type"] == "AWS::CodeDeploy::DeploymentGroup"]
    functions = [r for r in resources if r["Type"] == "AWS::Lambda::Function"]
    assert len(groups) == len(functions) > 0
    for group in groups:
        alarms = [a["Name"]["Ref"] for a in group["Properties"]["AlarmConfiguration"]["Alarms"]]
        assert {"ApiServerErrors", "VendSlow"} < set(alarms)
        assert group["Properties"]["AutoRollbackConfiguration"]["Enabled"] is True
        assert deployment_type in str(group["Properties"]["DeploymentConfigName"])
    aliases = [r for r in resources if r["Type"] == "AWS::Lambda::Alias"]
    assert all("CodeDeployLambdaAliasUpdate" in alias["UpdatePolicy"] for alias in aliases)


def test_what_takes_over_all_at_once_needs_no_codedeploy() -> None:
    """Nothing would be left to watch; the alias moves by itself."""
    resources = by_sam("AllAtOnce").values()
    assert not [r for r in resources if r["Type"].startswith("AWS::CodeDeploy::")]
    aliases = [r for r in resources if r["Type"] == "AWS::Lambda::Alias"]
    assert aliases and not [alias for alias in aliases if "UpdatePolicy" in alias]


def test_every_way_to_take_over_is_either_gradual_or_not() -> None:
    allowed = TEMPLATE["Parameters"]["DeploymentType"]["AllowedValues"]
    assert set(allowed) == {"AllAtOnce", *GRADUAL} == set(TEMPLATE["Mappings"]["IsGradual"])


def by_sam(deployment_type: str) -> dict[str, Any]:
    return declared.translated(TEMPLATE, {"DeploymentType": deployment_type})["Resources"]
