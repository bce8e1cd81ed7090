"""Transactions as CSV for a spreadsheet (RFC 4180: commas, CRLF).

To add a column, add its name to `COLUMNS`; its value is the member of that name of
`engine.admin.accounts.entry_members`.
"""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from engine.admin import accounts
from engine.ledger.items import Entry
from engine.ledger.origins import Name, Texts
from engine.web import csv_cells

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


def write(entries: Iterable[Entry], known: Mapping[Name, Texts]) -> tuple[str, int]:
    """`entries` below a line with the names of the columns, and how many of them, at least one, fit into an
    answer.
    """
    lines = [csv_cells.MARK + _line(COLUMNS)]
    size, written = _size(lines[0]), 0
    for entry in entries:
        shown = accounts.entry_members(entry, known)
        line = _line([_cell(shown[name]) for name in COLUMNS])
        size += _size(line)
        if size > accounts.ANSWER_LIMIT and written:
            break
        lines.append(line)
        written += 1
    return "".join(lines), written


def _line(cells: Iterable[Any]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(cells)
    return text.getvalue()


def _size(text: str) -> int:
    return len(json.dumps(text))


def _cell(value: Any) -> Any:
    return csv_cells.safe(value) if isinstance(value, str) else value
