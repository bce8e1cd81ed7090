"""Designs of a debit that break: the checker must find how. Each is as small as it can be.

`debits_<request>` on the account is written for the rules alone; no design reads it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from engine.platform.errors import Busy, EngineError, InsufficientCredits
from engine.platform.table import (
    Cancelled,
    ConditionFailed,
    Item,
    Put,
    Refusal,
    Table,
    Update,
    Write,
)
from tests.model.programs import Asked, attempts
from tests.model.replay import Outcome
from tests.model.scenario import Outcomes, Program, Scenario
from tests.model.store import Content

PK, ACCOUNT = "A", "ACCOUNT"
TIMEOUT_S = 30
NEVER = "none"

Handle = Callable[[Table, Asked], Mapping[str, Any]]


def broken_designs() -> list[Scenario]:
    """One for each way in which a design of the list breaks."""
    return [
        decorator_forgets(),
        decorator_deletes(),
        decorator_resends(),
        audit_apart(),
        balance_read_after(),
        funds_before_request(),
        last_ids(),
        last_entries(),
        index_of_requests(),
    ]


def decorator_forgets() -> Scenario:
    """An in-progress record passes its time, and the retry debits again."""
    return _scenario(
        "decorator: the record passes its time", _decorated(deletes=False), resends=False,
        retry_s=2 * TIMEOUT_S,
    )  # fmt: skip


def decorator_deletes() -> Scenario:
    """The SDK raises though the debit took effect, and the decorator deletes its record."""
    return _scenario(
        "decorator: an error deletes the record", _decorated(deletes=True), resends=False
    )


def decorator_resends() -> Scenario:
    """The SDK repeats an update whose answer was lost; nothing in it says that it was done."""
    return _scenario("decorator: the SDK repeats the update", _decorated(deletes=False))


def audit_apart() -> Scenario:
    """A crash between the debit and the audit leaves a debit that nothing explains."""
    return _scenario(
        "decorator: crash before the audit", _decorated(deletes=False), resends=False,
        quiet=_unexplained,
    )  # fmt: skip


def balance_read_after() -> Scenario:
    """Another debit comes between the transaction and the read of the balance."""
    return _scenario("transaction, then a read of the balance", _read_after, others="B")


def funds_before_request() -> Scenario:
    """The retry of the last credit's request sees the balance before it sees its own request."""
    return _scenario("read, then 402 before the request is looked up", _funds_first, balance=1)


def last_ids() -> Scenario:
    """The account remembers the last two request ids, and two others come between."""
    return _scenario("one update that remembers two ids", _remembering, others="BC")


def last_entries() -> Scenario:
    """Ids are looked up in the last entry, and another request comes between."""
    return _scenario("ids looked up in the last entry", _chained, others="B")


def index_of_requests() -> Scenario:
    """Ids are looked up in an index that lags behind the table."""
    return _scenario("ids looked up in an index", _indexed, environment=_catches_up)


def _scenario(
    name: str, handle: Handle, *, balance: int = 4, others: str = "", retry_s: int = 0, **rules: Any
) -> Scenario:
    """Two attempts of request A, the second after the end of the first, and one of each other."""

    def make(asked: Asked) -> Program:
        at = asked.at + retry_s * (asked.attempt - 1)
        late = Asked(asked.request, asked.attempt, at=at)
        made = late.does(lambda desk: handle(desk.table, late))
        return Program(made.request, made.attempt, made.run, asked.follows, asked.waits)

    programs = [*attempts(make, Asked("A"), 2, first=0, waits=True)]
    programs += [make(Asked(other)) for other in others]
    account = {"pk": PK, "sk": ACCOUNT, "balance": balance, "seq": 0, "last": NEVER}
    account |= {"before_last": NEVER, **{f"debits_{request}": 0 for request in "A" + others}}
    return Scenario(
        name, tuple(programs), {(PK, ACCOUNT): account}, audit=_charged_once, ended=_refused_charged,
        judge=_told_apart, faults=1, **rules,
    )  # fmt: skip


def _charged_once(content: Content) -> str | None:
    account = content[PK, ACCOUNT]
    twice = [name for name in account if name.startswith("debits_") and account[name] > 1]
    return f"charged twice: {twice}" if twice else None


def _refused_charged(program: Program, outcome: Outcome, content: Content) -> str | None:
    charged = content[PK, ACCOUNT][f"debits_{program.request}"]
    if outcome.kind == "crash":
        return str(outcome.facts)
    if outcome.kind == "insufficient_credits" and charged:
        return f"{program.name}: insufficient_credits for a request that was charged"
    return None


def _told_apart(programs: tuple[Program, ...], outcomes: Outcomes, content: Content) -> str | None:
    """A debit's balance is told for that debit alone, and always the same."""
    told: dict[object, str] = {}
    for program, outcome in zip(programs, outcomes, strict=True):
        if outcome is not None and outcome.kind == "ok" and outcome.facts:
            balance = outcome.facts["balance"]
            if told.setdefault(balance, program.request) != program.request:
                return f"balance {balance} told for {told[balance]} and for {program.request}"
    return None


def _unexplained(content: Content) -> str | None:
    account = content[PK, ACCOUNT]
    debits = sum(account[name] for name in account if name.startswith("debits_"))
    audits = sum(sk.startswith("AUDIT#") for _, sk in content)
    return None if debits == audits else f"{debits} debits, {audits} audit records"


def _decorated(*, deletes: bool) -> Handle:
    """An idempotency decorator around an update and a put."""

    def handle(table: Table, asked: Asked) -> Mapping[str, Any]:
        try:
            _mark(table, asked, "working")
        except ConditionFailed as refused:
            if refused.item is not None and refused.item["status"] == "done":
                return {}
            raise Busy() from None
        try:
            _debit(table, asked, _audit_record(asked))
        except EngineError:
            if deletes:
                _mark(table, asked, "deleted")
            raise
        _mark(table, asked, "done")
        return {}

    return handle


def _mark(table: Table, asked: Asked, status: str) -> None:
    item = _record(asked) | {"status": status, "until": asked.now + TIMEOUT_S}
    free = (
        "attribute_not_exists(pk) OR #status = :deleted OR (#status = :working AND #until < :now)"
    )
    names = {"#status": "status", "#until": "until"}
    values = {":deleted": "deleted", ":working": "working", ":now": asked.now}
    table.write(Put(item, free, names, values) if status == "working" else Put(item, ""))


def _debit(table: Table, asked: Asked, audit: Item) -> None:
    try:
        table.write(_account(asked, "balance >= :one"))
    except ConditionFailed:
        raise InsufficientCredits(0, 1) from None
    table.write(Put(audit, ""))


def _read_after(table: Table, asked: Asked) -> Mapping[str, Any]:
    writes: list[Write] = [
        _account(asked, "balance >= :one"),
        Put(_record(asked), "attribute_not_exists(pk)"),
    ]
    try:
        table.transact(writes)
    except Cancelled as cancelled:
        if not _is_condition(cancelled.refusals[1]):
            raise Busy() from None
    return {"balance": _read(table)["balance"]}


def _funds_first(table: Table, asked: Asked) -> Mapping[str, Any]:
    account = _read(table)
    if account["balance"] < 1:
        raise InsufficientCredits(0, 1)
    record = _record(asked) | {"balance": account["balance"] - 1}
    return _on_version(table, asked, account, Put(record, "attribute_not_exists(pk)"))


def _remembering(table: Table, asked: Asked) -> Mapping[str, Any]:
    fresh = "balance >= :one AND #last <> :id AND before_last <> :id"
    remember = ", before_last = #last, #last = :id"
    try:
        table.write(_account(asked, fresh, remember, {"#last": "last"}, {":id": asked.request}))
    except ConditionFailed as refused:
        item = refused.item or {}
        if asked.request not in (item["last"], item["before_last"]):
            raise InsufficientCredits(0, 1) from None
    return {}


def _chained(table: Table, asked: Asked) -> Mapping[str, Any]:
    account = _read(table)
    if any(entry["request"] == asked.request for entry in table.query(PK, "E#", limit=1)):
        return {}
    return _on_version(table, asked, account, _entry(asked, account))


def _indexed(table: Table, asked: Asked) -> Mapping[str, Any]:
    account = _read(table)
    if table.query("INDEX", asked.request, limit=1):
        return {}
    return _on_version(table, asked, account, _entry(asked, account))


def _catches_up(content: Content) -> Iterator[tuple[str, Content]]:
    for (_, sk), item in content.items():
        key = ("INDEX", str(item.get("request")))
        if sk.startswith("E#") and key not in content:
            yield f"the index shows {key[1]}", {**content, key: {"pk": key[0], "sk": key[1]}}


def _on_version(table: Table, asked: Asked, account: Item, once: Write) -> Mapping[str, Any]:
    """The debit and `once`, if the account is still at the version that was read."""
    version = {":seen": account["seq"], ":next": account["seq"] + 1}
    change = _account(asked, "seq = :seen AND balance >= :one", ", seq = :next", {}, version)
    try:
        table.transact([change, once])
    except Cancelled as cancelled:
        refusal = cancelled.refusals[1]
        if refusal is None or refusal.item is None or "balance" not in refusal.item:
            raise Busy() from None
        return {"balance": refusal.item["balance"]}
    return {"balance": account["balance"] - 1}


def _account(
    asked: Asked, condition: str, more: str = "", names: Mapping[str, str] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Update:  # fmt: skip
    count = f"debits_{asked.request}"
    change = f"SET balance = balance - :one, {count} = {count} + :one{more}"
    return Update(PK, ACCOUNT, change, condition, names or {}, {":one": 1, **(values or {})})


def _entry(asked: Asked, account: Item) -> Put:
    item = {"pk": PK, "sk": f"E#{account['seq'] + 1:06d}", "request": asked.request}
    return Put(item, "attribute_not_exists(pk)")


def _record(asked: Asked) -> Item:
    return {"pk": PK, "sk": f"R#{asked.request}"}


def _audit_record(asked: Asked) -> Item:
    return {"pk": PK, "sk": f"AUDIT#{asked.request}.{asked.attempt}"}


def _read(table: Table) -> Item:
    account = table.get(PK, ACCOUNT)
    if account is None:
        raise Busy()
    return account


def _is_condition(refusal: Refusal | None) -> bool:
    return refusal is not None and refusal.is_condition
