"""An operation as HTML: who may call it, samples, parameters, body, answers and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from tools.docs import example_call, markup, samples
from tools.docs.markup import DOCS, Prose
from tools.docs.schemas import Schemas

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """An operation of the description with its place there; `method` is in lower case."""

    method: str
    path: str
    members: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.members["operationId"])

    @property
    def task(self) -> str:
        return str(self.members["tags"][0])

    @property
    def route(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def address(self) -> str:
        return f"{DOCS}/{self.task}#{self.name}"


def listed(document: Mapping[str, Any]) -> list[Operation]:
    """Every operation, in the order of the description."""
    return [
        Operation(method, path, members[method])
        for path, members in document["paths"].items()
        for method in METHODS
        if method in members
    ]


def codes(response: Mapping[str, Any]) -> list[str]:
    """The codes of a refusal."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    found: list[str] = schema.get("properties", {}).get("code", {}).get("enum", [])
    return found


class Renderer:
    """Renders the operations of one description."""

    def __init__(self, document: Mapping[str, Any], prose: Prose, schemas: Schemas) -> None:
        self._document = document
        self._prose = prose
        self._schemas = schemas
        self._remedies = document["components"]["schemas"]["ErrorCode"]["x-remedies"]

    def section(self, operation: Operation) -> str:
        """The section of an operation; `data-call` tells the page's script how to call it."""
        members = operation.members
        call = escape(json.dumps(self._call(operation), ensure_ascii=False), quote=True)
        return (
            f'<section data-call="{call}">'
            f"{markup.heading(2, escape(members['summary']), operation.name)}"
            f'<p class="route">{markup.method(operation.method)} '
            f"<code>{markup.path(operation.path)}</code></p>"
            f"{self._prose.text(members.get('description', ''))}{self._caller(members)}"
            f"{self._samples(operation)}{self._parameters(members)}{self._body(members)}"
            f"{self._answers(members)}{self._refusals(members)}</section>"
        )

    def answer(self, response: Mapping[str, Any]) -> str:
        """The headers and contents of an answer."""
        headers = ", ".join(f"<code>{escape(name)}</code>" for name in response.get("headers", {}))
        content = self._schemas.content(response.get("content", {}))
        return f"<p>Headers: {headers}</p>{content}"

    def remedies(self, response: Mapping[str, Any]) -> str:
        """The codes of a refusal, each with what to do."""
        rows = "".join(
            f'<li><a href="{DOCS}/errors#code-{code}"><code>{code}</code></a> '
            f"{self._prose.inline(self._remedies.get(code, ''))}</li>"
            for code in codes(response)
        )
        return f"<ul>{rows}</ul>" if rows else ""

    def _call(self, operation: Operation) -> dict[str, Any]:
        """What a form needs to make the call: its fields, its credentials and its first example."""
        members = operation.members
        schemes = self._document["components"]["securitySchemes"]
        sample = self._sample(operation)
        body = {} if sample.body is None else {"kind": sample.media_type}
        if sample.body is not None:
            body["text"] = samples.json_text(sample.body) if sample.is_json else sample.body
        return {
            "method": operation.method.upper(),
            "path": operation.path,
            "fields": [
                [one["name"], one["in"], bool(one.get("required")), str(one.get("example", ""))]
                for one in example_call.parameters(self._document, members)
            ],
            "credentials": [
                [
                    name,
                    [
                        [header.name, header.text]
                        for header in example_call.credential_headers(name, schemes[name])
                    ],
                ]
                for alternative in members["security"]
                for name in alternative
                if schemes[name].get("in") != "cookie"
            ],
            **({"body": body} if body else {}),
        }

    def _caller(self, members: Mapping[str, Any]) -> str:
        names = [
            " and ".join(f'<a href="{DOCS}#access-{name}">{name}</a>' for name in one)
            or "everybody"
            for one in members["security"]
        ] or ["everybody"]
        return f'<p class="who">Caller: {" or ".join(names)}</p>'

    def _sample(self, operation: Operation) -> example_call.ExampleCall:
        return example_call.of(self._document, operation.method, operation.path, operation.members)

    def _samples(self, operation: Operation) -> str:
        call = self._sample(operation)
        blocks = "".join(
            f'<details class="sample" name="samples-{operation.name}" data-language="{name}"'
            f"{' open' if name == 'curl' else ''}><summary>{name}</summary>{markup.code(write(call))}"
            "</details>"
            for name, write in samples.LANGUAGES.items()
        )
        return f'<h3>Sample</h3><div class="samples">{blocks}</div>'

    def _parameters(self, members: Mapping[str, Any]) -> str:
        rows = "".join(
            self._schemas.row(
                one["name"],
                {**one["schema"], "description": one.get("description", "")},
                bool(one.get("required")),
                one["in"],
            )
            for one in example_call.parameters(self._document, members)
        )
        return f"<h3>Parameters</h3><table>{rows}</table>" if rows else ""

    def _body(self, members: Mapping[str, Any]) -> str:
        if "requestBody" not in members:
            return ""
        body = example_call.followed(self._document, members["requestBody"])
        return f"<h3>Body</h3>{self._schemas.body(body['content'])}"

    def _answers(self, members: Mapping[str, Any]) -> str:
        items = "".join(
            f"<details open><summary>{markup.status(status)} "
            f"{self._prose.inline(response['description'])}</summary>{self.answer(response)}</details>"
            for status, response in self._responses(members)
            if status < "4"
        )
        return f"<h3>Answer</h3>{items}"

    def _refusals(self, members: Mapping[str, Any]) -> str:
        rows = "".join(
            f'<tr><th scope="row">{markup.status(status)}</th><td>'
            f"{self._prose.inline(response['description'])}{self.remedies(response)}</td></tr>"
            for status, response in self._responses(members)
            if status >= "4"
        )
        listed = ", ".join(status for status, _ in self._responses(members) if status >= "4")
        return (
            f"<h3>Refusals</h3><details><summary>{listed}: what to do</summary>"
            f'<table class="refusals">{rows}</table></details>'
        )

    def _responses(self, members: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
        return [
            (status, example_call.followed(self._document, given))
            for status, given in members["responses"].items()
        ]
