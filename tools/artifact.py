"""Completes the result of `sam build` and checks whether it can be deployed: `python -m tools.artifact`.

Compiles the layer and the functions for the template's runtime, refuses files that do not belong in them,
and sets the same times and modes on every machine. The same sources give the same bytes, so a second
deployment uploads only what has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from local.settings import ROOT
from local.template import Template, load_template, resources_of_type
from tools import openapi
from tools.api_description import DescriptionError

BUILD = ROOT / ".aws-sam" / "build"
LAYER_LIMIT_BYTES = 25_000_000
"""Unzipped. Lambda's own limit is 262 MB, but a large layer makes cold starts slow."""

LAYER_PREFIX = "/opt"
FUNCTION_PREFIX = "/var/task"
UNWANTED_PACKAGES = ("boto3", "cryptography", "pydantic", "aws_xray_sdk", "pip", "setuptools")
"""Each adds tens of milliseconds to INIT; PyJWT imports `cryptography` wherever it is installed."""

UNWANTED_FOLDERS = frozenset({"tests", "test", "bin", ".mypy_cache", ".pytest_cache"})
MACHINES = {"arm64": 0xB7, "x86_64": 0x3E}
"""The value at offset 18 of an ELF file, by architecture."""

EPOCH_S = 315_532_800
"""1980-01-01, the earliest time in a zip archive."""

DEPLOYED_PATHS = ("functions", "layers", "template.yaml", "docs/openapi.yaml", "tools/docs")
"""What a deployment is made of; the last two become the pages of the API's documentation."""

PARAMETERS = "parameters.yaml"

_UNCHECKED_HASH = 0b01
_SOURCE = "CodeUri: ../../"


class ArtifactError(RuntimeError):
    """The build cannot be deployed; the text lists all reasons."""


@dataclass(frozen=True)
class Runtime:
    """The runtime of the template's functions."""

    version: str
    """Such as "3.13"."""
    architecture: str

    @property
    def tag(self) -> str:
        return f"cpython-{self.version.replace('.', '')}"

    @classmethod
    def of(cls, template: Template) -> Runtime:
        common = template["Globals"]["Function"]
        return cls(common["Runtime"].removeprefix("python"), common["Architectures"][0])


def finish(build: Path, root: Path, python: str | None) -> None:
    """Copies the functions into `build`, which `sam build` skips, and compiles everything.

    `python` is the interpreter that compiles; with None the sources stay uncompiled.
    """
    template_file = build / "template.yaml"
    text = template_file.read_text(encoding="utf-8")
    template_file.write_text(text.replace(_SOURCE, "CodeUri: "), encoding="utf-8")
    for source in _function_folders(load_template(root / "template.yaml")):
        copy_code(root / source, build / source)
    for folder, prefix in packages(build).items():
        if python is not None:
            compile_folder(folder, prefix, python)
        make_uniform(folder)


def write_parameters(build: Path, root: Path) -> None:
    """Writes the parameters file of `sam deploy` with the name of this build: the last commit that changed
    deployed files.

    The commit's time is used as the time of the deployment, so that deploying the same sources again changes
    nothing. Uncommitted changes are named by a digest of their own: the name is in every function's
    environment, so a deployment of changed files always changes the functions.
    Without git, or before the first commit, the template's defaults apply.
    """
    told = _git(root, "log", "-1", "--format=%h %cI", "--abbrev=12", "--", *DEPLOYED_PATHS).split()
    if not told:
        (build / PARAMETERS).write_text("{}\n", encoding="utf-8")
        return
    commit, at = told
    is_dirty = _git(root, "status", "--porcelain", "--", *DEPLOYED_PATHS)
    mark = f"-dirty-{_digest_of_sources(root)}" if is_dirty else ""
    made_at = datetime.fromisoformat(at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f'BuildRef: "{commit}{mark}"\nDeployedAt: "{made_at}"\n'
    (build / PARAMETERS).write_text(text, encoding="utf-8")


def _digest_of_sources(root: Path) -> str:
    """8 characters that stand for every file that is deployed, as it lies there, committed or not."""
    listed = _git(
        root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *DEPLOYED_PATHS
    )
    digest = hashlib.sha256()
    for name in sorted({name for name in listed.split("\0") if name}):
        path = root / name
        content = path.read_bytes() if path.is_file() else b""
        digest.update(f"{name}\0{path.is_file()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:8]


def packages(build: Path) -> dict[Path, str]:
    """Every folder of `build` that becomes an archive, with the folder where Lambda unpacks it."""
    template = load_template(build / "template.yaml")
    layers = resources_of_type(template, "AWS::Serverless::LayerVersion").values()
    found = {build / layer["Properties"]["ContentUri"]: LAYER_PREFIX for layer in layers}
    return found | {build / folder: FUNCTION_PREFIX for folder in _function_folders(template)}


def faults(build: Path, runtime: Runtime, *, compiled: bool) -> list[str]:
    """The reasons why `build` cannot be deployed; empty when it can."""
    return [
        fault for folder in packages(build) for fault in package_faults(folder, runtime, compiled)
    ]


def package_faults(folder: Path, runtime: Runtime, compiled: bool) -> Iterator[str]:
    """The reasons why the folder of a layer or function cannot be deployed."""
    if not any(folder.rglob("*.py")):
        yield f"{folder.name} has no code"
    if size(folder) > LAYER_LIMIT_BYTES:
        yield f"{folder.name} has {size(folder)} bytes, more than {LAYER_LIMIT_BYTES}"
    for path in sorted(folder.rglob("*")):
        if fault := _fault(path, runtime, compiled):
            yield f"{folder.name}: {path.relative_to(folder).as_posix()} {fault}"


def _fault(path: Path, runtime: Runtime, compiled: bool) -> str | None:
    if path.is_dir():
        unwanted = path.name in UNWANTED_FOLDERS or path.name in UNWANTED_PACKAGES
        return "does not belong in a package" if unwanted else None
    match path.suffix:
        case ".so" if not _is_for(path, runtime.architecture):
            return f"is not built for {runtime.architecture}"
        case ".pyc" if not _is_of(path, runtime.tag):
            return f"is not an unchecked .pyc of {runtime.tag}"
        case ".py" if compiled and not _compiled(path, runtime.tag).exists():
            return "is not compiled"
    return None


def compile_folder(folder: Path, prefix: str, python: str) -> None:
    """Compiles the modules of `folder` with `python`. Raises ArtifactError with its output."""
    program = str(Path(__file__).with_name("compile_tree.py"))
    ended = subprocess.run(
        [python, "-S", "-s", program, str(folder), prefix],
        env={"PYTHONHASHSEED": "0", "PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise ArtifactError(f"{folder.name} cannot be compiled:\n{ended.stderr}")


def interpreter(version: str, environ: Mapping[str, str]) -> str | None:
    """A Python of exactly this minor version, or None.

    Searched in `RUNTIME_PYTHON`, this interpreter, the path, and pyenv's folder, in this order.
    """
    pyenv = Path(environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        environ.get("RUNTIME_PYTHON"),
        sys.executable,
        shutil.which(f"python{version}", path=environ.get("PATH")),
        *(str(folder / "bin" / "python3") for folder in sorted(pyenv.glob(f"{version}.*"))),
    ]
    return next((python for python in candidates if python and _is_version(python, version)), None)


def copy_code(source: Path, target: Path) -> None:
    """Replaces `target` by a copy of `source` without `__pycache__`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))


def make_uniform(folder: Path) -> None:
    """Sets the same times and modes on every machine."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() or path.suffix == ".so" else 0o644)
        os.utime(path, (EPOCH_S, EPOCH_S))


def size(folder: Path) -> int:
    """The size of all files in bytes."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _git(root: Path, *arguments: str) -> str:
    """The output of git; empty where it fails."""
    try:
        asked = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout if asked.returncode == 0 else ""


def _function_folders(template: Template) -> list[str]:
    functions = resources_of_type(template, "AWS::Serverless::Function").values()
    return sorted({function["Properties"]["CodeUri"] for function in functions})


def _compiled(module: Path, tag: str) -> Path:
    return module.parent / "__pycache__" / f"{module.stem}.{tag}.pyc"


def _is_of(path: Path, tag: str) -> bool:
    """Whether the file is an unchecked .pyc of this version: the second word of its header (PEP 552)."""
    flags = int.from_bytes(path.read_bytes()[4:8], "little")
    return path.name.endswith(f".{tag}.pyc") and flags == _UNCHECKED_HASH


def _is_for(path: Path, architecture: str) -> bool:
    return int.from_bytes(path.read_bytes()[18:20], "little") == MACHINES[architecture]


def _is_version(python: str, version: str) -> bool:
    told = "import platform; print(platform.python_implementation(), *platform.python_version_tuple()[:2])"
    try:
        asked = subprocess.run(
            [python, "-S", "-c", told], capture_output=True, text=True, timeout=20, check=False
        )
    except OSError:
        return False
    return asked.stdout.split() == ["CPython", *version.split(".")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.artifact", description=__doc__)
    parser.add_argument(
        "--uncompiled", action="store_true", help="deploy sources only; cold starts are slow"
    )
    asked = parser.parse_args()
    runtime = Runtime.of(load_template(ROOT / "template.yaml"))
    python = None if asked.uncompiled else interpreter(runtime.version, os.environ)
    if python is None and not asked.uncompiled:
        return _refuse(
            f"Python {runtime.version}, the runtime's version, is not installed. Without compiled files\n"
            "every cold start takes two to three times as long. Install it, set RUNTIME_PYTHON to its\n"
            "path, or build without compiled files: make build UNCOMPILED=1."
        )
    try:
        openapi.write(openapi.rendered())
        finish(BUILD, ROOT, python)
        write_parameters(BUILD, ROOT)
    except (ArtifactError, DescriptionError) as error:
        return _refuse(str(error))
    if wrong := faults(BUILD, runtime, compiled=python is not None):
        return _refuse("\n".join(wrong))
    for folder in packages(BUILD):
        print(f"{folder.relative_to(BUILD).as_posix():<28}{size(folder) / 1e6:>8.2f} MB unzipped")
    print(f"compiled by {python}" if python else "NOT COMPILED: cold starts will be slow")
    return 0


def _refuse(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
