"""Holds: a credit set aside when a token is vended, then captured or released, once.

The hold is also the record of the vend's request: its key is made of the user, the operation and the
client's request id, so one item serves both and a vend writes three items (see docs/decisions.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.access.tokens import VENDED_LIFETIME_S, VendedToken
from engine.credits.prices import TRANSCRIPTION
from engine.ledger.items import Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, Ledger, Posted
from engine.platform.act import Act
from engine.platform.errors import InsufficientCredits, KeyReused
from engine.platform.ids import base36, digest, shard
from engine.platform.table import Item, Put, Table, Update
from engine.web import idempotency

OPEN: Final = "open"
SPENT: Final = "spent"
"""Paid at once, as the older `/vend-token` does; nothing is held."""

CAPTURED: Final = "captured"
RELEASED: Final = "released"
WRITTEN_OFF: Final = "written_off"
"""Released, then delivered all the same, and the account had nothing to charge: a gift, on record."""

NAME_LENGTH = 22
SHARDS = 4
GRACE_S = 60
"""How long after its token's end an unused hold waits for the sweeper."""


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
    resolved_seq: int | None = None
    reconciled: bool | None = None
    """A contradictory outcome was met once; the next one changes nothing any more."""
    claim: str | None = None
    claimed_by: str | None = None
    claimed_at: int | None = None
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


@dataclass(frozen=True, slots=True)
class Step:
    """How a hold goes on from the state it was seen in: the new state, and the entry that says so.

    `available` and `held` are how often the hold's amount is added to the account's figures.
    """

    state: str
    type: str
    available: int
    held: int
    reconciles: bool = False


class ResolveOnce:
    """Lets a hold go one step once, from just what was seen of it.

    An unclaimed hold must still be unclaimed: else a job would be started on a credit that is given
    back in the same moment. And whoever claims it must be the first to.
    """

    def __init__(
        self,
        table: Table,
        hold: Hold,
        step: Step,
        now: int,
        *,
        answer: Mapping[str, Any] | None = None,
        claim: str | None = None,
    ) -> None:
        self._table = table
        self._hold = hold
        self._step = step
        self._now = now
        self._answer = answer
        self._claim = claim

    def earlier(self) -> Item | None:
        """The hold as somebody else left it, None while it is as it was seen."""
        item = self._table.get(account_pk(self._hold.user), hold_sk(self._hold.name))
        if item is None:
            return None
        seen = (self._hold.jti, self._hold.state, self._hold.claim)
        return None if seen == (item["jti"], item["state"], item.get("claim")) else item

    def write(self, entry: Entry) -> Update:
        change = "SET #state = :state, resolved_seq = :seq, resolved_at = :now, #ttl = :ttl"
        condition = "#state = :seen AND jti = :jti"
        values: dict[str, Any] = {
            ":state": self._step.state,
            ":seen": self._hold.state,
            ":jti": self._hold.jti,
            ":seq": entry.seq,
            ":now": self._now,
            ":ttl": self._now + idempotency.KEEP_S,
        }
        if self._step.reconciles:
            change += ", reconciled = :yes"
            values[":yes"] = True
        if self._answer is not None:
            change += ", answer = :answer"
            values[":answer"] = dict(self._answer)
        if self._claim is not None:
            change += ", claim = :claim, claimed_at = :now"
            values[":claim"] = self._claim
        if self._hold.claim is None or self._claim is not None:
            condition += " AND attribute_not_exists(claim)"
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
    act: Act


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


def settle(
    ledger: Ledger,
    hold: Hold,
    outcome: str,
    act: Act,
    *,
    answer: Mapping[str, Any] | None = None,
    claim: str | None = None,
) -> Hold:
    """Bring `hold` to `outcome`, `CAPTURED` (delivered) or `RELEASED` (not delivered).

    The first outcome resolves it; one later outcome that contradicts it is met by a compensating
    entry, and no further one. With `claim` the hold is claimed in the same transaction. The answer is
    the hold as it then is, also when somebody else moved it in the meantime.

    Raises `Busy` or `OutcomeUnknown`.
    """
    step = next_step(hold, outcome)
    if step is None:
        return hold
    try:
        return _go(ledger, hold, step, act, answer=answer, claim=claim)
    except InsufficientCredits:
        gift = Step(WRITTEN_OFF, "write_off", 0, 0, reconciles=True)
        return _go(ledger, hold, gift, act, answer=answer)


STEPS: Final[Mapping[tuple[str, str], Step]] = {
    (OPEN, CAPTURED): Step(CAPTURED, "capture", 0, -1),
    (OPEN, RELEASED): Step(RELEASED, "refund", 1, -1),
    (SPENT, CAPTURED): Step(CAPTURED, "capture", 0, 0),
    (SPENT, RELEASED): Step(RELEASED, "refund", 1, 0),
    (CAPTURED, RELEASED): Step(RELEASED, "refund", 1, 0, reconciles=True),
    (RELEASED, CAPTURED): Step(CAPTURED, "spend", -1, 0, reconciles=True),
}
"""What an outcome does to a hold, by the state it is in."""


def next_step(hold: Hold, outcome: str) -> Step | None:
    """What `outcome` does to `hold`, None for nothing."""
    step = STEPS.get((hold.state, outcome))
    return None if step is not None and step.reconciles and hold.reconciled else step


def _go(
    ledger: Ledger,
    hold: Hold,
    step: Step,
    act: Act,
    *,
    answer: Mapping[str, Any] | None = None,
    claim: str | None = None,
) -> Hold:
    reverses = hold.resolved_seq if hold.resolved_seq is not None else hold.seq
    move = Move(
        hold.user,
        step.type,
        step.available * hold.amount,
        step.held * hold.amount,
        act,
        hold.jti,
        reverses,
    )
    once = ResolveOnce(ledger.table, hold, step, act.at, answer=answer, claim=claim)
    try:
        ledger.post(move, once)
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
    return f"open#{shard(name, SHARDS)}"
