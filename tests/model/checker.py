"""Breadth-first search over all interleavings of a scenario's programs, with faults.

A state is the table, where each program stands, the writes that are still in flight and the faults
that are left. Tables, places and calls are interned, so a state is a few integers, and what a call
does to a table is worked out once.

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

Attempts of one request differ in nothing but their number, so they start in order: another order is
the same interleaving with the numbers exchanged.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tests.model.faults import SENT_AGAIN, Fault, faults_of
from tests.model.replay import Outcome, advanced, stage
from tests.model.scenario import Outcomes, Scenario, alone
from tests.model.store import Answer, Call, Content, Rewrite, applied, literal
from tests.model.trace import Step, described

T = TypeVar("T")
State = tuple[int, tuple[int, ...], tuple[tuple[int, int], ...], int]
"""Table, place of each program, writes in flight as (program, call), faults left."""

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


@dataclass(frozen=True, slots=True)
class Move:
    """One step from a place over a table; `in_flight` is the call that it leaves on its way."""

    table: int
    place: int
    fault: Fault | None = None
    in_flight: int = NOTHING


class Search:
    """One search of one scenario; `rewrite` changes conditions, to see what the rules notice."""

    def __init__(self, scenario: Scenario, rewrite: Rewrite = literal) -> None:
        self._scenario = scenario
        self._rewrite = rewrite
        self._tables: Interned[Content] = Interned()
        self._calls: Interned[Call] = Interned()
        self._answers: Interned[Answer] = Interned()
        self._places: Interned[Place] = Interned()
        self._items: Interned[Any] = Interned()
        self._applied_memo: dict[tuple[int, int], tuple[int, int]] = {}
        self._moves_memo: dict[tuple[int, int], list[Move]] = {}
        self._next_memo: dict[tuple[int, tuple[int, ...]], int] = {}
        self._changes_memo: dict[int, list[tuple[str, int]]] = {}
        self._judged: dict[tuple[int, tuple[int, ...]], str | None] = {}
        self._kept: dict[tuple[int, int], str | None] = {}
        self._ended: dict[tuple[int, int], str | None] = {}
        self._audited: dict[int, str | None] = {}
        self._parents: dict[State, State | None] = {}
        self._transitions = 0
        self._mortal = frozenset(p.follows for p in scenario.programs if p.waits)
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
        for state in frontier:
            for after, _ in self._steps(state):
                self._transitions += 1
                wrong = self._kept_wrong(state[0], after[0]) or self._ended_wrong(state, after)
                if after not in self._parents:
                    self._parents[after] = state
                    fresh.append(after)
                    wrong = wrong or self._wrong(after)
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

    def _steps(self, state: State) -> Iterator[tuple[State, Step]]:
        table, places, in_flight, left = state
        for program, place in enumerate(places):
            if self._places.values[place].over or not self._may_run(program, places):
                continue
            for move in self._moves(table, place):
                after = self._moved(state, program, move)
                if after is not None:
                    yield after, Step(self._name(program), move.fault)
        for copy in in_flight:
            landed, _ = self._applied(table, copy[1])
            if landed != table:
                rest = tuple(other for other in in_flight if other != copy)
                yield (landed, places, rest, left), Step(self._name(copy[0]), lands=True)
        for label, changed in self._changes(table):
            yield (changed, places, in_flight, left), Step(label)

    def _moved(self, state: State, program: int, move: Move) -> State | None:
        """The state after `move`, None if it is not to be had."""
        _, places, in_flight, left = state
        if move.fault is not None:
            if left == 0:
                return None
            left -= 1
        if move.in_flight != NOTHING:
            copy = (program, move.in_flight)
            if copy in in_flight:
                return None
            in_flight = tuple(sorted((*in_flight, copy)))
        return move.table, (*places[:program], move.place, *places[program + 1 :]), in_flight, left

    def _may_run(self, program: int, places: tuple[int, ...]) -> bool:
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
        yield Move(after, self._answered(place, answer))
        call, mortal = self._calls.values[place.call], place.program in self._mortal
        for fault in faults_of(call, self._answers.values[answer], mortal=mortal):
            if fault is SENT_AGAIN and not self._scenario.resends:
                continue
            then = self._befallen(number, fault)
            yield Move(table, then, fault, place.call if fault.in_flight else NOTHING)

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
        return self._places.number((place.program, place.answers, place.call, end), place)

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

    def _kept_wrong(self, old: int, new: int) -> str | None:
        if old == new:
            return None
        if (old, new) not in self._kept:
            tables = self._tables.values
            self._kept[old, new] = self._scenario.kept(tables[old], tables[new])
        return self._kept[old, new]

    def _wrong(self, state: State) -> str | None:
        """What is wrong with `state`, however it was reached."""
        table, places, in_flight, _ = state
        if table not in self._audited:
            self._audited[table] = self._audit(self._tables.values[table])
        wrong = self._audited[table] or self._judge(table, places)
        if wrong is None and not in_flight and all(self._places.values[p].over for p in places):
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

    def _ended_wrong(self, before: State, state: State) -> str | None:
        """What is wrong with the end of a program in the step from `before`, however often `state`
        was reached otherwise: by then the table may have moved on.
        """
        if before[1] is state[1]:
            return None
        for old, new in zip(before[1], state[1], strict=True):
            if old != new and self._places.values[new].outcome is not None:
                return self._end_wrong(new, state[0])
        return None

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
        over = tuple(p if self._places.values[p].over else NOTHING for p in places)
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
        step = next(step for after, step in self._steps(before) if after == state)
        call = self._call_of(before, state)
        answer = None if call is None else self._applied(before[0], call)[1]
        shown = None if answer is None else self._answers.values[answer]
        ends = self._end_line(before, state)
        return described(step, None if call is None else self._calls.values[call], shown) + ends

    def _call_of(self, before: State, state: State) -> int | None:
        """The call by which `before` became `state`."""
        for old, new in zip(before[1], state[1], strict=True):
            if old != new:
                return self._places.values[old].call
        if len(before[2]) != len(state[2]):
            ((_, call),) = set(before[2]) ^ set(state[2])
            return call
        return None

    def _end_line(self, before: State, state: State) -> str:
        for old, new in zip(before[1], state[1], strict=True):
            outcome = self._places.values[new].outcome
            if old != new and outcome is not None:
                return f"; answers {outcome.kind}"
        return ""


def searched(scenario: Scenario, rewrite: Rewrite = literal, limit: int | None = None) -> Result:
    """The result of exploring `scenario`."""
    with stage():
        return Search(scenario, rewrite).run(limit)
