"""What a repeated vend may differ in."""

import re


def timeless(text: str) -> str:
    """An answer's text without what is left of a token's time."""
    return re.sub(r'"expiresIn":\d+', '"expiresIn":0', text)
