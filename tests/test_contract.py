"""Template, code, API description, sample events and folders agree.

Whoever adds an endpoint is told here which step is missing, and in which file to add what.
"""

import ast
import importlib
import inspect
import json
import pkgutil
import re
import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import botocore
import msgspec
import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

import engine
from engine.access.keyrings import FRONT_SECRET
from engine.admin import health
from engine.credits.hold_errors import HoldExpired
from engine.platform import config, errors
from engine.platform.errors import EngineError
from engine.web import desk_forms, forms, http, token_forms
from tests.support import endpoints, functions, schema, template
from tests.support.template import DEFAULT_ROUTE, ROOT
from tools import api_description, openapi
from tools.api_description import escaped

EVENTS = ROOT / "events"
FORMS = (forms, desk_forms, token_forms)
ANSWERS_OF_ANY_PATH = {"RouteNotFound", "MethodNotAllowed", "FrontRequired"}

ROUTED = sorted(name for name, found in template.functions().items() if found.routes)
OPERATIONS = sorted(schema.operations())


@cache
def module(name: str) -> ModuleType:
    return functions.load(name)


def registered(name: str) -> set[str]:
    return {f"{method} {path}" for method, path in module(name).api.routes}


def none(complaints: list[str]) -> None:
    assert not complaints, "\n" + "\n".join(complaints)


@pytest.mark.parametrize("name", ROUTED)
def test_a_function_registers_the_routes_that_the_template_sends_it(name: str) -> None:
    none(endpoints.unrouted(name, template.functions()[name].routes, registered(name)))


def test_one_function_answers_requests_for_unknown_routes() -> None:
    takers = [name for name in ROUTED if DEFAULT_ROUTE in template.functions()[name].routes]
    assert len(takers) == 1, f"{DEFAULT_ROUTE} belongs to {takers} in template.yaml"
    default = module(takers[0]).api._fallback
    assert default is not http._no_route, f"functions/{takers[0]}/app.py has no @api.fallback"


def test_every_route_is_described() -> None:
    none(endpoints.undescribed(template.routes(), OPERATIONS))


def test_the_served_description_is_generated_from_its_source() -> None:
    # An incomplete description cannot be generated; the test of its operations reports that.
    if not api_description.complaints(schema.document()):
        for path, text in openapi.rendered().items():
            assert path.read_text(encoding="utf-8") == text


def test_every_function_has_a_folder() -> None:
    folders = {path.parent.name for path in template.FUNCTIONS.glob("*/app.py")}
    missing, extra = set(template.functions()) - folders, folders - set(template.functions())
    assert not missing, f"these functions of template.yaml have no app.py: {sorted(missing)}"
    assert not extra, f"these folders of functions/ are not in template.yaml: {sorted(extra)}"


def test_every_route_has_one_sample_event() -> None:
    none(endpoints.without_sample(template.routes(), sample_events()))


@cache
def sample_events() -> dict[str, dict[str, Any]]:
    return {path.name: read_event(path) for path in sorted(EVENTS.glob("*.json"))}


def read_event(path: Path) -> dict[str, Any]:
    try:
        event: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise AssertionError(f"events/{path.name} is not JSON: {error}") from None
    return event


HTTP_EVENTS = sorted(name for name, event in sample_events().items() if "routeKey" in event)


@pytest.mark.parametrize("name", HTTP_EVENTS)
def test_a_sample_event_has_the_form_of_payload_2(name: str) -> None:
    none(endpoints.malformed(name, sample_events()[name]))


WITH_BODY = [name for name in HTTP_EVENTS if "body" in sample_events()[name]]


@pytest.mark.parametrize("name", WITH_BODY)
def test_a_sample_event_has_a_body_that_its_route_accepts(name: str) -> None:
    event = sample_events()[name]
    operation = schema.operations().get(event["routeKey"])
    if operation is None:
        # A route that is not described is reported by the test of that.
        return
    media_type = event["headers"]["content-type"]
    described = (
        operation.at("requestBody", f"events/{name} has a body").at("content").at(media_type)
    )
    if media_type == "application/json":
        wrong = schema.complaint(f"{described.at('schema').pointer}", json.loads(event["body"]))
        assert wrong is None, f"events/{name}: {wrong}"


def test_the_sample_of_a_deployment_asks_for_the_secrets_that_the_template_names() -> None:
    (event,) = [e for e in sample_events().values() if e.get("ResourceType") == "Custom::Secrets"]
    assert event["RequestType"] == "Create"
    assert set(event["ResourceProperties"]["Names"]) == template.secret_names()
    assert set(event["ResourceProperties"]["Imported"]) == template.imported_names()


def reading(name: str) -> Iterator[tuple[str, type[msgspec.Struct], bool]]:
    """The route key, the form and whether it is a body, for every form that a route of `name` reads."""
    path = template.FUNCTIONS / name / "app.py"
    # A missing folder is reported by the test of that.
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
                form_name = ast.unparse(call.args[0]).rpartition(".")[2]
                form = next((f for m in FORMS if (f := getattr(m, form_name, None))), None)
                assert form, (
                    f"functions/{name}/app.py reads {form_name}: add it to engine/web/forms.py"
                    ", desk_forms.py or token_forms.py"
                )
                yield from ((key, form, how == "read") for key in keys)


FORMS_READ = [
    pytest.param(key, form, is_body, id=f"{key} {form.__name__}")
    for name in ROUTED
    for key, form, is_body in reading(name)
]


def test_every_form_is_read_by_a_route() -> None:
    members = [value for module in FORMS for value in vars(module).values()]
    declared = {form for form in members if is_form(form)}
    read = {form for name in ROUTED for _, form, _ in reading(name)}
    unread = sorted(form.__name__ for form in declared - read)
    assert not unread, (
        f"engine/web/forms.py: no route calls call.read or call.read_query with {unread}"
    )


def is_form(value: Any) -> bool:
    modules = {module.__name__ for module in FORMS}
    return inspect.isclass(value) and value.__module__ in modules


@pytest.mark.parametrize(("key", "form", "is_body"), FORMS_READ)
def test_what_a_route_reads_is_described(
    key: str, form: type[msgspec.Struct], is_body: bool
) -> None:
    operation = schema.operations().get(key)
    if operation is None:
        # A route that is not described is reported by the test of that.
        return
    differences = endpoints.body_differences if is_body else endpoints.query_differences
    none(differences(key, operation, form))


@pytest.mark.parametrize("key", OPERATIONS)
def test_a_route_that_moves_credits_accepts_a_request_id_in_every_place(key: str) -> None:
    none(endpoints.repeatable(key, schema.operations()[key]))


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_no_permission_has_a_wildcard(name: str) -> None:
    for statement in template.functions()[name].statements:
        named = {"Action", "Resource"} <= statement.keys()
        assert named, f"template.yaml: a policy of {name} lacks Action or Resource: {statement}"
        wide = [t for part in ("Action", "Resource") for t in template.texts(statement[part])]
        has_wildcard = any("*" in text for text in wide)
        assert not has_wildcard, f"template.yaml: a policy of {name} has a wildcard: {statement}"


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_a_function_may_read_the_secrets_that_its_code_names_and_no_more(name: str) -> None:
    """Where a deployment requires a front, every function with routes also reads its secret."""
    function = template.functions()[name]
    loaded = functions.load(name, REQUIRE_FRONT="true")
    front = getattr(getattr(loaded, "api", None), "front", None)
    sources = [rings for rings in (getattr(loaded, "rings", None), front and front.rings) if rings]
    named = frozenset(name for rings in sources for name in rings._paths.values())
    assert (FRONT_SECRET in named) == bool(function.routes)
    # The one function that writes secrets gets their names from the template; it reports the age of each.
    writes = any("ssm:PutParameter" in template.as_list(s["Action"]) for s in function.statements)
    wanted = (
        template.secret_names() | template.imported_names()
        if writes
        else named - {health.PROBE_PARAMETER}
    )
    allowed = function.parameters_reached - {health.PROBE_PARAMETER}
    none(endpoints.unneeded_or_refused(name, wanted, allowed))
    there = template.secret_names() | template.imported_names()
    unknown = sorted(wanted - there)
    assert not unknown, f"template.yaml: add {unknown} to Names or Imported of the resource Secrets"


def test_the_template_sets_what_the_settings_read_and_no_more() -> None:
    read: set[str] = set()

    class Recorder(dict[str, str]):
        def __getitem__(self, name: str) -> str:
            read.add(name)
            return self.get(name, "0")

    config.load(Recorder(functions.environment("health")))
    declared = template.document()["Globals"]["Function"]["Environment"]["Variables"]
    ours = {name for name in declared if not name.startswith("POWERTOOLS_")}
    where = "template.yaml, Globals > Function > Environment > Variables"
    assert not read - ours, (
        f"{where}: add {sorted(read - ours)}, which engine/platform/config.py reads"
    )
    assert not ours - read, (
        f"{where}: {sorted(ours - read)} is not read by engine/platform/config.py"
    )


def test_the_layer_keeps_what_botocore_needs_for_every_service_that_is_called() -> None:
    """Without its data a client cannot be created, and the service seems to be unavailable."""
    layer = ROOT / "layers" / "engine"
    sources = "".join(path.read_text() for path in (layer / "engine").rglob("*.py"))
    called = set(re.findall(r'aws\.client\(\s*"(\w+)"', sources))
    trimming = runpy.run_path(str(layer / "trim_botocore.py"))
    kept = trimming["needed"](Path(botocore.__file__).parent / "data", layer / "engine")
    assert set(kept) == called == {"kms", "sqs"}


for found in pkgutil.walk_packages(engine.__path__, "engine."):
    importlib.import_module(found.name)  # Errors of every room are known by then.


def error_classes(base: type[EngineError] = EngineError) -> Iterator[type[EngineError]]:
    if base.__module__.startswith("engine."):
        yield base
    for derived in base.__subclasses__():
        yield from error_classes(derived)


ERRORS = list(dict.fromkeys(error_classes()))


def test_the_described_codes_are_those_of_the_errors() -> None:
    raised = {(error.code, error.status) for error in ERRORS}
    listed = api_description.described_codes(schema.document())
    described = {(code, status) for code, found in listed.items() for status in found}
    where = "docs/openapi.yaml, components > schemas > ErrorCode > oneOf"
    missing, made_up = sorted(raised - described), sorted(described - raised)
    assert not missing, f"{where}: add the codes and statuses {missing}, which errors have"
    assert not made_up, f"{where}: remove {made_up}, which no error has"


ABOUT_ACCESS = (errors.Unauthorized, errors.Forbidden, HoldExpired)
"""The app never meets `HoldExpired`: back ends alone call the routes of holds."""

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
def test_error_texts_have_no_word_that_the_app_misreads(error: type[EngineError]) -> None:
    for text in (error.code, error.error, error.message, error.guidance):
        assert not misread_words(error, text), f"{error.__name__}: {text}"


def test_raised_texts_have_no_word_that_the_app_misreads() -> None:
    by_name = {error.__name__: error for error in ERRORS}
    engine_files = (ROOT / "layers" / "engine" / "engine").rglob("*.py")
    for path in [*engine_files, *template.FUNCTIONS.glob("*/app.py")]:
        for call in [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]:
            error = by_name.get(ast.unparse(call.func).rpartition(".")[2])
            said = [*call.args, *(keyword.value for keyword in call.keywords)]
            for text in [node.value for node in said if isinstance(node, ast.Constant)]:
                if error is not None and isinstance(text, str):
                    assert not misread_words(error, text), f"{path.name}: {text}"


def test_a_used_token_makes_the_app_request_a_new_one() -> None:
    assert "authorization" in errors.TokenAlreadyUsed.message
    assert "expired" not in errors.TokenAlreadyUsed.message


def nodes(value: Any, pointer: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the description with its pointer; what examples hold is no part of it."""
    if isinstance(value, dict):
        yield pointer, value
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in members:
        if isinstance(member, dict | list) and name not in ("example", "examples"):
            yield from nodes(member, f"{pointer}/{escaped(str(name))}")


NODES = dict(nodes(schema.document()))


def test_every_reference_refers_to_something_and_every_component_is_used() -> None:
    references = {node["$ref"] for node in NODES.values() if isinstance(node.get("$ref"), str)}
    for reference in references:
        schema.refer(reference)
    required = [r for key in OPERATIONS for r in securities(key)]
    used = {f"#/components/securitySchemes/{name}" for scheme in required for name in scheme}
    used |= {f"#/components/responses/{name}" for name in ANSWERS_OF_ANY_PATH} | references
    components = schema.document()["components"]
    declared = {f"#/components/{kind}/{name}" for kind in components for name in components[kind]}
    assert not declared - used, f"docs/openapi.yaml: nothing refers to {sorted(declared - used)}"
    assert not used - declared, f"docs/openapi.yaml: add {sorted(used - declared)}"


def securities(key: str) -> list[dict[str, Any]]:
    operation = schema.operations()[key]
    required: list[dict[str, Any]] = (
        operation.at("security").value if "security" in operation else []
    )
    return required


def schemas() -> Iterator[tuple[str, Any]]:
    for pointer, node in NODES.items():
        if "schema" in node and not pointer.endswith("/properties"):
            yield f"{pointer}/schema", node["schema"]
    for name, node in schema.document()["components"]["schemas"].items():
        yield f"/components/schemas/{name}", node


def test_every_schema_is_valid_json_schema() -> None:
    for pointer, node in schemas():
        error = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(node))
        assert error is None, f"docs/openapi.yaml, {pointer}: {error.message}"
    patterns = [n["pattern"] for n in NODES.values() if isinstance(n.get("pattern"), str)]
    wrong = [pattern for pattern in patterns if re.search(r"\\[AZz]|\(\?P", pattern)]
    assert not wrong, f"docs/openapi.yaml: patterns must be those of ECMA 262: {wrong}"


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
    none([f"docs/openapi.yaml, {pointer}: {said}" for pointer, said in wrong.items() if said])


@pytest.mark.parametrize("key", OPERATIONS)
def test_an_operation_is_described_in_full(key: str) -> None:
    none(api_description.lacking(key, schema.operations()[key]))


def test_operation_ids_are_unique() -> None:
    described = [node for node in schema.operations().values() if "operationId" in node]
    ids = [operation.at("operationId").value for operation in described]
    double = sorted({name for name in ids if ids.count(name) > 1})
    assert not double, f"docs/openapi.yaml: several operations have the operationId {double}"


def test_the_description_has_the_form_and_the_version() -> None:
    document = schema.document()
    assert document["openapi"] == "3.1.0"
    assert document["info"]["version"] == engine.__version__
    assert document.keys() == {"openapi", "info", "servers", "tags", "paths", "components"}
