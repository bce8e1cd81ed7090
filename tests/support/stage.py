"""The projector's function over one table, for the tests of the read models."""

from typing import Any

from engine.ledger.items import Entry
from engine.platform.table import Table
from engine.readmodels import figures, folds
from engine.readmodels.folds import Stats, fold
from engine.readmodels.projection import Projector
from tests.support.gateway import Gateway
from tests.support.streams import (
    Book,
    Client,
    Context,
    Time,
    event,
    fresh,
)

Records = list[dict[str, Any]]


class Stage:
    """The projector's function over one table."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.table = gateway.ledger.table
        self.module: Any = gateway.function("projector")
        self.whole: Projector = self.module.projector

    def deliver(self, batch: Records, context: Context | None = None) -> str | None:
        """The sequence number that Lambda would go on from."""
        failures = self.module.lambda_handler(event(batch), context or Context())[
            "batchItemFailures"
        ]
        assert len(failures) <= 1
        return failures[0]["itemIdentifier"] if failures else None

    def through(self, client: Client, **settings: Any) -> Time:
        """Put `client` between the projector and the table."""
        time = Time()
        self.module.projector = Projector(
            Table(client, self.table.name),  # type: ignore[arg-type]
            low_balance=3,
            audit_days=400,
            clock=time.clock,
            sleep=time.sleep,
            **settings,
        )
        return time

    def book(self, unit: str, name: str = "u") -> Book:
        return Book(fresh(name), unit)

    def kept(self, *books: Book) -> None:
        for book in books:
            book.store(self.gateway.dynamodb, self.table.name)

    def assert_projected(self, *books: Book) -> None:
        """Summaries, days and totals are what all entries of `books`, the unit's only ones, fold to."""
        unit = books[0].unit
        for book in books:
            folded = fold(book.entries)
            assert folded is not None
            found = figures.get_summary(self.table, unit, book.user)
            assert found == folds.summary_of(book.user, unit, folded)
        assert figures.totals(self.table, unit) == _summed([e for b in books for e in b.entries])
        by_day: dict[str, list[Entry]] = {}
        for entry in (entry for book in books for entry in book.entries):
            by_day.setdefault(folds.day_of(entry.at), []).append(entry)
        stored = figures.days(self.table, unit, "2000-01-01", "2999-12-31")
        assert stored == {day: _summed_day(entries) for day, entries in sorted(by_day.items())}


def _summed(entries: list[Entry]) -> Stats:
    counts = folds.Counts()
    for entry in entries:
        counts.update(folds.contribution(entry))
    return folds.stats(counts)


def _summed_day(entries: list[Entry]) -> Stats:
    """Likewise, with the figures of products."""
    counts = folds.Counts()
    for entry in entries:
        share = folds.contribution(entry)
        counts.update(share)
        counts.update(folds.product_contribution(entry, share))
    return folds.stats(counts)


def grown(book: Book, count: int) -> Book:
    book.random_moves(count, count)
    return book


def sequence_number(record: dict[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
