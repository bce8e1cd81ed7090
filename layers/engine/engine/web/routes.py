"""The routes of the API, from its description: for the service card, 404 and 405."""

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


def refusal(routes: list[tuple[str, str]], path: str) -> RouteNotFound | MethodNotAllowed:
    """The error for a call to `path` that no route matched."""
    allowed = sorted({method for method, rule in _with_heads(routes) if _takes(rule, path)})
    if not allowed and path.endswith("/") and any(_takes(rule, path[:-1]) for _, rule in routes):
        return RouteNotFound("This path ends with a slash that no route has.")
    if not allowed:
        return RouteNotFound()
    return MethodNotAllowed(details={"allow": allowed}, headers={"Allow": ", ".join(allowed)})


def _with_heads(routes: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """`routes` with HEAD wherever GET is; the description lists GET alone."""
    return [*routes, *(("HEAD", rule) for method, rule in routes if method == "GET")]


def _takes(rule: str, path: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(rule))
    return re.fullmatch(pattern, path) is not None
