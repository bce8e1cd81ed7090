"""What a process renews when Lambda restores it from a snapshot (SnapStart).

A snapshot is taken of the process as it is before its first request, and may be restored days later, many
times. What must not come out of it is renewed before the first request: connections, figures of other
services, secrets that may have been rotated, the state of `random`, which every copy would share. Clocks
need nothing: caches go by the wall clock, waits by a monotonic one within one call. Nor do credentials:
the clients ask Lambda's endpoint again where they have run out, by the wall clock.

The hook is that of "Lambda SnapStart runtime hooks for Python" in the Lambda developer guide; the
library is part of Lambda's own runtime.
"""

import random
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Owner = TypeVar("Owner")

_renewed: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def renews(owner: Owner, renew: Callable[[Owner], None]) -> Owner:
    """`owner`, on which `renew` is called after each restore for as long as it exists."""
    _renewed[owner] = renew
    return owner


def restored() -> None:
    """Renew everything: the process goes on from a snapshot."""
    random.seed()
    for owner, renew in list(_renewed.items()):
        renew(owner)


try:
    from snapshot_restore_py import register_after_restore  # type: ignore[import-untyped]
except ImportError:
    # Outside Lambda's runtime nothing is restored.
    pass
else:
    register_after_restore(restored)
