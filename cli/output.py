"""What commands print: tables for people, JSON for programs.

Results go to standard output; errors, questions and progress go to standard error.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import typer
from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text


def print_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False, indent=2))


def print_table(
    heads: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Prints a table; markup in a cell is printed as plain text.

    Columns named in `right` hold numbers. In a narrow terminal, cells are folded, except numbers and
    the columns named in `whole`.
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
