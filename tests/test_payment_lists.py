"""Lists of payments for operators: by state, days, amount and user, in pages; a payment with its purchase."""

from dataclasses import replace
from typing import Any

import pytest

from engine.payments import settlement
from engine.payments.settlement import Proof
from tests.support.gateway import Gateway
from tests.support.payers import ACT, book_of, bought, selling

DAY_S = 86_400


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Gateway:
    return selling(endpoint)


def arrive(shop: Gateway, receipt: str, minor: int, at: int) -> None:
    """A payment that names no purchase, first seen at `at`."""
    proof = Proof("mpesa", receipt, minor, "KES", is_live=False, paid_at=at, receipt=receipt)
    settlement.settle(book_of(shop), lambda: proof, replace(ACT, at=at))


def listed(shop: Gateway, **query: str) -> tuple[list[str], str | None]:
    reply = shop.call("GET", "/admin/payments", headers=shop.admin, query=query)
    assert reply.status == 200, reply.text
    return [one["paymentId"] for one in reply.json["payments"]], reply.json["nextCursor"]


def decide(shop: Gateway, payment: str, what: str, **body: Any) -> None:
    path = f"/admin/payments/mpesa/{payment}/{what}"
    body = {"reason": "a test", **body}
    assert shop.call("POST", path, body, headers=shop.admin).status == 200


def test_decided_payments_are_listed_newest_first_in_pages(shop: Gateway) -> None:
    start = 1_700_000_000
    names = [f"SJL{n:06d}P" for n in range(6)]
    for number, name in enumerate(names):
        arrive(shop, name, 1000 * (number + 1), start + number // 2)
        assert name not in listed(shop, state="decided")[0], "it waits"
        decide(shop, name, "ignore")
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        query = {"state": "ignored", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page, cursor = listed(shop, **query)
        seen += page
    mine = [name for name in seen if name in names]
    assert sorted(mine) == sorted(names) and len(seen) == len(set(seen))
    at = {name: n // 2 for n, name in enumerate(names)}
    assert [at[name] for name in mine] == sorted((at[name] for name in mine), reverse=True)


def test_payments_are_found_by_state_day_and_amount(shop: Gateway) -> None:
    day = 1_710_000_000 // DAY_S * DAY_S
    for number, minor in enumerate((5000, 65_000, 70_000)):
        arrive(shop, f"SJM00000{number}P", minor, day + number * DAY_S)
    decide(shop, "SJM000000P", "refund", receipt="BACK1")
    user, _ = shop.user()
    decide(shop, "SJM000001P", "assign", userId=user, packId="p250")
    decide(shop, "SJM000002P", "ignore")
    days = {"fromDay": "2024-03-09", "toDay": "2024-03-11", "provider": "mpesa"}
    assert listed(shop, state="decided", **days)[0] == ["SJM000002P", "SJM000001P", "SJM000000P"]
    assert listed(shop, state="granted", **days)[0] == ["SJM000001P"]
    assert listed(shop, state="returned", **days)[0] == ["SJM000000P"]
    between = {"currency": "KES", "minMinor": "60000", "maxMinor": "70000"}
    assert listed(shop, state="decided", **days, **between)[0] == ["SJM000002P", "SJM000001P"]
    one_day = {"fromDay": "2024-03-10", "toDay": "2024-03-10"}
    assert listed(shop, state="decided", **one_day)[0] == ["SJM000001P"]
    assert listed(shop, state="decided", **days, currency="USD")[0] == []
    assert listed(shop, user=user, state="refunded")[0] == ["SJM000001P"], "a user's in any state"
    refused = shop.call(
        "GET", "/admin/payments", headers=shop.admin, query={"fromDay": "2024-02-31"}
    )
    assert (refused.status, refused.json["details"]["field"]) == (400, "fromDay")


def test_a_payment_is_shown_with_its_purchase(shop: Gateway) -> None:
    sale = bought(shop, provider="mpesa", currency="KES")
    sale.proof = replace(sale.proof, provider="mpesa")
    sale.settle()
    path = f"/admin/payments/mpesa/{sale.proof.payment}"
    shown = shop.call("GET", path, headers=shop.admin).json
    assert shown["intent"]["intentId"] == shown["payment"]["intentId"]
    assert shown["intent"]["status"] == "granted" and shown["intent"]["payCode"]
    arrive(shop, "SJN000000P", 5000, ACT.at)
    assert (
        shop.call("GET", "/admin/payments/mpesa/SJN000000P", headers=shop.admin).json["intent"]
        is None
    )


def test_an_assigned_payment_answers_the_users_report_of_it(endpoint: str) -> None:
    shop = selling(endpoint)
    user, headers = shop.user()
    text = "SJP000000P Confirmed. Ksh650.00 paid to PLUCT. on 2/3/26 at 10:15 AM"
    body = {
        "amount": 0, "reason": "top-up", "reference": text, "clientRequestId": "credit_req_1_abcdef0123",
    }  # fmt: skip
    asked = shop.call("POST", "/v1/credits/request", body, headers=headers)
    assert asked.status == 202, asked.text
    arrive(shop, "SJP000000P", 65_000, ACT.at)
    decide(shop, "SJP000000P", "assign", userId=user, packId="p250")
    (told,) = shop.call("GET", "/v1/credits/requests", headers=headers).json["requests"]
    assert (told["status"], told["credits"]) == ("approved", 250)
    assert shop.balance(user) == 250
    decide(shop, "SJP000000P", "assign", userId=user, packId="p250")
    assert shop.balance(user) == 250


def test_what_the_reconciler_has_read_is_listed(shop: Gateway) -> None:
    shop.call("POST", "/admin/payments/reconcile", {"reason": "a test"}, headers=shop.admin)
    reply = shop.call("GET", "/admin/payments/findings", headers=shop.admin)
    passes = {one["list"]: one for one in reply.json["passes"]}
    assert passes["own:grants"]["isUnderWay"] is False and passes["own:grants"]["since"]
