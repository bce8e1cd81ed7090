"""The secret that the proxy before the API adds to every request, where a deployment requires one.

It is a ring, so each of its keys passes, and the proxy can change from one to the next at any time. It is
read in the same call as the function's other rings, and not at all where it is not required.

Failure policy: that of `engine.access.keyrings`; without the ring no request is admitted.
"""

from engine.access import keyrings
from engine.access.keyrings import FRONT_SECRET, KeyRings
from engine.platform.config import Settings


class RingFront:
    """Admits what shows a key of the ring `FRONT_SECRET` among `rings`."""

    def __init__(self, rings: KeyRings) -> None:
        self.rings = rings

    def admits(self, shown: str) -> bool:
        """Whether `shown` is a key of the ring, compared in constant time. Raises `Busy`."""
        return self.rings[FRONT_SECRET].matches(shown)


def names(settings: Settings, *own: str) -> tuple[str, ...]:
    """The rings that a function reads: its `own`, and the front's where the deployment requires it."""
    return (*own, FRONT_SECRET) if settings.requires_front else own


def required(settings: Settings, rings: KeyRings | None = None) -> RingFront | None:
    """What admits requests, None where the deployment admits all.

    `rings` are those of `names`; a function that has none gets rings of its own.
    """
    if not settings.requires_front:
        return None
    if rings is None:
        rings = KeyRings(keyrings.connect(), settings.secrets_prefix, names(settings))
    return RingFront(rings)
