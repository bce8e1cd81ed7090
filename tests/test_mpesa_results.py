"""What Daraja answers later and lists: statuses, reversals, addresses, and grants that it does not have."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from engine.payments import by_mpesa, rows
from engine.providers.daraja_callbacks import C2bPayment
from engine.providers.money import KES, Money
from tests.support.gateway import Reply
from tests.support.payers import ACT, book_of
from tests.support.paying import PHONE, Market, eventually, market
from tests.support.shop import unmatched

pytestmark = pytest.mark.enable_socket
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Iterator[Market]:
    with market(endpoint) as made:
        yield made


def receipt() -> str:
    return f"UD17{next(_numbers):06d}"


def callback(shop: Market, kind: str, subject: str, body: Any) -> Reply:
    """A callback of Daraja under the path that we gave it."""
    path = shop.gateway.function("payments").providers.callback_url("", kind, subject)
    reply = shop.gateway.call("POST", path, body)
    assert reply.status == 200, reply.text
    return reply


def result(code: Any, **told: Any) -> dict[str, Any]:
    pairs = [{"Key": key, "Value": value} for key, value in told.items()]
    found = {"ResultParameters": {"ResultParameter": pairs}} if pairs else {}
    head = {
        "ResultType": 0,
        "ResultCode": code,
        "ResultDesc": "words",
        "TransactionID": "UD17RESULT",
    }
    return {"Result": {**head, "ConversationID": "AG_1", "OriginatorConversationID": "1", **found}}


def completed(
    paid: str, to: str = "174379", amount: float = 650.0, **changed: Any
) -> dict[str, Any]:
    told = {"DebitPartyName": f"{PHONE} - WANJIKU", "CreditPartyName": f"{to} - PLUCT"}
    told |= {"TransactionStatus": "Completed", "FinalisedTime": 20260105120142}
    return result(0, **{**told, "Amount": amount, "ReceiptNo": paid, **changed})


def reversed_(paid: str, amount: float = 650.0) -> dict[str, Any]:
    return result(0, Amount=amount, OriginalTransactionID=paid)


def confirm(shop: Market, code: str, paid: str = "", amount: str = "650.00") -> str:
    paid = paid or receipt()
    body = {"TransID": paid, "TransAmount": amount, "BusinessShortCode": "174379"}
    callback(shop, "confirmation", "174379", {**body, "BillRefNumber": code})
    return paid


def row_of(shop: Market, paid: str) -> rows.Row | None:
    return rows.find(book_of(shop.gateway).table, "mpesa", paid)


def reason_of(shop: Market, paid: str) -> str | None:
    return {one["paymentId"]: one["reason"] for one in unmatched(shop.gateway)}.get(paid)


def admin(shop: Market, path: str, **body: Any) -> Reply:
    body = {"reason": "the payer wrote", **body}
    return shop.gateway.call("POST", path, body, headers=shop.gateway.admin)


def test_a_status_proves_a_payment_whose_confirmation_was_lost(shop: Market) -> None:
    user, headers = shop.buyer()
    code, paid = shop.by_mpesa(headers)["payCode"], receipt()
    callback(shop, "status", paid, completed(paid))
    assert reason_of(shop, paid) == "no_intent"
    confirm(shop, code, paid)
    assert (shop.account(user), reason_of(shop, paid)) == ((250, 0), None)
    callback(shop, "status", paid, completed(paid))
    assert shop.account(user) == (250, 0)


@pytest.mark.parametrize(
    "changed",
    [
        {"to": "600000"},
        {"TransactionStatus": "Reversed"},
        {"ReceiptNo": "UD17OTHER1"},
        {"Amount": "a lot"},
    ],
)
def test_a_status_of_another_payment_proves_nothing(shop: Market, changed: dict[str, Any]) -> None:
    paid = receipt()
    callback(shop, "status", paid, completed(paid, **changed))
    assert row_of(shop, paid) is None


def test_a_result_under_the_path_of_another_kind_changes_nothing(shop: Market) -> None:
    user, headers = shop.buyer()
    paid = confirm(shop, shop.by_mpesa(headers)["payCode"])
    callback(shop, "status", paid, reversed_(paid))
    callback(shop, "reversal", receipt(), reversed_(paid))
    callback(shop, "timeout", paid, reversed_(paid))
    assert shop.account(user) == (250, 0)


def test_a_reversal_takes_back_like_a_refund_once(shop: Market) -> None:
    user, headers = shop.buyer()
    intent = shop.by_mpesa(headers)
    paid = confirm(shop, intent["payCode"])
    for _ in range(2):
        callback(shop, "reversal", paid, reversed_(paid))
        assert shop.account(user) == (0, 0)
    assert shop.status(headers, intent) == "refunded"
    shop.gateway.assert_explained(user)


def test_a_reversal_of_a_part_takes_back_its_share(shop: Market) -> None:
    user, headers = shop.buyer()
    paid = confirm(shop, shop.by_mpesa(headers)["payCode"])
    callback(shop, "reversal", paid, reversed_(paid, 325.0))
    assert shop.account(user) == (125, 0)
    callback(shop, "reversal", paid, result("R000001"))
    assert shop.account(user) == (0, 0)


def test_a_refused_reversal_takes_nothing_and_is_shown(shop: Market) -> None:
    user, headers = shop.buyer()
    paid = confirm(shop, shop.by_mpesa(headers)["payCode"])
    for _ in range(2):
        callback(shop, "reversal", paid, result("R000002"))
    row = row_of(shop, paid)
    assert row is not None and (row.trouble, shop.account(user)) == ("not_reversed", (250, 0))
    callback(shop, "reversal", paid, reversed_(paid))
    row = row_of(shop, paid)
    assert row is not None and (row.trouble, shop.account(user)) == ("", (0, 0))


def test_a_reversal_before_its_payment_is_netted_by_the_grant(shop: Market) -> None:
    user, headers = shop.buyer()
    code, paid = shop.by_mpesa(headers)["payCode"], receipt()
    callback(shop, "reversal", paid, reversed_(paid))
    confirm(shop, code, paid)
    assert shop.account(user) == (0, 0)


def test_a_reversal_of_a_payment_of_the_inbox_closes_it(shop: Market) -> None:
    paid = confirm(shop, "22222222")
    callback(shop, "reversal", paid, reversed_(paid))
    row = row_of(shop, paid)
    assert row is not None and (row.state, row.refund_receipt) == ("returned", "UD17RESULT")


def test_an_operator_asks_for_a_status_and_a_reversal(shop: Market) -> None:
    shop.daraja.fault("push", "push", mode="never")
    user, headers = shop.buyer()
    code = shop.by_mpesa(headers)["payCode"]
    paid = shop.daraja.order("c2b", {"reference": code, "amount": 650})["receipt"]
    shop.daraja.sound()
    assert admin(shop, f"/admin/payments/mpesa/{paid}/status").status == 202
    eventually(lambda: reason_of(shop, paid) == "no_intent", "the status has come")
    shop.by_hand()
    assert shop.account(user) == (250, 0)
    assert admin(shop, f"/admin/payments/mpesa/{paid}/reverse").status == 202
    eventually(lambda: shop.account(user) == (0, 0), "the reversal takes back")
    assert admin(shop, f"/admin/payments/mpesa/{paid}/reverse").status == 202
    query = {"user": f"payment:mpesa:{paid}"}
    records = shop.gateway.call("GET", "/admin/audit", query=query, headers=shop.gateway.admin)
    actions = sorted(one["action"] for one in records.json["records"])
    asked = ["payment_refund", "payment_reversal", "payment_reversal", "payment_status"]
    assert actions == asked
    assert len(shop.daraja.calls("reverse")) == 2


@pytest.mark.parametrize("place", ["stripe/pi_123456", "mpesa/a b", "mpesa/..", "mpesa/ws_CO_1"])
def test_only_a_receipt_of_mpesa_can_be_asked_for(shop: Market, place: str) -> None:
    reply = admin(shop, f"/admin/payments/{place}/status")
    assert (reply.status, reply.code) == (400, "invalid_request")
    assert admin(shop, f"/admin/payments/{place}/reverse").status in (400, 404)


def test_a_deployment_without_an_initiator_says_so(endpoint: str) -> None:
    with market(endpoint, MPESA_INITIATOR="") as alone:
        refused = admin(alone, f"/admin/payments/mpesa/{receipt()}/status")
    assert (refused.status, refused.code) == (409, "payment_provider_refused")
    assert refused.json["details"] == {"providerCode": "no_initiator"}


def test_addresses_are_registered_once_and_shown_without_their_secret(endpoint: str) -> None:
    with market(endpoint) as shop:
        first, again = (admin(shop, "/admin/payments/addresses") for _ in range(2))
        assert (first.json["isNew"], again.json["isNew"]) == (True, False)
        (asked,) = shop.daraja.calls("register_urls")
        sent = json.loads(asked["body"])
        for member, shown in (
            ("ConfirmationURL", "confirmationUrl"),
            ("ValidationURL", "validationUrl"),
        ):
            path, point, proof = sent[member].rpartition(".")
            assert first.json[shown] == f"{path}{point}***" and len(proof) == 32
            assert proof not in first.text
        user, headers = shop.buyer()
        shop.daraja.order("c2b", {"reference": shop.by_mpesa(headers)["payCode"], "amount": 650})
        eventually(lambda: shop.account(user) == (250, 0), "confirmed at the new address")
        assert admin(shop, "/admin/payments/addresses", again=True).json["isNew"]
        assert len(shop.daraja.calls("register_urls")) == 2


def test_addresses_that_daraja_has_already_count_where_its_answer_was_lost(endpoint: str) -> None:
    taken = {"errorCode": "500.003.1001", "errorMessage": "Urls are already registered."}
    with market(endpoint) as shop:
        shop.daraja.fault("register_urls", "status", status=500, body=taken)
        refused = admin(shop, "/admin/payments/addresses")
        assert (refused.status, refused.json["details"]) == (409, {"providerCode": "500.003.1001"})
    with market(endpoint) as shop:
        shop.daraja.fault("register_urls", "drop", times=1, when="after")
        assert admin(shop, "/admin/payments/addresses").status == 503
        shop.daraja.fault("register_urls", "status", status=500, body=taken)
        assert admin(shop, "/admin/payments/addresses").json["isNew"]
        assert not admin(shop, "/admin/payments/addresses").json["isNew"]


@pytest.mark.parametrize(
    "base", ["https://mpesa.example", "https://api.example/SQL", "https://cmd.example"]
)
def test_addresses_with_a_word_that_daraja_refuses_are_not_sent(endpoint: str, base: str) -> None:
    with market(endpoint) as shop:
        function: Any = shop.gateway.function("payments_admin")
        book, daraja = function.books, function.providers.daraja
        with pytest.raises(by_mpesa.InvalidRequest):
            by_mpesa.register(book, daraja, function.providers.addresses(base), ACT)
        assert not shop.daraja.calls("register_urls")


def test_a_viewer_registers_no_addresses(shop: Market) -> None:
    reply = shop.gateway.call("POST", "/admin/payments/addresses", {"reason": "x"})
    assert reply.status == 401


def checked(shop: Market, paid: str, after_s: int) -> set[str]:
    """The kinds of open findings about a payment, after a look `after_s` from when it became known."""
    row = row_of(shop, paid)
    assert row is not None
    function: Any = shop.gateway.function("payments_admin")
    act = replace(ACT, at=row.seen_at + after_s)
    function.Reconciler(function.shop, act, lambda: 60.0).run(is_forced=True)
    function.Reconciler(function.shop, act, lambda: 60.0)._check_payment("mpesa", paid)
    found = shop.gateway.call("GET", "/admin/payments/findings", headers=shop.gateway.admin).json
    return {one["kind"] for one in found["findings"] if one["paymentId"] == paid}


def test_a_grant_that_mpesa_does_not_list_is_a_finding_until_it_is_taken_back(shop: Market) -> None:
    user, headers = shop.buyer()
    paid = confirm(shop, shop.by_mpesa(headers)["payCode"])
    assert shop.account(user) == (250, 0)
    assert checked(shop, paid, 600) == set()
    assert checked(shop, paid, 7200) == {"granted_not_paid"}
    callback(shop, "reversal", paid, reversed_(paid))
    assert checked(shop, paid, 50 * 3600) == set()


def test_a_grant_that_mpesa_lists_or_whose_prompt_was_paid_is_no_finding(shop: Market) -> None:
    user, headers = shop.buyer()
    by_hand = shop.by_mpesa(headers)["payCode"]
    paid = shop.daraja.order("c2b", {"reference": by_hand, "amount": 650})["receipt"]
    shop.by_hand()
    assert shop.account(user) == (250, 0)
    assert checked(shop, paid, 7200) == set()
    other, by_other = shop.buyer()
    shop.by_mpesa(by_other, phone=PHONE)
    eventually(lambda: shop.account(other) == (250, 0), "granted by its callback")


def test_a_payment_to_the_till_is_ours(endpoint: str) -> None:
    paid = C2bPayment(receipt(), Money(65000, KES), "555111", "", None, "", "Buy Goods")
    with market(endpoint, MPESA_TILL="555111") as shop:
        numbers = shop.gateway.function("payments").providers.mpesa_numbers
        assert (
            by_mpesa.hear_payment(book_of(shop.gateway), paid, numbers, ACT).row.trouble
            == "no_intent"
        )
        assert (
            by_mpesa.hear_payment(
                book_of(shop.gateway),
                replace(paid, receipt=receipt(), short_code="555112"),
                numbers,
                ACT,
            ).row.trouble
            == "other_business"
        )


def test_a_status_is_asked_for_once_in_six_hours(shop: Market) -> None:
    table, paid = shop.gateway.ledger.table, receipt()
    after = (0, 0, by_mpesa.ASK_AGAIN_S - 1, by_mpesa.ASK_AGAIN_S, by_mpesa.ASK_AGAIN_S + 1)
    asked = [by_mpesa.may_ask(table, paid, ACT.at + seconds) for seconds in after]
    assert asked == [True, False, False, True, False]
