"""The routes of the API, from its description: for the service card, 404 and 405."""

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.platform.errors import MethodNotAllowed, RouteNotFound

METHODS = ("get", "post", "put", "patch", "delete")


def listed(description: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Method and path of every operation of an OpenAPI document, in its order."""
    return [
        (method.upper(), path)
        for path, operations in description["paths"].items()
        for method in METHODS
        if method in operations
    ]


def description_at(text: str, base: str) -> str:
    """The OpenAPI document `text` with `base` as its only server; unchanged where `base` is empty."""
    if not base:
        return text
    document = {**json.loads(text), "servers": [{"url": base}]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def refusal(
    routes: list[tuple[str, str]], path: str, base_path: str = ""
) -> RouteNotFound | MethodNotAllowed:
    """The error for a call to `path` that no route matched. The API mapping of a custom domain may leave
    `base_path` in the path or remove it.
    """
    paths = {path, path.removeprefix(base_path) or "/"}
    allowed = sorted({method for method, rule in routes if any(_takes(rule, one) for one in paths)})
    if not allowed:
        return RouteNotFound()
    return MethodNotAllowed(details={"allow": allowed}, headers={"Allow": ", ".join(allowed)})


def _takes(rule: str, path: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(rule))
    return re.fullmatch(pattern, path) is not None
