"""Holds of back ends as they are built, in the company that could hurt them.

Bounds: the programs that are named, one fault and three tries of each money move; `deep` adds a fault.
"""

from collections.abc import Callable

from engine.credits import hold_parts
from engine.products.product import Overage
from tests.model import hold_books as books
from tests.model import programs as do
from tests.model import starts
from tests.model.hold_programs import END, LIFETIME_S, OVER, Hold
from tests.model.programs import NOW, Asked
from tests.model.replay import Outcome
from tests.model.scenario import Program, Scenario
from tests.model.store import Content

LATE = OVER + 1
LAST_SWEEP = do.swept(Asked("last-sweep", at=OVER + 10 * LIFETIME_S))


def hold_scenarios(*, deep: bool = False) -> list[Scenario]:
    return [make(deep) for make in HOLD_MAKERS]


def _scenario(
    name: str, made: list[Program], start: Content, *expected: tuple[str, str],
    retries: tuple[Program, ...] = (), faults: int = 1,
) -> Scenario:  # fmt: skip
    return Scenario(
        name,
        tuple(made),
        start,
        audit=books.audit,
        kept=books.kept,
        ended=books.ended,
        judge=books.judged,
        closing=(*retries, LAST_SWEEP),
        closed=_closed,
        expected=frozenset(expected),
        faults=faults,
    )


def _closed(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    rule = books.swept_clean if program is LAST_SWEEP else books.retried
    return rule(program, outcome, before, after)


def held(hold: Hold, balance: int) -> Content:
    """The hold is placed, `balance` is left."""
    return starts.after(hold.placed(Asked("place")), content=starts.funded(balance + hold.amount))


def _twice(make: Callable[[Asked], Program], asked: Asked, first: int = 0) -> list[Program]:
    return do.attempts(make, asked, 2, first=first)


def placed_twice(deep: bool) -> Scenario:
    """A hold is placed twice at once, and another one, where the balance is enough for one of them."""
    one, other = Hold(), Hold(id="other", amount=2)
    made = [*_twice(one.placed, Asked("A")), other.placed(Asked("B"))]
    return _scenario(
        "hold: placed twice, and another", made, starts.funded(4), ("A", "ok"), ("B", "ok"),
        ("A", "insufficient_credits"), ("B", "insufficient_credits"),
        retries=(one.placed(Asked("A", 9)), other.placed(Asked("B", 9))), faults=2 + deep,
    )  # fmt: skip


def too_many(deep: bool) -> Scenario:
    """Two holds where one may be open."""
    one, other = Hold(amount=1), Hold(id="other", amount=1)

    def place(asked: Asked) -> Program:
        return one.placed(asked, most_open=1)

    made = [*_twice(place, Asked("A")), other.placed(Asked("B"), most_open=1)]
    return _scenario(
        "hold: one too many", made, starts.funded(4), ("A", "ok"), ("A", "too_many_holds"),
        ("B", "ok"), ("B", "too_many_holds"), retries=(one.placed(Asked("A", 9), most_open=1),),
        faults=1 + deep,
    )  # fmt: skip


def parts_and_release(deep: bool) -> Scenario:
    """After a first part another is committed, twice at once, while the rest is released."""
    hold = Hold(amount=4)
    start = starts.after(hold.committed(Asked("first", at=NOW + 5), 1), content=held(hold, 0))
    made = [
        *_twice(lambda asked: hold.committed(asked, 1), Asked("C", at=NOW + 10)),
        hold.released(Asked("R", at=NOW + 10)),
    ]
    return _scenario(
        "hold: a part and a release", made, start, ("C", "ok"), ("C", "hold_closed"),
        ("R", "ok"), retries=(hold.committed(Asked("C", 9, at=NOW + 10), 1),), faults=1 + deep,
    )  # fmt: skip


def two_finals(deep: bool) -> Scenario:
    """Two final commits of different requests, one of them twice; another hold is open beside it."""
    hold = Hold()
    start = starts.after(
        Hold(id="other", amount=3).placed(Asked("place-other")), content=held(hold, 3)
    )
    made = [
        *_twice(lambda asked: hold.committed(asked, 2, final=True), Asked("F", at=NOW + 10)),
        hold.committed(Asked("E", at=NOW + 10), 1, final=True),
    ]
    return _scenario(
        "hold: two final commits", made, start, ("F", "ok"), ("F", "hold_closed"), ("E", "ok"),
        ("E", "hold_closed"), retries=(hold.committed(Asked("F", 9, at=NOW + 10), 2, final=True),),
        faults=1 + deep,
    )  # fmt: skip


def extend_or_expire(deep: bool) -> Scenario:
    """A hold is extended in the last moment of its grace, twice, while two sweepers find it over."""
    hold = Hold()
    made = [
        *_twice(lambda asked: hold.extended(asked, seconds=LIFETIME_S), Asked("X", at=OVER - 5)),
        *_twice(do.swept, Asked("S", at=LATE), first=2),
    ]
    return _scenario(
        "hold: extended or expired", made, held(hold, 0), ("X", "ok"), ("X", "hold_expired"),
        ("S", "ok"), retries=(hold.extended(Asked("X", 9, at=OVER - 5), seconds=LIFETIME_S),),
        faults=1 + deep,
    )  # fmt: skip


def more_reserved(deep: bool) -> Scenario:
    """More is reserved, twice at once, while a part is committed and a vend is after the same credits."""
    hold = Hold(amount=2)
    made = [
        *_twice(lambda asked: hold.extended(asked, amount=2), Asked("X", at=NOW + 10)),
        hold.committed(Asked("C", at=NOW + 10), 2),
        hold.placed(Asked("place", 2)),
    ]
    return _scenario(
        "hold: more is reserved", made, held(hold, 2), ("X", "ok"), ("C", "ok"), ("place", "ok"),
        retries=(hold.extended(Asked("X", 9, at=NOW + 10), amount=2),), faults=1 + deep,
    )  # fmt: skip


def late(overage: Overage) -> Callable[[bool], Scenario]:
    """After a first part another comes, twice and late, while the sweeper ends the hold; another hold
    stays open.
    """

    def make(deep: bool) -> Scenario:
        hold = Hold(overage, amount=3)
        made = [
            *_twice(lambda asked: hold.committed(asked, 3), Asked("L", at=LATE)),
            do.swept(Asked("S", at=LATE)),
        ]
        other = Hold(id="other").placed(Asked("place-other", at=NOW + LIFETIME_S // 2))
        first = hold.committed(Asked("first", at=NOW + 5), 1)
        start = starts.after(first, other, content=held(hold, 3))
        told = ("L", "hold_expired" if overage == "reject" else "ok")
        return _scenario(
            f"hold: a late commit, {overage}", made, start, told, ("S", "ok"),
            retries=(hold.committed(Asked("L", 9, at=LATE), 3),), faults=1 + deep,
        )  # fmt: skip

    return make


def beyond(overage: Overage) -> Callable[[bool], Scenario]:
    """More is committed than is reserved, twice at once, while the hold ends."""

    def make(deep: bool) -> Scenario:
        hold = Hold(overage, amount=2)
        made = [
            *_twice(lambda asked: hold.committed(asked, 4), Asked("C", at=NOW + 10)),
            hold.committed(Asked("F", at=NOW + 10), 1, final=True),
        ]
        told = ("C", "exceeds_hold" if overage == "reject" else "ok")
        return _scenario(
            f"hold: more than is reserved, {overage}", made, held(hold, 1), told, ("F", "ok"),
            retries=(hold.committed(Asked("C", 9, at=NOW + 10), 4),), faults=1 + deep,
        )  # fmt: skip

    return make


def owed_is_paid(deep: bool) -> Scenario:
    """More than the account has is charged, while a grant comes in twice, which pays what is owed."""
    hold = Hold("owed", amount=1)
    grants = do.attempts(
        lambda asked: do.granted(asked, 2, payment="pay-1"), Asked("G", at=NOW + 10), 2, first=1
    )
    made = [hold.committed(Asked("C", at=NOW + 10), 3, final=True), *grants]
    return _scenario(
        "hold: what is owed is paid by a grant", made, held(hold, 1), ("C", "ok"), ("G", "ok"),
        retries=(hold.committed(Asked("C", 9, at=NOW + 10), 3, final=True),), faults=1 + deep,
    )  # fmt: skip


def within_the_grace(deep: bool) -> Scenario:
    """A commit after the end and within the grace counts, whoever reads the hold."""
    hold = Hold()
    made = [
        hold.committed(Asked("C", at=END + 10), 1),
        hold.committed(Asked("F", at=END + 20), 1, final=True),
        hold.shown(Asked("V", at=LATE)),
    ]
    return _scenario(
        "hold: commits within the grace", made, held(hold, 0), ("C", "ok"), ("F", "ok"), ("V", "ok"),
        retries=(hold.committed(Asked("F", 9, at=END + 20), 1, final=True),),
        faults=1 + deep,
    )  # fmt: skip


def ended_by_an_operator(deep: bool) -> Scenario:
    """An operator ends the hold, twice, while its last part is committed."""
    hold = Hold()
    made = [
        hold.committed(Asked("F", at=NOW + 10), 1, final=True),
        *_twice(hold.ended, Asked("O", at=NOW + 10), first=1),
    ]
    return _scenario(
        "hold: ended by an operator", made, held(hold, 0), ("F", "ok"), ("F", "hold_closed"),
        ("O", "ok"), retries=(hold.committed(Asked("F", 9, at=NOW + 10), 1, final=True),),
        faults=1 + deep,
    )  # fmt: skip


def again_and_again(deep: bool) -> Scenario:
    """A client that dies and comes back: its commit, each time after the attempt before."""
    hold = Hold()
    retries = do.attempts(
        lambda asked: hold.committed(asked, 2), Asked("C", at=NOW + 10), 2, first=0, waits=True
    )
    made = [*retries, hold.committed(Asked("D", at=NOW + 10), 2)]
    return _scenario(
        "hold: a client that comes back", made, held(hold, 0), ("C", "ok"), ("C", "exceeds_hold"),
        retries=(hold.committed(Asked("C", 9, at=NOW + 10), 2),), faults=2 + deep,
    )  # fmt: skip


def a_new_list(deep: bool) -> Scenario:
    """The hold has had as many requests as a list takes: the first part of it, and longer times."""
    hold = Hold(amount=4)
    earlier = hold.committed(Asked("first", at=NOW + 5), 1)
    longer = [
        hold.extended(Asked(f"longer-{n}", at=NOW + 5), seconds=LIFETIME_S)
        for n in range(1, hold_parts.PAGE)
    ]
    start = starts.after(earlier, *longer, content=held(hold, 0))
    made = [
        *_twice(lambda asked: hold.committed(asked, 1), Asked("C", at=NOW + 10)),
        hold.extended(Asked("L", at=NOW + 10), seconds=LIFETIME_S),
    ]
    again = (
        hold.committed(Asked("first", 9, at=NOW + 10), 1),
        hold.committed(Asked("C", 9, at=NOW + 10), 1),
    )
    return _scenario(
        "hold: a new list of requests", made, start, ("C", "ok"), ("L", "ok"), retries=again,
        faults=1 + deep,
    )  # fmt: skip


def carried(deep: bool) -> Scenario:
    """A full hold reserves more, twice at once and beside a part: an entry carries earlier requests."""
    hold = Hold(amount=1)
    earlier = hold.extended(Asked("first", at=NOW + 5), amount=1)
    longer = [
        hold.extended(Asked(f"longer-{n}", at=NOW + 5), seconds=LIFETIME_S)
        for n in range(1, hold_parts.PAGE)
    ]
    last = [hold.extended(Asked(f"more-{n}", at=NOW + 5), amount=1) for n in range(3)]
    start = starts.after(earlier, *longer, *last, content=held(hold, 6))
    made = [
        *_twice(lambda asked: hold.extended(asked, amount=1), Asked("X", at=NOW + 10)),
        hold.committed(Asked("C", at=NOW + 10), 1),
    ]
    again = (
        hold.extended(Asked("first", 9, at=NOW + 10), amount=1),
        hold.extended(Asked("X", 9, at=NOW + 10), amount=1),
    )
    return _scenario(
        "hold: earlier requests are carried", made, start, ("X", "ok"), ("C", "ok"), retries=again,
        faults=1 + deep,
    )  # fmt: skip


HOLD_MAKERS: tuple[Callable[[bool], Scenario], ...] = (
    placed_twice,
    too_many,
    parts_and_release,
    two_finals,
    extend_or_expire,
    more_reserved,
    late("reject"),
    late("cap"),
    late("owed"),
    beyond("reject"),
    beyond("cap"),
    beyond("owed"),
    owed_is_paid,
    within_the_grace,
    ended_by_an_operator,
    again_and_again,
    a_new_list,
    carried,
)
