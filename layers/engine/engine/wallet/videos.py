"""A user's last job for a video, so that a text that is at hand is neither made nor charged twice.

`A#<user>` / `VIDEO#<digest of the address>` holds `jti` of the hold that paid for it, and `ttl`. No other
module writes it.
"""

from engine.credits import hold_items
from engine.credits.hold_items import Hold
from engine.ledger.items import account_pk
from engine.platform.ids import digest
from engine.platform.table import Put, Table
from engine.platform.times import DAY_S


def last_hold(table: Table, user: str, url: str) -> Hold | None:
    """The hold of the user's last job for the video, None if it is not known or passed. Raises `Busy`."""
    item = table.get(account_pk(user), _sk(url))
    return hold_items.find(table, user, item["jti"]) if item is not None else None


def note(table: Table, hold: Hold, url: str, now: int, *, keep_days: int) -> None:
    """Keep that `hold` pays for the user's newest job for the video. Raises `Busy`, `OutcomeUnknown`."""
    item = {
        "pk": account_pk(hold.user),
        "sk": _sk(url),
        "jti": hold.jti,
        "ttl": now + (keep_days + 1) * DAY_S,
    }
    table.write(Put(item, condition=""))


def _sk(url: str) -> str:
    return f"VIDEO#{digest(url)}"
