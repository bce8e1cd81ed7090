"""Checks answers against the API's description, for end-to-end tests."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tools import api_description, openapi
from tools.api_description import Node, escaped

_URI = "urn:pluct:openapi"


def check_answer(
    method: str, path: str, status: int, headers: Mapping[str, str], body_text: str
) -> None:
    """Raises `AssertionError` for an answer that differs from the description.

    `path` is the concrete one, with or without its query. A path or a method that is not described
    must be refused with 404 or 405.
    """
    where = f"{method} {path} answered {status}"
    response = _response(method.upper(), path.partition("?")[0], status, where)
    given = {name.lower(): value for name, value in headers.items()}
    _check_headers(response, given, where)
    if method.upper() != "HEAD":
        _check_body(response, given.get("content-type", ""), body_text, where)


@cache
def document() -> dict[str, Any]:
    """The description in its source; another test compares the served file with it."""
    return openapi.document()


def refer(reference: str) -> Node:
    """What a reference within the document refers to. Raises DescriptionError where that is nothing."""
    return api_description.referred(document(), reference)


@cache
def operations() -> dict[str, Node]:
    """Every operation by its route key."""
    return api_description.operations(document())


@cache
def validator(pointer: str) -> Draft202012Validator:
    """Checks against the schema at `pointer`; references are looked up in the whole document."""
    reference = f"{_URI}#{quote(pointer, safe='/~')}"
    return Draft202012Validator({"$ref": reference}, registry=_registry())


def complaint(pointer: str, instance: Any) -> str | None:
    """What is wrong with `instance` by the schema at `pointer`, in one line; None if nothing is."""
    error = best_match(validator(pointer).iter_errors(instance))
    return None if error is None else f"{error.json_path}: {error.message}"


@cache
def _registry() -> Registry[Any]:
    whole = Resource.from_contents(document(), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, whole)
    return registry


@cache
def _rules() -> list[tuple[str, re.Pattern[str]]]:
    """The described paths and what they match, those without members first."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(path, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))) for path in paths]


def _response(method: str, path: str, status: int, where: str) -> Node:
    """The description of the answer."""
    matching = [rule for rule, pattern in _rules() if pattern.fullmatch(path)]
    if not matching:
        assert status == 404, f"{where}, but no such path is described: it must answer 404"
        return refer("#/components/responses/RouteNotFound")
    operation = operations().get(f"{method} {matching[0]}")
    if operation is None:
        assert status == 405, f"{where}, but no such method is described: it must answer 405"
        return refer("#/components/responses/MethodNotAllowed")
    responses = operation.at("responses")
    for name in (str(status), f"{status // 100}XX"):
        if name in responses:
            return responses.at(name)
    raise AssertionError(f"{where}; described are {', '.join(responses.value)}")


def _check_headers(response: Node, given: Mapping[str, str], where: str) -> None:
    if "headers" not in response:
        return
    for name in response.value["headers"]:
        header = response.at("headers").at(name)
        value = given.get(name.lower())
        if value is None:
            assert not header.value.get("required"), f"{where} without the header {name}"
            continue
        schema = header.at("schema")
        number = schema.value.get("type") == "integer" and value.isdecimal()
        wrong = complaint(schema.pointer, int(value) if number else value)
        assert wrong is None, f"{where} with a bad header {name}: {wrong}"


def _check_body(response: Node, content_type: str, body_text: str, where: str) -> None:
    media_type = content_type.partition(";")[0].strip().lower()
    content = response.at("content")
    assert media_type in content, (
        f"{where} as {media_type!r}; described are {list(content.value)}: {body_text[:200]}"
    )
    body: Any = body_text
    if media_type == "application/json":
        try:
            body = json.loads(body_text)
        except ValueError as error:
            raise AssertionError(
                f"{where}, which is no JSON ({error}): {body_text[:200]}"
            ) from None
    schema = content.at(media_type).value.get("schema")
    if schema is not None:
        wrong = complaint(f"{content.pointer}/{escaped(media_type)}/schema", body)
        assert wrong is None, f"{where}, and {wrong}: {body_text[:500]}"
