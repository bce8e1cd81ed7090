"""docs/compatibility.md names tests that there are, and every route of the older documents."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support import schema
from tests.support.template import ROOT

PAGE = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)))
ROUTES_OF_THE_DOCUMENTS = [
    "GET /",
    "GET /health",
    "GET /v1/credits/balance",
    "POST /v1/vend-token",
    "POST /v1/credits/add",
    "POST /vend-token",
    "POST /add-credits",
    "POST /user/create",
    "GET /user/{userId}/balance",
    "GET /user/{userId}/transactions",
    "POST /validate-token",
    "POST /ttt/transcribe",
    "GET /ttt/status/{id}",
    "GET /meta",
    "POST /meta/resolve",
    "GET /admin/users",
    "GET /admin/users/{id}",
    "POST /admin/credits/add",
    "POST /admin/add-credits",
    "POST /admin/deduct-credits",
    "GET /admin/transactions",
    "POST /admin/generate-key",
    "GET /admin/stats",
]


@cache
def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda value: value)
def test_a_test_that_is_named_is_there(file: str, name: str) -> None:
    assert name in functions_of(ROOT / "tests" / file)


@pytest.mark.parametrize("key", ROUTES_OF_THE_DOCUMENTS)
def test_a_route_of_the_documents_is_served_and_listed(key: str) -> None:
    assert key in schema.operations()
    assert f"| `{key}" in PAGE


def test_every_row_names_a_test() -> None:
    before_the_disagreements = PAGE.partition("## Where documents disagree")[0]
    rows = [line for line in before_the_disagreements.splitlines() if re.match(r"\| 00\d", line)]
    assert len(rows) > 50
    assert [row for row in rows if "::test_" not in row] == []
