"""The comparison of a deployment with the template finds every kind of difference."""

import re
from dataclasses import replace
from typing import Any

import pytest

from local.engine_gaps import ADDED, DIFFERS, GAPS, MISSING, WITHOUT_EFFECT, Gap, table
from local.settings import ROOT
from local.template import TemplateError, load_template
from tools import compare_deployment
from tools.actual_resources import _DESCRIBERS, ActualResource, ActualStack
from tools.compare_deployment import Comparison
from tools.expected_resources import StackValues, resolved, translated

QUEUE = "AWS::SQS::Queue"
DECLARED = {
    "Calls": {
        "Type": QUEUE,
        "Properties": {"VisibilityTimeout": 720, "RedrivePolicy": {"maxReceiveCount": 3}},
    }
}
PAGE = (ROOT / "docs" / "local-engine.md").read_text(encoding="utf-8")


def compared(properties: dict[str, Any] | None, **more: str) -> Comparison:
    """The comparison with a queue of these properties, or with none, and with `more` resources."""
    types = {"Calls": QUEUE, **more}
    found = {name: ActualResource({}) for name in more}
    if properties is not None:
        found["Calls"] = ActualResource(properties)
    there = ActualStack(types, dict.fromkeys(types, "id"), found, "000000000000")
    return compare_deployment._compared(DECLARED, there)


AS_DECLARED = {"VisibilityTimeout": "720", "RedrivePolicy": {"maxReceiveCount": 3}}


def test_a_number_equals_its_text() -> None:
    found = compared(AS_DECLARED)
    assert found.differences == ()
    assert {place.path for place in found.same} == {
        "VisibilityTimeout",
        "RedrivePolicy.maxReceiveCount",
    }


@pytest.mark.parametrize(
    ("properties", "more", "kind", "path"),
    [
        ({**AS_DECLARED, "VisibilityTimeout": "30"}, {}, DIFFERS, "VisibilityTimeout"),
        ({"VisibilityTimeout": "720"}, {}, MISSING, "RedrivePolicy"),
        ({**AS_DECLARED, "RedrivePolicy": {}}, {}, MISSING, "RedrivePolicy.maxReceiveCount"),
        (
            {**AS_DECLARED, "RedrivePolicy": {"maxReceiveCount": 3, "x": 1}},
            {},
            ADDED,
            "RedrivePolicy.x",
        ),
        (None, {}, MISSING, ""),
        (AS_DECLARED, {"Stray": "AWS::SNS::Topic"}, ADDED, ""),
    ],
)
def test_every_kind_of_difference_is_found_and_named(
    properties: dict[str, Any] | None, more: dict[str, str], kind: str, path: str
) -> None:
    found = compared(properties, **more)
    (difference,) = found.differences
    assert (difference.kind, difference.path) == (kind, path)
    (said,) = found.unlisted([])
    assert path in said
    assert found.unlisted([Gap(difference.type_name, path, kind, "why")]) == []


@pytest.mark.parametrize(
    "entry",
    [
        Gap(QUEUE, "VisibilityTimeout", MISSING, "of another kind"),
        Gap("AWS::SNS::Topic", "VisibilityTimeout", DIFFERS, "of another type"),
        Gap(QUEUE, "Visibility", DIFFERS, "a part of the name"),
        Gap(QUEUE, "", DIFFERS, "a whole resource"),
    ],
    ids=lambda entry: entry.why,
)
def test_an_entry_covers_only_what_it_names(entry: Gap) -> None:
    found = compared({**AS_DECLARED, "VisibilityTimeout": "30"})
    assert found.unlisted([entry]) == [str(found.differences[0])]
    assert found.unused([entry]) != []


def test_an_entry_whose_property_is_as_declared_is_reported() -> None:
    entry = Gap(QUEUE, "RedrivePolicy", MISSING, "dropped")
    (said,) = compared(AS_DECLARED).outdated([entry])
    assert "RedrivePolicy" in said
    assert compared({"VisibilityTimeout": "720"}).outdated([entry]) == []


def test_an_entry_of_whole_resources_is_reported_when_one_exists() -> None:
    entry = Gap(QUEUE, "", MISSING, "refused", having="RedrivePolicy")
    assert compared(None).unlisted([entry]) == compared(None).outdated([entry]) == []
    assert compared(AS_DECLARED).outdated([entry]) != []
    assert compared(None).unlisted([replace(entry, having="KmsMasterKeyId")]) != []
    assert compared(None).unlisted([replace(entry, having="", named="Other")]) != []


def test_references_become_the_values_of_the_stack() -> None:
    known = StackValues(
        {"Days": "30"}, {"Queue": "url"}, lambda name, attribute: f"{name}:{attribute}"
    )
    template = {
        "Description": "d", "Parameters": {"Days": {"Type": "Number"}}, "Outputs": {},
        "Resources": {"X": {"Type": "T", "Properties": {
            "a": {"Ref": "Days"}, "b": {"Fn::GetAtt": ["Queue", "Arn"]}, "c": {"Ref": "AWS::NoValue"},
            "d": {"Fn::Sub": "${Queue}-${Queue.Arn}-${AWS::Partition}"},
            "e": {"Fn::Join": ["/", ["x", {"Ref": "Queue"}]]},
            "f": [{"Fn::Sub": ["${A}", {"A": {"Ref": "Days"}}]}, {"Ref": "AWS::NoValue"}],
        }}},
    }  # fmt: skip
    assert resolved(template, known)["X"]["Properties"] == {
        "a": "30", "b": "Queue:Arn", "d": "url-Queue:Arn-aws", "e": "x/url", "f": ["30"],
    }  # fmt: skip


def test_an_unsupported_intrinsic_function_is_refused() -> None:
    template = {
        "Description": "", "Parameters": {},
        "Resources": {"X": {"Type": "T", "Properties": {"a": {"Fn::Select": [0, ["b"]]}}}},
    }  # fmt: skip
    with pytest.raises(TemplateError, match="Select"):
        resolved(template, StackValues({}, {}, "{}.{}".format))


def test_every_resource_type_of_the_template_is_compared() -> None:
    """Otherwise a resource of a type that is not compared would seem to be as declared."""
    template = load_template(ROOT / "template.yaml")
    given = {"AlarmEmail": "operator@example.com", "ReserveConcurrency": "true"}
    types = {r["Type"] for r in translated(template, given)["Resources"].values()}
    assert types <= _DESCRIBERS.keys()


def test_the_documents_contain_the_list_word_for_word() -> None:
    """`python -m tools.compare_deployment` prints it."""
    assert table() in PAGE
    assert all(f"- {what}" in PAGE for what in WITHOUT_EFFECT.values())


def test_every_entry_has_a_reason() -> None:
    assert all(re.search(r"\w{3}", entry.why) and entry.ways for entry in GAPS)
