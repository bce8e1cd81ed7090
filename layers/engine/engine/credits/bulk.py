"""Adjustments of many balances from one CSV file, row by row, each row once for ever.

The first line names the columns: `user` or `userId`, `amount` (signed), `reason` and optionally `id`. An
amount may have the apostrophe that our own files have before a sign. A row is made
once, identified by its `id`, else by the file's digest and the row's number; so after an interruption the
same file is sent again, also after a spreadsheet has saved it in another form. If any row has a fault,
nothing is changed.
"""

import csv
import hashlib
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from engine.credits.adjustments import Adjustment, RowOnce, adjust
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.platform.act import Act
from engine.platform.errors import Busy, EngineError, InvalidRequest
from engine.platform.ids import PAYMENT_ID, is_user_id
from engine.web.request_ids import fingerprint
from engine.web.token_forms import CREDITS_LIMIT

MOST_ROWS = 500
MOST_REASON = 200
PATIENCE_S = 20.0
"""New rows are started for this long; API Gateway waits for 30 s."""

COLUMNS = ("user", "amount", "reason")
DELIMITERS = (",", ";", "\t")
DIGEST_LENGTH = 32
_AMOUNT = re.compile(r"'?([+-]?[0-9]{1,7})")
_ID = re.compile(PAYMENT_ID)


@dataclass(frozen=True, slots=True)
class Row:
    """One line; `line` counts from 1, heading included; `fault` names the wrong column, empty for none."""

    line: int
    id: str
    user: str
    amount: int
    reason: str
    fault: str = ""
    older_id: str | None = None
    """The id that earlier versions gave a row without one."""

    @property
    def content(self) -> list[Any]:
        return [self.id, self.user, self.amount, self.reason]

    @property
    def fingerprint(self) -> str:
        return fingerprint({"user": self.user, "amount": self.amount, "reason": self.reason})


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` is `would_do`, `done`, `repeated`, `refused`, `invalid` or `not_reached`."""

    row: Row
    status: str
    code: str = ""
    balance: int | None = None
    """The balance after the row, if the row changes it."""
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of a file, and its digest."""

    digest: str
    rows: list[Row]

    @property
    def faulty(self) -> list[Row]:
        return [row for row in self.rows if row.fault]


def parse(raw: bytes) -> Sheet:
    """The rows in `raw`: UTF-8, separated by commas, semicolons or tabs.

    Raises `InvalidRequest` if it is no such table or too long.
    """
    try:
        text = raw.decode("utf-8-sig")
        first = text.lstrip("\r\n").partition("\n")[0]
        delimiter = next((one for one in DELIMITERS if one in first), DELIMITERS[0])
        table = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [line for line in map(_without_blanks, table) if line]
    except (ValueError, csv.Error):
        raise InvalidRequest("The body is not CSV in UTF-8.") from None
    names = [name.strip().lower() for name in lines[0]] if lines else []
    names = ["user" if name == "userid" else name for name in names]
    if not set(COLUMNS) <= set(names) or len(set(names)) != len(names):
        raise InvalidRequest("The first line must name user, amount and reason, each once.")
    if len(lines) == 1 or len(lines) - 1 > MOST_ROWS:
        raise InvalidRequest(f"A table has 1 to {MOST_ROWS} rows.", details={"limit": MOST_ROWS})
    rows = [_row(number, names, cells) for number, cells in enumerate(lines[1:], 2)]
    digest = _digest([row.content for row in rows])
    older = hashlib.sha256(raw).hexdigest()[:DIGEST_LENGTH]
    return Sheet(digest, _told_apart(_identified(row, digest, older) for row in rows))


def _without_blanks(cells: list[str]) -> list[str]:
    """The cells without blanks around them and without empty ones at the end."""
    stripped = [cell.strip() for cell in cells]
    while stripped and not stripped[-1]:
        stripped.pop()
    return stripped


def _digest(contents: list[list[Any]]) -> str:
    """A digest of what the rows say, so that the same sheet has the same one however it is saved."""
    text = json.dumps(contents, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def _identified(row: Row, digest: str, older: str) -> Row:
    """`row` with its own id, or one from the sheet; earlier versions took the digest of the bytes."""
    if not row.id:
        row = replace(row, id=f"{digest}:{row.line}", older_id=f"{older}:{row.line}")
    return replace(row, fault=row.fault or ("" if _ID.match(row.id) else "id"))


def _row(line: int, names: list[str], cells: list[str]) -> Row:
    given = dict(zip(names, cells, strict=False))
    user, amount, reason = (given.get(name, "") for name in COLUMNS)
    written = _AMOUNT.fullmatch(amount)
    number = int(written[1]) if written else 0
    row = Row(line, given.get("id", ""), user, number, reason)
    return replace(row, fault=_fault(row) or ("columns" if len(cells) > len(names) else ""))


def _fault(row: Row) -> str:
    """The first invalid column; empty for none."""
    if not is_user_id(row.user):
        return "user"
    if not 1 <= abs(row.amount) <= CREDITS_LIMIT:
        return "amount"
    if not 1 <= len(row.reason) <= MOST_REASON:
        return "reason"
    return ""


def _told_apart(rows: Iterator[Row]) -> list[Row]:
    """Marks the second of two rows with the same id as faulty."""
    seen: set[str] = set()
    found = []
    for row in rows:
        again = row.id in seen and not row.fault
        found.append(replace(row, fault="id") if again else row)
        seen.add(row.id)
    return found


def preview(ledger: Ledger, sheet: Sheet) -> list[Outcome]:
    """What the rows would do in their order, from the current balances. Raises `Busy`."""
    balances: dict[str, tuple[int, int]] = {}
    return [_previewed(ledger, row, balances) for row in sheet.rows]


def _previewed(ledger: Ledger, row: Row, balances: dict[str, tuple[int, int]]) -> Outcome:
    """`balances` has what is available and what is owed, by user, and is brought up to date."""
    if row.fault:
        return Outcome(row, "invalid", row.fault)
    done = RowOnce(ledger.table, row.id, row.older_id, {}).earlier()
    if done is not None:
        same = done["fingerprint"] == row.fingerprint
        return Outcome(
            row, "repeated" if same else "refused", "" if same else "idempotency_key_reused"
        )
    if row.user not in balances:
        account = ledger.account(row.user)
        if not account.exists and row.amount < 0:
            return Outcome(row, "refused", "not_found")
        balances[row.user] = account.available, account.owed
    available, owed = balances[row.user]
    paid = min(owed, max(0, row.amount))
    after = available + row.amount - paid
    if after < 0:
        return Outcome(row, "refused", "insufficient_credits", available)
    balances[row.user] = after, owed - paid
    return Outcome(row, "would_do", balance=after)


@dataclass(frozen=True, slots=True)
class Run:
    """Makes the rows of a sheet as one act."""

    ledger: Ledger
    audit: Audit
    act: Act
    clock: Callable[[], float] = field(default=time.monotonic)

    def make(self, sheet: Sheet) -> list[Outcome]:
        """Makes the rows in their order. A refused row does not stop the others; a store that does not
        answer does. Raises `InvalidRequest`, with nothing changed, if a row has a fault.
        """
        if sheet.faulty:
            faults = [{"line": row.line, "field": row.fault} for row in sheet.faulty[:20]]
            raise InvalidRequest("Nothing was changed: rows have faults.", details={"rows": faults})
        give_up_at = self.clock() + PATIENCE_S
        outcomes: list[Outcome] = []
        for row in sheet.rows:
            if self.clock() >= give_up_at:
                break
            try:
                outcomes.append(self._one(row))
            except Busy:
                break
        return outcomes + [
            Outcome(row, "not_reached", "busy") for row in sheet.rows[len(outcomes) :]
        ]

    def _one(self, row: Row) -> Outcome:
        act = replace(self.act, reason=row.reason, request_id=f"{self.act.request_id}:{row.line}")
        asked = Adjustment(row.user, row.amount, None, row.fingerprint, act, row.id, row.older_id)
        try:
            made = adjust(self.ledger, self.audit, asked)
        except Busy:
            raise
        except EngineError as refused:
            return Outcome(row, "refused", refused.code, refused.members.get("balance"))
        return Outcome(row, "repeated" if made.replayed else "done", "", made.new_balance, made.seq)


def members(sheet: Sheet, outcomes: list[Outcome], *, dry_run: bool) -> dict[str, Any]:
    """The answer: the outcome of every row, and the number of rows by outcome."""
    statuses = [outcome.status for outcome in outcomes]
    return {
        "ok": True,
        "dryRun": dry_run,
        "file": sheet.digest,
        "counts": {status: statuses.count(status) for status in sorted(set(statuses))},
        "rows": [_row_members(outcome) for outcome in outcomes],
    }


def _row_members(outcome: Outcome) -> dict[str, Any]:
    row = outcome.row
    return {
        "line": row.line,
        "id": row.id,
        "userId": row.user,
        "amount": row.amount,
        "reason": row.reason,
        "status": outcome.status,
        "code": outcome.code,
        "balance": outcome.balance,
        "seq": outcome.seq,
    }
