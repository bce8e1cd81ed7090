"""Runs MiniStack and stops it when its parent process ends.

`local.engine` starts this file with the engine's interpreter, so it imports only the standard library.
Standard input is a pipe that the parent holds open and never writes to. The kernel closes it when the parent
ends, even by SIGKILL; then this program kills its process group, which includes the function workers.
"""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import threading


def _end_with_the_parent() -> None:
    os.read(0, 1)
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    runpy.run_module("ministack", run_name="__main__")
