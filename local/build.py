"""Builds the dependencies of the layers, once for each version: `python -m local.build`."""

from __future__ import annotations

import sys
from pathlib import Path

from local.package import PackageError, build_dependencies, dependencies_folder, layers
from local.settings import ROOT
from local.template import load_template


def build(root: Path) -> None:
    """Builds the dependencies that are missing. Raises PackageError."""
    cache = root / ".cache"
    for layer in layers(load_template(root / "template.yaml"), root):
        if not dependencies_folder(layer, cache).exists():
            print(f"Building the dependencies of {layer.logical_id} (once) ...", flush=True)
        build_dependencies(layer, cache)


if __name__ == "__main__":
    try:
        build(ROOT)
    except PackageError as error:
        sys.exit(str(error))
