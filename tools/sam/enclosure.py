"""A Docker daemon of one's own on a machine that runs none: in namespaces of Linux, as root.

Network, processes and mounts in there are apart from the machine's. What Docker does to them (a bridge,
packet filter rules, the policy of forwarding, mounts of containers) goes with the last process, however
it ends; the kernel ends all others with the first. What is left are files, in the folder that is given, and
control groups with that folder's name, which `remove_groups` removes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.sam.daemon import DockerError, ask

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
_LOOK_S = 0.1
_GROUPS = Path("/sys/fs/cgroup")
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
    words += ["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{group(folder)}"]
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


def group(folder: Path) -> str:
    """The name of the control group of a daemon's containers."""
    return folder.parent.name


def remove_groups(name: str) -> None:
    """Removes the control groups of this name, of either version, once their last process has ended.

    Raises OSError when one has not ended in time.
    """
    give_up_at = time.monotonic() + STOP_TIMEOUT_S
    for top in (*_GROUPS.glob(name), *_GROUPS.glob(f"*/{name}")):
        for folder, _, _ in os.walk(top, topdown=False):
            while not _removed(folder):
                if time.monotonic() > give_up_at:
                    raise OSError(errno.EBUSY, "A control group still has processes", folder)
                time.sleep(_LOOK_S)


def _removed(group_folder: str) -> bool:
    try:
        os.rmdir(group_folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _wait_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < give_up_at:
        with contextlib.suppress(DockerError):
            ask("version")
            return
        time.sleep(_LOOK_S)
    raise DockerError(f"dockerd did not start:\n{log.read_text(errors='replace')[-2000:]}")
