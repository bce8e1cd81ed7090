"""Statistics of hours that are not settled yet: every figure is exact, whatever is settled, and when."""

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.platform.aws_json import NoAnswer
from engine.platform.errors import Busy
from engine.platform.table import Table
from engine.platform.times import HOUR_S
from engine.readmodels import feed, figures, folds, open_hours, rebuild
from engine.readmodels.feed import EntryFilter
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK
from engine.readmodels.projection import SETTLE_EVERY_S, Projector
from tests.support.gateway import Gateway
from tests.support.stage import Stage, grown
from tests.support.streams import AnswersLost, Book, Client, Time, at_once, fresh, records

NOW = 1_800_014_400 + 1800  # 2027-01-15T12:30:00Z
SPAN = ("2000-01-01", "2999-12-31")


@pytest.fixture
def stage(gateway: Gateway) -> Iterator[Stage]:
    stage = Stage(gateway)
    stage.through(Client(gateway.dynamodb), now=lambda: NOW)
    assert stage.deliver([]) is None, "a new process settles with its first batch"
    yield stage
    stage.module.projector = stage.whole


def operators(table: Table) -> Projector:
    """The one of `pluct ledger rebuild`."""
    return Projector(table, low_balance=3, audit_days=400, now=lambda: NOW)


def opened(table: Table, unit: str) -> dict[str, Counter[str]]:
    """The figures of hours that are open, by hour, of all shards."""
    found: dict[str, Counter[str]] = {}
    for shard in range(folds.STATS_SHARDS):
        pk = folds.stats_pk(unit, 1, shard)
        for item in table.ascending(pk, open_hours.PREFIX, open_hours.PREFIX + "~"):
            if counts := folds.counts_in(item):
                found.setdefault(item["sk"].removeprefix(open_hours.PREFIX), Counter()).update(
                    counts
                )
    return found


def hourly(unit: str, hours: list[int]) -> Book:
    """One grant in each of `hours` before `NOW`, the oldest first."""
    book = Book(fresh("u"), unit)
    for back in sorted(hours, reverse=True):
        book.at = NOW - back * HOUR_S
        book.grant(5)
    return book


def test_an_entry_is_in_every_figure_before_and_after_its_hour_is_settled(stage: Stage) -> None:
    book = hourly(fresh("hours"), [13, 1, 0])
    book.post("spend", -3, 3, product="summary@1", units=3)
    assert stage.deliver(records(book.entries)) is None
    hour_names = [folds.hour_of(entry.at) for entry in book.entries[:3]]
    assert list(opened(stage.table, book.unit)) == hour_names
    before = _seen(stage.table, book.unit)
    stage.assert_projected(book)
    for now, left in ((NOW, hour_names[2:]), (NOW + HOUR_S, [])):
        open_hours.settle(stage.table, book.unit, 1, now)
        assert list(opened(stage.table, book.unit)) == left
        assert _seen(stage.table, book.unit) == before
    stage.assert_projected(book)
    assert before.days["2027-01-15"].products["summary"].holds_placed == 1
    assert [before.hours[name].entries for name in hour_names] == [1, 1, 2]


def _seen(table: Table, unit: str) -> figures.Statistics:
    return figures.statistics(table, unit, days=SPAN, hours=("2000-01-01T00", "2999-12-31T23"))


def test_an_entry_that_comes_late_opens_its_hour_again(stage: Stage) -> None:
    book = hourly(fresh("late"), [2, 2, 2, 1])
    for entry in book.entries:
        assert stage.deliver(records([entry])) is None
        open_hours.settle(stage.table, book.unit, 1, NOW)
        assert opened(stage.table, book.unit) == {}
    stage.assert_projected(book)
    pk = folds.stats_pk(book.unit, 1, folds.stats_shard(book.user))
    item = stage.table.get(pk, open_hours.sk(folds.hour_of(book.entries[0].at)))
    assert item is not None
    assert (item["moves"], item["ttl"]) == (3, NOW + open_hours.KEEP_EMPTY_S)


def test_figures_that_were_not_moved_never_expire(stage: Stage) -> None:
    book = hourly(fresh("kept"), [2, 2])
    pk = folds.stats_pk(book.unit, 1, folds.stats_shard(book.user))
    for entry in book.entries:
        assert stage.deliver(records([entry])) is None
        item = stage.table.get(pk, open_hours.sk(folds.hour_of(entry.at)))
        assert item is not None and "ttl" not in item
        open_hours.settle(stage.table, book.unit, 1, NOW)


def test_an_entry_without_an_hour_is_counted_in_its_day_at_once(stage: Stage) -> None:
    book = hourly(fresh("old"), [400, 73, 1])
    book.at = NOW - 400 * HOUR_S
    assert stage.deliver(records(book.entries)) is None
    assert list(opened(stage.table, book.unit)) == [folds.hour_of(NOW - HOUR_S)]
    stage.assert_projected(book)
    open_hours.settle(stage.table, book.unit, 1, NOW)
    stage.assert_projected(book)


def test_an_hour_that_is_settled_when_it_is_no_longer_kept_is_in_its_day(stage: Stage) -> None:
    book = hourly(fresh("long"), [1])
    assert stage.deliver(records(book.entries)) is None
    open_hours.settle(stage.table, book.unit, 1, NOW + 80 * HOUR_S)
    stage.assert_projected(book)
    pk = folds.stats_pk(book.unit, 1, folds.stats_shard(book.user))
    assert stage.table.get(pk, folds.hour_sk(folds.hour_of(book.at))) is None


class Meanwhile(Client):
    """Does `act` once, just before call number `at` of `names`."""

    def __init__(self, inner: Any, act: Any, at: int, *names: str) -> None:
        super().__init__(inner)
        self.act, self.left, self.names = act, at, names

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name not in self.names:
            return call

        def counted(**request: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                self.act()
            return call(**request)

        return counted


def test_figures_that_come_in_while_an_hour_is_moved_are_not_lost(stage: Stage) -> None:
    """Nor moved twice: also where another one has moved as many entries meanwhile."""
    book = hourly(fresh("race"), [2, 2, 2])
    one, two, three = (records([entry]) for entry in book.entries)
    assert stage.deliver(one) is None

    def another() -> None:
        open_hours.settle(stage.table, book.unit, 1, NOW)
        assert stage.deliver(two) is None

    for act, last in ((another, two), (lambda: stage.deliver(three), three)):
        client = Meanwhile(stage.gateway.dynamodb, act, 1, "transact_write_items")
        table = Table(client, stage.table.name)  # type: ignore[arg-type]
        open_hours.settle(table, book.unit, 1, NOW)
        assert client.left == 0
        seen = figures.get_summary(stage.table, book.unit, book.user)
        assert seen is not None and seen.seq == book.entries[1 if last is two else 2].seq
        assert figures.totals(stage.table, book.unit).available == seen.stats.available
    open_hours.settle(stage.table, book.unit, 1, NOW)
    assert opened(stage.table, book.unit) == {}
    stage.assert_projected(book)


def test_an_entry_that_comes_in_before_the_first_move_is_not_lost(stage: Stage) -> None:
    book = hourly(fresh("first"), [2, 2])
    one, two = (records([entry]) for entry in book.entries)
    assert stage.deliver(one) is None
    client = Meanwhile(
        stage.gateway.dynamodb, lambda: stage.deliver(two), 1, "transact_write_items"
    )
    open_hours.settle(Table(client, stage.table.name), book.unit, 1, NOW)  # type: ignore[arg-type]
    stage.assert_projected(book)


@pytest.mark.parametrize("at", range(1, 5))
def test_a_reader_sees_an_hour_once_that_is_moved_while_it_reads(stage: Stage, at: int) -> None:
    book = hourly(fresh("reader"), [2, 1])
    assert stage.deliver(records(book.entries)) is None
    pk = folds.stats_pk(book.unit, 1, folds.stats_shard(book.user))

    def move() -> None:
        open_hours.settle(stage.table, book.unit, 1, NOW)

    client = Meanwhile(stage.gateway.dynamodb, move, at, "query")
    table = Table(client, stage.table.name)  # type: ignore[arg-type]
    found = open_hours.partition(table, pk, [open_hours.ALL])
    assert found[folds.TOTAL_SK]["available"] == 10
    assert found[folds.day_sk("2027-01-15")]["entries"] == 2
    for entry in book.entries:
        assert found[folds.hour_sk(folds.hour_of(entry.at))]["entries"] == 1


def test_a_reader_whose_hours_are_moved_again_and_again_gives_up(stage: Stage) -> None:
    unit = fresh("restless")

    class Restless(Client):
        def query(self, **request: Any) -> Any:
            book = hourly(unit, [2])
            while folds.stats_shard(book.user) != 0:
                book = hourly(unit, [2])
            open_hours.settle(stage.table, unit, 1, NOW)
            assert stage.deliver(records(book.entries)) is None
            return self._inner.query(**request)

    table = Table(Restless(stage.gateway.dynamodb), stage.table.name)  # type: ignore[arg-type]
    with pytest.raises(Busy):
        open_hours.partition(table, folds.stats_pk(unit, 1, 0), [open_hours.ALL])


def test_a_move_whose_answer_was_lost_is_not_repeated(stage: Stage) -> None:
    book = hourly(fresh("lost"), [2, 1])
    assert stage.deliver(records(book.entries)) is None
    table = Table(AnswersLost(stage.gateway.dynamodb, 1), stage.table.name)  # type: ignore[arg-type]
    with pytest.raises(Busy):
        open_hours.settle(table, book.unit, 1, NOW)
    open_hours.settle(stage.table, book.unit, 1, NOW)
    assert opened(stage.table, book.unit) == {}
    stage.assert_projected(book)


def test_the_projector_settles_from_time_to_time_and_what_fails_is_left(stage: Stage) -> None:
    unit = fresh("settled")
    time, books = Time(), [hourly(unit, [2]) for _ in range(4)]
    lost = AnswersLost(stage.gateway.dynamodb, 0)
    projector = Projector(
        Table(lost, stage.table.name),  # type: ignore[arg-type]
        low_balance=3,
        audit_days=400,
        now=lambda: NOW,
        clock=time.clock,
        sleep=time.sleep,
    )

    def deliver(book: Book) -> None:
        assert projector.batch(records(book.entries), lambda: 60.0).failed_from is None

    deliver(books[0])
    assert opened(stage.table, unit) == {}, "a new process settles at once"
    deliver(books[1])
    assert len(opened(stage.table, unit)) == 1, "but not with every batch"
    time.now = SETTLE_EVERY_S
    deliver(books[2])
    assert opened(stage.table, unit) == {}
    time.now = 2 * SETTLE_EVERY_S

    def query(**_: Any) -> Any:
        raise NoAnswer("timeout")

    lost.query = query  # type: ignore[attr-defined]
    deliver(books[3])
    assert len(opened(stage.table, unit)) == 1
    stage.assert_projected(*books)


def test_the_days_of_the_feed_include_those_of_open_hours(endpoint: str) -> None:
    stage = Stage(Gateway(endpoint))
    stage.through(Client(stage.gateway.dynamodb), now=lambda: NOW)
    assert stage.deliver([]) is None
    book = Book(fresh("u"), "credits", at=NOW - 30 * HOUR_S)
    for _ in range(3):
        book.grant(1)
        book.at += 15 * HOUR_S
    assert stage.deliver(records(book.entries)) is None
    found = feed.page(stage.gateway.ledger, EntryFilter(), None, 3).entries
    assert [entry.at for entry in found] == [entry.at for entry in reversed(book.entries)]


def test_a_table_of_an_earlier_version_keeps_its_layout_until_it_is_rebuilt(endpoint: str) -> None:
    """So the version before, which may run at the same time, sees every figure."""
    gateway = Gateway(endpoint)
    stage, book = Stage(gateway), hourly("credits", [3, 2])
    pk = folds.stats_pk("credits", 1, folds.stats_shard(book.user))
    stage.table.write(open_hours.figures(pk, folds.TOTAL_SK, Counter(granted=7)))
    assert stage.deliver(records(book.entries)) is None
    assert stage.deliver(records(book.entries)) is None
    assert stage.table.get(CONTROL_PK, GENERATION_SK) is None
    assert opened(stage.table, "credits") == {}
    stage.kept(book)
    rebuild.write(operators(stage.table), now=NOW, sleep=at_once)
    assert figures.generations(stage.table).layout == figures.LAYOUT
    assert figures.totals(stage.table, "credits").granted == 10


def test_a_new_table_begins_in_the_newest_layout_once(endpoint: str) -> None:
    gateway = Gateway(endpoint)
    table = gateway.ledger.table
    begun = figures.begin(table, ["credits"])
    assert begun == figures.Generations(1, layout=figures.LAYOUT)
    rebuild.write(operators(table), now=NOW, sleep=at_once)
    assert figures.begin(table, ["credits"]).current == 2, "another rebuild came in between"


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=3), data=st.data())
def test_any_order_of_batches_moves_and_readings_is_exact(
    stage: Stage, seeds: list[int], data: st.DataObject
) -> None:
    unit = fresh("any")
    books = [Book(fresh("u"), unit, at=NOW - 50 * HOUR_S) for _ in seeds]
    for book, seed in zip(books, seeds, strict=True):
        book.random_moves(seed, 1 + seed % 12)
    stage.kept(*books)
    stream = [r for book in books for r in records(book.entries)]
    random.Random(seeds[0]).shuffle(stream)
    for _ in range(data.draw(st.integers(1, 5))):
        batch = data.draw(st.lists(st.sampled_from(stream), min_size=1, max_size=6))
        assert stage.deliver(batch) is None
        if data.draw(st.booleans()):
            open_hours.settle(stage.table, unit, 1, NOW + data.draw(st.integers(-60, 200)) * HOUR_S)
        seen = _seen(stage.table, unit)
        summaries = figures.list_summaries(stage.table, unit, "", None, 10).summaries
        assert seen.total.entries == sum(one.stats.entries for one in summaries)
        assert seen.total.available == sum(one.stats.available for one in summaries)
        assert seen.total.entries == sum(day.entries for day in seen.days.values())
    assert stage.deliver(records([book.entries[-1] for book in books])) is None
    stage.assert_projected(*books)


def test_processes_that_settle_and_project_at_once_lose_nothing(stage: Stage) -> None:
    unit = fresh("crowd")
    books = [grown(Book(fresh("u"), unit, at=NOW - 40 * HOUR_S), 12) for _ in range(3)]
    stage.kept(*books)
    batches = [records(book.entries)[n : n + 3] for book in books for n in range(0, 12, 3)]
    stage.module.projector = stage.whole

    def settle(_: int) -> None:
        for _ in range(6):
            open_hours.settle(stage.table, unit, 1, NOW + 400 * HOUR_S)

    with ThreadPoolExecutor(4) as pool:
        movers = pool.map(settle, range(2))
        assert set(pool.map(stage.deliver, batches)) == {None}
        assert list(movers) == [None, None]
    stage.assert_projected(*books)


@pytest.mark.parametrize("moved", [0, 1])
def test_as_many_entries_of_another_move_are_not_taken_for_those_that_were_read(
    stage: Stage, moved: int
) -> None:
    """Another one moves the hour before we do, and then as many entries come in, of other amounts."""
    book = Book(fresh("u"), fresh("alike"), at=NOW - 2 * HOUR_S)
    for amount in (3, 5, 7, 11):
        book.post("api_add", amount)
    one_by_one = [records([entry]) for entry in book.entries]
    for record in one_by_one[:moved]:
        assert stage.deliver(record) is None
        open_hours.settle(stage.table, book.unit, 1, NOW)
    assert stage.deliver(one_by_one[moved]) is None

    def another() -> None:
        open_hours.settle(stage.table, book.unit, 1, NOW)
        assert stage.deliver(one_by_one[moved + 1]) is None

    client = Meanwhile(stage.gateway.dynamodb, another, 1, "transact_write_items")
    open_hours.settle(Table(client, stage.table.name), book.unit, 1, NOW)  # type: ignore[arg-type]
    assert (
        figures.totals(stage.table, book.unit).available == book.entries[moved + 1].available_after
    )
    for record in one_by_one[moved + 2 :]:
        assert stage.deliver(record) is None
    stage.assert_projected(book)
