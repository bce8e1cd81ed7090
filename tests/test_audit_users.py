"""The audit of a user has the vends whose records are not stored, once each, in one order with everything
else, and a page costs what it shows.
"""

import random
from typing import Any

import pytest

from engine.ledger import audit
from engine.ledger.audit import HIGHEST, Audit, Record
from engine.platform.act import Act
from engine.platform.table import Item, Put, Table
from engine.platform.times import DAY_S, iso
from engine.readmodels import audit_users, figures
from engine.readmodels.audit_users import PAGE, VENDED_WITHIN_S, AuditUsers
from engine.readmodels.figures import CONTROL_PK, GENERATION_SK, KEYS_ALONE, OPEN_HOURS
from engine.readmodels.writes import audit_record, is_audited
from tests.support.gateway import Gateway
from tests.support.stage import Stage
from tests.support.streams import Book, Client, records

NOON = 1_800_014_400
KEEP_DAYS = 400
DAY = iso(NOON)[:10]


class Counted(Client):
    """Counts reads and what they return."""

    def __init__(self, inner: Any) -> None:
        super().__init__(inner)
        self.calls = self.items = 0

    def query(self, **request: Any) -> Any:
        answer = self._inner.query(**request)
        self.calls, self.items = self.calls + 1, self.items + len(answer["Items"])
        return answer

    def get_item(self, **request: Any) -> Any:
        self.calls, self.items = self.calls + 1, self.items + 1
        return self._inner.get_item(**request)


class Office:
    """A table of its own, with one user's book."""

    def __init__(self, endpoint: str) -> None:
        self.gateway = Gateway(endpoint, RATE_LIMIT="100000")
        self.gateway.now = NOON
        self.table = self.gateway.ledger.table
        self.stage = Stage(self.gateway)
        self.stage.through(Client(self.gateway.dynamodb), now=lambda: NOON)
        self.book = Book("ann", at=NOON)

    def project(self, layout: int) -> None:
        """Everything that is new."""
        control = {"pk": CONTROL_PK, "sk": GENERATION_SK, "current": 1, "layout": layout}
        self.table.write(Put(control, ""))
        self.stage.kept(self.book)
        assert self.stage.deliver(records(self.book.entries)) is None

    def expected(self) -> list[Item]:
        made = (audit_record(e, KEEP_DAYS) for e in self.book.entries if is_audited(e))
        return sorted(made, key=lambda item: str(item["sk"]), reverse=True)

    def pages(self, limit: int, **query: str) -> list[tuple[str, int]]:
        """The action and the number of the entry of each record shown, page by page."""
        found, cursor = list[tuple[str, int]](), dict[str, str]()
        while True:
            asked = {"user": "ann", "limit": str(limit), **query, **cursor}
            reply = self.gateway.call(
                "GET", "/admin/audit", query=asked, headers=self.gateway.admin
            )
            assert reply.status == 200, reply.text
            assert len(reply.json["records"]) <= limit
            found += [(one["action"], one["seq"]) for one in reply.json["records"]]
            if reply.json["nextCursor"] is None:
                return found
            assert reply.json["nextCursor"] < cursor.get("cursor", HIGHEST)
            cursor = {"cursor": reply.json["nextCursor"]}

    def shown(self, table: Table | None = None, below: str = HIGHEST, **more: Any) -> list[Item]:
        users = AuditUsers(KEEP_DAYS, more.get("now", NOON))
        found = users.of_user(table or self.table, "ann", below, more.get("first"))
        return [item for _, item in found if item is not None]


@pytest.fixture
def office(endpoint: str) -> Office:
    return Office(endpoint)


def named(items: list[Item]) -> list[tuple[str, int]]:
    return [(item["action"], item["seq"]) for item in items]


@pytest.mark.parametrize("layouts", [(1, 3), (2, 3), (3, 2), (3, 3), (2, 2)])
def test_the_list_of_a_user_is_the_same_whichever_layouts_it_was_projected_in(
    office: Office, layouts: tuple[int, int]
) -> None:
    """Several in a second, over three days; refusals come between."""
    office.book.grant(30)
    for layout in layouts:
        for step in (0, 0, 1, 90_000):
            office.book.at += step
            office.book.end(office.book.vend(), "capture")
            office.book.post("admin_deduct", -1)
        office.project(layout)
    right = named(office.expected())
    act = Act("user:ann", "r-9", "", "", at=NOON + 1)
    Audit(office.table, KEEP_DAYS).keep(Record("ann", "vend", False, "rate_limited", act))
    for limit in (1, 2, 5, 100):
        assert [one for one in office.pages(limit) if one[1] is not None] == right
        assert len(office.pages(limit, outcome="refused")) == 1
        vends = [one for one in right if one[0] == "vend"]
        assert office.pages(limit, action="vend", outcome="done") == vends
        for day in (DAY, iso(NOON + 90_000)[:10], "2027-02-01"):
            those = [i for i in office.expected() if i["sk"].startswith(day)]
            assert [one for one in office.pages(limit, day=day) if one[1]] == named(those)
    stored = office.table.query("AUDIT#ann", "2", limit=100)
    kept = [item for item in stored if item["action"] == "vend" and item["ok"]]
    assert len(kept) == 4 * sum(layout < KEYS_ALONE for layout in layouts)


def test_a_vend_is_shown_before_it_is_projected(office: Office) -> None:
    office.book.grant(3)
    office.book.vend()
    office.stage.kept(office.book)
    assert office.pages(5) == [("vend", 2)]


@pytest.mark.parametrize("page", [2, 100])
@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize("ends", [False, True])
def test_vends_are_in_the_order_of_their_times_though_they_were_written_in_another(
    office: Office, monkeypatch: pytest.MonkeyPatch, limit: int, page: int, ends: bool
) -> None:
    """A request that waited is written after others that began later; and a sweep, which has one time for all
    that it ends, long after its time.
    """
    monkeypatch.setattr(audit_users, "PAGE", page)
    office.book.grant(60)
    dice = random.Random(5)
    for number in range(40):
        at = NOON + 10 * number
        office.book.at = at - dice.randrange(VENDED_WITHIN_S)
        vended = office.book.vend()
        if ends:
            office.book.at = at - 800
            office.book.end(vended, "refund")
    office.project(KEYS_ALONE)
    office.gateway.now = NOON + DAY_S
    assert office.pages(limit) == named(office.expected())


@pytest.mark.parametrize("page", [3, 100])
def test_many_entries_of_one_second_are_shown_once(
    office: Office, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Although a page of the list looks at fewer, it goes on until it gets on."""
    monkeypatch.setattr(audit_users, "PAGE", page)
    monkeypatch.setattr(audit, "MOST_DAYS", 1)
    office.book.grant(60)
    for _ in range(25):
        office.book.end(office.book.vend(), "refund")
    office.project(KEYS_ALONE)
    assert office.pages(4) == named(office.expected())


def test_vends_below_many_other_entries_are_found_by_pages_that_are_empty(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_users, "PAGE", 5)
    monkeypatch.setattr(audit, "MOST_DAYS", 2)
    office.book.grant(9)
    for _ in range(3):
        office.book.at += 1000
        office.book.vend()
    for _ in range(40):
        office.book.at += 1000
        office.book.grant(1)
    office.project(KEYS_ALONE)
    office.gateway.now = office.book.at
    query = {"user": "ann"}
    first = office.gateway.call("GET", "/admin/audit", query=query, headers=office.gateway.admin)
    assert (first.json["records"], first.json["nextCursor"] is None) == ([], False)
    assert office.pages(50) == named(office.expected())


def test_a_page_of_a_long_history_costs_what_it_shows(office: Office) -> None:
    """From the top, below a cursor in the middle, and of a day that is long past."""
    office.book.grant(5000)
    for _ in range(1500):
        office.book.at += 60
        office.book.end(office.book.vend(), "capture")
    office.stage.kept(office.book)
    right = office.expected()
    counted = Counted(office.gateway.dynamodb)
    table = Table(counted, office.table.name)  # type: ignore[arg-type]
    middle = right[700]["sk"]
    now = office.book.at
    of_day = next(n for n, one in enumerate(right) if one["sk"].startswith(DAY))
    for below, start in ((HIGHEST, 0), (middle, 701), (f"{DAY}~", of_day)):
        counted.calls = counted.items = 0
        users = AuditUsers(KEEP_DAYS, now).of_user(table, "ann", below, None)
        found = [item for _, item in zip(range(30), (one for _, one in users if one), strict=False)]
        assert found == right[start : start + 30]
        assert counted.calls <= 12
        assert counted.items <= 4 * PAGE


def test_a_list_ends_at_its_first_day(office: Office) -> None:
    office.book.grant(5000)
    for _ in range(600):
        office.book.at += 600
        office.book.vend()
    office.stage.kept(office.book)
    counted = Counted(office.gateway.dynamodb)
    table = Table(counted, office.table.name)  # type: ignore[arg-type]
    first = iso(office.book.at)[:10]
    found = office.shown(table, first=first, now=office.book.at)
    assert found == [item for item in office.expected() if item["sk"] >= first]
    assert counted.items <= 3 * PAGE


def test_a_vend_whose_record_has_expired_is_not_shown(office: Office) -> None:
    office.book.grant(9)
    office.book.vend()
    office.stage.kept(office.book)
    (record,) = office.expected()
    assert office.shown(now=record["ttl"] - 1) == [record]
    assert office.shown(now=record["ttl"]) == []


def test_reading_ends_where_records_are_no_longer_kept(office: Office) -> None:
    office.book.grant(5000)
    for _ in range(600):
        office.book.at += 600
        office.book.vend()
    office.stage.kept(office.book)
    counted = Counted(office.gateway.dynamodb)
    table = Table(counted, office.table.name)  # type: ignore[arg-type]
    assert office.shown(table, now=office.book.at + KEEP_DAYS * DAY_S) == []
    assert counted.items <= 2 * PAGE


@pytest.mark.parametrize("moment", ["T99:99:99.000Z", "T00:00:00.000Z", "T12:00:30.000Z"])
def test_a_cursor_begins_where_it_sorts(office: Office, moment: str) -> None:
    office.book.grant(900)
    for _ in range(400):
        office.book.at += 20
        office.book.vend()
    office.stage.kept(office.book)
    below = f"{DAY}{moment}#-"
    right = [item for item in office.expected() if item["sk"] < below]
    assert office.shown(below=below, now=office.book.at) == right


def test_a_stored_record_is_shown_once_as_it_is_stored(office: Office) -> None:
    office.book.grant(3)
    office.book.vend()
    office.project(OPEN_HOURS)
    (stored,) = audit.of_user(office.table, "ann", limit=9)
    assert office.shown() == [stored]
    assert figures.generations(office.table).layout == OPEN_HOURS


def test_vends_of_another_unit_are_stored_and_shown_once(office: Office) -> None:
    office.book = Book("ann", "usd_micros", at=NOON)
    office.book.grant(3)
    office.book.vend()
    office.project(KEYS_ALONE)
    assert office.shown() == office.expected()
