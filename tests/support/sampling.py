"""The short form of a large enumeration: `make test` tries a share of each row, `make prove` all of it."""

import os
from collections.abc import Iterable
from typing import TypeVar
from zlib import crc32

Value = TypeVar("Value")

PROVING = os.environ.get("PROVE") == "1"


def share(values: Iterable[Value], row: str, *, one_in: int) -> list[Value]:
    """Every `one_in`-th of `values`, beginning at a place that depends on `row`; all under `PROVE=1`.

    A row is what the values are tried on, such as a route. Different rows begin at different places, so each
    value is tried on many rows and each row with values of each kind; the choice is the same in every run.
    """
    if PROVING:
        return list(values)
    return list(values)[crc32(row.encode()) % one_in :: one_in]
