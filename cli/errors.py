"""The error that ends a command, and how it is reported."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from cli.exit_codes import USAGE
from cli.output import print_json, warn
from engine.platform.errors import EngineError


class CommandError(Exception):
    """A command cannot do what it was asked to do; the text gives the reason in one line.

    `code` is the exit code. `facts` are added to what `--json` prints.
    """

    def __init__(
        self, text: str, code: int = USAGE, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.facts = dict(facts or {})


@contextmanager
def reporting_errors(*, as_json: bool) -> Iterator[None]:
    """Prints a `CommandError` or an `EngineError`, and ends the command with its exit code."""
    try:
        yield
    except (CommandError, EngineError) as error:
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        text = f"{error}{cause}"

        code, facts = (error.code, error.facts) if isinstance(error, CommandError) else (USAGE, {})
        if as_json:
            print_json({"ok": False, "error": text, **facts})
        else:
            warn(f"Not done: {text}")
        raise typer.Exit(code) from None
