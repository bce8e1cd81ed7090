"""Designs of holds that break: the checker must find how. Each is today's code with one rule taken out."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import msgspec

from engine.credits import backend_holds, hold_parts, holds
from engine.credits.backend_holds import HoldDesk
from engine.credits.hold_items import OPEN, Hold
from engine.ledger.items import Entry, Move
from engine.platform.act import Act
from engine.platform.table import Update
from tests.model import hold_scenarios as made
from tests.model.broken_jobs import under
from tests.model.scenario import Scenario

PARTS = (" AND parts = :seen_parts", " AND attribute_not_exists(parts)")
STATE = " AND #state = :seen"
AS_SEEN = holds.as_seen


def broken_holds() -> list[Scenario]:
    return [
        under("a release after a part gives all back", made.parts_and_release, _gives_all_back),
        under("a release that does not see a part", made.parts_and_release, _blind(PARTS)),
        under("an expiry that does not see an extension", made.extend_or_expire, _blind_end),
        under("a second final commit", made.two_finals, _blind((STATE, *PARTS))),
        under("a late commit after the sweep", made.late("cap"), _late_from_the_reserve),
        under(
            "a repeat is looked for before the hold ends", made.late("cap"), _looked_for_too_soon
        ),
        under("a new list whose page was not written", made.a_new_list, _without_page),
        under("an entry that carries no earlier requests", made.carried, _empty_handed),
        under("what is owed is charged without a look at the policy", made.late("cap"), _owes),
        _unlisted(),
    ]


def _gives_all_back() -> AbstractContextManager[Any]:
    """The refund is what was placed, whatever was committed since."""
    refund = backend_holds._refund

    def all_back(hold: Hold, act: Act) -> Move:
        return replace(refund(hold, act), amount=hold.amount)

    return patch.object(backend_holds, "_refund", all_back)


def _blind(clauses: tuple[str, ...]) -> Callable[[], AbstractContextManager[Any]]:
    """A request's write without some of the clauses of its condition."""

    def as_seen(*given: Any, **more: Any) -> Update:
        return _without(AS_SEEN(*given, **more), clauses)

    return lambda: patch.object(holds, "as_seen", as_seen)


def _blind_end() -> AbstractContextManager[Any]:
    """The end by time does not see what was done to the hold since it was read."""
    write = holds.EndOnce.write

    def blind(self: holds.EndOnce, entry: Entry) -> Update:
        return _without(write(self, entry), PARTS)

    return patch.object(holds.EndOnce, "write", blind)


def _without(write: Update, clauses: tuple[str, ...]) -> Update:
    condition, values = write.condition, dict(write.values)
    for clause in clauses:
        condition = condition.replace(clause, "")
    for name in (":seen", ":seen_parts"):
        if f"{name} " not in f"{condition} ":
            values.pop(name, None)
    return replace(write, condition=condition, values=values)


def _late_from_the_reserve() -> AbstractContextManager[Any]:
    """A late commit takes the credits that were held, although they went back."""
    commitment = HoldDesk._commitment

    def as_if_open(self: HoldDesk, hold: Hold, *given: Any, **more: Any) -> tuple[Move, int]:
        held = replace(hold, state=OPEN, left=hold.released) if hold.state != OPEN else hold
        return commitment(self, held, *given, **more)

    return patch.object(HoldDesk, "_commitment", as_if_open)


def _looked_for_too_soon() -> AbstractContextManager[Any]:
    """An earlier answer is looked for once, before the hold whose time is over is released."""

    def seen(self: HoldDesk, hold_id: str, operation: str, ids: bytes, act: Act) -> Any:
        hold = self.find(hold_id)
        earlier = self._earlier(hold, operation, ids)
        return (hold if earlier else backend_holds.settled(self.ledger, hold, act)), earlier

    return patch.object(HoldDesk, "_seen", seen)


def _without_page() -> AbstractContextManager[Any]:
    """The hold forgets its requests without a copy of them."""
    return patch.object(
        HoldDesk, "_made_room", lambda _, hold, *__: len(hold_parts.read(hold.parts))
    )


def _empty_handed() -> AbstractContextManager[Any]:
    """The hold forgets its oldest requests, and its entry does not carry them."""
    load, none = hold_parts.load, hold_parts.write([])

    def empty(hold: Hold, move: Move) -> hold_parts.Load:
        return replace(load(hold, move), packed=msgspec.msgpack.encode([0, none]))

    return patch.object(hold_parts, "load", empty)


def _owes() -> AbstractContextManager[Any]:
    commitment = HoldDesk._commitment

    def owing(self: HoldDesk, hold: Hold, wanted: Any, *given: Any, **more: Any) -> Any:
        move, kind = commitment(self, hold, wanted, *given, **more)
        return (replace(move, beyond=wanted.amount, may_owe=True) if move.beyond else move), kind

    return patch.object(HoldDesk, "_commitment", owing)


def _unlisted() -> Scenario:
    """A release leaves the hold in the account's list, which fills up."""
    refund = backend_holds._refund

    def listed(hold: Hold, act: Act) -> Move:
        return replace(refund(hold, act), closes="")

    return under(
        "a released hold stays listed",
        made.parts_and_release,
        lambda: patch.object(backend_holds, "_refund", listed),
    )
