"""Deploys the template into the local engine by the real `sam deploy`: `python -m tools.sam_deploy`.

`make run` deploys a translated copy, which the engine understands better; this is the command that a
real account gets, with the template as it is but for the alarms that the engine refuses. Each of them
is named. Code is packed for this machine, as the engine runs functions by its own Python.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from local.engine import REGION, running_engine
from local.engine_gaps import BY_SAM
from local.package import build_dependencies, dependencies_folder, layers
from local.settings import ROOT
from local.template import Template, load_template, resources_of_type
from local.translate import take_out_computed_alarms
from tools.artifact import copy_code, make_uniform
from tools.compare_deployment import compare, told

SAM = Path(".venv-sam") / "bin" / "sam"
UNCHANGED = "No changes to deploy"
_TIMEOUT_S = 300


class SamDeployError(RuntimeError):
    """`sam deploy` is not there or ended with an error; the text is what it said."""


def assemble(folder: Path, root: Path = ROOT) -> list[str]:
    """Puts into `folder` what `sam deploy` uploads: the template, and all code as on this machine.

    Returns what was taken out of the template because the engine refuses it.
    """
    template = load_template(root / "template.yaml")
    for layer in layers(template, root):
        target = folder / layer.logical_id / "python"
        build_dependencies(layer, root / ".cache")
        copy_code(dependencies_folder(layer, root / ".cache"), target)
        for package in sorted(layer.source.glob("*/__init__.py")):
            copy_code(package.parent, target / package.parent.name)
        properties = template["Resources"][layer.logical_id]["Properties"]
        properties["ContentUri"] = layer.logical_id
    for function in resources_of_type(template, "AWS::Serverless::Function").values():
        code = function["Properties"]["CodeUri"]
        copy_code(root / code, folder / code)
    make_uniform(folder)
    left_out = _take_out_computed_alarms(template)
    (folder / "template.json").write_text(json.dumps(template, indent=1), encoding="utf-8")
    return left_out


def _take_out_computed_alarms(template: Template) -> list[str]:
    """Also where a deployment would watch them."""
    gone = take_out_computed_alarms(template["Resources"])
    scopes = [template["Globals"]["Function"]]
    scopes += [
        function["Properties"]
        for function in resources_of_type(template, "AWS::Serverless::Function").values()
    ]
    for scope in scopes:
        preference = scope["DeploymentPreference"]
        preference["Alarms"] = [alarm for alarm in preference["Alarms"] if alarm["Ref"] not in gone]
    return gone


def parameters(config_env: str, given: Mapping[str, str], root: Path = ROOT) -> dict[str, str]:
    """What samconfig.toml says for `config_env`, but for the file that `make build` writes, and `given`."""
    config = tomllib.loads((root / "samconfig.toml").read_text(encoding="utf-8"))
    configured: list[str] = config[config_env]["deploy"]["parameters"]["parameter_overrides"]
    pairs = (text.split("=", 1) for text in configured if not text.startswith("file://"))
    return {**dict(pairs), **given}


def stack_name(config_env: str, root: Path = ROOT) -> str:
    config = tomllib.loads((root / "samconfig.toml").read_text(encoding="utf-8"))
    name: str = config[config_env]["global"]["parameters"]["stack_name"]
    return name


def sam_deploy(
    endpoint: str, folder: Path, config_env: str, values: Mapping[str, str], *options: str
) -> str:
    """Runs `sam deploy` on an assembled folder against the engine; returns what it said.

    Raises SamDeployError when it ends with an error.
    """
    sam = ROOT / SAM
    if not sam.exists():
        raise SamDeployError("The SAM command line is not installed: run `make setup-sam`.")
    command = [
        str(sam), "deploy",
        "--template-file", str(folder / "template.json"),
        "--config-file", str(ROOT / "samconfig.toml"),
        "--config-env", config_env,
        "--no-confirm-changeset",
        "--parameter-overrides", *(f"{name}={value}" for name, value in values.items()),
        *options,
    ]  # fmt: skip
    ended = subprocess.run(
        command,
        cwd=folder,
        env=_environment(endpoint, folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    if ended.returncode:
        raise SamDeployError(ended.stdout)
    return ended.stdout


def _environment(endpoint: str, folder: Path) -> dict[str, str]:
    """Nothing of the caller's: neither a profile nor a credential of a real account is in reach."""
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PATH": os.defpath,
        # Seconds between looks at a change set; the engine makes one in less than one.
        "SAM_CLI_POLL_DELAY": "0.25",
        "SAM_CLI_TELEMETRY": "0",
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.sam_deploy", description=__doc__)
    parser.add_argument("--config-env", default="default", help="of samconfig.toml; %(default)s")
    parser.add_argument(
        "values",
        nargs="*",
        metavar="NAME=VALUE",
        default=["Environment=local"],
        help="parameters beside those of samconfig.toml; %(default)s",
    )
    asked = parser.parse_args()
    # It warns of every function that a feature of its own is off.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    given = dict(text.split("=", 1) for text in asked.values)
    values = parameters(asked.config_env, given)
    with _engine() as endpoint, tempfile.TemporaryDirectory(prefix="pluct-sam-") as made:
        folder = Path(made)
        left_out = assemble(folder)
        try:
            print(sam_deploy(endpoint, folder, asked.config_env, values))
            again = sam_deploy(endpoint, folder, asked.config_env, values)
        except SamDeployError as error:
            print(error, file=sys.stderr)
            return 1
        print(f"Left out, as the engine refuses them: {', '.join(left_out)}.")
        print(f"Deployed again: {'no changes' if UNCHANGED in again else again}.")
        template = load_template(ROOT / "template.yaml")
        found = compare(endpoint, stack_name(asked.config_env), template, values)
        print(told(found, BY_SAM))
    return 0


@contextlib.contextmanager
def _engine() -> Iterator[str]:
    """The engine that AWS_ENDPOINT_URL names, else one of its own."""
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        yield endpoint
        return
    with running_engine() as engine:
        yield engine.endpoint


if __name__ == "__main__":
    sys.exit(main())
