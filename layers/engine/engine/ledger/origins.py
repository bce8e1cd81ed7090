"""Origins of moves: address and user agent, stored apart from the ledger so that they can be erased.

An entry names its origin by an id: 22 characters of an HMAC-SHA-256 over both texts, keyed with the
account's `origin_salt`. The texts are stored once per origin in `ORIGIN#<user>` / `<origin id>`. The
entry's hash therefore covers them, and after texts and salt are erased the id reveals nothing while every
hash stays valid. The account stores its latest origins, so a move from one of them needs no extra write.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.platform.act import Act
from engine.platform.table import Item, Put, Table, Update

ID_LENGTH = 22
_compact = json.JSONEncoder(separators=(",", ":")).encode
REMEMBERED = 4
"""A phone on two networks and the webhooks of its jobs alternate; more would only take space."""

Name = tuple[str, str]
"""A user and the id of one of their origins."""


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of an origin; both are empty if it was erased or unknown."""

    address: str = ""
    user_agent: str = ""


UNKNOWN = Texts()


def new_salt() -> str:
    return secrets.token_urlsafe(16)


def origin_id(salt: str, address: str, user_agent: str) -> str:
    """The id of an origin in the account with `salt`; empty if both texts are empty."""
    if not address and not user_agent:
        return ""
    text = _compact([address, user_agent])
    made = hmac.digest(salt.encode(), text.encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode()[:ID_LENGTH]


def remembered(recent: Sequence[str], name: str) -> tuple[str, ...]:
    """`recent` with `name` added; beyond `REMEMBERED` the oldest is dropped."""
    if not name or name in recent:
        return tuple(recent)
    return (*recent, name)[-REMEMBERED:]


def put(user: str, unit: str, name: str, act: Act) -> Put:
    """Stores the texts of `act` under the id `name`; equal ids have equal texts."""
    item = {
        "pk": partition(user),
        "sk": name,
        "unit": unit,
        "address": act.address,
        "user_agent": act.user_agent,
    }
    return Put(item, condition="")


def blank(user: str, name: str, now: int) -> Update:
    """Erases the texts of a stored origin; the item stays, because entries name it."""
    return Update(
        partition(user),
        name,
        "REMOVE address, user_agent SET erased_at = :now",
        condition="",
        values={":now": now},
    )


def of_user(table: Table, user: str) -> Iterator[Item]:
    """The user's origins, including erased ones. Raises `Busy`."""
    return table.ascending(partition(user), "!", "~", consistent=True)


def is_erased(item: Item) -> bool:
    return "address" not in item


def is_genuine(item: Item, salt: str) -> bool:
    """Whether the item's id matches its texts under `salt`."""
    made = origin_id(salt, item["address"], item["user_agent"])
    return hmac.compare_digest(made.encode(), str(item["sk"]).encode())


def texts(table: Table, names: Iterable[Name]) -> Mapping[Name, Texts]:
    """The texts of the named origins; `UNKNOWN` for an erased one. Raises `Busy`."""
    wanted = {name for name in names if name[1]}
    found = table.get_many([(partition(user), name) for user, name in sorted(wanted)])
    known = {
        (str(item["pk"]).removeprefix(_PREFIX), str(item["sk"])): Texts(
            item.get("address", ""), item.get("user_agent", "")
        )
        for item in found
    }
    return {name: known.get(name, UNKNOWN) for name in wanted}


_PREFIX = "ORIGIN#"


def partition(user: str) -> str:
    return _PREFIX + user
