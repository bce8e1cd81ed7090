"""Breadth-first search over all interleavings of a scenario's programs, with faults.

A state is the table, where each program stands, the writes that are still in flight and the faults
that are left. Tables, places and calls are interned, so a state is a few integers, and what a call does
to a table is worked out once. A write in flight that can never take effect again, as the
account has a newer `seq` than the one that it asks for, is no part of a state.

A step is one call of one program, or a write in flight that lands. Each fault uses up one:

- `times out`: the program gets no answer; its write is in flight and lands at any later time or
  never. Landing at once is the answer that is lost, landing never the write that was not applied.
- `is sent again`: the SDK repeats the write while the first copy is in flight. The store does not
  recognise the copy; DynamoDB would and answer as before, which is the same as a slow program. A
  program that takes no step after it has died with its write in flight.
- `dies`: told apart from the above only where a client waits for the end before it tries again.
- `conflicts`: a transaction is refused as a whole.
- `names one reason`: of several refused writes the store tells one.
- `fails`: a read, or a call to upstream, that did nothing.
- `reads what was stored at the start`: a read that need not be consistent finds an old item.

Attempts of one request differ in nothing but their number, so they start in order: another order is
the same interleaving with the numbers exchanged.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from tests.model.faults import SENT_AGAIN, Fault, faults_of
from tests.model.replay import Outcome, advanced, stage
from tests.model.scenario import Outcomes, Scenario, alone
from tests.model.store import Answer, Call, Content, Rewrite, applied, is_outrun, literal
from tests.model.trace import Step, described

T = TypeVar("T")
State = tuple[int, tuple[int, ...], tuple[int, ...], int]
"""Table, place of each program, writes in flight, faults left."""

NOTHING = -1


@dataclass(frozen=True)
class Violation:
    """What went wrong and the shortest way there, one line a step."""

    message: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        steps = "\n".join(f"  {number}. {step}" for number, step in enumerate(self.trace, 1))
        return f"{self.message}\n{steps}"


@dataclass(frozen=True)
class Result:
    """What a search saw; it is complete unless it stopped at a violation or at its limit."""

    scenario: str
    states: int
    transitions: int
    depth: int
    tables: int
    seconds: float
    violation: Violation | None
    complete: bool


class Interned(Generic[T]):
    """Values under small numbers."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self._numbers: dict[object, int] = {}

    def number(self, key: object, value: T) -> int:
        found = self._numbers.setdefault(key, len(self.values))
        if found == len(self.values):
            self.values.append(value)
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """Where a program stands: the answers it has, and its next call, or how it ended."""

    program: int
    answers: tuple[int, ...]
    call: int = NOTHING
    outcome: Outcome | None = None
    dead: bool = False
    sent: bool = False
    """Its first call is on its way a second time."""

    @property
    def begun(self) -> bool:
        return self.over or self.sent or bool(self.answers)

    @property
    def over(self) -> bool:
        return self.dead or self.outcome is not None


class Move(NamedTuple):
    """One step from a place over a table; `copy` is the write that it leaves in flight. `is_end`: the program
    answers.
    """

    table: int
    place: int
    fault: Fault | None = None
    copy: int = NOTHING
    is_end: bool = False


class Cause(NamedTuple):
    """What makes a step: a move of a program, a write in flight that lands, or else a change by itself."""

    program: int = NOTHING
    move: Move | None = None
    landing: int = NOTHING
    label: str = ""


class Search:
    """One search of one scenario; `rewrite` changes conditions, to see what the rules notice."""

    def __init__(self, scenario: Scenario, rewrite: Rewrite = literal) -> None:
        self._scenario = scenario
        self._rewrite = rewrite
        self._tables: Interned[Content] = Interned()
        self._calls: Interned[Call] = Interned()
        self._answers: Interned[Answer] = Interned()
        self._places: Interned[Place] = Interned()
        self._copies: Interned[tuple[int, int]] = Interned()
        """Writes in flight as (program, call)."""
        self._is_over: list[bool] = []
        """Of each place, whether its program is over."""
        self._items: Interned[Any] = Interned()
        self._applied_memo: dict[tuple[int, int], tuple[int, int]] = {}
        self._moves_memo: dict[tuple[int, int], list[Move]] = {}
        self._next_memo: dict[tuple[int, tuple[int, ...]], int] = {}
        self._changes_memo: dict[int, list[tuple[str, int]]] = {}
        self._outrun: dict[tuple[int, int], bool] = {}
        self._judged: dict[tuple[int, tuple[int, ...]], str | None] = {}
        self._kept: dict[tuple[int, int], str | None] = {}
        self._ended: dict[tuple[int, int], str | None] = {}
        self._audited: dict[int, str | None] = {}
        self._parents: dict[State, State | None] = {}
        self._transitions = 0
        self._mortal = frozenset(p.follows for p in scenario.programs if p.waits)
        self._leads = frozenset(n for n, p in enumerate(scenario.programs) if p.follows is None)
        self.reached: set[tuple[str, str]] = set()

    def run(self, limit: int | None = None) -> Result:
        """Explore breadth first, until a rule is broken, `limit` states are seen, or all is seen."""
        began = time.monotonic()
        start = self._start()
        self._parents = {start: None}
        self._transitions = depth = 0
        frontier, violation = [start], self._violation(self._wrong(start), None, start)
        while frontier and violation is None and (limit is None or len(self._parents) < limit):
            frontier, violation = self._level(frontier)
            depth += bool(frontier)
        complete = not frontier and violation is None
        if complete and (missing := self._scenario.expected - self.reached):
            violation = Violation(f"never happens: {sorted(missing)}", ())
        return Result(
            self._scenario.name,
            len(self._parents),
            self._transitions,
            depth,
            len(self._tables.values),
            time.monotonic() - began,
            violation,
            complete,
        )

    def _level(self, frontier: list[State]) -> tuple[list[State], Violation | None]:
        """The states that are first reached in one step from `frontier`, and a rule that it breaks."""
        fresh: list[State] = []
        parents = self._parents
        for state in frontier:
            for after, cause in self._steps(state):
                self._transitions += 1
                wrong = self._step_wrong(state[0], after[0], cause.move)
                if after not in parents:
                    parents[after] = state
                    fresh.append(after)
                    wrong = wrong or self._wrong(after, state[0], cause.move)
                if wrong is not None:
                    return fresh, self._violation(wrong, state, after)
        return fresh, None

    def _violation(self, wrong: str | None, before: State | None, state: State) -> Violation | None:
        if wrong is None:
            return None
        lines: list[str] = []
        while before is not None:
            lines.append(self._line(before, state))
            state, before = before, self._parents[before]
        return Violation(wrong, tuple(reversed(lines)))

    def _start(self) -> State:
        places = tuple(self._after(program, ()) for program in range(len(self._scenario.programs)))
        return self._table(self._scenario.start), places, (), self._scenario.faults

    def _steps(self, state: State) -> Iterator[tuple[State, Cause]]:
        places = state[1]
        for program, place in enumerate(places):
            if not self._is_over[place] and self._may_run(program, places):
                yield from self._own_steps(state, program, place)
        yield from self._other_steps(state)

    def _own_steps(self, state: State, program: int, place: int) -> Iterator[tuple[State, Cause]]:
        table, places, in_flight, left = state
        before, behind = places[:program], places[program + 1 :]
        for move in self._moves(table, place):
            if move.fault is None:
                flights, rest = in_flight, left
            elif left == 0 or move.copy in in_flight:
                continue
            else:
                flights, rest = self._launched(move, in_flight), left - 1
            if flights:
                flights = self._live(move.table, flights)
            after = (move.table, (*before, move.place, *behind), flights, rest)
            yield after, Cause(program, move)

    def _other_steps(self, state: State) -> Iterator[tuple[State, Cause]]:
        table, places, in_flight, left = state
        for copy in in_flight:
            landed, _ = self._applied(table, self._copies.values[copy][1])
            if landed != table:
                others = tuple(other for other in in_flight if other != copy)
                yield (landed, places, self._live(landed, others), left), Cause(landing=copy)
        for label, changed in self._changes(table):
            yield (changed, places, self._live(changed, in_flight), left), Cause(label=label)

    def _launched(self, move: Move, in_flight: tuple[int, ...]) -> tuple[int, ...]:
        return in_flight if move.copy == NOTHING else tuple(sorted((*in_flight, move.copy)))

    def _live(self, table: int, in_flight: tuple[int, ...]) -> tuple[int, ...]:
        """Those of the writes `in_flight` that may still take effect on what comes of `table`."""
        return tuple(copy for copy in in_flight if not self._is_outrun(table, copy))

    def _is_outrun(self, table: int, copy: int) -> bool:
        found = self._outrun.get((table, copy))
        if found is None:
            call = self._calls.values[self._copies.values[copy][1]]
            found = is_outrun(self._tables.values[table], call, self._rewrite)
            self._outrun[table, copy] = found
        return found

    def _may_run(self, program: int, places: tuple[int, ...]) -> bool:
        if program in self._leads:
            return True
        asked = self._scenario.programs[program]
        if asked.follows is None or self._places.values[places[program]].begun:
            return True
        before = self._places.values[places[asked.follows]]
        return before.over or (before.begun and not asked.waits)

    def _moves(self, table: int, place: int) -> list[Move]:
        found = self._moves_memo.get((table, place))
        if found is None:
            found = self._moves_memo[table, place] = list(self._found_moves(table, place))
        return found

    def _found_moves(self, table: int, number: int) -> Iterator[Move]:
        place = self._places.values[number]
        after, answer = self._applied(table, place.call)
        yield self._move(after, self._answered(place, answer))
        call, mortal = self._calls.values[place.call], place.program in self._mortal
        old = applied(self._scenario.start, call)[1] if call.may_be_old else {}
        for fault in faults_of(call, self._answers.values[answer], old, mortal=mortal):
            if fault is SENT_AGAIN and not self._scenario.resends:
                continue
            copy = (place.program, place.call)
            sent = self._copies.number(copy, copy) if fault.in_flight else NOTHING
            yield self._move(table, self._befallen(number, fault), fault, sent)

    def _move(
        self, table: int, place: int, fault: Fault | None = None, copy: int = NOTHING
    ) -> Move:
        return Move(table, place, fault, copy, self._places.values[place].outcome is not None)

    def _befallen(self, number: int, fault: Fault) -> int:
        """Where a program stands after `fault`."""
        place = self._places.values[number]
        if fault.answer is not None:
            return self._answered(place, self._answer(fault.answer))
        if fault.dies:
            return self._interned_place(Place(place.program, (), dead=True))
        if place.answers:
            return number
        return self._interned_place(Place(place.program, (), place.call, sent=True))

    def _answered(self, place: Place, answer: int) -> int:
        return self._after(place.program, (*place.answers, answer))

    def _after(self, program: int, answers: tuple[int, ...]) -> int:
        """The place of `program` when it has `answers`."""
        found = self._next_memo.get((program, answers))
        if found is None:
            given = [self._answers.values[answer] for answer in answers]
            asked, tries = self._scenario.programs[program], self._scenario.tries
            step = advanced(asked.run, given, tries, asked.name)
            if isinstance(step, Outcome):
                place = Place(program, (), outcome=step)
            else:
                place = Place(program, answers, self._calls.number(step.text, step))
            found = self._next_memo[program, answers] = self._interned_place(place)
        return found

    def _interned_place(self, place: Place) -> int:
        end = (repr(place.outcome), place.dead, place.sent)
        number = self._places.number((place.program, place.answers, place.call, end), place)
        if number == len(self._is_over):
            self._is_over.append(place.over)
        return number

    def _applied(self, table: int, call: int) -> tuple[int, int]:
        found = self._applied_memo.get((table, call))
        if found is None:
            made, answer = applied(
                self._tables.values[table], self._calls.values[call], self._rewrite
            )
            found = self._applied_memo[table, call] = self._table(made), self._answer(answer)
        return found

    def _changes(self, table: int) -> list[tuple[str, int]]:
        found = self._changes_memo.get(table)
        if found is None:
            changes = self._scenario.environment(self._tables.values[table])
            found = [(label, self._table(content)) for label, content in changes]
            self._changes_memo[table] = found
        return found

    def _table(self, content: Content) -> int:
        items = frozenset(self._items.number((k, repr(v)), None) for k, v in content.items())
        return self._tables.number(items, content)

    def _answer(self, answer: Answer) -> int:
        return self._answers.number(repr(answer), answer)

    def _step_wrong(self, old: int, new: int, move: Move | None) -> str | None:
        """What is wrong with a step between two tables. The end of a program is looked at however often the
        state was reached otherwise: by then the table may have moved on.
        """
        wrong = self._kept_wrong(old, new) if old != new else None
        if wrong is None and move is not None and move.is_end:
            return self._end_wrong(move.place, new)
        return wrong

    def _kept_wrong(self, old: int, new: int) -> str | None:
        if (old, new) not in self._kept:
            tables = self._tables.values
            self._kept[old, new] = self._scenario.kept(tables[old], tables[new])
        return self._kept[old, new]

    def _wrong(self, state: State, before: int = NOTHING, move: Move | None = None) -> str | None:
        """What is wrong with `state`. The same table as `before`, where no program has ended since, is not
        looked at again.
        """
        table, places, in_flight, _ = state
        wrong = None
        if table != before or (move is not None and move.is_end):
            if table not in self._audited:
                self._audited[table] = self._audit(self._tables.values[table])
            wrong = self._audited[table] or self._judge(table, places)
        if wrong is None and not in_flight and all(self._is_over[place] for place in places):
            return self._scenario.quiet(self._tables.values[table])
        return wrong

    def _audit(self, content: Content) -> str | None:
        wrong = self._scenario.audit(content)
        for program in self._scenario.closing if wrong is None else ():
            outcome, after = alone(program, content, self._rewrite)
            wrong = self._scenario.audit(after)
            wrong = wrong or self._scenario.closed(program, outcome, content, after)
            if wrong is not None:
                return f"{program.name}, alone from here: {wrong}"
        return wrong

    def _end_wrong(self, number: int, table: int) -> str | None:
        if (number, table) not in self._ended:
            place = self._places.values[number]
            asked, outcome = self._scenario.programs[place.program], place.outcome
            assert outcome is not None
            self.reached.add((asked.request, outcome.kind))
            wrong = self._scenario.ended(asked, outcome, self._tables.values[table])
            self._ended[number, table] = wrong
        return self._ended[number, table]

    def _judge(self, table: int, places: tuple[int, ...]) -> str | None:
        over = tuple(p if self._is_over[p] else NOTHING for p in places)
        if (table, over) not in self._judged:
            outcomes: Outcomes = tuple(self._places.values[place].outcome for place in places)
            content = self._tables.values[table]
            self._judged[table, over] = self._scenario.judge(
                self._scenario.programs, outcomes, content
            )
        return self._judged[table, over]

    def _name(self, program: int) -> str:
        return self._scenario.programs[program].name

    def _line(self, before: State, state: State) -> str:
        """The step from `before` to `state` in words."""
        cause = next(cause for after, cause in self._steps(before) if after == state)
        if cause.move is not None:
            place = self._places.values[before[1][cause.program]]
            outcome = self._places.values[cause.move.place].outcome
            ends = f"; answers {outcome.kind}" if outcome is not None else ""
            step = Step(self._name(cause.program), cause.move.fault)
            return self._described(step, before[0], place.call) + ends
        if cause.landing != NOTHING:
            program, call = self._copies.values[cause.landing]
            return self._described(Step(self._name(program), lands=True), before[0], call)
        return described(Step(cause.label), None, None)

    def _described(self, step: Step, table: int, call: int) -> str:
        answer = self._applied(table, call)[1]
        return described(step, self._calls.values[call], self._answers.values[answer])


def searched(scenario: Scenario, rewrite: Rewrite = literal, limit: int | None = None) -> Result:
    """The result of exploring `scenario`."""
    with stage():
        return Search(scenario, rewrite).run(limit)
