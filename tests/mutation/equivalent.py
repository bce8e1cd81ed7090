"""Mutants that no test can tell from the code, each with the reason."""

from collections.abc import Mapping
from typing import Final

NEXT_SECOND: Final = (
    "A caller that is refused in the last second asks again within it, and is let in by the next."
)

EQUIVALENT: Mapping[str, str] = {
    "metadata.cache.Cache._claim.4": NEXT_SECOND,
    "metadata.cache.Cache._claim.8": NEXT_SECOND,
}
