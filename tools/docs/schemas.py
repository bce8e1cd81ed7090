"""Schemas as HTML: the type of a value in one line, the members of an object as a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from tools.docs import markup
from tools.docs.markup import DOCS, Prose

Schema = Mapping[str, Any]

_BOUNDS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} members",
}


class Schemas:
    """Renders the schemas of one description."""

    def __init__(self, schemas: Mapping[str, Schema], prose: Prose) -> None:
        self._schemas = schemas
        self._prose = prose

    def component(self, name: str) -> str:
        """The section of a named schema."""
        schema = self._schemas[name]
        return (
            f"<section>{markup.heading(2, f'<code>{name}</code>', f'schema-{name}')}"
            f"{self._prose.text(schema.get('description', ''))}<p>{self.kind(schema)}</p>"
            f"{self.members(schema)}</section>"
        )

    def content(self, content: Mapping[str, Any]) -> str:
        """The media types of a body, each with its examples."""
        return "".join(
            f"<p><code>{escape(kind)}</code> {self.kind(media.get('schema', {}))}</p>{_examples(media)}"
            for kind, media in content.items()
        )

    def body(self, content: Mapping[str, Any]) -> str:
        """The media types of a request, each with the members of its object."""
        return "".join(
            f"<p><code>{escape(kind)}</code> {self.kind(media['schema'])}</p>"
            f"{self.members(self._named(media['schema']))}"
            for kind, media in content.items()
        )

    def members(self, schema: Schema) -> str:
        """The table of an object's members; empty for another type."""
        required = schema.get("required", [])
        rows = "".join(
            self.row(name, member, name in required)
            for name, member in schema.get("properties", {}).items()
        )
        return f"<table>{rows}</table>" if rows else ""

    def row(self, name: str, schema: Schema, required: bool, place: str = "") -> str:
        """A member or parameter: its name, place, type and description."""
        return (
            f'<tr><th scope="row"><code>{escape(name)}</code>{f" <i>{place}</i>" if place else ""}</th>'
            f"<td>{self.kind(schema)}{' <b>required</b>' if required else ''}"
            f"{self._prose.text(schema.get('description', ''))}{self.members(_inner(schema))}</td></tr>"
        )

    def kind(self, schema: Schema) -> str:
        """The type and bounds of a value in one line."""
        parts = []
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            parts.append(f'<a href="{DOCS}/types#schema-{name}">{name}</a>')
        for word, joint in (("allOf", " with "), ("anyOf", " or "), ("oneOf", " or ")):
            if word in schema:
                parts.append(joint.join(self._alternative(one) for one in schema[word]))
        types = schema.get("type", [])
        parts.append(" or ".join([types] if isinstance(types, str) else types))
        if "items" in schema:
            parts.append(f"of {self.kind(schema['items'])}")
        said = " ".join(part for part in parts if part)
        return ", ".join(filter(None, [said, *map(escape, _bounds(schema))])) or "anything"

    def _alternative(self, schema: Schema) -> str:
        if "x-status" in schema:
            name = escape(schema["const"])
            return f'<a href="{DOCS}/errors#code-{name}"><code>{name}</code></a>'
        if "const" in schema and "description" in schema:
            said = self._prose.inline(schema["description"])
            return f"<code>{escape(str(schema['const']))}</code> ({said})"
        return self.kind(schema)

    def _named(self, schema: Schema) -> Schema:
        return self._schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


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
        (f"<p>{escape(name)}</p>" if name else "") + markup.code(markup.shown(example["value"]))
        for name, example in named.items()
    )
