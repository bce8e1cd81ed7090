"""Checks `make sam-local` from its start to what it leaves behind: `python -m tools.sam.check`.

Where a Docker daemon answers, containers are those of AWS's own image. Where none does, as root on Debian
with `docker.io` and `mmdebstrap` installed, a daemon is started in namespaces of its own and the image is a
stand-in made of Debian's packages. Nothing of it is left: neither program, nor container, nor file, nor
rule of the network, nor control group.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from local.build import build
from local.engine import free_port
from local.package import layers
from local.settings import ROOT
from local.template import load_template
from tools.artifact import Runtime
from tools.sam import daemon, image
from tools.sam.checks import ALONE, BESIDE_EACH_OTHER, FIRST, Check, Checked
from tools.sam.clock import Clock
from tools.sam.daemon import Docker, DockerError
from tools.sam.enclosure import entering, own_daemon, remove_groups
from tools.sam.events import FillError
from tools.sam.image import ImageError
from tools.sam.layer_image import RunImage, dependencies
from tools.sam.rig import CheckError, Rig, require

NEEDED = ("dockerd", "mmdebstrap", "unshare", "ip", "iptables")
TEMPLATE = ROOT / "template.yaml"
_ARCHIVE = "image.tar"
_RULES = (("iptables", "-S"), ("iptables", "-t", "nat", "-S"))


def main() -> int:
    """The exit code: 0 where everything is as it should be, else 1 with what is not."""
    parser = argparse.ArgumentParser(prog="python -m tools.sam.check", description=__doc__)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--began", type=float, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    # As Ctrl-C, so that nothing is left then either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if asked.inside is not None:
            _run_enclosed(asked.inside, Clock(asked.began, enclosed=True))
        else:
            _run(Clock())
    except (CheckError, DockerError, FillError, ImageError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


def _run(clock: Clock) -> None:
    files, network = _files(), _network()
    with tempfile.TemporaryDirectory(prefix="pluct-sam-") as name:
        folder = Path(name)
        docker = _daemon()
        if docker is not None:
            _prepare(folder, docker.architecture)
            _run_checks(folder, docker, clock)
        else:
            _enclose(folder, clock)
    require(_files() == files, f"The checkout has other files: {_files() ^ files}")
    require(_network() == network, f"The network has changed: {network}, {_network()}")
    clock.say("nothing is left on the machine")


def _enclose(folder: Path, clock: Clock) -> None:
    """Has everything looked at in namespaces, where a daemon starts while the image is made out here.

    Raises CheckError.
    """
    words = [sys.executable, "-m", "tools.sam.check", "--inside", str(folder)]
    words += ["--began", str(clock.began)]
    enclosed = subprocess.Popen(entering(words), cwd=ROOT, stdin=subprocess.PIPE)
    try:
        machine = os.uname().machine
        architecture = "arm64" if machine == "aarch64" else machine
        _prepare(folder, architecture, with_image=True)
        clock.say("the image is made, the layer built")
        # What it waits for: everything that needs a network is there.
        enclosed.communicate(f"{clock.used_s()}\n".encode())
    except BaseException:
        enclosed.kill()
        enclosed.wait()
        raise
    finally:
        remove_groups(folder.name)
    require(enclosed.returncode == 0, "A check failed.")


def _daemon() -> Docker | None:
    try:
        return daemon.find()
    except DockerError as error:
        missing = [name for name in NEEDED if shutil.which(name) is None]
        if missing or os.geteuid() != 0:
            raise DockerError(
                f"{error}\nTo start one for this check, be root and install Debian's docker.io, mmdebstrap,"
                f" iptables and iproute2 (missing: {', '.join(missing) or 'nothing'})."
            ) from None
        return None


def _prepare(folder: Path, architecture: str, *, with_image: bool = False) -> None:
    """What needs a network, which there is none of in the namespaces, and a copy of the checkout."""
    steps: list[Callable[[], None]] = [
        lambda: Rig(folder, 0).copy(ROOT),
        lambda: build(ROOT),
        lambda: _build_layers(architecture),
    ]
    if with_image:
        steps.insert(0, lambda: _make_image(folder / _ARCHIVE, architecture))
    with ThreadPoolExecutor() as pool:
        for step in [pool.submit(step) for step in steps]:
            step.result()


def _make_image(archive: Path, architecture: str) -> None:
    runtime = Runtime.of(load_template(TEMPLATE))
    tag = daemon.runtime_image(f"python{runtime.version}", architecture)
    image.make(archive, tag, runtime.version, architecture)


def _build_layers(architecture: str) -> None:
    for layer in layers(load_template(TEMPLATE), ROOT):
        dependencies(layer, ROOT / ".cache", architecture)


def _run_enclosed(folder: Path, clock: Clock) -> None:
    with own_daemon(folder / "docker"):
        used = sys.stdin.readline()
        require(bool(used), "The image was not made.")
        clock.used_before_s = float(used)
        daemon.ask("load", "--input", str(folder / _ARCHIVE))
        (folder / _ARCHIVE).unlink()
        clock.say("a Docker daemon has the image")
        _run_checks(folder, daemon.find(), clock)


def _run_checks(folder: Path, docker: Docker, clock: Clock) -> None:
    """Starts a run, has everything looked at, stops it and looks at what it left. Raises CheckError."""
    rig = Rig(folder, free_port())
    with ExitStack() as held:
        # The hand-off of slow calls is seen in two seconds.
        took_s = rig.start(REQUEST_TIMEOUT="2", RATE_LIMIT="100000")
        running = held.enter_context(_stopped_at_last(rig))
        clock.say(f"make sam-local is ready, {took_s:.1f} s after its start")
        try:
            _look(Checked(rig, docker), clock)
        except (CheckError, FillError, OSError):
            print(rig.said()[-3000:], file=sys.stderr)
            raise
        running.pop_all()
    code = rig.stop()
    require(code == 0, f"It ended with {code}:\n{rig.said()[-4000:]}")
    label = RunImage(rig.layout(docker.architecture), "").label
    images = [f"image {name}" for name in daemon.marked(label)]
    left = [*rig.left_behind(docker.gateway), *images]
    require(not left, f"It left behind: {left}")
    clock.say("Ctrl-C ends it; no program, container, image, port or file is left")


def _look(checked: Checked, clock: Clock) -> None:
    def in_turn(checks: Iterable[Check]) -> None:
        for check in checks:
            began = time.monotonic()
            said = check(checked)
            clock.say(f"{said} ({time.monotonic() - began:.1f} s)")

    in_turn(FIRST)
    with ThreadPoolExecutor() as pool:
        for row in [pool.submit(in_turn, checks) for checks in BESIDE_EACH_OTHER]:
            row.result()
    in_turn(ALONE)


def _stopped_at_last(rig: Rig) -> ExitStack:
    stack = ExitStack()
    stack.callback(rig.stop)
    return stack


def _files() -> frozenset[str]:
    """The files of the checkout, as git sees them: what it ignores is not looked at."""
    words = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    return frozenset(
        subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    )


def _network() -> list[str]:
    """The names of the network's links, and the packet filter's rules as far as this user may see them."""
    links = [line.split()[0] for line in _output("ip", "-brief", "link").splitlines()]
    return [*links, *(line for words in _RULES for line in _output(*words).splitlines())]


def _output(*words: str) -> str:
    if shutil.which(words[0]) is None:
        return ""
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


if __name__ == "__main__":
    sys.exit(main())
