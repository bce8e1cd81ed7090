"""`pluct packs`: what is sold for money, in versions. All commands need `ADMIN_SECRET`."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from cli.client import path_segment
from cli.errors import CommandError
from cli.exit_codes import INVALID
from cli.options import Json, Reason, RequestId, Yes
from cli.output import print_table, say
from cli.session import Session, open_session

PATH = "/admin/packs"
TEXTS = ("label", "dollars", "googleProductId", "appleProductId", "taxNote")
NUMBERS = ("credits", "bonus")
PRICE = "price."
MEMBERS = (*TEXTS, *NUMBERS, "active", f"{PRICE}USD")

Code = Annotated[str, typer.Argument(help="The pack's code.", show_default=False)]

app = typer.Typer(help="Show and edit what is sold for money.", no_args_is_help=True)


@app.command("list")
def list_packs(context: typer.Context, as_json: Json = False) -> None:
    """List the packs with their prices, also those that are not sold."""
    with open_session(context, as_json=as_json) as session:
        members = session.client.get(PATH, headers=session.admin_headers).required().members
        if not session.show_json(members):
            _print_packs(members["packs"])


@app.command("show")
def show(context: typer.Context, code: Code, as_json: Json = False) -> None:
    """Show a pack in all its versions, newest first."""
    with open_session(context, as_json=as_json) as session:
        members = _versions(session, code)
        if not session.show_json(members):
            _print_packs(members["packs"])


# One parameter per option: Typer reads the signature.
@app.command("edit")
def edit(
    context: typer.Context,
    code: Code,
    reason: Reason,
    changes: Annotated[
        list[str],
        typer.Option("--set", help=f"NAME=VALUE, once for each; names: {', '.join(MEMBERS)}."),
    ],
    new: Annotated[bool, typer.Option("--new", help="Make a pack that there is not.")] = False,
    yes: Yes = False,
    request_id: RequestId = None,
    as_json: Json = False,
) -> None:
    """Make the next version of a pack: shows the difference and asks. Earlier versions stay."""
    with open_session(context, as_json=as_json) as session:
        known = {} if new else _known(_versions(session, code)["packs"][0])
        version = known.pop("version", 0)
        wanted = _changed(known, changes)
        if not session.as_json:
            rows = [
                (name, known.get(name), wanted[name])
                for name in wanted
                if known.get(name) != wanted[name]
            ]
            print_table(("Member", "Now", "Then"), rows)
        session.confirm(f"Save this as version {version + 1} of {code}?", yes=yes)
        body = {**wanted, "packId": code, "version": version, "reason": reason}
        members = session.admin_write(PATH, body, request_id).members
        if not session.show_json(members):
            say(f"{code} is version {members['pack']['version']} now.")


def _print_packs(packs: Iterable[Mapping[str, Any]]) -> None:
    heads = ("Pack", "Version", "Label", "Credits", "Bonus", "Dollars", "Prices", "Sold")
    names = ("packId", "version", "label", "credits", "bonus", "dollars")
    rows = (
        (*(one[name] for name in names), _prices(one), "yes" if one["active"] else "no")
        for one in packs
    )
    print_table(heads, rows, right=("Version", "Credits", "Bonus", "Dollars"))


def _versions(session: Session, code: str) -> Mapping[str, Any]:
    """All versions, newest first. Raises `CommandError`."""
    path = f"{PATH}/{path_segment(code)}"
    return session.client.get(path, headers=session.admin_headers).required().members


def _known(pack: Mapping[str, Any]) -> dict[str, Any]:
    """A version as the route takes it."""
    found = {name: pack[name] for name in ("version", *TEXTS, *NUMBERS, "active", "prices")}
    products = {name: pack[name] or "" for name in ("googleProductId", "appleProductId")}
    return {**found, **products, "dollars": str(pack["dollars"])}


def _changed(known: Mapping[str, Any], changes: Iterable[str]) -> dict[str, Any]:
    """`known` with every `NAME=VALUE`. Raises `CommandError`."""
    wanted = {**known, "prices": dict(known.get("prices", {}))}
    for change in changes:
        name, separator, text = change.partition("=")
        if separator and name.startswith(PRICE):
            wanted["prices"][name.removeprefix(PRICE)] = _whole(name, text)
        elif separator and name in NUMBERS:
            wanted[name] = _whole(name, text)
        elif separator and name in TEXTS:
            wanted[name] = text
        elif separator and name == "active" and text in ("true", "false"):
            wanted[name] = text == "true"
        else:
            raise CommandError(f"{change!r} is not NAME=VALUE with one of: {', '.join(MEMBERS)}.")
    return wanted


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise CommandError(f"{name} is a whole number.", INVALID)
    return int(text)


def _prices(pack: Mapping[str, Any]) -> str:
    return ", ".join(f"{minor} {currency}" for currency, minor in pack["prices"].items())
