"""What Daraja pushes and lists is read by name, in every form that it has been seen in."""

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.providers import daraja_callbacks, daraja_results, pay_codes
from engine.providers.daraja import INVALID_TOKEN, PENDING
from engine.providers.daraja_callbacks import OUR_FAULT, RETRY_AT_ONCE
from engine.providers.money import Money
from tests.support import odd
from tests.support.properties import PROPERTY
from tests.support.vectors import raw, vectors

STK = vectors("mpesa/stk_callbacks")
C2B = vectors("mpesa/c2b")
PAID_AT = 1_767_603_702
"""2026-01-05 12:01:42 in Nairobi."""

CONFIRMATIONS = sorted(
    name for name in C2B if name.startswith("confirmation_") and name != "confirmation_reply"
)


def test_there_are_22_callbacks() -> None:
    assert len(STK) == 22


@pytest.mark.parametrize("vector", STK, ids=lambda one: one["name"])
def test_a_callback_is_read_as_its_vector_expects(vector: dict[str, Any]) -> None:
    bodies = vector["body"] if vector["name"] == "failed_then_success_same_id" else [vector["body"]]
    found = daraja_callbacks.stk(raw(bodies[-1]))
    if vector["expect"] == "ignored_200":
        assert found is None
        return
    assert found is not None
    assert found.checkout_id.startswith("ws_CO_")
    assert found.is_paid is (vector["expect"] != "failed")
    is_proof = vector["expect"] not in ("failed", "query_then_unmatched")
    assert found.is_proof is is_proof
    if is_proof:
        shillings = 10 if vector["name"] == "success_amount_lower_than_intent" else 250
        assert found.amount == Money(shillings * 100, "KES")
        assert (found.receipt, found.paid_at) == ("UA541K7T2P", PAID_AT)
        assert found.payer == "***149"


@pytest.mark.parametrize("left_out", ["Amount", "MpesaReceiptNumber"])
def test_a_success_proves_a_payment_only_with_receipt_and_amount(left_out: str) -> None:
    body = json.loads(json.dumps(STK[0]["body"]))
    items = body["Body"]["stkCallback"]["CallbackMetadata"]["Item"]
    items[:] = [item for item in items if item["Name"] != left_out]
    found = daraja_callbacks.stk(raw(body))
    assert found is not None and found.is_paid and not found.is_proof


def test_the_code_of_a_failure_is_kept_as_daraja_writes_it() -> None:
    codes = {
        one["name"]: found.code
        for one in STK
        if one["expect"] == "failed" and (found := daraja_callbacks.stk(raw(one["body"])))
    }
    assert codes == {
        "cancelled": "1032",
        "unreachable": "1037",
        "insufficient": "1",
        "wrong_pin": "2001",
        "expired": "1019",
        "string_code_family": "SFC_IC0003",
    }


def test_codes_are_grouped_as_the_list_says() -> None:
    listed = vectors("mpesa/result_codes")
    assert set(listed["user_can_retry_at_once"]) == RETRY_AT_ONCE
    assert set(listed["our_fault_alert"]) == OUR_FAULT
    assert listed["stk"].keys() >= RETRY_AT_ONCE | OUR_FAULT


@pytest.mark.parametrize("name", [*CONFIRMATIONS, "validation_request"])
def test_a_payment_to_the_short_code_is_read(name: str) -> None:
    found = daraja_callbacks.c2b(raw(C2B[name]))
    assert found is not None
    assert (found.receipt, found.short_code) == (C2B[name]["TransID"], "600638")
    assert (found.amount, found.paid_at) == (Money(25_000, "KES"), PAID_AT)
    assert found.reference == C2B[name]["BillRefNumber"]
    assert found.kind == C2B[name]["TransactionType"]
    assert C2B[name]["MSISDN"] not in repr(found) and "WANJIKU" not in repr(found)
    expected = None if name in ("confirmation_typo_ref", "confirmation_buy_goods") else "PL7K2M9Q"
    assert pay_codes.typed(found.reference) == expected


def test_the_payer_is_masked_in_every_form() -> None:
    vector = C2B["msisdn_hash_vector"]
    assert hashlib.sha256(vector["msisdn"].encode()).hexdigest() == vector["sha256_hex"]
    payers = {name: daraja_callbacks.masked(C2B[name]["MSISDN"]) for name in CONFIRMATIONS}
    assert payers["confirmation_plain_msisdn"] == "***149"
    assert (
        payers["confirmation_masked_msisdn"] == payers["confirmation_masked_msisdn_b"] == "***149"
    )
    assert payers["confirmation_hashed_msisdn"] == "#bbff37"
    assert daraja_callbacks.masked("WANJIKU 254708374149") == ""


def test_the_replies_are_those_of_the_vectors() -> None:
    assert daraja_callbacks.accepted() == C2B["confirmation_reply"]
    assert daraja_callbacks.admitted() == C2B["validation_accept"]
    with_id = C2B["validation_accept_with_third_party_id"]
    assert daraja_callbacks.admitted(with_id["ThirdPartyTransID"]) == with_id
    wrong_account, wrong_amount = daraja_callbacks.WRONG_ACCOUNT, daraja_callbacks.WRONG_AMOUNT
    assert daraja_callbacks.rejected(wrong_account) == C2B["validation_reject_account"]
    assert daraja_callbacks.rejected(wrong_amount) == C2B["validation_reject_amount"]


@pytest.mark.parametrize(
    ("changed"),
    [
        {"TransID": ""},
        {"TransID": "ua541k7t2p"},
        {"TransID": "1234567890"},
        {"TransID": 7},
        {"TransAmount": "0.00"},
        {"TransAmount": "-250"},
        {"TransAmount": None},
        {"TransAmount": "250.005"},
        {"BusinessShortCode": ""},
    ],
)
def test_a_confirmation_without_receipt_amount_or_short_code_is_none(
    changed: dict[str, Any],
) -> None:
    assert daraja_callbacks.c2b(raw({**C2B["confirmation_plain_msisdn"], **changed})) is None


def test_the_time_of_daraja_is_that_of_nairobi() -> None:
    vector = vectors("mpesa/password_vectors")[2]
    assert daraja_callbacks.stamp(1_767_648_600) == vector["timestamp"]
    assert daraja_callbacks.moment_of(vector["timestamp"]) == 1_767_648_600
    for malformed in (
        "20261301000000",
        "2026",
        None,
        True,
        "00010101000000",
        "\uff12" * 14,
    ):
        assert daraja_callbacks.moment_of(malformed) is None


STATUS = vectors("mpesa/transaction_status")
REVERSAL = vectors("mpesa/reversal")
B2C = vectors("mpesa/b2c")


def result(document: Any) -> daraja_results.Result:
    found = daraja_results.result(raw(document))
    assert found is not None
    return found


def test_a_transaction_status_proves_the_payment_to_us() -> None:
    found = result(STATUS["result_completed"])
    assert found.request_id == "AG_20260105_000059c5"
    proved = daraja_results.proved(found, "UA541K7T2P", "600638")
    assert proved is not None
    assert (proved.amount, proved.paid_at) == (Money(25_000, "KES"), PAID_AT)
    assert proved.payer == "***149"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("CreditPartyName", "600639 - OTHER"),
        ("CreditPartyName", "6006381 - OTHER"),
        ("ReceiptNo", "UA541K7T8V"),
        ("TransactionStatus", "Cancelled"),
        ("Amount", "none"),
    ],
)
def test_a_transaction_status_of_anything_else_proves_nothing(key: str, value: str) -> None:
    found = result(STATUS["result_completed"])
    told = daraja_results.Result(
        found.request_id, found.own_id, found.code, "", "", {**found.parameters, key: value}
    )
    assert daraja_results.proved(told, "UA541K7T2P", "600638") is None
    failed = daraja_results.Result(found.request_id, "", "2001", "", "", found.parameters)
    assert daraja_results.proved(failed, "UA541K7T2P", "600638") is None


def test_the_results_of_a_reversal_are_told_apart() -> None:
    found = result(REVERSAL["result_ok"])
    assert daraja_results.reversed_amount(found, "UA541K7T2P") == Money(25_000, "KES")
    assert daraja_results.reversed_amount(found, "UA541K7T8V") is None
    assert found.request_id == REVERSAL["ack"]["ConversationID"]
    already, unknown = (
        result(REVERSAL["result_already_reversed"]),
        result(REVERSAL["result_unknown_original"]),
    )
    assert already.code == daraja_results.ALREADY_REVERSED
    assert unknown.code == daraja_results.UNKNOWN_ORIGINAL
    assert daraja_results.reversed_amount(already, "UA541K7T2P") is None


def test_the_results_of_a_payment_to_a_customer_are_told_apart() -> None:
    found = result(B2C["result_ok"])
    assert (daraja_results.paid_out(found), found.own_id) == (
        Money(10_000, "KES"),
        B2C["request"]["body"]["OriginatorConversationID"],
    )
    failed = result(B2C["result_failed"])
    assert (daraja_results.paid_out(failed), failed.code) == (None, "2001")


def test_a_pull_is_a_list_in_a_list() -> None:
    page = daraja_results.pulled(vectors("mpesa/pull")["query_ok"], 0)
    assert page is not None
    assert [row.receipt for row in page.rows] == ["UA541K7T2P", "UA541K7T8V"]
    assert [row.amount.minor for row in page.rows] == [25_000, 10_000]
    assert [row.reference for row in page.rows] == ["PL7K2M9Q", "JOHN"]
    assert (page.rows[0].paid_at, page.rows[0].payer, page.after) == (PAID_AT, "***149", "2")
    assert daraja_results.pulled(vectors("mpesa/pull")["query_none"], 2) == daraja_results.Page(
        (), None
    )


def test_a_broken_row_of_a_pull_is_counted_and_does_not_hide_the_others() -> None:
    listed = json.loads(json.dumps(vectors("mpesa/pull")["query_ok"]))
    listed["Response"][0].insert(0, {"transactionId": None})
    listed["Response"][0].insert(1, 7)
    page = daraja_results.pulled(listed, 10)
    assert page is not None
    assert (len(page.rows), page.unreadable, page.after) == (2, 2, "14")
    assert daraja_results.pulled({"ResponseCode": "1000"}, 0) is None
    assert daraja_results.pulled({"ResponseCode": "500"}, 0) is None


def test_codes_of_errors_are_read_in_both_forms() -> None:
    push, query = vectors("mpesa/stk_push_exchange"), vectors("mpesa/stk_query_exchange")
    assert daraja_callbacks.known(push["response_404_token"]["body"]) in INVALID_TOKEN
    assert daraja_callbacks.known(query["still_pending"]["body"]) == PENDING
    assert (
        daraja_callbacks.known(query["spike"]["body"]) == "policies.ratelimit.SpikeArrestViolation"
    )


SPOILED = {
    "stk": (daraja_callbacks.stk, STK[1]["body"]),
    "c2b": (daraja_callbacks.c2b, C2B["confirmation_plain_msisdn"]),
    "status": (daraja_results.result, STATUS["result_completed"]),
}


@pytest.mark.parametrize("kind", SPOILED)
def test_a_message_with_any_member_spoiled_is_read_or_none(kind: str) -> None:
    read, document = SPOILED[kind]
    found = [read(raw(one)) for one in odd.spoiled(document)]
    assert None in found
    for one in found:
        if isinstance(one, daraja_results.Result):
            daraja_results.proved(one, "UA541K7T2P", "600638")
            daraja_results.reversed_amount(one, "UA541K7T2P")
            daraja_results.paid_out(one)


def test_a_pull_with_any_member_spoiled_is_read_or_none() -> None:
    pages = [
        daraja_results.pulled(one, 0) for one in odd.spoiled(vectors("mpesa/pull")["query_ok"])
    ]
    assert None in pages and any(page is not None and page.unreadable for page in pages)


@PROPERTY
@given(st.binary(max_size=200))
def test_odd_bytes_are_no_message(body: bytes) -> None:
    assert daraja_callbacks.stk(body) is None
    assert daraja_callbacks.c2b(body) is None
    assert daraja_results.result(body) is None
