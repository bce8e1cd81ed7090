"""The money moves as they are built, in the company that could hurt them.

Bounds: two faults (one where the programs are many), three tries of a move. `deep` adds attempts or a fault.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from engine.credits.hold_items import CAPTURED, RELEASED, SPENT
from engine.web.rate_limits import WINDOW_S
from engine.web.request_ids import KEEP_S
from tests.model import programs as do
from tests.model import rules, starts
from tests.model.books import audit
from tests.model.programs import NOW, Asked
from tests.model.replay import Outcome
from tests.model.scenario import Outcomes, Program, Scenario
from tests.model.starts import JOB, KEY, TOKEN
from tests.model.store import UPSTREAM, Content
from tests.support.proxy import JOB_LIMIT_S

LATE = NOW + 1_000
"""Past the time of a token that was vended at `NOW`, so that the sweeper finds its hold."""

LAST = NOW + JOB_LIMIT_S + 2_000
LAST_SWEEP = do.swept(Asked("last-sweep", at=LAST))


def scenarios(*, deep: bool = False) -> list[Scenario]:
    """All of them, the small ones first."""
    return [make(deep) for make in MAKERS]


def scenario_of(
    name: str, made: list[Program], start: Content, *expected: tuple[str, str], **other: object
) -> Scenario:
    """A scenario under the rules of credits; `other` are fields of `Scenario`, also in their place."""
    fields: dict[str, object] = {
        "audit": audit,
        "kept": rules.kept,
        "ended": rules.ended,
        "judge": rules.judged,
        "closed": _closed,
        "expected": frozenset(expected),
    }
    return Scenario(name, tuple(made), start, **(fields | other))  # type: ignore[arg-type]


def _closed(program: Program, outcome: Outcome, before: Content, after: Content) -> str | None:
    rule = rules.swept_clean if program is LAST_SWEEP else rules.retried
    return rule(program, outcome, before, after)


def _vends(
    number: int, *, waits: bool = False, first: int = 0, request: str = "A"
) -> list[Program]:
    return do.attempts(do.vend, Asked(request), number, first=first, waits=waits)


def _retry_of(request: str = "A") -> Program:
    return do.vend(Asked(request, attempt=9))


def duplicates(balance: int) -> Callable[[bool], Scenario]:
    """The same request twice at once (deep: three times), and another, for `balance` credits."""

    def make(deep: bool) -> Scenario:
        made = [*_vends(2 + deep), do.vend(Asked("B"))]
        refused = [("B", "insufficient_credits")] if balance == 1 else []
        return scenario_of(
            f"duplicates at balance {balance}", made, starts.funded(balance), ("A", "ok"), ("B", "ok"),
            *refused, closing=(_retry_of(), _retry_of("B")), faults=2 + deep,
        )  # fmt: skip

    return make


def retries(deep: bool) -> Scenario:
    """A client tries the last credit's request again and again, each time after the end of the
    attempt before, which may have died; another request is after the same credit.
    """
    made = [*_vends(3, waits=True), do.vend(Asked("B"))]
    return scenario_of(
        "retries of the last credit", made, starts.funded(1), ("A", "ok"), ("A", "insufficient_credits"),
        closing=(_retry_of(), _retry_of("B")), faults=2 + deep,
    )  # fmt: skip


def recharge(deep: bool) -> Scenario:
    """At balance 0 a client tries, a payment comes in twice, the client tries again."""
    grants = do.attempts(
        lambda asked: do.granted(asked, payment="pay-1"), Asked("G"), 2, first=2 + deep
    )
    made = [*_vends(2 + deep, waits=True), *grants]
    spent = starts.after(do.vend(Asked("first"), key=KEY), content=starts.funded(1))
    return scenario_of(
        "recharge at balance 0", made, spent, ("A", "ok"), ("A", "insufficient_credits"), ("G", "ok"),
        closing=(_retry_of(), do.granted(Asked("G", 9), payment="pay-1")), faults=2 + deep,
    )  # fmt: skip


def vend_and_grant(deep: bool) -> Scenario:
    """Two attempts of a vend and two of a grant on one account."""
    grants = do.attempts(do.granted, Asked("G"), 2, first=2)
    return scenario_of(
        "vend and grant", [*_vends(2), *grants], starts.funded(1), ("A", "ok"), ("G", "ok"),
        closing=(_retry_of(), do.granted(Asked("G", 9))), faults=2 + deep,
    )  # fmt: skip


def _vend_of_two(asked: Asked) -> Program:
    return do.vend(asked, rate_limit=2)


def limited(deep: bool) -> Scenario:
    """Two calls a minute: two attempts of one vend, another vend, and a refusal that is counted."""
    made = [
        *do.attempts(_vend_of_two, Asked("A"), 2, first=0),
        _vend_of_two(Asked("B")),
        do.refusal_counted(Asked("N"), rate_limit=2),
    ]
    return scenario_of(
        "rate limit", made, starts.after(_vend_of_two(Asked("first")), content=starts.funded(4)), ("A", "ok"),
        ("A", "rate_limited"), ("N", "ok"), closing=(_vend_of_two(Asked("A", 9)),),
        faults=1 + deep, kept=_window_onward, judge=_window_exact,
    )  # fmt: skip


def window_ends(deep: bool) -> Scenario:
    """A vend in the last second of a window, and two refusals in the first second of the next."""
    end = NOW + WINDOW_S
    made = [
        _vend_of_two(Asked("A", at=end - 1)),
        do.refusal_counted(Asked("M", at=end), rate_limit=2),
        do.refusal_counted(Asked("N", at=end), rate_limit=2),
    ]
    return scenario_of(
        "rate limit where a window ends", made,
        starts.after(_vend_of_two(Asked("first")), content=starts.funded(4)), ("A", "ok"), ("M", "ok"),
        ("N", "ok"), faults=1 + deep, kept=_window_onward, judge=_window_exact,
    )  # fmt: skip


def _window_onward(old: Content, new: Content) -> str | None:
    """A window is followed by a later one, and counts only up."""
    was, now = (content["A#u", "ACCOUNT#credits"] for content in (old, new))
    place = [(account["rate_from"], account["rate_used"]) for account in (was, now)]
    return rules.kept(old, new) or (None if place[0] <= place[1] else f"window {place}")


def _window_exact(
    programs: tuple[Program, ...], outcomes: Outcomes, content: Content
) -> str | None:
    """Every vend and every counted refusal of the window is in it, and none is past the limit."""
    account = content["A#u", "ACCOUNT#credits"]
    start, used = account["rate_from"], account["rate_used"]
    told = [
        outcome.facts.get("counted_at", 0)
        for outcome in outcomes
        if outcome and outcome.kind == "ok"
    ]
    vends = [item["at"] for item in content.values() if item.get("type") == "spend"]
    calls = sum(at >= start for at in [*told, *vends])
    if not calls <= used <= 2:
        return f"{calls} calls in a window of {used} of 2"
    missing = any(at >= start + WINDOW_S for at in told)
    return (
        "counted in a window that is over" if missing else rules.judged(programs, outcomes, content)
    )


def created_once(deep: bool) -> Scenario:
    """A user created by two attempts of one request, by another request, and by a payment."""
    made = [
        *do.attempts(do.created, Asked("C"), 2, first=0),
        do.created(Asked("D")),
        do.granted(Asked("G"), payment="pay-1"),
    ]
    return scenario_of(
        "a user created", made, {}, ("C", "ok"), ("C", "user_exists"), ("G", "ok"),
        closing=(do.created(Asked("C", 9)), do.granted(Asked("G", 9), payment="pay-1")),
        faults=2 + deep,
    )  # fmt: skip


def payment_twice(deep: bool) -> Scenario:
    """One payment notified three times, on an account that does not exist yet."""
    made = do.attempts(lambda asked: do.granted(asked, payment="pay-1"), Asked("G"), 3, first=0)
    return scenario_of(
        "the same payment again", made, {}, ("G", "ok"),
        closing=(do.granted(Asked("G", 9), payment="pay-1"),), faults=2 + deep,
    )  # fmt: skip


def payment_for_two(deep: bool) -> Scenario:
    """One payment claimed for two users, each twice."""

    def pay(asked: Asked) -> Program:
        return do.granted(asked, payment="pay-1")

    made = [
        *do.attempts(pay, Asked("G"), 2, first=0),
        *do.attempts(pay, Asked("X", user="other"), 2, first=2),
    ]
    return scenario_of(
        "a payment for two users", made, {}, ("G", "ok"), ("X", "ok"),
        ("G", "idempotency_key_reused"), faults=2 + deep,
    )  # fmt: skip


def two_payloads(deep: bool) -> Scenario:
    """Two payloads under one request id, one of them twice."""
    made = [*_vends(2), do.vend(Asked("B"), key="A", payload='{"other":1}')]
    return scenario_of(
        "two payloads under one request id", made, starts.funded(2), ("A", "ok"), ("B", "ok"),
        ("A", "idempotency_key_reused"), ("B", "idempotency_key_reused"), faults=2 + deep,
    )  # fmt: skip


def sweep_or_claim(deep: bool) -> Scenario:
    """The sweeper and the token's late use meet on a hold that nobody has claimed."""
    late = Asked("T", at=LATE - 200)
    made = [
        *do.attempts(lambda asked: do.submitted(asked, TOKEN), late, 2, first=0),
        *do.attempts(do.swept, Asked("S", at=LATE), 2, first=2),
    ]
    return scenario_of(
        "sweeper or claim", made, starts.vended(0), ("T", "ok"), ("T", "unauthorized"), ("S", "ok"),
        closing=(LAST_SWEEP,), faults=2 + deep,
    )  # fmt: skip


def job_ends(deep: bool) -> Scenario:
    """A job is started, ends either way, and status, sweeper and webhook settle it at once."""
    made = [
        do.submitted(Asked("T", at=LATE - 200), TOKEN),
        *do.attempts(lambda asked: do.looked_at(asked, JOB), Asked("L", at=LATE), 2, first=1),
        do.swept(Asked("S", at=LATE)),
    ]
    return scenario_of(
        "a job from start to end", made, starts.vended(0), ("T", "ok"), ("T", "upstream_error"),
        ("L", "ok"), ("L", "job_not_found"), closing=(LAST_SWEEP,), environment=_jobs_end,
        faults=1 + deep,
    )  # fmt: skip


def bought_anew(deep: bool) -> Scenario:
    """The id of an unused token that has run out is vended again, twice, while the sweeper comes."""
    again = Asked("again", at=LATE)
    made = [
        *do.attempts(lambda asked: do.vend(asked, key=KEY), again, 2, first=0),
        do.swept(Asked("S", at=LATE)),
    ]
    return scenario_of(
        "an id whose token ran out unused", made, starts.vended(1), ("again", "ok"), ("S", "ok"),
        judge=_bought_once, ended=rules.sold, faults=1 + deep,
    )  # fmt: skip


def _bought_once(programs: tuple[Program, ...], outcomes: Outcomes, content: Content) -> str | None:
    """However often it is asked, one token is open for the id, and one credit was returned for it."""
    open_ = [item for item in content.values() if item.get("state") == "open"]
    return f"{len(open_)} holds are open for one id" if len(open_) > 1 else None


def late_success_of_the_first(deep: bool) -> Scenario:
    """A job is given up and its id buys anew, while the first job's success arrives."""
    given_up = starts.after(
        do.settled(Asked("R", at=NOW + 100), TOKEN, RELEASED), content=starts.submitted(1)
    )
    made = [
        *do.attempts(lambda asked: do.vend(asked, key=KEY), Asked("again", at=LATE), 2, first=0),
        *_told("C", CAPTURED, first=2, number=1),
    ]
    return scenario_of(
        "a late success of what was bought before", made, given_up, ("again", "ok"), ("C", "ok"),
        judge=_bought_once, ended=rules.sold, faults=1 + deep,
    )  # fmt: skip


def handed_to_two(deep: bool) -> Scenario:
    """The message of a call that was handed over is delivered twice at once."""
    made = do.attempts(
        lambda asked: do.performed(asked, TOKEN), Asked("W", at=NOW + 20), 2, first=0
    )
    waiting = starts.after(do.handed_over(Asked("T", at=NOW + 10), TOKEN), content=starts.vended(0))
    return scenario_of(
        "a call handed over, delivered twice", made, waiting, ("W", "ok"), ended=rules.done_by_another,
        closing=(LAST_SWEEP,), faults=1 + deep,
    )  # fmt: skip


def _jobs_end(content: Content) -> Iterator[tuple[str, Content]]:
    for key, item in content.items():
        if key[0] == UPSTREAM and item["state"] == "processing":
            for end in ("completed", "failed"):
                yield f"upstream: the job has {end}", {**content, key: {**item, "state": end}}


def contradictions(balance: int) -> Callable[[bool], Scenario]:
    """Released is told twice, captured once (deep: twice), late and in any order; a vend takes the
    balance.
    """

    def make(deep: bool) -> Scenario:
        made = [
            *_told("C", CAPTURED, first=0, number=1 + deep),
            *_told("R", RELEASED, first=1 + deep),
            do.vend(Asked("B", at=LATE)),
        ]
        return scenario_of(
            f"contradictory outcomes at balance {balance}", made, starts.submitted(balance), ("C", "ok"),
            ("R", "ok"), ("B", "ok"), closing=(do.vend(Asked("B", 9, at=LATE)),), faults=1,
        )  # fmt: skip

    return make


def _told(request: str, outcome: str, *, first: int, number: int = 2) -> list[Program]:
    asked = Asked(request, at=NOW + 100)
    return do.attempts(lambda a: do.settled(a, TOKEN, outcome), asked, number, first=first)


def redeemed_once(legacy: bool) -> Callable[[bool], Scenario]:
    """A token honoured by two backends, used for a transcription, and swept or refunded."""

    def make(deep: bool) -> Scenario:
        start = _legacy() if legacy else starts.vended(0)
        token = LEGACY_TOKEN if legacy else TOKEN
        made = [
            do.redeemed(Asked("Q", at=NOW + 50), token),
            do.redeemed(Asked("R", at=NOW + 50), token),
            do.submitted(Asked("T", at=NOW + 50), token),
            do.settled(Asked("U", at=NOW + 70), token, RELEASED) if legacy
            else do.swept(Asked("S", at=LATE)),
        ]  # fmt: skip
        return scenario_of(
            f"a {'spent' if legacy else 'held'} token redeemed twice", made, start, ("R", "ok"),
            ("R", "unauthorized"), ("T", "ok"), ("T", "unauthorized"), faults=1 + deep,
        )  # fmt: skip

    return make


LEGACY_TOKEN = do.vended_token("legacy", operation=do.LEGACY)


def _legacy() -> Content:
    spent = do.vend(Asked("legacy"), state=SPENT)
    return starts.after(spent, content=starts.funded(2))


LATER = NOW + KEEP_S + 100


def kept_no_longer(*, used: bool) -> Callable[[bool], Scenario]:
    """A spent hold past its time, used before or not: the same key is vended again, the old token
    honoured and refunded, the item deleted by its ttl, all at once.
    """

    def make(deep: bool) -> Scenario:
        honoured = do.redeemed(Asked("P", at=NOW + 50), LEGACY_TOKEN)
        made = [
            *do.attempts(_again, Asked("legacy", at=LATER), 2, first=0),
            do.settled(Asked("U", at=LATER), LEGACY_TOKEN, RELEASED),
            do.redeemed(Asked("Q", at=LATER), LEGACY_TOKEN),
        ]
        return scenario_of(
            f"the key of {'a used' if used else 'an unused'} token after its time", made,
            starts.after(honoured, content=_legacy()) if used else _legacy(), ("legacy", "ok"),
            ("U", "ok"), ("Q", "unauthorized"), environment=_ttl(LATER), faults=1 + deep,
        )  # fmt: skip

    return make


def _again(asked: Asked) -> Program:
    return do.vend(replace(asked, attempt=asked.attempt + 1), state=SPENT)


def granted_again(deep: bool) -> Scenario:
    """A grant's request id long afterwards: it is answered as the first time and grants nothing more."""

    def grant(asked: Asked) -> Program:
        return do.granted(replace(asked, attempt=asked.attempt + 1))

    return scenario_of(
        "a grant's id used again long afterwards",
        do.attempts(grant, Asked("G", at=LATER), 3, first=0),
        starts.after(do.granted(Asked("G"))),
        ("G", "ok"), ended=_as_at_first, environment=_ttl(LATER), faults=2 + deep,
    )  # fmt: skip


def _as_at_first(program: Program, outcome: Outcome, content: Content) -> str | None:
    anew = outcome.kind == "ok" and outcome.facts["at"] >= LATER
    wrong = f"{program.name}: a request id granted twice"
    return wrong if anew else rules.ended(program, outcome, content)


def _ttl(now: int) -> Callable[[Content], Iterable[tuple[str, Content]]]:
    def passed(content: Content) -> Iterator[tuple[str, Content]]:
        for key, item in content.items():
            if item.get("ttl", now) < now:
                rest = {other: kept for other, kept in content.items() if other != key}
                yield f"ttl: {item['sk'][:12]} is deleted", rest

    return passed


MAKERS: tuple[Callable[[bool], Scenario], ...] = (
    payment_twice,
    two_payloads,
    duplicates(1),
    duplicates(2),
    kept_no_longer(used=False),
    kept_no_longer(used=True),
    granted_again,
    retries,
    redeemed_once(legacy=True),
    redeemed_once(legacy=False),
    payment_for_two,
    created_once,
    vend_and_grant,
    recharge,
    limited,
    window_ends,
    sweep_or_claim,
    job_ends,
    bought_anew,
    late_success_of_the_first,
    handed_to_two,
    contradictions(0),
    contradictions(1),
)
