"""Packs the code of the functions and layers of the template.

A layer's dependencies are built once for each version of its requirements and cached in `.cache/`.
The engine unpacks a layer for each process. Its package is therefore only a pointer to one shared folder;
a cold start then takes a fifth of a second instead of several seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore

from local.template import Template, resources_of_type

_ENTRY = Path(__file__).with_name("function_entry.py")
ENTRY_HANDLER = "function_entry.lambda_handler"


class PackageError(RuntimeError):
    """Code of the template is missing, or a layer cannot be built; the text says which."""


@dataclass(frozen=True)
class Layer:
    """A layer of the template: its logical id and its source folder."""

    logical_id: str
    source: Path


def layers(template: Template, root: Path) -> list[Layer]:
    """The layers of `template`, with their sources under `root`."""
    found = resources_of_type(template, "AWS::Serverless::LayerVersion")
    return [
        Layer(logical_id, root / layer["Properties"]["ContentUri"])
        for logical_id, layer in found.items()
    ]


def function_package(function: dict[str, Any], root: Path) -> bytes:
    """A zip of the function's folder and the local entry.

    Raises PackageError when the folder is missing.
    """
    folder = root / function["Properties"]["CodeUri"]
    if not any(folder.glob("*.py")):
        raise PackageError(f"{folder.relative_to(root)} has no code, but template.yaml names it.")
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if _is_code(path)
    }
    return _zip(
        {name: path.read_bytes() for name, path in files.items()}
        | {_ENTRY.name: _ENTRY.read_bytes()}
    )


def layer_package(layer: Layer, cache: Path, workdir: Path) -> bytes:
    """A zip that adds a copy of the layer's packages and its built dependencies to `sys.path`."""
    own = workdir / layer.logical_id
    for package in _own_packages(layer):
        shutil.copytree(package, own / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    paths = [str(own), str(dependencies_folder(layer, cache))]
    pointer = f"import sys; sys.path[0:0] = {paths!r}\n"
    # Python reads .pth files in site folders only; the engine accepts any version in the folder's name.
    return _zip(
        {f"python/lib/python{sys.version_info[0]}/site-packages/layer.pth": pointer.encode()}
    )


def dependencies_folder(
    layer: Layer, cache: Path, *, trim: bool = True, machine: str | None = None
) -> Path:
    """The folder of the layer's built dependencies, for `sys.path`; it may not exist yet."""
    target = machine or str(sys.version_info[:2])
    digest = hashlib.sha256(f"{target}{_aws_calls(layer) if trim else ''}".encode())
    for path in _builders(layer):
        digest.update(path.read_bytes())
    return cache / f"{layer.logical_id}-{digest.hexdigest()[:16]}" / "python"


def build_dependencies(
    layer: Layer, cache: Path, *, trim: bool = True, machine: str | None = None
) -> None:
    """Builds the layer with its Makefile for this machine, unless that was done before.

    `trim` removes files that the functions never read, as for a deployment. With `machine`, a processor
    as wheels name it ("aarch64"), the build is for Lambda's runtime on that processor. Raises PackageError
    with the output of the build when it fails; a failed build leaves no files.
    """
    target = dependencies_folder(layer, cache, trim=trim, machine=machine).parent
    if target.exists():
        return
    cache.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f"{target.name}.", dir=cache))
    try:
        _make(layer, building, trim=trim, machine=machine)
        for package in _own_packages(layer):
            shutil.rmtree(building / "python" / package.name)
        # Another run may have finished the same build first.
        with contextlib.suppress(OSError):
            building.rename(target)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _make(layer: Layer, artifacts: Path, *, trim: bool, machine: str | None) -> None:
    command = [
        "make",
        "--no-print-directory",
        "-C",
        str(layer.source),
        f"build-{layer.logical_id}",
        *(["TARGET=lambda", f"MACHINE={machine}"] if machine else ["TARGET=host"]),
        f"TRIM={'yes' if trim else 'no'}",
        f"PYTHON={sys.executable}",
        f"ARTIFACTS_DIR={artifacts}",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        output, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise
    if process.returncode:
        raise PackageError(f"The layer {layer.logical_id} cannot be built:\n{output}")


def _builders(layer: Layer) -> list[Path]:
    """The files that define the dependencies and how they are built."""
    names = ("requirements.txt", "Makefile")
    return [*(layer.source / name for name in names), *sorted(layer.source.glob("*.py"))]


def _aws_calls(layer: Layer) -> str:
    """The botocore data that the layer's build keeps, as text; empty where the build does not trim it."""
    program = layer.source / "trim_botocore.py"
    if not program.exists():
        return ""
    needed = runpy.run_path(str(program))["needed"]
    data = Path(botocore.__file__).with_name("data")
    return str([needed(data, package) for package in _own_packages(layer)])


def _own_packages(layer: Layer) -> list[Path]:
    return [path.parent for path in sorted(layer.source.glob("*/__init__.py"))]


def _is_code(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()
