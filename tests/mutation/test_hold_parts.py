"""Each clause of the condition of a part, with somebody who comes in just between the read and the write."""

from collections.abc import Callable

import pytest

from engine.credits import backend_holds
from engine.credits.backend_holds import HoldDesk, Wanted
from engine.credits.hold_errors import HoldClosed
from engine.credits.hold_items import OPEN
from engine.ledger.audit import Audit
from engine.ledger.posting import Ledger
from engine.platform.table import Put
from tests.mutation.desk import NOW, Desk, Interrupted, Service, brisk, nowhere, submit
from tests.support.gateway import Gateway
from tests.support.streams import fresh
from tests.test_hold_races import CALLER, One, Yard, grant


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


def test_a_hold_that_was_replaced_in_between_is_read_again(yard: Yard) -> None:
    yard.place(yard.user)
    seen = yard.desk.find(yard.user)
    item = yard.table.get(*seen.key)
    assert item is not None
    desk = between(yard, lambda: yard.table.write(Put(item | {"jti": seen.jti + "0"}, "")))
    told = desk.extend(yard.user, Wanted(), yard.request(), seconds=900)
    assert told.hold.jti == seen.jti + "0"


def test_an_operator_does_not_end_a_hold_whose_job_begins_meanwhile(gateway: Gateway) -> None:
    desk = Desk(gateway, balance=1)
    hold = desk.hold()
    table = desk.interrupted(lambda: submit(desk, hold, Service()))
    ended = backend_holds.end(brisk(table), Audit(desk.table, 1), hold, nowhere(NOW))
    assert (ended.state, ended.claim is not None) == (OPEN, True)
    assert desk.explained() == (0, 1)
