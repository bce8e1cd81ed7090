"""The resources that the template declares, after SAM's translation, with references resolved for a stack.

Nothing is left out or adapted for the local engine.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from local.conditions import decided
from local.engine import REGION
from local.template import Resources, Template, TemplateError, parameter_values, resources_of_type
from local.translate import CODE_MEMBERS, by_sam

STACK = "AWS::CloudFormation::Stack"
"""The stack itself is one of its resources, with the logical id `Stack`."""

_ABSENT = object()
_PSEUDO = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::URLSuffix": "amazonaws.com"}
_IN_TEXT = re.compile(r"\$\{([^!}][^}]*)\}")
# Members of a resource beside its properties that are compared.
_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy")


@dataclass(frozen=True)
class StackValues:
    """What references resolve to: values of parameters, physical ids, and attributes of resources."""

    values: dict[str, Any]
    physical: dict[str, str]
    attribute: Callable[[str, str], Any]


def without_digest(logical_id: str) -> str:
    """The id without the digest of the content that SAM appends for versions and layers."""
    return re.sub(r"[0-9a-f]{10}$", "", logical_id)


def translated(template: Template, given: dict[str, str]) -> Template:
    """`template` as SAM translates it for the parameters `given`: conditions are evaluated, references kept.

    The code of a function or layer is `{"S3Bucket": "code", "S3Key": <its logical id without digest>}`.
    """
    values = parameter_values(template, given)
    prepared = copy.deepcopy(decided(template, values))
    for type_name, member in CODE_MEMBERS.items():
        for logical_id, resource in resources_of_type(prepared, type_name).items():
            resource["Properties"][member] = {"Bucket": "code", "Key": logical_id}
    made = by_sam(prepared, {name: str(value) for name, value in values.items()})
    resources = {without_digest(name): resource for name, resource in made["Resources"].items()}
    return {**made, "Resources": resources, "Conditions": {}}


def resolved(template: Template, known: StackValues) -> Resources:
    """Every resource of a translated template with references resolved, and the stack as one more.

    Raises TemplateError for an unsupported intrinsic function.
    """
    lists = {
        name: known.values[name].split(",")
        for name, parameter in template["Parameters"].items()
        if parameter["Type"] == "CommaDelimitedList"
    }
    stack = _stack(template, known)
    known = replace(known, values={**known.values, **lists})
    resources = {
        logical_id: {
            "Type": resource["Type"],
            "Properties": _value(resource.get("Properties", {}), known)
            | {member: resource[member] for member in _POLICIES if member in resource},
        }
        for logical_id, resource in template["Resources"].items()
    }
    return {**resources, "Stack": {"Type": STACK, "Properties": stack}}


def _stack(template: Template, known: StackValues) -> dict[str, Any]:
    outputs = template.get("Outputs", {})
    return {
        "Description": template["Description"],
        "Parameters": {name: str(value) for name, value in known.values.items()},
        "Outputs": {name: _value(output, known) for name, output in outputs.items()},
    }


def _value(node: Any, known: StackValues) -> Any:
    if isinstance(node, list):
        return [value for value in (_value(item, known) for item in node) if value is not _ABSENT]
    if not isinstance(node, dict):
        return node
    if len(node) == 1 and (found := _reference(node, known)) is not None:
        return found
    members = ((name, _value(value, known)) for name, value in node.items())
    return {name: value for name, value in members if value is not _ABSENT}


def _reference(node: dict[str, Any], known: StackValues) -> Any:
    """The value of an intrinsic function; None for another mapping."""
    match node:
        case {"Ref": str(name)}:
            return _ref(name, known)
        case {"Fn::GetAtt": [name, attribute]}:
            return known.attribute(without_digest(name), attribute)
        case {"Fn::Sub": str(text)}:
            return _text(text, {}, known)
        case {"Fn::Sub": [text, names]}:
            return _text(text, {name: _value(value, known) for name, value in names.items()}, known)
        case {"Fn::Join": [separator, parts]}:
            return separator.join(str(part) for part in _value(parts, known))
    if any(name.startswith("Fn::") for name in node):
        raise TemplateError(f"The comparison does not support this intrinsic function: {node}")
    return None


def _ref(name: str, known: StackValues) -> Any:
    if name == "AWS::NoValue":
        return _ABSENT
    found = {**_PSEUDO, **known.values, **known.physical}.get(without_digest(name), _ABSENT)
    if found is _ABSENT:
        raise KeyError(name)
    return found


def _text(text: str, names: dict[str, Any], known: StackValues) -> str:
    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        if name in names:
            return str(names[name])
        resource, _, attribute = name.partition(".")
        value = (
            known.attribute(without_digest(resource), attribute) if attribute else _ref(name, known)
        )
        return str(value)

    return _IN_TEXT.sub(replaced, text)
