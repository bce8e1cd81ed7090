"""Small pieces of HTML that the pages of the documentation share."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from markdown_it import MarkdownIt

DOCS = "{{root}}/docs"
"""The address of the documentation; the gateway that serves it fills in `{{root}}`."""

_MARKDOWN = MarkdownIt("commonmark", {"html": False})
_ROUTE = re.compile(r"<code>((?:GET|POST|PUT|PATCH|DELETE) /[^<]*)</code>")
_HEADING = re.compile(r"<h2>(.*?)</h2>")


class Prose:
    """Markdown as HTML; `links` has the address of each route key, such as `GET /health`."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links

    def text(self, markdown: str) -> str:
        """Paragraphs; headings of the second level can be linked to."""
        html = str(_MARKDOWN.render(markdown)) if markdown else ""
        return self._linked(_HEADING.sub(lambda found: heading(2, found[1]), html))

    def inline(self, markdown: str) -> str:
        """One line."""
        return self._linked(str(_MARKDOWN.renderInline(markdown)))

    def _linked(self, html: str) -> str:
        def link(found: re.Match[str]) -> str:
            to = self._links.get(found[1])
            return f'<a href="{to}">{found[0]}</a>' if to else found[0]

        return _ROUTE.sub(link, html)


def heading(level: int, html: str, name: str = "") -> str:
    """A heading with the id `name` and a link to itself; without `name` the id is made of its text."""
    plain = re.sub(r"<[^>]+>", "", html)
    name = name or slug(plain)
    anchor = f'<a class="anchor" href="#{name}" aria-label="Link to {plain}">#</a>'
    return f'<h{level} id="{name}">{html} {anchor}</h{level}>'


def slug(text: str) -> str:
    """`text` as an id: letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def code(text: str) -> str:
    """A block of code, to which the page's script adds a button that copies it."""
    return f'<div class="code"><pre tabindex="0"><code>{escape(text)}</code></pre></div>'


def shown(value: Any) -> str:
    """An example as readers see it."""
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def method(name: str) -> str:
    return f'<b class="m {name}">{name.upper()}</b>'


def path(text: str) -> str:
    """A path with line-break opportunities."""
    return re.sub(r"(/|%2F)", r"\1<wbr>", escape(text))


def status(text: str) -> str:
    return f'<b class="s{text[0]}">{text}</b>'


def places(html: str) -> list[tuple[str, str]]:
    """The name and text of each heading of the second level in `html`."""
    return re.findall(r'<h2 id="([^"]+)">(.*?) <a class="anchor"', html)
