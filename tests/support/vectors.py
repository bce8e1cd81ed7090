"""The vectors of payment providers, by file."""

import json
import re
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "data" / "payments"


def vectors(name: str) -> Any:
    """The content of `tests/data/payments/<name>.json`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def raw(document: Any) -> bytes:
    """A body as it is pushed: JSON, decimals as its numbers, or the text itself."""
    if isinstance(document, str):
        return document.encode()
    written = json.dumps(document, default=lambda number: f"<{number}>")
    return re.sub('"<([0-9A-Za-z.+-]+)>"', r"\1", written).encode()
