"""A projector that stops between any two of its writes, and whatever delivers the records again: everything
counts once.
"""

import itertools
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.ledger import audit
from engine.platform.aws_json import ErrorAnswer, NoAnswer
from engine.platform.table import Put
from engine.readmodels import figures, folds, open_hours
from engine.readmodels.batches import CHUNK
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK
from tests.support import loglines
from tests.support.gateway import Gateway
from tests.support.stage import Records, Stage, grown, sequence_number
from tests.support.streams import AnswersLost, Book, Client, Refusing, fresh, record, records


class Stopped(Exception):
    """The process ends."""


class Stopping(Client):
    """Stops the process before its write number `at`, or right after it where `is_made`."""

    def __init__(self, inner: Any, at: int, *, is_made: bool) -> None:
        super().__init__(inner)
        self.left = at
        self.is_made = is_made

    def put_item(self, **request: Any) -> Any:
        return self._counted(self._inner.put_item, request)

    def transact_write_items(self, **request: Any) -> Any:
        return self._counted(self._inner.transact_write_items, request)

    def _counted(self, call: Any, request: dict[str, Any]) -> Any:
        self.left -= 1
        if self.left == 0 and not self.is_made:
            raise Stopped
        answer = call(**request)
        if self.left == 0:
            raise Stopped
        return answer


@pytest.fixture
def stage(gateway: Gateway) -> Iterator[Stage]:
    stage = Stage(gateway)
    assert stage.deliver([]) is None, "the table's generation has begun"
    yield stage
    stage.module.projector = stage.whole


def books(name: str) -> list[Book]:
    unit = fresh(name)
    return [grown(Book(fresh("u"), unit), count) for count in (3, 1, 4, 1, 2, 1)]


@pytest.mark.parametrize("is_made", [False, True])
def test_a_projector_that_stops_at_any_write_is_taken_up_by_the_next(
    stage: Stage, is_made: bool
) -> None:
    at, stopped = 1, True
    while stopped:
        some = books("stopped")
        stage.kept(*some)
        batch = [r for book in some for r in records(book.entries)]
        random.Random(at).shuffle(batch)
        stage.through(Stopping(stage.gateway.dynamodb, at, is_made=is_made))
        try:
            assert stage.deliver(batch) is None
            stopped = False
        except Stopped:
            stage.module.projector = stage.whole
            assert stage.deliver(batch) is None
        stage.assert_projected(*some)
        at += 1
    assert at > 6


def test_a_record_whose_predecessor_was_lost_reads_it(stage: Stage) -> None:
    """The guess that the account is projected up to the record before is refused."""
    book = grown(stage.book("lost"), 4)
    stage.kept(book)
    assert stage.deliver(records(book.entries[:1])) is None
    assert stage.deliver(records(book.entries[3:])) is None
    stage.assert_projected(book)


def test_a_last_record_without_its_image_is_read(stage: Stage) -> None:
    """The entries before it are not all that the batch announces."""
    book = grown(stage.book("imageless"), 3)
    stage.kept(book)
    batch = records(book.entries)
    del batch[-1]["dynamodb"]["NewImage"]
    assert stage.deliver(batch) is None
    stage.assert_projected(book)


def test_more_records_than_fit_into_a_transaction_are_all_projected(stage: Stage) -> None:
    book = grown(stage.book("long"), CHUNK + 3)
    assert stage.deliver(records(book.entries)) is None
    stage.assert_projected(book)


class FailingPuts(Client):
    """Every put fails: the feed's partition is throttled."""

    def put_item(self, **request: Any) -> Any:
        raise ErrorAnswer("ProvisionedThroughputExceededException")


class LostPuts(Client):
    """The first puts take effect, but their answers are lost."""

    left = 4

    def put_item(self, **request: Any) -> Any:
        answer = self._inner.put_item(**request)
        if self.left:
            self.left -= 1
            raise NoAnswer("timeout")
        return answer


def test_no_figure_counts_an_entry_that_the_feed_does_not_have(stage: Stage) -> None:
    book = grown(stage.book("throttled"), 3)
    batch = records(book.entries)
    stage.through(FailingPuts(stage.gateway.dynamodb))
    assert stage.deliver(batch) == sequence_number(batch[0])
    assert figures.get_summary(stage.table, book.unit, book.user) is None
    stage.module.projector = stage.whole
    assert stage.deliver(batch) is None
    stage.assert_projected(book)


def test_a_copy_whose_answer_was_lost_is_put_again(stage: Stage) -> None:
    book = grown(stage.book("lost-puts"), 3)
    stage.through(LostPuts(stage.gateway.dynamodb))
    assert stage.deliver([record(entry.item()) for entry in book.entries]) is None
    stage.assert_projected(book)


# Several accounts in one transaction


def crowd(name: str, count: int = 12) -> list[Book]:
    """Accounts of one shard of the statistics, with an entry each."""
    unit, found = fresh(name), list[Book]()
    while len(found) < count:
        book = Book(fresh("u"), unit)
        if folds.stats_shard(book.user) == 0:
            book.grant(9)
            found.append(book)
    return found


def batch_of(books: list[Book], first: int = 0) -> Records:
    return [r for book in books for r in records(book.entries[first:])]


class Transactions(Client):
    """The number of writes of each transaction."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.sizes: list[int] = []

    def transact_write_items(self, **request: Any) -> Any:
        self.sizes.append(len(request["TransactItems"]))
        return self._inner.transact_write_items(**request)


def test_accounts_of_a_shard_are_projected_in_one_transaction(stage: Stage) -> None:
    some = crowd("together")
    client = Transactions(stage.gateway.dynamodb)
    stage.through(client)
    assert stage.deliver(batch_of(some)) is None
    assert client.sizes == [len(some) + 1]
    stage.assert_projected(*some)


@pytest.mark.parametrize("layout", [figures.FIRST_LAYOUT, figures.LAYOUT])
def test_a_transaction_of_several_accounts_stays_below_its_limit(
    endpoint: str, layout: int
) -> None:
    """Each account falls low at an hour of its own, which a subscriber is told."""
    stage, hour = Stage(Gateway(endpoint)), itertools.count(1)
    if layout == figures.FIRST_LAYOUT:
        stage.table.write(Put({"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1}, ""))
    some = [Book(book.user, "credits", at=1_800_000_000) for book in crowd("full", 2 * CHUNK)]
    for book in some:
        book.grant(5)
    assert stage.deliver(batch_of(some)) is None
    for book in some:
        book.at += next(hour) * 90_000
        book.post("admin_deduct", -4)
    client = Transactions(stage.gateway.dynamodb)
    stage.through(client, now=lambda: 1_800_000_000)
    stage.module.projector.beside = lambda low: (Put({"pk": "HOOK#", "sk": low.user}, ""),)
    assert stage.deliver(batch_of(some, first=1)) is None
    assert client.sizes == [96 if layout == figures.FIRST_LAYOUT else 76] * 2
    stage.assert_projected(*some)
    assert sum(len(figures.notices(stage.table, book.user, limit=9)) for book in some) == len(some)


def test_an_account_whose_condition_is_refused_is_projected_alone(stage: Stage) -> None:
    """One is further than its record says, one is behind; the others stay together."""
    some = crowd("refused")
    for book in some:
        book.vend()
    stage.kept(*some)
    assert stage.deliver(batch_of(some[2:])[::2]) is None
    assert stage.deliver(records(some[0].entries)) is None
    client = Transactions(stage.gateway.dynamodb)
    stage.through(client)
    assert stage.deliver(batch_of(some, first=1)) is None
    assert client.sizes == [13, 11, 2], "some[0] needs none, some[1] one of its own"
    stage.assert_projected(*some)
    for book in some:
        assert len(audit.of_user(stage.table, book.user, limit=9)) == 1


def test_a_batch_that_is_delivered_again_changes_nothing(stage: Stage) -> None:
    some = crowd("again")
    for _ in range(2):
        with loglines.caught() as lines:
            assert stage.deliver(batch_of(some)) is None
        stage.assert_projected(*some)
    assert not any(name.startswith("Entries_") for line in lines.json for name in line)


@pytest.mark.parametrize("lost", [1, 2])
def test_a_lost_answer_to_several_accounts_counts_each_once(stage: Stage, lost: int) -> None:
    some = crowd("lost-together")
    stage.through(AnswersLost(stage.gateway.dynamodb, lost))
    assert stage.deliver(batch_of(some)) is None
    stage.assert_projected(*some)


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingException"])
def test_a_transaction_that_is_refused_again_and_again_goes_on_one_by_one(
    stage: Stage, code: str
) -> None:
    some = crowd("conflicts")
    stage.through(Refusing(stage.gateway.dynamodb, code, count=5))
    assert stage.deliver(batch_of(some)) is None
    stage.assert_projected(*some)


def test_an_account_that_cannot_be_projected_fails_alone(stage: Stage) -> None:
    some = crowd("alone")
    batch = batch_of(some)
    stage.through(Refusing(stage.gateway.dynamodb, "ThrottlingException", some[5].user))
    assert stage.deliver(batch) == sequence_number(batch[5])
    stage.assert_projected(*some[:5], *some[6:])
    stage.module.projector = stage.whole
    assert stage.deliver(batch[5:]) is None
    stage.assert_projected(*some)


def test_accounts_of_several_units_and_shards_are_kept_apart(stage: Stage) -> None:
    ours, theirs = crowd("ours", 3), crowd("theirs", 3)
    others = list[Book]()
    while len({folds.stats_shard(book.user) for book in others}) < folds.STATS_SHARDS:
        others.append(grown(Book(fresh("u"), ours[0].unit), 2))
    assert stage.deliver(batch_of([*ours, *theirs, *others])) is None
    stage.assert_projected(*ours, *others)
    stage.assert_projected(*theirs)
    shards = {book.user: folds.stats_shard(book.user) for book in [*ours, *others]}
    for shard in range(folds.STATS_SHARDS):
        pk = folds.stats_pk(ours[0].unit, 1, shard)
        found = open_hours.partition(stage.table, pk, [(folds.TOTAL_SK, folds.TOTAL_SK)])
        entries = [e for b in [*ours, *others] if shards[b.user] == shard for e in b.entries]
        assert sum(one["entries"] for one in found.values()) == len(entries)


def test_batches_that_meet_count_each_entry_once(stage: Stage) -> None:
    some = crowd("meeting", 8)
    for book in some:
        book.vend()
        book.vend()
    stage.kept(*some)
    dice, stream = random.Random(11), batch_of(some)
    batches = [dice.sample(stream, 10) for _ in range(12)]
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(stage.deliver, batches)) == {None}
    assert stage.deliver(records([book.entries[-1] for book in some])) is None
    stage.assert_projected(*some)
