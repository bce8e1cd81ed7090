"""The folder that a run of `sam local` reads: template, variables, layer, and SAM's own settings.

It lies beside the run file, apart from `.aws-sam/`, so that `make build` and such a run leave each other
alone. The template names the sources of the functions themselves, and the layer's own package is copied
as it changes: an edit is served without a build. For SAM the functions have no layer: it would read all files
of it three times, and make an image of it, for each container that it starts. The layer is in the containers'
image (`tools/sam/layer_image.py`).
"""

from __future__ import annotations

import copy
import filecmp
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.package import Layer, layers
from local.template import Template, load_template, resources_of_type
from tools.sam.env import CONTAINER_HOST, Environment, names


@dataclass(frozen=True)
class Layout:
    """The files under `folder`, for a checkout at `root` and containers of `architecture`."""

    folder: Path
    root: Path
    architecture: str

    @property
    def template_file(self) -> Path:
        return self.folder / "template.json"

    @property
    def env_file(self) -> Path:
        return self.folder / "env.json"

    @property
    def config_file(self) -> Path:
        """What `sam --config-file` takes: with it SAM needs no other option."""
        return self.folder / "samconfig.toml"

    @property
    def sam_environ(self) -> dict[str, str]:
        """Added to SAM's environment. It keeps locks among the temporary files, and leaves them there
        when it is stopped while it builds an image: the next one would wait for them.
        """
        return {"SAM_CLI_TELEMETRY": "0", "TMPDIR": str(self.folder / "tmp")}

    def create(self) -> None:
        """Makes the folder, for its owner alone, and the layers in it; what lay there goes."""
        self.remove()
        (self.folder / "tmp").mkdir(mode=0o700, parents=True)
        self.folder.chmod(0o700)
        self.copy_layers()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def write(self, environment: Environment, image: str, port: int) -> None:
        """Puts the files in place that say what the functions are and what they are given.

        `image` is what their containers are made of; start-api listens on `port`.
        """
        source = load_template(self.root / "template.yaml")
        template = self.template(source, names(environment))
        self.template_file.write_text(json.dumps(template, indent=1), encoding="utf-8")
        self.env_file.write_text(json.dumps(environment, indent=1), encoding="utf-8")
        self.config_file.write_text(self.config(image, port), encoding="utf-8")

    def template(self, source: Template, variables: Iterable[str]) -> Template:
        """`source` for containers: its code by absolute paths, its functions for their processor.

        SAM hands a function those variables alone that its template declares, so all of `variables`
        are declared for all functions. The layer is left out, as it is in the image.
        """
        made = copy.deepcopy(source)
        common = made["Globals"]["Function"]
        common["Architectures"] = [self.architecture]
        declared = common["Environment"]["Variables"]
        for name in variables:
            declared.setdefault(name, "")
        for function in resources_of_type(made, "AWS::Serverless::Function").values():
            folder = self.root / function["Properties"]["CodeUri"]
            function["Properties"]["CodeUri"] = str(folder)
        del common["Layers"]
        return made

    def config(self, image: str, port: int) -> str:
        """Options of SAM's three commands that run functions, in SAM's form."""
        shared = f"""\
template_file = {_text(self.template_file)}
env_vars = {_text(self.env_file)}
add_host = ["{CONTAINER_HOST}:host-gateway"]
layer_cache_basedir = {_text(self.folder / "layers")}
invoke_image = [{json.dumps(image)}]
skip_pull_image = true
"""
        return f"""\
version = 0.1

[default.local_invoke.parameters]
{shared}
[default.local_start_lambda.parameters]
{shared}host = "127.0.0.1"
warm_containers = "LAZY"

[default.local_start_api.parameters]
{shared}host = "127.0.0.1"
port = {port}
warm_containers = "LAZY"
"""

    def copy_layers(self) -> bool:
        """Brings the copies of the layers' own packages up to date; whether there was anything to do."""
        source = load_template(self.root / "template.yaml")
        changed = [
            _mirror(package.parent, self._python(layer) / package.parent.name)
            for layer in layers(source, self.root)
            for package in sorted(layer.source.glob("*/__init__.py"))
        ]
        return any(changed)

    @property
    def own_packages(self) -> Path:
        """A folder for each layer, with the packages of this checkout as Lambda would lay them out."""
        return self.folder / "own"

    def _python(self, layer: Layer) -> Path:
        return self.own_packages / layer.logical_id / "python"


def _mirror(source: Path, target: Path) -> bool:
    """Makes the files of `target` those of `source`; whether any differed.

    What was compiled of a file that differed is removed: Python would not see that it is older.
    """
    wanted = {path.relative_to(source) for path in _files(source)}
    there = {path.relative_to(target) for path in _files(target)} if target.exists() else set()
    changed = [
        path
        for path in sorted(wanted)
        if path not in there or not filecmp.cmp(source / path, target / path)
    ]
    for path in changed:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / path, target / path)
        for compiled in (target / path).parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            compiled.unlink()
    for path in there - wanted:
        (target / path).unlink()
    return bool(changed or there - wanted)


def _files(folder: Path) -> Iterator[Path]:
    return (
        path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    )


def _text(path: Path) -> str:
    """A path as a TOML string, which JSON's form is one of."""
    return json.dumps(str(path))
