"""Placing a hold: one credit is set aside, or spent at once, for a token that is vended.

The hold is also the record of the vend's request, so one item serves both and a vend writes three items.
"""

from dataclasses import dataclass

from engine.access.tokens import VENDED_LIFETIME_S
from engine.credits.hold_items import OPEN, Hold, hold_sk, read, shard_of
from engine.credits.prices import TRANSCRIPTION
from engine.ledger.items import Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, Ledger, Posted
from engine.platform.act import Act
from engine.platform.errors import KeyReused
from engine.platform.ids import base36, digest
from engine.platform.table import Item, Put, Table
from engine.web import request_ids

GRACE_S = 60
"""How long after its token's end an unused hold waits for the sweeper."""


@dataclass(frozen=True, slots=True)
class Vend:
    """What is asked for when a token is vended; `state` is `OPEN` or `SPENT`."""

    user: str
    operation: str
    key: str
    fingerprint: str
    state: str
    kid: str
    act: Act


class HoldOnce:
    """Lets a vend happen once for its request id."""

    def __init__(self, table: Table, template: Hold, now: int) -> None:
        self._table = table
        self._template = template
        self._now = now

    def earlier(self) -> Item | None:
        item = self._table.get(account_pk(self._template.user), hold_sk(self._template.name))
        if item is None or item.get("ttl", self._now) < self._now:
            return None
        return item

    def write(self, entry: Entry) -> Put:
        made = self._template
        item: Item = {
            "pk": account_pk(made.user),
            "sk": hold_sk(made.name),
            "user": made.user,
            "name": made.name,
            "jti": entry.subject,
            "kid": made.kid,
            "state": made.state,
            "amount": made.amount,
            "seq": entry.seq,
            "issued_at": made.issued_at,
            "balance_after": entry.available_after,
            "fingerprint": made.fingerprint,
            "request_id": made.request_id,
        }
        if made.state == OPEN:
            item["open_shard"] = shard_of(made.name)
            item["expires_at"] = made.issued_at + VENDED_LIFETIME_S + GRACE_S
        else:
            item["ttl"] = made.issued_at + request_ids.KEEP_S
        return Put(
            item,
            condition="attribute_not_exists(pk) OR #ttl < :now",
            names={"#ttl": "ttl"},
            values={":now": self._now},
        )


def place(ledger: Ledger, vend: Vend, *, rate_limit: int) -> tuple[Hold, Posted | None]:
    """Take one credit for a token: held, or spent at once. The hold, and None if it was there.

    Raises `KeyReused`, `InsufficientCredits`, `RateLimited`, `Busy` or `OutcomeUnknown`.
    """
    name = digest(vend.user, vend.operation, vend.key)
    template = Hold(
        vend.user, name, "", vend.kid, vend.state, TRANSCRIPTION, 0, vend.act.at, 0,
        vend.fingerprint, vend.act.request_id,
    )  # fmt: skip
    move = Move(
        vend.user,
        "spend",
        amount=-template.amount,
        held=template.amount if vend.state == OPEN else 0,
        act=vend.act,
        subject=f"{name}{base36(vend.act.at)}",
    )
    once = HoldOnce(ledger.table, template, vend.act.at)
    try:
        posted = ledger.post(move, once, rate_limit=rate_limit)
    except AlreadyDone as done:
        hold = read(done.item)
        if hold.fingerprint != vend.fingerprint:
            raise KeyReused() from None
        return hold, None
    return read(once.write(posted.entry).item), posted
