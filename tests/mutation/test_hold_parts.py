"""Each clause of the condition of a part, with somebody who comes in just between the read and the write."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.credits import backend_holds, hold_items, hold_parts, holds
from engine.credits.backend_holds import HoldDesk, Request, Wanted
from engine.credits.hold_errors import HoldClosed
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, Hold
from engine.ledger.audit import Audit
from engine.ledger.items import entry_sk
from engine.ledger.posting import Ledger
from engine.platform.table import Put
from tests.mutation.desk import NOW, Desk, Interrupted, Service, brisk, nowhere, submit
from tests.support.gateway import Gateway
from tests.support.streams import fresh
from tests.test_hold_access import size
from tests.test_hold_races import CALLER, LONGEST, SOLD, One, Sized, Yard, grant


@pytest.fixture
def yard(gateway: Gateway) -> Yard:
    made = Yard(gateway.ledger.table, fresh("parts"))
    grant(made.table, made.user, 500)
    return made


def between(yard: Yard, action: Callable[[], object]) -> HoldDesk:
    """A desk before whose first write `action` happens."""
    return HoldDesk(Ledger(Interrupted(yard.table, action)), One(), CALLER)


def test_a_commit_that_comes_in_between_is_not_lost(yard: Yard) -> None:
    yard.place(yard.user)
    desk = between(yard, lambda: yard.commit(yard.user, 10))
    assert desk.commit(yard.user, Wanted(amount=20), yard.request(), final=False).committed == 30
    desk = between(yard, lambda: yard.extend(yard.user, seconds=900))
    assert desk.release(yard.user, yard.request()).ends_at == NOW + 900
    assert yard.figures() == (470, 0, 0)


def test_a_release_that_comes_in_between_is_not_undone(yard: Yard) -> None:
    yard.place(yard.user)
    desk = between(yard, lambda: yard.desk.release(yard.user, yard.request()))
    with pytest.raises(HoldClosed):
        desk.commit(yard.user, Wanted(amount=20), yard.request(), final=False)
    assert yard.figures() == (500, 0, 0)


def test_a_hold_that_an_operator_ends_in_between_is_charged_nothing(yard: Yard) -> None:
    """The account holds enough for another hold, so nothing but the hold's state refuses the commit."""
    yard.place(yard.user)
    yard.place(fresh("other"))
    audit, hold = Audit(yard.table, 1), yard.desk.find(yard.user)
    desk = between(yard, lambda: backend_holds.end(yard.ledger, audit, hold, nowhere(NOW)))
    with pytest.raises(HoldClosed):
        desk.commit(yard.user, Wanted(amount=20), yard.request(), final=False)
    assert yard.figures() == (425, 75, 0)


def test_a_hold_that_was_replaced_in_between_is_read_again(yard: Yard) -> None:
    yard.place(yard.user)
    seen = yard.desk.find(yard.user)
    item = yard.table.get(*seen.key)
    assert item is not None
    desk = between(yard, lambda: yard.table.write(Put(item | {"jti": seen.jti + "0"}, "")))
    told = desk.extend(yard.user, Wanted(), yard.request(), seconds=900)
    assert told.hold.jti == seen.jti + "0"


def token_hold(gateway: Gateway) -> tuple[Desk, Hold, Callable[[int], object]]:
    """A user with 500 credits, of which a token holds 75, and how the token commits parts of them."""
    desk = Desk(gateway, balance=500)
    hold = desk.hold(product=SOLD, units=75)
    holder = HoldDesk(desk.ledger, One(), hold.token)

    def commit(amount: int) -> object:
        request = Request(fresh("part"), f"print-{amount}", nowhere(NOW))
        return holder.commit(hold.jti, Wanted(amount=amount), request, final=False)

    return desk, hold, commit


def test_a_token_that_is_redeemed_after_a_part_is_charged_the_rest_once(gateway: Gateway) -> None:
    desk, hold, commit = token_hold(gateway)
    commit(30)
    seen = hold_items.read(desk.stored(hold))
    assert holds.redeem(desk.ledger, seen, "redeem:a", nowhere(NOW)) == "redeem:a"
    assert desk.stored(hold)["committed"] == 75
    assert desk.explained() == (425, 0)


@pytest.mark.parametrize("before", [0, 30])
def test_a_part_that_comes_before_a_redemption_is_not_charged_again(
    gateway: Gateway, before: int
) -> None:
    desk, hold, commit = token_hold(gateway)
    if before:
        commit(before)
    seen = hold_items.read(desk.stored(hold))
    table = desk.interrupted(lambda: commit(20))
    assert holds.redeem(brisk(table), seen, "redeem:a", nowhere(NOW)) == "redeem:a"
    assert desk.stored(hold)["committed"] == 75
    assert desk.explained() == (425, 0)


@pytest.mark.parametrize(
    "changed", [{"jti": "another"}, {"state": RELEASED}, {"claim": "a call"}, {"parts": b"a part"}]
)
def test_a_hold_that_has_changed_is_not_as_it_was_seen(
    gateway: Gateway, changed: dict[str, Any]
) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    item = desk.stored(hold)
    assert holds.is_as_seen(item, hold)
    assert not holds.is_as_seen(item | changed, hold)


@pytest.mark.parametrize("charge", [0, 30, 75, 80])
def test_a_job_that_comes_to_less_gives_back_the_rest(gateway: Gateway, charge: int) -> None:
    desk = Desk(gateway, balance=500)
    hold = desk.hold(product=SOLD, units=75)
    after = desk.settle(hold, CAPTURED, charge=charge)
    assert after.committed == min(charge, 75)
    assert desk.explained() == (500 - min(charge, 75), 0)
    assert desk.settle(after, RELEASED).state == RELEASED
    assert desk.explained() == (500, 0)


def test_an_operator_does_not_end_a_hold_whose_job_begins_meanwhile(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    table = desk.interrupted(lambda: submit(desk, hold, Service()))
    ended = backend_holds.end(brisk(table), Audit(desk.table, 1), hold, nowhere(NOW))
    assert (ended.state, ended.claim is not None) == (OPEN, True)
    assert desk.explained() == (0, 1)


@pytest.mark.parametrize("kind", ["more", "commit"])
def test_a_hold_and_its_entries_stay_below_a_kilobyte_whatever_its_texts(
    gateway: Gateway, kind: str
) -> None:
    table = gateway.ledger.table
    yard = Sized(table, fresh("u").ljust(LONGEST.user, "u"), LONGEST)
    grant(table, yard.user, 10**6)
    hold_id = fresh("h").ljust(LONGEST.hold_id, "h")
    yard.placed(hold_id)
    for n in range(12):
        told = yard.step(hold_id, kind, f"key-{n}")
        hold = table.get(*told.hold.key)
        assert hold is not None
        entry = table.get(f"A#{yard.user}", entry_sk("credits", hold["last_seq"]))
        assert entry is not None
        assert max(size(hold), size(entry)) <= hold_parts.ITEM_SIZE
    told = yard.step(hold_id, "end", "end")
    hold = table.get(*told.hold.key)
    assert hold is not None and size(hold) <= hold_parts.ITEM_SIZE
