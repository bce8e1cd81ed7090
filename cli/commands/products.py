"""`pluct products`: what is sold, in versions. All commands need `ADMIN_SECRET`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from cli.client import new_request_id, path_segment
from cli.errors import CommandError
from cli.exit_codes import INVALID, NOT_FOUND
from cli.options import Json, Reason, Yes
from cli.output import print_facts, print_table, say
from cli.session import Session, open_session

PATH = "/admin/products"
MEMBERS = (
    "label", "unit", "creditsPerUnit", "mostUnits", "scope", "audience", "lifetimeSeconds",
    "graceSeconds", "overage", "settledBy", "leastUnits", "active",
)  # fmt: skip
NEW: Mapping[str, Any] = {
    "unit": "call", "creditsPerUnit": 1, "mostUnits": 1, "lifetimeSeconds": 900, "graceSeconds": 60,
    "overage": "reject", "settledBy": "none", "leastUnits": 0, "active": True,
}  # fmt: skip
"""The members of a new product that need not be given."""

NUMBERS = frozenset(
    {"creditsPerUnit", "mostUnits", "lifetimeSeconds", "graceSeconds", "leastUnits"}
)
SHOWN_UNITS = (1, 10, 100)

Code = Annotated[str, typer.Argument(help="The product's code.", show_default=False)]

app = typer.Typer(help="Show and edit what is sold.", no_args_is_help=True)


@app.command("list")
def list_products(context: typer.Context, as_json: Json = False) -> None:
    """List the newest version of every product."""
    with open_session(context, as_json=as_json) as session:
        members = session.client.get(PATH, headers=session.admin_headers).required().members
        if session.show_json(members):
            return
        heads = ("Code", "Version", "Unit", "Credits", "Most", "Overage", "Settled by", "State")
        names = ("code", "version", "unit", "creditsPerUnit", "mostUnits", "overage", "settledBy")
        rows = (
            [*(one[name] for name in names), "on" if one["active"] else "off"]
            for one in members["products"]
        )
        print_table(heads, rows, right=("Version", "Credits", "Most"), whole=("State",))


@app.command("show")
def show(context: typer.Context, code: Code, as_json: Json = False) -> None:
    """Show a product in all its versions, newest first."""
    with open_session(context, as_json=as_json) as session:
        versions = _versions(session, code)
        if session.show_json({"ok": True, "versions": versions}):
            return
        newest = versions[0]
        print_facts({"Code": code, "Version": newest["version"], **_shown(newest)})
        print_facts({f"Price of {units}": _price(newest, units) for units in SHOWN_UNITS})
        heads = ("Version", "Credits", "Unit", "Most", "Overage", "Settled by", "State")
        names = ("version", "creditsPerUnit", "unit", "mostUnits", "overage", "settledBy")
        rows = ([*(one[n] for n in names), "on" if one["active"] else "off"] for one in versions)
        print_table(heads, rows, right=("Version", "Credits", "Most"))


# One parameter per option: Typer reads the signature.
@app.command("edit")
def edit(
    context: typer.Context,
    code: Code,
    reason: Reason,
    changes: Annotated[
        list[str],
        typer.Option(
            "--set", help=f"NAME=VALUE, once for each change; names: {', '.join(MEMBERS)}."
        ),
    ],
    new: Annotated[bool, typer.Option("--new", help="Make a product that there is not.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Make the next version of a product: shows the difference and asks. Earlier versions stay."""
    with open_session(context, as_json=as_json) as session:
        known = {"version": 0} if new else _versions(session, code)[0]
        _save(session, code, known, dict(map(_parsed, changes)), reason, yes=yes)


@app.command("off")
def switch_off(
    context: typer.Context, code: Code, reason: Reason, yes: Yes = False, as_json: Json = False
) -> None:
    """Stop selling a product: no new holds. Those that are open are settled as before."""
    with open_session(context, as_json=as_json) as session:
        known = _versions(session, code)[0]
        _save(session, code, known, {"active": False}, reason, yes=yes)


def _save(
    session: Session,
    code: str,
    known: Mapping[str, Any],
    changes: Mapping[str, Any],
    reason: str,
    *,
    yes: bool,
) -> None:
    """Shows the difference, asks, and saves. Raises `CommandError`."""
    if not reason.strip():
        raise CommandError("A reason is required: the audit keeps it.")
    before = {name: known[name] for name in MEMBERS if name in known}
    after = {**(before or NEW), **changes}
    if after == before:
        raise CommandError(f"{code} is so already, in version {known['version']}.")
    missing = [name for name in MEMBERS if name not in after]
    if missing:
        raise CommandError(f"Give also --set {missing[0]}=...: {', '.join(missing)}.", INVALID)
    if not session.as_json:
        _show_difference(before, after)
    session.confirm(f"Save this as version {known['version'] + 1} of {code}?", yes=yes)
    body = {**after, "code": code, "version": known["version"], "reason": reason}
    headers = session.admin_headers
    reply = session.client.post(PATH, body, headers=headers, key=new_request_id()).required()
    if not session.show_json(reply.members):
        saved = reply.members["product"]
        say(f"{code} is version {saved['version']} now; new holds have it within half a minute.")


def _show_difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    rows = [
        (name, before.get(name, ""), after[name])
        for name in MEMBERS
        if before.get(name) != after[name]
    ]
    prices = [
        (f"price of {units}", _price(before, units) if before else "", _price(after, units))
        for units in SHOWN_UNITS
    ]
    print_table(("Member", "Now", "Then"), [*rows, *prices])


def _price(product: Mapping[str, Any], units: int) -> str:
    if units > product["mostUnits"]:
        return f"not in one hold (at most {product['mostUnits']})"
    return f"{units * product['creditsPerUnit']} credits"


def _shown(product: Mapping[str, Any]) -> dict[str, object]:
    """The members in words."""
    least = product["leastUnits"]
    settled = "no figure: what was held is charged"
    if product["settledBy"] != "none":
        settled = f"{product['settledBy']}, at least {least} units and at most what was held"
    return {
        "Label": product["label"],
        "Price": f"{product['creditsPerUnit']} credits a {product['unit'].replace('_', ' ')}",
        "Most units": product["mostUnits"],
        "Token": f"scope {product['scope']}, audience {product['audience']}",
        "Lifetime": f"{product['lifetimeSeconds']} s, and {product['graceSeconds']} s of grace",
        "Overage": product["overage"],
        "Settled by": settled,
        "State": "on" if product["active"] else "off",
    }


def _versions(session: Session, code: str) -> Sequence[Mapping[str, Any]]:
    """All versions, newest first. Raises `CommandError`."""
    reply = session.client.get(f"{PATH}/{path_segment(code)}", headers=session.admin_headers)
    if reply.status == 404:
        raise CommandError(f"There is no product {code}.", NOT_FOUND, {"code": "product_not_found"})
    versions: Sequence[Mapping[str, Any]] = reply.required().members["versions"]
    return versions


def _parsed(change: str) -> tuple[str, Any]:
    """The name and the value of a `--set`. Raises `CommandError`."""
    name, separator, text = change.partition("=")
    if not separator or name not in MEMBERS:
        raise CommandError(f"{change!r} is not NAME=VALUE with one of: {', '.join(MEMBERS)}.")
    if name in NUMBERS:
        if not text.isascii() or not text.isdigit():
            raise CommandError(f"{name} is a whole number.", INVALID)
        return name, int(text)
    if name == "active":
        if text not in ("true", "false"):
            raise CommandError("active is true or false.", INVALID)
        return name, text == "true"
    return name, text
