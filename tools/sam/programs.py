"""Other programs as parts of a run: each in a session of its own, told to stop, and ended if it does not."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import IO

_LINE_LIMIT_BYTES = 1 << 20
"""More than a function's longest line: one that is longer would end the reading."""

Program = asyncio.subprocess.Process


@contextlib.asynccontextmanager
async def program(
    *words: str,
    folder: Path,
    environ: Mapping[str, str],
    grace_s: float,
    output: IO[bytes] | int | None = None,
) -> AsyncIterator[Program]:
    """`words` as a program in `folder`, with its output and errors in `output`.

    On leaving it gets SIGTERM, and `grace_s` seconds later SIGKILL with all that it started. A session of
    its own keeps Ctrl-C, which a terminal sends to everybody, from ending the parts in any order.
    """
    started = await asyncio.create_subprocess_exec(
        *words,
        cwd=folder,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=output,
        stderr=None if output is None else asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=_LINE_LIMIT_BYTES,
    )
    try:
        yield started
    finally:
        await _stop(started, grace_s)


async def _stop(started: Program, grace_s: float) -> None:
    with contextlib.suppress(ProcessLookupError):
        started.terminate()
    try:
        await asyncio.wait_for(started.wait(), grace_s)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        await started.wait()
