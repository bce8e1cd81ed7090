"""Reads the API's description and reports in words what an operation lacks.

Each complaint names `docs/openapi.yaml`, the place in it and what to add there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

FILE = "docs/openapi.yaml"
METHODS = ("get", "post", "put", "patch", "delete")
ERROR = "#/components/schemas/Error"
ERRORS_OF_THEIR_OWN = {
    "#/components/schemas/Health": (),
    "#/components/schemas/JobRefusal": ("upstream_refused",),
}
"""Schemas of refusals that do not list their codes, with the codes that a status such as 4XX has."""


class DescriptionError(AssertionError):
    """The description lacks something; the text names the file, the place and what to add."""


@dataclass(frozen=True)
class Node:
    """A part of the description, and the JSON pointer to it."""

    pointer: str
    value: Any
    document: Mapping[str, Any] = field(repr=False, compare=False)

    def __contains__(self, name: str) -> bool:
        return isinstance(self.value, Mapping) and name in self.value

    @property
    def place(self) -> str:
        """`docs/openapi.yaml, paths > /health > get`: where a person finds this part."""
        names = [unescaped(name) for name in self.pointer.split("/")[1:]]
        return f"{FILE}, {' > '.join(names)}" if names else FILE

    def at(self, name: str, why: str = "") -> Node:
        """The member `name`; where that is a reference, what it refers to.

        Raises DescriptionError with the reason `why` where there is no such member.
        """
        if not isinstance(self.value, Mapping):
            raise DescriptionError(f"{self.place}: must be a mapping that has {name!r}")
        if name not in self.value:
            raise DescriptionError(f"{self.place}: add {name!r}" + (f" ({why})" if why else ""))
        return followed(Node(f"{self.pointer}/{escaped(name)}", self.value[name], self.document))


def followed(node: Node) -> Node:
    """`node`, or what it refers to where it is a reference and nothing else."""
    if isinstance(node.value, Mapping) and node.value.keys() == {"$ref"}:
        return referred(node.document, node.value["$ref"])
    return node


def referred(document: Mapping[str, Any], reference: str) -> Node:
    """What a reference within `document` refers to. Raises DescriptionError where that is nothing."""
    if not reference.startswith("#/"):
        raise DescriptionError(f"{FILE}: the $ref {reference!r} must begin with '#/'")
    node = Node("", document, document)
    for name in map(unescaped, reference[2:].split("/")):
        if not isinstance(node.value, Mapping) or name not in node.value:
            raise DescriptionError(f"{FILE}: the $ref {reference!r} refers to nothing; add it")
        node = node.at(name)
    return node


def operations(document: Mapping[str, Any]) -> dict[str, Node]:
    """Every operation by its route key, such as "GET /health"."""
    paths = Node("", document, document).at("paths")
    return {
        f"{method.upper()} {path}": paths.at(path).at(method)
        for path, members in paths.value.items()
        for method in METHODS
        if method in members
    }


def parameters(operation: Node) -> list[Node]:
    """The parameters of an operation, references followed. Raises DescriptionError for an empty operation."""
    given = operation.at("parameters").value if "parameters" in operation else []
    pointer = f"{operation.pointer}/parameters"
    return [
        followed(Node(f"{pointer}/{number}", value, operation.document))
        for number, value in enumerate(given)
    ]


def complaints(document: Mapping[str, Any]) -> list[str]:
    """What the operations, tasks and codes of `document` lack; empty where nothing is missing."""
    of_operations = (
        said for key, operation in operations(document).items() for said in lacking(key, operation)
    )
    return [*of_operations, *collected(_tasks(document)), *collected(_codes(document))]


def _tasks(document: Mapping[str, Any]) -> Iterator[str]:
    for number, tag in enumerate(Node("", document, document).at("tags").value):
        for member in ("name", "x-displayName", "description"):
            if not tag.get(member):
                yield f"{FILE}, tags > {number}: add {member!r}, which the page of the task shows"


def _codes(document: Mapping[str, Any]) -> Iterator[str]:
    remedies = referred(document, "#/components/schemas/ErrorCode").at("x-remedies")
    known = described_codes(document)
    for code in sorted(known.keys() - remedies.value.keys()):
        yield f"{remedies.place}: add {code!r} with what a client does about it"
    for code in sorted(remedies.value.keys() - known.keys()):
        yield f"{remedies.place}: remove {code!r}, which is no code"


def lacking(key: str, operation: Node) -> list[str]:
    """What the operation of the route `key` lacks; the first missing part ends the search of its parent."""
    parts = (_heading, _security, _parameters, _request_body, _responses)
    if not isinstance(operation.value, Mapping):
        return [
            f"{operation.place}: must be a mapping that has 'operationId', 'responses' and more"
        ]
    told = [said for part in parts for said in collected(part(key, operation))]
    return list(dict.fromkeys(told))


def collected(complaints: Iterator[str]) -> Iterator[str]:
    """`complaints`, with the text of the DescriptionError that may end them as the last one."""
    try:
        yield from complaints
    except DescriptionError as error:
        yield str(error)


def _heading(key: str, operation: Node) -> Iterator[str]:
    root = Node("", operation.document, operation.document)
    for member in ("operationId", "summary"):
        operation.at(member)
    tags = {tag["name"] for tag in root.at("tags").value}
    if len(operation.at("tags").value) != 1:
        yield f"{operation.place} > tags: must be one task of the list `tags` of {FILE}"
    for unknown in sorted(set(operation.at("tags").value) - tags):
        yield f"{operation.place} > tags: {unknown!r} is not in the list `tags` of {FILE}"


def _security(key: str, operation: Node) -> Iterator[str]:
    """An operation names who may call it; `[]` says everybody."""
    required = operation.at("security", "`[]` where everybody may call it").value
    root = Node("", operation.document, operation.document)
    schemes = root.at("components").at("securitySchemes")
    for name in sorted({name for alternative in required for name in alternative}):
        if name not in schemes:
            yield f"{schemes.place}: add {name!r}, which the security of {key} names"
    if required and all(required):
        operation.at("responses").at("401", "the route requires a credential")


def _parameters(key: str, operation: Node) -> Iterator[str]:
    given = parameters(operation)
    for parameter in given:
        for member in ("name", "in", "schema"):
            parameter.at(member)
        if parameter.value["in"] in ("path", "query") and parameter.value.get("required"):
            parameter.at("example", "the samples of the documentation send it")
    described = {p.value["name"] for p in given if p.value["in"] == "path"}
    in_path = set(re.findall(r"\{(\w+)\}", key))
    for name in sorted(in_path - described):
        yield f"{operation.place} > parameters: add {name!r} with `in: path`"
    for name in sorted(described - in_path):
        yield f"{operation.place} > parameters: remove {name!r}, which the path does not have"


def _request_body(key: str, operation: Node) -> Iterator[str]:
    if "requestBody" not in operation:
        return
    yield from _content(operation.at("requestBody"))
    content = operation.at("requestBody").at("content")
    for media_type in content.value:
        if "examples" not in (media := content.at(media_type)):
            media.at("example", "the samples of the documentation send it")


def _responses(key: str, operation: Node) -> Iterator[str]:
    responses = operation.at("responses")
    responses.at("500", "every route can fail")
    if not [status for status in responses.value if status.startswith(("2", "3"))]:
        yield f"{responses.place}: add the response of success, such as '200'"
    for status in responses.value:
        yield from collected(_response(responses, status))


def _response(responses: Node, status: str) -> Iterator[str]:
    response = responses.at(status)
    if not response.at("description").value:
        yield f"{response.place} > description: must not be empty"
    response.at("headers").at("X-Request-Id", "every response has it")
    yield from _content(response)
    if status >= "4":
        yield from _refusal(response, status)


def _content(holder: Node) -> Iterator[str]:
    content = holder.at("content")
    for media_type in content.value:
        if "schema" not in (media := content.at(media_type)):
            yield f"{media.place}: add 'schema'"


def _refusal(response: Node, status: str) -> Iterator[str]:
    """A refusal lists its codes, each with a status that the code comes with."""
    statuses = statuses_of(status)
    known = described_codes(response.document)
    for code in codes(response):
        if code not in known:
            yield f"{FILE}, components > schemas > ErrorCode > oneOf: add {code!r}, which {status} lists"
        elif not statuses.intersection(known[code]):
            yield f"{response.place}: {code!r} comes with {known[code]}, not with {status}"


def codes(response: Node) -> tuple[str, ...]:
    """The codes that a refusal may have. Raises DescriptionError where it does not list them."""
    media = response.at("content").at("application/json")
    schema = Node(f"{media.pointer}/schema", media.value.get("schema", {}), media.document)
    reference = schema.value.get("$ref")
    if reference in ERRORS_OF_THEIR_OWN:
        return ERRORS_OF_THEIR_OWN[reference] if "4XX" in response.pointer else ()
    if reference != ERROR:
        raise DescriptionError(
            f"{schema.place}: must be `$ref: {ERROR!r}` with the codes in properties > code > enum"
        )
    return tuple(schema.at("properties").at("code").at("enum").value)


def described_codes(document: Mapping[str, Any]) -> dict[str, list[int]]:
    """The statuses of every error code that the description lists."""
    listed = referred(document, "#/components/schemas/ErrorCode").at("oneOf").value
    return {entry["const"]: entry["x-status"] for entry in listed}


def statuses_of(described: str) -> set[int]:
    """The statuses that a response is described for: one, or with `4XX` a hundred of them."""
    low = int(described.replace("XX", "00"))
    return set(range(low, low + (100 if "XX" in described else 1)))


def escaped(name: str) -> str:
    """`name` as a part of a JSON pointer (RFC 6901)."""
    return name.replace("~", "~0").replace("/", "~1")


def unescaped(part: str) -> str:
    """The name that a part of a JSON pointer stands for."""
    return part.replace("~1", "/").replace("~0", "~")
