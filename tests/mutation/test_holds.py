"""Requests on holds that another request overtakes between the read and the write."""

from collections.abc import Callable

import pytest

from engine.credits.backend_holds import HoldDesk, Wanted
from engine.credits.hold_items import EXPIRED, OPEN, RELEASED, Hold, hold_sk
from engine.ledger.posting import Ledger
from engine.platform.table import Put
from tests.mutation.desk import NOW, Desk, Interrupted, fresh
from tests.support.gateway import Gateway
from tests.test_hold_races import CALLER, One, Yard, grant


@pytest.fixture
def yard(gateway: Gateway) -> Yard:
    made = Yard(gateway.ledger.table, fresh("holder"))
    grant(made.table, made.user, 500)
    return made


def overtaken(yard: Yard, action: Callable[[], object]) -> HoldDesk:
    """Requests that another one overtakes just before their first write."""
    return HoldDesk(Ledger(Interrupted(yard.table, action)), One(), CALLER)


def test_a_late_commit_that_another_attempt_overtakes_is_charged_once(yard: Yard) -> None:
    hold = fresh("hold")
    yard.place(hold, 300)
    late = NOW + 720
    desk = overtaken(yard, lambda: yard.commit(hold, 200, key="same", now=late))
    told = desk.commit(hold, Wanted(amount=200), yard.request("same", late), final=False)
    assert (told.replayed, told.state, told.committed) == (True, EXPIRED, 200)
    assert yard.figures() == (300, 0, 0)


def test_an_extension_that_another_attempt_overtakes_reserves_once(yard: Yard) -> None:
    """The slower attempt finds the hold's time over, the faster one was in time."""
    hold = fresh("hold")
    yard.place(hold)
    wanted = Wanted(amount=10)

    def in_time() -> None:
        yard.desk.extend(hold, wanted, yard.request("same", NOW + 719), seconds=900)

    desk = overtaken(yard, in_time)
    told = desk.extend(hold, wanted, yard.request("same", NOW + 720), seconds=900)
    assert (told.replayed, told.state, told.ends_at) == (True, OPEN, NOW + 1619)
    assert yard.figures() == (415, 85, 0)


def test_a_repeat_after_the_end_finds_its_answer_and_changes_nothing(yard: Yard) -> None:
    """The hold is not released by a repeat of what came before its end."""
    hold = fresh("hold")
    yard.place(hold)
    first = yard.commit(hold, 30, key="same")
    again = yard.commit(hold, 30, key="same", now=NOW + 5000)
    assert (again.replayed, again.state, again.reserved) == (True, OPEN, first.reserved)
    assert yard.figures() == (425, 45, 0)


@pytest.fixture
def bought(gateway: Gateway) -> tuple[Desk, Hold]:
    """A user with five credits, and the hold of the request id `same`, whose credit went back."""
    desk = Desk(gateway, balance=5)
    hold = desk.hold("same")
    return desk, desk.settle(hold, RELEASED)


def test_a_request_id_whose_record_is_replaced_in_between_does_not_buy_beside_it(
    bought: tuple[Desk, Hold],
) -> None:
    """The record had passed its time; the other call makes a new one and holds its credit there."""
    desk, first = bought
    stored = desk.stored(first)
    taken = stored | {"jti": "of-the-other-call", "state": OPEN}
    table = Interrupted(desk.table, lambda: desk.table.write(Put(taken, "")), at=2)
    hold, posted = desk.vend("same", table=table)
    assert (hold.jti, posted) == ("of-the-other-call", None)
    assert desk.figures() == (5, 0)


def test_a_request_id_that_is_bought_anew_in_between_is_not_bought_under_the_same_number(
    bought: tuple[Desk, Hold],
) -> None:
    """The other call's hold was used, paid back and removed after its time; its number stays taken."""
    desk, first = bought
    table = Interrupted(desk.table, lambda: desk.edit(hold_sk(first.name), renewals=1), at=2)
    _, posted = desk.vend("same", table=table)
    assert posted is not None
    assert desk.stored(first)["renewals"] == 2
    assert desk.explained() == (4, 1)
