"""Template, code, API description, sample events and folders say the same.

Whoever adds an endpoint is told here which step is missing.
"""

import ast
import inspect
import json
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import botocore
import msgspec
import pytest
from jsonschema import Draft202012Validator

import engine
from engine.admin import health
from engine.platform import config, errors
from engine.platform.errors import EngineError
from engine.web import forms, http
from tests.support import functions, schema, template
from tests.support.schema import Node
from tests.support.template import DEFAULT_ROUTE, ROOT
from tools import openapi

EVENTS = ROOT / "events"
KEY_MEMBER = "clientRequestId"
KEY_PARAMETERS = {"Idempotency-Key", "X-Client-Request-Id"}
ANSWERS_OF_ANY_PATH = {"RouteNotFound", "MethodNotAllowed"}

ROUTED = sorted(name for name, found in template.functions().items() if found.routes)
OPERATIONS = sorted(schema.operations())


@cache
def module(name: str) -> ModuleType:
    return functions.load(name)


def registered(name: str) -> set[str]:
    return {f"{method} {path}" for method, path in module(name).api.routes}


@pytest.mark.parametrize("name", ROUTED)
def test_a_function_takes_the_routes_that_the_template_sends_it(name: str) -> None:
    declared = template.functions()[name].routes - {DEFAULT_ROUTE}
    missing, unreachable = declared - registered(name), registered(name) - declared
    assert not missing, f"functions/{name}/app.py has no @api.route for {sorted(missing)}"
    assert not unreachable, f"template.yaml has no event of {name} for {sorted(unreachable)}"


def test_one_function_answers_what_no_route_takes() -> None:
    takers = [name for name in ROUTED if DEFAULT_ROUTE in template.functions()[name].routes]
    assert len(takers) == 1, f"{DEFAULT_ROUTE} belongs to {takers} in template.yaml"
    default = module(takers[0]).api._fallback
    assert default is not http._no_route, f"functions/{takers[0]}/app.py has no @api.fallback"


def test_every_route_is_described() -> None:
    missing, made_up = template.routes() - set(OPERATIONS), set(OPERATIONS) - template.routes()
    assert not missing, f"docs/openapi.yaml does not describe {sorted(missing)}"
    assert not made_up, f"docs/openapi.yaml describes what template.yaml lacks: {sorted(made_up)}"


def test_the_served_description_is_that_of_the_source() -> None:
    assert openapi.is_current(), "run .venv/bin/python -m tools.openapi"
    assert openapi.page_is_current(), "run .venv/bin/python -m tools.openapi"


def test_every_function_has_its_folder() -> None:
    folders = {path.parent.name for path in template.FUNCTIONS.glob("*/app.py")}
    missing, extra = set(template.functions()) - folders, folders - set(template.functions())
    assert not missing, f"these functions of template.yaml have no app.py: {sorted(missing)}"
    assert not extra, f"these folders of functions/ are not in template.yaml: {sorted(extra)}"


def test_every_route_has_a_sample_event() -> None:
    wanted = template.routes() | {DEFAULT_ROUTE}
    samples = [event["routeKey"] for event in sample_events().values() if "routeKey" in event]
    missing, extra = wanted - set(samples), set(samples) - wanted
    assert not missing, f"events/ has no sample for {sorted(missing)}"
    assert not extra, f"events/ has samples for routes that template.yaml lacks: {sorted(extra)}"
    assert len(samples) == len(set(samples)), "events/ has two samples for one route"


@cache
def sample_events() -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in sorted(EVENTS.glob("*.json"))}


HTTP_EVENTS = sorted(name for name, event in sample_events().items() if "routeKey" in event)


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_a_sample_event_has_the_form_of_payload_2(name: str) -> None:
    event = sample_events()[name]
    context = event["requestContext"]
    method, path = context["http"]["method"], event["rawPath"]
    assert event["version"] == "2.0"
    assert event["routeKey"] == context["routeKey"]
    assert path == context["http"]["path"]
    assert {"rawQueryString", "headers", "isBase64Encoded"} <= event.keys()
    assert {"domainName", "requestId", "stage", "time", "timeEpoch"} <= context.keys()
    assert {"sourceIp", "userAgent", "protocol"} <= context["http"].keys()
    assert all(header == header.lower() for header in event["headers"])
    if event["routeKey"] != DEFAULT_ROUTE:
        members = event.get("pathParameters", {})
        assert f"{method} {path}" == event["routeKey"].format_map(members)
    body = event.get("body", "")
    assert int(event["headers"].get("content-length", 0)) == len(body.encode())
    query = event.get("queryStringParameters", {})
    assert dict(parse_qsl(event["rawQueryString"])) == query


@pytest.mark.parametrize("name", [n for n in HTTP_EVENTS if "body" in sample_events()[n]])
def test_a_sample_event_carries_a_body_that_its_route_takes(name: str) -> None:
    event = sample_events()[name]
    content = schema.operations()[event["routeKey"]].at("requestBody").at("content")
    if event["headers"]["content-type"] != "application/json":
        assert event["headers"]["content-type"] in content.value
        return
    wrong = schema.complaint(request_schema(event["routeKey"]).pointer, json.loads(event["body"]))
    assert wrong is None, f"events/{name}: {wrong}"


def test_the_sample_of_a_deployment_asks_for_the_secrets_that_the_template_names() -> None:
    (event,) = [e for e in sample_events().values() if e.get("ResourceType") == "Custom::Secrets"]
    assert event["RequestType"] == "Create"
    assert set(event["ResourceProperties"]["Names"]) == template.secret_names()
    assert set(event["ResourceProperties"]["Imported"]) == template.imported_names()


def reading(name: str) -> Iterator[tuple[str, type[msgspec.Struct], bool]]:
    """Route key, form, and whether it is a body, for every form that a route of `name` reads."""
    path = template.FUNCTIONS / name / "app.py"
    # That a folder is missing is another test's to say.
    tree = ast.parse(path.read_text() if path.exists() else "")
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        keys = [
            f"{method.value!s} {path.value!s}"
            for decorator in function.decorator_list
            if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "api.route"
            for method, path in [decorator.args]
            if isinstance(method, ast.Constant) and isinstance(path, ast.Constant)
        ]
        for call in [node for node in ast.walk(function) if isinstance(node, ast.Call)]:
            how = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if how in ("read", "read_query"):
                form = getattr(forms, ast.unparse(call.args[0]).rpartition(".")[2])
                yield from ((key, form, how == "read") for key in keys)


FORMS_READ = [reads for name in ROUTED for reads in reading(name)]
BODIES = [(key, form) for key, form, is_body in FORMS_READ if is_body]
QUERIES = [(key, form) for key, form, is_body in FORMS_READ if not is_body]


def test_every_form_is_read_by_a_route() -> None:
    declared = {form for form in vars(forms).values() if is_form(form)}
    unread = {form.__name__ for form in declared - {form for _, form, _ in FORMS_READ}}
    assert not unread, f"no route calls call.read or call.read_query with {sorted(unread)}"


def is_form(value: Any) -> bool:
    return inspect.isclass(value) and value.__module__ == "engine.web.forms"


@pytest.mark.parametrize(
    ("key", "form"), BODIES, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_described_body_is_the_form_that_the_route_reads(
    key: str, form: type[msgspec.Struct]
) -> None:
    described = comparable(request_schema(key).value)
    described["properties"].pop(KEY_MEMBER, None)
    assert described == comparable(form_schema(form)), (
        f"docs/openapi.yaml and engine.forms.{form.__name__} differ for {key}"
    )
    responses = schema.operations()[key].at("responses")
    assert {"400", "413"} <= responses.value.keys(), f"{key} reads a body: it can answer 400, 413"


@pytest.mark.parametrize(
    ("key", "form"), QUERIES, ids=lambda value: getattr(value, "__name__", value)
)
def test_described_query_members_are_those_that_the_route_reads(
    key: str, form: type[msgspec.Struct]
) -> None:
    read = comparable(form_schema(form))
    for member in read["properties"].values():
        if "maxLength" in member:
            member["maxLength"] = min(member["maxLength"], http.QUERY_LIMIT)
        if "null" in as_types(member):
            # A query can leave a member out; it can not say null.
            member["type"] = next(name for name in member["type"] if name != "null")
            del member["default"]
    given = [p.value for p in parameters(key) if p.value["in"] == "query"]
    described = {
        "type": "object",
        "properties": {p["name"]: comparable(p["schema"]) for p in given},
        "required": sorted(p["name"] for p in given if p.get("required")),
    }
    assert described == read, f"docs/openapi.yaml and engine.forms.{form.__name__} differ for {key}"


@pytest.mark.parametrize("key", OPERATIONS)
def test_a_route_that_moves_credits_takes_a_request_id_in_every_documented_place(key: str) -> None:
    given = {p.value["name"] for p in parameters(key)} & KEY_PARAMETERS
    repeatable = "422" in schema.operations()[key].at("responses")
    assert given == (KEY_PARAMETERS if repeatable else set()), f"{key}: 422 goes with both headers"
    if repeatable:
        assert KEY_MEMBER in request_schema(key).value["properties"], f"{key} lacks {KEY_MEMBER}"


def request_schema(key: str) -> Node:
    operation = schema.operations()[key]
    assert "requestBody" in operation, f"docs/openapi.yaml gives {key} no requestBody"
    return operation.at("requestBody").at("content").at("application/json").at("schema")


def parameters(key: str) -> list[Node]:
    given = schema.operations()[key].value.get("parameters", [])
    return [schema.refer(p["$ref"]) if "$ref" in p else Node("", p) for p in given]


def form_schema(form: type[msgspec.Struct]) -> dict[str, Any]:
    made = msgspec.json.schema(form)
    found: dict[str, Any] = made["$defs"][form.__name__]
    return found


def comparable(given: dict[str, Any]) -> dict[str, Any]:
    """A schema without its words, with references followed and nullable members written one way."""
    referred = schema.refer(given["$ref"]).value if "$ref" in given else {}
    left_out = ("$ref", "title", "description")
    node = {name: value for name, value in {**referred, **given}.items() if name not in left_out}
    if "anyOf" in node:
        first, null = node.pop("anyOf")
        assert null == {"type": "null"}
        node = {**comparable(first), **node, "type": [comparable(first)["type"], "null"]}
    if "pattern" in node:
        # JSON Schema's patterns are ECMA 262's, where $ is the very end.
        node["pattern"] = node["pattern"].replace(r"\Z", "$")
    if "properties" in node:
        node["properties"] = {k: comparable(v) for k, v in node["properties"].items()}
        node["required"] = sorted(node.get("required", []))
    return node


def as_types(node: dict[str, Any]) -> list[str]:
    found: list[str] = template.as_list(node.get("type"))
    return found


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_no_permission_has_a_wildcard(name: str) -> None:
    for statement in template.functions()[name].statements:
        assert {"Action", "Resource"} <= statement.keys(), f"{name}: name what it may do"
        wide = [t for part in ("Action", "Resource") for t in template.texts(statement[part])]
        assert not [t for t in wide if "*" in t], f"{name} may do too much: {statement}"


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_a_function_may_read_the_secrets_that_its_code_names_and_no_more(name: str) -> None:
    function = template.functions()[name]
    rings = getattr(module(name), "rings", None)
    named = frozenset() if rings is None else frozenset(rings._paths.values())
    # The one function that writes secrets is told their names by the template; it tells the ages of all.
    writes = any("ssm:PutParameter" in template.as_list(s["Action"]) for s in function.statements)
    wanted = template.secret_names() | template.imported_names() if writes else named
    allowed = function.parameters_reached - {health.PROBE_PARAMETER}
    assert not wanted - allowed, f"template.yaml: {name} may not reach {sorted(wanted - allowed)}"
    assert not allowed - wanted, f"template.yaml: {name} has no use for {sorted(allowed - wanted)}"
    there = template.secret_names() | template.imported_names()
    assert wanted <= there, f"nobody creates {wanted - there}"


def test_the_template_sets_what_the_settings_read_and_no_more() -> None:
    read: set[str] = set()

    class Recorder(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            read.add(name)
            return self.get(name, "0")

    config.load(Recorder(functions.environment("health")))
    declared = template.document()["Globals"]["Function"]["Environment"]["Variables"]
    ours = {name for name in declared if not name.startswith("POWERTOOLS_")}
    assert not read - ours, f"template.yaml's Globals lack {sorted(read - ours)}"
    assert not ours - read, f"engine.platform.config does not read {sorted(ours - read)}"


def test_the_layer_keeps_what_botocore_needs_for_every_service_that_is_called() -> None:
    """Without its data a client can not be made, which reads like a service that is away."""
    layer = ROOT / "layers" / "engine"
    sources = "".join(path.read_text() for path in (layer / "engine").rglob("*.py"))
    called = set(re.findall(r'aws\.client\(\s*"(\w+)"', sources))
    trimming = runpy.run_path(str(layer / "trim_botocore.py"))
    kept = trimming["needed"](Path(botocore.__file__).parent / "data", layer / "engine")
    assert set(kept) == called >= {"dynamodb", "sqs", "ssm"}


def error_classes(base: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    if base.__module__.startswith("engine."):
        yield base
    for derived in base.__subclasses__():
        yield from error_classes(derived)


ERRORS = list(dict.fromkeys(error_classes()))


def described_codes() -> dict[str, list[int]]:
    listed = schema.refer("#/components/schemas/ErrorCode").value["oneOf"]
    return {entry["const"]: entry["x-status"] for entry in listed}


def test_the_described_codes_are_those_of_the_errors() -> None:
    raised = {(error.code, error.status) for error in ERRORS}
    described = {(code, status) for code, found in described_codes().items() for status in found}
    missing, made_up = raised - described, described - raised
    assert not missing, f"ErrorCode in docs/openapi.yaml lacks {sorted(missing)}"
    assert not made_up, f"no error has what ErrorCode in docs/openapi.yaml lists: {sorted(made_up)}"


@pytest.mark.parametrize("key", OPERATIONS)
def test_a_described_refusal_names_codes_of_its_status(key: str) -> None:
    responses = schema.operations()[key].at("responses")
    for status in [name for name in responses.value if name >= "4"]:
        codes = refusal_codes(responses.at(status))
        wrong = [
            code for code in codes if not statuses_of(status).intersection(described_codes()[code])
        ]
        assert not wrong, f"{key} {status}: {wrong} come with another status"


def statuses_of(described: str) -> set[int]:
    """The statuses that a response is described for: one, or with `4XX` a hundred of them."""
    low = int(described.replace("XX", "00"))
    return set(range(low, low + (100 if "XX" in described else 1)))


def refusal_codes(response: Node) -> list[str]:
    content = response.at("content").at("application/json").value["schema"]
    if content["$ref"] == "#/components/schemas/Health":
        return []
    if content["$ref"] == "#/components/schemas/JobRefusal":
        return ["upstream_refused"] if "4XX" in response.pointer else []
    assert content["$ref"] == "#/components/schemas/Error", f"{response.pointer} is no Error"
    codes: list[str] = content["properties"]["code"]["enum"]
    return codes


ABOUT_ACCESS = (errors.Unauthorized, errors.Forbidden)
NAMED_BY_THE_CONTRACT = (errors.LegacyInsufficientCredits,)
CREDIT_WORDS = ("credits", "insufficient")
ACCESS_WORDS = ("exp", "auth", "token")
OUTAGE_WORDS = ("unavailable", "connection", "network", "timeout")


def misread_words(error: type[EngineError], text: str) -> list[str]:
    """The words of `text` by which the mobile app would take this error for another."""
    banned: list[str] = []
    if error.status != 402 and not issubclass(error, NAMED_BY_THE_CONTRACT):
        banned += CREDIT_WORDS
    if 400 <= error.status < 500:
        banned += OUTAGE_WORDS
        banned += () if issubclass(error, ABOUT_ACCESS) else ACCESS_WORDS
    return [word for word in banned if word in text.lower()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_texts_of_an_error_have_no_word_that_the_app_misreads(error: type[EngineError]) -> None:
    for text in (error.code, error.error, error.message, error.guidance):
        assert not misread_words(error, text), f"{error.__name__}: {text}"


def test_texts_given_where_an_error_is_raised_have_no_word_that_the_app_misreads() -> None:
    by_name = {error.__name__: error for error in ERRORS}
    engine_files = (ROOT / "layers" / "engine" / "engine").rglob("*.py")
    for path in [*engine_files, *template.FUNCTIONS.glob("*/app.py")]:
        for call in [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]:
            error = by_name.get(ast.unparse(call.func).rpartition(".")[2])
            said = [*call.args, *(keyword.value for keyword in call.keywords)]
            for text in [node.value for node in said if isinstance(node, ast.Constant)]:
                if error is not None and isinstance(text, str):
                    assert not misread_words(error, text), f"{path.name}: {text}"


def test_a_used_token_sends_the_app_for_a_new_one_and_does_not_make_it_give_up() -> None:
    assert "authorization" in errors.TokenAlreadyUsed.message
    assert "expired" not in errors.TokenAlreadyUsed.message


def nodes(value: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the description with its pointer; what examples hold is no part of it."""
    if isinstance(value, dict):
        yield pointer, value
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        if isinstance(member, dict | list) and name not in ("example", "examples"):
            yield from nodes(member, f"{pointer}/{schema._escaped(str(name))}")


NODES = dict(nodes(schema.document()))


def test_every_reference_leads_somewhere_and_every_component_is_used() -> None:
    references = {node["$ref"] for node in NODES.values() if isinstance(node.get("$ref"), str)}
    for reference in references:
        schema.refer(reference)
    required = [r for key in OPERATIONS for r in schema.operations()[key].value["security"]]
    used = {f"#/components/securitySchemes/{name}" for scheme in required for name in scheme}
    used |= {f"#/components/responses/{name}" for name in ANSWERS_OF_ANY_PATH} | references
    components = schema.document()["components"]
    declared = {f"#/components/{kind}/{name}" for kind in components for name in components[kind]}
    assert not declared - used, f"nothing uses {sorted(declared - used)}"
    assert not used - declared


def schemas() -> Iterator[tuple[str, Any]]:
    for pointer, node in NODES.items():
        if "schema" in node and not pointer.endswith("/properties"):
            yield f"{pointer}/schema", node["schema"]
    for name, node in schema.document()["components"]["schemas"].items():
        yield f"/components/schemas/{name}", node


def test_every_schema_is_one() -> None:
    for _, node in schemas():
        Draft202012Validator.check_schema(node)
    patterns = [n["pattern"] for n in NODES.values() if isinstance(n.get("pattern"), str)]
    assert not [p for p in patterns if re.search(r"\\[AZz]|\(\?P", p)], "patterns are ECMA 262's"


def examples() -> Iterator[tuple[str, Any]]:
    """Pointer to the schema, and the example."""
    for pointer, node in NODES.items():
        if "schema" in node and "example" in node:
            yield f"{pointer}/schema", node["example"]
        if "schema" in node and "examples" in node:
            yield from ((f"{pointer}/schema", e["value"]) for e in node["examples"].values())
        if "schema" not in node and isinstance(node.get("examples"), list):
            yield from ((pointer, example) for example in node["examples"])


def test_every_example_follows_its_schema() -> None:
    found = list(examples())
    assert len(found) > len(OPERATIONS)
    wrong = {pointer: schema.complaint(pointer, example) for pointer, example in found}
    assert not {p: w for p, w in wrong.items() if w is not None}


@pytest.mark.parametrize("key", OPERATIONS)
def test_an_operation_is_described_in_full(key: str) -> None:
    operation = schema.operations()[key]
    tags = {tag["name"] for tag in schema.document()["tags"]}
    assert {"operationId", "summary", "tags", "security", "responses"} <= operation.value.keys()
    assert set(operation.value["tags"]) <= tags
    members = {p.value["name"] for p in parameters(key) if p.value["in"] == "path"}
    assert members == set(re.findall(r"\{(\w+)\}", key))
    responses = operation.at("responses")
    assert "500" in responses, f"{key}: any route can fail"
    for status in responses.value:
        answer = responses.at(status)
        assert answer.value["description"]
        assert "X-Request-Id" in answer.at("headers"), f"{key} {status}: every answer has it"


def test_operation_ids_are_unique() -> None:
    ids = [operation.value["operationId"] for operation in schema.operations().values()]
    assert len(ids) == len(set(ids))


def test_the_description_has_the_form_and_the_version() -> None:
    document = schema.document()
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == engine.__version__
    assert document.keys() == {"openapi", "info", "servers", "tags", "paths", "components"}
