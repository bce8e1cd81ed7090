"""`pluct ledger`: checks, exports and compares the ledger. A module is named after its command."""

import typer

from cli.commands.ledger import compare, erased, export, rebuild, verify

app = typer.Typer(help="Check the ledger and its read models.", no_args_is_help=True)

app.command("export")(export.export_command)
app.command("erased")(erased.erased_command)
app.command("compare")(compare.compare_command)
app.command("verify")(verify.verify_command)
app.command("rebuild")(rebuild.rebuild_command)
