"""What is explored: attempts of requests on a table, and what must hold."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.model.replay import Outcome, Run, advanced
from tests.model.store import Answer, Content, Rewrite, applied, literal

CLOSING_TRIES = 3


@dataclass(frozen=True)
class Program:
    """One attempt of one request. It starts after the start of the one that it `follows`, or after
    its end where `waits`: then it is a client's retry, and not a duplicate.
    """

    request: str
    attempt: int
    run: Run
    follows: int | None = None
    waits: bool = False

    @property
    def name(self) -> str:
        return f"{self.request}.{self.attempt}"


Outcomes = tuple[Outcome | None, ...]
"""How each program ended, None while it has not."""


@dataclass(frozen=True)
class Scenario:
    """All rules answer what is wrong, None for nothing.

    `audit` looks at every table, `kept` at every change of one, `ended` at every program's end and
    the table at that moment, `judge` at all outcomes so far, `quiet` at tables where all programs
    are over and nothing is in flight. `closing` programs are run alone and
    without faults on every table that is reached, and `closed` looks at the end and at the table
    before and after. `expected` are the ends that must occur. `environment` gives the changes that
    happen by themselves.
    """

    name: str
    programs: tuple[Program, ...]
    start: Content
    audit: Callable[[Content], str | None] = lambda _: None
    kept: Callable[[Content, Content], str | None] = lambda *_: None
    ended: Callable[[Program, Outcome, Content], str | None] = lambda *_: None
    judge: Callable[[tuple[Program, ...], Outcomes, Content], str | None] = lambda *_: None
    quiet: Callable[[Content], str | None] = lambda _: None
    closing: tuple[Program, ...] = ()
    closed: Callable[[Program, Outcome, Content, Content], str | None] = lambda *_: None
    environment: Callable[[Content], Iterable[tuple[str, Content]]] = lambda _: ()
    expected: frozenset[tuple[str, str]] = frozenset()
    faults: int = 2
    tries: int = 3
    resends: bool = True
    """Whether the SDK sends a write again."""


def alone(
    program: Program, content: Content, rewrite: Rewrite = literal
) -> tuple[Outcome, Content]:
    """`program` run to its end by itself, without faults, and the table that it leaves."""
    answers: list[Answer] = []
    while True:
        step = advanced(program.run, answers, CLOSING_TRIES, program.name)
        if isinstance(step, Outcome):
            return step, content
        content, answer = applied(content, step, rewrite)
        answers.append(answer)
