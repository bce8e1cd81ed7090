"""Each clause of each condition is needed: somebody comes in just between a read and the write after it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from engine.access.keyrings import Ring
from engine.access.tokens import USER_LIFETIME_S
from engine.credits import hold_items, users
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, SPENT, WRITTEN_OFF
from engine.credits.users import NewUserRequest
from engine.ledger import audit, idempotency
from engine.ledger.audit import Audit, Record
from engine.ledger.items import START, account_pk, account_sk, entry_sk
from engine.ledger.posting import BesideRefused
from engine.platform.errors import Busy, InsufficientCredits, KeyReused, RateLimited, UserExists
from engine.platform.table import Cancelled, ConditionFailed, Put, Refusal, Table, Write
from engine.web import rate_limits
from engine.web.rate_limits import WINDOW_S
from engine.web.request_ids import KEEP_S
from tests.mutation.desk import NOW, Desk, Interrupted, brisk, fresh, nothing, nowhere
from tests.support.gateway import Gateway

ACCOUNT = account_sk("credits")


# An account and its entries


def test_a_window_of_its_own_is_begun_once_filled_and_begun_anew(gateway: Gateway) -> None:
    """First of all, because a call that cannot count goes on for ever."""
    subject = fresh("A#window")
    table = Interrupted(gateway.ledger.table, nothing)
    take = [rate_limits.take(table, subject, "read", 2, NOW + second).used for second in (0, 59)]
    assert take == [1, 2]
    with pytest.raises(RateLimited):
        rate_limits.take(table, subject, "read", 2, NOW + 59)
    assert rate_limits.take(table, subject, "read", 2, NOW + WINDOW_S).used == 1
    kept = table.get(subject, "RATE#read")
    assert kept is not None and (kept["rate_from"], kept["rate_used"]) == (NOW + WINDOW_S, 1)


def test_a_window_that_a_wrong_clock_began_far_ahead_is_begun_anew(gateway: Gateway) -> None:
    subject = fresh("A#ahead")
    table = Interrupted(gateway.ledger.table, nothing)
    rate_limits.take(table, subject, "read", 1, NOW + 3600)
    assert rate_limits.take(table, subject, "read", 1, NOW).used == 1
    with pytest.raises(RateLimited):
        rate_limits.take(table, subject, "read", 1, NOW - 1)


def test_the_last_credit_can_be_spent_and_the_last_hold_resolved(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    assert desk.explained() == (0, 1)
    desk.settle(hold, CAPTURED)
    assert desk.explained() == (0, 0)
    with pytest.raises(InsufficientCredits):
        desk.vend()


def test_an_account_that_appears_meanwhile_is_not_written_over(gateway: Gateway) -> None:
    """Not even one whose entries are gone, which would have stopped the move too."""
    desk = Desk(gateway)
    made = {
        "pk": account_pk(desk.user), "sk": ACCOUNT, "user": desk.user, "unit": "credits",
        "available": 7, "held": 0, "seq": 1, "head": START, "rate_from": 0, "rate_used": 0,
        "created_at": NOW, "updated_at": NOW, "origin_salt": "s", "recent_origins": [],
    }  # fmt: skip
    desk.grant(2, table=desk.interrupted(lambda: desk.table.write(Put(made, ""))))
    account = desk.ledger.account(desk.user)
    assert (account.available, account.seq) == (9, 2)


def test_a_move_follows_the_seq_that_it_was_computed_from(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    desk.grant(2, table=desk.interrupted(lambda: desk.edit(ACCOUNT, seq=5)))
    assert (desk.item(ACCOUNT)["seq"], desk.item(ACCOUNT)["available"]) == (6, 3)
    assert desk.item(entry_sk("credits", 6))["amount"] == 2
    assert desk.table.get(account_pk(desk.user), entry_sk("credits", 2)) is None


def test_available_cannot_go_below_zero(gateway: Gateway) -> None:
    """Not even where it was lowered from outside, without a new seq."""
    desk = Desk(gateway, balance=1)
    with pytest.raises(InsufficientCredits):
        desk.vend(table=desk.interrupted(lambda: desk.edit(ACCOUNT, available=0)))
    assert desk.figures() == (0, 0)
    assert desk.types() == ["api_add"]


def test_held_cannot_go_below_zero(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    with pytest.raises(Busy):
        desk.settle(hold, CAPTURED, table=desk.interrupted(lambda: desk.edit(ACCOUNT, held=0)))
    assert desk.figures() == (0, 0)
    assert desk.stored(hold)["state"] == OPEN


def test_owed_cannot_go_below_zero(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    desk.edit(ACCOUNT, owed=30)
    desk.grant(20, table=desk.interrupted(lambda: desk.edit(ACCOUNT, owed=3)))
    account = desk.ledger.account(desk.user)
    assert (account.available, account.owed) == (18, 0)


def test_an_entry_is_never_written_over(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    stray = {"pk": account_pk(desk.user), "sk": entry_sk("credits", 2), "seq": 2, "of": "another"}
    with pytest.raises(Busy):
        desk.grant(2, table=desk.interrupted(lambda: desk.table.write(Put(stray, ""))))
    assert desk.item(stray["sk"]) == stray
    assert desk.figures() == (1, 0)


@pytest.mark.parametrize(("began", "used"), [(NOW - 5, 2), (NOW - WINDOW_S, 1)])
def test_a_refusal_that_is_counted_meanwhile_is_not_forgotten(
    gateway: Gateway, began: int, used: int
) -> None:
    """In the window that was seen, and in one that was begun since."""
    desk = Desk(gateway, balance=1)

    def count(now: int) -> Callable[[], object]:
        pk = account_pk(desk.user)
        table = desk.interrupted(nothing)
        return lambda: rate_limits.take_on_item(table, pk, ACCOUNT, 9, now)

    count(began)()
    desk.vend(table=desk.interrupted(count(NOW)))
    item = desk.item(ACCOUNT)
    assert (item["rate_from"], item["rate_used"]) == ((began, 3) if used == 2 else (NOW, 2))


def test_the_rate_limit_is_exact_and_its_window_ends(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=9)
    for _ in range(2):
        desk.vend(rate_limit=2)
    with pytest.raises(RateLimited):
        desk.vend(rate_limit=2)
    desk.vend(rate_limit=2, now=NOW + WINDOW_S)
    assert desk.explained() == (6, 3)


@pytest.mark.parametrize("balance", [1, 5])
def test_a_call_that_its_own_repeat_overtook_finds_the_answer_without_another_write(
    gateway: Gateway, balance: int
) -> None:
    """The once-item's refusal counts before the account's: at balance 0 it is a token and no 402."""
    desk = Desk(gateway, balance)
    key = fresh("key")
    table = desk.interrupted(lambda: desk.hold(key))
    hold, posted = desk.vend(key, table=table)
    assert (posted, table.made) == (None, 1)
    assert desk.stored(hold)["jti"] == hold.jti
    assert desk.explained() == (balance - 1, 1)


def test_a_repeat_finds_its_answer_before_it_is_refused(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    first = desk.hold("key")
    assert desk.vend("key") == (first, None)
    assert desk.vend("key", rate_limit=1) == (first, None)
    with pytest.raises(InsufficientCredits):
        desk.vend("another")


class Conflicting(Table):
    """Its first transaction meets somebody else's; `made` counts all."""

    made = 0

    def transact(self, writes: Sequence[Write]) -> None:
        self.made += 1
        if self.made == 1:
            raise Cancelled([Refusal("TransactionConflict")] * len(writes))
        super().transact(writes)


def test_a_conflict_is_tried_again_and_a_refusal_is_final(gateway: Gateway) -> None:
    table = Conflicting(gateway.dynamodb, gateway.table_name)
    once = Put({"pk": fresh("once"), "sk": "x"}, "attribute_not_exists(pk)")
    brisk(table).transact_patiently([once])
    assert (table.made, table.get(once.item["pk"], "x")) == (2, once.item)
    with pytest.raises(Cancelled):
        brisk(table).transact_patiently([once])
    assert table.made == 3


# Requests, payments, users, the audit


def test_a_request_that_adds_is_known_for_ever(gateway: Gateway) -> None:
    desk = Desk(gateway)
    first = desk.grant(3, "key")
    desk.grant(4)
    for later in (KEEP_S, KEEP_S + 1, 10**9):
        again = desk.grant(3, "key", now=NOW + later)
        assert (again.new_balance, again.request_id) == (3, first.request_id)
    assert desk.explained() == (7, 0)


def test_a_request_that_was_made_meanwhile_is_not_made_again(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    desk.grant(3, "key", table=desk.interrupted(lambda: desk.grant(3, "key")))
    assert desk.explained() == (4, 0)


def test_a_payment_counts_once_for_ever(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    payment = fresh("payment")
    first = desk.grant(
        3, payment_id=payment,
        table=desk.interrupted(lambda: desk.grant(3, payment_id=payment)),
    )  # fmt: skip
    later = desk.grant(3, payment_id=payment, now=NOW + 10**8)
    assert first.new_balance == later.new_balance == 4
    assert desk.explained() == (4, 0)


def test_a_request_id_beside_a_payment_is_of_one_payload_for_ever(gateway: Gateway) -> None:
    desk = Desk(gateway)

    def pay(fingerprint: str = "print", now: int = NOW) -> int:
        payment = fresh("payment")
        return desk.grant(
            1, "key", payment_id=payment, fingerprint=fingerprint, now=now
        ).new_balance

    assert [pay(), pay()] == [1, 2]
    for now in (NOW, NOW + KEEP_S, NOW + 10**9):
        with pytest.raises(KeyReused):
            pay("another", now)
    assert desk.explained() == (2, 0)


def test_a_payment_is_known_again_before_its_request_id_is_looked_at(gateway: Gateway) -> None:
    desk = Desk(gateway)
    payment = fresh("payment")
    desk.grant(1, "key", payment_id=payment)
    again = desk.grant(1, "key", payment_id=payment, fingerprint="another")
    assert again.replayed and desk.explained() == (1, 0)


def test_a_conflict_on_what_goes_beside_a_move_is_no_refusal(gateway: Gateway) -> None:
    desk = Desk(gateway)
    table = Conflicting(gateway.dynamodb, gateway.table_name)
    desk.grant(1, "key", payment_id=fresh("payment"), table=table)
    assert (table.made, desk.explained()) == (2, (1, 0))


def created(desk: Desk, key: str, *, table: Table | None = None, now: int = NOW) -> users.NewUser:
    asked = NewUserRequest(desk.user, 5, key, "print", nowhere(now))
    return users.create(brisk(table or desk.table), Ring(("k" * 40,)), asked)


def test_a_user_is_created_once_and_its_request_answered_while_its_token_is_valid(
    gateway: Gateway,
) -> None:
    desk = Desk(gateway)
    assert created(desk, "key").balance == 5
    again = created(desk, "key", now=NOW + USER_LIFETIME_S - 1)
    assert (again.replayed, again.expires_in_s) == (True, 1)
    for key, now in (("key", NOW + USER_LIFETIME_S), ("another", NOW)):
        with pytest.raises(UserExists):
            created(desk, key, now=now)
    assert desk.explained() == (5, 0)


def test_a_user_who_was_created_meanwhile_is_not_created_again(gateway: Gateway) -> None:
    desk = Desk(gateway)
    with pytest.raises(UserExists):
        created(desk, "mine", table=desk.interrupted(lambda: created(desk, "theirs")))
    assert desk.explained() == (5, 0)


def test_a_devices_secret_is_not_written_over(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = fresh("device")
    monkeypatch.setattr(users, "new_id", lambda _: user)
    ring, ledger = Ring(("k" * 40,)), brisk(gateway.ledger.table)
    first = users.register_device(ledger, ring, nowhere())
    with pytest.raises(BesideRefused):
        users.register_device(ledger, ring, nowhere())
    assert users.refresh_device(ledger, ring, user, first.refresh_secret, now=NOW)
    gateway.assert_explained(user)


def test_a_record_of_the_audit_is_not_written_over(gateway: Gateway) -> None:
    user, by = fresh("audited"), nowhere()
    for code in ("first", "second"):
        Audit(gateway.ledger.table, 400).keep(Record(user, "vend", False, code, by))
    (kept,) = audit.of_user(gateway.ledger.table, user, limit=9)
    assert kept["code"] == "first"


# Windows


def test_a_window_that_somebody_began_meanwhile_is_not_begun_twice(gateway: Gateway) -> None:
    subject = fresh("A#twice")

    def take(table: Table, now: int) -> int:
        return rate_limits.take(table, subject, "read", 2, now).used

    def first(now: int) -> Interrupted:
        """Somebody counts when the first write was refused: before the second."""
        return Interrupted(gateway.ledger.table, lambda: take(gateway.ledger.table, now), at=2)

    assert take(first(NOW), NOW) == 2
    assert take(first(NOW + WINDOW_S), NOW + WINDOW_S) == 2


def test_an_accounts_window_that_somebody_began_meanwhile_is_not_begun_twice(
    gateway: Gateway,
) -> None:
    desk = Desk(gateway, balance=1)

    def take(table: Table) -> int:
        return rate_limits.take_on_item(table, account_pk(desk.user), ACCOUNT, 3, NOW).used

    assert take(Interrupted(desk.table, lambda: take(desk.table), at=2)) == 2
    assert take(Interrupted(desk.table, nothing)) == 3
    table = desk.interrupted(nothing)
    with pytest.raises(ConditionFailed):
        rate_limits.take_on_item(table, account_pk(fresh("nobody")), ACCOUNT, 9, NOW)


# Holds


def test_a_vend_at_once_is_known_to_its_last_second_and_new_after_it(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    first = desk.hold("key", state=SPENT)
    assert desk.explained() == (0, 0)
    last = NOW + KEEP_S
    assert desk.vend("key", state=SPENT, now=last) == (first, None)
    with pytest.raises(InsufficientCredits):
        desk.vend("key", state=SPENT, now=last + 1)
    desk.grant(1)
    assert desk.vend("key", state=SPENT, now=last) == (first, None)
    second = desk.hold("key", state=SPENT, now=last + 1)
    assert desk.stored(first)["jti"] == second.jti != first.jti
    assert desk.explained() == (0, 0)


def test_an_open_hold_is_never_replaced(gateway: Gateway) -> None:
    """One that was used stays for as long as it is open; an unused one until its token runs out."""
    desk = Desk(gateway, balance=2)
    hold = desk.hold("key")
    item = desk.stored(hold)
    assert "ttl" not in item
    assert (item["open_shard"], item["expires_at"]) == (hold_items.shard_of(hold.name), NOW + 920)
    assert desk.vend("key", now=NOW + 899) == (hold, None)
    assert desk.stored(hold) == item
    desk.edit(hold_items.hold_sk(hold.name), claim="claim", claimed_at=NOW)
    (kept, posted) = desk.vend("key", now=NOW + 10**8)
    assert (kept.jti, posted) == (hold.jti, None)
    assert desk.explained() == (1, 1)


def test_a_resolved_hold_is_replaced_after_its_time_and_not_before(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=2)
    hold = desk.settle(desk.hold("key"), CAPTURED, now=NOW + 100)
    item = desk.stored(hold)
    assert "open_shard" not in item
    assert item["ttl"] == NOW + 100 + KEEP_S
    assert desk.vend("key", now=item["ttl"]) == (hold, None)
    assert desk.hold("key", now=item["ttl"] + 1).jti != hold.jti
    assert desk.explained() == (0, 1)


def test_a_vend_says_the_balance_it_left_and_is_of_one_payload(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=3)
    hold = desk.hold("key")
    assert hold.balance_after == desk.stored(hold)["balance_after"] == 2
    with pytest.raises(KeyReused):
        desk.vend("key", fingerprint="another")
    with pytest.raises(KeyReused):
        idempotency.replayed({"fingerprint": "print"}, "another")


C, R = CAPTURED, RELEASED
HISTORIES: list[tuple[str, list[str], str, tuple[int, int], list[str]]] = [
    (OPEN, [C], C, (0, 0), ["capture"]),
    (OPEN, [R], R, (1, 0), ["refund"]),
    (OPEN, [C, C], C, (0, 0), ["capture"]),
    (OPEN, [R, R], R, (1, 0), ["refund"]),
    (OPEN, [C, R], R, (1, 0), ["capture", "refund"]),
    (OPEN, [C, R, C], R, (1, 0), ["capture", "refund"]),
    (OPEN, [R, C], C, (0, 0), ["refund", "spend"]),
    (OPEN, [R, C, R], C, (0, 0), ["refund", "spend"]),
    (SPENT, [C], C, (0, 0), ["capture"]),
    (SPENT, [R], R, (1, 0), ["refund"]),
    (SPENT, [C, R, C], R, (1, 0), ["capture", "refund"]),
    (SPENT, [R, C, R], C, (0, 0), ["refund", "spend"]),
]


@pytest.mark.parametrize(("state", "outcomes", "ends", "figures", "types"), HISTORIES)
def test_an_outcome_resolves_one_contradiction_reconciles_and_no_more(
    gateway: Gateway,
    state: str,
    outcomes: list[str],
    ends: str,
    figures: tuple[int, int],
    types: list[str],
) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold(state=state)
    for outcome in outcomes:
        hold = desk.settle(hold, outcome)
    assert desk.explained() == figures
    assert desk.types() == ["api_add", "spend", *types]
    item = desk.stored(hold)
    assert (item["state"], item.get("reconciled")) == (ends, True if len(types) == 2 else None)
    reversed_seqs = [entry.reverses for entry in gateway.entries(desk.user)[2:]]
    assert reversed_seqs == list(range(2, 2 + len(types)))


def test_a_late_delivery_that_the_account_cannot_pay_changes_nothing(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.settle(desk.hold(), RELEASED)
    desk.hold()
    before = desk.stored(hold)
    assert desk.settle(hold, CAPTURED) == hold
    assert (desk.stored(hold), desk.explained()) == (before, (0, 1))
    desk.grant(5)
    assert desk.settle(hold, CAPTURED).state == CAPTURED
    assert desk.explained() == (4, 1)


def test_a_gift_of_an_earlier_version_stays_what_it_is(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.settle(desk.hold(), RELEASED)
    desk.edit(hold_items.hold_sk(hold.name), state=WRITTEN_OFF, reconciled=True)
    gift = hold_items.read(desk.stored(hold))
    for outcome in (CAPTURED, RELEASED):
        assert desk.settle(gift, outcome) == gift
    assert desk.explained() == (1, 0)


@pytest.mark.parametrize("state", [OPEN, SPENT])
@pytest.mark.parametrize(("theirs", "ours"), [(R, R), (R, C), (C, C), (C, R)])
def test_a_hold_that_somebody_resolved_meanwhile_is_not_resolved_again(
    gateway: Gateway, state: str, theirs: str, ours: str
) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold(state=state)
    table = desk.interrupted(lambda: desk.settle(hold, theirs))
    found = desk.settle(hold, ours, table=table)
    assert found.state == desk.stored(hold)["state"] == theirs
    assert len(desk.types()) == 3
    assert desk.explained() == ((1, 0) if theirs == RELEASED else (0, 0))


def test_an_unclaimed_hold_that_is_claimed_meanwhile_is_not_released(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    sk = hold_items.hold_sk(hold.name)
    table = desk.interrupted(lambda: desk.edit(sk, claim="a job"))
    found = desk.settle(hold, RELEASED, table=table)
    assert (found.state, found.claim) == (OPEN, "a job")
    assert desk.explained() == (0, 1)
    assert desk.settle(found, RELEASED).state == RELEASED
    assert desk.explained() == (1, 0)


def test_a_hold_whose_jti_was_replaced_is_not_settled(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=2)
    hold = desk.hold("key", state=SPENT)

    def replace() -> None:
        desk.hold("key", state=SPENT, now=NOW + KEEP_S + 1)

    desk.settle(hold, RELEASED, table=desk.interrupted(replace))
    item = desk.stored(hold)
    assert item["jti"] != hold.jti and item["state"] == SPENT
    assert desk.explained() == (0, 0)
    assert hold_items.find(desk.table, desk.user, hold.jti) is None


@pytest.mark.parametrize("changed", [{"jti": "another"}, {"state": C}, {"claim": "a job"}])
def test_a_hold_that_is_not_as_it_was_seen_is_left_alone_without_a_write(
    gateway: Gateway, changed: dict[str, Any]
) -> None:
    """Where the balance is too low to take the credit again, before it becomes a gift."""
    desk = Desk(gateway, balance=1)
    hold = desk.settle(desk.hold(), RELEASED)
    desk.hold()
    desk.edit(hold_items.hold_sk(hold.name), **changed)
    item = desk.stored(hold)
    table = desk.interrupted(nothing)
    desk.settle(hold, CAPTURED, table=table)
    assert (table.made, desk.stored(hold)) == (0, item)
    assert desk.explained() == (0, 1)
