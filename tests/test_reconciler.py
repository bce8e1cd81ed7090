"""The reconciler heals what was lost, matches reports of payers, reports the rest, and is not stopped."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from engine.payments import by_mpesa, intents, notices, rows, settlement
from engine.platform.table import Put, Update
from engine.providers.daraja_callbacks import NAIROBI
from engine.providers.daraja_results import PulledPayment
from engine.providers.money import KES, Money
from tests.support.openrouter import Context
from tests.support.payers import ACT, AT, Bought, book_of, bought, selling
from tests.support.paying import PHONE, Market, eventually, market
from tests.support.shop import edit_pack, unmatched
from tests.support.streams import event, records, stored_entries

pytestmark = pytest.mark.enable_socket
_numbers = itertools.count(1)
DAY = "17/3/30"
"""The day of `AT` in Nairobi, as M-Pesa writes it."""


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        yield made


def test_a_prompt_whose_callback_is_lost_is_asked_for(shop: Market) -> None:
    shop.daraja.fault("push", "push", mode="never")
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers, phone=PHONE)
    eventually(lambda: bool(pushed(shop, intent)["answer"]), "the buyer has paid")
    looked_at(shop, intent)
    shop.reconcile()
    shop.daraja.sound()
    assert shop.account(user) == (250, 0)
    assert shop.status(headers, intent) == "granted"


def pushed(shop: Market, intent: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = shop.daraja.state()["pushes"]
    code = intent["payCode"]
    return next(one for one in found if one["asked"]["AccountReference"] == code)


def looked_at(shop: Market, intent: dict[str, Any]) -> None:
    """The intent is due now."""
    update = Update(
        f"INTENT#{intent['intentId']}", "INTENT", "SET expires_at = :now", "", values={":now": 1}
    )
    shop.gateway.ledger.table.write(update)


def test_an_open_intent_past_its_time_ends(shop: Market) -> None:
    _, headers = shop.buyer()
    intent = shop.by_mpesa(headers)
    function: Any = shop.gateway.function("reconciler")
    clock = function.clock
    function.clock = lambda: clock() + intents.LIFETIME_S + 60
    shop.reconcile()
    function.clock = clock
    stored = intents.find(shop.gateway.ledger.table, intent["intentId"])
    assert stored is not None and stored.state == "expired"


def test_an_unreachable_store_is_told_later_that_it_was_delivered(shop: Market) -> None:
    edit_pack(shop.gateway, "g9", prices={}, googleProductId="credits_9")
    user, headers = shop.buyer()
    token = shop.play.order("buy", {"product": "credits_9"})["token"]
    shop.play.fault("consume", "status", times=1, status=503)
    assert shop.claim(headers, token).json["status"] == "granted"
    assert shop.account(user) == (250, 0)
    function: Any = shop.gateway.function("reconciler")
    clock = function.clock
    function.clock = lambda: clock() + 3600
    shop.reconcile()
    function.clock = clock
    bought_ = next(one for one in shop.play.state()["purchases"] if one["token"] == token)
    assert bought_["is_consumed"]


def test_a_row_that_cannot_be_handled_stops_nothing_and_is_reported(shop: Market) -> None:
    table = shop.gateway.ledger.table
    for number in range(3):
        poisoned = {
            "pk": f"INTENT#pin_poison{number}",
            "sk": "INTENT",
            "state": "pending",
            "open_shard": intents.shard_of(f"pin_poison{number}"),
            "expires_at": 1,
        }
        table.write(Put(poisoned, condition=""))
    shop.daraja.fault("push", "push", mode="never")
    user, headers = shop.buyer()
    code = shop.by_mpesa(headers)["payCode"]
    shop.daraja.order("c2b", {"reference": code, "amount": 650})
    shop.by_hand()
    shop.daraja.sound()
    assert shop.account(user) == (250, 0)
    path = "/admin/payments/findings"
    found = shop.gateway.call("GET", path, headers=shop.gateway.admin).json["findings"]
    assert {one["kind"] for one in found} == {"unreadable"}
    assert {one["paymentId"] for one in found} >= {f"pin_poison{n}" for n in range(3)}
    for number in range(3):
        gone = Update(f"INTENT#pin_poison{number}", "INTENT", "REMOVE open_shard", "")
        table.write(gone)


def test_a_grant_without_a_payment_at_its_provider_is_a_finding(shop: Market) -> None:
    sale = bought(shop.gateway)
    sale.settle(payment="pi_never_made", paid_at=int(shop.gateway.clock()))
    batch = records(stored_entries(shop.gateway.ledger.table, sale.user))
    projector: Any = shop.gateway.function("projector")
    projector.lambda_handler(event(batch), Context())
    admin: Any = shop.gateway.function("payments_admin")
    reconciler = admin.Reconciler(admin.shop, ACT, lambda: 60.0)
    reconciler._check_payment("stripe", "pi_never_made")
    path = "/admin/payments/findings"
    found = shop.gateway.call("GET", path, headers=shop.gateway.admin).json["findings"]
    assert ("granted_not_paid", "pi_never_made") in {
        (one["kind"], one["paymentId"]) for one in found
    }
    wrong = Update(
        "PAYMENT#stripe", "pi_never_made", "SET granted = :more", "", values={":more": 251}
    )
    shop.gateway.ledger.table.write(wrong)
    reconciler._check_payment("stripe", "pi_never_made")
    found = shop.gateway.call("GET", path, headers=shop.gateway.admin).json["findings"]
    assert ("ledger_disagrees", "pi_never_made") in {
        (one["kind"], one["paymentId"]) for one in found
    }


def test_a_pass_that_runs_out_of_time_says_so(shop: Market) -> None:
    admin: Any = shop.gateway.function("payments_admin")
    done = admin.Reconciler(admin.shop, ACT, lambda: 0.0).run(is_forced=True)
    assert not done.is_done


def arrived(shop: Market, account: str = "") -> PulledPayment:
    """A payment that names no purchase, as its provider proves it."""
    receipt = f"UC17{next(_numbers):06d}"
    paid = PulledPayment(receipt, Money(65000, KES), account, AT, "***149")
    settled = by_mpesa.hear_pulled(book_of(shop.gateway), paid, ACT)
    assert settled.outcome == settlement.WAITS
    return paid


def reported(shop: Market, headers: dict[str, str], text: str) -> None:
    body = {"amount": 0, "reason": "top-up", "reference": text, "clientRequestId": text[:10]}
    reply = shop.gateway.call("POST", "/v1/credits/request", body, headers=headers)
    assert reply.status == 202, reply.text


def message(receipt: str, amount: str = "650.00", day: str = DAY, account: str = "") -> str:
    to = f"PLUCT LTD for account {account}" if account else "JANE DOE 0712345678"
    return f"{receipt} Confirmed. Ksh{amount} sent to {to} on {day} at 8:46 PM New balance"


def match(shop: Market) -> None:
    function: Any = shop.gateway.function("reconciler")
    reconciler = function.Reconciler(function.shop, ACT, lambda: 60.0)
    reconciler._match_requests()


def test_a_report_of_a_payment_of_the_inbox_grants_once_its_payment_is_proved(shop: Market) -> None:
    user, headers = shop.buyer()
    paid = arrived(shop)
    reported(shop, headers, message(paid.receipt))
    match(shop)
    assert shop.account(user) == (250, 0)
    (request,) = shop.gateway.call("GET", "/v1/credits/requests", headers=headers).json["requests"]
    assert (request["status"], request["credits"]) == ("approved", 250)
    other, by_other = shop.buyer()
    reported(shop, by_other, message(paid.receipt))
    match(shop)
    assert (shop.account(user), shop.account(other)) == ((250, 0), (0, 0))


def test_a_report_before_its_payment_is_completed_by_the_proof(shop: Market) -> None:
    user, headers = shop.buyer()
    reported(shop, headers, message("UC17AHEAD1"))
    match(shop)
    assert shop.account(user) == (0, 0)
    paid = PulledPayment("UC17AHEAD1", Money(65000, KES), "", AT, "")
    by_mpesa.hear_pulled(book_of(shop.gateway), paid, ACT)
    match(shop)
    assert shop.account(user) == (250, 0)


@pytest.mark.parametrize(
    ("account", "changed"),
    [
        ("", {"amount": "649.00"}),
        ("", {"day": "20/3/30"}),
        ("", {"account": "PL7K2M9Q"}),
        ("SOMEBODY", {}),
        ("SOMEBODY", {"account": "SOMEBODY"}),
    ],
)
def test_a_report_that_does_not_agree_goes_on_waiting(
    shop: Market, account: str, changed: dict[str, str]
) -> None:
    user, headers = shop.buyer()
    paid = arrived(shop, account)
    reported(shop, headers, message(paid.receipt, **changed))
    match(shop)
    assert shop.account(user) == (0, 0)
    assert paid.receipt in {one["paymentId"] for one in unmatched(shop.gateway)}


def test_a_reversal_or_a_receipt_alone_grants_nothing(shop: Market) -> None:
    user, headers = shop.buyer()
    paid = arrived(shop)
    reported(
        shop, headers, f"{paid.receipt} Confirmed. Reversal of transaction {paid.receipt} on {DAY}"
    )
    match(shop)
    other, by_other = shop.buyer()
    reported(shop, by_other, paid.receipt)
    match(shop)
    assert (shop.account(user), shop.account(other)) == ((0, 0), (0, 0))


@pytest.fixture(scope="module")
def telling(endpoint: str) -> Any:
    return selling(endpoint, NOTIFY_URL="https://ops.example/notices")


def notices_of(sale: Bought, user: str = "") -> list[tuple[str, dict[str, Any]]]:
    found = sale.book.table.query(f"HOOK#{user or sale.user}", "msg_", limit=20)
    return [(item["type"], json.loads(item["facts"])) for item in found[::-1]]


def test_a_payment_makes_one_notice_for_each_change(telling: Any) -> None:
    sale = bought(telling)
    sale.settle()
    sale.settle()
    sale.lose(refunded=100)
    sale.lose(refunded=100)
    told = dict(notices_of(sale))
    assert len(notices_of(sale)) == len(told) == 2
    assert told[notices.GRANTED]["granted"] == 250
    assert (told[notices.REFUNDED]["taken"], told[notices.REFUNDED]["refundedMinor"]) == (50, 100)
    assert "payer" not in json.dumps(told)


def test_a_payment_of_the_inbox_makes_one_notice(telling: Any) -> None:
    sale = bought(telling)
    for _ in range(3):
        sale.settle(intent="")
    told = [
        facts
        for kind, facts in notices_of(sale, notices.NOBODY)
        if kind == notices.UNMATCHED and facts["paymentId"] == sale.proof.payment
    ]
    assert [facts["reason"] for facts in told] == ["no_intent"]


def test_low_credits_make_one_notice_however_often_the_stream_delivers(telling: Any) -> None:
    user, headers = telling.user(balance=3)
    telling.vend(headers)
    batch = records(stored_entries(telling.ledger.table, user))
    projector: Any = telling.function("projector")
    for _ in range(2):
        projector.lambda_handler(event(batch), Context())
    found = telling.ledger.table.query(f"HOOK#{user}", "msg_", limit=20)
    assert [item["type"] for item in found] == [notices.CREDITS_LOW]
    assert json.loads(found[0]["facts"])["balance"] == 2


def test_mpesa_is_asked_once_for_a_payment_that_only_a_report_names(shop: Market) -> None:
    shop.daraja.fault("push", "push", mode="never")
    user, headers = shop.buyer()
    code = shop.by_mpesa(headers)["payCode"]
    paid = shop.daraja.order("c2b", {"reference": code, "amount": 650})["receipt"]
    shop.daraja.sound()
    reported(shop, headers, message(paid))
    before = len(shop.daraja.calls("status"))
    match(shop)
    match(shop)
    assert len(shop.daraja.calls("status")) == before + 1
    table = shop.gateway.ledger.table
    eventually(lambda: rows.find(table, "mpesa", paid) is not None, "the status proves it")
    shop.by_hand()
    assert shop.account(user) == (250, 0)


def test_a_payment_without_an_account_may_be_that_of_a_prompt_and_waits(shop: Market) -> None:
    """The prompt grants by its request; a report of the same money must not grant it again."""
    shop.daraja.fault("push", "push", mode="never")
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers, phone=PHONE)
    eventually(lambda: bool(pushed(shop, intent)["answer"]), "the buyer has paid")
    paid = pushed(shop, intent)["payment"]["receipt"]
    at = int(shop.gateway.clock())
    proof = PulledPayment(paid, Money(65000, KES), "", at, "")
    by_mpesa.hear_pulled(book_of(shop.gateway), proof, ACT)
    today = datetime.fromtimestamp(at, NAIROBI)
    reported(shop, headers, message(paid, day=f"{today.day}/{today.month}/{today.year}"))
    match(shop)
    assert shop.account(user) == (0, 0)
    looked_at(shop, intent)
    shop.reconcile()
    assert shop.account(user) == (250, 0)
    match(shop)
    shop.daraja.sound()
    assert shop.account(user) == (250, 0)


def test_a_receipt_that_never_comes_is_waited_for_two_days(shop: Market) -> None:
    sale = bought(shop.gateway, provider="mpesa", currency="KES")
    sale.proof = replace(sale.proof, provider="mpesa", receipt="", to_finish=by_mpesa.RECEIPT)
    sale.settle()
    function: Any = shop.gateway.function("reconciler")
    for after_s, left in ((60, "receipt"), (by_mpesa.RECEIPT_S, "")):
        act = replace(ACT, at=AT + after_s)
        function.Reconciler(function.shop, act, lambda: 60.0)._finish()
        assert sale.row().to_finish == left


def test_a_finding_of_what_could_not_be_read_ends_when_it_can_be(shop: Market) -> None:
    function: Any = shop.gateway.function("reconciler")

    def fails(_: Any) -> None:
        raise ValueError

    for step, count in ((fails, 1), (lambda _: None, 0)):
        reconciler = function.Reconciler(function.shop, ACT, lambda: 60.0)
        reconciler._open = {("FINDING#stripe", "unreadable#pi_odd")}
        reconciler._guard("stripe", "pi_odd", step, None)
        path = "/admin/payments/findings"
        found = shop.gateway.call("GET", path, headers=shop.gateway.admin).json["findings"]
        assert len([one for one in found if one["paymentId"] == "pi_odd"]) == count
