"""`logs/cli.log`: what was called when and how it ended; never a header, a body or a query."""

import contextlib
import os
import re
from datetime import UTC, datetime
from pathlib import Path

DEFAULT_PATH = Path("logs/cli.log")
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*|pk_live_\w+|whsec_\S+")


def append(*words: object) -> None:
    """One line: the time in UTC and `words`. A log that can not be written stops no command."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = _TOKEN.sub("[secret]", " ".join(str(word) for word in words))
    line = text if text.isprintable() else text.encode("unicode_escape").decode()
    path = Path(os.environ.get("PLUCT_LOG") or DEFAULT_PATH)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with open(descriptor, "a", encoding="utf-8") as file:
            file.write(f"{at} {line}\n")
