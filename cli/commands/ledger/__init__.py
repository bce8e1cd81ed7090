"""`pluct ledger`: checks, exports and compares the ledger. A module is named after its command."""

import typer

from cli.call_log import logged
from cli.commands.ledger import compare, erased, export, rebuild, verify

app = typer.Typer(help="Check the ledger and its read models.", no_args_is_help=True)

app.command("export")(logged("ledger export")(export.export_command))
app.command("erased")(logged("ledger erased")(erased.erased_command))
app.command("compare")(logged("ledger compare")(compare.compare_command))
app.command("verify")(logged("ledger verify")(verify.verify_command))
app.command("rebuild")(logged("ledger rebuild")(rebuild.rebuild_command))
