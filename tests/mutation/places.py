"""The function around a place in a source, named as its code object is."""

import ast
from collections.abc import Iterator
from functools import cache

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def function_at(source: bytes, start: int) -> str:
    """The qualified name of the innermost function around the byte `start`, empty where there is none."""
    line = source.count(b"\n", 0, start) + 1
    column = start - (source.rfind(b"\n", 0, start) + 1)
    found = ""
    for name, node in _all_functions(source):
        body = node.body if isinstance(node.body, list) else [node.body]
        begins = (body[0].lineno, body[0].col_offset)
        ends = (body[-1].end_lineno or 0, body[-1].end_col_offset or 0)
        if begins <= (line, column) < ends:
            found = name
    return found


@cache
def _all_functions(source: bytes) -> list[tuple[str, _Function]]:
    return list(_functions(ast.parse(source), ""))


def _functions(node: ast.AST, within: str) -> Iterator[tuple[str, _Function]]:
    """Every function below `node` with its name, outer ones first."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Function):
            name = within + ("<lambda>" if isinstance(child, ast.Lambda) else child.name)
            yield name, child
            yield from _functions(child, f"{name}.<locals>.")
        elif isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{within}{child.name}.")
        else:
            yield from _functions(child, within)
