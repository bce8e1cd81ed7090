"""What the Docker daemon says: its processor, its bridge, its images."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 60
PULL_TIMEOUT_S = 900
_FILTER = "label=sam.cli.container.type=lambda"
# Docker's name of a processor, and the template's.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


class DockerError(RuntimeError):
    """Docker is missing, does not answer, or refused; the text says what to do."""


@dataclass(frozen=True)
class Docker:
    """A daemon that answers.

    `architecture` is its processor as the template names it; `gateway` is the address under which
    containers of the default bridge reach the daemon's machine, and `network` the range of theirs.
    """

    architecture: str
    gateway: str
    network: ipaddress.IPv4Network


def find() -> Docker:
    """The daemon that `DOCKER_HOST` or the current context names. Raises DockerError."""
    machine = ask("version", "--format", "{{.Server.Arch}}")
    if machine not in ARCHITECTURES:
        raise DockerError(f"Lambda has no runtime for Docker's processor, {machine}.")
    ranges = json.loads(ask("network", "inspect", "bridge"))[0]["IPAM"]["Config"]
    # A bridge with IPv6 has a range of each kind.
    bridge = next(found for found in ranges if ":" not in found["Subnet"])
    network = ipaddress.IPv4Network(bridge["Subnet"])
    return Docker(ARCHITECTURES[machine], bridge.get("Gateway") or str(network[1]), network)


def runtime_image(runtime: str, architecture: str) -> str:
    """AWS's image of a runtime ("python3.13") under the tag that SAM looks for."""
    return f"public.ecr.aws/lambda/python:{runtime.removeprefix('python')}-{architecture}"


def has_image(image: str) -> bool:
    return bool(ask("images", "--quiet", image))


def pull(image: str) -> None:
    """Raises DockerError when the registry does not give the image."""
    ask("pull", "--quiet", image, timeout_s=PULL_TIMEOUT_S)


def build(image: str, base: str, folder: Path, copied: Mapping[str, str], label: str = "") -> None:
    """Makes `image` of `base`, with parts of `folder` at the places that `copied` names.

    `label` marks it, and what is made of it. Raises DockerError.
    """
    recipe = "\n".join([f"FROM {base}", *(f"COPY {part} {at}" for part, at in copied.items())])
    marked = ["--label", label] if label else []
    words = ("build", "--quiet", *marked, "--tag", image, "--file", "-", str(folder))
    ask(*words, said=recipe, timeout_s=PULL_TIMEOUT_S)


def references(repository: str) -> list[str]:
    """The names with tags of all images of `repository`."""
    return ask("images", "--format", "{{.Repository}}:{{.Tag}}", repository).split()


def remove_references(names: list[str]) -> None:
    """Takes the names away. An image without a name goes, unless a container runs in it."""
    if names:
        _try("rmi", "--force", *names)


def remove_unnamed(label: str) -> None:
    """Removes the images with `label` that have no name and no container."""
    _try("image", "prune", "--force", "--filter", f"label={label}")


def marked(label: str) -> list[str]:
    """The ids of the images with `label`."""
    return ask("images", "--all", "--quiet", "--filter", f"label={label}").split()


def containers(code: Path) -> list[str]:
    """The ids of SAM's containers, running or not, that have a folder under `code` mounted."""
    ids = ask("ps", "--all", "--quiet", "--no-trunc", "--filter", _FILTER).split()
    mounts = "{{.Id}}{{range .Mounts}} {{.Source}}{{end}}"
    lines = ask("inspect", "--format", mounts, *ids).splitlines() if ids else []
    return [line.split(" ")[0] for line in lines if f"{code}/" in line]


def remove(ids: list[str]) -> None:
    """Ends and removes containers; those that are gone already are passed over."""
    if ids:
        _try("rm", "--force", *ids)


def _try(*arguments: str) -> None:
    """Has `docker` clean up, as far as it can."""
    words = ["docker", *arguments]
    subprocess.run(words, capture_output=True, timeout=TIMEOUT_S, check=False)


def ask(*arguments: str, said: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """What `docker` prints, with `said` on its standard input. Raises DockerError with its complaint."""
    try:
        asked = subprocess.run(
            ["docker", *arguments],
            input=said,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise DockerError("Docker is not installed: there is no `docker` on the path.") from None
    except subprocess.TimeoutExpired:
        raise DockerError(f"`docker {arguments[0]}` took more than {timeout_s:.0f} s.") from None
    if asked.returncode:
        raise DockerError(f"`docker {arguments[0]}` failed: {asked.stderr.strip()}")
    return asked.stdout.strip()
