"""What commands print: tables for people, JSON for programs.

Results go to standard output; errors, questions and progress go to standard error.
"""

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import typer
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

READABLE = 10
"""The width below which a column of text cannot be read."""
BETWEEN = 3
"""The blanks between two columns."""


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_json_line(document: Any) -> None:
    """One object in one line, for a command that prints as things happen; it is not held back."""
    typer.echo(json.dumps(document, ensure_ascii=False))


def print_wrapped(text: str, *, style: str = "") -> None:
    """Prints text by the terminal's width, with control characters escaped; further lines are indented."""
    console = Console()
    for line in text.splitlines() or [""]:
        plain = line if line.isprintable() else line.encode("unicode_escape").decode()
        for part in textwrap.wrap(plain, console.width, subsequent_indent="    ") or [""]:
            console.print(Text(part, style=style), soft_wrap=True)


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Prints a table no wider than the terminal; markup in a cell is printed as plain text.

    Columns named in `right` hold numbers. In a narrow terminal, cells are folded, except numbers and
    the columns named in `whole`. A table that would be narrower than its columns is printed as a list.
    """
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    console = Console()
    if _least_width(heads, cells, {*right, *whole}) > console.width:
        _print_list(heads, cells)
        return
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head in heads:
        justify: Literal["left", "right"] = "right" if head in right else "left"
        kept = head in right or head in whole
        grid.add_column(head, justify=justify, overflow="fold", no_wrap=kept)
    for row in cells:
        grid.add_row(*map(Text, row))
    console.print(grid)


def _least_width(heads: Sequence[str], rows: Sequence[Sequence[str]], kept: set[str]) -> int:
    """How narrow the table can be with every number whole and every other cell still readable."""
    widths = []
    for place, head in enumerate(heads):
        widest = max(cell_len(text) for text in (head, *(row[place] for row in rows)))
        widths.append(widest if head in kept else min(widest, max(READABLE, cell_len(head))))
    return sum(widths) + BETWEEN * (len(widths) - 1)


def _print_list(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Each row as names and values, with an empty line after it."""
    for row in rows:
        print_facts(dict(zip(heads, row, strict=True)))
        typer.echo()


def print_facts(facts: Mapping[str, object]) -> None:
    """Prints names and values, one pair in a line."""
    grid = Grid.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(name, Text("-" if value is None else str(value)))
    Console().print(grid)


def print_verification(user: str, verification: Mapping[str, Any]) -> None:
    """Prints the result of the gateway's ledger check of a user."""
    if verification["ok"]:
        say("The ledger adds up.")
    else:
        findings = verification.get("findings", [])
        say(f"{len(findings)} findings: pluct ledger verify --user {user}", good=False)


def short_time(timestamp: str) -> str:
    """An ISO 8601 time to the minute, such as `2026-11-29 20:05`."""
    return timestamp[:16].replace("T", " ")


def say(text: str, *, good: bool = True) -> None:
    Console().print(Text(text, style="green" if good else "yellow"), soft_wrap=True)


def warn(text: str) -> None:
    Console(stderr=True).print(Text(text, style="red"), soft_wrap=True)
