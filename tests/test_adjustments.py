"""Operators change balances: with reason and actor, once, never below zero, and with an undo."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.ledger import audit
from tests.support.direct import assert_refused
from tests.support.gateway import Gateway, Reply

ADDS = ["/admin/credits/add", "/admin/add-credits"]
DEDUCT = "/admin/deduct-credits"


def adjust(
    gateway: Gateway, path: str, user: str, amount: int, key: str | None = None, reason: str = "why"
) -> Reply:
    headers = gateway.admin | ({"idempotency-key": key} if key else {})
    body = {"userId": user, "amount": amount, "reason": reason}
    return gateway.call("POST", path, body, headers=headers)


def undo(
    gateway: Gateway, user: str, seq: int | str, key: str | None = None, reason: str = "mistake"
) -> Reply:
    headers = gateway.admin | ({"idempotency-key": key} if key else {})
    path = f"/admin/users/{user}/transactions/{seq}/undo"
    return gateway.call("POST", path, {"reason": reason}, headers=headers)


def refusals(gateway: Gateway, user: str) -> list[tuple[str, str, str]]:
    kept = audit.of_user(gateway.ledger.table, user, limit=100)
    return sorted((one["action"], one["code"], one["actor"]) for one in kept if not one["ok"])


@pytest.mark.parametrize("path", ADDS)
def test_an_addition_is_an_entry_with_reason_and_actor(gateway: Gateway, path: str) -> None:
    user, _ = gateway.user(balance=1)
    reply = adjust(gateway, path, user, 10, reason="Customer service credit")
    assert reply.status == 200
    entry = gateway.entries(user)[-1]
    assert (entry.type, entry.amount, entry.actor, entry.reason) == (
        "admin_add",
        10,
        "admin:secret",
        "Customer service credit",
    )
    facts = {
        "ok": True,
        "id": f"{user}:{entry.seq}",
        "userId": user,
        "seq": entry.seq,
        "amount": 10,
        "newBalance": 11,
        "reason": "Customer service credit",
        "requestId": entry.request_id,
    }
    timestamp = reply.json["timestamp"]
    assert reply.json == {**facts, "success": True, "data": facts, "timestamp": timestamp}
    gateway.assert_explained(user)


def test_an_addition_creates_a_missing_account(gateway: Gateway) -> None:
    assert adjust(gateway, ADDS[0], "brand-new-by-admin", 2).json["newBalance"] == 2
    gateway.assert_explained("brand-new-by-admin")


def test_a_deduction_is_an_entry_and_never_goes_below_zero(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=5)
    assert adjust(gateway, DEDUCT, user, 3).json["newBalance"] == 2
    refused = adjust(gateway, DEDUCT, user, 3)
    assert_refused(refused, 402)
    assert (refused.code, refused.json["balance"]) == ("insufficient_credits", 2)
    assert refused.json["details"] == {"balance": 2, "required": 3}
    assert gateway.balance(user) == 2
    assert [entry.type for entry in gateway.entries(user)][-1] == "admin_deduct"
    assert refusals(gateway, user) == [("admin_deduct", "insufficient_credits", "admin:secret")]
    gateway.assert_explained(user)


def test_held_credits_are_not_deducted(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=2)
    gateway.vend(headers)
    assert_refused(adjust(gateway, DEDUCT, user, 2), 402)
    assert adjust(gateway, DEDUCT, user, 1).json["newBalance"] == 0
    gateway.assert_explained(user)


def test_a_deduction_from_an_unknown_user_is_not_found_and_audited(gateway: Gateway) -> None:
    assert_refused(adjust(gateway, DEDUCT, "nobody-to-deduct", 1), 404)
    assert gateway.ledger.account("nobody-to-deduct").exists is False
    assert refusals(gateway, "nobody-to-deduct") == [("admin_deduct", "not_found", "admin:secret")]


@pytest.mark.parametrize("path", [*ADDS, DEDUCT])
def test_the_same_request_again_gets_the_first_answer(gateway: Gateway, path: str) -> None:
    user, _ = gateway.user(balance=5)
    first = adjust(gateway, path, user, 5, key="ticket-1")
    again = adjust(gateway, path, user, 5, key="ticket-1")
    assert (first.status, again.status, again.text) == (200, 200, first.text)
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = adjust(gateway, path, user, 6, key="ticket-1")
    assert_refused(other, 422)
    assert refusals(gateway, user)[0][1] == "idempotency_key_reused"
    assert len(gateway.entries(user)) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"reason": None},
        {"reason": ""},
        {"reason": "   "},
        {"reason": "x" * 201},
        {"reason": 7},
        {"amount": 0},
        {"amount": -1},
        {"amount": 1.5},
        {"amount": "7"},
        {"amount": True},
        {"amount": 1_000_001},
        {"userId": "a#b"},
    ],
)
@pytest.mark.parametrize("path", [*ADDS, DEDUCT])
def test_an_adjustment_needs_a_reason_and_a_whole_amount(
    gateway: Gateway, path: str, changed: dict[str, Any]
) -> None:
    user, _ = gateway.user(balance=1)
    body = {"userId": user, "amount": 1, "reason": "why", **changed}
    sent = {name: value for name, value in body.items() if value is not None}
    reply = gateway.call("POST", path, sent, headers=gateway.admin)
    assert_refused(reply, 400)
    assert reply.json["details"]["field"] == next(iter(changed))
    assert gateway.balance(user) == 1


def test_an_undo_adds_a_reversing_entry_that_names_the_original(gateway: Gateway) -> None:
    user, _ = gateway.user()
    for path, amount in ((ADDS[0], 7), (DEDUCT, 3)):
        seq = adjust(gateway, path, user, amount).json["seq"]
        made = undo(gateway, user, seq, reason="wrong user").json
        entry = gateway.entries(user)[-1]
        assert (entry.seq, entry.reverses, entry.reason) == (made["seq"], seq, "wrong user")
        assert entry.amount == -gateway.entries(user)[seq - 1].amount == made["amount"]
        adjust(gateway, ADDS[0], user, 5)
    assert [entry.type for entry in gateway.entries(user)] == [
        "user_creation", "admin_add", "admin_deduct", "admin_add", "admin_deduct", "admin_add", "admin_add",
    ]  # fmt: skip
    gateway.assert_explained(user)


@pytest.mark.parametrize("path", ["/v1/credits/add", "/add-credits"])
def test_credits_from_keys_and_payments_can_be_undone(gateway: Gateway, path: str) -> None:
    user, _ = gateway.user()
    secret = {"x-webhook-secret": gateway.rings["WEBHOOK_SECRET"].signing}
    body = {"userId": user, "amount": 4}
    assert gateway.call("POST", path, body, headers=gateway.api_key | secret).status == 200
    assert undo(gateway, user, 2).json["newBalance"] == 0
    gateway.assert_explained(user)


def test_an_entry_is_undone_once(gateway: Gateway) -> None:
    user, _ = gateway.user()
    seq = adjust(gateway, ADDS[0], user, 7).json["seq"]
    first = undo(gateway, user, seq, key="u-1")
    again = undo(gateway, user, seq, key="u-1")
    assert (again.text, again.headers["idempotency-replayed"]) == (first.text, "true")
    assert_refused(undo(gateway, user, seq, key="u-1", reason="another"), 422)
    for key in ("u-2", None):
        other = undo(gateway, user, seq, key=key)
        assert_refused(other, 409)
        assert (other.code, other.json["details"]) == ("already_undone", {"undoneBy": seq + 1})
    assert gateway.balance(user) == 0
    assert [code for _, code, _ in refusals(gateway, user)] == [
        "already_undone",
        "already_undone",
        "idempotency_key_reused",
    ]
    gateway.assert_explained(user)


def test_an_undo_cannot_be_undone(gateway: Gateway) -> None:
    user, _ = gateway.user()
    seq = adjust(gateway, ADDS[0], user, 7).json["seq"]
    reversing = undo(gateway, user, seq).json["seq"]
    reply = undo(gateway, user, reversing)
    assert_refused(reply, 409)
    assert reply.code == "not_undoable"


def test_entries_of_a_vend_cannot_be_undone(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=2)
    gateway.vend(headers)
    for seq, kind in ((1, "user_creation"), (3, "spend")):
        reply = undo(gateway, user, seq)
        assert_refused(reply, 409)
        assert (reply.code, reply.json["details"]) == ("not_undoable", {"type": kind})
    gateway.assert_explained(user)


def test_spent_credits_cannot_be_undone(gateway: Gateway) -> None:
    user, headers = gateway.user(balance=2)
    gateway.vend(headers)
    reply = undo(gateway, user, 2)
    assert_refused(reply, 402)
    assert reply.json["balance"] == 1
    adjust(gateway, ADDS[0], user, 1)
    assert undo(gateway, user, 2).json["newBalance"] == 0
    gateway.assert_explained(user)


@pytest.mark.parametrize("seq", ["99", "0", "x", "-1", "1.5", "9" * 13, "%C2%B2"])
def test_a_missing_entry_is_not_found(gateway: Gateway, seq: str) -> None:
    user, _ = gateway.user()
    assert_refused(undo(gateway, user, seq), 404)
    assert_refused(undo(gateway, "nobody-to-undo", 1), 404)


def test_concurrent_undos_of_one_entry_make_one_reversal(gateway: Gateway) -> None:
    user, _ = gateway.user()
    seq = adjust(gateway, ADDS[0], user, 7).json["seq"]
    adjust(gateway, ADDS[0], user, 50)
    gateway.function("admin")
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: undo(gateway, user, seq, key=f"k{n}"), range(8)))
    assert sorted(reply.status for reply in replies) == [200] + [409] * 7
    assert gateway.balance(user) == 50
    gateway.assert_explained(user)


def test_concurrent_deductions_all_count_and_stop_at_zero(gateway: Gateway) -> None:
    user, _ = gateway.user(balance=10)
    gateway.function("admin")
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: adjust(gateway, DEDUCT, user, 3), range(8)))
    assert sorted(reply.status for reply in replies) == [200] * 3 + [402] * 5
    assert gateway.balance(user) == 1
    gateway.assert_explained(user)


ACTS = st.lists(
    st.tuples(st.sampled_from(["add", "deduct", "undo"]), st.integers(1, 6), st.integers(0, 3)),
    max_size=12,
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(acts=ACTS)
def test_any_sequence_of_acts_leaves_an_explained_account(
    gateway: Gateway, acts: list[tuple[str, int, int]]
) -> None:
    """Against a model: what each act may do, and that its repeat does nothing."""
    user, _ = gateway.user()
    balance, undone, keys = 0, set[int](), dict[tuple[str, int, int], str]()
    for act, number, key in acts:
        before = gateway.entries(user)
        if act == "undo":
            target = before[number - 1] if number <= len(before) else None
            reply = undo(gateway, user, number)
            fine = (
                target is not None
                and target.type in ("admin_add", "admin_deduct")
                and target.reverses is None
                and number not in undone
                and balance >= target.amount
            )
            assert (reply.status == 200) == fine
            if fine and target is not None:
                undone.add(number)
                balance -= target.amount
        else:
            path = ADDS[0] if act == "add" else DEDUCT
            reply = adjust(gateway, path, user, number, key=f"{act}-{number}-{key}")
            known = keys.get((act, number, key))
            if known is not None:
                assert reply.text == known
            elif act == "add" or balance >= number:
                keys[act, number, key] = reply.text
                balance += number if act == "add" else -number
                assert reply.json["newBalance"] == balance
            else:
                assert reply.status == 402
        assert gateway.balance(user) == balance
    gateway.assert_explained(user)


def test_a_token_that_was_paid_at_once_is_not_undone(gateway: Gateway) -> None:
    """Its credit goes back where its job fails."""
    user, _ = gateway.user(5)
    gateway.call("POST", "/vend-token", {"userId": user})
    (spend,) = [entry for entry in gateway.entries(user) if entry.type == "spend"]
    assert (spend.charged, spend.reverses) == (1, None)
    assert undo(gateway, user, spend.seq).status == 409
    assert gateway.ledger.account(user).available == 4
