"""Transactions as CSV for a spreadsheet (RFC 4180: commas, CRLF).

To add a column, add its name to `COLUMNS`; its value is the member of that name of
`engine.admin.accounts.entry_members`.
"""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.admin import accounts
from engine.ledger.items import Entry
from engine.ledger.origins import Name, Texts

COLUMNS: Final = (
    "id",
    "timestamp",
    "userId",
    "type",
    "amount",
    "heldChange",
    "balanceAfter",
    "heldAfter",
    "reason",
    "actor",
    "subject",
    "reverses",
    "requestId",
    "address",
    "userAgent",
)


def write(entries: Iterable[Entry], known: Mapping[Name, Texts]) -> str:
    """`entries` below a line with the names of the columns."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        shown = accounts.entry_members(entry, known)
        writer.writerow([_cell(shown[name]) for name in COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> Any:
    """An apostrophe goes before text that a spreadsheet would calculate (OWASP, CSV injection)."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r", "\n")):
        return "'" + value
    return value
