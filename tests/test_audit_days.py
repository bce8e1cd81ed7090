"""The audit of a day has the vends that are in no index, once each, in one order with everything else."""

import itertools
from typing import Any

import pytest

from engine.ledger import audit
from engine.platform.table import Item, Put
from engine.platform.times import DAY_S, iso
from engine.readmodels import figures
from engine.readmodels.audit_days import AuditDays
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK
from engine.readmodels.writes import audit_record, stored_record
from tests.support.gateway import Gateway
from tests.support.stage import Stage
from tests.support.streams import Book, Client, records

NOON = 1_800_014_400
KEEP_DAYS = 400


def projected(endpoint: str, layouts: tuple[int, ...]) -> tuple[Stage, list[Book]]:
    """Accounts that vend, are adjusted and end their holds, several in a second, over two days; each is
    projected in one of `layouts`.
    """
    stage, books = Stage(Gateway(endpoint)), list[Book]()
    stage.through(Client(stage.gateway.dynamodb), now=lambda: NOON)
    for number, layout in zip(range(6), itertools.cycle(layouts), strict=False):
        control = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1, "layout": layout}
        stage.table.write(Put(control, ""))
        book = Book(f"user-{number}", "credits", at=NOON)
        book.grant(9)
        for step in (0, 0, 1, DAY_S):
            book.at += step
            book.end(book.vend(), "capture")
            book.post("admin_deduct", -1)
        assert stage.deliver(records(book.entries)) is None
        books.append(book)
    return stage, books


def expected(books: list[Book], day: str) -> list[Item]:
    entries = [entry for book in books for entry in book.entries]
    made = [
        audit_record(entry, KEEP_DAYS)
        for entry in entries
        if entry.type in ("spend", "admin_deduct")
    ]
    of_day = (item for item in made if item["sk"].startswith(day))
    return sorted(of_day, key=lambda item: str(item["sk"]), reverse=True)


def paged(stage: Stage, day: str, limit: int) -> list[Item]:
    days, found = AuditDays(KEEP_DAYS, NOON), list[Item]()
    while page := days.of_day(
        stage.table, day, limit=limit, before=found[-1]["sk"] if found else None
    ):
        assert len(page) <= limit
        found += page
    return found


OLD, OPEN_HOURS, NEW = figures.FIRST_LAYOUT, figures.OPEN_HOURS, figures.LAYOUT


@pytest.mark.parametrize("layouts", [(OLD,), (OPEN_HOURS,), (NEW,), (OLD, OPEN_HOURS, NEW)])
def test_a_day_is_the_same_whichever_layout_it_was_projected_in(
    endpoint: str, layouts: tuple[int, ...]
) -> None:
    stage, books = projected(endpoint, layouts)
    for day in (iso(NOON)[:10], iso(NOON + DAY_S)[:10], "2026-01-01"):
        right = expected(books, day)
        for limit in (1, 5, 100):
            assert paged(stage, day, limit) == right
    assert len(expected(books, iso(NOON)[:10])) == 6 * 6


@pytest.mark.parametrize(("layout", "kind", "is_stored", "is_in"), [
    (OLD, "spend", True, True), (OPEN_HOURS, "spend", True, False), (NEW, "spend", False, False),
    (OLD, "admin_deduct", True, True), (OPEN_HOURS, "admin_deduct", True, True),
    (NEW, "admin_deduct", True, True), (OLD, "capture", False, False), (NEW, "capture", False, False),
])  # fmt: skip
def test_the_record_of_a_vend_is_stored_where_its_layout_has_it(
    endpoint: str, layout: int, kind: str, is_stored: bool, is_in: bool
) -> None:
    """An earlier version finds the records of its layout there."""
    _, books = projected(endpoint, (layout,))
    entry = next(entry for entry in books[0].entries if entry.type == kind)
    record = stored_record(entry, KEEP_DAYS, layout)
    assert (record is not None, record is not None and "audit_day" in record) == (is_stored, is_in)


def test_vends_are_in_no_index_and_adjustments_are(endpoint: str) -> None:
    stage, _ = projected(endpoint, (NEW,))
    found = audit.of_day(stage.table, iso(NOON)[:10], limit=100)
    assert {item["action"] for item in found} == {"admin_deduct"}


def test_a_vend_whose_record_has_expired_is_not_shown(endpoint: str) -> None:
    stage, books = projected(endpoint, (NEW,))
    day = iso(NOON)[:10]
    vends = [item for item in expected(books, day) if item["action"] == "vend"]
    for now, left in ((vends[0]["ttl"] - 1, 1), (vends[0]["ttl"], 0)):
        found = AuditDays(KEEP_DAYS, now).of_day(stage.table, day, limit=100)
        assert bool([item for item in found if item["action"] == "vend"]) is bool(left)


def test_operators_see_vends_of_a_day_page_by_page(endpoint: str) -> None:
    stage, books = projected(endpoint, (NEW,))
    gateway, seen, cursor = stage.gateway, list[Any](), None
    gateway.now = NOON + DAY_S
    while True:
        asked = {
            "fromDay": iso(NOON)[:10],
            "toDay": iso(NOON + DAY_S)[:10],
            "action": "vend",
            "limit": "7",
        }
        query = asked | ({"cursor": cursor} if cursor else {})
        answer = gateway.call("GET", "/admin/audit", query=query, headers=gateway.admin)
        assert answer.status == 200, answer.text
        seen += [(one["userId"], one["seq"]) for one in answer.json["records"]]
        cursor = answer.json["nextCursor"]
        if cursor is None:
            break
    vends = [(b.user, e.seq) for b in books for e in b.entries if e.type == "spend"]
    assert len(seen) == len(set(seen))
    assert sorted(seen) == sorted(vends)


@pytest.mark.parametrize("moment", ["T99:99:99.000Z", "T00:00:00.000Z"])
def test_a_cursor_of_no_time_begins_where_it_sorts(endpoint: str, moment: str) -> None:
    stage, books = projected(endpoint, (NEW,))
    day = iso(NOON)[:10]
    before = f"{day}{moment}#-"
    found = AuditDays(KEEP_DAYS, NOON).of_day(stage.table, day, limit=100, before=before)
    assert found == [item for item in expected(books, day) if item["sk"] < before]
