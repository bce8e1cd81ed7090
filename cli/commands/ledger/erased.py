"""`pluct ledger erased`: the users whose data was erased, for a table restored to an earlier time."""

from cli.errors import reporting_errors
from cli.options import Json, RunFile, TableName
from cli.output import print_json, print_table, say
from cli.stores import find_table
from engine.admin.erasure import erased_accounts
from engine.platform.times import iso


def erased_command(
    as_json: Json = False, run_file: RunFile = None, table_name: TableName = None
) -> None:
    """List users whose data was erased, and when. Erase them again in a table that was restored."""
    with reporting_errors(as_json=as_json):
        found = find_table(run_file, table_name)
        accounts = list(erased_accounts(found.table))
    erased = [{"user": user, "erasedAt": iso(at)} for user, at in accounts]
    if as_json:
        print_json({"ok": True, "erased": erased})
        return
    if erased:
        print_table(("User", "Erased"), ((one["user"], one["erasedAt"]) for one in erased))
    say(f"{found.title}: {len(erased)} users.")
