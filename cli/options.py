"""Options and arguments that several commands share, and those that precede a command's name."""

from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from cli import local_run
from engine.web.token_forms import CREDITS_LIMIT

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")]
JsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object in each line.")]
User = Annotated[str, typer.Argument(help="The user's id.", show_default=False)]
Amount = Annotated[int, typer.Argument(min=1, max=CREDITS_LIMIT, help="Whole credits.")]
Video = Annotated[str, typer.Argument(help="The address of a TikTok video.")]
Reason = Annotated[
    str, typer.Option(help="Why; stored in the ledger and the audit.", show_default=False)
]
RequestId = Annotated[
    str | None,
    typer.Option("--request-id", help="Use the same id again to repeat a write safely."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
Limit = Annotated[int, typer.Option(min=1, max=100, help="Rows on a page.")]
Everything = Annotated[bool, typer.Option("--all", help="Read all pages.")]
RunFile = Annotated[
    Path | None,
    typer.Option(help=f"The local run's file; {local_run.DEFAULT_PATH} where it exists."),
]
Stack = Annotated[
    str | None,
    typer.Option("--stack", envvar="PLUCT_STACK", help="The stack of a deployment in AWS."),
]
TableName = Annotated[
    str | None,
    typer.Option("--table", envvar="PLUCT_TABLE", help="The table of a deployment in AWS."),
]


AuditDays = Annotated[
    int, typer.Option(envvar="AUDIT_DAYS", min=1, help="The deployment's AuditDays.")
]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options that precede a command's name."""

    base_url: str | None = None
    vars_file: Path | None = None
    run_file: Path | None = None


GLOBAL: ContextVar[GlobalOptions] = ContextVar("global options", default=GlobalOptions())  # noqa: B039 - it is frozen.
"""The global options of the running command."""
