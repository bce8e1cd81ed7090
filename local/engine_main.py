"""Runs MiniStack so that it never outlives whoever started it.

Started by `local.engine` with the engine's own interpreter, so it imports the standard library only.
Its standard input is a pipe that the starter holds open and never writes to: the kernel closes it
when the starter ends, even by SIGKILL, and then the whole process group goes, function workers included.
"""

from __future__ import annotations

import os
import runpy
import shutil
import signal
import threading


def _end_with_the_starter() -> None:
    os.read(0, 1)
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, daemon=True).start()
    runpy.run_module("ministack", run_name="__main__")
