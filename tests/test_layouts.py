"""Read models of several layouts: as an earlier version stored them, mixed in one generation, and rebuilt."""

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.platform.table import Item, Put, Table
from engine.readmodels import figures, folds, open_hours, rebuild
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK, KEYS_ALONE, OPEN_HOURS
from engine.readmodels.projection import Projector
from tests.support.gateway import Gateway
from tests.support.stage import Stage, grown
from tests.support.streams import Book, Client, at_once, fresh, records, stored_entries
from tests.support.template import ROOT

MADE: Any = json.loads((ROOT / "tests/data/layout-2/table.json").read_text(encoding="utf-8"))
NOW = int(MADE["madeAt"])
BALANCES = {"ann": 8, "bob": 8, "cy": 8, "dora": 4}


class Earlier:
    """This version's functions over the table that an earlier version filled."""

    def __init__(self, endpoint: str) -> None:
        self.gateway = Gateway(endpoint, RATE_LIMIT="100000")
        self.gateway.now = NOW
        self.table = self.gateway.ledger.table
        for item in MADE["items"]:
            self.gateway.dynamodb.put_item(TableName=self.table.name, Item=item)
        self.stage = Stage(self.gateway)
        self.stage.through(Client(self.gateway.dynamodb), now=lambda: NOW)

    def project(self) -> None:
        for user in BALANCES:
            entries = stored_entries(self.table, user)
            assert self.stage.deliver(records(entries)) is None

    def move(self) -> None:
        """Everybody vends; ann gets more."""
        self.gateway.add("ann", 5)
        for user in BALANCES:
            assert self.gateway.vend(self.gateway.user_headers(user)).status == 200
        self.project()

    def rebuild(self) -> None:
        projector = Projector(self.table, low_balance=3, audit_days=400, now=lambda: NOW)
        rebuild.write(projector, now=NOW, sleep=at_once)

    def differences(self) -> list[Any]:
        return rebuild.compare(self.table, audit_days=400, now=NOW, sleep=at_once).differences

    def pages(self, path: str, member: str, **query: str) -> list[Any]:
        """Of one item each."""
        found, cursor = list[Any](), dict[str, str]()
        while True:
            asked = {**query, **cursor, "limit": "1"}
            answer = self.gateway.call("GET", path, query=asked, headers=self.gateway.admin)
            assert answer.status == 200, answer.text
            found += answer.json[member]
            if answer.json["nextCursor"] is None:
                return found
            cursor = {"cursor": answer.json["nextCursor"]}

    def by_balance(self) -> list[tuple[int, str]]:
        users = self.pages("/admin/users", "users", sort="balance")
        return [(one["balance"], one["userId"]) for one in users]

    def audit(self, user: str) -> list[Any]:
        return self.pages("/admin/audit", "records", user=user)

    def summary(self, user: str) -> Item:
        generation = figures.generations(self.table).current
        found = self.table.get(folds.summary_pk("credits", generation, user), user)
        assert found is not None
        return found

    def stored_vends(self) -> int:
        """The number of audit records of vends in the table."""
        found = self.table.scan("begins_with(pk, :audit)", {":audit": "AUDIT#"})
        return sum(item["action"] in ("vend", "hold") and item["ok"] for item in found)


@pytest.fixture
def earlier(endpoint: str) -> Earlier:
    return Earlier(endpoint)


def test_what_an_earlier_version_stored_is_shown_and_agrees(earlier: Earlier) -> None:
    assert earlier.differences() == []
    expected = sorted(((n, user) for user, n in BALANCES.items()), reverse=True)
    assert earlier.by_balance() == expected
    actions = sorted(one["action"] for one in earlier.audit("dora"))
    assert actions == ["admin_deduct", *["vend"] * 4]


def test_its_generation_keeps_its_layout(earlier: Earlier) -> None:
    """So the version before, which may run at the same time, sees everything."""
    before = earlier.stored_vends()
    earlier.move()
    assert earlier.differences() == []
    assert figures.generations(earlier.table).layout == OPEN_HOURS
    assert earlier.stored_vends() == before + len(BALANCES)
    summary = earlier.summary("ann")
    assert summary["by_balance"] == folds.balance_rank(12, "ann")
    assert summary["users_shard"] == summary["pk"] and "open_shard" not in summary
    assert earlier.by_balance()[0] == (12, "ann")


def test_a_rebuild_moves_it_to_the_newest_layout_and_nothing_shown_changes(
    earlier: Earlier,
) -> None:
    vends, shown = earlier.stored_vends(), sorted(earlier.by_balance())
    audits = {user: earlier.audit(user) for user in BALANCES}
    earlier.rebuild()
    assert figures.generations(earlier.table).layout == figures.LAYOUT == KEYS_ALONE
    assert earlier.differences() == []
    assert earlier.stored_vends() == vends, "none is stored anew, and none is deleted"
    found = earlier.by_balance()
    assert sorted(found) == shown
    assert [balance for balance, _ in found] == [8, 8, 8, 4]
    assert {user: earlier.audit(user) for user in BALANCES} == audits
    summary = earlier.summary("ann")
    assert not {"users_shard", "by_balance", "by_start"} & summary.keys()
    assert summary["open_shard"] == summary["pk"].replace("USERS#", "balance#")
    assert summary["expires_at"] == folds.rank(8, "ann")
    earlier.move()
    assert earlier.stored_vends() == vends
    assert earlier.differences() == []
    assert {
        user: len(earlier.audit(user)) - len(audits[user]) for user in BALANCES
    } == dict.fromkeys(BALANCES, 1)


@pytest.mark.parametrize("damage", ["lost", "tampered"])
def test_the_record_of_a_vend_that_is_still_stored_is_compared_and_repaired(
    earlier: Earlier, damage: str
) -> None:
    """Lost ones are made from their entries, in the newest layout."""
    earlier.rebuild()
    shown = earlier.audit("bob")
    stored = earlier.table.query("AUDIT#bob", "2", limit=9)
    vend = next(item for item in stored if item["action"] == "vend")
    key = {"pk": {"S": vend["pk"]}, "sk": {"S": vend["sk"]}}
    if damage == "lost":
        earlier.gateway.dynamodb.delete_item(TableName=earlier.table.name, Key=key)
        assert earlier.differences() == []
    else:
        earlier.table.write(Put({**vend, "actor": "somebody else"}, ""))
        (found,) = earlier.differences()
        assert found.key == f"{vend['pk']} {vend['sk']}"
    before = earlier.stored_vends()
    earlier.rebuild()
    assert (earlier.differences(), earlier.stored_vends()) == ([], before)
    assert earlier.audit("bob") == shown


# Several layouts in one generation


def layout_of(stage: Stage, layout: int) -> None:
    """What is projected from now on is of this layout, in the same generation."""
    control = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1, "layout": layout}
    stage.table.write(Put(control, ""))


def listed(table: Table, size: int, meanwhile: Callable[[str], Any] = lambda _: None) -> list[Any]:
    """Balances and users of the list by balance, page by page."""
    found, cursor = list[Any](), None
    while True:
        page = figures.ranked_summaries(table, "credits", folds.BY_BALANCE, cursor, size)
        assert len(page.summaries) <= size
        assert len(found) < 50, "the list has no end"
        found += [(one.stats.available, one.user) for one in page.summaries]
        cursor = page.cursor
        if cursor is None:
            return found
        meanwhile(cursor)


LAYOUTS = (figures.FIRST_LAYOUT, OPEN_HOURS, KEYS_ALONE)


@pytest.mark.parametrize("layouts", [(2,), (3,), (1, 2), (3, 2), (2, 3), (1, 2, 3)])
def test_accounts_of_all_layouts_are_listed_by_balance_once_page_by_page(
    endpoint: str, layouts: tuple[int, ...]
) -> None:
    """Three accounts have each balance, of up to three layouts."""
    stage = Stage(Gateway(endpoint))
    books = [Book(f"u{n:02d}", "credits") for n in range(13)]
    for number, book in enumerate(books):
        layout_of(stage, layouts[number % len(layouts)])
        book.grant(number // 3)
        assert stage.deliver(records(book.entries)) is None
    expected = sorted(((n // 3, book.user) for n, book in enumerate(books)), reverse=True)
    for size in (1, 2, 3, 5, 13, 100):
        found = listed(stage.table, size)
        assert sorted(found, reverse=True) == expected
        assert [balance for balance, _ in found] == [balance for balance, _ in expected]


def test_no_account_is_missed_where_that_of_the_cursor_moves_to_the_newest_layout(
    endpoint: str,
) -> None:
    """Its balance stays; some of the same balance may be shown again."""
    stage = Stage(Gateway(endpoint))
    books = [Book(f"u{n}", "credits") for n in range(8)]
    layout_of(stage, OPEN_HOURS)
    for book in books:
        book.grant(5)
        assert stage.deliver(records(book.entries)) is None
    layout_of(stage, KEYS_ALONE)
    left = {book.user: book for book in books}

    def moves(cursor: str) -> None:
        book = left.pop(cursor.partition("#")[2], None)
        if book is not None:
            book.post("admin_add", 0)
            assert stage.deliver(records(book.entries)) is None

    found = listed(stage.table, 1, moves)
    assert {user for _, user in found} == {book.user for book in books}


def test_an_account_that_an_earlier_version_began_or_continues_is_listed_once(
    endpoint: str,
) -> None:
    stage, book = Stage(Gateway(endpoint)), Book("ann", "credits")
    pk = folds.summary_pk("credits", 1, "ann")
    for layout in (OPEN_HOURS, KEYS_ALONE, OPEN_HOURS, KEYS_ALONE):
        layout_of(stage, layout)
        book.grant(5)
        assert stage.deliver(records(book.entries)) is None
        for size in (1, 5):
            assert listed(stage.table, size) == [(book.account.available, "ann")]
    summary = stage.table.get(pk, "ann")
    assert summary is not None and "by_balance" not in summary
    assert summary["expires_at"] == folds.rank(20, "ann")
    stage.assert_projected(book)


def test_accounts_of_both_indexes_hide_none_below_them(endpoint: str) -> None:
    """They were begun in layout 2, continued in 3 and then by the version before again, so that their rank is
    of an earlier balance.
    """
    stage = Stage(Gateway(endpoint))
    both = [Book(f"both-{n}", "credits") for n in range(20)]
    crowded = folds.summary_pk("credits", 1, both[0].user)
    names = (f"low-{n}" for n in itertools.count())
    low = next(n for n in names if folds.summary_pk("credits", 1, n) == crowded)
    below = Book(low, "credits")
    for layout in (OPEN_HOURS, KEYS_ALONE, OPEN_HOURS):
        layout_of(stage, layout)
        for book in both:
            book.grant(5)
            assert stage.deliver(records(book.entries)) is None
    below.grant(12)
    assert stage.deliver(records(below.entries)) is None
    for size in (1, 2, 30):
        found = listed(stage.table, size)
        assert sorted(found) == sorted((b.account.available, b.user) for b in (*both, below))
        assert found[0] == (12, low)


def test_an_account_whose_rank_moves_while_the_list_is_read_has_its_present_figures(
    endpoint: str,
) -> None:
    stage, book = Stage(Gateway(endpoint)), Book("ann", "credits")
    book.grant(5)
    assert stage.deliver(records(book.entries)) is None

    class Meanwhile(Client):
        def batch_get_item(self, **request: Any) -> Any:
            book.grant(4)
            assert stage.deliver(records(book.entries)) is None
            return self._inner.batch_get_item(**request)

    table = Table(Meanwhile(stage.gateway.dynamodb), stage.table.name)  # type: ignore[arg-type]
    page = figures.ranked_summaries(table, "credits", folds.BY_BALANCE, None, 5)
    assert [one.stats.available for one in page.summaries] == [9]


def test_a_cursor_of_a_user_who_is_not_there_goes_on_at_its_balance(endpoint: str) -> None:
    stage = Stage(Gateway(endpoint))
    for number in range(4):
        layout_of(stage, (OPEN_HOURS, KEYS_ALONE)[number % 2])
        book = Book(f"u{number}", "credits")
        book.grant(number)
        assert stage.deliver(records(book.entries)) is None
    page = figures.ranked_summaries(
        stage.table, "credits", folds.BY_BALANCE, folds.balance_rank(3, "!"), 9
    )
    assert [one.stats.available for one in page.summaries][-3:] == [2, 1, 0]


@pytest.fixture(scope="module")
def mixed(endpoint: str) -> Iterator[Stage]:
    stage = Stage(Gateway(endpoint))
    yield stage
    stage.module.projector = stage.whole


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=4), data=st.data())
def test_any_history_in_any_layouts_ends_in_its_fold(
    mixed: Stage, seeds: list[int], data: st.DataObject
) -> None:
    """Versions of different layouts take turns; then each account moves once more in the newest one."""
    unit = fresh("mixed")
    books = [grown(Book(fresh("u"), unit), 1 + seed % 9) for seed in seeds]
    mixed.kept(*books)
    for book in books:
        cut = data.draw(st.integers(1, len(book.entries)))
        for part in (book.entries[:cut], book.entries[:cut], book.entries[cut:]):
            layout_of(mixed, data.draw(st.sampled_from((OPEN_HOURS, KEYS_ALONE))))
            if part:
                assert mixed.deliver(records(part)) is None
    layout_of(mixed, KEYS_ALONE)
    for book in books:
        book.grant(1)
        assert mixed.deliver(records(book.entries[-1:])) is None
    open_hours.settle(mixed.table, unit, 1, NOW)
    mixed.assert_projected(*books)
    page = figures.ranked_summaries(mixed.table, unit, folds.BY_BALANCE, None, 9)
    found = [one.stats.available for one in page.summaries]
    assert found == sorted((book.account.available for book in books), reverse=True)


BALANCE = st.integers(0, 10**folds.BALANCE_DIGITS - 1)


@given(BALANCE, BALANCE, st.text(min_size=1), st.text(min_size=1))
def test_ranks_are_in_the_order_of_balances_and_fit_a_number_of_dynamodb(
    one: int, other: int, user: str, another: str
) -> None:
    first, second = folds.rank(one, user), folds.rank(other, another)
    if one != other:
        assert (first < second) is (one < other)
    assert first // folds.RANKS_APART == one
    assert len(str(first)) <= 33
