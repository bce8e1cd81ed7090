"""Evaluates a template's conditions and keeps what CloudFormation would create for given values."""

from __future__ import annotations

from typing import Any

from local.template import Template, TemplateError

_ABSENT = {"Ref": "AWS::NoValue"}


def decided(template: Template, values: dict[str, Any]) -> Template:
    """`template` without conditions: each `Fn::If` is replaced by its branch, and a resource or output whose
    condition is false is removed.

    `values` are the values of all parameters. Raises TemplateError for an unsupported condition.
    """
    truths = {
        name: _truth(expression, template.get("Conditions", {}), values)
        for name, expression in template.get("Conditions", {}).items()
    }
    kept = {
        section: {
            name: _chosen(_unconditional(part), truths)
            for name, part in template.get(section, {}).items()
            if truths.get(part.get("Condition"), True)
        }
        for section in ("Resources", "Outputs")
    }
    rest = {
        section: _chosen(part, truths)
        for section, part in template.items()
        if section not in {"Conditions", *kept}
    }
    return {**rest, **kept}


def _unconditional(part: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in part.items() if member != "Condition"}


def _truth(expression: Any, conditions: dict[str, Any], values: dict[str, Any]) -> bool:
    match expression:
        case {"Condition": str(name)}:
            return _truth(conditions[name], conditions, values)
        case {"Fn::Equals": [left, right]}:
            return _text(left, values) == _text(right, values)
        case {"Fn::Not": [inner]}:
            return not _truth(inner, conditions, values)
        case {"Fn::And": parts}:
            return all(_truth(part, conditions, values) for part in parts)
        case {"Fn::Or": parts}:
            return any(_truth(part, conditions, values) for part in parts)
    raise TemplateError(f"The local deployment does not support this condition: {expression}")


def _text(value: Any, values: dict[str, Any]) -> str:
    return str(values[value["Ref"]] if isinstance(value, dict) else value)


def _chosen(node: Any, truths: dict[str, bool]) -> Any:
    if isinstance(node, list):
        return [item for item in (_chosen(inner, truths) for inner in node) if item != _ABSENT]
    if not isinstance(node, dict):
        return node
    if "Fn::If" in node:
        name, positive, negative = node["Fn::If"]
        return _chosen(positive if truths[name] else negative, truths)
    members = ((name, _chosen(value, truths)) for name, value in node.items())
    return {name: value for name, value in members if value != _ABSENT}
