"""Renders the API's description as one HTML page without scripts and external files.

`python -m tools.openapi` writes the page together with the served `openapi.json`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from local.settings import ROOT

PAGE = ROOT / "functions" / "health" / "docs.html"
STYLE = Path(__file__).with_name("docs_page.css")
METHODS = ("get", "post", "put", "patch", "delete")
_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} members",
}

Schema = Mapping[str, Any]


def rendered(document: Mapping[str, Any]) -> str:
    """The page of a complete `document`, see `api_description.complaints`."""
    return _Page(document).html()


class _Page:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    def html(self) -> str:
        info = self._document["info"]
        title = escape(info["title"])
        return "\n".join(
            [
                '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="color-scheme" content="light dark">',
                f"<title>{title}: API</title>\n<style>{STYLE.read_text(encoding='utf-8')}</style>",
                '</head>\n<body>\n<a class="skip" href="#main">To the content</a>',
                f"<header><h1>{title} <small>API {escape(info['version'])}</small></h1>",
                '<p><a href="/">Start</a> <a href="/openapi.json">OpenAPI 3.1 as JSON</a></p></header>',
                self._contents(),
                '<main id="main">',
                _text(info["description"]),
                "<h2 id='access'>Access</h2>",
                self._access(),
                *(self._section(tag) for tag in self._document["tags"]),
                "<h2 id='answers'>Answers of several operations</h2>",
                *(self._shared_answer(*one) for one in sorted(self._shared.items())),
                "<h2 id='schemas'>Schemas</h2>",
                *(self._component(name) for name in sorted(self._schemas)),
                "</main>\n</body>\n</html>\n",
            ]
        )

    @property
    def _schemas(self) -> Mapping[str, Any]:
        schemas: Mapping[str, Any] = self._document["components"]["schemas"]
        return schemas

    @property
    def _shared(self) -> Mapping[str, Any]:
        responses: Mapping[str, Any] = self._document["components"]["responses"]
        return responses

    def _operations(self, tag: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        for path, members in self._document["paths"].items():
            for method in METHODS:
                if method in members and tag in members[method]["tags"]:
                    yield method, path, members[method]

    def _contents(self) -> str:
        parts = []
        for tag in self._document["tags"]:
            links = "".join(
                f'<li><a href="#{operation["operationId"]}">{_method(method)} '
                f"<span>{_path(path)}</span></a></li>"
                for method, path, operation in self._operations(tag["name"])
            )
            parts.append(f"<p>{escape(tag['name'])}</p><ul>{links}</ul>")
        others = "".join(
            f'<li><a href="#{name}">{name.capitalize()}</a></li>'
            for name in ("access", "answers", "schemas")
        )
        body = f"{''.join(parts)}<ul>{others}</ul>"
        return (
            f'<nav aria-label="Contents"><details><summary>Contents</summary>{body}</details></nav>'
        )

    def _access(self) -> str:
        rows = "".join(
            f"<dt id='access-{escape(name)}'><code>{escape(name)}</code> {_where(scheme)}</dt>"
            f"<dd>{_text(scheme['description'])}</dd>"
            for name, scheme in self._document["components"]["securitySchemes"].items()
        )
        return f"<dl>{rows}</dl>"

    def _section(self, tag: Mapping[str, Any]) -> str:
        operations = "\n".join(self._operation(*one) for one in self._operations(tag["name"]))
        name = escape(tag["name"])
        return f'<h2 id="tag-{name}">{name}</h2>{_text(tag["description"])}{operations}'

    def _operation(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        return (
            f'<section id="{operation["operationId"]}">'
            f"<h3>{_method(method)} <code>{_path(path)}</code></h3>"
            f"<p class='summary'>{escape(operation['summary'])}</p>"
            f"{_text(operation.get('description', ''))}{self._security(operation)}"
            f"<h4>In a terminal</h4><pre tabindex='0'>{escape(self._curl(method, path, operation))}</pre>"
            f"{self._parameters(operation)}{self._body(operation)}{self._responses(operation)}</section>"
        )

    def _security(self, operation: Mapping[str, Any]) -> str:
        names = [
            " and ".join(f'<a href="#access-{name}">{name}</a>' for name in one)
            or "nobody in particular"
            for one in operation["security"]
        ] or ["nobody in particular"]
        return f"<p class='who'>Caller: {' or '.join(names)}</p>"

    def _curl(self, method: str, path: str, operation: Mapping[str, Any]) -> str:
        """The operation as a shell command, with the first credential and the first example."""
        content = operation.get("requestBody", {}).get("content", {})
        url = re.sub(r"\{(\w+)\}", r"$\1", path)
        implied = method == ("post" if content else "get")
        parts = ["curl -sS", "" if implied else f"-X {method.upper()}", f'"$BASE{url}"']
        for name in [name for one in operation["security"][:1] for name in one]:
            scheme = self._document["components"]["securitySchemes"][name]
            parts.append(f'-H "{_header(scheme)}"')
        parts += [
            f"-G --data-urlencode '{given['name']}={given.get('example', '...')}'"
            for given in map(self._followed, operation.get("parameters", []))
            if given["in"] == "query" and given.get("required")
        ]
        for kind, media in content.items():
            examples = media.get("examples", {"": {"value": media.get("example", {})}})
            value = next(iter(examples.values()))["value"]
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            parts.append(f"-H 'content-type: {kind}' \\\n  --data-binary '{text.strip()}'")
        return " ".join(filter(None, parts))

    def _parameters(self, operation: Mapping[str, Any]) -> str:
        given = [self._followed(one) for one in operation.get("parameters", [])]
        if not given:
            return ""
        rows = "".join(
            f"<tr><th scope='row'><code>{escape(one['name'])}</code></th><td>{one['in']}</td>"
            f"<td>{self._kind(one['schema'])}{' <b>required</b>' if one.get('required') else ''}"
            f"{_text(one.get('description', ''))}</td></tr>"
            for one in given
        )
        return f"<h4>Parameters</h4><table>{rows}</table>"

    def _body(self, operation: Mapping[str, Any]) -> str:
        if "requestBody" not in operation:
            return ""
        return f"<h4>Body</h4>{self._content(self._followed(operation['requestBody'])['content'])}"

    def _responses(self, operation: Mapping[str, Any]) -> str:
        """A response that several operations share is linked; it is shown once, in its own section."""
        items = []
        for status, given in operation["responses"].items():
            response = self._followed(given)
            says = (
                f"<b class='s{status[0]}'>{status}</b> "
                f"{_inline(response['description'])}{self._codes(response)}"
            )
            if "$ref" in given:
                name = given["$ref"].rpartition("/")[2]
                items.append(f'<p class="shared">{says} <a href="#answer-{name}">{name}</a></p>')
            else:
                opened = " open" if status.startswith("2") else ""
                items.append(
                    f"<details{opened}><summary>{says}</summary>{self._answer(response)}</details>"
                )
        return f"<h4>Answers</h4>{''.join(items)}"

    def _shared_answer(self, name: str, response: Mapping[str, Any]) -> str:
        return (
            f'<section id="answer-{name}"><h3>{name}{self._codes(response)}</h3>'
            f"{_text(response['description'])}{self._answer(response)}</section>"
        )

    def _answer(self, response: Mapping[str, Any]) -> str:
        headers = ", ".join(f"<code>{escape(n)}</code>" for n in response.get("headers", {}))
        return f"<p>Headers: {headers}</p>{self._content(response.get('content', {}))}"

    def _codes(self, response: Mapping[str, Any]) -> str:
        """The codes of a refusal, which are shown while its details are closed."""
        schema = response.get("content", {}).get("application/json", {}).get("schema", {})
        codes = schema.get("properties", {}).get("code", {}).get("enum", [])
        return "".join(f" <code>{escape(code)}</code>" for code in codes)

    def _content(self, content: Mapping[str, Any]) -> str:
        return "".join(
            f"<p><code>{escape(kind)}</code> {self._kind(media.get('schema', {}))}</p>{_examples(media)}"
            for kind, media in content.items()
        )

    def _component(self, name: str) -> str:
        schema = self._schemas[name]
        return (
            f'<section id="schema-{name}"><h3><code>{name}</code></h3>'
            f"{_text(schema.get('description', ''))}<p>{self._kind(schema)}</p>"
            f"{self._members(schema)}</section>"
        )

    def _members(self, schema: Schema) -> str:
        properties = schema.get("properties", {})
        if not properties:
            return ""
        required = schema.get("required", [])
        rows = "".join(
            f"<tr><th scope='row'><code>{escape(name)}</code></th>"
            f"<td>{self._kind(member)}{' <b>required</b>' if name in required else ''}"
            f"{_text(member.get('description', ''))}{self._members(_inner(member))}</td></tr>"
            for name, member in properties.items()
        )
        return f"<table>{rows}</table>"

    def _kind(self, schema: Schema) -> str:
        """The type and bounds of a value in one line."""
        parts = []
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            parts.append(f'<a href="#schema-{name}">{name}</a>')
        for word, joint in (("allOf", " with "), ("anyOf", " or "), ("oneOf", " or ")):
            if word in schema:
                parts.append(joint.join(self._alternative(one) for one in schema[word]))
        types = schema.get("type", [])
        parts.append(" or ".join([types] if isinstance(types, str) else types))
        if "items" in schema:
            parts.append(f"of {self._kind(schema['items'])}")
        said = " ".join(part for part in parts if part)
        return ", ".join(filter(None, [said, *map(escape, _bounds(schema))])) or "anything"

    def _alternative(self, schema: Schema) -> str:
        if "const" in schema and "description" in schema:
            return f"<code>{escape(str(schema['const']))}</code> ({_inline(schema['description'])})"
        return self._kind(schema)

    def _followed(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name.replace("~1", "/").replace("~0", "~")]
        return {**found, **{name: value for name, value in node.items() if name != "$ref"}}


def _inner(schema: Schema) -> Schema:
    """The schema whose members are nested in the table: the object, or the items of an array."""
    items: Schema = schema.get("items", {})
    return schema if "properties" in schema else items


def _bounds(schema: Schema) -> Iterator[str]:
    if "const" in schema:
        yield f"always {json.dumps(schema['const'])}"
    if "enum" in schema:
        yield "one of " + ", ".join(str(value) for value in schema["enum"])
    for name, text in _BOUNDS.items():
        if name in schema:
            yield text.format(schema[name])
    if "pattern" in schema:
        yield f"as {schema['pattern']}"
    if "default" in schema and schema["default"] is not None:
        yield f"default {json.dumps(schema['default'])}"


def _examples(media: Mapping[str, Any]) -> str:
    named = {"": {"value": media["example"]}} if "example" in media else media.get("examples", {})
    return "".join(
        f"<p>{escape(name)}</p><pre tabindex='0'>{escape(_shown(example['value']))}</pre>"
        for name, example in named.items()
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _header(scheme: Mapping[str, Any]) -> str:
    """The header with the credential, its value as a shell variable."""
    return "authorization: Bearer $TOKEN" if scheme["type"] == "http" else f"{scheme['name']}: $KEY"


def _where(scheme: Mapping[str, Any]) -> str:
    if scheme["type"] == "http":
        return "in <code>Authorization: Bearer</code>"
    return f"in the {scheme['in']} <code>{escape(scheme['name'])}</code>"


def _method(method: str) -> str:
    return f"<b class='m {method}'>{method.upper()}</b>"


def _path(path: str) -> str:
    """The path with line-break opportunities."""
    return re.sub(r"(/|%2F)", r"\1<wbr>", escape(path))


def _text(markdown: str) -> str:
    """Markdown as HTML, with headings one level lower."""
    html: str = _MARKDOWN.render(markdown)
    return re.sub(r"(</?h)2>", r"\g<1>3>", html) if markdown else ""


def _inline(markdown: str) -> str:
    html: str = _MARKDOWN.renderInline(markdown)
    return html
