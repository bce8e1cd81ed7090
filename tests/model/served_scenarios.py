"""Moves by a process that has just served the account and goes on from what it remembers.

Bounds: one fault and three tries of each money move; `deep` adds a fault.
"""

from tests.model import programs as do
from tests.model import rules, starts
from tests.model.books import audit
from tests.model.programs import Asked
from tests.model.scenario import Scenario


def served_scenarios(*, deep: bool = False) -> list[Scenario]:
    return [_two_in_a_row(deep, balance) for balance in (1, 2)]


def _two_in_a_row(deep: bool, balance: int) -> Scenario:
    """A process makes two vends, the second from what it remembers; others vend and grant meanwhile."""
    made = (
        do.vend_by_a_process_that_served(Asked("A", attempt=2), Asked("W")),
        do.vend(Asked("B")),
        do.granted(Asked("G")),
    )
    return Scenario(
        f"vends from what was just served, balance {balance}",
        made,
        starts.funded(balance),
        audit=audit,
        kept=rules.kept,
        ended=rules.ended,
        judge=rules.judged,
        closing=(do.vend(Asked("A", 9)), do.vend(Asked("B", 9))),
        closed=rules.retried,
        expected=frozenset({("A", "ok"), ("A", "insufficient_credits"), ("B", "ok")}),
        faults=1 + deep,
    )
