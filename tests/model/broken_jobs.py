"""The rules for jobs, writes and replays that earlier versions had: the checker must find how each breaks.

Each is the code of today with one rule put back, in the company in which it hurts.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from engine.credits import hold_items, holds, placing
from engine.credits.hold_items import CAPTURED, RELEASED, Hold
from engine.ledger.items import Account, account_pk, account_sk, read_account
from engine.ledger.posting import Ledger
from engine.platform import table
from engine.platform.table import Item, Table, Write
from engine.transcription import jobs, outcomes, settling, status
from engine.transcription.outcomes import FORGOTTEN_AFTER_S, Heard
from tests.model import poll_scenarios, scenarios
from tests.model.replay import Desk
from tests.model.scenario import Program, Scenario

Rule = Callable[[], AbstractContextManager[Any]]


def broken_jobs() -> list[Scenario]:
    return [
        under("a stored 404 decides", poll_scenarios.known_again, _stale_404),
        under("one try to settle", poll_scenarios.forgotten_or_not, _one_try, _free_text),
        under("one try of who knows", poll_scenarios.forgotten_by_who_knows, _one_try, _free_text),
        under("who knows reads nothing", poll_scenarios.known_again_by_who_knows, _nothing_read),
        under("an old account refuses", scenarios.recharge, _old_refuses),
        under("a writer does not know its own write", scenarios.handed_to_two, _unmarked),
        under("a replay answers a dead token", scenarios.bought_anew, _dead_replay),
    ]


def under(name: str, make: Callable[[bool], Scenario], *rules: Rule) -> Scenario:
    made = make(False)
    programs = tuple(replace(program, run=_within(program, rules)) for program in made.programs)
    return replace(made, name=name, programs=programs, expected=frozenset())


def _within(program: Program, rules: tuple[Rule, ...]) -> Callable[[Desk], Any]:
    def run(desk: Desk) -> Any:
        patches = [rule() for rule in rules]
        for one in patches:
            one.__enter__()
        try:
            return program.run(desk)
        finally:
            for one in patches:
                one.__exit__(None, None, None)

    return run


def _stale_404() -> AbstractContextManager[Any]:
    def outcome(self: Heard, now: int) -> tuple[str, str] | None:
        if self.missing_since is not None and now - self.missing_since >= FORGOTTEN_AFTER_S:
            return RELEASED, "upstream has forgotten the job"
        end = outcomes.end_of(self.members or {})
        return None if end is None else (end, "")

    return patch.object(Heard, "outcome", outcome)


def _one_try() -> AbstractContextManager[Any]:
    def settled(gateway: Any, hold: Hold, heard: Heard, act: Any) -> tuple[Hold, Heard]:
        found = heard.outcome(act.at)
        if found is None:
            return hold, heard
        return holds.settle(gateway.ledger, hold, found[0], act), heard

    return patch.object(settling, "settled", settled)


def _nothing_read() -> AbstractContextManager[Any]:
    """That a job runs is told without a look at what another was told meanwhile."""
    kept = jobs.keep_said

    def keep_said(ledger: Any, seen: Item, members: Any, now: int, **other: Any) -> Heard:
        if outcomes.end_of(members) is None:
            return Heard(members, is_fresh=True)
        return kept(ledger, seen, members, now, **other)

    return patch.object(jobs, "keep_said", keep_said)


def _free_text() -> AbstractContextManager[Any]:
    return patch.multiple(
        status, _is_given_up=lambda *_: False, WRITTEN_OFF=RELEASED, CAPTURED=CAPTURED
    )


def _old_refuses() -> AbstractContextManager[Any]:
    def likely(self: Ledger, move: Any, *_: object) -> Account:
        item = self.table.get(account_pk(move.user), account_sk(self.unit), consistent=False)
        return read_account(move.user, self.unit, item)

    return patch.object(Ledger, "_likely", likely)


def _unmarked() -> AbstractContextManager[Any]:
    def write(self: Table, write: Write) -> Item:
        return self._patiently(table._marked(write, self._new_mark()) if write.mark else write)

    return patch.object(Table, "write", write)


def _dead_replay() -> AbstractContextManager[Any]:
    def place(ledger: Any, vend: Any, *, rate_limit: int) -> tuple[Hold, Any]:
        item = ledger.table.get(f"A#{vend.user}", hold_items.hold_sk(vend.name))
        return hold_items.read(item), None

    return patch.object(placing, "place", place)
