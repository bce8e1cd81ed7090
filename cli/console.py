"""What commands print and how they end: tables for people, `--json` for programs, one set of exit codes.

Exit codes: 0 all is well, 1 something was found, 2 it could not be done.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from engine.errors import EngineError

FOUND = 1
NOT_DONE = 2

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


class Trouble(Exception):
    """A command can not do what it was asked; the text says why."""


@contextmanager
def speaking(*, as_json: bool) -> Iterator[None]:
    """Ends the command with code 2 and a sentence where the engine or the options fail it."""
    try:
        yield
    except (Trouble, EngineError) as error:
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        text = f"{error}{cause}"
        if as_json:
            print_json({"ok": False, "error": text})
        else:
            Console(stderr=True).print(Text(f"Not done: {text}", style="red"), soft_wrap=True)
        raise typer.Exit(NOT_DONE) from None


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Cells are shown as they are: markup in what a client once sent is only text."""
    grid = Grid(*heads)
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(grid)


def say(text: str, *, good: bool = True) -> None:
    Console().print(Text(text, style="green" if good else "yellow"), soft_wrap=True)
