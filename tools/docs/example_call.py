"""One complete call of an operation, made from the examples of its description."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

REQUEST_ID = "REQUEST_ID"
"""The variable of a request id."""


@dataclass(frozen=True)
class Header:
    """A header whose value is `text`, followed by the value of `variable` unless that is empty."""

    name: str
    text: str
    variable: str = ""


@dataclass(frozen=True)
class ExampleCall:
    """`target` is the path with its query, percent-encoded. `body` is text, JSON, or None without a body."""

    name: str
    method: str
    target: str
    headers: tuple[Header, ...]
    media_type: str
    body: Any

    @property
    def variables(self) -> list[str]:
        """The variables of the headers, each once, in their order."""
        return list(dict.fromkeys(one.variable for one in self.headers if one.variable))

    @property
    def is_json(self) -> bool:
        return self.media_type == "application/json"


def followed(document: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    """`node`; where it is a reference, what that refers to, with the members beside the reference."""
    if "$ref" not in node:
        return node
    found: Any = document
    for name in node["$ref"].removeprefix("#/").split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return {**found, **{name: value for name, value in node.items() if name != "$ref"}}


def parameters(
    document: Mapping[str, Any], operation: Mapping[str, Any]
) -> list[Mapping[str, Any]]:
    """The parameters of an operation, references followed."""
    return [followed(document, one) for one in operation.get("parameters", [])]


def of(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]
) -> ExampleCall:
    """The call with the first credential, the required parameters and the first example of the body."""
    given = parameters(document, operation)
    headers = list(_credentials(document, operation))
    headers += _headers(given, with_session=any(one.name == "Cookie" for one in headers))
    media_type, body = _body(document, operation)
    if isinstance(body, dict) and any(one.variable == REQUEST_ID for one in headers):
        body = {name: value for name, value in body.items() if name != "clientRequestId"}
    name = operation["operationId"]
    return ExampleCall(name, method.upper(), _target(path, given), tuple(headers), media_type, body)


def first_example(media: Mapping[str, Any]) -> Any:
    """The first example of a media type, or None."""
    if "example" in media:
        return media["example"]
    return next((one["value"] for one in media.get("examples", {}).values()), None)


def credential_headers(name: str, scheme: Mapping[str, Any]) -> list[Header]:
    """The headers that carry the credential of a security scheme."""
    variable = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()
    if scheme["type"] == "http":
        return [Header("Authorization", "Bearer ", variable)]
    if scheme["in"] == "cookie":
        return [Header("Cookie", f"{scheme['name']}=", variable)]
    named = scheme.get("x-headers", {scheme["name"]: variable})
    return [Header(header, "", value) for header, value in named.items()]


def _target(path: str, given: list[Mapping[str, Any]]) -> str:
    values = {
        one["name"]: quote(str(one["example"]), safe="") for one in given if one["in"] == "path"
    }
    query = [
        (one["name"], str(one["example"]))
        for one in given
        if one["in"] == "query" and one.get("required")
    ]
    return path.format_map(values) + (f"?{urlencode(query, quote_via=quote)}" if query else "")


def _credentials(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Header]:
    schemes = document["components"]["securitySchemes"]
    for name in [name for one in operation["security"][:1] for name in one]:
        yield from credential_headers(name, schemes[name])


def _headers(given: list[Mapping[str, Any]], *, with_session: bool) -> Iterator[Header]:
    """The request id, required headers, and the CSRF token of a session."""
    for one in [one for one in given if one["in"] == "header"]:
        if one["name"] == "Idempotency-Key":
            yield Header(one["name"], "", REQUEST_ID)
        elif one.get("required") or (with_session and one["name"] == "X-CSRF-Token"):
            variable = re.sub(r"\W+", "_", one["name"].removeprefix("X-")).upper()
            yield Header(one["name"], "", variable)


def _body(document: Mapping[str, Any], operation: Mapping[str, Any]) -> tuple[str, Any]:
    described = followed(document, operation.get("requestBody", {}))
    for media_type, media in described.get("content", {}).items():
        return media_type, first_example(media)
    return "", None
