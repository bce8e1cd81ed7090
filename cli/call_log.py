"""`logs/cli.log`: each call and the end of each command; never a header, a body or a query."""

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import typer

from cli.exit_codes import DONE, INTERRUPTED
from cli.output import warn

DEFAULT_PATH = Path("logs/cli.log")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|pk_live_\w+|whsec_\S+")


def append(*words: object) -> None:
    """Adds one line: the time in UTC and `words`. A command continues if the log cannot be written."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = _TOKEN.sub("[secret]", " ".join(str(word) for word in words))
    line = text if text.isprintable() else text.encode("unicode_escape").decode()
    path = Path(os.environ.get("PLUCT_LOG") or DEFAULT_PATH)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(f"{at} {line}\n")


@contextmanager
def logged(command: str) -> Iterator[None]:
    """Logs how the command ended, with its exit code."""
    try:
        yield
    except typer.Exit as ended:
        append("end", command, f"exit={ended.exit_code}")
        raise
    except KeyboardInterrupt:
        append("end", command, "interrupted")
        warn("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    append("end", command, f"exit={DONE}")
