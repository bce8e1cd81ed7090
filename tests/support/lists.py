"""Users and transactions as operators list them, and calls for their pages."""

from collections.abc import Iterator
from typing import Any

from tests.support.gateway import Gateway, Reply
from tests.support.streams import Book, Context, event, records, stored_entries

NOW = 1_800_100_000
DAY = "2027-01-16"
DAY_S = 86_400


class Desk:
    """A gateway of its own, whose projector is up to date when it is asked to be."""

    def __init__(self, endpoint: str) -> None:
        self.gateway = Gateway(endpoint, RATE_LIMIT="100000")
        self.gateway.now = NOW
        projector: Any = self.gateway.function("projector")
        projector.projector._now = self.gateway.clock
        self._deliver = projector.lambda_handler

    def ask(self, path: str, **query: str | int) -> Reply:
        given = {name: str(value) for name, value in query.items()}
        return self.gateway.call("GET", path, headers=self.gateway.admin, query=given)

    def pages(self, path: str, member: str, **query: str | int) -> Iterator[list[dict[str, Any]]]:
        cursor: dict[str, str | int] = {}
        while True:
            reply = self.ask(path, **{**query, **cursor})
            assert reply.status == 200, reply.text
            yield reply.json[member]
            if reply.json["nextCursor"] is None:
                return
            cursor = {"cursor": reply.json["nextCursor"]}

    def all(self, path: str, member: str, **query: str | int) -> list[dict[str, Any]]:
        return [one for page in self.pages(path, member, **query) for one in page]

    def keep(self, book: Book) -> None:
        book.store(self.gateway.dynamodb, self.gateway.table_name)
        assert not self._deliver(event(records(book.entries)), Context())["batchItemFailures"]

    def catch_up(self, *users: str) -> None:
        for user in users:
            entries = stored_entries(self.gateway.ledger.table, user)
            assert not self._deliver(event(records(entries)), Context())["batchItemFailures"]

    def adjust(self, user: str, amount: int, reason: str = "why") -> int:
        path = "/admin/add-credits" if amount > 0 else "/admin/deduct-credits"
        body = {"userId": user, "amount": abs(amount), "reason": reason}
        reply = self.gateway.call("POST", path, body, headers=self.gateway.admin)
        assert reply.status == 200, reply.text
        return int(reply.json["seq"])


class Ledgers:
    """Three users over four days, two days apart, with every type of an operator's interest."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.books = [Book(name, at=NOW - 9 * DAY_S) for name in ("ann", "bob", "cid")]
        for step in range(4):
            for number, book in enumerate(self.books):
                book.at = NOW - (3 - step) * 2 * DAY_S + number
                book.grant(10 * (number + 1))
                book.post("admin_add", 5)
                book.post("admin_deduct", -2)
                if number:
                    book.end(book.vend(), "capture")
        sold = self.books[1]
        sold.post("spend", -3, 3, product="summary@2", units=3)
        sold.post("capture", 0, -3, reverses=sold.account.seq, product="summary@2", units=3, owed=5)
        for book in self.books:
            desk.keep(book)
        self.entries = sorted(
            (entry for book in self.books for entry in book.entries),
            key=lambda entry: (entry.at, entry.user, entry.seq),
            reverse=True,
        )
