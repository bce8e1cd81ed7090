"""Reads `template.yaml`, the one source of routes, tables, functions and their environment."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from samtranslator.yaml_helper import (  # type: ignore[import-untyped]
    intrinsics_multi_constructor,
)
from yaml import YAMLError

Template = dict[str, Any]
Resources = dict[str, dict[str, Any]]


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with CloudFormation's short forms as SAM reads them, in a tenth of SAM's time."""


_Loader.add_multi_constructor("!", intrinsics_multi_constructor)


class TemplateError(ValueError):
    """The template is not valid YAML, or the local deployment does not support it; the text says what."""


def load_template(path: Path) -> Template:
    """The template with short forms expanded: `!Ref X` is `{"Ref": "X"}`.

    Raises TemplateError when the file is not valid YAML.
    """
    try:
        return deepcopy(_parsed(path.read_text(encoding="utf-8")))
    except YAMLError as error:
        raise TemplateError(f"{path.name} cannot be read: {error}") from error


@lru_cache(maxsize=4)
def _parsed(text: str) -> Template:
    """Cached, because the tests read the same file a thousand times."""
    template: Template = yaml.load(text, _Loader)  # noqa: S506 - a safe loader.
    return template


def resources_of_type(template: Template, type_name: str) -> Resources:
    """The resources of one type by logical id; a `type_name` that ends in `::` is a prefix."""
    return {
        logical_id: resource
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == type_name
        or (type_name.endswith("::") and resource["Type"].startswith(type_name))
    }


def known_parameters(template: Template, wanted: dict[str, str | None]) -> dict[str, str]:
    """The parameters of `wanted` that have a value and are declared by the template."""
    declared = template.get("Parameters", {})
    return {name: value for name, value in wanted.items() if value is not None and name in declared}


def parameter_values(template: Template, given: dict[str, str]) -> dict[str, Any]:
    """The values of all parameters: those `given`, else the defaults."""
    defaults = {
        name: declared.get("Default") for name, declared in template.get("Parameters", {}).items()
    }
    return {**defaults, **given}
