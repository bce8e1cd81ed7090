"""`pluct`: all commands under one name."""

from pathlib import Path
from typing import Annotated

import typer

import engine
from cli import dotenv, local_run
from cli.commands import (
    adjust,
    audit,
    balance,
    find,
    holds,
    keys,
    ledger,
    listen,
    logs,
    meta,
    notices,
    operators,
    packs,
    payments,
    policy,
    products,
    requests,
    secrets,
    seed_credits,
    smoke,
    smoke_account,
    stats,
    status,
    subscriptions,
    transactions,
    transcribe,
    trigger,
    users,
    validate,
    vend_token,
)
from cli.options import GLOBAL, GlobalOptions

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
        typer.Option(help="The gateway; else BASE_URL in the environment or in .dev.vars."),
    ] = None,
    vars_file: Annotated[
        Path | None,
        typer.Option("--vars", help=f"A file of secrets instead of {dotenv.DEFAULT_PATH}."),
    ] = None,
    run_file: Annotated[
        Path | None, typer.Option(help=f"A local run's file instead of {local_run.DEFAULT_PATH}.")
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Operates a Pluct Business Engine: a local run, or a deployment in AWS.

    Exit codes: 0 done, 1 a check failed or found something, 2 wrong usage or not confirmed, 3 refused,
    4 not found, 5 unreachable or out of order, 6 not enough credits, 7 request rejected,
    8 too many requests.
    """
    GLOBAL.set(GlobalOptions(base_url, vars_file, run_file))


app.command("status")(status.status)
app.command("seed-credits")(seed_credits.seed_credits)
app.command("vend-token")(vend_token.vend_token)
app.command("balance")(balance.balance)
app.command("validate")(validate.validate)
app.command("meta")(meta.meta)
app.command("transcribe")(transcribe.transcribe)
app.command("find")(find.find)
app.command("transactions")(transactions.transactions)
app.command("audit")(audit.audit)
app.command("stats")(stats.stats)
app.add_typer(users.app, name="users")
app.add_typer(adjust.app, name="adjust")
app.add_typer(products.app, name="products")
app.add_typer(holds.app, name="holds")
app.add_typer(keys.app, name="keys")
app.add_typer(subscriptions.app, name="subscriptions")
app.add_typer(packs.app, name="packs")
app.add_typer(notices.app, name="notices")
app.add_typer(payments.app, name="payments")
app.add_typer(secrets.app, name="secrets")
app.add_typer(ledger.app, name="ledger")
app.add_typer(operators.app, name="operators")
app.add_typer(policy.app, name="policy")
app.add_typer(requests.app, name="requests")
app.command("logs")(logs.logs)
app.command("listen")(listen.listen)
app.command("trigger")(trigger.trigger)
app.command("smoke")(smoke.smoke)
app.command("smoke-account")(smoke_account.smoke_account)


def main() -> None:
    app(prog_name="pluct")


if __name__ == "__main__":
    main()
