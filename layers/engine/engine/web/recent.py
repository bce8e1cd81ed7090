"""What one process remembers for a while, such as the calls that it has counted."""

from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class Recent(Generic[V]):
    """The values that were put last, at most `most` of them, by key; the oldest is dropped first.

    Threads may share it: a caller that changes a value holds `lock` from its `get` to its `put`.
    """

    def __init__(self, most: int) -> None:
        self.lock = Lock()
        self._most = most
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        return self._values.get(key)

    def pop(self, key: str) -> V | None:
        """The value, which is dropped."""
        return self._values.pop(key, None)

    def put(self, key: str, value: V) -> None:
        """Keep `value` as the newest."""
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)

    def clear(self) -> None:
        self._values.clear()
