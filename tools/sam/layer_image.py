"""The images of containers: the runtime's with SAM's emulator of Lambda, upon it what the layers depend on,
upon that their own packages.

The first two change seldom, so they are kept. The last one belongs to one run: it is made anew after each
edit of a layer, and goes with the run. It has the name that SAM would give to an image with its emulator,
so SAM makes none.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from local.package import Layer, build_dependencies, dependencies_folder, layers
from local.template import load_template
from tools.artifact import LAYER_PREFIX, Runtime, compile_folder, interpreter
from tools.sam import daemon
from tools.sam.daemon import DockerError
from tools.sam.layout import Layout

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""A processor as the template names it, and as wheels do."""
EMULATOR = "/var/rapid/aws-lambda-rie"
"""Where SAM starts its emulator of Lambda in a container."""


@dataclass(frozen=True)
class RunImage:
    """The image of one run's containers: `runtime`, the layers' dependencies and their own packages."""

    layout: Layout
    runtime: str
    # Ctrl-C ends the waiting for `make`, not its thread: `remove` waits for that.
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @property
    def _repository(self) -> str:
        digest = hashlib.sha256(str(self.layout.folder).encode()).hexdigest()[:16]
        return f"pluct-local/run-{digest}"

    @property
    def name(self) -> str:
        """With the tag of SAM's own image for this repository, which it takes as it is."""
        return f"{self._repository}:rapid-{self.layout.architecture}"

    @property
    def label(self) -> str:
        """On the image of this run."""
        return f"pluct.run={self._repository}"

    def make(self) -> None:
        """Makes it, or makes it anew: the next container is started from it.

        Raises PackageError, ArtifactError or DockerError.
        """
        folder = self.layout.own_packages
        with self._lock:
            base = with_dependencies(self.layout.root, self.runtime, self.layout.architecture)
            copied = {path.name: LAYER_PREFIX for path in sorted(folder.iterdir())}
            daemon.build(self.name, base, folder, copied, self.label)

    def remove_replaced(self) -> None:
        """Removes the images of before the last edit, once their containers are gone."""
        daemon.remove_unnamed(self.label)

    def remove(self) -> None:
        """Removes the image, once no container is left. Raises DockerError."""
        with self._lock:
            daemon.remove_references(daemon.references(self._repository))
            daemon.remove_unnamed(self.label)


def with_dependencies(root: Path, runtime: str, architecture: str) -> str:
    """The name of `runtime` with SAM's emulator and what the layers depend on, made if there is none.

    Raises PackageError, ArtifactError or DockerError.
    """
    image = with_emulator(root, runtime, architecture)
    for layer in layers(load_template(root / "template.yaml"), root):
        built = dependencies(layer, root / ".cache", architecture).parent
        base, digest = image, hashlib.sha256(f"{image} {built.name}".encode()).hexdigest()[:16]
        image = f"pluct-local/{layer.logical_id.lower()}:{digest}"
        if not daemon.has_image(image):
            daemon.build(image, base, built, {".": LAYER_PREFIX})
    return image


def with_emulator(root: Path, runtime: str, architecture: str) -> str:
    """The name of `runtime` with the emulator of the installed SAM. Raises DockerError."""
    program = emulator(root, architecture)
    with open(program, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    image = (
        f"pluct-local/emulator:{hashlib.sha256(f'{runtime} {digest}'.encode()).hexdigest()[:16]}"
    )
    if not daemon.has_image(image):
        daemon.build(image, runtime, program.parent, {program.name: EMULATOR})
    return image


def emulator(root: Path, architecture: str) -> Path:
    """SAM's emulator for a processor. Raises DockerError where SAM is not installed."""
    pattern = f"lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{architecture}"
    for found in (root / ".venv-sam").glob(pattern):
        return found
    raise DockerError(f"SAM's emulator of Lambda is missing: .venv-sam/{pattern}")


def dependencies(layer: Layer, cache: Path, architecture: str) -> Path:
    """Where what the layer depends on lies, built for `architecture` when it is first asked for.

    It is compiled where this machine has a Python of the runtime's version, which makes a container's
    start a third as long. Raises PackageError or ArtifactError.
    """
    machine = MACHINES[architecture]
    build_dependencies(layer, cache, machine=machine)
    built = dependencies_folder(layer, cache, machine=machine)
    runtime = Runtime.of(load_template(layer.source.parent.parent / "template.yaml"))
    if next(built.rglob(f"*.{runtime.tag}.pyc"), None) is None:
        _compile(built.parent, runtime)
    return built


def compile_own(layout: Layout) -> None:
    """Compiles the copies of the layers' own packages where this machine has a Python of the runtime's
    version; each container would do it again. Raises ArtifactError.
    """
    runtime = Runtime.of(load_template(layout.root / "template.yaml"))
    for folder in layout.own_packages.iterdir():
        _compile(folder, runtime)


def _compile(folder: Path, runtime: Runtime) -> None:
    python = interpreter(runtime.version, os.environ)
    if python is not None:
        compile_folder(folder, LAYER_PREFIX, python)
