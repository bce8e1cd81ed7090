"""Key rings in the parameter store: read with their version, and written so that no key is lost.

The store has no conditional write, so the last of two concurrent writers wins. Each document therefore names
the version that it was based on (`onto`). If a document at version v was not based on v - 1, it overwrote
another writer's change. The next reader, first its own writer, adds the keys of the overwritten versions
again. Removed keys are listed in `dropped`, so they are not added again.

A key that was overwritten has not signed yet, because new keys wait for longer than this repair takes. When
it is added again, its waiting time starts again.

Failure policy: the client's limits (see `engine.access.keyrings`). After `ATTEMPTS` conflicting writes
`Contested` is raised, and the next reader continues the repair.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from engine.access import keyrings
from engine.access.keyrings import Key
from engine.platform.aws_json import AwsError, Client, ErrorAnswer
from engine.platform.times import iso

ATTEMPTS = 25
PAUSE_S = 0.02
PAUSE_CAP_S = 0.5
DROPPED_KEPT = 20
SIZE_LIMIT = 4096
"""Bytes of a standard parameter."""


class Contested(Exception):
    """Other writers overwrote the ring too often."""


class TooLarge(Exception):
    """The ring with one more key exceeds the size of a parameter."""


TROUBLES = (Contested, TooLarge, ValueError, AwsError)
"""Why a ring could not be read or changed. `ValueError`: the parameter is not a ring."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A ring as it is stored; `version` is 0 if it does not exist yet."""

    keys: tuple[Key, ...]
    dropped: tuple[str, ...] = ()
    """Names of removed keys, the last `DROPPED_KEPT`."""
    version: int = 0
    repaired: bool = False
    """Whether overwritten keys were added again, so that the ring must be written."""

    def with_key(self, key: Key) -> "Stored":
        return replace(self, keys=(*self.keys, key))

    def without(self, kids: frozenset[str]) -> "Stored":
        """Without the keys called `kids`; they are not added again."""
        if not kids:
            return self
        kept = tuple(key for key in self.keys if key.kid not in kids)
        return replace(self, keys=kept, dropped=(*self.dropped, *sorted(kids))[-DROPPED_KEPT:])


Decide = Callable[[Stored], Stored]


def document(stored: Stored) -> str:
    """The parameter's value, as `engine.access.keyrings` reads it."""
    members: dict[str, Any] = {"keys": [_members(key) for key in stored.keys]}
    if stored.version:
        members |= {"onto": stored.version, "dropped": list(stored.dropped)}
    return json.dumps(members, separators=(",", ":"))


def read(client: Client, path: str, *, now: int, stage_s: int) -> Stored:
    """The ring at `path`, with overwritten keys added again; these sign after `stage_s`.

    Raises `ValueError` if the parameter is not a ring.
    """
    answer = client.get_parameters(Names=[path], WithDecryption=True)
    if not answer["Parameters"]:
        return Stored(())
    (parameter,) = answer["Parameters"]
    version = parameter["Version"]
    stored, onto = _parsed(parameter["Value"], version)
    # A document without a version was not written by this module.
    for overwritten in range(onto + 1 if onto else version, version):
        other = _at_version(client, path, overwritten)
        stored = _united(stored, other, now + stage_s) if other is not None else stored
    return stored


def change(client: Client, path: str, decide: Decide, *, now: int, stage_s: int = 0) -> Stored:
    """Write what `decide` returns for the ring at `path`. Returns the ring as it is stored then.

    `decide` is called once; it returns its argument if nothing is to be changed. Raises one of
    `TROUBLES`.
    """
    stored = read(client, path, now=now, stage_s=stage_s)
    wanted = decide(stored)
    if wanted == stored and not stored.repaired:
        return stored
    for attempt in range(ATTEMPTS):
        version = _put(client, path, wanted)
        if version == wanted.version + 1:
            return replace(wanted, version=version, repaired=False)
        if version:
            wanted = read(client, path, now=now, stage_s=stage_s)
            if not wanted.repaired:
                return wanted
        time.sleep(random.uniform(0, min(PAUSE_CAP_S, PAUSE_S * 2**attempt)))
    raise Contested(f"{path} was overwritten by others {ATTEMPTS} times in a row")


def _put(client: Client, path: str, wanted: Stored) -> int:
    """The version that was written; 0 if the store refuses writes for the moment."""
    value = document(wanted)
    if len(value.encode()) > SIZE_LIMIT:
        raise TooLarge(f"{path} has {len(wanted.keys) - 1} keys; remove old ones first")
    try:
        answer = client.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)
    except ErrorAnswer as error:
        if error.code != "TooManyUpdates":
            raise
        return 0
    version: int = answer["Version"]
    return version


def _at_version(client: Client, path: str, version: int) -> Stored | None:
    """The ring at an earlier version; None if it is no longer kept or was not a ring."""
    answer = client.get_parameters(Names=[f"{path}:{version}"], WithDecryption=True)
    try:
        return _parsed(answer["Parameters"][0]["Value"], version)[0]
    except (IndexError, ValueError):
        return None


def _parsed(value: str, version: int) -> tuple[Stored, int]:
    """The ring in `value` and the version that it was based on, 0 if it names none."""
    keys = keyrings.parse(value)
    members = json.loads(value)
    onto, dropped = members.get("onto", 0), members.get("dropped", [])
    if not isinstance(onto, int) or not isinstance(dropped, list):
        raise ValueError("not a key ring")  # noqa: TRY004 - the document is wrong, not a type.
    return Stored(keys, tuple(str(kid) for kid in dropped), version), onto


def _united(stored: Stored, overwritten: Stored, signs_from: int) -> Stored:
    """`stored` with the keys that only `overwritten` has; never empty."""
    dropped = (*stored.dropped, *(kid for kid in overwritten.dropped if kid not in stored.dropped))
    kept = tuple(key for key in stored.keys if key.kid not in dropped)
    known = {key.kid for key in stored.keys}
    missing = tuple(
        replace(key, signs_from=max(key.signs_from, signs_from))
        for key in overwritten.keys
        if key.kid not in known and key.kid not in dropped
    )
    if not missing and kept == stored.keys and dropped == stored.dropped:
        return stored
    keys = _ordered((*kept, *missing)) or stored.keys
    return Stored(keys, dropped[-DROPPED_KEPT:], stored.version, repaired=True)


def _ordered(keys: Sequence[Key]) -> tuple[Key, ...]:
    return tuple(sorted(keys, key=lambda key: key.signs_from))


def _members(key: Key) -> dict[str, Any]:
    members: dict[str, Any] = {"secret": key.secret, "createdAt": iso(key.created_at)}
    if key.signs_from != key.created_at:
        members["signsFrom"] = iso(key.signs_from)
    if key.imported:
        members["imported"] = True
    return members
