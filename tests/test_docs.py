"""The pages of the API's documentation: complete, linked, light, and without anything from elsewhere."""

import base64
import gzip
import json
import re
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any
from urllib.parse import urldefrag

import pytest

from tests.support import functions, schema
from tests.support.gateway import Gateway
from tools.docs import operations, site

LIMIT_BYTES = 200_000
"""Of all pages and files together, in gzip."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


class Page(HTMLParser):
    """The tags, attributes, ids and links of a page, and the calls that its forms make."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes = set[str]()
        self.links = set[str]()
        self.calls: list[dict[str, Any]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes |= given.keys()
        self.ids += [given["id"]] if "id" in given else []
        self.links |= {given[name] for name in ("href", "src") if name in given}
        self.calls += [json.loads(given["data-call"])] if "data-call" in given else []


def text_of(gateway: Gateway, path: str) -> str:
    reply = gateway.call("GET", path)
    assert reply.status == 200, path
    return base64.b64decode(reply.text).decode()


@cache
def tasks() -> list[str]:
    """The tasks that have operations, in the order of the description."""
    document = schema.document()
    used = {one.task for one in operations.listed(document)}
    return [tag["name"] for tag in document["tags"] if tag["name"] in used]


def addresses() -> list[str]:
    return ["/docs", *(f"/docs/{name}" for name in [*tasks(), "errors", "types"])]


@pytest.mark.parametrize("path", addresses())
def test_a_page_loads_a_style_and_a_script_of_this_gateway_alone(
    gateway: Gateway, path: str
) -> None:
    reply = gateway.call("GET", path)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-security-policy"] == POLICY
    text = base64.b64decode(reply.text).decode()
    page = Page(text)
    assert page.tags.count("script") == page.tags.count("link") == 1
    assert not {"img", "iframe", "object", "form", "base", "style"} & set(page.tags)
    assert not [name for name in page.attributes if name == "style" or name.startswith("on")]
    assert "{{" not in re.sub(r"(?s)<pre.*?</pre>", "", text)


@pytest.mark.parametrize("path", addresses())
def test_a_page_is_read_by_a_screen_reader_and_on_a_phone(gateway: Gateway, path: str) -> None:
    text = text_of(gateway, path)
    assert text.startswith('<!doctype html>\n<html lang="en"')
    assert 'name="viewport" content="width=device-width' in text
    assert text.count("<h1>") == text.count("<main") == 1
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    headings = re.findall(r"<h([1-6])", text)
    assert all(int(b) - int(a) <= 1 for a, b in pairwise(headings))


def test_every_link_leads_to_a_place_that_exists(gateway: Gateway) -> None:
    pages = {path: Page(text_of(gateway, path)) for path in addresses()}
    for path, page in pages.items():
        for link in page.links:
            to, place = urldefrag(link)
            assert to in ("", "/") or to.startswith("/"), f"{path}: {link}"
            if not place:
                assert gateway.call("GET", to).status == 200, f"{path}: {link}"
            else:
                assert place in pages[to or path].ids, f"{path}: {link}"


def test_an_operation_is_on_the_page_of_its_task_and_nowhere_else(gateway: Gateway) -> None:
    found = {
        (task, call["method"], call["path"])
        for task in tasks()
        for call in Page(text_of(gateway, f"/docs/{task}")).calls
    }
    described = [
        (one.task, one.method.upper(), one.path) for one in operations.listed(schema.document())
    ]
    assert found == set(described) and len(found) == len(described)


def test_a_task_without_operations_has_no_page_and_a_new_one_gets_its_own() -> None:
    document = json.loads(json.dumps(schema.document()))
    document["tags"] += [
        {"name": "empty", "x-displayName": "Empty", "description": "d"},
        {"name": "new", "x-displayName": "New things", "description": "d"},
    ]
    document["paths"]["/new"] = {"get": document["paths"]["/health"]["get"] | {
        "operationId": "getNew", "tags": ["new"]}}  # fmt: skip
    files = site.rendered(document)
    assert "empty.html" not in files and 'id="getNew"' in files["new.html"]
    assert all("/docs/new" in text for name, text in files.items() if name.endswith(".html"))
    assert '"/new#getNew"' in files["site.js"]


def test_every_code_is_explained_with_what_to_do(gateway: Gateway) -> None:
    page = text_of(gateway, "/docs/errors")
    entries = schema.document()["components"]["schemas"]["ErrorCode"]["oneOf"]
    for entry in entries:
        _, _, rest = page.partition(f'<h3 id="code-{entry["const"]}">')
        assert "<b>What to do:</b>" in rest.partition("</section>")[0]
    assert page.count("What to do:") == len(entries)


def test_all_pages_and_files_together_are_light() -> None:
    sizes = {path.name: len(gzip.compress(path.read_bytes(), 9)) for path in site.FOLDER.iterdir()}
    assert sum(sizes.values()) < LIMIT_BYTES, sizes


def test_a_file_is_cached_for_ever_and_named_by_its_content(gateway: Gateway) -> None:
    names = [link for link in Page(text_of(gateway, "/docs")).links if "site." in link]
    assert len(names) == 2
    for name in names:
        reply = gateway.call("GET", name, headers={"accept-encoding": "gzip"})
        assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert reply.headers["content-encoding"] == "gzip"
        assert gzip.decompress(base64.b64decode(reply.text))


@pytest.mark.parametrize("name", ["nothing", "index.html", "site.js", "..%2Fapp.py", "buy.html"])
def test_a_page_that_does_not_exist_is_a_plain_404(gateway: Gateway, name: str) -> None:
    reply = gateway.call("GET", f"/docs/{name}")
    assert (reply.status, reply.code) == (404, "not_found")


@pytest.mark.parametrize(
    ("environment", "choice", "can_try"),
    [
        ("local", "auto", True),
        ("dev", "auto", True),
        ("staging", "auto", False),
        ("prod", "auto", False),
        ("prod", "true", True),
        ("local", "false", False),
    ],
)
def test_requests_can_be_sent_from_a_page_only_where_the_deployment_allows_it(
    environment: str, choice: str, can_try: bool
) -> None:
    loaded = functions.load(
        "health", ENVIRONMENT=environment, DOCS_TRY_IT=choice, TTT_BASE="https://ttt.example.com"
    )
    assert ("connect-src 'self'" in loaded.DOCS_HEADERS["Content-Security-Policy"]) is can_try
    page = loaded._site().pages["buy"]
    assert ('data-try="on"' in page) is can_try and ('data-try="off"' in page) is not can_try


def test_the_form_of_an_operation_has_its_fields_credentials_and_first_example(
    gateway: Gateway,
) -> None:
    calls = Page(text_of(gateway, "/docs/transcribe")).calls
    (vend,) = [one for one in calls if one["path"] == "/v1/vend-token"]
    assert ["Idempotency-Key", "header", False] in [field[:3] for field in vend["fields"]]
    assert vend["credentials"][0] == ["userToken", [["Authorization", "Bearer "]]]
    assert vend["credentials"][1] == ["appHeaders", [["X-User-Id", ""], ["X-Device-Id", ""]]]
    assert vend["body"]["kind"] == "application/json" and json.loads(vend["body"]["text"]) == {}
