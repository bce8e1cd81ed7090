"""Whoever forgets a step of adding an endpoint is told in words: which file, which place, what to add."""

import copy
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct

from tests.support import endpoints
from tools import api_description, openapi
from tools.api_description import DescriptionError, Node

KEY = "POST /things/{id}"
PLACE = "docs/openapi.yaml, paths > /things/{id} > post"


class ThingForm(Struct):
    size: int
    name: str | None = None


class ThingQuery(Struct):
    limit: int = 20


def response(schema: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-Request-Id": {"schema": {"type": "string"}}}
    content = {"application/json": {"schema": schema}}
    return {"description": "d", "headers": headers, "content": content}


def refusal(*codes: str) -> dict[str, Any]:
    return response({"$ref": api_description.ERROR, "properties": {"code": {"enum": [*codes]}}})


CODES = (
    "invalid_request",
    "unauthorized",
    "payload_too_large",
    "idempotency_key_reused",
    "internal_error",
)

DOCUMENT: dict[str, Any] = {
    "tags": [{"name": "things", "x-displayName": "Things", "description": "d"}],
    "paths": {
        "/things/{id}": {
            "post": {
                "operationId": "postThing",
                "summary": "s",
                "tags": ["things"],
                "security": [{"userToken": []}],
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "required": True,
                        "schema": {"type": "string"},
                        "example": "thing-1",
                    },
                    {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}},
                    {"name": "X-Client-Request-Id", "in": "header", "schema": {"type": "string"}},
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "default": 20},
                    },
                ],
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {
                                    "size": {"type": "integer"},
                                    "name": {"type": ["string", "null"], "default": None},
                                    "clientRequestId": {"type": "string"},
                                },
                                "required": ["size"],
                            },
                            "example": {"size": 1},
                        }
                    }
                },
                "responses": {
                    "200": response({"type": "object"}),
                    "400": refusal("invalid_request"),
                    "401": refusal("unauthorized"),
                    "413": refusal("payload_too_large"),
                    "422": refusal("idempotency_key_reused"),
                    "500": refusal("internal_error"),
                },
            }
        }
    },
    "components": {
        "securitySchemes": {"userToken": {"type": "http"}},
        "schemas": {
            "Error": {"type": "object"},
            "ErrorCode": {
                "oneOf": [
                    {"const": "invalid_request", "x-status": [400]},
                    {"const": "unauthorized", "x-status": [401]},
                    {"const": "payload_too_large", "x-status": [413]},
                    {"const": "idempotency_key_reused", "x-status": [422]},
                    {"const": "internal_error", "x-status": [500]},
                ],
                "x-remedies": dict.fromkeys(CODES, "r"),
            },
        },
    },
}


def said(document: dict[str, Any]) -> list[str]:
    """All complaints about the one operation of `document`, each once."""
    operation = api_description.operations(document)[KEY]
    complaints = [
        *api_description.lacking(KEY, operation),
        *endpoints.body_differences(KEY, operation, ThingForm),
        *endpoints.query_differences(KEY, operation, ThingQuery),
        *endpoints.repeatable(KEY, operation),
    ]
    return list(dict.fromkeys(complaints))


def without(*path: str | int) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    holder: Any = document["paths"]["/things/{id}"]["post"]
    for name in path[:-1]:
        holder = holder[name]
    del holder[path[-1]]
    return document


def test_an_operation_with_everything_has_no_complaint() -> None:
    assert said(DOCUMENT) == []


FORGOTTEN: list[tuple[tuple[str | int, ...], str]] = [
    (("operationId",), f"{PLACE}: add 'operationId'"),
    (("summary",), f"{PLACE}: add 'summary'"),
    (("tags",), f"{PLACE}: add 'tags'"),
    (("security",), f"{PLACE}: add 'security' (`[]` where everybody may call it)"),
    (("responses",), f"{PLACE}: add 'responses'"),
    (("parameters", 0), f"{PLACE} > parameters: add 'id' with `in: path`"),
    (("parameters", 0, "schema"), f"{PLACE} > parameters > 0: add 'schema'"),
    (("parameters", 0, "in"), f"{PLACE} > parameters > 0: add 'in'"),
    (
        ("parameters", 0, "example"),
        f"{PLACE} > parameters > 0: add 'example' (the samples of the documentation send it)",
    ),
    (
        ("parameters", 1),
        f"{PLACE} > parameters: add the header 'Idempotency-Key', because 422 is described",
    ),
    (
        ("parameters", 3),
        (
            f"docs/openapi.yaml, query parameters of {KEY}: add 'limit' as "
            '{"type": "integer", "default": 20}, which engine/web/forms.py, ThingQuery reads'
        ),
    ),
    (("requestBody",), f"{PLACE}: add 'requestBody' (the route reads a JSON body)"),
    (("requestBody", "content"), f"{PLACE} > requestBody: add 'content'"),
    (
        ("requestBody", "content", "application/json", "schema"),
        f"{PLACE} > requestBody > content > application/json: add 'schema'",
    ),
    (
        ("requestBody", "content", "application/json", "schema", "properties", "clientRequestId"),
        (
            f"{PLACE} > requestBody > content > application/json > schema > properties: "
            "add 'clientRequestId' (422 is described)"
        ),
    ),
    (
        ("requestBody", "content", "application/json", "example"),
        (
            f"{PLACE} > requestBody > content > application/json: add 'example' "
            "(the samples of the documentation send it)"
        ),
    ),
    (("responses", "200"), f"{PLACE} > responses: add the response of success, such as '200'"),
    (("responses", "200", "description"), f"{PLACE} > responses > 200: add 'description'"),
    (("responses", "200", "headers"), f"{PLACE} > responses > 200: add 'headers'"),
    (
        ("responses", "200", "headers", "X-Request-Id"),
        f"{PLACE} > responses > 200 > headers: add 'X-Request-Id' (every response has it)",
    ),
    (("responses", "200", "content"), f"{PLACE} > responses > 200: add 'content'"),
    (
        ("responses", "200", "content", "application/json", "schema"),
        f"{PLACE} > responses > 200 > content > application/json: add 'schema'",
    ),
    (("responses", "400"), f"{PLACE} > responses: add '400' (the route reads a body)"),
    (("responses", "401"), f"{PLACE} > responses: add '401' (the route requires a credential)"),
    (
        ("responses", "422"),
        (
            f"{PLACE} > responses: add '422', because the route takes "
            "['Idempotency-Key', 'X-Client-Request-Id']; or remove these parameters"
        ),
    ),
    (("responses", "500"), f"{PLACE} > responses: add '500' (every route can fail)"),
    (
        ("responses", "400", "content", "application/json", "schema", "$ref"),
        (
            f"{PLACE} > responses > 400 > content > application/json > schema: must be "
            "`$ref: '#/components/schemas/Error'` with the codes in properties > code > enum"
        ),
    ),
    (
        ("responses", "400", "content", "application/json", "schema", "properties"),
        f"{PLACE} > responses > 400 > content > application/json > schema: add 'properties'",
    ),
]


@pytest.mark.parametrize(("path", "complaint"), FORGOTTEN, ids=lambda value: str(value)[:60])
def test_a_forgotten_part_of_an_operation_is_one_complaint_that_says_what_to_add(
    path: tuple[str | int, ...], complaint: str
) -> None:
    assert said(without(*path)) == [complaint]


def test_an_empty_operation_is_one_complaint() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"]["/things/{id}"]["post"] = None
    assert api_description.complaints(document) == [
        f"{PLACE}: must be a mapping that has 'operationId', 'responses' and more"
    ]


def test_names_that_nothing_declares_are_named() -> None:
    document = copy.deepcopy(DOCUMENT)
    operation = document["paths"]["/things/{id}"]["post"]
    operation["tags"] = ["thing"]
    operation["security"] = [{"userTokn": []}]
    operation["responses"]["400"] = refusal("no_such_code", "internal_error")
    assert said(document) == [
        f"{PLACE} > tags: 'thing' is not in the list `tags` of docs/openapi.yaml",
        f"docs/openapi.yaml, components > securitySchemes: add 'userTokn', which the security of {KEY} names",
        "docs/openapi.yaml, components > schemas > ErrorCode > oneOf: add 'no_such_code', which 400 lists",
        f"{PLACE} > responses > 400: 'internal_error' comes with [500], not with 400",
    ]


@pytest.mark.parametrize("tags", [[], ["things", "others"]])
def test_an_operation_belongs_to_one_task(tags: list[str]) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["tags"].append({"name": "others", "x-displayName": "Others", "description": "d"})
    document["paths"]["/things/{id}"]["post"]["tags"] = tags
    assert api_description.complaints(document) == [
        f"{PLACE} > tags: must be one task of the list `tags` of docs/openapi.yaml"
    ]


@pytest.mark.parametrize("member", ["x-displayName", "description"])
def test_a_task_has_what_its_page_shows(member: str) -> None:
    document = copy.deepcopy(DOCUMENT)
    del document["tags"][0][member]
    assert api_description.complaints(document) == [
        f"docs/openapi.yaml, tags > 0: add {member!r}, which the page of the task shows"
    ]


def test_a_code_says_what_to_do_about_it() -> None:
    document = copy.deepcopy(DOCUMENT)
    remedies = document["components"]["schemas"]["ErrorCode"]["x-remedies"]
    remedies["no_such_code"] = remedies.pop("unauthorized")
    where = "docs/openapi.yaml, components > schemas > ErrorCode > x-remedies"
    assert api_description.complaints(document) == [
        f"{where}: add 'unauthorized' with what a client does about it",
        f"{where}: remove 'no_such_code', which is no code",
    ]


def test_a_reference_to_nothing_is_named() -> None:
    with pytest.raises(DescriptionError, match="'#/components/schemas/Thing' refers to nothing"):
        Node("", {"schema": {"$ref": "#/components/schemas/Thing"}}, DOCUMENT).at("schema")


def test_a_body_that_is_not_its_form_is_told_member_by_member() -> None:
    document = copy.deepcopy(DOCUMENT)
    content = document["paths"]["/things/{id}"]["post"]["requestBody"]["content"]
    schema = content["application/json"]["schema"]
    schema["properties"] |= {"size": {"type": "string"}, "color": {"type": "string"}}
    schema["required"] = ["color"]
    where = f"docs/openapi.yaml, body of {KEY}"
    source = "engine/web/forms.py, ThingForm"
    assert said(document) == [
        f"{where}: remove 'color', which {source} does not read, or add it there",
        f'{where}: \'size\' is {{"type": "string"}}, but {source} reads {{"type": "integer"}}',
        f"{where}: 'required' is ['color'], but {source} has ['size']",
    ]


def test_a_route_without_code_and_code_without_a_route_are_named() -> None:
    assert endpoints.unrouted("things", {"GET /a", "$default"}, {"PUT /b"}) == [
        'functions/things/app.py: add @api.route("GET", "/a"), which template.yaml routes to it',
        (
            "template.yaml: add an event of Type HttpApi with Method PUT and Path /b to the function of "
            "functions/things, whose app.py registers that route"
        ),
    ]


def test_a_route_without_description_and_a_description_without_a_route_are_named() -> None:
    assert endpoints.undescribed({"GET /a"}, {"PUT /b"}) == [
        "docs/openapi.yaml: add 'get' under paths > /a, which template.yaml routes",
        "docs/openapi.yaml: remove 'put' under paths > /b, or add its event to template.yaml",
    ]


SAMPLE: dict[str, Any] = {
    "version": "2.0",
    "routeKey": KEY,
    "rawPath": "/things/7",
    "rawQueryString": "limit=5",
    "queryStringParameters": {"limit": "5"},
    "pathParameters": {"id": "7"},
    "headers": {"content-type": "application/json", "content-length": "10"},
    "requestContext": {
        "domainName": "d",
        "requestId": "r",
        "routeKey": KEY,
        "stage": "$default",
        "time": "t",
        "timeEpoch": 1,
        "http": {
            "method": "POST",
            "path": "/things/7",
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "u",
        },
    },
    "body": '{"size":1}',
    "isBase64Encoded": False,
}


def test_a_missing_sample_and_a_sample_of_another_route_are_named() -> None:
    rest = {"routeKey": "$default"}
    assert endpoints.without_sample({KEY}, {"things.json": SAMPLE, "no_route.json": rest}) == []
    other = {"things.json": SAMPLE | {"routeKey": "GET /thing"}, "no_route.json": rest}
    assert endpoints.without_sample({KEY}, other) == [
        f'events/: add a sample event with "routeKey": "{KEY}", as events/README.md says',
        'events/things.json: its routeKey "GET /thing" is no route of template.yaml',
    ]
    double = {"a.json": SAMPLE, "b.json": SAMPLE, "no_route.json": rest}
    assert endpoints.without_sample({KEY}, double) == [
        f"events/: \"{KEY}\" has several samples, ['a.json', 'b.json']; keep one"
    ]


WRONG_SAMPLES: list[tuple[dict[str, Any], str]] = [
    ({"rawQueryString": ""}, "rawQueryString and queryStringParameters differ"),
    ({"pathParameters": {}}, "add ['id'] to pathParameters"),
    (
        {"pathParameters": {"id": "8"}},
        f'its method and rawPath are "POST /things/7", but its routeKey is "{KEY}"',
    ),
    ({"version": "1.0"}, "version must be 2.0"),
    ({"body": "{}"}, "the header content-length must be 2, the bytes of the body"),
    ({"headers": {"content-length": "10"}}, "add the header content-type, because there is a body"),
    (
        {"headers": {**SAMPLE["headers"], "Authorization": "x"}},
        "names of headers must be in lower case: ['Authorization']",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "complaint"), WRONG_SAMPLES, ids=lambda value: str(value)[:40])
def test_a_sample_that_contradicts_itself_is_told_where(
    changed: dict[str, Any], complaint: str
) -> None:
    assert endpoints.malformed("things.json", SAMPLE) == []
    assert endpoints.malformed("things.json", SAMPLE | changed) == [
        f"events/things.json: {complaint}"
    ]


def test_members_that_a_sample_lacks_are_named() -> None:
    lacking = {name: value for name, value in SAMPLE.items() if name != "requestContext"}
    assert "events/things.json: add 'requestContext.http.method'" in endpoints.malformed(
        "things.json", lacking
    )


def test_a_secret_that_a_policy_lacks_or_has_in_excess_is_named() -> None:
    where = "template.yaml: the function of functions/things, Policies with ssm:GetParameters"
    assert endpoints.unneeded_or_refused("things", {"A", "B"}, {"B", "C"}) == [
        f"{where}: add parameter/${{...}}/A, which its code reads",
        f"{where}: remove parameter/${{...}}/C, which its code does not read",
    ]


def test_served_files_are_written_when_they_change_and_removed_when_they_are_no_longer_made(
    tmp_path: Path,
) -> None:
    kept, gone = tmp_path / "buy.html", tmp_path / "sell.html"
    openapi.write({kept: "one", gone: "two"}, tmp_path)
    written_at = kept.stat().st_mtime_ns
    openapi.write({kept: "one"}, tmp_path)
    assert kept.stat().st_mtime_ns == written_at and not gone.exists()
    openapi.write({kept: "three"}, tmp_path)
    assert kept.read_text() == "three"


@pytest.mark.parametrize("text", ["paths: [", "at: 2026-01-02", "a: {b: 1, c: 2, b: 1}"])
def test_a_source_that_is_no_json_is_named(text: str, tmp_path: Path) -> None:
    source = tmp_path / "openapi.yaml"
    source.write_text(text)
    with pytest.raises(DescriptionError, match="cannot be written as JSON"):
        openapi.document(source)
