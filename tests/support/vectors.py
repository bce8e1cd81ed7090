"""The vectors of payment providers, by file."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "data" / "payments"


def vectors(name: str) -> Any:
    """The content of `tests/data/payments/<name>.json`."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def raw(document: Any) -> bytes:
    """A body as it is pushed: JSON, or the text itself."""
    return document.encode() if isinstance(document, str) else json.dumps(document).encode()
