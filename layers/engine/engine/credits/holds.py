"""The transitions of a hold, from its claim to its resolution. No other module but `credits.placing`,
which makes it, writes its item. Those of back ends' holds are made by `credits.backend_holds`.

```
open ──delivered──> captured        spent ──delivered──> captured
  └──not delivered──> released        └──not delivered──> released
released ──delivered, late, and paid again──> captured
captured ──not delivered, late──> released
```
`claim`, `keep_answer` and `name_job` give writes for the room that also writes the job; the others write by
themselves.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from engine.credits import hold_parts
from engine.credits.hold_items import (
    CAPTURED,
    OPEN,
    RELEASED,
    SPENT,
    UNRESOLVED,
    Hold,
    hold_sk,
    read,
    shard_of,
    sk_of,
)
from engine.credits.hold_parts import COMMIT, EXTEND, FINAL, LATE, LATE_FINAL, RELEASE, Part
from engine.ledger.items import Entry, Move, account_pk
from engine.ledger.posting import AlreadyDone, Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy, InsufficientCredits
from engine.platform.table import ConditionFailed, Item, Table, Update
from engine.web import request_ids

TRIES = 5

UNUSED = "the token was not used in time"
"""The reason of a refund, which entries keep."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The use of a token: `text` names what it is used for, `by` the request that uses it.

    With `look_at` (epoch seconds) the sweeper asks by then what became of the job, and the record does
    not pass before it has. With `stays` the time at which an open hold is looked at stays as it is, which
    saves the two writes of a move in the index; one that was paid at once has no such time.
    """

    text: str
    by: str
    at: int
    look_at: int | None = None
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Beside:
    """What is written with the hold in the transaction that resolves it: the first answer that the
    caller was given, and the claim of whoever redeems the token.
    """

    answer: Mapping[str, Any] | None = None
    claim: str | None = None
    keep_s: int = 0
    """How long the resolved hold is kept; at least as long as any answer can be had again."""


NOTHING: Final = Beside()


Moved = Callable[[Hold, int], tuple[int, int]]
"""The changes of `available` and `held` that a step makes to a hold that is charged so many credits."""


@dataclass(frozen=True, slots=True)
class Step:
    """How a hold goes on from the state it was seen in: the new state, and the entry that says so."""

    state: str
    type: str
    moved: Moved
    reconciles: bool = False


@dataclass(frozen=True, slots=True)
class ResolveOnce:
    """Lets a hold go one step once, from exactly what was seen of it.

    An unclaimed hold must still be unclaimed: otherwise a job would be started on a credit that is
    given back in the same moment. No part may have been committed since, or it would be given back as well.
    """

    table: Table
    hold: Hold
    step: Step
    beside: Beside
    now: int

    def earlier(self) -> Item | None:
        """The hold as another writer left it, None while it is as it was seen."""
        item = self.table.get(*self.hold.key)
        return None if item is None or is_as_seen(item, self.hold) else item

    def after(self, entry: Entry) -> Hold:
        """The hold as `write` leaves what was seen of it."""
        beside = self.beside
        return replace(
            self.hold,
            state=self.step.state,
            resolved_seq=entry.seq,
            committed=_charged_before(self.hold) + entry.charged,
            released=self.hold.released + entry.amount,
            reconciled=True if self.step.reconciles else self.hold.reconciled,
            answer=self.hold.answer if beside.answer is None else beside.answer,
            claim=self.hold.claim if beside.claim is None else beside.claim,
            claimed_at=self.hold.claimed_at if beside.claim is None else self.now,
        )

    def write(self, entry: Entry) -> Update:
        change = (
            "SET #state = :state, resolved_seq = :seq, resolved_at = :now, #ttl = :ttl, "
            "committed = :committed, released = :released"
        )
        condition = "#state = :seen AND jti = :jti"
        values: dict[str, Any] = {
            ":state": self.step.state,
            ":seen": self.hold.state,
            ":jti": self.hold.jti,
            ":seq": entry.seq,
            ":now": self.now,
            ":committed": _charged_before(self.hold) + entry.charged,
            ":released": self.hold.released + entry.amount,
            ":ttl": self.now + max(request_ids.KEEP_S, self.beside.keep_s),
        }
        if self.step.reconciles:
            change += ", reconciled = :yes"
            values[":yes"] = True
        if self.beside.answer is not None:
            change += ", answer = :answer"
            values[":answer"] = dict(self.beside.answer)
        if self.beside.claim is not None:
            change += ", claim = :claim, claimed_at = :now"
            values[":claim"] = self.beside.claim
        if self.hold.claim is None:
            condition += " AND attribute_not_exists(claim)"
        if self.hold.parts:
            condition += " AND parts = :parts"
            values[":parts"] = self.hold.parts
        else:
            condition += " AND attribute_not_exists(parts)"
        return Update(
            *self.hold.key,
            change=change + " REMOVE open_shard",
            condition=condition,
            names={"#state": "state", "#ttl": "ttl"},
            values=values,
        )


@dataclass(frozen=True, slots=True)
class PartOnce:
    """Lets a request change a hold once, from exactly what was seen of it."""

    table: Table
    hold: Hold
    kind: int
    ids: bytes
    ends_at: int
    now: int
    gone: int = 0
    """How many of the oldest parts leave the list: all to a page, or some to the entry of an extension."""

    def earlier(self) -> Item | None:
        return changed(self.table, self.hold)

    def write(self, entry: Entry) -> Update:
        part = self.part(entry)
        change = "SET parts = :parts, committed = :committed, "
        values: dict[str, Any] = {":committed": part.charged, ":seq": entry.seq}
        if self.kind in (EXTEND, COMMIT):
            change += "last_seq = :seq, #left = :left, ends_at = :ends_at"
            values |= {":left": part.rest, ":ends_at": self.ends_at}
            names = {"#left": "left"}
        elif self.kind in ENDS:
            change += _RESOLVED
            values |= _resolution(ENDS[self.kind], part.rest, self.now)
            names = {"#ttl": "ttl"}
        else:
            change += "resolved_seq = :seq, released = :released, is_final = :final"
            values |= {":released": part.rest, ":final": self.kind == LATE_FINAL}
            names = {}
        if self.gone and self.kind == EXTEND:
            change += ", carried_by = :seq"
        return as_seen(self.hold, change, names, values, part, gone=self.gone)

    def part(self, entry: Entry) -> Part:
        """What is kept of the request."""
        charged = self.hold.committed + entry.charged
        rest = entry.left or 0
        if self.kind in ENDS:
            rest = max(0, entry.amount)
        elif self.kind in (LATE, LATE_FINAL):
            rest = max(0, self.hold.released - entry.charged)
        return Part(
            self.kind, self.ids, entry.seq, charged, rest, self.ends_at - self.hold.issued_at
        )


@dataclass(frozen=True, slots=True)
class EndOnce:
    """Lets the time of a hold, or an operator, end it once, from exactly what was seen of it."""

    table: Table
    hold: Hold
    state: str
    now: int

    def earlier(self) -> Item | None:
        return changed(self.table, self.hold)

    def write(self, entry: Entry) -> Update:
        values = _resolution(self.state, entry.amount, self.now) | {":seq": entry.seq}
        return as_seen(self.hold, f"SET {_RESOLVED}", {"#ttl": "ttl"}, values)


_RESOLVED: Final = (
    "#state = :state, resolved_seq = :seq, released = :released, resolved_at = :now, #ttl = :ttl "
    "REMOVE open_shard"
)


def _resolution(state: str, released: int, now: int) -> dict[str, Any]:
    ttl = now + request_ids.KEEP_S
    return {":state": state, ":released": released, ":now": now, ":ttl": ttl}


def changed(table: Table, hold: Hold) -> Item | None:
    """The hold as another request left it, None while it is as it was seen."""
    item = table.get(*hold.key)
    return None if item is None or is_as_seen(item, hold) else item


def is_as_seen(item: Item, hold: Hold) -> bool:
    """Whether the stored `item` is as `hold` was seen."""
    seen = (hold.jti, hold.state, hold.claim, hold.parts)
    return seen == (item["jti"], item["state"], item.get("claim"), item.get("parts", b""))


def as_seen(
    hold: Hold,
    change: str,
    names: dict[str, str],
    values: dict[str, Any],
    part: Part | None = None,
    *,
    gone: int = 0,
) -> Update:
    """The `change` of `hold`, refused where its state, claim or parts are no longer as they were seen.

    `part` is kept with those before, but for the oldest ones: so many are `gone` from the list and kept
    elsewhere.
    """
    condition = "jti = :jti AND #state = :seen"
    if hold.claim is None:
        condition += " AND attribute_not_exists(claim)"
    values = values | {":jti": hold.jti, ":seen": hold.state}
    if hold.parts:
        condition += " AND parts = :seen_parts"
        values[":seen_parts"] = hold.parts
    else:
        condition += " AND attribute_not_exists(parts)"
    if part is not None:
        before = hold_parts.read(hold.parts)[gone:]
        values[":parts"] = hold_parts.write([*before, part])
    if gone:
        change += ", pages = :pages"
        values[":pages"] = hold.pages + 1
    return Update(
        *hold.key,
        change=change,
        condition=condition,
        names={"#state": "state", **names},
        values=values,
    )


def claim(user: str, jti: str, made: Claim) -> Update:
    """Marks the hold of `jti` as used, where nothing used it before."""
    change = "SET claim = :claim, claimed_by = :by, claimed_at = :now"
    names = {"#state": "state"}
    values: dict[str, str | int] = {
        ":claim": made.text,
        ":by": made.by,
        ":now": made.at,
        ":jti": jti,
        ":open": OPEN,
        ":spent": SPENT,
    }
    if made.look_at is not None:
        look_at = "if_not_exists(expires_at, :look_at)" if made.stays else ":look_at"
        change += f", open_shard = :shard, expires_at = {look_at} REMOVE #ttl"
        names["#ttl"] = "ttl"
        name = sk_of(jti).removeprefix(hold_sk(""))
        values |= {":shard": shard_of(name), ":look_at": made.look_at}
    return Update(
        account_pk(user),
        sk_of(jti),
        change,
        "jti = :jti AND attribute_not_exists(claim) AND #state IN (:open, :spent)",
        names=names,
        values=values,
    )


def redeem(ledger: Ledger, hold: Hold, text: str, act: Act) -> str | None:
    """Claim the hold by `text` and, where its credit is still held, capture it with the claim. The claim
    that the hold carries afterwards. Raises `Busy` or `OutcomeUnknown`.
    """
    for _ in range(TRIES):  # Again where a part was committed in between.
        if hold.state == OPEN and hold.claim is None:
            hold = settle(ledger, hold, CAPTURED, act, beside=Beside(claim=text))
    if hold.claim is not None or hold.state not in UNRESOLVED:
        return hold.claim
    if hold.state == OPEN:
        raise Busy()
    try:
        made = Claim(text, act.request_id, act.at)
        item = ledger.table.write(claim(hold.user, hold.jti, made))
    except ConditionFailed as refused:
        return refused.item.get("claim") if refused.item else None
    return str(item["claim"])


def elect(ledger: Ledger, hold: Hold, now: int) -> bool:
    """Whether the caller is the one that makes the hold's call. Raises `Busy` or `OutcomeUnknown`."""
    electing = Update(
        *hold.key,
        change="SET performed_at = :now",
        condition="jti = :jti AND attribute_not_exists(performed_at) AND #state IN (:open, :spent)",
        names={"#state": "state"},
        values={":now": now, ":jti": hold.jti, ":open": OPEN, ":spent": SPENT},
        mark="performed_by",
    )
    try:
        ledger.table.write(electing)
    except ConditionFailed:
        return False
    return True


def keep_answer(hold: Hold, job_id: str, answer: Mapping[str, Any]) -> Update:
    """Keeps upstream's id of the job and what the caller was answered, by the request that claimed it."""
    return Update(
        *hold.key,
        change="SET answer = :answer, job_id = :job",
        condition="jti = :jti AND claimed_by = :by",
        values={
            ":answer": dict(answer),
            ":job": job_id,
            ":jti": hold.jti,
            ":by": hold.claimed_by,
        },
    )


def name_job(hold: Hold, job_id: str) -> Update:
    """Keeps upstream's id of the job, where the hold has none."""
    return Update(
        *hold.key,
        change="SET job_id = :job",
        condition="jti = :jti AND attribute_not_exists(job_id)",
        values={":job": job_id, ":jti": hold.jti},
    )


def postpone(ledger: Ledger, hold: Hold, until: int) -> bool:
    """Let the sweeper look at the hold `until` (epoch seconds) again; False where its state had changed.

    Raises `Busy` or `OutcomeUnknown`.
    """
    later = Update(
        *hold.key,
        change="SET expires_at = :later",
        condition="#state = :seen AND jti = :jti",
        names={"#state": "state"},
        values={":later": until, ":seen": hold.state, ":jti": hold.jti},
    )
    try:
        ledger.table.write(later)
    except ConditionFailed:
        return False
    return True


def set_aside(ledger: Ledger, key: Item, until: int) -> None:
    """Let the sweeper look at the item at `key` `until` (epoch seconds) again, whatever is in it.

    Raises `Busy` or `OutcomeUnknown`.
    """
    later = Update(
        key["pk"],
        key["sk"],
        "SET expires_at = :later",
        "attribute_exists(open_shard)",
        values={":later": until},
    )
    with contextlib.suppress(ConditionFailed):
        ledger.table.write(later)


def settle(
    ledger: Ledger,
    hold: Hold,
    outcome: str,
    act: Act,
    *,
    beside: Beside = NOTHING,
    charge: int | None = None,
) -> Hold:
    """Bring `hold` to `outcome`, `CAPTURED` (delivered) or `RELEASED` (not delivered).

    A delivery is charged `charge` credits, at most what was held; None for all of it. The rest goes back
    in the same transaction. The first outcome resolves the hold; one later outcome that contradicts it is
    met by a compensating entry, and no further one. A late delivery that the account cannot pay changes
    nothing: what was delivered is kept back until it can. `beside` is written in the same transaction.
    The answer is the hold as it then is, also when another writer moved it in the meantime.

    Raises `Busy` or `OutcomeUnknown`.
    """
    step = next_step(hold, outcome)
    if step is None:
        return hold
    try:
        return _go(ledger, hold, step, act, beside, charge)
    except InsufficientCredits:
        return hold


ENDS: Final = {FINAL: CAPTURED, RELEASE: RELEASED}
"""The state that a request leaves which ends a hold."""

STEPS: Final[Mapping[tuple[str, str], Step]] = {
    (OPEN, CAPTURED): Step(
        CAPTURED, "capture", lambda hold, charge: (hold.reserved - charge, -hold.reserved)
    ),
    (OPEN, RELEASED): Step(RELEASED, "refund", lambda hold, _: (hold.reserved, -hold.reserved)),
    (SPENT, CAPTURED): Step(CAPTURED, "capture", lambda hold, charge: (hold.amount - charge, 0)),
    (SPENT, RELEASED): Step(RELEASED, "refund", lambda hold, _: (hold.amount, 0)),
    (CAPTURED, RELEASED): Step(
        RELEASED, "refund", lambda hold, _: (hold.committed, 0), reconciles=True
    ),
    (RELEASED, CAPTURED): Step(CAPTURED, "spend", lambda _, charge: (-charge, 0), reconciles=True),
}
"""What an outcome does to a hold, by the state it is in."""


def next_step(hold: Hold, outcome: str) -> Step | None:
    """What `outcome` does to `hold`, None for nothing."""
    step = STEPS.get((hold.state, outcome))
    return None if step is not None and step.reconciles and hold.reconciled else step


def _go(
    ledger: Ledger, hold: Hold, step: Step, act: Act, beside: Beside, charge: int | None
) -> Hold:
    most = _chargeable(hold)
    amount, held = step.moved(hold, most if charge is None else min(charge, most))
    move = Move(
        hold.user, step.type, amount, held, act, hold.jti, hold.tail,
        product=hold.entry_product, units=hold.entry_units,
    )  # fmt: skip
    once = ResolveOnce(ledger.table, hold, step, beside, act.at)
    try:
        posted = ledger.post(move, once)
    except AlreadyDone as done:
        return read(done.item)
    return once.after(posted.entry)


def _chargeable(hold: Hold) -> int:
    """The most that a delivery can be charged: what is held, or what went back."""
    if hold.state == SPENT:
        return hold.amount
    return hold.reserved if hold.state == OPEN else hold.released


def _charged_before(hold: Hold) -> int:
    """What a hold was charged before its next step; one that was paid at once, all of it."""
    return hold.amount if hold.state == SPENT else hold.committed
