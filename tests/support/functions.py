"""Imports a function as Lambda does, with the environment that the template gives it."""

import importlib.util
import os
from itertools import count
from types import ModuleType
from typing import Any
from unittest import mock

from tests.support import template

STACK = "pluct-test"
AWS = {
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
}
_numbers = count(1)


def load(name: str, endpoint_url: str | None = None, **changed: str) -> ModuleType:
    """The module functions/`name`/app.py, imported anew under a name of its own.

    `endpoint_url` is where AWS is called, `changed` goes over the template's environment. The
    environment is put back afterwards: the module has read what it needs of it.
    """
    variables = environment(name) | AWS | changed
    if endpoint_url is not None:
        variables["AWS_ENDPOINT_URL"] = endpoint_url
    path = template.FUNCTIONS / name / "app.py"
    spec = importlib.util.spec_from_file_location(f"functions_{name}_{next(_numbers)}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with mock.patch.dict(os.environ, variables):
        spec.loader.exec_module(module)
    return module


def environment(name: str) -> dict[str, str]:
    """The environment of function `name` in a stack whose parameters have their defaults."""
    return {variable: _value(value) for variable, value in template.environment(name).items()}


def _value(value: Any) -> str:
    """Parameters stand for their defaults, resources for a name made of their logical id."""
    match value:
        case {"Ref": str(name)}:
            declared = template.document()["Parameters"].get(name)
            return str(declared["Default"]) if declared else f"{STACK}-{name}"
        case {"Fn::Sub": str(text)}:
            return text.replace("${AWS::StackName}", STACK)
        case {"Fn::GetAtt": [name, attribute]}:
            return f"{STACK}-{name}-{attribute}"
    return str(value)
