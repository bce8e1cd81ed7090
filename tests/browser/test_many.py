"""Very many users: pages come as fast at the end as at the beginning.

`make prove` seeds 100,000, `make test` 10,000, as seeding them is what takes the time.
"""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.platform.table import marshal
from engine.readmodels import folds
from local.engine import json_client
from tests.browser.conftest import Office
from tests.browser.desk import Desk

COUNT = 100_000 if os.environ.get("PROVE") else 10_000
BATCH = 25
HUNDRED = "many-0077"
"""The beginning of the ids of a hundred users."""


def summary(number: int) -> dict[str, Any]:
    """A user's summary as the projector leaves it, with a balance that tells of the number."""
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


@pytest.fixture(scope="module", autouse=True)
def many(office: Office) -> None:
    client = json_client("dynamodb", office.run["engineUrl"])
    name = office.run["tableName"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda batch: client.batch_write_item(RequestItems={name: batch}), batches()))


def page(desk: Desk, path: str, first: str) -> float:
    """Seconds until the page shows the user `first` at its top."""
    started = time.monotonic()
    desk.open(path)
    desk.wait(lambda: desk.texts("tbody a.id")[:1] == [first], first)
    return time.monotonic() - started


def test_any_page_of_a_hundred_thousand_users_is_reached_and_says_how_long_it_took(
    desk: Desk,
) -> None:
    took = {}
    for number in (0, COUNT // 2, COUNT - 1000):
        cursor = f"many-{number:06d}"
        path = f"/users?cursor={cursor}"
        took[number] = page(desk, path, f"many-{number + 1:06d}")
        assert len(desk.all("tbody tr")) == 50
    took[-1] = page(desk, f"/users?q={HUNDRED}", f"{HUNDRED}00")
    assert len(desk.all("tbody tr")) == 50
    desk.press("Next")
    desk.wait(lambda: desk.texts("tbody a.id")[:1] == [f"{HUNDRED}50"])
    print({number: round(seconds, 2) for number, seconds in took.items()})


def test_paging_shows_everybody_once(desk: Desk) -> None:
    desk.open(f"/users?q={HUNDRED}")
    seen: list[str] = []
    for expected in (f"{HUNDRED}00", f"{HUNDRED}50"):
        desk.wait(lambda expected=expected: desk.texts("tbody a.id")[:1] == [expected])
        seen += desk.texts("tbody a.id")
        if expected.endswith("00"):
            desk.press("Next")
    assert seen == [f"many-{number:06d}" for number in range(7700, 7800)]
