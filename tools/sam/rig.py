"""A run of `make sam-local` for a check: in a copy of the checkout, with a home and temporary files of its
own, so that whatever it leaves behind shows.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from local.services import LOOPBACK
from tools.sam.daemon import containers
from tools.sam.events import Run
from tools.sam.layout import Layout
from tools.sam.run import FOLDER, READY

READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
_LOOK_S = 0.2
_NOT_COPIED = (".git", ".venv*", ".cache", ".aws-sam", ".local", "build", "__pycache__")
_LINKED = (".venv", ".venv-engine", ".venv-sam", ".cache")


class CheckError(AssertionError):
    """Something is not as it should be; the text says what."""


def require(holds: bool, what: str) -> None:
    """Raises CheckError unless it `holds`."""
    if not holds:
        raise CheckError(what)


@dataclass
class Rig:
    """The places of one run under `folder`, and its program once it is started."""

    folder: Path
    port: int
    program: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def run_file(self) -> Path:
        return self.folder / "run" / "run.json"

    @property
    def log(self) -> Path:
        return self.folder / "sam-local.log"

    @cached_property
    def run(self) -> Run:
        return Run(json.loads(self.run_file.read_text(encoding="utf-8")))

    def layout(self, architecture: str) -> Layout:
        return Layout(self.run_file.parent / FOLDER, self.checkout, architecture)

    @property
    def environ(self) -> dict[str, str]:
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp")}
        choices = {"PORT": str(self.port), "RUN_FILE": str(self.run_file)}
        return {**os.environ, **own, **choices, "SAM_CLI_TELEMETRY": "0"}

    def copy(self, root: Path) -> None:
        """The sources of `root`, with its installed packages linked: edits there touch nobody's files."""
        shutil.copytree(root, self.checkout, ignore=shutil.ignore_patterns(*_NOT_COPIED))
        for name in _LINKED:
            (self.checkout / name).symlink_to((root / name).resolve())
        for name in ("home", "tmp", "run"):
            (self.folder / name).mkdir()

    def start(self, **choices: str) -> float:
        """Starts it, with `choices` in its environment; the seconds until it was ready.

        Raises CheckError with the end of its log when it does not get so far.
        """
        began = time.monotonic()
        with open(self.log, "wb") as log:
            self.program = subprocess.Popen(
                [sys.executable, "-m", "tools.sam"],
                cwd=self.checkout,
                env={**self.environ, **choices},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        while f"\n{READY}" not in self.said():
            ended = self.program.poll() is not None
            if ended or time.monotonic() - began > READY_TIMEOUT_S:
                raise CheckError(f"It did not get ready:\n{self.said()[-4000:]}")
            time.sleep(_LOOK_S)
        return time.monotonic() - began

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ends it as Ctrl-C does; its exit code. Raises CheckError when it does not end."""
        if self.program is None:
            raise CheckError("It was not started.")
        self.program.send_signal(number)
        try:
            return self.program.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.program.kill()
            self.program.wait()
            raise CheckError(f"It did not stop:\n{self.said()[-4000:]}") from None

    def left_behind(self, gateway: str) -> list[str]:
        """Every program, container, listening port and file that outlives the run; `gateway` is the
        address of the containers' bridge.
        """
        members = self.run.members
        ports = [urlsplit(members[name]).port or 0 for name in members if name.endswith("Url")]
        return [
            *(f"program {words}" for words in self._programs()),
            *(f"container {name}" for name in containers(self.checkout / "functions")),
            *(
                f"port {port} of {host}"
                for host in (LOOPBACK, gateway)
                for port in ports
                if _listens(host, port)
            ),
            *(f"file {path}" for path in self._files()),
        ]

    def _files(self) -> Iterator[Path]:
        for name in ("tmp", "run"):
            yield from (self.folder / name).iterdir()
        yield from (
            path for path in (self.checkout / ".local", self.checkout / ".aws-sam") if path.exists()
        )

    def _programs(self) -> Iterator[str]:
        """The command lines that name a place of the run; those that have ended have none."""
        marks = [str(place).encode() for place in (self.checkout, self.run_file.parent)]
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes()
            except OSError:
                continue
            if any(mark in words for mark in marks) and path.parent.name != str(os.getpid()):
                yield words.replace(b"\0", b" ").decode(errors="replace").strip()


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0
