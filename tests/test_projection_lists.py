"""What the projector makes for lists: notices of low balances, users by prefix, days."""

from collections import Counter
from collections.abc import Iterator

import pytest

from engine.platform.table import Put, Table, marshal
from engine.readmodels import figures, folds
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK
from engine.readmodels.folds import Stats
from engine.readmodels.projection import NEWS_S
from tests.support import loglines
from tests.support.gateway import Gateway
from tests.support.stage import Stage
from tests.support.streams import (
    Book,
    fresh,
    records,
)


@pytest.fixture
def stage(gateway: Gateway) -> Iterator[Stage]:
    stage = Stage(gateway)
    yield stage
    stage.module.projector = stage.whole


def test_every_crossing_of_the_threshold_makes_one_notice(stage: Stage) -> None:
    book = stage.book("credits")
    book.grant(4)
    for amount in (-1, -1, -1, 5, -2, -2):
        book.post("admin_add" if amount > 0 else "admin_deduct", amount)
    batch = records(book.entries)
    with loglines.caught() as lines:
        for again in (batch[:4], batch[2:], batch):
            assert stage.deliver(again) is None
    found = figures.notices(stage.table, book.user, limit=10)
    assert [(item["seq"], item["available"]) for item in found] == [(7, 2), (3, 2)]
    assert lines.messages == [f"be:low-balance user={book.user} available=2"] * 2
    assert [line["seq"] for line in lines.json] == [3, 7]
    assert [line["LowBalance"] for line in lines.json] == [1, 1]
    counted: Counter[str] = Counter()
    for line in lines.json:
        counted.update({name: n for name, n in line.items() if name.startswith("Entries_")})
    assert counted == Counter(f"Entries_{entry.type}" for entry in book.entries)


def test_a_notice_keeps_members_added_by_operators(stage: Stage) -> None:
    book = stage.book("credits")
    book.grant(3)
    book.post("admin_deduct", -1)
    mark = {"pk": folds.notice_pk(book.user), "sk": folds.notice_sk(2), "seen_by": "ops"}
    stage.gateway.dynamodb.put_item(TableName=stage.table.name, Item=marshal(mark))
    stage.deliver(records(book.entries))
    (found,) = figures.notices(stage.table, book.user, limit=2)
    assert (found["seen_by"], found["available"]) == ("ops", 2)


def test_an_old_crossing_makes_no_notice(stage: Stage) -> None:
    book = stage.book("credits")
    book.at -= NEWS_S + 5
    book.grant(3)
    book.post("admin_deduct", -1)
    stage.deliver(records(book.entries))
    assert figures.notices(stage.table, book.user, limit=2) == []


def test_users_are_listed_by_prefix_page_by_page(stage: Stage) -> None:
    unit = fresh("listed")
    users = sorted([f"u_{n:03d}" for n in range(24)] + ["v_1", "Upper", "0"])
    for user in users:
        book = Book(user, unit)
        book.grant(1)
        assert stage.deliver(records(book.entries)) is None
    for prefix in ("", "u_", "u_01", "v", "nobody"):
        wanted = [user for user in users if user.startswith(prefix)]
        for size in (1, 7, 27, 200):
            assert _paged(stage.table, unit, prefix, size) == wanted


def _paged(table: Table, unit: str, prefix: str, size: int) -> list[str]:
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = figures.list_summaries(table, unit, prefix, cursor, size)
        assert len(page.summaries) <= size
        found += [summary.user for summary in page.summaries]
        cursor = page.cursor
        if cursor is None:
            return found


def test_days_are_read_from_the_first_to_the_last(stage: Stage) -> None:
    book = Book(fresh("u"), fresh("days"), at=1_800_014_400)
    for _ in range(4):
        book.grant(2)
        book.at += 86_400
    stage.deliver(records(book.entries))
    found = figures.days(stage.table, book.unit, "2027-01-16", "2027-01-17")
    assert list(found) == ["2027-01-16", "2027-01-17"]
    assert {day.granted for day in found.values()} == {2}
    assert figures.totals(stage.table, fresh("empty")) == Stats()


def test_accounts_of_all_layouts_are_listed_by_age_once_page_by_page(endpoint: str) -> None:
    """Some were projected by an earlier version; a duplicate of a first record puts a start beside one."""
    gateway, start = Gateway(endpoint), 1_800_000_000
    stage, books = Stage(gateway), [Book(f"u{n}", "credits", at=start + n) for n in range(9)]
    control = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1}
    for layout, some in ((1, books[::3]), (2, books[1::3]), (3, books[2::3])):
        stage.table.write(Put({**control, "layout": layout}, ""))
        for book in some:
            book.grant(5)
            book.vend()
            assert stage.deliver(records(book.entries)) is None
    assert stage.deliver(records(books[0].entries[:1])) is None
    unprojected = folds.start_item("nobody", "credits", 1, start + 4)
    stage.table.write(Put(unprojected, ""))
    for size in (1, 2, 4, 10):
        found, cursor = list[str](), None
        while True:
            page = figures.ranked_summaries(stage.table, "credits", folds.BY_START, cursor, size)
            found += [one.user for one in page.summaries]
            assert all(one.stats.available == 4 for one in page.summaries)
            cursor = page.cursor
            if cursor is None:
                break
        assert found == [book.user for book in reversed(books)]


@pytest.mark.parametrize("layout", [figures.OPEN_HOURS, figures.KEYS_ALONE])
def test_a_summary_is_in_the_index_by_age_only_in_the_first_layout(
    endpoint: str, layout: int
) -> None:
    gateway = Gateway(endpoint)
    stage, book = Stage(gateway), Book("ann", "credits")
    control = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1, "layout": layout}
    stage.table.write(Put(control, ""))
    book.grant(5)
    book.grant(5)
    assert stage.deliver(records(book.entries)) is None
    pk = folds.summary_pk("credits", 1, "ann")
    item = stage.table.get(pk, "ann")
    assert item is not None and "by_start" not in item
    if layout == figures.OPEN_HOURS:
        assert (item["users_shard"], "open_shard" in item) == (pk, False)
    else:
        assert (item["open_shard"], "users_shard" in item) == (folds.ranks_of(pk), False)
    starts_pk = folds.start_item("ann", "credits", 1, book.at)["pk"]
    assert list(stage.table.ascending(starts_pk, "!", "~")) == [
        folds.start_item("ann", "credits", 1, book.at)
    ]


def test_an_account_of_the_earlier_layout_has_no_start(endpoint: str) -> None:
    stage, book = Stage(Gateway(endpoint)), Book("ann", "credits")
    stage.table.write(Put({"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1}, ""))
    book.grant(5)
    assert stage.deliver(records(book.entries)) is None
    start = folds.start_item("ann", "credits", 1, book.at)
    assert stage.table.get(start["pk"], start["sk"]) is None
