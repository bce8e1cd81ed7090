"""`pluct secrets`: lists, rotates, retires and imports the key rings of a deployment.

No command shows the value of a secret.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from cli import dotenv
from cli.call_log import logged
from cli.errors import CommandError, reporting_errors
from cli.exit_codes import NOT_FOUND, UNAVAILABLE
from cli.options import Json, RunFile, Stack
from cli.output import print_json, print_table, say
from cli.stores import FoundParameters, find_parameters
from engine.access import ring_store, rotation
from engine.access.keyrings import Key, key_name, unfit_to_import
from engine.access.ring_store import Stored
from engine.access.rotation import NotMadeHere
from engine.platform.times import DAY_S, iso

app = typer.Typer(help="Manage the secrets of a deployment, as key rings.", no_args_is_help=True)
OLD_DAYS = 90
"""The age, in days, from which `list` warns about a key."""
T = TypeVar("T")

Name = Annotated[str, typer.Argument(help="The secret's name, such as VEND_JWT_SECRET.")]


@dataclass(frozen=True, slots=True)
class Rings:
    """The key rings of one deployment."""

    parameters: FoundParameters

    @property
    def title(self) -> str:
        return self.parameters.title

    def path(self, name: str) -> str:
        """The name of the parameter that holds the secret's ring."""
        return self.parameters.prefix + name

    def read(self, name: str, now: int) -> Stored:
        """The ring of a secret, empty where there is none. Raises `CommandError`."""
        client, path = self.parameters.client, self.path(name)
        stage_s = rotation.policy_of(name).stage_s
        return _checked(lambda: ring_store.read(client, path, now=now, stage_s=stage_s))

    def change(self, name: str, decide: ring_store.Decide, now: int) -> Stored:
        """The ring after `decide` changed it. Raises `CommandError`."""
        client, path = self.parameters.client, self.path(name)
        stage_s = rotation.policy_of(name).stage_s
        return _checked(lambda: ring_store.change(client, path, decide, now=now, stage_s=stage_s))

    def rotate(self, name: str, now: int) -> rotation.Turn:
        """Appends a new key. Raises `CommandError`."""
        client, prefix = self.parameters.client, self.parameters.prefix
        try:
            return _checked(lambda: rotation.rotate(client, prefix, name, now=now))
        except NotMadeHere as refused:
            text = f"{refused}; bring a new one with `pluct secrets import`."
            raise CommandError(text) from None


@app.command("list")
def list_secrets(stack: Stack = None, run_file: RunFile = None, as_json: Json = False) -> None:
    """List secrets: the key in use, its age, and who rotates it."""
    with logged("secrets list"), reporting_errors(as_json=as_json):
        rings = _rings(stack, run_file)
        now = int(time.time())
        found = [_facts(rings, name, now) for name in rotation.POLICIES]
        shown = [one for one in found if one["keys"]]
        if as_json:
            print_json({"ok": True, "place": rings.title, "secrets": shown})
            return
        if not shown:
            say(f"{rings.title} has no secrets.", good=False)
            return
        heads = ("Secret", "In use", "Days", "Also accepted", "Rotated by")
        print_table(heads, map(_row, shown), right=("Days",), whole=("In use",))
        for one in shown:
            if one["ageDays"] >= OLD_DAYS:
                say(f"{one['name']} is {one['ageDays']} days old.", good=False)


def _facts(rings: Rings, name: str, now: int) -> dict[str, Any]:
    keys = rings.read(name, now).keys
    policy = rotation.policy_of(name)
    rotated_by = "the calendar" if policy.scheduled else "you" if policy.made_here else "import"
    facts: dict[str, Any] = {"name": name, "who": policy.who, "turnedBy": rotated_by, "keys": []}
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
    name: Name, stack: Stack = None, run_file: RunFile = None, as_json: Json = False
) -> None:
    """Append a new key to a ring; the old keys are still accepted, so nobody is logged out."""
    with logged(f"secrets rotate {name}"), reporting_errors(as_json=as_json):
        rings = _rings(stack, run_file)
        now = int(time.time())
        if not rings.read(name, now).keys:
            raise CommandError(f"{rings.title} has no secret {name}.", NOT_FOUND)
        done = rings.rotate(name, now)
        keys = rings.read(name, now).keys
        newest = keys[-1]
        if as_json:
            facts = {"made": list(done.made), "signsFrom": iso(newest.signs_from)}
            print_json({"ok": True, "name": name, **facts, "keys": [key.kid for key in keys]})
        elif not done.made:
            say(f"{name}: a new key is already waiting; it signs from {iso(newest.signs_from)}.")
        elif rotation.policy_of(name).scheduled:
            say(f"{name}: {newest.kid} is accepted now and signs from {iso(newest.signs_from)}.")
        else:
            say(
                f"{name}: {newest.kid} is accepted within five minutes; the old keys are accepted until "
                f"`pluct secrets retire {name} <key>`. Read the new key with the AWS command line: "
                f"aws ssm get-parameter --with-decryption --name {rings.path(name)}"
            )


@app.command("retire", context_settings={"ignore_unknown_options": True})
def retire_key(
    name: Name,
    kid: Annotated[str, typer.Argument(help="The key's id, as `list` shows it.")],
    stack: Stack = None,
    run_file: RunFile = None,
    as_json: Json = False,
) -> None:
    """Remove a key from a ring at once: its tokens and its holders are refused."""
    with logged(f"secrets retire {name} {kid}"), reporting_errors(as_json=as_json):
        rings = _rings(stack, run_file)
        now = int(time.time())
        known = rings.read(name, now).keys
        if kid not in {key.kid for key in known}:
            raise CommandError(f"{name} has no key {kid}.", NOT_FOUND)
        if rotation.signing(known, now).kid == kid:
            raise CommandError(f"{kid} is the key in use; first run `pluct secrets rotate {name}`.")
        after = rings.change(name, lambda stored: stored.without(frozenset({kid})), now)
        if as_json:
            print_json({"ok": True, "name": name, "keys": [key.kid for key in after.keys]})
        else:
            say(f"{name}: {kid} is removed; functions stop accepting it within five minutes.")


@app.command("import")
def import_secrets(
    file: Annotated[Path, typer.Argument(help="A .dev.vars file.")] = dotenv.DEFAULT_PATH,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, without writing.")
    ] = False,
    stack: Stack = None,
    run_file: RunFile = None,
    as_json: Json = False,
) -> None:
    """Import the secrets of a file as the keys in use; the keys before them are still accepted.

    An older name of a secret is read where the preferred one is missing. Repeating an import changes nothing.
    """
    with logged("secrets import"), reporting_errors(as_json=as_json):
        rings = _rings(stack, run_file)
        found = dotenv.secrets(dotenv.read(file))
        if not found:
            raise CommandError(f"{file} has none of {', '.join(dotenv.ALIASES)}.")
        faults = [
            f"{given} is refused: {fault}."
            for value, given in found.values()
            if (fault := unfit_to_import(value))
        ]
        if faults:
            raise CommandError(" ".join(faults))
        now = int(time.time())
        done = [
            {"name": name, "from": given, "done": _import(rings, name, value, now, dry_run=dry_run)}
            for name, (value, given) in found.items()
        ]
        if as_json:
            print_json({"ok": True, "place": rings.title, "dryRun": dry_run, "secrets": done})
            return
        print_table(
            ("Secret", "Found as", "Would be" if dry_run else "Result"),
            ((one["name"], one["from"], one["done"]) for one in done),
        )
        say(
            f"{rings.title}: nothing was written."
            if dry_run
            else f"{rings.title} has these secrets."
        )


def _import(rings: Rings, name: str, value: str, now: int, *, dry_run: bool) -> str:
    """Imports one secret, unless `dry_run`.

    Returns `created` where there was no ring, `kept` where `value` is the key in use, `replaced` where
    another key was in use; that one is still accepted.
    """
    before = rings.read(name, now)
    newest = before.keys[-1] if before.keys else None
    state = "created" if newest is None else "kept" if newest.secret == value else "replaced"
    if not dry_run and state != "kept":
        rings.change(name, lambda stored: with_import(stored, name, value, now), now)
    return state


def with_import(stored: Stored, name: str, value: str, now: int) -> Stored:
    """`stored` with `value` as its newest key.

    It signs as soon as all functions have read it; at once where it is the first key, or where only
    other services check it.
    """
    stage_s = rotation.policy_of(name).stage_s if stored.keys else 0
    others = tuple(key for key in stored.keys if key.secret != value)
    back = tuple(kid for kid in stored.dropped if kid != key_name(value))
    key = Key(value, now, now + stage_s, imported=True)
    return replace(stored, keys=(*others, key), dropped=back)


def _rings(stack: str | None, run_file: Path | None) -> Rings:
    return Rings(find_parameters(run_file, stack))


def _checked(act: Callable[[], T]) -> T:
    """The result of `act`. Raises `CommandError` where a ring cannot be read or changed."""
    try:
        return act()
    except ValueError:
        raise CommandError("The stored value is not a key ring.", UNAVAILABLE) from None
    except ring_store.TROUBLES as trouble:
        raise CommandError(str(trouble), UNAVAILABLE) from None
