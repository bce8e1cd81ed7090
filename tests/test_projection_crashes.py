"""A projector that stops between any two of its writes, and whatever delivers the records again: everything
counts once.
"""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from engine.platform.aws_json import ErrorAnswer, NoAnswer
from engine.readmodels import figures
from engine.readmodels.projection import CHUNK
from tests.support.gateway import Gateway
from tests.support.stage import Stage, grown, sequence_number
from tests.support.streams import Book, Client, fresh, record, records


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
    yield stage
    stage.module.projector = stage.whole


def books(name: str) -> list[Book]:
    unit = fresh(name)
    return [grown(Book(fresh("u"), unit), count) for count in (3, 1, 4)]


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
