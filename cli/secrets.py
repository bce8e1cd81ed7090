"""`pluct secrets`: rings of a deployment are imported, turned, looked at and thinned; no value is shown."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from cli import dotenv, target
from cli.console import (
    NOT_FOUND,
    UNREACHABLE,
    Json,
    Trouble,
    print_json,
    print_table,
    say,
    speaking,
)
from cli.desk import journaled
from cli.place import DEFAULT_VARS
from engine.access import ring_store, rotation
from engine.access.keyrings import Key, key_name
from engine.access.ring_store import Stored
from engine.access.rotation import NotMadeHere
from engine.platform.times import DAY_S, iso

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

app = typer.Typer(help="Secrets of a deployment, as key rings.", no_args_is_help=True)
OLD_DAYS = 90
T = TypeVar("T")

Stack = Annotated[
    str | None,
    typer.Option("--stack", envvar="PLUCT_STACK", help="The stack of a deployment in AWS."),
]
Name = Annotated[str, typer.Argument(help="The secret's name, such as VEND_JWT_SECRET.")]


@dataclass(frozen=True, slots=True)
class Rings:
    """The rings of one deployment."""

    client: "SSMClient"
    prefix: str
    place: str

    def read(self, name: str, now: int) -> Stored:
        """Raises `Trouble`."""
        stage_s = rotation.policy_of(name).stage_s
        return _able(
            lambda: ring_store.read(self.client, self.prefix + name, now=now, stage_s=stage_s)
        )

    def change(self, name: str, decide: ring_store.Decide, now: int) -> Stored:
        """Raises `Trouble`."""
        stage_s = rotation.policy_of(name).stage_s
        path = self.prefix + name
        return _able(lambda: ring_store.change(self.client, path, decide, now=now, stage_s=stage_s))


@app.command("list")
def list_secrets(
    stack: Stack = None, run_file: target.RunFile = None, as_json: Json = False
) -> None:
    """Every secret: which key is in use, how old it is, and who turns it."""
    with journaled("secrets list"), speaking(as_json=as_json):
        rings = _rings(stack, run_file)
        now = int(time.time())
        found = [_facts(rings, name, now) for name in rotation.POLICIES]
        shown = [one for one in found if one["keys"]]
        if as_json:
            print_json({"ok": True, "place": rings.place, "secrets": shown})
            return
        if not shown:
            say(f"{rings.place} has no secrets.", good=False)
            return
        heads = ("Secret", "In use", "Days", "Also accepted", "Turned by")
        print_table(heads, map(_row, shown), right=("Days",), whole=("In use",))
        for one in shown:
            if one["ageDays"] >= OLD_DAYS:
                say(f"{one['name']} is {one['ageDays']} days old.", good=False)


def _facts(rings: Rings, name: str, now: int) -> dict[str, Any]:
    keys = rings.read(name, now).keys
    policy = rotation.policy_of(name)
    turned_by = "the calendar" if policy.scheduled else "you" if policy.made_here else "import"
    facts: dict[str, Any] = {"name": name, "who": policy.who, "turnedBy": turned_by, "keys": []}
    if keys:
        signing = rotation.signing(keys, now)
        facts |= {"inUse": signing.kid, "ageDays": (now - signing.created_at) // DAY_S}
        facts["keys"] = [
            {
                "kid": key.kid,
                "createdAt": iso(key.created_at),
                "signsFrom": iso(key.signs_from),
                "imported": key.imported,
            }
            for key in keys
        ]
    return facts


def _row(facts: dict[str, Any]) -> tuple[object, ...]:
    others = " ".join(key["kid"] for key in facts["keys"] if key["kid"] != facts["inUse"])
    return facts["name"], facts["inUse"], facts["ageDays"], others or "-", facts["turnedBy"]


@app.command("rotate")
def rotate_secret(
    name: Name, stack: Stack = None, run_file: target.RunFile = None, as_json: Json = False
) -> None:
    """Append a new key to a ring; the old ones go on verifying, so nobody is logged out."""
    with journaled(f"secrets rotate {name}"), speaking(as_json=as_json):
        rings = _rings(stack, run_file)
        now = int(time.time())
        if not rings.read(name, now).keys:
            raise Trouble(f"{rings.place} has no secret {name}.", NOT_FOUND)
        try:
            done = _able(lambda: rotation.rotate(rings.client, rings.prefix, name, now=now))
        except NotMadeHere as refused:
            raise Trouble(f"{refused}; bring a new one with `pluct secrets import`.") from None
        keys = rings.read(name, now).keys
        newest = keys[-1]
        if as_json:
            facts = {"made": list(done.made), "signsFrom": iso(newest.signs_from)}
            print_json({"ok": True, "name": name, **facts, "keys": [key.kid for key in keys]})
        elif not done.made:
            say(f"{name}: a new key waits already; it signs from {iso(newest.signs_from)}.")
        elif rotation.policy_of(name).scheduled:
            say(f"{name}: {newest.kid} verifies now and signs from {iso(newest.signs_from)}.")
        else:
            say(
                f"{name}: {newest.kid} is accepted within five minutes, and so are the old ones, until "
                f"`pluct secrets retire {name} <key>`. Read it with the AWS command line: "
                f"aws ssm get-parameter --with-decryption --name {rings.prefix}{name}"
            )


@app.command("retire", context_settings={"ignore_unknown_options": True})
def retire_key(
    name: Name,
    kid: Annotated[str, typer.Argument(help="The key's name, as `list` shows it.")],
    stack: Stack = None,
    run_file: target.RunFile = None,
    as_json: Json = False,
) -> None:
    """Take a key out of a ring at once: whatever it signed and whoever shows it is refused."""
    with journaled(f"secrets retire {name} {kid}"), speaking(as_json=as_json):
        rings = _rings(stack, run_file)
        now = int(time.time())
        known = rings.read(name, now).keys
        if kid not in {key.kid for key in known}:
            raise Trouble(f"{name} has no key {kid}.", NOT_FOUND)
        if rotation.signing(known, now).kid == kid:
            raise Trouble(f"{kid} is the key in use; `pluct secrets rotate {name}` comes first.")
        after = rings.change(name, lambda stored: stored.without(frozenset({kid})), now)
        if as_json:
            print_json({"ok": True, "name": name, "keys": [key.kid for key in after.keys]})
        else:
            say(f"{name}: {kid} is out; functions forget it within five minutes.")


@app.command("import")
def import_secrets(
    file: Annotated[Path, typer.Argument(help="A .dev.vars file.")] = DEFAULT_VARS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    stack: Stack = None,
    run_file: target.RunFile = None,
    as_json: Json = False,
) -> None:
    """Put a file's secrets into their rings, as the keys in use; those before go on verifying.

    Older names are taken where the preferred one is missing. Nothing is done twice.
    """
    with journaled("secrets import"), speaking(as_json=as_json):
        rings = _rings(stack, run_file)
        found = dotenv.secrets(dotenv.read(file))
        if not found:
            raise Trouble(f"{file} has none of {', '.join(dotenv.ALIASES)}.")
        now = int(time.time())
        done = [
            {"name": name, "from": given, "done": _import(rings, name, value, now, dry_run=dry_run)}
            for name, (value, given) in found.items()
        ]
        if as_json:
            print_json({"ok": True, "place": rings.place, "dryRun": dry_run, "secrets": done})
            return
        print_table(
            ("Secret", "Found as", "Would be" if dry_run else "Was"),
            ((one["name"], one["from"], one["done"]) for one in done),
        )
        say(f"{rings.place}: nothing was written." if dry_run else f"{rings.place} has them.")


def _import(rings: Rings, name: str, value: str, now: int, *, dry_run: bool) -> str:
    """`created` where there was no ring, `kept` where it is in use already, `replaced` where another
    key was in use, which goes on verifying.
    """
    before = rings.read(name, now)
    newest = before.keys[-1] if before.keys else None
    state = "created" if newest is None else "kept" if newest.secret == value else "replaced"
    if not dry_run and state != "kept":
        rings.change(name, lambda stored: with_import(stored, name, value, now), now)
    return state


def with_import(stored: Stored, name: str, value: str, now: int) -> Stored:
    """`stored` with `value` as its newest key. It signs when all functions know it, but at once where
    it is the first or is only shown to others.
    """
    stage_s = rotation.policy_of(name).stage_s if stored.keys else 0
    others = tuple(key for key in stored.keys if key.secret != value)
    back = tuple(kid for kid in stored.dropped if kid != key_name(value))
    key = Key(value, now, now + stage_s, imported=True)
    return replace(stored, keys=(*others, key), dropped=back)


def _rings(stack: str | None, run_file: Path | None) -> Rings:
    client, prefix, place = target.parameters(run_file, stack)
    return Rings(client, prefix, place)


def _able(act: Callable[[], T]) -> T:
    """What `act` answers. Raises `Trouble` where a ring can not be read or changed."""
    try:
        return act()
    except ValueError:
        raise Trouble("What lies there is not a key ring.", UNREACHABLE) from None
    except ring_store.TROUBLES as trouble:
        raise Trouble(str(trouble), UNREACHABLE) from None
