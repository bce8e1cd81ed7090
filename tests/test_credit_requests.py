"""Reported payments: one for a receipt, stored redacted, answered by operators, added once."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.platform.table import ConditionFailed
from engine.wallet import devices
from tests.support import app_client
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply

MESSAGE = (
    "{receipt} Confirmed. Ksh500.00 sent to JANE DOE 0712345678 on 2/3/26 at 10:15 AM. "
    "New M-PESA balance is Ksh1,234.56. Transaction cost, Ksh7.00."
)


def receipt(number: int) -> str:
    return f"SJK{number:07d}"


@pytest.fixture(scope="module")
def own(endpoint: str) -> Gateway:
    gateway = Gateway(endpoint, ALLOW_HEADER_IDENTITY="true", RATE_LIMIT="100000")
    for name in ("admin", "credits", "users", "wallet"):
        gateway.function(name)
    return gateway


def message(number: int) -> str:
    return MESSAGE.format(receipt=receipt(number))


def ask(gateway: Gateway, headers: dict[str, str], text: str, address: str = "") -> Reply:
    body = {
        "amount": 0, "reason": "top-up", "reference": text,
        "clientRequestId": app_client.new_id("credit_req"),
    }  # fmt: skip
    where = address or f"2001:db8:0:{abs(hash(str(headers))) % 65_536:x}::1"
    return gateway.call("POST", "/v1/credits/request", body, headers=headers, address=where)


def queue(gateway: Gateway, **query: str) -> list[dict[str, Any]]:
    reply = gateway.call(
        "GET", "/admin/credit-requests", headers=gateway.admin, query={"limit": "100", **query}
    )
    assert reply.status == 200, reply.text
    return list(reply.json["requests"])


def approve(gateway: Gateway, name: str, number: int, credits: int = 10, **more: Any) -> Reply:
    body = {"credits": credits, "receipt": receipt(number), **more}
    path = f"/admin/credit-requests/{name}/approve"
    return gateway.call("POST", path, body, headers=gateway.admin)


def reject(gateway: Gateway, name: str, reason: str = "This receipt is not one of ours.") -> Reply:
    path = f"/admin/credit-requests/{name}/reject"
    return gateway.call("POST", path, {"reason": reason}, headers=gateway.admin)


def listed(gateway: Gateway, headers: dict[str, str]) -> list[dict[str, Any]]:
    return list(gateway.call("GET", "/v1/credits/requests", headers=headers).json["requests"])


def test_a_report_grants_nothing_and_waits(own: Gateway) -> None:
    user, headers = own.user()
    made = ask(own, headers, message(1))
    assert (made.status, made.json["status"], made.json["receipt"]) == (202, "pending", receipt(1))
    assert own.balance(user) == 0
    (waiting,) = [one for one in queue(own) if one["userId"] == user]
    assert waiting["id"] == made.json["id"]


def test_the_message_is_stored_redacted_and_cut(own: Gateway) -> None:
    user, headers = own.user()
    made = ask(own, headers, message(2) + " filler" * 400)
    item = own.ledger.table.get(f"CREDITREQ#{made.json['id']}", "REQUEST")
    assert item is not None and item["user"] == user
    assert len(item["text"]) <= 500
    assert not [word for word in ("JANE", "0712345678", "1,234.56") if word in str(item)]
    assert "Ksh500.00" in item["text"]


def test_one_receipt_is_one_report_whatever_the_request_id(own: Gateway) -> None:
    user, headers = own.user()
    first = ask(own, headers, message(3))
    again = ask(own, headers, "Please see: " + message(3))
    assert again.json["id"] == first.json["id"]
    assert again.headers["idempotency-replayed"] == "true"
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda _: ask(own, headers, message(4)), range(6)))
    assert len({reply.json["id"] for reply in replies}) == 1
    assert len(queue(own, user=user)) == 2


def test_no_user_has_more_than_five_that_wait(own: Gateway) -> None:
    user, headers = own.user()
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda n: ask(own, headers, message(100 + n)), range(6)))
    assert sorted(reply.status for reply in replies) == [202] * 5 + [409]
    refused = next(reply for reply in replies if reply.status == 409)
    assert refused.code == "too_many_open_requests"
    made = next(reply.json["id"] for reply in replies if reply.status == 202)
    assert reject(own, made).status == 200
    assert ask(own, headers, message(106)).status == 202
    assert len(queue(own, user=user)) == 6


def test_an_address_cannot_fill_the_queue(endpoint: str) -> None:
    limited = Gateway(endpoint, ALLOW_HEADER_IDENTITY="true", RATE_LIMIT="100")
    limited.now = 1_800_000_000
    replies = [
        ask(
            limited, app_client.identity(f"{n:016x}"), message(200 + n), address="203.0.113.99"
        ).status
        for n in range(11)
    ]
    assert replies == [202] * 10 + [429]


def test_an_approval_adds_the_credits_once(own: Gateway) -> None:
    user, headers = own.user()
    name = ask(own, headers, message(5)).json["id"]
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: approve(own, name, 5), range(4)))
    assert [reply.status for reply in replies] == [200] * 4
    assert own.balance(user) == 10
    (entry,) = [e for e in own.entries(user) if e.type == "admin_add"]
    assert (entry.actor, entry.subject) == ("admin:secret", f"mpesa:{receipt(5)}")
    (told,) = listed(own, headers)
    assert (told["status"], told["credits"]) == ("approved", 10)
    assert name not in [one["id"] for one in queue(own)]
    own.assert_explained(user)


def test_answered_reports_are_listed_by_their_answer_in_pages(own: Gateway) -> None:
    names = []
    for number in range(60, 65):
        own.now = 1_900_000_000 + number
        _, headers = own.user()
        names.append(ask(own, headers, message(number)).json["id"])
        (reject if number % 2 else approve)(own, names[-1], *([] if number % 2 else [number]))
    own.now = None
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None and len(seen) < 5:
        query = {"state": "answered", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        reply = own.call("GET", "/admin/credit-requests", headers=own.admin, query=query)
        assert 1 <= len(reply.json["requests"]) <= 2
        assert {one["status"] for one in reply.json["requests"]} <= {"approved", "rejected"}
        seen += [one["id"] for one in reply.json["requests"]]
        cursor = reply.json["nextCursor"]
    assert seen[:5] == names[::-1]


def test_operators_see_what_a_message_says(own: Gateway) -> None:
    user, headers = own.user()
    ask(own, headers, message(66))
    (told,) = queue(own, user=user)
    assert told["said"] == {
        "kind": "send", "amountMinor": 50_000, "currency": "KES", "account": None, "day": "2026-03-02",
    }  # fmt: skip
    ask(own, headers, "I have paid")
    assert [one["said"] for one in queue(own, user=user) if one["receipt"] is None] == [None]


def test_a_receipt_is_added_once_whichever_way_it_is_reported(own: Gateway) -> None:
    payer, _ = own.user()
    body = {"userId": payer, "amount": 5, "transactionId": receipt(6), "provider": "mpesa"}
    assert own.call("POST", "/v1/credits/add", body, headers=own.api_key).status == 200
    user, headers = own.user()
    name = ask(own, headers, message(6)).json["id"]
    reply = approve(own, name, 6)
    assert (reply.status, reply.code, own.balance(user)) == (409, "receipt_used", 0)
    other = ask(own, headers, message(7)).json["id"]
    assert approve(own, other, 7).status == 200
    stranger, others = own.user()
    theirs = ask(own, others, message(7)).json["id"]
    assert approve(own, theirs, 7).code == "receipt_used"
    assert (own.balance(user), own.balance(stranger)) == (10, 0)
    body = {"userId": stranger, "amount": 5, "transactionId": receipt(7), "provider": "mpesa"}
    assert own.call("POST", "/v1/credits/add", body, headers=own.api_key).status == 422


def test_an_approval_of_another_amount_is_refused(own: Gateway) -> None:
    user, headers = own.user()
    ask(own, headers, message(80))
    name = ask(own, headers, message(8)).json["id"]
    approve(own, name, 8)
    assert approve(own, name, 8, credits=20).code == "request_resolved"
    assert approve(own, name, 9).code == "request_resolved"
    assert own.balance(user) == 10


def test_a_rejection_has_a_reason_that_the_user_can_read(own: Gateway) -> None:
    user, headers = own.user()
    ask(own, headers, message(81))
    name = ask(own, headers, message(10)).json["id"]
    assert reject(own, name).json["request"]["status"] == "rejected"
    assert reject(own, name).status == 200
    assert_refused(reject(own, name, "Another reason."), 409)
    assert approve(own, name, 10).code == "request_resolved"
    told = next(one for one in listed(own, headers) if one["id"] == name)
    assert (told["status"], told["answer"]) == ("rejected", "This receipt is not one of ours.")
    again = ask(own, headers, message(10))
    assert (again.json["status"], again.json["answer"]) == (told["status"], told["answer"])
    assert own.balance(user) == 0


def test_approval_and_rejection_at_once_have_one_outcome(own: Gateway) -> None:
    for number in range(11, 15):
        user, headers = own.user()
        name = ask(own, headers, message(number)).json["id"]
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(approve, own, name, number)
            second = pool.submit(reject, own, name)
        assert sorted((first.result().status, second.result().status)) == [200, 409]
        (told,) = listed(own, headers)
        assert (told["status"] == "approved") == (own.balance(user) == 10)


def test_each_answer_has_its_audit_record(own: Gateway) -> None:
    user, headers = own.user()
    approve(own, ask(own, headers, message(16)).json["id"], 16)
    reject(own, ask(own, headers, message(17)).json["id"])
    kept = list(own.ledger.table.ascending(f"AUDIT#{user}", "2", "9"))
    assert sorted(item["action"] for item in kept) == [
        "credit_request_approved",
        "credit_request_rejected",
    ]


def test_an_erasure_makes_no_item_of_a_phone_that_has_expired(own: Gateway) -> None:
    user, headers = own.user()
    own.call("POST", "/v1/profile/device", {"deviceModel": "Pixel 8"}, headers=headers)
    (write,) = devices.erasures(own.ledger.table, user)
    key = {"pk": {"S": f"A#{user}"}, "sk": {"S": "PHONE"}}
    own.dynamodb.delete_item(TableName=own.table_name, Key=key)
    with pytest.raises(ConditionFailed):
        own.ledger.table.write(write)
    assert own.ledger.table.get(f"A#{user}", "PHONE") is None


def test_a_text_without_a_receipt_is_a_report_too(own: Gateway) -> None:
    _, headers = own.user()
    made = ask(own, headers, "I have paid you at the shop")
    assert (made.status, made.json["receipt"]) == (202, None)
    assert ask(own, headers, "i have PAID you  at the shop").json["id"] == made.json["id"]


@pytest.mark.parametrize("text", ["", "   ", 7, None, "x" * 4001])
def test_a_report_without_a_message_is_refused(own: Gateway, text: Any) -> None:
    _, headers = own.user()
    assert_refused(ask(own, headers, text), 400)


def test_nobody_else_reads_or_answers_a_report(own: Gateway) -> None:
    _, headers = own.user()
    _, others = own.user()
    name = ask(own, headers, message(18)).json["id"]
    assert listed(own, others) == []
    for credential in (headers, own.api_key, {}):
        path = f"/admin/credit-requests/{name}/reject"
        reply = own.call("POST", path, {"reason": "x"}, headers=credential)
        assert_refused(reply, 401)
        reply = own.call("GET", "/admin/credit-requests", headers=credential)
        assert_refused(reply, 401)
    assert_refused(reject(own, "cr_unknown"), 404)
    assert_refused(reject(own, "REQUEST"), 404)


def test_an_erasure_removes_messages_and_the_phone(own: Gateway) -> None:
    user, headers = own.user()
    name = ask(own, headers, message(19)).json["id"]
    phone = {"deviceModel": "Pixel 8", "osName": "android"}
    assert own.call("POST", "/v1/profile/device", phone, headers=headers).status == 200
    body = {"reason": "asked for", "confirm": user}
    erased = own.call("POST", f"/admin/users/{user}/erase", body, headers=own.admin)
    assert erased.status == 200, erased.text
    item = own.ledger.table.get(f"CREDITREQ#{name}", "REQUEST")
    assert item is not None and "text" not in item and "receipt" not in item
    kept = own.ledger.table.get(f"A#{user}", "PHONE")
    assert kept is not None and "facts" not in kept
    assert approve(own, name, 19).status == 200
