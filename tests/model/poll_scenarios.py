"""Polls of a job that upstream did not know once, by processes that know the job and by others, beside the
sweeper.

Bounds: no fault; `deep` adds one.
"""

from collections.abc import Iterator

from engine.credits.hold_items import CAPTURED
from engine.transcription.outcomes import FORGOTTEN_AFTER_S
from tests.model import programs as do
from tests.model import starts
from tests.model.books import audit
from tests.model.programs import Asked
from tests.model.scenario import Outcomes, Program, Scenario, alone
from tests.model.scenarios import LATE, scenario_of
from tests.model.starts import JOB, TOKEN
from tests.model.store import UPSTREAM, Content

FORGOTTEN = "upstream has forgotten the job"
"""The reason of a release by two 404s."""

POLL_AT = LATE + FORGOTTEN_AFTER_S + 20
"""More than two minutes after the first 404, which was at `LATE` at the latest."""


def poll_scenarios(*, deep: bool = False) -> list[Scenario]:
    makers = (forgotten_or_not, known_again, forgotten_by_who_knows, known_again_by_who_knows)
    return [make(deep) for make in makers]


def forgotten_or_not(deep: bool) -> Scenario:
    """A job that upstream did not know once and does not know now; its process may come back with it, and
    the job ends or not: two polls and the sweeper.
    """
    return scenario_of(
        "a job that is missing, and may come back", _polls(deep), seen_missing("missing"), ("L", "ok"),
        ("L", "job_not_found"), judge=_text_is_paid, environment=_comes_back, faults=int(deep),
    )  # fmt: skip


def known_again(deep: bool) -> Scenario:
    """A job that upstream did not know once, and knows now."""
    return scenario_of(
        "a job that was missing once", _polls(deep), seen_missing("processing"), ("L", "ok"),
        judge=_text_is_paid, audit=_not_forgotten, environment=_comes_back, faults=int(deep),
    )  # fmt: skip


def forgotten_by_who_knows(deep: bool) -> Scenario:
    """The same, where one of the polls is of a process that knows the job and asks first."""
    return scenario_of(
        "a known job that is missing, and may come back", _polls_of_who_knows(),
        seen_missing("missing"), ("K", "ok"), ("K", "job_not_found"), judge=_text_is_paid,
        environment=_comes_back, faults=int(deep),
    )  # fmt: skip


def known_again_by_who_knows(deep: bool) -> Scenario:
    """A job that was missing once; two polls, one after the other, by processes that know it, and upstream
    forgets the job and finds it again at any time.
    """
    polls = do.attempts(
        lambda asked: do.looked_at(asked, JOB, knows=TOKEN), Asked("K", at=POLL_AT), 2, first=0,
        waits=True,
    )  # fmt: skip
    return scenario_of(
        "a known job that was missing once", polls, seen_missing("processing"), ("K", "ok"),
        ("K", "job_not_found"), judge=_known_in_between, environment=_comes_and_goes, faults=int(deep),
    )  # fmt: skip


def _comes_and_goes(content: Content) -> Iterator[tuple[str, Content]]:
    job = content[UPSTREAM, JOB]
    state = "missing" if job["state"] == "processing" else "processing"
    yield f"upstream: the job is {state}", {**content, (UPSTREAM, JOB): {**job, "state": state}}


def _known_in_between(
    programs: tuple[Program, ...], outcomes: Outcomes, content: Content
) -> str | None:
    """The first poll was told that the job runs, so the second one's 404 is a first one."""
    first = outcomes[0]
    is_known = first is not None and first.kind == "ok" and first.facts["credit"] == "held"
    wrong = is_known and _is_forgotten(content)
    return "forgotten by a 404 before a good answer" if wrong else None


def _polls_of_who_knows() -> list[Program]:
    return [
        do.looked_at(Asked("K", at=POLL_AT), JOB, knows=TOKEN),
        do.looked_at(Asked("L", at=POLL_AT), JOB),
        do.swept(Asked("S", at=POLL_AT)),
    ]


def _polls(deep: bool) -> list[Program]:
    """With a fault, a poll of a process that has just asked makes too many states to see them all."""
    polls = do.attempts(lambda asked: do.looked_at(asked, JOB), Asked("L", at=POLL_AT), 2, first=0)
    told = do.looked_at(Asked("T", at=POLL_AT), JOB, has_asked=True)
    return [*polls, *([] if deep else [told]), do.swept(Asked("S", at=POLL_AT))]


def seen_missing(now: str) -> Content:
    """A running job that upstream answered 404 for once, at `LATE`, and that is `now` there."""
    started = starts.submitted(0)
    lost = {**started, (UPSTREAM, JOB): {**started[UPSTREAM, JOB], "state": "missing"}}
    outcome, content = alone(do.looked_at(Asked("first-look", at=LATE - 2), JOB), lost)
    if outcome.kind != "job_not_found":
        raise AssertionError(outcome)
    return {**content, (UPSTREAM, JOB): {**content[UPSTREAM, JOB], "state": now}}


def _comes_back(content: Content) -> Iterator[tuple[str, Content]]:
    """Upstream's process is back and has its job, or the job ends."""
    job = content[UPSTREAM, JOB]
    after = {"missing": ("processing",), "processing": ("completed", "failed")}
    for state in after.get(job["state"], ()):
        yield f"upstream: the job is {state}", {**content, (UPSTREAM, JOB): {**job, "state": state}}


def _text_is_paid(
    programs: tuple[Program, ...], outcomes: Outcomes, content: Content
) -> str | None:
    """Whoever was told the text has paid for it, from then on."""
    told = [o for o in outcomes if o is not None and o.kind == "ok" and o.facts.get("text")]
    (hold,) = (i for (_, sk), i in content.items() if sk.startswith("H#") and i["job_id"] == JOB)
    wrong = told and hold["state"] != CAPTURED
    return f"the text was told, and the hold is {hold['state']}" if wrong else None


def _not_forgotten(content: Content) -> str | None:
    """Upstream knew the job at every question but the first."""
    return "forgotten by one 404" if _is_forgotten(content) else audit(content)


def _is_forgotten(content: Content) -> bool:
    return any(item.get("reason") == FORGOTTEN for item in content.values())
