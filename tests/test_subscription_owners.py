"""Each item of the subscriptions room has one owner: one module writes its expressions and knows its keys."""

import ast
from pathlib import Path

import pytest

from local.settings import ROOT

ENGINE = ROOT / "layers" / "engine" / "engine"
ROOM = ENGINE / "subscriptions"
OWNERS = {
    "subscription": "SUBSCRIPTION",
    "provider_keys": "KEY#",
    "outbox": "HOOK#",
    "usage": "USED#",
    "monitor": "MONITOR",
}
"""The owners, with the text by which the keys of their item are known."""

CHECKER = "credits/verification.py"
"""Reads whole partitions, so it has a list of everything that may lie in them."""

MOST_PARAMETERS = 6
WRITES = {"Put", "Update"}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_bytes())


def writes_in(path: Path) -> list[int]:
    """Lines on which the module builds a write."""
    return [
        node.lineno
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRITES
    ]


def texts_in(path: Path) -> set[str]:
    """The string constants of the module, without its docstrings."""
    docs = {
        id(node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return {
        node.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs
    }


def test_only_owners_build_writes() -> None:
    builders = {path.stem for path in ROOM.glob("*.py") if writes_in(path)}
    assert builders == set(OWNERS)


@pytest.mark.parametrize(("owner", "key"), OWNERS.items())
def test_only_the_owner_knows_the_key_of_its_item(owner: str, key: str) -> None:
    """Nobody else can read or write the item except through the owner."""
    knowing = {
        path.relative_to(ENGINE).as_posix()
        for path in ENGINE.rglob("*.py")
        if key in texts_in(path)
    }
    assert knowing - {CHECKER} == {f"subscriptions/{owner}.py"}


def test_no_function_takes_more_than_six_parameters() -> None:
    functions = [*ROOM.glob("*.py"), *(ROOT / "functions").glob("*/app.py")]
    long = {
        f"{path.stem}.{node.name}": len(names)
        for path in functions
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef) and len(names := _parameters(node)) > MOST_PARAMETERS
    }
    assert long == {}


def _parameters(function: ast.FunctionDef) -> list[str]:
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [argument.arg for argument in named if argument.arg != "self"]
