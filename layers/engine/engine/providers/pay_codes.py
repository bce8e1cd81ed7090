"""Pay codes: eight characters that a person types on a phone as the account of a payment.

32 characters, none of them easily taken for another: no 0 and O, no 1 and I. A code is read as people type it
(lower case, spaces, hyphens) but never guessed: with a character too few or wrong it is no code, because the
nearest code may be another buyer's.
"""

import re
import secrets

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
LENGTH = 8
"""40 random bits; Daraja's AccountReference takes 12 characters of `A-Z a-z 0-9`."""

_CODE = re.compile(f"[{ALPHABET}]{{{LENGTH}}}")
_TYPED_BETWEEN = re.compile(r"[ \t\u00a0-]+")
_LONGEST_TYPED = 40


def new() -> str:
    """A code that nobody can guess; whether it is free is for its owner to check."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def typed(text: str | None) -> str | None:
    """The code in `text`, what a person typed and nothing else; None if it is not one."""
    if text is None or len(text) > _LONGEST_TYPED:
        return None
    letters = _TYPED_BETWEEN.sub("", text)
    # Upper case makes ASCII letters of some others, such as the long s.
    code = letters.upper() if letters.isascii() else ""
    return code if _CODE.fullmatch(code) else None
