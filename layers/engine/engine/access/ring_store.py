"""Rings as they lie in the parameter store: read with their version, written so that no key is lost.

The store has no conditional write: the last of two writers at once wins. So every document names the
version that it was written onto (`onto`). One at version v that was not written onto v - 1 has covered
what others wrote in between; whoever reads it, first of all its own writer, takes the keys of those
versions in again. What was dropped is named in `dropped`, so it does not come back that way.

A key that was covered has not signed yet, as new keys wait for longer than such a repair takes; it
waits anew when it is taken in again.

Failure policy: the client's limits (see `engine.access.keyrings`); a ring that is fought over for
`ATTEMPTS` writes raises `Contested`, and the next reader goes on with the repair.
"""

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from engine.access import keyrings
from engine.access.keyrings import Key
from engine.platform.times import iso

if TYPE_CHECKING:
    from mypy_boto3_ssm.client import SSMClient

ATTEMPTS = 25
PAUSE_S = 0.02
PAUSE_CAP_S = 0.5
DROPPED_KEPT = 20
SIZE_LIMIT = 4096
"""Bytes of a standard parameter."""


class Contested(Exception):
    """Other writers came in between too often."""


class TooLarge(Exception):
    """A ring with one key more does not fit into a parameter."""


TROUBLES = (Contested, TooLarge, ValueError, BotoCoreError, ClientError)
"""Why a ring could not be read or changed; a `ValueError` says that it is not a ring."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A ring as it is stored; `version` 0 where there is none yet."""

    keys: tuple[Key, ...]
    dropped: tuple[str, ...] = ()
    """Names of keys that were taken out, the last `DROPPED_KEPT`."""
    version: int = 0
    repaired: bool = False
    """Whether keys that another writer had covered were taken in, so that it has to be written."""

    def with_key(self, key: Key) -> "Stored":
        return replace(self, keys=(*self.keys, key))

    def without(self, kids: frozenset[str]) -> "Stored":
        """Without the keys called `kids`, which stay away."""
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


def read(client: "SSMClient", path: str, *, now: int, stage_s: int) -> Stored:
    """The ring at `path`, with what a writer has covered taken in again, to sign from `stage_s` on.

    Raises `ValueError` where something else lies there.
    """
    answer = client.get_parameters(Names=[path], WithDecryption=True)
    if not answer["Parameters"]:
        return Stored(())
    (parameter,) = answer["Parameters"]
    version = parameter["Version"]
    stored, onto = _parsed(parameter["Value"], version)
    # A document that names no version was written by hand or by somebody's own means.
    for covered in range(onto + 1 if onto else version, version):
        other = _at_version(client, path, covered)
        stored = _united(stored, other, now + stage_s) if other is not None else stored
    return stored


def change(client: "SSMClient", path: str, decide: Decide, *, now: int, stage_s: int = 0) -> Stored:
    """Write what `decide` makes of the ring at `path`, and answer it as it is in the end.

    `decide` is asked once; it answers what it was given where nothing is to be done. Raises one of
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
    raise Contested(f"{path} was written by others {ATTEMPTS} times in a row")


def _put(client: "SSMClient", path: str, wanted: Stored) -> int:
    """The version that was written; 0 where the store takes no write just now."""
    value = document(wanted)
    if len(value.encode()) > SIZE_LIMIT:
        raise TooLarge(f"{path} holds {len(wanted.keys) - 1} keys; take old ones out first")
    try:
        answer = client.put_parameter(Name=path, Value=value, Type="SecureString", Overwrite=True)
    except ClientError as error:
        if error.response["Error"]["Code"] != "TooManyUpdates":
            raise
        return 0
    return answer["Version"]


def _at_version(client: "SSMClient", path: str, version: int) -> Stored | None:
    """The ring at an earlier version; None where history no longer has it or it was no ring."""
    answer = client.get_parameters(Names=[f"{path}:{version}"], WithDecryption=True)
    try:
        return _parsed(answer["Parameters"][0]["Value"], version)[0]
    except (IndexError, ValueError):
        return None


def _parsed(value: str, version: int) -> tuple[Stored, int]:
    """The ring in `value` and the version it was written onto, 0 where it names none."""
    keys = keyrings.parse(value)
    members = json.loads(value)
    onto, dropped = members.get("onto", 0), members.get("dropped", [])
    if not isinstance(onto, int) or not isinstance(dropped, list):
        raise ValueError("not a key ring")  # noqa: TRY004 - it is the document that is wrong.
    return Stored(keys, tuple(str(kid) for kid in dropped), version), onto


def _united(stored: Stored, covered: Stored, signs_from: int) -> Stored:
    """`stored` with what `covered` has and it lacks; never empty."""
    dropped = (*stored.dropped, *(kid for kid in covered.dropped if kid not in stored.dropped))
    kept = tuple(key for key in stored.keys if key.kid not in dropped)
    known = {key.kid for key in stored.keys}
    missing = tuple(
        replace(key, signs_from=max(key.signs_from, signs_from))
        for key in covered.keys
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
