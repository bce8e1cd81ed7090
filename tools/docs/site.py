"""The pages of the documentation: an overview, a page for each task, errors and types.

A page loads one style and one script of its own gateway and nothing else. `python -m tools.openapi` writes
the pages into `functions/health/docs`, which serves them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from local.settings import ROOT
from tools.docs import markup, operations
from tools.docs.markup import DOCS, Prose
from tools.docs.operations import Operation, Renderer
from tools.docs.schemas import Schemas

FOLDER = ROOT / "functions" / "health" / "docs"
STATIC = Path(__file__).with_name("static")
OVERVIEW, ERRORS, TYPES = "index", "errors", "types"


@dataclass(frozen=True)
class Page:
    """One page; `places` are the headings that the table of contents lists, as name and HTML."""

    name: str
    title: str
    content: str
    places: list[tuple[str, str]]

    @property
    def address(self) -> str:
        return DOCS if self.name == OVERVIEW else f"{DOCS}/{self.name}"


def rendered(document: Mapping[str, Any]) -> dict[str, str]:
    """The files of a complete `document`, see `api_description.complaints`, by their names."""
    return _Site(document).files()


class _Site:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._operations = operations.listed(document)
        self._components = document["components"]
        self._prose = Prose({one.route: one.address for one in self._operations})
        self._schemas = Schemas(self._components["schemas"], self._prose)
        self._renderer = Renderer(document, self._prose, self._schemas)

    def files(self) -> dict[str, str]:
        tasks = [self._task(tag) for tag in self._document["tags"] if self._of_task(tag["name"])]
        pages = [self._overview(tasks), *tasks, self._errors(), self._types()]
        script = (STATIC / "site.js").read_text(encoding="utf-8")
        index = json.dumps(list(self._index(pages)), ensure_ascii=False, separators=(",", ":"))
        return {
            **{f"{page.name}.html": self._html(page, pages) for page in pages},
            "site.css": (STATIC / "site.css").read_text(encoding="utf-8"),
            "site.js": f"const INDEX = {index};\n{script}",
        }

    def _of_task(self, task: str) -> list[Operation]:
        return [one for one in self._operations if one.task == task]

    def _overview(self, tasks: list[Page]) -> Page:
        info = self._document["info"]
        cards = "".join(
            f'<li><a href="{page.address}">{escape(page.title)}</a>'
            f"<p>{self._prose.inline(tag['description'])}</p></li>"
            for page in tasks
            for tag in self._document["tags"]
            if tag["name"] == page.name
        )
        guide = self._prose.text(info["description"])
        first, _, rest = guide.partition("<h2")
        content = (
            f'{first}{markup.heading(2, "Tasks")}<ul class="cards">{cards}</ul>'
            f"{'<h2' if rest else ''}{rest}{markup.heading(2, 'Access')}{self._access()}"
        )
        return Page(OVERVIEW, str(info["title"]), content, markup.places(content))

    def _task(self, tag: Mapping[str, Any]) -> Page:
        found = self._of_task(tag["name"])
        content = self._prose.text(tag["description"]) + "".join(
            self._renderer.section(one) for one in found
        )
        places = [
            (one.name, f"{markup.method(one.method)} {escape(one.members['summary'])}")
            for one in found
        ]
        return Page(tag["name"], tag["x-displayName"], content, places)

    def _access(self) -> str:
        rows = "".join(
            f'<dt id="access-{escape(name)}"><code>{escape(name)}</code> {_where(scheme)}</dt>'
            f"<dd>{self._prose.text(scheme['description'])}</dd>"
            for name, scheme in self._components["securitySchemes"].items()
        )
        return f"<dl>{rows}</dl>"

    def _errors(self) -> Page:
        entries = self._components["schemas"]["ErrorCode"]["oneOf"]
        content = (
            "<p>Every refusal has a stable <code>code</code>. Decide by the code, never by the text.</p>"
            f"{markup.heading(2, 'Codes')}<div class='codes'>{''.join(map(self._code, entries))}</div>"
            f"{markup.heading(2, 'Answers of several operations')}"
            + "".join(
                f"<details><summary>{escape(name)}: {self._prose.inline(response['description'])}"
                f"</summary>{self._renderer.remedies(response)}{self._renderer.answer(response)}</details>"
                for name, response in sorted(self._components["responses"].items())
            )
        )
        places = [(f"code-{one['const']}", f"<code>{one['const']}</code>") for one in entries]
        return Page(ERRORS, "Errors", content, places)

    def _code(self, entry: Mapping[str, Any]) -> str:
        statuses = ", ".join(map(str, entry["x-status"]))
        name = entry["const"]
        remedies = self._components["schemas"]["ErrorCode"]["x-remedies"]
        return (
            f"<section>{markup.heading(3, f'<code>{name}</code>', f'code-{name}')}"
            f"<p>{statuses}: {self._prose.inline(entry['description'])}</p>"
            f"<p><b>What to do:</b> {self._prose.inline(remedies[name])}</p></section>"
        )

    def _types(self) -> Page:
        names = sorted(self._components["schemas"])
        content = "".join(map(self._schemas.component, names))
        places = [(f"schema-{name}", f"<code>{name}</code>") for name in names]
        return Page(TYPES, "Types", content, places)

    def _index(self, pages: list[Page]) -> Iterator[tuple[str, str, str]]:
        """What the search finds: title, further words, and the address behind `/docs`."""
        for one in self._operations:
            yield str(one.members["summary"]), f"{one.route} {one.name}", f"/{one.task}#{one.name}"
        for entry in self._components["schemas"]["ErrorCode"]["oneOf"]:
            yield entry["const"], entry["description"], f"/{ERRORS}#code-{entry['const']}"
        for name, heading in pages[0].places:
            yield heading, "", f"#{name}"
        for name in self._components["securitySchemes"]:
            yield name, "access credential", f"#access-{name}"
        for name, schema in sorted(self._components["schemas"].items()):
            yield name, " ".join(schema.get("properties", {})), f"/{TYPES}#schema-{name}"

    def _html(self, page: Page, pages: list[Page]) -> str:
        info = self._document["info"]
        title = escape(info["title"])
        name = title if page.name == OVERVIEW else escape(page.title)
        return (
            '<!doctype html>\n<html lang="en" data-root="{{root}}" data-try="{{try}}">\n<head>\n'
            '<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n'
            f"<title>{name}: API of {title}</title>\n"
            '<link rel="stylesheet" href="{{site.css}}">\n'
            '<script defer src="{{site.js}}"></script>\n</head>\n<body>\n'
            '<a class="skip" href="#main">To the content</a>\n'
            f'<header><p><a href="{DOCS}"><b>{title}</b></a> API {escape(info["version"])}</p>'
            f'<div class="search"></div><p><a href="{{{{root}}}}/">Start</a> '
            '<a href="{{root}}/openapi.json">OpenAPI 3.1</a></p></header>\n'
            f'{_contents(page, pages)}\n<main id="main">\n<h1>{name}</h1>\n{page.content}\n'
            "</main>\n</body>\n</html>\n"
        )


def _contents(page: Page, pages: list[Page]) -> str:
    """Links to all pages, and to the places of this one."""
    items = ""
    for one in pages:
        title = "Overview" if one.name == OVERVIEW else escape(one.title)
        current = ' aria-current="page"' if one is page else ""
        items += f'<li><a href="{one.address}"{current}>{title}</a>'
        if one is page:
            links = (f'<li><a href="#{name}">{text}</a></li>' for name, text in one.places)
            items += f"<ul>{''.join(links)}</ul>"
        items += "</li>"
    return (
        '<nav aria-label="Contents"><details open><summary>Contents</summary>'
        f"<ul>{items}</ul></details></nav>"
    )


def _where(scheme: Mapping[str, Any]) -> str:
    if scheme["type"] == "http":
        return "in <code>Authorization: Bearer</code>"
    return f"in the {scheme['in']} <code>{escape(scheme['name'])}</code>"
