"""`pluct`: every command under one name."""

from pathlib import Path
from typing import Annotated

import typer

import engine
from cli.commands import operators as dashboard
from cli.commands import secrets, smoke, subscriptions, transcribe
from cli.commands import seed_credits as gateway
from cli.commands import users as operators
from cli.commands.ledger import verify as ledger
from cli.endpoint import DEFAULT_VARS
from cli.stores import DEFAULT_RUN_FILE, OPTIONS, Options

app = typer.Typer(
    name="pluct",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(engine.__version__)
        raise typer.Exit


@app.callback()
def root(
    base_url: Annotated[
        str | None,
        typer.Option(help="The gateway; BASE_URL in the environment or in .dev.vars."),
    ] = None,
    vars_file: Annotated[
        Path | None, typer.Option("--vars", help=f"A file of secrets instead of {DEFAULT_VARS}.")
    ] = None,
    run_file: Annotated[
        Path | None, typer.Option(help=f"A local run's file instead of {DEFAULT_RUN_FILE}.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Looks after a Pluct Business Engine: a local run, or a deployment in AWS.

    Exit codes: 0 done, 1 something was found or failed, 2 not done as asked, 3 refused, 4 not found,
    5 unreachable or out of order, 6 not enough credits, 7 not taken as it is, 8 too many requests.
    """
    OPTIONS.set(Options(base_url, vars_file, run_file))


for name, command in gateway.COMMANDS.items():
    app.command(name)(command)
app.command("transcribe")(transcribe.transcribe)
app.command("transactions")(operators.transactions)
for name, group in operators.GROUPS.items():
    app.add_typer(group, name=name)
app.add_typer(subscriptions.app, name="subscriptions")
app.add_typer(secrets.app, name="secrets")
app.add_typer(ledger.app, name="ledger")
app.add_typer(dashboard.app, name="operators")
app.command("smoke")(smoke.smoke)
app.command("smoke-account")(smoke.account)


def main() -> None:
    app(prog_name="pluct")


if __name__ == "__main__":
    main()
