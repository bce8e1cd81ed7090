"""Operators' lists: users in three orders, transactions with filters and as CSV, figures."""

import csv
import io
import json
import re
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.admin import accounts, transactions_csv
from engine.ledger.origins import Texts
from engine.readmodels import feed
from engine.web.http import dump, legacy
from tests.support.direct import assert_refused
from tests.support.lists import DAY, DAY_S, NOW, Desk, Ledgers
from tests.support.properties import PROPERTY
from tests.support.streams import Book


@pytest.fixture(scope="module")
def desk(endpoint: str) -> Desk:
    """40 users, each a second younger than the one before; balances come three times each."""
    desk = Desk(endpoint)
    for number in range(40):
        name = f"{'ann' if number % 2 else 'bob'}-{number:02d}"
        book = Book(name, at=NOW - 100 + number)
        book.grant(number // 3)
        desk.keep(book)
    return desk


def names(users: list[dict[str, Any]]) -> list[str]:
    return [one["userId"] for one in users]


EVERYBODY = sorted(f"{'ann' if n % 2 else 'bob'}-{n:02d}" for n in range(40))


@pytest.mark.parametrize("limit", [1, 7, 40, 100])
def test_pages_by_id_contain_each_user_once(desk: Desk, limit: int) -> None:
    pages = list(desk.pages("/admin/users", "users", limit=limit))
    assert [name for page in pages for name in names(page)] == EVERYBODY
    assert {len(page) for page in pages[:-1]} <= {limit}


@pytest.mark.parametrize(
    ("prefix", "count"), [("ann", 20), ("ann-1", 5), ("bob-00", 1), ("zed", 0)]
)
def test_a_prefix_narrows_the_users(desk: Desk, prefix: str, count: int) -> None:
    found = names(desk.all("/admin/users", "users", prefix=prefix, limit=3))
    assert found == [name for name in EVERYBODY if name.startswith(prefix)]
    assert len(found) == count


@pytest.mark.parametrize("limit", [1, 6, 100])
def test_the_newest_users_come_first(desk: Desk, limit: int) -> None:
    found = desk.all("/admin/users", "users", sort="newest", limit=limit)
    assert [int(one["userId"][-2:]) for one in found] == list(reversed(range(40)))


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_the_highest_balance_comes_first_and_equal_ones_are_not_lost_between_pages(
    desk: Desk, limit: int
) -> None:
    found = desk.all("/admin/users", "users", sort="balance", limit=limit)
    assert sorted(names(found)) == EVERYBODY
    assert [one["balance"] for one in found] == sorted((n // 3 for n in range(40)), reverse=True)


def test_a_change_of_balance_moves_the_user_in_the_list(endpoint: str) -> None:
    desk = Desk(endpoint)
    for user, amount in (("a1", 5), ("b1", 50)):
        desk.adjust(user, amount)
        desk.catch_up(user)
    assert names(desk.all("/admin/users", "users", sort="balance")) == ["b1", "a1"]
    desk.adjust("b1", -48, reason="charged back")
    desk.catch_up("b1")
    found = desk.all("/admin/users", "users", sort="balance")
    assert names(found) == ["a1", "b1"]
    assert found[1] == {
        "userId": "b1",
        "balance": 2,
        "credits": 2,
        "heldCredits": 0,
        "owed": 0,
        "added": 50,
        "deducted": 48,
        "spent": 0,
        "refunded": 0,
        "transactions": 2,
        "createdAt": "2027-01-16T11:46:40.000Z",
        "updatedAt": "2027-01-16T11:46:40.000Z",
    }


@pytest.mark.parametrize(
    "query",
    [
        {"prefix": "a#"},
        {"prefix": ""},
        {"sort": "name"},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "x"},
        {"cursor": "#"},
        {"cursor": "!" * 151},
        {"sort": "newest", "cursor": "ann"},
        {"sort": "balance", "cursor": "~#ann"},
        {"sort": "balance", "prefix": "ann"},
    ],
)
def test_a_malformed_query_of_users_is_refused(desk: Desk, query: dict[str, Any]) -> None:
    assert_refused(desk.ask("/admin/users", **query), 400)


@pytest.mark.parametrize("cursor", ["zzz", "ann-11", "0"])
def test_a_cursor_outside_the_prefix_only_changes_the_page(desk: Desk, cursor: str) -> None:
    found = desk.ask("/admin/users", prefix="ann", cursor=cursor).json
    wanted = [name for name in EVERYBODY if name.startswith("ann") and name > cursor]
    assert names(found["users"]) == wanted


@pytest.fixture(scope="module")
def ledgers(endpoint: str) -> Ledgers:
    return Ledgers(Desk(endpoint))


def shown_ids(transactions: list[dict[str, Any]]) -> list[str]:
    return [one["id"] for one in transactions]


PATH = "/admin/transactions"


@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_contain_each_transaction_once_newest_first(ledgers: Ledgers, limit: int) -> None:
    found = shown_ids(ledgers.desk.all(PATH, "transactions", limit=limit))
    assert found == [f"{entry.user}:{entry.seq}" for entry in ledgers.entries]


FILTERS: list[tuple[dict[str, str | int], Any]] = [
    ({"user": "bob"}, lambda e: e.user == "bob"),
    ({"type": "admin_add"}, lambda e: e.type == "admin_add"),
    ({"actor": "user:tester"}, lambda e: e.actor == "user:tester"),
    ({"actor": "user:test"}, lambda e: e.actor == "user:test"),
    ({"day": DAY}, lambda e: e.at >= NOW - DAY_S),
    ({"day": "2027-01-15"}, lambda e: e.at == 0),
    ({"fromDay": "2027-01-14"}, lambda e: e.at >= NOW - 3 * DAY_S),
    ({"toDay": "2027-01-14"}, lambda e: e.at < NOW - DAY_S),
    ({"fromDay": "2027-01-11", "toDay": "2027-01-15"},
     lambda e: NOW - 5 * DAY_S < e.at < NOW - DAY_S),
    ({"user": "bob", "fromDay": "2027-01-11", "toDay": "2027-01-14"},
     lambda e: e.user == "bob" and NOW - 5 * DAY_S < e.at < NOW - DAY_S),
    ({"fromDay": DAY, "toDay": "2027-01-12"}, lambda e: e.at == 0),
    ({"minAmount": 10}, lambda e: abs(e.amount) >= 10),
    ({"maxAmount": 2}, lambda e: abs(e.amount) <= 2),
    ({"minAmount": 2, "maxAmount": 5}, lambda e: 2 <= abs(e.amount) <= 5),
    ({"user": "cid", "day": DAY, "type": "spend"},
     lambda e: e.user == "cid" and e.type == "spend" and e.at > NOW - 9),
    ({"user": "nobody"}, lambda e: e.user == "nobody"),
    ({"product": "summary"}, lambda e: e.product == "summary@2"),
    ({"product": "transcript"}, lambda e: e.type in ("spend", "capture") and not e.product),
]  # fmt: skip


@pytest.mark.parametrize("limit", [3, 500])
@pytest.mark.parametrize(("query", "takes"), FILTERS)
def test_filters_can_be_combined(
    ledgers: Ledgers, query: dict[str, str | int], takes: Any, limit: int
) -> None:
    found = shown_ids(ledgers.desk.all(PATH, "transactions", limit=limit, **query))
    assert found == [f"{e.user}:{e.seq}" for e in ledgers.entries if takes(e)]


def test_a_page_reads_a_bounded_number_of_entries_and_gives_a_cursor(
    ledgers: Ledgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_LOOKED", 10)
    for query in ({"type": "spend"}, {"type": "spend", "user": "bob"}, {"type": "nothing"}):
        pages = list(ledgers.desk.pages(PATH, "transactions", **query))
        wanted = [
            f"{e.user}:{e.seq}"
            for e in ledgers.entries
            if e.type == query["type"] and query.get("user", e.user) == e.user
        ]
        assert [one["id"] for page in pages for one in page] == wanted
        assert len(pages) > 1


def test_a_transaction_shows_its_actor_and_origin(ledgers: Ledgers) -> None:
    (first,) = ledgers.desk.ask(PATH, limit=1).json["transactions"]
    newest = ledgers.entries[0]
    assert first == {
        "id": f"{newest.user}:{newest.seq}",
        "userId": newest.user,
        "seq": newest.seq,
        "type": "capture",
        "amount": 0,
        "heldChange": -1,
        "balanceAfter": newest.available_after,
        "heldAfter": newest.held_after,
        "owedChange": 0,
        "owedAfter": 0,
        "product": None,
        "units": None,
        "heldLeft": None,
        "reason": "because",
        "subject": newest.subject,
        "reverses": newest.seq - 1,
        "requestId": "r-1",
        "timestamp": "2027-01-16T11:46:42.000Z",
        "actor": "user:tester",
        "address": "203.0.113.7",
        "userAgent": "pluct-tests/1",
        "undoable": False,
        "undoneBy": None,
        "job": None,
    }
    adds = ledgers.desk.ask(PATH, type="admin_add").json["transactions"]
    assert all(one["undoable"] for one in adds)


def test_an_audited_act_names_its_entry(ledgers: Ledgers) -> None:
    reply = ledgers.desk.ask("/admin/audit", user="ann", action="admin_add")
    found = [(record["unit"], record["seq"]) for record in reply.json["records"]]
    added = [e.seq for e in ledgers.entries if (e.user, e.type) == ("ann", "admin_add")]
    assert found == [("credits", seq) for seq in added]


@pytest.mark.parametrize(
    "query",
    [
        {"user": "#"},
        {"type": "Spend"},
        {"day": "yesterday"},
        {"day": "2027-02-30"},
        {"fromDay": "2027-13-01"},
        {"toDay": "20270101"},
        {"minAmount": "-1"},
        {"maxAmount": "1.5"},
        {"limit": "0"},
        {"limit": "1001"},
        {"format": "xml"},
        {"cursor": "1"},
        {"cursor": f"{DAY}~x"},
        {"cursor": f"{DAY}~01800100000#ann#000000000001", "day": "2027-01-15"},
        {"user": "ann", "cursor": f"{DAY}~01800100000#ann#000000000001"},
        {"user": "ann", "cursor": "0"},
    ],
)
def test_a_malformed_query_of_transactions_is_refused(
    ledgers: Ledgers, query: dict[str, str | int]
) -> None:
    assert_refused(ledgers.desk.ask(PATH, **query), 400)


def test_an_undone_transaction_names_its_reversal(endpoint: str) -> None:
    desk = Desk(endpoint)
    seqs = [desk.adjust("ann", amount) for amount in (5, 7)]
    path = f"/admin/users/ann/transactions/{seqs[0]}/undo"
    body = {"reason": "mistake"}
    assert desk.gateway.call("POST", path, body, headers=desk.gateway.admin).status == 200
    wanted = [(3, False, None), (2, True, None), (1, False, 3)]
    for shown in (
        desk.ask("/admin/users/ann").json["transactions"],
        desk.ask(PATH, user="ann").json["transactions"],
    ):
        assert [(one["seq"], one["undoable"], one["undoneBy"]) for one in shown] == wanted


def test_the_csv_has_the_same_rows_and_its_cursor_in_a_header(ledgers: Ledgers) -> None:
    cursor: dict[str, str | int] = {}
    rows: list[dict[str, str]] = []
    while True:
        reply = ledgers.desk.ask(PATH, format="csv", limit=20, **cursor)
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        assert "attachment" in reply.headers["content-disposition"]
        assert reply.text.startswith("\ufeffid,timestamp,")
        rows += csv.DictReader(io.StringIO(reply.text.removeprefix("\ufeff")))
        if "x-next-cursor" not in reply.headers:
            break
        cursor = {"cursor": reply.headers["x-next-cursor"]}
    shown = ledgers.desk.all(PATH, "transactions")
    assert [row["id"] for row in rows] == shown_ids(shown)
    assert [int(row["amount"]) for row in rows] == [one["amount"] for one in shown]
    assert list(rows[0])[-4:] == ["product", "units", "owedChange", "owedAfter"]
    assert {row["product"]: row["units"] for row in rows} == {"": "", "summary@2": "3"}
    assert [row["owedAfter"] for row in rows] == [str(one["owedAfter"]) for one in shown]
    assert {row["owedAfter"] for row in rows} == {"0", "5"}


STARTS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b\u2212"
SKIPPED = " \u00a0\u3000\u200b\ufeff\"'"
SEPARATORS = ",;\t|\r\n\v\f\x85\u2028\u2029\uff0c\uff1b"


def formulas(text: str) -> list[str]:
    """Cells that a spreadsheet may take for a formula, whatever its separator; numbers are none."""
    found = []
    for one in re.split(f"[{re.escape(SEPARATORS)}]", text):
        cell = one.lstrip(SKIPPED.replace("'", ""))
        if cell[:1] and cell[0] in STARTS and not re.fullmatch(r'-\d+"?', cell):
            found.append(one)
    return found


@pytest.mark.parametrize("start", [*STARTS, "\t=", "\r=", "\n=", ";=", "x;=", " ;\u200b\uff1d"])
def test_no_cell_of_the_csv_is_a_formula(endpoint: str, start: str) -> None:
    desk = Desk(endpoint)
    reason = f'{start}cmd|"/c calc"!A1, {start}<script>'
    desk.adjust("mallory", 3, reason=reason)
    desk.adjust("mallory", -2)
    desk.catch_up("mallory")
    text = desk.ask(PATH, format="csv").text.removeprefix("\ufeff")
    assert formulas(text) == []
    first, second = csv.DictReader(io.StringIO(text, newline=""))
    assert (first["amount"], second["amount"]) == ("-2", "3")
    assert second["reason"].replace("'", "") == reason


CELLS = st.text(st.sampled_from(STARTS + SKIPPED + SEPARATORS + "a1()"), max_size=12)


@PROPERTY
@given(st.lists(CELLS, min_size=1, max_size=4))
def test_any_text_in_cells_is_no_formula(texts: list[str]) -> None:
    line = transactions_csv._line([transactions_csv._cell(one) for one in texts])
    for separator in (",", ";", "\t", "|"):
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            for cell in row:
                plain = unicodedata.normalize("NFKC", cell.lstrip(SKIPPED.replace("'", "")))
                assert plain[:1] not in ("=", "+", "-", "@", "\u2212")


def test_a_page_of_the_widest_rows_stays_below_lambdas_limit(ledgers: Ledgers) -> None:
    wide = replace(
        ledgers.entries[0],
        user="w" * 128,
        reason="\U0001f600" * 200,
        actor="a" * 160,
        subject="s" * 255,
    )
    known = {(wide.user, wide.origin_id): Texts("2001:db8::1", "\U0001f600" * 160)}
    text, written = transactions_csv.write([wide] * 5000, known)
    assert 500 < written < 5000
    assert 4_500_000 < len(json.dumps(text)) < 6_000_000
    members = [accounts.entry_members(wide, known)] * 1000
    shown = accounts.fitting(members)
    body = dump(legacy({"transactions": shown}, NOW))
    assert 100 < len(shown) < 1000
    assert 4_500_000 < len(json.dumps(body)) < 6_000_000


@pytest.mark.parametrize("query", [{}, {"user": "bob"}, {"type": "admin_add"}], ids=str)
def test_shortened_pages_contain_each_transaction_once(
    ledgers: Ledgers, query: dict[str, str | int], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shown_ids(ledgers.desk.all(PATH, "transactions", **query))
    monkeypatch.setattr(accounts, "ANSWER_LIMIT", 1500)
    pages = list(ledgers.desk.pages(PATH, "transactions", **query))
    assert len(pages) > 1 and shown_ids([one for page in pages for one in page]) == whole
    rows: list[dict[str, str]] = []
    cursor: dict[str, str | int] = {}
    while True:
        reply = ledgers.desk.ask(PATH, format="csv", **query, **cursor)
        rows += csv.DictReader(io.StringIO(reply.text.removeprefix("\ufeff")))
        if "x-next-cursor" not in reply.headers:
            break
        cursor = {"cursor": reply.headers["x-next-cursor"]}
    assert [row["id"] for row in rows] == whole


def test_only_the_list_by_balance_says_that_its_pages_may_miss_a_user(endpoint: str) -> None:
    desk = Desk(endpoint)
    stable = {sort: desk.ask("/admin/users", sort=sort).json["stable"] for sort in SORTS}
    assert stable == {"id": True, "newest": True, "balance": False}


SORTS = ("id", "newest", "balance")


def test_a_user_is_shown_with_the_outcome_of_every_token(endpoint: str) -> None:
    desk = Desk(endpoint)
    user, headers = desk.gateway.user(balance=5)
    token = desk.gateway.vend(headers).json["token"]
    desk.gateway.vend(headers)
    desk.gateway.call("POST", "/validate-token", {"token": token, "consume": True})
    desk.adjust(user, -1, reason="charged back")
    desk.catch_up(user)
    story = desk.ask(f"/admin/users/{user}").json
    assert [(hold["state"], hold["used"], hold["resolvedSeq"]) for hold in story["holds"]] == [
        ("open", False, None),
        ("captured", True, 5),
    ]
    assert [hold["state"] for hold in story["openHolds"]] == ["open"]
    assert story["transactions"][0]["reason"] == "charged back"
    assert story["transactions"][0]["actor"] == "admin:secret"
    assert story["totals"] == {
        "added": 5,
        "deducted": 1,
        "spent": 1,
        "refunded": 0,
        "transactions": 6,
        "holdsPlaced": 2,
        "holdsCaptured": 1,
        "holdsReleased": 0,
        "byType": {
            "admin_deduct": {"count": 1, "sum": -1},
            "api_add": {"count": 1, "sum": 5},
            "capture": {"count": 1, "sum": 0},
            "spend": {"count": 2, "sum": -2},
            "user_creation": {"count": 1, "sum": 0},
        },
        "createdAt": "2027-01-16T11:46:40.000Z",
        "upToSeq": 6,
    }
