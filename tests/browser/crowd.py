"""Very many users, as the projector leaves them.

`make prove` seeds 100,000, `make test` 10,000, as seeding them is what takes the time.
"""

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from engine.platform.table import marshal
from engine.readmodels import folds
from local.engine import json_client

COUNT = 100_000 if os.environ.get("PROVE") else 10_000
BATCH = 25


def summary(number: int) -> dict[str, Any]:
    """A user's summary as the projector leaves it, with a balance computed from the number."""
    user = f"many-{number:06d}"
    at = 1_780_000_000 + number
    return {
        "pk": folds.summary_pk("credits", 1, user), "sk": user, "unit": "credits",
        "projected_seq": 1, "first_at": at, "last_at": at, "users": 1, "entries": 1,
        "available": number % 1000, "granted": number % 1000, "count.user_creation": 1,
    }  # fmt: skip


def batches() -> Iterator[list[Any]]:
    for first in range(0, COUNT, BATCH):
        items = (marshal(summary(number)) for number in range(first, first + BATCH))
        yield [{"PutRequest": {"Item": item}} for item in items]


def seed(run: Mapping[str, str]) -> None:
    """Stores them all in the table of a local run."""
    client = json_client("dynamodb", run["engineUrl"])
    name = run["tableName"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: client.batch_write_item(RequestItems={name: batch}), batches()))
