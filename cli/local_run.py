"""The file in which a local run writes its addresses and generated secrets."""

import json
from pathlib import Path

from cli.errors import CommandError

DEFAULT_PATH = Path(".local/run.json")


def read(path: Path, *required: str) -> dict[str, str]:
    """The members of the file, all of `required` among them. Raises `CommandError`."""
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        found = {name: str(value) for name, value in members.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise CommandError(f"{path} is not the file of a local run: {error!r}") from None
    missing = ", ".join(name for name in required if name not in found)
    if missing:
        raise CommandError(f"{path} is not the file of a local run: it lacks {missing}.")
    return found
