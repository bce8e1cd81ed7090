"""The steps of adding an endpoint: each function returns in words what a step lacks.

A complaint names the file and what to add. What an operation in `docs/openapi.yaml` lacks by itself is
said by `tools.api_description`, which `python -m tools.openapi` uses too.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from engine.web import http
from tests.support.template import DEFAULT_ROUTE, as_list
from tools.api_description import FILE, Node, collected, parameters, referred

KEY_MEMBER = "clientRequestId"
KEY_PARAMETERS = {"Idempotency-Key", "X-Client-Request-Id"}
Event = Mapping[str, Any]
Form = type[msgspec.Struct]


def unrouted(name: str, declared: Collection[str], registered: Collection[str]) -> list[str]:
    """Of function `name`: routes that only its template or only its code has."""
    file = f"functions/{name}/app.py"
    in_code = [
        f'{file}: add @api.route("{method}", "{path}"), which template.yaml routes to it'
        for method, path in _split(set(declared) - {DEFAULT_ROUTE} - set(registered))
    ]
    in_template = [
        f"template.yaml: add an event of Type HttpApi with Method {method} and Path {path} to the function "
        f"of functions/{name}, whose app.py registers that route"
        for method, path in _split(set(registered) - set(declared))
    ]
    return in_code + in_template


def undescribed(routes: Collection[str], operations: Collection[str]) -> list[str]:
    """Routes that only the template or only the description has."""
    missing = [
        f"{FILE}: add {method.lower()!r} under paths > {path}, which template.yaml routes"
        for method, path in _split(set(routes) - set(operations))
    ]
    made_up = [
        f"{FILE}: remove {method.lower()!r} under paths > {path}, or add its event to template.yaml"
        for method, path in _split(set(operations) - set(routes))
    ]
    return missing + made_up


def without_sample(routes: Collection[str], samples: Mapping[str, Event]) -> list[str]:
    """Routes without a sample event or with two, and samples of routes that do not exist."""
    by_route: dict[str, list[str]] = {}
    for file, event in samples.items():
        if "routeKey" in event:
            by_route.setdefault(event["routeKey"], []).append(file)
    missing = [
        f'events/: add a sample event with "routeKey": "{key}", as events/README.md says'
        for key in sorted({*routes, DEFAULT_ROUTE} - by_route.keys())
    ]
    unknown = [
        f'events/{file}: its routeKey "{key}" is no route of template.yaml'
        for key in sorted(by_route.keys() - {*routes, DEFAULT_ROUTE})
        for file in by_route[key]
    ]
    double = [
        f'events/: "{key}" has several samples, {files}; keep one'
        for key, files in sorted(by_route.items())
        if len(files) > 1
    ]
    return missing + unknown + double


def malformed(file: str, event: Event) -> list[str]:
    """Where a sample differs from payload format 2.0, or from itself."""
    where = f"events/{file}"
    absent = [
        f"{where}: add {name!r}" for name in _EVENT_MEMBERS if _found(event, name) is _NOTHING
    ]
    return absent or [f"{where}: {said}" for said in _contradictions(event)]


_NOTHING = object()
_EVENT_MEMBERS = (
    "version", "routeKey", "rawPath", "rawQueryString", "headers", "isBase64Encoded",
    "requestContext.domainName", "requestContext.requestId", "requestContext.routeKey",
    "requestContext.stage", "requestContext.time", "requestContext.timeEpoch",
    "requestContext.http.method", "requestContext.http.path", "requestContext.http.protocol",
    "requestContext.http.sourceIp", "requestContext.http.userAgent",
)  # fmt: skip


def _found(event: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(event, Mapping) or name not in event:
            return _NOTHING
        event = event[name]
    return event


def _contradictions(event: Event) -> Iterator[str]:
    context, headers = event["requestContext"], event["headers"]
    method, path = context["http"]["method"], event["rawPath"]
    if event["version"] != "2.0":
        yield "version must be 2.0"
    if event["routeKey"] != context["routeKey"]:
        yield "routeKey and requestContext.routeKey differ"
    if path != context["http"]["path"]:
        yield "rawPath and requestContext.http.path differ"
    if mixed := [name for name in headers if name != name.lower()]:
        yield f"names of headers must be in lower case: {mixed}"
    if event["routeKey"] != DEFAULT_ROUTE:
        yield from _path_contradictions(event, f"{method} {path}")
    yield from _body_contradictions(event.get("body"), headers)
    if dict(parse_qsl(event["rawQueryString"])) != event.get("queryStringParameters", {}):
        yield "rawQueryString and queryStringParameters differ"


def _body_contradictions(body: str | None, headers: Mapping[str, str]) -> Iterator[str]:
    length = len((body or "").encode())
    if int(headers.get("content-length", 0)) != length:
        yield f"the header content-length must be {length}, the bytes of the body"
    if body is not None and "content-type" not in headers:
        yield "add the header content-type, because there is a body"


def _path_contradictions(event: Event, asked: str) -> Iterator[str]:
    given = event.get("pathParameters", {})
    if missing := set(re.findall(r"\{(\w+)\}", event["routeKey"])) - given.keys():
        yield f"add {sorted(missing)} to pathParameters"
    elif event["routeKey"].format_map(given) != asked:
        yield f'its method and rawPath are "{asked}", but its routeKey is "{event["routeKey"]}"'


def body_differences(key: str, operation: Node, form: Form) -> list[str]:
    """Where the described body of the route `key` is not the form that its code reads."""
    return list(collected(_body_differences(key, operation, form)))


def _body_differences(key: str, operation: Node, form: Form) -> Iterator[str]:
    schema = request_schema(operation)
    described = comparable(schema)
    described.setdefault("properties", {}).pop(KEY_MEMBER, None)
    yield from _schema_differences(f"{FILE}, body of {key}", described, form, form_schema(form))
    for status in ("400", "413"):
        operation.at("responses").at(status, "the route reads a body")


def query_differences(key: str, operation: Node, form: Form) -> list[str]:
    """Where the described query of the route `key` is not the form that its code reads."""
    return list(collected(_query_differences(key, operation, form)))


def _query_differences(key: str, operation: Node, form: Form) -> Iterator[str]:
    read = form_schema(form)
    for member in read["properties"].values():
        if "maxLength" in member:
            member["maxLength"] = min(member["maxLength"], http.QUERY_LIMIT)
        if "null" in as_list(member.get("type")):
            # A query can leave a member out; it cannot say null.
            member["type"] = next(name for name in member["type"] if name != "null")
            del member["default"]
    given = [p for p in parameters(operation) if p.at("in").value == "query"]
    described = {
        "type": "object",
        "properties": {p.at("name").value: comparable(p.at("schema")) for p in given},
        "required": sorted(p.value["name"] for p in given if p.value.get("required")),
    }
    yield from _schema_differences(f"{FILE}, query parameters of {key}", described, form, read)


def _schema_differences(
    where: str, described: dict[str, Any], form: Form, read: dict[str, Any]
) -> Iterator[str]:
    """Member by member; `described` and `read` are comparable schemas of objects."""
    source = f"engine/web/forms.py, {form.__name__}"
    there, wanted = described.get("properties", {}), read.get("properties", {})
    for name in sorted(wanted.keys() - there.keys()):
        yield f"{where}: add {name!r} as {json.dumps(wanted[name])}, which {source} reads"
    for name in sorted(there.keys() - wanted.keys()):
        yield f"{where}: remove {name!r}, which {source} does not read, or add it there"
    for name in sorted(there.keys() & wanted.keys()):
        if there[name] != wanted[name]:
            yield (
                f"{where}: {name!r} is {json.dumps(there[name])}, but {source} reads "
                f"{json.dumps(wanted[name])}"
            )
    for name in sorted(described.keys() | read.keys() - {"properties"}):
        if name != "properties" and described.get(name) != read.get(name):
            yield f"{where}: {name!r} is {described.get(name)}, but {source} has {read.get(name)}"


def repeatable(key: str, operation: Node) -> list[str]:
    """What a route that moves credits lacks of its three places for a request id; 422 is its mark."""
    return list(collected(_repeatable(key, operation)))


def _repeatable(key: str, operation: Node) -> Iterator[str]:
    given = {p.at("name").value for p in parameters(operation)} & KEY_PARAMETERS
    if "422" not in operation.at("responses"):
        if given:
            yield (
                f"{operation.place} > responses: add '422', because the route takes {sorted(given)}; "
                "or remove these parameters"
            )
        return
    for name in sorted(KEY_PARAMETERS - given):
        yield f"{operation.place} > parameters: add the header {name!r}, because 422 is described"
    request_schema(operation).at("properties").at(KEY_MEMBER, "422 is described")


def request_schema(operation: Node) -> Node:
    """The schema of the JSON body. Raises DescriptionError where there is none."""
    body = operation.at("requestBody", "the route reads a JSON body")
    return body.at("content").at("application/json").at("schema")


def form_schema(form: Form) -> dict[str, Any]:
    """The comparable JSON Schema of a form."""
    made = msgspec.json.schema(form)
    return comparable(Node("", made["$defs"][form.__name__], made))


def comparable(node: Node) -> dict[str, Any]:
    """A schema without its words, with references followed and nullable members written one way."""
    given = node.value
    base = referred(node.document, given["$ref"]).value if "$ref" in given else {}
    left_out = ("$ref", "title", "description")
    schema = {name: value for name, value in {**base, **given}.items() if name not in left_out}
    if "anyOf" in schema:
        first, null = schema.pop("anyOf")
        assert null == {"type": "null"}, f"{node.place}: anyOf must be a type and null"
        inner = comparable(_inner(node, first))
        schema = {**inner, **schema, "type": [inner["type"], "null"]}
    if "pattern" in schema:
        # JSON Schema's patterns are ECMA 262's, where $ is the very end.
        schema["pattern"] = schema["pattern"].replace(r"\Z", "$")
    if "propertyNames" in schema:
        schema["propertyNames"] = comparable(_inner(node, schema["propertyNames"]))
    if "properties" in schema:
        members = schema["properties"].items()
        schema["properties"] = {name: comparable(_inner(node, value)) for name, value in members}
        schema["required"] = sorted(schema.get("required", []))
    return schema


def _inner(node: Node, value: Any) -> Node:
    return Node(node.pointer, value, node.document)


def unneeded_or_refused(name: str, needed: Collection[str], allowed: Collection[str]) -> list[str]:
    """Parameters of Parameter Store that function `name` may not read but does, or may and does not."""
    statement = (
        f"template.yaml: the function of functions/{name}, Policies with ssm:GetParameters: "
    )
    missing = sorted(set(needed) - set(allowed))
    spare = sorted(set(allowed) - set(needed))
    return [f"{statement}add parameter/${{...}}/{one}, which its code reads" for one in missing] + [
        f"{statement}remove parameter/${{...}}/{one}, which its code does not read" for one in spare
    ]


def _split(keys: Collection[str]) -> Iterator[tuple[str, str]]:
    for key in sorted(keys):
        method, _, path = key.partition(" ")
        yield method, path
