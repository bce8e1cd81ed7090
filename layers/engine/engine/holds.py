"""Holds: a credit set aside when a token is vended, then captured or released, once.

The hold is also the record of the vend's request: its key is made of the user, the operation and the
client's request id, so one item serves both and a vend writes three items (see docs/decisions.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine import idempotency
from engine.errors import KeyReused
from engine.ids import base36, digest
from engine.ledger import AlreadyDone, Ledger, Posted
from engine.ledger_items import Entry, Move, account_pk
from engine.origin import Origin
from engine.table import Item, Put, Table, Update
from engine.tokens import VENDED_LIFETIME_S, VendedToken

OPEN: Final = "open"
SPENT: Final = "spent"
"""Paid at once, as the older `/vend-token` does; nothing is held."""

CAPTURED: Final = "captured"
RELEASED: Final = "released"

NAME_LENGTH = 22
SHARDS = 4
GRACE_S = 60
"""How long after its token's end an unused hold waits for the sweeper."""

TYPES = {CAPTURED: "capture", RELEASED: "refund"}


@dataclass(frozen=True, slots=True)
class Hold:
    """One vended token and what became of the credit that paid for it. Times in epoch seconds."""

    user: str
    name: str
    jti: str
    kid: str
    state: str
    amount: int
    seq: int
    issued_at: int
    balance_after: int
    fingerprint: str
    request_id: str
    claim: str | None = None
    claimed_by: str | None = None
    job_id: str | None = None
    answer: Mapping[str, Any] | None = None

    @property
    def token(self) -> VendedToken:
        return VendedToken(self.user, self.jti, self.issued_at, self.issued_at + VENDED_LIFETIME_S)


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
            item["ttl"] = made.issued_at + idempotency.KEEP_S
        return Put(
            item,
            condition="attribute_not_exists(pk) OR #ttl < :now",
            names={"#ttl": "ttl"},
            values={":now": self._now},
        )


class ResolveOnce:
    """Lets a hold be resolved once: from the state it was seen in to `state`."""

    def __init__(
        self,
        table: Table,
        hold: Hold,
        state: str,
        now: int,
        *,
        answer: Mapping[str, Any] | None = None,
        claim: str | None = None,
    ) -> None:
        self._table = table
        self._hold = hold
        self._state = state
        self._now = now
        self._answer = answer
        self._claim = claim

    def earlier(self) -> Item | None:
        """The hold as somebody else left it, None while it is as it was seen."""
        item = self._table.get(account_pk(self._hold.user), hold_sk(self._hold.name))
        if item is None or (item["jti"], item["state"]) == (self._hold.jti, self._hold.state):
            return item if item is not None and self._claim and "claim" in item else None
        return item

    def write(self, entry: Entry) -> Update:
        change = "SET #state = :state, resolved_seq = :seq, resolved_at = :now, #ttl = :ttl"
        values: dict[str, Any] = {
            ":state": self._state,
            ":seen": self._hold.state,
            ":jti": self._hold.jti,
            ":seq": entry.seq,
            ":now": self._now,
            ":ttl": self._now + idempotency.KEEP_S,
        }
        if self._answer is not None:
            change += ", answer = :answer"
            values[":answer"] = dict(self._answer)
        condition = "#state = :seen AND jti = :jti"
        if self._claim is not None:
            change += ", claim = :claim, claimed_at = :now"
            condition += " AND attribute_not_exists(claim)"
            values[":claim"] = self._claim
        return Update(
            account_pk(self._hold.user),
            hold_sk(self._hold.name),
            change + " REMOVE open_shard",
            condition,
            names={"#state": "state", "#ttl": "ttl"},
            values=values,
        )


@dataclass(frozen=True, slots=True)
class Vend:
    """What is asked for when a token is vended; `state` is `OPEN` or `SPENT`."""

    user: str
    operation: str
    key: str
    fingerprint: str
    state: str
    kid: str
    origin: Origin


def place(ledger: Ledger, vend: Vend, *, now: int, rate_limit: int) -> tuple[Hold, Posted | None]:
    """Take one credit for a token: held, or spent at once. The hold, and None if it was there.

    Raises `KeyReused`, `InsufficientCredits`, `RateLimited`, `Busy` or `OutcomeUnknown`.
    """
    name = digest(vend.user, vend.operation, vend.key)
    template = Hold(
        vend.user, name, "", vend.kid, vend.state, 1, 0, now, 0,
        vend.fingerprint, vend.origin.request_id,
    )  # fmt: skip
    move = Move(
        vend.user,
        "spend",
        amount=-1,
        held=1 if vend.state == OPEN else 0,
        origin=vend.origin,
        subject=f"{name}{base36(now)}",
    )
    once = HoldOnce(ledger.table, template, now)
    try:
        posted = ledger.post(move, once, now=now, rate_limit=rate_limit)
    except AlreadyDone as done:
        hold = read(done.item)
        if hold.fingerprint != vend.fingerprint:
            raise KeyReused() from None
        return hold, None
    return read(once.write(posted.entry).item), posted


def resolve(
    ledger: Ledger,
    hold: Hold,
    state: str,
    origin: Origin,
    *,
    now: int,
    answer: Mapping[str, Any] | None = None,
    claim: str | None = None,
) -> Hold:
    """Capture or release `hold`; the hold as it then is, also when somebody else was first.

    With `claim`, only where nothing has claimed it, and claimed in the same transaction.

    Raises `Busy` or `OutcomeUnknown`.
    """
    move = Move(
        hold.user,
        TYPES[state],
        amount=hold.amount if state == RELEASED else 0,
        held=-hold.amount if hold.state == OPEN else 0,
        origin=origin,
        subject=hold.jti,
        reverses=hold.seq,
    )
    once = ResolveOnce(ledger.table, hold, state, now, answer=answer, claim=claim)
    try:
        ledger.post(move, once, now=now)
    except AlreadyDone as done:
        return read(done.item)
    return find(ledger.table, hold.user, hold.jti) or hold


def find(table: Table, user: str, jti: str) -> Hold | None:
    """The hold that `jti` was vended for, None if there is none or it was replaced."""
    item = table.get(account_pk(user), hold_sk(jti[:NAME_LENGTH]))
    return read(item) if item is not None and item["jti"] == jti else None


def read(item: Mapping[str, Any]) -> Hold:
    facts: dict[str, Any] = {name: item.get(name) for name in Hold.__dataclass_fields__}
    return Hold(**facts)


def hold_sk(name: str) -> str:
    return f"H#{name}"


def shard_of(name: str) -> str:
    """The partition of the index of open holds that `name` falls into."""
    return f"open#{int(digest(name).encode().hex(), 16) % SHARDS}"
