"""The images of containers: the runtime's, upon it what the layers depend on, upon that their own packages.

What they depend on changes seldom, so its image is kept. The last one belongs to one run: it is made anew
after each edit of a layer, and goes with the run.
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
from tools.sam.layout import Layout

MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""A processor as the template names it, and as wheels do."""


@dataclass(frozen=True)
class RunImage:
    """The image of one run's containers: `base` with the layers' own packages."""

    layout: Layout
    base: str
    # Ctrl-C ends the waiting for `make`, not its thread: `remove` waits for that.
    _lock: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    @property
    def _repository(self) -> str:
        digest = hashlib.sha256(str(self.layout.folder).encode()).hexdigest()[:16]
        return f"pluct-local/run-{digest}"

    @property
    def name(self) -> str:
        return f"{self._repository}:layer"

    @property
    def label(self) -> str:
        """On the image and on what SAM makes of it."""
        return f"pluct.run={self._repository}"

    def make(self) -> None:
        """Makes it, or makes it anew: the next container is started from it. Raises DockerError.

        SAM puts its emulator of Lambda upon it once, in an image of the same repository, which therefore
        loses its name here.
        """
        folder = self.layout.own_packages
        with self._lock:
            parts = sorted(path.name for path in folder.iterdir())
            daemon.build(self.name, self.base, folder, parts, self.label)
            others = [name for name in daemon.references(self._repository) if name != self.name]
            daemon.remove_references(others)

    def remove_replaced(self) -> None:
        """Removes the images of before the last edit, once their containers are gone."""
        daemon.remove_unnamed(self.label)

    def remove(self) -> None:
        """Removes the image and what SAM made of it, once no container is left. Raises DockerError."""
        with self._lock:
            daemon.remove_references(daemon.references(self._repository))
            daemon.remove_unnamed(self.label)


def with_dependencies(root: Path, base: str, architecture: str) -> str:
    """The name of `base` with what the layers depend on, made when it is first asked for.

    Raises PackageError, ArtifactError or DockerError.
    """
    image = base
    for layer in layers(load_template(root / "template.yaml"), root):
        built = dependencies(layer, root / ".cache", architecture).parent
        base, image = image, f"pluct-local/{built.name.lower().replace('-', ':')}"
        if not daemon.has_image(image):
            daemon.build(image, base, built)
    return image


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
        python = interpreter(runtime.version, os.environ)
        if python is not None:
            compile_folder(built.parent, LAYER_PREFIX, python)
    return built
