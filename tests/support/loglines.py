"""The lines that the functions log, caught on their way to standard output."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from engine.platform.logs import logger


@dataclass
class Lines:
    """What was logged so far; every line must be a JSON object."""

    stream: io.StringIO = field(default_factory=io.StringIO)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def messages(self) -> list[str]:
        return [str(line["message"]) for line in self.json]


@contextmanager
def caught() -> Iterator[Lines]:
    """Lines logged while it lasts."""
    lines = Lines()
    handler: Any = logger.registered_handler
    before = handler.setStream(lines.stream)
    try:
        yield lines
    finally:
        handler.setStream(before)
