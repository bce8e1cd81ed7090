"""Takes out of botocore's data what the engine never reads: `trim_botocore.py DATA_FOLDER SOURCES`.

Whenever a client is made, botocore reads the service's whole model, documentation included, and the
endpoints of all of AWS's services: a quarter of a cold start. Which services and operations are needed
is read from the engine's own sources, so that a new call needs no entry in any list.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Model = dict[str, Any]

_CLIENT = re.compile(r"aws\.client\(\s*\"([a-z0-9-]+)\"")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def needed(data: Path, sources: Path) -> dict[str, list[str]]:
    """The services that `sources` make clients of, each with the operations that they name.

    A word that only looks like an operation keeps it: that is harmless. Raises `FileNotFoundError`
    where botocore has no such service.
    """
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(sources.rglob("*.py")))
    words = set(_WORD.findall(text))
    return {
        service: sorted(
            name for name in _read(_model(data / service))["operations"] if _snake(name) in words
        )
        for service in sorted(set(_CLIENT.findall(text)))
    }


def trim(data: Path, operations: dict[str, list[str]]) -> None:
    """Leaves the newest version of these services, with these operations, in `data`."""
    for folder in [path for path in data.iterdir() if path.is_dir()]:
        if folder.name not in operations:
            shutil.rmtree(folder)
    for service, kept in operations.items():
        model = _model(data / service)
        for version in [path for path in (data / service).iterdir() if path != model.parent]:
            shutil.rmtree(version)
        for example in model.parent.glob("examples-1.json*"):
            example.unlink()
        _rewrite(model, _of_operations(kept))
    _rewrite(data / "endpoints.json", _of_services(frozenset(operations)))


def _of_operations(kept: list[str]) -> Callable[[Model], Model]:
    def change(model: Model) -> Model:
        operations = {name: model["operations"][name] for name in kept}
        shapes = model["shapes"]
        names = _reached(shapes, operations)
        smaller = {**model, "operations": operations, "shapes": {n: shapes[n] for n in names}}
        changed: Model = _without_documentation(smaller)
        return changed

    return change


def _reached(shapes: Model, operations: Model) -> list[str]:
    """The shapes that the operations consist of."""
    found: set[str] = set()
    waiting = list(_shape_names(operations))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _shape_names(shapes[name])
    return sorted(found)


def _shape_names(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _shape_names(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _shape_names(value)


def _without_documentation(node: Any) -> Any:
    """`node` without texts called documentation; a member that a service calls so is no text."""
    if isinstance(node, list):
        return [_without_documentation(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: _without_documentation(value)
        for name, value in node.items()
        if not (name == "documentation" and isinstance(value, str))
    }


def _of_services(services: frozenset[str]) -> Callable[[Model], Model]:
    def change(endpoints: Model) -> Model:
        for partition in endpoints["partitions"]:
            known = partition["services"]
            partition["services"] = {name: known[name] for name in sorted(services & set(known))}
        return endpoints

    return change


def _model(service: Path) -> Path:
    """The newest model of a service, packed or not."""
    models = sorted(service.glob("*/service-2.json*"))
    if not models:
        raise FileNotFoundError(f"botocore knows no service {service.name}")
    return models[-1]


def _read(path: Path) -> Model:
    content = path.read_bytes()
    model: Model = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)
    return model


def _rewrite(path: Path, change: Callable[[Model], Model]) -> None:
    """Plain JSON in place of what was packed: the layer's archive is packed anyhow."""
    text = json.dumps(change(_read(path)), separators=(",", ":"))
    path.unlink()
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    plain.write_text(text, encoding="utf-8")


def _snake(operation: str) -> str:
    return _CAPITAL.sub("_", operation).lower()


if __name__ == "__main__":
    trim(Path(sys.argv[1]), needed(Path(sys.argv[1]), Path(sys.argv[2])))
