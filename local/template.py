"""Reads `template.yaml`, the one source of routes, tables, functions and their environment."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse  # type: ignore[import-untyped]
from yaml import YAMLError

Template = dict[str, Any]
Resources = dict[str, dict[str, Any]]


class TemplateError(ValueError):
    """The template is no YAML, or uses what the local deployment can not express; the text says what."""


def load_template(path: Path) -> Template:
    """The template as CloudFormation's JSON form: `!Ref X` has become `{"Ref": "X"}`.

    Raises TemplateError when the file is no YAML.
    """
    try:
        return deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except YAMLError as error:
        raise TemplateError(f"{path.name} can not be read: {error}") from error


@lru_cache(maxsize=4)
def _parsed(text: str) -> Template:
    """Reading takes a tenth of a second, and a run of the tests asks for the same file a thousand times."""
    template: Template = yaml_parse(text)
    return template


def resources_of_type(template: Template, type_name: str) -> Resources:
    """The resources of one type, by logical id; a name that ends in `::` stands for all that begin so."""
    return {
        logical_id: resource
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == type_name
        or (type_name.endswith("::") and resource["Type"].startswith(type_name))
    }


def known_parameters(template: Template, wanted: dict[str, str | None]) -> dict[str, str]:
    """Those of `wanted` that have a value and that the template declares."""
    declared = template.get("Parameters", {})
    return {name: value for name, value in wanted.items() if value is not None and name in declared}


def parameter_values(template: Template, given: dict[str, str]) -> dict[str, Any]:
    """Every parameter's value, defaults included."""
    defaults = {
        name: declared.get("Default") for name, declared in template.get("Parameters", {}).items()
    }
    return {**defaults, **given}
