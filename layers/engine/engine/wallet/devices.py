"""The phone that a user's app runs on, as the app reports it once for each change.

`A#<user>` / `PHONE` holds `facts` (JSON text), `updated_at`, `ttl`. No other module writes it. It expires,
because an app that is known by its headers can report a phone for any id.
"""

from typing import Any

import msgspec

from engine.ledger.items import account_pk
from engine.platform.table import Put, Table, Update
from engine.platform.times import DAY_S, iso
from engine.web.forms import PhoneForm

KEPT_S = 400 * DAY_S


def report(table: Table, user: str, phone: PhoneForm, now: int) -> None:
    """Replace what is known of the user's phone. Raises `Busy`, `OutcomeUnknown`."""
    item = {
        "pk": account_pk(user),
        "sk": "PHONE",
        "facts": msgspec.json.encode(phone).decode(),
        "updated_at": now,
        "ttl": now + KEPT_S,
    }
    table.write(Put(item, condition=""))


def members(table: Table, user: str) -> dict[str, Any] | None:
    """The user's phone for operators; None if it was never reported. Raises `Busy`."""
    item = table.get(account_pk(user), "PHONE")
    if item is None or "facts" not in item:
        return None
    return {**msgspec.json.decode(item["facts"]), "updatedAt": iso(item["updated_at"])}


def erasures(table: Table, user: str) -> list[Update]:
    """The write that erases what is known of the phone; none where nothing is. Raises `Busy`."""
    if members(table, user) is None:
        return []
    return [Update(account_pk(user), "PHONE", "REMOVE facts", "attribute_exists(facts)")]
