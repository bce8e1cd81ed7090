"""What commands print and how they end: tables for people, `--json` for programs, one set of exit codes.

Results go to standard output, everything else (errors, questions, progress) to standard error.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from engine.platform.errors import EngineError

DONE = 0
FOUND = 1
"""Something was found: a ledger that does not add up, a transcription or a check that failed."""
NOT_DONE = 2
"""It can not be done as it was asked: options, settings, a missing credential, no consent."""
REFUSED = 3
"""The gateway does not accept the credential, or it does not allow this (401, 403)."""
NOT_FOUND = 4
"""There is no such user, key, job or video (404)."""
UNREACHABLE = 5
"""No answer, or one that says that something is out of order (5xx)."""
NO_CREDITS = 6
"""The account does not have enough credits (402)."""
INVALID = 7
"""The gateway does not take the request as it is (other 4xx)."""
LIMITED = 8
"""Too many requests (429)."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]


class Trouble(Exception):
    """A command can not do what it was asked; the text says why in one line.

    `facts` are added to what `--json` prints.
    """

    def __init__(
        self, text: str, code: int = NOT_DONE, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.facts = dict(facts or {})


@contextmanager
def speaking(*, as_json: bool) -> Iterator[None]:
    """Ends the command with a sentence and an exit code where the engine or the options fail it."""
    try:
        yield
    except (Trouble, EngineError) as error:
        cause = f" ({error.__cause__})" if error.__cause__ is not None else ""
        text = f"{error}{cause}"
        code, facts = (error.code, error.facts) if isinstance(error, Trouble) else (NOT_DONE, {})
        if as_json:
            print_json({"ok": False, "error": text, **facts})
        else:
            warn(f"Not done: {text}")
        raise typer.Exit(code) from None


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Cells are shown as they are: markup in what a client once sent is only text.

    Columns named in `right` hold numbers. Where the terminal is too narrow, cells are folded, but
    not numbers and those of the columns in `whole`.
    """
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        justify: Literal["left", "right"] = "right" if head in right else "left"
        kept = head in right or head in whole
        grid.add_column(head, justify=justify, overflow="fold", no_wrap=kept)
    for row in rows:
        grid.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    Console().print(grid)


def print_facts(facts: Mapping[str, object]) -> None:
    """Names and values, one a line."""
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, Text("-" if value is None else str(value)))
    Console().print(grid)


def say(text: str, *, good: bool = True) -> None:
    Console().print(Text(text, style="green" if good else "yellow"), soft_wrap=True)


def warn(text: str) -> None:
    Console(stderr=True).print(Text(text, style="red"), soft_wrap=True)
