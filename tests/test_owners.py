"""Each stored item has one owner: no other module of the layer writes the expressions that change it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.settings import ROOT

LAYER = ROOT / "layers" / "engine" / "engine"

OWNERS = {
    "hold": {"credits/placing.py", "credits/holds.py"},
    "job": {"transcription/jobs.py"},
    "request of a transcription": {"transcription/request_records.py"},
    "quote": {"wallet/quotes.py"},
    "last job of a video": {"wallet/videos.py"},
    "phone": {"wallet/devices.py"},
    "request for credits": {"wallet/credit_requests.py"},
    "version of the app's policy": {"wallet/policy.py"},
}
KEYS = {
    "hold": ({"hold_sk", "sk_of"}, ("H#",)),
    "job": (set(), ("J#", "JOB")),
    "request of a transcription": (set(), ("R#transcribe",)),
    "quote": (set(), ("QUOTE#",)),
    "last job of a video": (set(), ("VIDEO#",)),
    "phone": (set(), ("PHONE",)),
    "request for credits": (set(), ("CREDITREQ",)),
    "version of the app's policy": (set(), ("POLICY#",)),
}
"""The functions and the literals that a key of the item is made of."""


def writes(tree: ast.AST) -> Iterator[ast.AST]:
    """The functions, and the statements outside them, that build a `Put` or an `Update`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(is_write, ast.walk(node))):
            yield node


def is_write(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("Put", "Update")
    )


def names_key(node: ast.AST, item: str) -> bool:
    """Whether `node` makes a key of `item`."""
    functions, literals = KEYS[item]
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else node.func
        return (called.id if isinstance(called, ast.Name) else called) in functions
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return any(node.value == text or node.value.startswith(text) for text in literals)
    return False


def writers(item: str, folder: Path = LAYER) -> set[str]:
    """The modules with a function that builds a write and a key of `item`, itself or by another one."""
    found = set()
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_bytes())
        makers = {
            function.name
            for function in ast.walk(tree)
            if isinstance(function, ast.FunctionDef) and makes_key(function, item, set())
        }
        if any(makes_key(function, item, makers) for function in writes(tree)):
            found.add(path.relative_to(folder).as_posix())
    return found


def makes_key(function: ast.AST, item: str, makers: set[str]) -> bool:
    """Whether `function` makes a key of `item`, or calls one of `makers`."""
    return any(
        names_key(node, item)
        or (isinstance(node, ast.Name) and node.id in makers and isinstance(node.ctx, ast.Load))
        for node in ast.walk(function)
    )


@pytest.mark.parametrize("item", OWNERS)
def test_an_item_is_written_by_its_owner_alone(item: str) -> None:
    assert writers(item) == OWNERS[item]


@pytest.mark.parametrize(
    ("item", "source"),
    [
        ("hold", "def f(): return Update(account_pk(u), hold_items.hold_sk(n), 'SET a = :a', '')"),
        ("hold", "def f():\n    sk = sk_of(jti)\n    return Update('A#u', sk, 'SET a = :a', '')"),
        ("hold", "def f(): return Put({'pk': 'A#u', 'sk': f'H#{n}'}, '')"),
        ("job", "def f(): return Update(f'J#{n}', 'JOB', 'SET a = :a', '')"),
        ("request of a transcription", "def f(): return Put({'sk': f'R#transcribe#{n}'}, '')"),
    ],
)
def test_a_write_outside_the_owner_is_found(tmp_path: Path, item: str, source: str) -> None:
    (tmp_path / "other.py").write_text(source)
    assert writers(item, tmp_path) == {"other.py"}
