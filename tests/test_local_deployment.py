"""The copy of the template for the local engine, and the report of what it leaves out."""

import copy
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from local import translate as local_translate
from local.conditions import decided
from local.settings import ROOT
from local.template import (
    TemplateError,
    load_template,
    parameter_values,
    resources_of_type,
)
from local.translate import Translation, translate
from tools import expected_resources

TEMPLATE = load_template(ROOT / "template.yaml")


@cache
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
def test_conditions_are_evaluated_as_by_cloudformation(
    parameters: dict[str, str], is_kept: bool, budget: Any, is_sent: bool
) -> None:
    resources = decided(TEMPLATE, parameter_values(TEMPLATE, parameters))["Resources"]
    assert resources["Table"]["Properties"]["DeletionProtectionEnabled"] is is_kept
    assert resources["TokensFunction"]["Properties"].get("ReservedConcurrentExecutions") == budget
    assert ("AlarmSubscription" in resources) is is_sent


def test_the_copy_has_no_conditions() -> None:
    left = decided(TEMPLATE, parameter_values(TEMPLATE, {}))
    assert "Conditions" not in left
    assert "Fn::If" not in str(left)
    assert not [name for name, found in left["Resources"].items() if "Condition" in found]


def test_an_unsupported_condition_is_refused() -> None:
    strange = {"Conditions": {"X": {"Fn::Contains": ["a", "b"]}}, "Resources": {}}
    with pytest.raises(TemplateError, match="Contains"):
        decided(strange, {})


def test_everything_without_effect_in_the_engine_is_reported() -> None:
    """Each feature of a deployment that a local run does not have is named."""
    said = "\n".join(translated(Environment="local").engine_gaps)
    wanted = [
        "canary deployment", "rules about parameters", "access logs", "throttling", "tracing",
        "point-in-time recovery", "encryption at rest", "alarms: ", "limit on retries",
    ]  # fmt: skip
    assert [words for words in wanted if words not in said] == []


def test_a_kept_translation_is_what_sam_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_translate, "CACHE", tmp_path)
    source = decided(TEMPLATE, parameter_values(TEMPLATE, {"Environment": "local"}))
    made = translate(source, "bucket")
    (kept,) = tmp_path.iterdir()
    before = kept.stat().st_mtime_ns
    assert translate(source, "bucket") == made
    assert [(file, file.stat().st_mtime_ns) for file in tmp_path.iterdir()] == [(kept, before)]
    translate({**source, "Description": "another template"}, "bucket")
    assert len(list(tmp_path.iterdir())) == 2


def test_only_the_alarms_that_the_engine_refuses_are_left_out_and_named() -> None:
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
    (named,) = [
        line for line in translation.engine_gaps if line.startswith("alarms on metric math")
    ]
    assert all(name in named for name in gone)


GRADUAL = ["Canary10Percent5Minutes", "Canary10Percent15Minutes", "Linear10PercentEvery1Minute"]


@pytest.mark.parametrize("deployment_type", GRADUAL)
def test_the_canary_of_a_deployment_uses_the_alarms(deployment_type: str) -> None:
    """SAM creates a deployment group with the alarms for each function."""
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


def test_a_deployment_all_at_once_needs_no_codedeploy() -> None:
    """There is no traffic shift to monitor; the alias moves at once."""
    resources = by_sam("AllAtOnce").values()
    assert not [r for r in resources if r["Type"].startswith("AWS::CodeDeploy::")]
    aliases = [r for r in resources if r["Type"] == "AWS::Lambda::Alias"]
    assert aliases and not [alias for alias in aliases if "UpdatePolicy" in alias]


def test_every_deployment_type_is_gradual_or_all_at_once() -> None:
    allowed = TEMPLATE["Parameters"]["DeploymentType"]["AllowedValues"]
    assert set(allowed) == {"AllAtOnce", *GRADUAL} == set(TEMPLATE["Mappings"]["IsGradual"])


def by_sam(deployment_type: str) -> dict[str, Any]:
    """Without what calls the functions, which takes most of the time and changes no step of a deployment."""
    template = copy.deepcopy(TEMPLATE)
    for function in resources_of_type(template, "AWS::Serverless::Function").values():
        function["Properties"].pop("Events", None)
    return expected_resources.translated(template, {"DeploymentType": deployment_type})["Resources"]
