"""Erasing a person's data, and the list of whose was erased, which a restored table needs again."""

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli import target
from cli.calls import segment
from cli.console import Json, print_json, print_table, say, speaking
from cli.desk import at
from cli.gateway import User
from cli.target import RunFile, TableName
from engine.admin.erasure import erased_accounts
from engine.platform.times import iso

MOST_CALLS = 1000
COUNTED = ("origins", "auditRecords")
KINDS = {
    "device": "the device's secret",
    "profile": "the profile",
    "subscription": "the subscription's e-mail and name",
}


def erase_user(
    context: typer.Context,
    user: User,
    reason: Annotated[
        str, typer.Option(help="Why; kept in the audit. Name no person here.", show_default=False)
    ],
    confirm: Annotated[
        str | None, typer.Option(help="The user id once more, instead of being asked.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Erase what is kept of a person: addresses, user agents, device, profile, e-mail. The ledger stays."""
    with at(context, as_json=as_json) as desk:
        if confirm is None:
            desk.agree(f"Erase the personal data of {user}? Nothing brings it back.", yes=False)
        path = f"/admin/users/{segment(user)}/erase"
        body = {"reason": reason, "confirm": user if confirm is None else confirm}
        erased: Counter[str] = Counter()
        for _ in range(MOST_CALLS):
            members = desk.calls.post(path, body, headers=desk.admin).required().members
            erased.update({name: int(members[name]) for name in (*COUNTED, *KINDS)})
            if members["complete"]:
                break
        shown = {**members, **{name: erased[name] for name in COUNTED}}
        shown |= {name: erased[name] > 0 for name in KINDS}
        if not desk.show_json(shown):
            say(f"{user}: {_told(shown)}.", good=bool(shown["complete"]))


def erased_command(
    as_json: Json = False, run_file: RunFile = None, table_name: TableName = None
) -> None:
    """Whose data was erased, and when: what to erase again in a table that was restored to before."""
    with speaking(as_json=as_json):
        found = target.find(run_file, table_name)
        listed = [
            {"user": user, "erasedAt": iso(at_)} for user, at_ in erased_accounts(found.table)
        ]
    if as_json:
        print_json({"ok": True, "erased": listed})
        return
    if listed:
        print_table(("User", "Erased"), ((one["user"], one["erasedAt"]) for one in listed))
    say(f"{found.place}: {len(listed)} users.")


def _told(shown: Mapping[str, Any]) -> str:
    others = [text for name, text in KINDS.items() if shown[name]]
    counts = (
        f"{shown['origins']} origins and {shown['auditRecords']} audit records lost their texts"
    )
    rest = "" if shown["complete"] else "; there is more: repeat it"
    return f"{counts}; erased {', '.join(others) or 'nothing else'}{rest}"
