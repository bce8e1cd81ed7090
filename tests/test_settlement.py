"""A proved payment grants once, in one transaction; what fits no purchase waits for an operator."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from engine.payments import intents, rows, settlement
from engine.payments.clawback import Losses
from engine.payments.settlement import Proof
from engine.subscriptions import transitions
from tests.support.gateway import Gateway
from tests.support.payers import ACT, book_of, bought, net_of, selling
from tests.support.shop import begin, edit_pack, unmatched


@pytest.fixture(scope="module")
def shop(endpoint: str) -> Gateway:
    return selling(endpoint)


def reason_of(shop: Gateway, payment: str) -> str | None:
    return next((one["reason"] for one in unmatched(shop) if one["paymentId"] == payment), None)


def test_a_payment_grants_its_pack_with_entry_row_and_intent(shop: Gateway) -> None:
    sale = bought(shop)
    settled = sale.settle()
    assert settled.outcome == settlement.DONE
    (entry,) = sale.gateway.entries(sale.user)[1:]
    assert (entry.type, entry.amount, entry.subject) == ("purchase", 250, settled.row.subject)
    row = sale.row()
    assert (row.state, row.granted, row.seq, row.pack) == ("granted", 250, entry.seq, "p250@1")
    intent = intents.find(sale.book.table, sale.intent["intentId"])
    assert intent is not None and (intent.state, intent.payment) == ("granted", row.id)
    shop.assert_explained(sale.user)


def test_a_payment_proved_again_changes_nothing(shop: Gateway) -> None:
    sale = bought(shop)
    first = sale.settle().row
    assert [sale.settle().outcome for _ in range(3)] == [settlement.REPEATED] * 3
    assert sale.row() == first
    assert sale.account() == (250, 0)


def test_proofs_of_one_payment_at_once_grant_once(shop: Gateway) -> None:
    sale = bought(shop)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: sale.settle().outcome, range(16)))
    assert sorted(done) == [settlement.DONE] + [settlement.REPEATED] * 15
    assert sale.account() == (250, 0)


def test_credits_are_of_the_version_that_the_intent_names(endpoint: str) -> None:
    shop = selling(endpoint)
    sale = bought(shop)
    edit_pack(shop, "p250", version=1, credits=1, prices={"USD": 1})
    assert sale.settle().row.granted == 250


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"gross": 498}, "amount_too_low"),
        ({"currency": "KES"}, "other_currency"),
        ({"is_live": True}, "other_environment"),
        ({"intent": "pin_of_nobody"}, "no_intent"),
        ({"intent": ""}, "no_intent"),
        ({"intent": "", "account": "PL7K2M9Q"}, "unknown_account"),
        ({"intent": "", "products": (("credits_9", 1),)}, "unknown_product"),
    ],
)
def test_a_payment_that_fits_no_purchase_waits_for_an_operator(
    shop: Gateway, changed: dict[str, Any], reason: str
) -> None:
    sale = bought(shop)
    assert sale.settle(**changed).outcome == settlement.WAITS
    assert reason_of(shop, sale.proof.payment) == reason
    assert sale.account() == (0, 0)
    assert sale.settle(**changed).outcome == settlement.REPEATED
    assert sale.status() == "pending"


def test_more_than_the_price_grants_the_pack_and_is_flagged(shop: Gateway) -> None:
    sale = bought(shop)
    row = sale.settle(gross=600).row
    assert (row.granted, row.gross, row.trouble) == (250, 600, "overpaid")


def test_a_second_payment_of_one_intent_waits_for_an_operator(shop: Gateway) -> None:
    sale = bought(shop)
    sale.settle()
    other = f"{sale.proof.payment}_2"
    assert sale.settle(payment=other, receipt="ch_other").outcome == settlement.WAITS
    assert reason_of(shop, other) == "intent_already_paid"
    assert sale.account() == (250, 0)


def test_a_pay_code_is_enough_to_match(shop: Gateway) -> None:
    sale = bought(shop, provider="mpesa", currency="KES")
    code = sale.intent["payCode"]
    typed = f" {code[:4].lower()} {code[4:]}"
    settled = sale.settle(provider="mpesa", payment=f"R{code}", intent="", account=typed)
    assert settled.outcome == settlement.DONE
    assert sale.account() == (250, 0)


def test_a_payment_with_anothers_code_is_the_others(shop: Gateway) -> None:
    ann, ben = (bought(shop, provider="mpesa", currency="KES") for _ in range(2))
    code = ben.intent["payCode"]
    ann.settle(provider="mpesa", payment=f"R{code}", intent="", account=code)
    assert (ann.account(), ben.account()) == ((0, 0), (250, 0))


@pytest.mark.parametrize("state", ["failed", "expired"])
def test_a_payment_after_the_end_of_its_intent_is_still_granted(shop: Gateway, state: str) -> None:
    sale = bought(shop)
    intent = intents.find(sale.book.table, sale.intent["intentId"])
    assert intent is not None
    assert intents.close(sale.book.table, intent, state, "no answer") is not None
    assert sale.status() == state
    assert sale.settle().outcome == settlement.DONE
    assert sale.status() == "granted"


def test_what_is_owed_is_paid_first(shop: Gateway) -> None:
    first = bought(shop)
    first.settle()
    shop.call(
        "POST",
        "/admin/deduct-credits",
        {"userId": first.user, "amount": 200, "reason": "spent"},
        headers=shop.admin,
    )
    first.lose(499)
    assert first.account() == (0, 200)
    second = bought(shop)
    book = book_of(shop)
    proof = replace(second.proof, intent=begin(shop, first.headers, "p250").json["intentId"])
    settlement.settle(book, lambda: proof, ACT)
    assert first.account() == (50, 0)
    shop.assert_explained(first.user)


def test_a_refund_seen_before_the_payment_is_netted_by_the_grant(shop: Gateway) -> None:
    sale = bought(shop)
    settlement.note(sale.book, "stripe", sale.proof.payment, Losses(refunded=100), ACT)
    assert sale.row().state == rows.NOTED
    row = sale.settle().row
    assert (row.state, row.granted, row.clawed) == ("partially_refunded", 250, 50)
    assert sale.account() == (200, 0)
    (entry,) = shop.entries(sale.user)[1:]
    assert entry.amount == 200


def test_a_payment_refunded_whole_before_its_grant_gives_nothing(shop: Gateway) -> None:
    sale = bought(shop)
    row = sale.settle(losses=Losses(refunded=499)).row
    assert (row.state, row.granted, row.clawed) == ("refunded", 250, 250)
    assert sale.account() == (0, 0)
    assert net_of(shop, row.subject, sale.user) == 0


def test_dollars_go_to_the_subscription(shop: Gateway) -> None:
    sale = bought(shop, "d5")
    row = sale.settle().row
    assert (row.unit, row.granted) == ("usd_micros", 5_000_000)
    found = transitions.find(sale.book.dollars, sale.user)
    assert found is not None and found.total == 15_000_000
    assert sale.account() == (0, 0)
    sale.lose(499)
    assert sale.book.dollars.account(sale.user).available == 10_000_000
    found = transitions.find(sale.book.dollars, sale.user)
    assert found is not None and found.total == 10_000_000


def test_dollars_that_are_spent_are_recorded_as_short(shop: Gateway) -> None:
    sale = bought(shop, "d5")
    sale.settle()
    body = {"amount": "-13", "reason": "spent"}
    path = f"/admin/subscriptions/{sale.user}/adjust"
    assert shop.call("POST", path, body, headers=shop.admin).status == 200
    row = sale.lose(499)
    assert (row.clawed, row.short) == (2_000_000, 3_000_000)
    assert sale.book.dollars.account(sale.user).available == 0


def test_a_payment_that_an_api_key_reported_is_left_alone(shop: Gateway) -> None:
    sale = bought(shop)
    body = {"userId": sale.user, "amount": 7, "provider": "stripe"}
    body["transactionId"] = sale.proof.payment
    secret = {"x-webhook-secret": shop.rings["WEBHOOK_SECRET"].signing}
    assert shop.call("POST", "/add-credits", body, headers=secret).status == 200
    assert sale.settle().outcome == settlement.REPEATED
    assert sale.account() == (7, 0)


def test_a_payment_that_was_granted_cannot_be_reported_by_an_api_key(shop: Gateway) -> None:
    sale = bought(shop)
    sale.settle()
    body = {"userId": sale.user, "amount": 250, "provider": "stripe"}
    body["transactionId"] = sale.proof.payment
    secret = {"x-webhook-secret": shop.rings["WEBHOOK_SECRET"].signing}
    refused = shop.call("POST", "/add-credits", body, headers=secret)
    assert (refused.status, refused.code) == (422, "idempotency_key_reused")
    assert sale.account() == (250, 0)


def test_an_mpesa_payment_without_a_receipt_gets_it_from_its_first_confirmation(
    shop: Gateway,
) -> None:
    sale = bought(shop, provider="mpesa", currency="KES")
    table = sale.book.table
    intent = intents.find(table, sale.intent["intentId"])
    assert intent is not None
    intents.record_call(table, intent, call=intents.CALLED, reference="ws_CO_1")
    pushed = replace(sale.proof, provider="mpesa", payment="ws_CO_1", receipt="")
    sale.proof = pushed
    assert sale.settle().outcome == settlement.DONE
    confirmed = {"payment": f"UA{sale.intent['payCode']}", "receipt": f"UA{sale.intent['payCode']}"}
    code = {"intent": "", "account": sale.intent["payCode"]}
    assert sale.settle(**confirmed, **code).outcome == settlement.REPEATED
    assert sale.row().receipt == confirmed["receipt"]
    same = rows.find(table, "mpesa", confirmed["payment"])
    assert same is not None and same.id == "ws_CO_1"
    assert sale.settle(**confirmed, **code).outcome == settlement.REPEATED
    second = {"payment": "UA99999999", "receipt": "UA99999999"}
    assert sale.settle(**second, **code).outcome == settlement.WAITS
    assert sale.account() == (250, 0)


@pytest.mark.parametrize("recorded", ["ws_CO_1", "ws_CO_2"])
def test_an_end_that_is_told_while_the_call_is_recorded_is_kept(
    shop: Gateway, monkeypatch: pytest.MonkeyPatch, recorded: str
) -> None:
    """The provider's push can be quicker than the record of its answer; that of another call ends nothing."""
    sale = bought(shop, provider="mpesa", currency="KES")
    table, name = sale.book.table, sale.intent["intentId"]
    begun = intents.find(table, name)
    assert begun is not None
    write = table.write

    def overtaken(one: Any) -> Any:
        monkeypatch.setattr(table, "write", write)
        intents.record_call(table, begun, call=intents.CALLED, reference=recorded)
        return write(one)

    monkeypatch.setattr(table, "write", overtaken)
    intents.end(table, name, intents.FAILED, "1032", "ws_CO_1")
    ended = intents.find(table, name)
    assert ended is not None
    expected = intents.FAILED if recorded == "ws_CO_1" else intents.PENDING
    assert (ended.reference, ended.state) == (recorded, expected)


def test_the_receipt_shows_number_amount_and_tax_note(endpoint: str) -> None:
    shop = selling(endpoint)
    edit_pack(shop, "p250", version=1, taxNote="Price includes 16 % VAT.")
    sale = bought(shop)
    sale.settle()
    path = f"/v1/payments/{sale.intent['intentId']}"
    receipt = shop.call("GET", path, headers=sale.headers).json["receipt"]
    assert receipt["number"] == sale.row().number
    assert (receipt["amountMinor"], receipt["currency"]) == (499, "USD")
    assert receipt["taxNote"] == "Price includes 16 % VAT."
    assert receipt["providerReceipt"] == sale.proof.receipt


def proof_of_nobody(number: int) -> Proof:
    return Proof("mpesa", f"UB541K7T{number}P", 65000, "KES", is_live=False, paid_at=ACT.at)


def act(shop: Gateway, payment: str, decision: str, body: dict[str, Any]) -> Any:
    path = f"/admin/payments/mpesa/{payment}/{decision}"
    return shop.call("POST", path, {"reason": "the payer wrote", **body}, headers=shop.admin)


def test_an_operator_assigns_a_payment_once(shop: Gateway) -> None:
    proof = proof_of_nobody(1)
    settlement.settle(book_of(shop), lambda: proof, ACT)
    user, headers = shop.user()
    body = {"userId": user, "packId": "p250"}
    first = act(shop, proof.payment, "assign", body)
    assert (first.status, first.json["payment"]["status"]) == (200, "granted")
    assert act(shop, proof.payment, "assign", body).json["payment"]["granted"] == 250
    other, _ = shop.user()
    refused = act(shop, proof.payment, "assign", {**body, "userId": other})
    assert (refused.status, refused.code) == (409, "payment_not_open")
    assert (shop.balance(user), shop.balance(other)) == (250, 0)
    (listed,) = shop.call("GET", "/v1/payments", headers=headers).json["payments"]
    assert listed["receipt"]["amountMinor"] == 65000
    assert reason_of(shop, proof.payment) is None
    query = {"user": f"payment:mpesa:{proof.payment}"}
    records = shop.call("GET", "/admin/audit", query=query, headers=shop.admin).json["records"]
    assert [(one["action"], one["actor"]) for one in records] == [
        ("payment_assign", "admin:secret")
    ]


@pytest.mark.parametrize(
    ("decision", "body", "state"),
    [("ignore", {}, "ignored"), ("refund", {"receipt": "UB99999999"}, "returned")],
)
def test_an_operator_closes_a_payment_of_the_inbox(
    shop: Gateway, decision: str, body: dict[str, Any], state: str
) -> None:
    proof = proof_of_nobody(2 if decision == "ignore" else 3)
    settlement.settle(book_of(shop), lambda: proof, ACT)
    done = act(shop, proof.payment, decision, body)
    assert (done.status, done.json["payment"]["status"]) == (200, state)
    assert reason_of(shop, proof.payment) is None
    assert settlement.settle(book_of(shop), lambda: proof, ACT).outcome == settlement.HELD_BACK
    assert act(shop, proof.payment, decision, body).status == 200
    user, _ = shop.user()
    refused = act(shop, proof.payment, "assign", {"userId": user, "packId": "p250"})
    assert refused.code == "payment_not_open"


def test_a_refund_by_hand_of_a_granted_payment_takes_back(shop: Gateway) -> None:
    sale = bought(shop, provider="mpesa", currency="KES")
    sale.proof = replace(sale.proof, provider="mpesa")
    sale.settle()
    half = {"amountMinor": 32500, "receipt": "UB77777777"}
    done = act(shop, sale.proof.payment, "refund", half)
    assert (done.json["payment"]["status"], sale.account()) == ("partially_refunded", (125, 0))
    assert act(shop, sale.proof.payment, "refund", half).json == done.json
    assert act(shop, sale.proof.payment, "refund", {"receipt": "UB77777778"}).status == 200
    assert sale.account() == (0, 0)
    too_much = act(shop, sale.proof.payment, "refund", {"amountMinor": 65001, "receipt": "x"})
    assert too_much.code == "invalid_request"


def test_an_unknown_payment_is_not_found(shop: Gateway) -> None:
    assert act(shop, "UB00000000", "ignore", {}).code == "payment_not_found"


def test_an_erasure_takes_away_who_paid_and_leaves_the_payment(shop: Gateway) -> None:
    sale = bought(shop, provider="mpesa", currency="KES")
    sale.proof = replace(sale.proof, provider="mpesa")
    sale.settle()
    body = {"reason": "asked for it", "confirm": sale.user}
    path = f"/admin/users/{sale.user}/erase"
    assert shop.call("POST", path, body, headers=shop.admin).json["payments"] == 1
    assert (sale.row().payer, sale.row().granted) == ("", 250)
    assert shop.call("POST", path, body, headers=shop.admin).json["payments"] == 0
    sale.lose(refunded=65000)
    assert (sale.row().payer, sale.account()) == ("", (0, 0))


def test_a_receipt_that_paid_another_purchase_is_flagged_and_grants_nothing(shop: Gateway) -> None:
    ann, ben = (bought(shop, provider="mpesa", currency="KES") for _ in range(2))
    ann.settle(provider="mpesa")
    assert ann.settle(provider="mpesa", intent=ben.intent["intentId"]).outcome == settlement.WAITS
    (flagged,) = [
        one
        for one in unmatched(shop)
        if one["reason"] == settlement.USED and one["paymentId"].startswith(ann.proof.payment)
    ]
    assert (ann.account(), ben.account()) == ((250, 0), (0, 0))
    body = {"userId": ben.user, "packId": "p250"}
    refused = act(shop, flagged["paymentId"], "assign", body)
    assert refused.code == "payment_not_open"
    assert act(shop, flagged["paymentId"], "ignore", {}).status == 200


def test_an_assigned_payment_is_taken_back_when_it_is_refunded(shop: Gateway) -> None:
    """Its provider goes on naming the intent that it did not fit."""
    sale = bought(shop)
    sale.settle(gross=100)
    path = f"/admin/payments/stripe/{sale.proof.payment}/assign"
    body = {"userId": sale.user, "packId": "p250", "reason": "agreed"}
    assert shop.call("POST", path, body, headers=shop.admin).status == 200
    assert sale.account() == (250, 0)
    assert sale.settle(gross=100, losses=Losses(refunded=50)).outcome == settlement.REPEATED
    assert (sale.row().clawed, sale.account()) == (125, (125, 0))


def test_of_two_decisions_at_once_one_is_refused(shop: Gateway) -> None:
    proof = replace(proof_of_nobody(7), payment="UB541K7TTWO")
    settlement.settle(book_of(shop), lambda: proof, ACT)
    users = [shop.user()[0] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        bodies = [{"userId": user, "packId": "p250"} for user in users]
        done = list(pool.map(lambda body: act(shop, proof.payment, "assign", body), bodies))
    assert sorted(reply.status for reply in done) == [200, 409, 409, 409]
    assert sorted(shop.balance(user) for user in users) == [0, 0, 0, 250]
