"""What makes a deployment publish a new version of a function, as SAM's translator and the digests have it.

A version is published where its logical id is new, or where its description is, which CloudFormation
cannot change in place. Publishing a version of an unchanged function fails on AWS. So for every function
a version must change exactly where the function does: with each parameter, the layer, and its own code.
"""

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from engine.admin.cloudformation import revisions
from local.conditions import decided
from local.settings import ROOT
from local.template import Template, load_template, parameter_values, resources_of_type
from local.translate import CODE_MEMBERS, by_sam
from tests.support.sampling import PROVING
from tools import sam_deploy
from tools.expected_resources import without_digest

TEMPLATE = load_template(ROOT / "template.yaml")
GIVEN = sam_deploy.parameters("prod", {"TttBase": "https://ttt.example.com"})
FUNCTIONS = sorted(resources_of_type(TEMPLATE, "AWS::Serverless::Function"))
NOT_OF_A_VERSION = frozenset({"ReservedConcurrentExecutions", "Tags"})
"""Properties that Lambda keeps for a function as a whole, so a change of them leaves nothing to publish."""


@dataclass(frozen=True)
class Function:
    """One function as it would be deployed."""

    published: tuple[str, str]
    """The version's logical id and its description, resolved."""
    settings: str
    """Everything that a version of it holds, resolved."""


def functions(template: Template, **changed: str) -> dict[str, Function]:
    """Every function for production's parameters and what is `changed` of them."""
    translated, values = translate(template, **changed)
    (revision,) = resources_of_type(translated, "Custom::Revision").values()
    digests = revisions(resolved(revision["Properties"], values))
    versions = {
        found["Properties"]["FunctionName"]["Ref"]: (name, found["Properties"])
        for name, found in resources_of_type(translated, "AWS::Lambda::Version").items()
    }
    made = {}
    for name, found in resources_of_type(translated, "AWS::Lambda::Function").items():
        logical_id, properties = versions[name]
        match properties["Description"]:
            case {"Fn::GetAtt": ["Revision", str(digest)]}:
                published = (logical_id, digests[digest])
        held = {
            member: value
            for member, value in found["Properties"].items()
            if member not in NOT_OF_A_VERSION
        }
        made[name] = Function(published, json.dumps(resolved(held, values), sort_keys=True))
    return made


def translate(template: Template, **changed: str) -> tuple[Template, dict[str, Any]]:
    """SAM's translation, conditions decided as CloudFormation does after it, and all parameters' values."""
    values = parameter_values(template, {**GIVEN, **changed})
    prepared = copy.deepcopy(template)
    for type_name, member in CODE_MEMBERS.items():
        for logical_id, resource in resources_of_type(prepared, type_name).items():
            code = resource["Properties"][member]
            key = f"{logical_id}-{code}".replace("/", "-")
            resource["Properties"][member] = {"Bucket": "code", "Key": key}
            # What calls a function is no part of it, and takes nine tenths of the translation.
            resource["Properties"].pop("Events", None)
    translated = by_sam(prepared, {name: str(value) for name, value in values.items()})
    return decided(translated, values), values


def resolved(node: Any, values: dict[str, Any]) -> Any:
    """`node` with the values of parameters; references to resources stand for the resources."""
    match node:
        case {"Ref": str(name)} if name in values:
            return str(values[name])
        case {"Fn::Sub": str(text)}:
            for name, value in values.items():
                text = text.replace(f"${{{name}}}", str(value))
            return {"Fn::Sub": text}
        case dict():
            return {name: resolved(value, values) for name, value in node.items()}
        case list():
            return [resolved(item, values) for item in node]
    return node


@cache
def before() -> dict[str, Function]:
    return functions(TEMPLATE)


def other_value(name: str) -> str:
    parameter = TEMPLATE["Parameters"][name]
    now = str(parameter_values(TEMPLATE, GIVEN)[name])
    if "AllowedValues" in parameter:
        return next(str(value) for value in parameter["AllowedValues"] if str(value) != now)
    return str(int(now) + 1) if parameter["Type"] == "Number" else f"{now}x"


def published(now: dict[str, Function]) -> set[str]:
    return {name for name in FUNCTIONS if now[name].published != before()[name].published}


def changed(now: dict[str, Function]) -> set[str]:
    return {name for name in FUNCTIONS if now[name].settings != before()[name].settings}


@pytest.mark.parametrize("name", sorted(TEMPLATE["Parameters"]))
def test_a_parameter_publishes_just_the_functions_that_it_reaches(name: str) -> None:
    now = functions(TEMPLATE, **{name: other_value(name)})
    assert published(now) == changed(now)


def test_the_parameters_that_are_said_to_reach_functions_do() -> None:
    """The test before this one compares two sets; here is what is in them."""
    reached = {
        name: changed(functions(TEMPLATE, **{name: other_value(name)}))
        for name in ("RateLimit", "BuildRef", "SnapStart", "VendConcurrency", "LogDays")
    }
    assert reached["RateLimit"] == reached["BuildRef"] == set(FUNCTIONS)
    assert "TokensFunction" in reached["SnapStart"] < set(FUNCTIONS)
    assert reached["VendConcurrency"] == reached["LogDays"] == set()


def test_a_changed_layer_publishes_every_function() -> None:
    now = functions(edited("EngineLayer", "ContentUri", "layers/changed"))
    assert published(now) == changed(now) == set(FUNCTIONS)


CHANGES = [("CodeUri", "functions/changed"), ("Timeout", 7), ("MemorySize", 1024)]


def edits() -> Iterator[tuple[str, str, Any]]:
    """Every function with one change, each with all of them in `make prove`: digests treat members alike."""
    for place, name in enumerate(FUNCTIONS):
        for member, value in CHANGES if PROVING else [CHANGES[place % len(CHANGES)]]:
            yield name, member, value


@pytest.mark.parametrize(("name", "member", "value"), list(edits()))
def test_a_changed_function_publishes_itself_alone(name: str, member: str, value: Any) -> None:
    now = functions(edited(name, member, value))
    assert published(now) == changed(now) == {name}


def test_what_a_function_refers_to_is_in_its_digest_and_nothing_else_is() -> None:
    """A resource that is replaced has another name then, which only the deployment itself knows."""
    translated, _values = translate(TEMPLATE)
    (revision,) = resources_of_type(translated, "Custom::Revision").values()
    logs = resources_of_type(translated, "AWS::Logs::LogGroup")
    versions = resources_of_type(translated, "AWS::Lambda::Version").values()
    keys = {
        found["Properties"]["FunctionName"]["Ref"]: found["Properties"]["Description"][
            "Fn::GetAtt"
        ][1]
        for found in versions
    }
    for name, found in resources_of_type(translated, "AWS::Lambda::Function").items():
        held = {
            member: value
            for member, value in found["Properties"].items()
            if member not in {*NOT_OF_A_VERSION, "Role"}
        }
        covered = [revision["Properties"]["Common"], revision["Properties"].get(keys[name])]
        # A log's name is fixed in the template; conditions are decided here, hence the parameter.
        wanted = set(references(held)) - logs.keys() - {"AWS::StackName", "AWS::NoValue"}
        assert set(references(covered)) - {"SnapStart"} == wanted, name


def references(node: Any) -> Iterator[str]:
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            yield name
        case {"Fn::Sub": str(text)}:
            yield from (part.partition("}")[0] for part in text.split("${")[1:])
        case dict():
            for value in node.values():
                yield from references(value)
        case list():
            for item in node:
                yield from references(item)


def edited(logical_id: str, member: str, value: Any) -> Template:
    template = copy.deepcopy(TEMPLATE)
    template["Resources"][logical_id]["Properties"][member] = value
    return template


def test_codedeploy_shifts_each_alias_to_the_version_that_is_published() -> None:
    """What a canary has to shift: the alias follows the version, under CodeDeploy's policy."""
    translated, _values = translate(TEMPLATE)
    aliases = resources_of_type(translated, "AWS::Lambda::Alias").values()
    assert len(aliases) == len(FUNCTIONS)
    for alias in aliases:
        function = alias["Properties"]["FunctionName"]["Ref"]
        version = before()[function].published[0]
        assert alias["Properties"]["FunctionVersion"] == {"Fn::GetAtt": [version, "Version"]}
        assert "CodeDeployLambdaAliasUpdate" in alias["UpdatePolicy"]


def test_versions_and_layers_of_the_past_are_deleted_by_cloudformation() -> None:
    """At the end of a deployment, when no alias names them and nothing can be rolled back any more."""
    translated, _values = translate(TEMPLATE)
    for type_name in ("AWS::Lambda::Version", "AWS::Lambda::LayerVersion"):
        for name, found in resources_of_type(translated, type_name).items():
            assert found["DeletionPolicy"] == "Delete", name
            assert "UpdateReplacePolicy" not in found, name


def test_lasting_ids_are_those_of_the_template() -> None:
    assert {without_digest(now.published[0]) for now in before().values()} == {
        f"{name}Version" for name in FUNCTIONS
    }
