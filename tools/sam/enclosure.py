"""A Docker daemon of one's own on a machine that runs none: in namespaces of Linux, as root.

Network, processes and mounts in there are apart from the machine's. What Docker does to them (a bridge,
packet filter rules, the policy of forwarding, mounts of containers) goes with the last process, however
it ends; the kernel ends all others with the first. Only files are left, in the folder that is given.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.sam.daemon import DockerError, ask

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_LOOK_S = 0.1
NAMESPACES = ("--net", "--pid", "--mount", "--fork", "--kill-child=SIGKILL", "--mount-proc")


def entering(words: Sequence[str]) -> list[str]:
    """`words` as they are run in namespaces of their own, with a loopback that is up."""
    script = 'ip link set lo up && exec "$@"'
    return ["unshare", *NAMESPACES, "sh", "-c", script, "sh", *words]


@contextlib.contextmanager
def own_daemon(folder: Path) -> Iterator[None]:
    """A daemon with all of its files in `folder`; `DOCKER_HOST` names it meanwhile. Raises DockerError.

    Without its proxies for published ports, which accept connections before a container listens.
    """
    address = f"unix://{folder / 'docker.sock'}"
    words = ["dockerd", "--host", address, "--userland-proxy=false"]
    files = {"data-root": "data", "exec-root": "exec", "pidfile": "docker.pid"}
    options = [f"--{option}={folder / name}" for option, name in files.items()]
    folder.mkdir(parents=True)
    with open(folder / "dockerd.log", "wb") as log:
        process = subprocess.Popen([*words, *options], stdout=log, stderr=subprocess.STDOUT)
    os.environ["DOCKER_HOST"] = address
    try:
        _wait_ready(process, folder / "dockerd.log")
        yield
    finally:
        os.environ.pop("DOCKER_HOST")
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(DockerError):
            ask("version")
            return
        time.sleep(_LOOK_S)
    raise DockerError(f"dockerd did not start:\n{log.read_text(errors='replace')[-2000:]}")
