"""The deployed packages are small, compiled, complete and reproducible, and the functions start from them."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from bench import cold, runtime_api
from engine.platform import aws_json
from local.package import build_dependencies, dependencies_folder, layers
from local.settings import ROOT
from local.template import load_template
from tests.support import functions, template
from tools import artifact
from tools.artifact import Runtime

HERE = Runtime(
    f"{sys.version_info[0]}.{sys.version_info[1]}",
    {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()],
)
"""This machine in place of Lambda's: its Python compiles, and the layer has its wheels."""


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("build"))


def made(folder: Path) -> Path:
    """A folder as `sam build` leaves it, finished as for a deployment."""
    text = template.TEMPLATE.read_text(encoding="utf-8")
    for layer in layers(load_template(template.TEMPLATE), ROOT):
        source = layer.source.relative_to(ROOT).as_posix()
        build_dependencies(layer, ROOT / ".cache")
        artifact.copy_code(
            dependencies_folder(layer, ROOT / ".cache"), folder / layer.logical_id / "python"
        )
        artifact.copy_code(layer.source / "engine", folder / layer.logical_id / "python" / "engine")
        text = text.replace(f"ContentUri: {source}", f"ContentUri: {layer.logical_id}")
    text = text.replace("CodeUri: functions/", "CodeUri: ../../functions/")
    (folder / "template.yaml").write_text(text, encoding="utf-8")
    artifact.finish(folder, ROOT, sys.executable)
    return folder


def test_a_build_has_no_faults(build: Path) -> None:
    """It is small enough, has unchecked .pyc files of the runtime and wheels of the architecture, and has no
    package that slows INIT or is for development."""
    assert artifact.faults(build, HERE, compiled=True) == []


@pytest.mark.parametrize("name", sorted(template.functions()))
def test_each_function_starts_from_its_package(name: str, build: Path) -> None:
    """With the real awslambdaric and an interpreter without packages."""
    code = template.functions()[name].properties["CodeUri"]
    (layer,) = [
        path for path, at in artifact.packages(build).items() if at == artifact.LAYER_PREFIX
    ]
    with cold.runtime_folders() as runtime:
        folders = cold.Folders(build / code, layer, runtime.runtime)
        environ = folders.environ(functions.environment(name) | functions.AWS)
        with runtime_api.running(folders.command, environ, folders.task) as started:
            assert started.init.peak_mb > 0


def test_every_function_of_the_template_is_packaged(build: Path) -> None:
    wanted = {found.properties["CodeUri"] for found in template.functions().values()}
    packed = artifact.packages(build).items()
    assert {
        path.relative_to(build).as_posix() for path, at in packed if at == "/var/task"
    } == wanted


def test_the_same_sources_give_the_same_bytes_and_times(build: Path, tmp_path: Path) -> None:
    """A deployment uploads only what has changed, whichever machine or folder built it."""
    assert dict(contents(made(tmp_path / "elsewhere"))) == dict(contents(build))


def contents(folder: Path) -> Iterator[tuple[str, tuple[bytes, int, int]]]:
    for path in artifact.packages(folder):
        for file in sorted(path.rglob("*")):
            state = file.stat()
            name = file.relative_to(folder).as_posix()
            content = b"" if file.is_dir() else file.read_bytes()
            yield name, (content, int(state.st_mtime), state.st_mode)


def test_compiled_files_contain_the_paths_of_lambda(build: Path) -> None:
    compiled = (build / "functions/tokens/__pycache__").glob("app.*.pyc")
    assert all(b"/var/task/app.py" in path.read_bytes() for path in compiled)
    assert not any(str(build).encode() in path.read_bytes() for path in build.rglob("*.pyc"))


def _foreign_wheel(folder: Path) -> None:
    library = folder / "foreign.so"
    library.write_bytes(b"\x7fELF".ljust(18, b"\0") + (0xF3).to_bytes(2, "little"))


def _checked_file(folder: Path) -> None:
    compiled = next(folder.rglob("*.pyc"))
    compiled.write_bytes(compiled.read_bytes()[:4] + bytes(4) + compiled.read_bytes()[8:])


SPOILED: dict[str, Callable[[Path], object]] = {
    "cryptography does not belong in": lambda folder: (folder / "cryptography").mkdir(),
    "tests does not belong in": lambda folder: (folder / "tests").mkdir(),
    "is not compiled": lambda folder: (folder / "late.py").write_text("x = 1\n"),
    "is not built for": _foreign_wheel,
    "is not an unchecked .pyc": _checked_file,
    "more than 25000000": lambda folder: (folder / "big.bin").write_bytes(bytes(25_000_001)),
    "has no code": lambda folder: [path.unlink() for path in folder.rglob("*.py")],
}


@pytest.mark.parametrize("fault", SPOILED)
def test_a_fault_of_a_package_is_named(fault: str, build: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    shutil.copytree(build / "functions/tokens", folder)
    SPOILED[fault](folder)
    (found,) = artifact.package_faults(folder, HERE, True)
    assert fault in found


def test_a_pyc_of_another_python_is_named(build: Path) -> None:
    other = Runtime("3.99", HERE.architecture)
    assert artifact.faults(build, other, compiled=False)


def test_only_a_python_of_the_runtime_version_compiles(tmp_path: Path) -> None:
    lying = tmp_path / "python3.99"
    lying.symlink_to(sys.executable)
    environ = {"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path), "RUNTIME_PYTHON": str(lying)}
    assert artifact.interpreter("3.99", environ) is None
    assert artifact.interpreter(HERE.version, environ) == str(lying)


def test_botocore_keeps_only_the_data_of_operations_that_the_engine_calls(build: Path) -> None:
    """The services and operations are read from the engine's sources; no list has to be maintained."""
    (data,) = build.glob("*/python/botocore/data")
    assert {path.name for path in data.iterdir() if path.is_dir()} == {"kms", "sqs"}
    for service, operation in (("kms", "Decrypt"), ("sqs", "SendMessage")):
        (model,) = data.glob(f"{service}/*/service-2.json")
        kept = json.loads(model.read_text())["operations"]
        assert operation in kept
        assert not {"ScheduleKeyDeletion", "DeleteQueue"} & set(kept)


def test_the_layer_has_the_roots_of_aws_where_its_client_looks_for_them(build: Path) -> None:
    (roots,) = build.glob("*/python/amazon_roots.pem")
    assert roots.parent / "engine" / "platform" / "aws_json.py" in roots.parent.rglob("aws_json.py")
    assert Path(aws_json.__file__).parents[2] / roots.name == aws_json.ROOTS
    assert roots.read_text().count("BEGIN CERTIFICATE") == 5


def repository(folder: Path) -> Path:
    (folder / "functions").mkdir(parents=True)
    (folder / "functions/app.py").write_text("x = 1\n")
    run_git(folder, "init", "-q")
    commit(folder, "first")
    return folder


def commit(folder: Path, message: str) -> None:
    run_git(folder, "add", "-A")
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    run_git(folder, *who, "commit", "-q", "-m", message, "--date", "2026-01-02T03:04:05Z")


def run_git(folder: Path, *arguments: str) -> str:
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_COMMITTER_DATE": "2026-01-02T04:04:05+01:00",
    }
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        env=environ,
    ).stdout


def parameters(repo: Path) -> dict[str, str]:
    artifact.write_parameters(repo, repo)
    return yaml.safe_load((repo / artifact.PARAMETERS).read_text())


def test_a_build_is_named_after_the_last_commit_that_changed_deployed_files(tmp_path: Path) -> None:
    """A commit that changes only documents does not change the name; neither does the clock."""
    repo = repository(tmp_path / "repo")
    before = parameters(repo)
    assert before["BuildRef"] == run_git(repo, "rev-parse", "HEAD")[:12]
    assert before["DeployedAt"] == "2026-01-02T03:04:05Z"
    (repo / "README.md").write_text("more\n")
    commit(repo, "documents")
    assert parameters(repo) == before


def test_uncommitted_changes_mark_the_name_of_a_build_as_dirty(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    commit_made = run_git(repo, "rev-parse", "HEAD")[:12]
    (repo / "functions/app.py").write_text("x = 2\n")
    assert parameters(repo)["BuildRef"].startswith(f"{commit_made}-dirty-")


def test_each_uncommitted_change_has_a_name_of_its_own(tmp_path: Path) -> None:
    """So every deployment of changed sources publishes versions, also the second before a commit."""
    repo = repository(tmp_path / "repo")
    names = set()
    for path, text in [
        ("functions/app.py", "x = 2\n"),
        ("functions/app.py", "x = 3\n"),
        ("functions/new.py", ""),
        ("template.yaml", "Tags: {}\n"),
    ]:
        (repo / path).write_text(text)
        names.add(parameters(repo)["BuildRef"])
        assert parameters(repo)["BuildRef"] in names
    (repo / "functions/app.py").unlink()
    names.add(parameters(repo)["BuildRef"])
    assert len(names) == 5


def test_without_git_the_defaults_of_the_template_name_the_build(tmp_path: Path) -> None:
    artifact.write_parameters(tmp_path, tmp_path)
    assert yaml.safe_load((tmp_path / artifact.PARAMETERS).read_text()) == {}
