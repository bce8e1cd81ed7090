"""Values that no documented message has, and messages with one of them in any place."""

import copy
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 10**15, -(10**15), 10**400,
    Decimal("1.5"), Decimal("1E+400"), Decimal("NaN"),
    "", " ", "0", "-1", "x", "x" * 5000, "9" * 5000, "\ud800", "\x00", "\uff11", "null", "1E400", "../..",
    [], [[]], [{}], [None], {}, {"id": []}, {"id": "x"}, {"Value": {}},
)  # fmt: skip


def spoiled(document: Any) -> Iterator[Any]:
    """`document` with each member, at any depth, left out or replaced by each of `VALUES`."""
    for path in list(_paths(document, ())):
        yield _changed(document, path, None, is_left_out=True)
        for value in VALUES:
            yield _changed(document, path, value, is_left_out=False)


def _paths(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = (
        node.items()
        if isinstance(node, dict)
        else enumerate(node)
        if isinstance(node, list)
        else ()
    )
    for name, value in inner:
        yield from _paths(value, (*path, name))


def _changed(document: Any, path: tuple[Any, ...], value: Any, *, is_left_out: bool) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for name in path[:-1]:
        place = place[name]
    if is_left_out:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed
