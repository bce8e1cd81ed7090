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
    """The OpenAPI document `text` with `base` as its only server; unchanged if `base` is empty."""
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
    allowed = sorted({method for method, rule in _with_heads(routes) if _takes_any(rule, paths)})
    shorter = {one[:-1] for one in paths if one.endswith("/")}
    if not allowed and any(_takes_any(rule, shorter) for _, rule in routes):
        return RouteNotFound("This path ends with a slash that no route has.")
    if not allowed:
        return RouteNotFound()
    return MethodNotAllowed(details={"allow": allowed}, headers={"Allow": ", ".join(allowed)})


def _with_heads(routes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`routes` with HEAD wherever GET is; the description lists GET alone."""
    return [*routes, *(("HEAD", rule) for method, rule in routes if method == "GET")]


def _takes_any(rule: str, paths: set[str]) -> bool:
    return any(_takes(rule, path) for path in paths)


def _takes(rule: str, path: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(rule))
    return re.fullmatch(pattern, path) is not None
