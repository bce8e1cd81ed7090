"""Transactions as CSV for a spreadsheet (RFC 4180: commas, CRLF).

To add a column, add its name to `COLUMNS`; its value is the member of that name of
`engine.admin.accounts.entry_members`.
"""

import csv
import io
import json
import unicodedata
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


MARK: Final = "\ufeff"
"""The byte-order mark, by which spreadsheets recognise UTF-8."""

_STARTS = frozenset("=+-@\u2212")
_SEPARATORS = frozenset(",;|\t\r\n")
_LEADING = ("\t", "\r", "\n")


def write(entries: Iterable[Entry], known: Mapping[Name, Texts]) -> tuple[str, int]:
    """`entries` below a line with the names of the columns, and how many of them, at least one, fit into an
    answer.
    """
    lines = [MARK + _line(COLUMNS)]
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
    """Text without a formula in it (OWASP, CSV injection).

    An apostrophe goes before each character that begins a formula, in any width, where a spreadsheet may
    begin a cell: at the start, and after anything that it may take for a separator or a line's end.
    Blanks, quotes and invisible characters in between are skipped as spreadsheets skip them.
    """
    if not isinstance(value, str):
        return value
    safe: list[str] = []
    at_start = True
    for character in value:
        plain = unicodedata.normalize("NFKC", character)[:1] or character
        if at_start and plain in _STARTS:
            safe.append("'")
        safe.append(character)
        at_start = plain in _SEPARATORS or (at_start and _is_skipped(plain))
    return "".join(safe) if not value.startswith(_LEADING) else "'" + "".join(safe)


def _is_skipped(character: str) -> bool:
    return character in "\"'" or character.isspace() or unicodedata.category(character)[0] in "CZ"
