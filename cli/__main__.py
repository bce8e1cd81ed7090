"""`python -m cli`: every group of commands under one name."""

import typer

from cli import ledger

app = typer.Typer(
    name="pluct",
    help="Looks after a Pluct Business Engine.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(ledger.app, name="ledger")


@app.callback()
def root() -> None:
    """Looks after a Pluct Business Engine: a local run, or a deployment in AWS."""


def main() -> None:
    app()


if __name__ == "__main__":
    main()
