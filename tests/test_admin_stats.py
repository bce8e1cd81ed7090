"""The operators' figures: totals, days, hours, products, keys and refusals."""

import pytest

from engine.platform.times import HOUR_S
from engine.readmodels import figures
from tests.support.direct import assert_refused
from tests.support.lists import DAY, DAY_S, NOW, Desk
from tests.support.streams import Book


def test_the_figures_add_up_with_days_and_hours(endpoint: str) -> None:
    desk = Desk(endpoint)
    old = Book("old", at=NOW - 40 * DAY_S)
    old.grant(100)
    desk.keep(old)
    for number, back in enumerate((0, HOUR_S, 30 * HOUR_S, 60 * HOUR_S)):
        book = Book(f"u{number}", at=NOW - back)
        book.grant(10)
        book.post("admin_deduct", -1)
        book.end(book.vend(), "capture")
        book.end(book.vend(), "refund")
        desk.keep(book)
    found = desk.ask("/admin/stats").json
    assert (found["totalUsers"], found["totalCredits"], found["creditsHeld"]) == (5, 132, 0)
    assert (found["creditsAdded"], found["creditsDeducted"]) == (140, 4)
    assert (found["creditsSpent"], found["creditsRefunded"]) == (4, 4)
    assert found["creditsAdded"] - found["creditsDeducted"] - found["creditsSpent"] == 132
    assert found["transactions"]["total"] == 25
    assert found["transactions"]["byType"]["spend"] == {"count": 8, "sum": -8}
    assert found["holds"] == {"placed": 8, "captured": 4, "released": 4}
    assert [len(found["days"]), len(found["hours"])] == [30, 48]
    assert found["days"][-1]["day"] == DAY
    assert found["hours"][-1]["hour"] == "2027-01-16T11:00:00.000Z"
    assert [hour["added"] for hour in found["hours"]][-31::29] == [10, 10]
    assert sum(hour["added"] for hour in found["hours"]) == 30
    assert sum(day["added"] for day in found["days"]) == 40
    assert sum(day["change"] for day in found["days"]) == 32
    assert sum(day["vended"] for day in found["days"]) == 8
    longer = desk.ask("/admin/stats", days=60).json["days"]
    assert next(day["added"] for day in longer if day["added"]) == 100
    assert figures.totals(desk.gateway.ledger.table, "credits").users == 5


def test_a_day_says_what_was_sold_of_each_product(endpoint: str) -> None:
    desk = Desk(endpoint)
    book = Book("ann", at=NOW)
    book.grant(100)
    book.end(book.vend(), "capture")
    book.vend()
    book.post("spend", -75, 75, product="summary@2", units=3)
    book.post("capture", 35, -75, reverses=book.account.seq, product="summary@2", units=3)
    book.post("spend", -2, 2, product="transcript@2", units=1)
    book.post("capture", 0, -2, reverses=book.account.seq, product="transcript@2", units=1)
    desk.keep(book)
    today, yesterday = desk.ask("/admin/stats").json["days"][-1:-3:-1]
    assert today["products"] == {
        "summary": {"spent": 40, "holds": 1},
        "transcript": {"spent": 3, "holds": 3},
    }
    assert today["spent"] == 43
    assert yesterday["products"] == {}


def test_keys_and_refusals_are_counted(endpoint: str) -> None:
    desk = Desk(endpoint)
    made = [
        desk.gateway.call(
            "POST", "/admin/generate-key", {"description": "x"}, headers=desk.gateway.admin
        ).json["id"]
        for _ in range(3)
    ]
    desk.gateway.call("DELETE", f"/admin/keys/{made[0]}", headers=desk.gateway.admin)
    desk.gateway.now = NOW - DAY_S
    for number in range(3):
        _user, headers = desk.gateway.user()
        assert desk.gateway.vend(headers, key=f"k{number}").status == 402
    desk.gateway.now = NOW
    body = {"userId": "nobody", "amount": 1, "reason": "x"}
    desk.gateway.call("POST", "/admin/deduct-credits", body, headers=desk.gateway.admin)
    found = desk.ask("/admin/stats", days=2).json
    assert found["apiKeys"] == {"total": 3, "active": 2, "revoked": 1}
    assert found["refusals"] == {
        "total": 4,
        "byCode": {"insufficient_credits": 3, "not_found": 1},
    }
    assert [day["refusals"] for day in found["days"]] == [3, 1]


@pytest.mark.parametrize("days", ["0", "367", "x", "-1", "1.5"])
def test_the_series_covers_up_to_a_year(endpoint: str, days: str) -> None:
    assert_refused(Desk(endpoint).ask("/admin/stats", days=days), 400)
