"""Where moves came from: address and user agent, kept apart from the ledger so that they can be erased.

An entry names its origin by an id, the first 128 bits of an HMAC-SHA-256 over both texts under the
account's `origin_salt`; the texts lie once for each origin in `ORIGIN#<user>` / `<origin id>`. So the
entry's hash commits to them, and once texts and salt are gone the id tells nothing of the person while
every hash still holds. The account remembers its last few origins, so a move from a known one writes
no more than any other.
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
REMEMBERED = 4
"""A phone between two networks and the webhooks of its jobs alternate; more would only cost room."""

Name = tuple[str, str]
"""A user and the id of one of their origins."""


@dataclass(frozen=True, slots=True)
class Texts:
    """What is known of an origin; both empty where it was erased, or where nothing was said."""

    address: str = ""
    user_agent: str = ""


UNKNOWN = Texts()


def new_salt() -> str:
    return secrets.token_urlsafe(16)


def origin_id(salt: str, address: str, user_agent: str) -> str:
    """The id of an origin in the account with `salt`, empty where there is nothing to name."""
    if not address and not user_agent:
        return ""
    text = json.dumps([address, user_agent], separators=(",", ":"))
    made = hmac.digest(salt.encode(), text.encode(), "sha256")
    return base64.urlsafe_b64encode(made).decode()[:ID_LENGTH]


def remembered(recent: Sequence[str], name: str) -> tuple[str, ...]:
    """`recent` with `name` in it: the same where it is there or empty, else without the oldest."""
    if not name or name in recent:
        return tuple(recent)
    return (*recent, name)[-REMEMBERED:]


def put(user: str, unit: str, name: str, act: Act) -> Put:
    """Keeps the texts of `act` under its id `name`; the same id has the same texts."""
    item = {
        "pk": partition(user),
        "sk": name,
        "unit": unit,
        "address": act.address,
        "user_agent": act.user_agent,
    }
    return Put(item, condition="")


def blank(user: str, name: str, now: int) -> Update:
    """Erases the texts of one that is kept; the item stays, as what an entry names is never deleted."""
    return Update(
        partition(user),
        name,
        "REMOVE address, user_agent SET erased_at = :now",
        condition="",
        values={":now": now},
    )


def of_user(table: Table, user: str) -> Iterator[Item]:
    """The user's origins, erased ones too. Raises `Busy`."""
    return table.ascending(partition(user), "!", "~", consistent=True)


def is_erased(item: Item) -> bool:
    return "address" not in item


def is_genuine(item: Item, salt: str) -> bool:
    """Whether the item's id is what `salt` makes of its texts."""
    made = origin_id(salt, item["address"], item["user_agent"])
    return hmac.compare_digest(made.encode(), str(item["sk"]).encode())


def texts(table: Table, names: Iterable[Name]) -> Mapping[Name, Texts]:
    """What is known of the named origins; `UNKNOWN` of one that was erased. Raises `Busy`."""
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
