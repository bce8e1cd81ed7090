"""Cells of CSV for spreadsheets, without a formula in them (OWASP, CSV injection)."""

import unicodedata
from typing import Final

MARK: Final = "\ufeff"
"""The byte-order mark, by which spreadsheets recognise UTF-8."""

_STARTS = frozenset("=+-@\u2212")
_SEPARATORS = frozenset(",;|\t\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029")
_LEADING = ("\t", "\r", "\n")


def safe(value: str) -> str:
    """`value` with an apostrophe before each character that begins a formula, in any width, where a
    spreadsheet may begin a cell: at the start, and after anything that it may take for a separator or a
    line's end. Blanks, quotes and invisible characters in between are skipped as spreadsheets skip them.
    """
    made: list[str] = []
    at_start = True
    for character in value:
        plain = unicodedata.normalize("NFKC", character)[:1] or character
        if at_start and plain in _STARTS:
            made.append("'")
        made.append(character)
        is_separator = character in _SEPARATORS or plain in _SEPARATORS
        at_start = is_separator or (at_start and _is_skipped(plain))
    return "".join(made) if not value.startswith(_LEADING) else "'" + "".join(made)


def _is_skipped(character: str) -> bool:
    return character in "\"'" or character.isspace() or unicodedata.category(character)[0] in "CZ"
