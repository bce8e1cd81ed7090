"""A user's last job for a video, so that a text that is at hand is neither made nor charged twice.

`A#<user>` / `VIDEO#<digest of the address>` holds `jti` of the hold that pays for it, and `ttl`. No other
module writes it. It is put in the transaction that places the hold. Where repeats are free it is refused if
another fulfilment of the same video has put its own since, so that two fulfilments at once meet here.
"""

from dataclasses import dataclass

from engine.credits import hold_items
from engine.credits.hold_items import Hold
from engine.ledger.items import account_pk
from engine.platform.ids import digest
from engine.platform.table import Put, Table


@dataclass(frozen=True, slots=True)
class LastJob:
    """What is known of the user's last job for a video: the `jti` that is stored, empty where none is."""

    user: str
    url: str
    jti: str

    def hold(self, table: Table) -> Hold | None:
        """The hold that pays for it, None if there is none or it is gone. Raises `Busy`."""
        return hold_items.find(table, self.user, self.jti) if self.jti else None

    def followed_by(self, jti: str, until: int, *, at_once: bool) -> Put:
        """Lets the hold of `jti` pay for the next job, kept until `until` (epoch seconds); refused where
        another one does since this was read, unless several may be made at once.
        """
        item = {"pk": account_pk(self.user), "sk": _sk(self.url), "jti": jti, "ttl": until}
        if at_once:
            return Put(item, condition="")
        condition = "attribute_not_exists(pk) OR jti = :seen"
        return Put(item, condition, values={":seen": self.jti})


def last_job(table: Table, user: str, url: str) -> LastJob:
    """The user's last job for the video. Raises `Busy`."""
    item = table.get(account_pk(user), _sk(url))
    return LastJob(user, url, str(item["jti"]) if item is not None else "")


def _sk(url: str) -> str:
    return f"VIDEO#{digest(url)}"
