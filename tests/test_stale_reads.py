"""A move that begins with an old account is as right as one that begins with the stored account."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.credits.hold_items import CAPTURED, RELEASED, Hold
from engine.ledger.items import CREDITS, account_pk, account_sk
from engine.platform.errors import InsufficientCredits
from engine.platform.table import Item, Table, Write
from tests.mutation.desk import Desk
from tests.support.gateway import Gateway
from tests.support.properties import PROPERTY


class Lagging(Table):
    """A read of the account of `desk` that need not be consistent finds what was stored `behind` changes
    before.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk.table._client, desk.table.name, sleep=lambda _: None)
        self.behind = 0
        self._key = account_pk(desk.user), account_sk(CREDITS)
        self._versions: list[Item | None] = [None]
        self.fresh_reads = 0

    def get(self, pk: str, sk: str, *, consistent: bool = True) -> Item | None:
        if (pk, sk) != self._key:
            return super().get(pk, sk, consistent=consistent)
        if consistent:
            self.fresh_reads += 1
            return super().get(pk, sk)
        return self._versions[max(0, len(self._versions) - 1 - self.behind)]

    def transact(self, writes: Sequence[Write]) -> None:
        super().transact(writes)
        self._versions.append(super().get(*self._key))


STEPS = st.sampled_from(["grant", "vend", CAPTURED, RELEASED])


@PROPERTY
@given(st.lists(st.tuples(STEPS, st.integers(0, 4)), max_size=12))
def test_moves_from_old_accounts_are_those_of_the_stored_one(
    gateway: Gateway, steps: list[tuple[str, int]]
) -> None:
    desk = Desk(gateway)
    table = Lagging(desk)
    available, holds = 0, list[Hold]()
    for step, behind in steps:
        table.behind = behind
        if step == "grant":
            desk.grant(1, table=table)
            available += 1
        elif step == "vend" and available:
            hold, _ = desk.vend(table=table)
            holds.append(hold)
            available -= 1
        elif step == "vend":
            with pytest.raises(InsufficientCredits) as refused:
                desk.vend(table=table)
            assert refused.value.details["balance"] == 0
        elif holds:
            desk.settle(holds.pop(), step, table=table)
            available += step == RELEASED
        assert desk.figures() == (available, len(holds))
    if steps and available + len(holds):
        desk.explained()


def test_a_credit_that_an_old_account_does_not_have_can_be_spent(gateway: Gateway) -> None:
    desk = Desk(gateway)
    table = Lagging(desk)
    desk.grant(1, table=table)
    desk.settle(desk.vend(table=table)[0], CAPTURED, table=table)
    desk.grant(1, table=table)
    table.behind = 1
    desk.vend(table=table)
    assert desk.explained() == (0, 1)


def test_a_credit_that_only_an_old_account_has_is_not_spent(gateway: Gateway) -> None:
    desk = Desk(gateway)
    table = Lagging(desk)
    desk.grant(1, table=table)
    desk.vend(table=table)
    table.behind = 1
    with pytest.raises(InsufficientCredits):
        desk.vend(table=table)
    assert desk.explained() == (0, 1)


def test_an_account_that_an_old_read_does_not_find_is_found(gateway: Gateway) -> None:
    desk = Desk(gateway)
    table = Lagging(desk)
    desk.grant(1, table=table)
    table.behind = 1
    desk.grant(2, table=table)
    assert desk.explained() == (3, 0)
    assert len(desk.gateway.entries(desk.user)) == 2


def test_a_move_that_is_allowed_needs_no_consistent_read(gateway: Gateway) -> None:
    desk = Desk(gateway)
    table = Lagging(desk)
    desk.grant(2, table=table)
    table.fresh_reads = 0
    desk.vend(table=table)
    desk.vend(table=table)
    assert table.fresh_reads == 0
    with pytest.raises(InsufficientCredits):
        desk.vend(table=table)
    assert table.fresh_reads > 0
