"""The sweeper, through its handler: every hold past its time ends as it should, and none before."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine.credits import holds
from engine.credits.hold_items import CAPTURED, OPEN, RELEASED, Hold
from engine.credits.holds import Claim, claim
from engine.platform.act import by_system
from engine.platform.errors import Busy, OutcomeUnknown
from engine.platform.table import ConditionFailed, Put
from engine.transcription import sweeping
from engine.transcription.jobs import OWN_JOB
from engine.transcription.upstream import NotSent, Unknown
from tests.support.gateway import Gateway
from tests.support.histories import World
from tests.support.invariants import Snapshot
from tests.support.loglines import caught
from tests.support.proxy import JOB_LIMIT_S
from tests.support.scripted import ACCEPT, COMPLETED, FAILED, LOSE, RUNNING
from tests.support.streams import Context

UNUSED_S = 920
"""A token's quarter of an hour, and 20 seconds."""

NOTHING = {"lookedAt": 0, "captured": 0, "released": 0, "waiting": 0}
ONE_CAPTURED = {**NOTHING, "lookedAt": 1, "captured": 1}
ONE_RELEASED = {**NOTHING, "lookedAt": 1, "released": 1}
ONE_WAITING = {**NOTHING, "lookedAt": 1, "waiting": 1}


class Sweeping(World):
    """A world in which one user, ann, has credits."""

    def sold(self, credits: int = 1, *, at_once: bool = False) -> tuple[str, str]:
        """A vended token and its jti, for ann who gets `credits` first."""
        assert self.add({"userId": "ann", "amount": credits}).status == 200
        reply = self.vend_at_once("ann", {}) if at_once else self.vend("ann", {})
        return reply.json["token"], self.last_subject()

    def last_subject(self) -> str:
        return self.gateway.entries("ann")[-1].subject

    def submitted(self, *, plan: str = ACCEPT, at_once: bool = False) -> tuple[str, str]:
        """The job that ann's token started, by upstream's id, and the jti."""
        token, jti = self.sold(at_once=at_once)
        self.upstream.plan = plan
        self.transcribe(token)
        return next(reversed(self.upstream.jobs)), jti

    def state(self, jti: str) -> str:
        return self.hold("ann", jti).state

    def money(self) -> tuple[int, int]:
        """What ann can spend and what is held, after checking the whole table."""
        Snapshot(self.table).assert_sound()
        account = self.gateway.ledger.account("ann")
        return account.available, account.held

    def pass_(self, seconds: int) -> None:
        self.now += seconds


@pytest.fixture(scope="module")
def studio(endpoint: str) -> Gateway:
    """A gateway whose tables and upstream are those of this module's worlds."""
    return Gateway(endpoint, RATE_LIMIT="100000")


@pytest.fixture
def world(studio: Gateway) -> Iterator[Sweeping]:
    found = Sweeping(studio)
    yield found
    found.close()


def test_an_unused_hold_is_released_after_its_time_and_not_before(world: Sweeping) -> None:
    _, jti = world.sold()
    world.pass_(UNUSED_S)
    assert world.sweep() == NOTHING
    assert (world.state(jti), world.money()) == (OPEN, (0, 1))
    world.pass_(1)
    assert world.sweep() == ONE_RELEASED
    assert (world.state(jti), world.money()) == (RELEASED, (1, 0))
    (spend, refund) = world.gateway.entries("ann")[-2:]
    assert (refund.type, refund.reverses, refund.subject) == ("refund", spend.seq, jti)
    assert (refund.actor, refund.reason) == ("system:sweeper", "the token was not used in time")
    assert world.sweep() == NOTHING


def test_an_unused_token_that_was_paid_at_once_stays_paid(world: Sweeping) -> None:
    """An outside backend may have honoured it: nobody can know."""
    world.sold(at_once=True)
    world.pass_(2 * 86_400)
    assert world.sweep() == NOTHING
    assert world.money() == (0, 0)


def test_a_call_whose_outcome_was_lost_waits_a_quarter_of_an_hour_and_is_released(
    world: Sweeping,
) -> None:
    """It is looked at with the unused tokens of its time, then when its own quarter of an hour is over."""
    token, jti = world.sold()
    world.pass_(500)
    world.upstream.plan = LOSE
    world.transcribe(token)
    for passing in (421, 301):
        world.pass_(passing)
        assert world.sweep() == ONE_WAITING
        assert world.sweep() == NOTHING
    world.pass_(178)
    assert world.sweep() == NOTHING
    world.pass_(1)
    assert world.sweep() == ONE_RELEASED
    assert (world.state(jti), world.money()) == (RELEASED, (1, 0))
    assert world.gateway.entries("ann")[-1].reason == "the call's outcome was never known"


@pytest.mark.parametrize("at_once", [False, True], ids=["held", "paid at once"])
@pytest.mark.parametrize(
    ("state", "counts", "money"),
    [(COMPLETED, ONE_CAPTURED, (0, 0)), (FAILED, ONE_RELEASED, (1, 0))],
    ids=["completed", "failed"],
)
def test_a_job_that_ended_unseen_decides(
    world: Sweeping, state: str, counts: dict[str, int], money: tuple[int, int], at_once: bool
) -> None:
    job, jti = world.submitted(at_once=at_once)
    world.upstream.jobs[job] = state
    world.pass_(300 if at_once else UNUSED_S)
    assert world.sweep() == NOTHING
    world.pass_(1)
    assert world.sweep() == counts
    assert world.money() == money
    assert world.state(jti) == (CAPTURED if state == COMPLETED else RELEASED)
    world.pass_(86_400)
    assert world.sweep() == NOTHING


@pytest.mark.parametrize(
    "trouble", [None, NotSent, lambda: Unknown("timeout")], ids=["running", "away", "silent"]
)
def test_a_job_without_an_end_is_given_up_after_an_hour(
    world: Sweeping, trouble: Callable[[], Exception] | None
) -> None:
    _, jti = world.submitted()
    world.upstream.trouble = trouble
    world.pass_(UNUSED_S - 300)
    looks = 0
    while world.now < world.hold("ann", jti).claimed_at + JOB_LIMIT_S - 301:
        world.pass_(301)
        assert world.sweep() == ONE_WAITING
        looks += 1
    assert looks == 9
    assert world.money() == (0, 1)
    world.pass_(400)
    assert world.sweep() == ONE_RELEASED
    assert world.money() == (1, 0)
    assert world.gateway.entries("ann")[-1].reason == "the job did not end in time"


def test_a_lost_call_that_was_paid_at_once_is_under_way_until_it_is_given_up(
    world: Sweeping,
) -> None:
    _, jti = world.submitted(plan=LOSE, at_once=True)
    own_job = OWN_JOB + jti
    assert world.status("ann", own_job).json["status"] == "processing"
    world.pass_(901)
    assert world.sweep() == ONE_RELEASED
    said = world.status("ann", own_job).json
    assert (said["status"], said["credit"]) == ("failed", "released")
    assert world.money() == (1, 0)


def test_a_failed_job_that_was_paid_at_once_is_refunded_however_late_the_sweeper_comes(
    world: Sweeping,
) -> None:
    """The record of a job under way does not pass, even where no sweep ran for days."""
    job, jti = world.submitted(at_once=True)
    world.upstream.jobs[job] = FAILED
    world.pass_(3 * 86_400)
    world.expire(Snapshot(world.table).items)
    assert world.sweep() == ONE_RELEASED
    assert (world.state(jti), world.money()) == (RELEASED, (1, 0))


def test_a_job_that_upstream_forgot_is_released_two_minutes_after_that_was_seen(
    world: Sweeping,
) -> None:
    """A 404 may be an upstream that is not consistent yet, or one of several."""
    job, _ = world.submitted()
    del world.upstream.jobs[job]
    world.pass_(UNUSED_S + 1)
    assert world.sweep() == ONE_WAITING
    world.pass_(119)
    assert world.status("ann", job).json["credit"] == "held"
    world.upstream.jobs[job] = RUNNING
    world.pass_(1)
    assert world.status("ann", job).status == 200
    del world.upstream.jobs[job]
    world.pass_(181)
    assert world.sweep() == ONE_WAITING
    world.pass_(301)
    assert world.sweep() == ONE_RELEASED
    assert world.gateway.entries("ann")[-1].reason == "upstream has forgotten the job"
    assert world.money() == (1, 0)


def given_up(world: Sweeping) -> tuple[str, str]:
    """A job that was still running when its credit went back."""
    job, jti = world.submitted()
    world.pass_(JOB_LIMIT_S + 1)
    assert world.sweep() == ONE_RELEASED
    return job, jti


def test_a_late_success_takes_the_refund_back_and_names_it(world: Sweeping) -> None:
    job, jti = given_up(world)
    world.pass_(1)
    world.upstream.jobs[job] = COMPLETED
    assert world.status("ann", job).json["credit"] == "captured"
    refund, charge = world.gateway.entries("ann")[-2:]
    assert (charge.type, charge.amount, charge.held) == ("spend", -1, 0)
    assert (charge.reverses, charge.subject) == (refund.seq, jti)
    assert (world.state(jti), world.money()) == (CAPTURED, (0, 0))


def test_a_late_success_is_kept_back_until_the_account_can_pay_for_it(world: Sweeping) -> None:
    """The refund was spent elsewhere: the text is told only for another credit."""
    job, jti = given_up(world)
    assert world.vend_at_once("ann", {}).status == 200
    world.upstream.jobs[job] = COMPLETED
    world.pass_(1)
    told = world.status("ann", job).json
    assert (told["credit"], told["status"], told["text"]) == ("released", "failed", None)
    assert (world.state(jti), world.money()) == (RELEASED, (0, 0))
    world.add({"userId": "ann", "amount": 1})
    paid = world.status("ann", job).json
    assert (paid["credit"], paid["status"]) == ("captured", "completed")
    assert paid["text"] is not None
    assert (world.state(jti), world.money()) == (CAPTURED, (0, 0))


def test_upstreams_first_word_on_a_jobs_end_stays(world: Sweeping) -> None:
    job, jti = world.submitted()
    world.upstream.jobs[job] = COMPLETED
    world.pass_(UNUSED_S + 1)
    assert world.sweep() == ONE_CAPTURED
    for state in (FAILED, COMPLETED):
        world.upstream.jobs[job] = state
        world.pass_(1)
        assert world.status("ann", job).json["credit"] == "captured"
    assert (world.state(jti), world.money()) == (CAPTURED, (0, 0))


def test_two_sweeps_at_once_end_each_hold_once(world: Sweeping) -> None:
    for _ in range(12):
        world.sold()
    world.pass_(UNUSED_S + 1)
    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(lambda _: world.sweep(), range(2)))
    assert max(each["released"] for each in counts) <= 12
    assert world.money() == (12, 0)
    types = [entry.type for entry in world.gateway.entries("ann")]
    assert types.count("refund") == 12


def test_what_was_claimed_while_the_sweeper_looked_is_left_alone(world: Sweeping) -> None:
    """The sweeper saw an unused hold; before it wrote, a transcription claimed it."""
    _, jti = world.sold()
    seen = world.hold("ann", jti)
    world.pass_(UNUSED_S + 1)
    world.table.write(claim("ann", jti, Claim("a-claim", "a-request", world.now)))
    act = by_system("sweeper", "sweep", "", at=world.now)
    left = holds.settle(world.gateway.ledger, seen, RELEASED, act)
    assert (left.state, left.claim) == (OPEN, "a-claim")
    assert world.money() == (0, 1)


def test_a_released_hold_cannot_be_claimed_any_more(world: Sweeping) -> None:
    token, jti = world.sold()
    world.pass_(UNUSED_S + 1)
    world.sweep()
    with pytest.raises(ConditionFailed):
        world.table.write(claim("ann", jti, Claim("a-claim", "a-request", world.now)))
    world.now -= UNUSED_S
    assert world.transcribe(token).status == 401
    assert world.validate(token, consume=True) == {
        "ok": False,
        "valid": False,
        "reason": "released",
    }
    assert world.upstream.started == []


class TroubledSettle:
    """Settles holds, but for one, at which the store is in trouble."""

    def __init__(self, jti: str, trouble: Exception) -> None:
        self._jti = jti
        self._trouble = trouble
        self._settle = holds.settle

    def __call__(self, ledger: Any, hold: Hold, outcome: str, origin: Any, **rest: Any) -> Hold:
        if hold.jti == self._jti:
            raise self._trouble
        return self._settle(ledger, hold, outcome, origin, **rest)


@pytest.mark.parametrize("trouble", [Busy(), OutcomeUnknown()], ids=["busy", "unknown"])
def test_one_hold_in_trouble_keeps_no_other_from_its_end(
    world: Sweeping, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    jtis = [world.sold()[1] for _ in range(6)]
    world.pass_(UNUSED_S + 1)
    with monkeypatch.context() as patched:
        patched.setattr(holds, "settle", TroubledSettle(jtis[2], trouble))
        assert world.sweep() == {**NOTHING, "lookedAt": 6, "released": 5, "waiting": 1}
    assert [world.state(jti) for jti in jtis].count(OPEN) == 1
    assert world.money() == (5, 1)
    assert world.sweep() == ONE_RELEASED
    assert world.money() == (6, 0)


def test_a_look_that_could_not_be_noted_keeps_no_other_hold_from_its_end(
    world: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Moving a waiting hold back in the index is a write, too, and may find the store away."""
    world.submitted()
    for _ in range(5):
        world.sold()
    world.pass_(UNUSED_S + 1)

    def refuse(*_: object) -> None:
        raise OutcomeUnknown()

    with monkeypatch.context() as patched:
        patched.setattr(world.gateway.function("sweeper").ledger.table, "write", refuse)
        assert world.sweep() == {**NOTHING, "lookedAt": 6, "released": 5, "waiting": 1}
    assert world.money() == (5, 1)


def spoiled(world: Sweeping, of: str, **members: Any) -> None:
    """The stored hold of the jti `of`, spoiled; a member that is None is removed."""
    item = world.table.get("A#ann", f"H#{of[:22]}")
    assert item is not None
    kept = {**item, **members}
    world.table.write(Put({k: v for k, v in kept.items() if v is not None}, condition=""))


@pytest.mark.parametrize(
    "members",
    [{"state": None}, {"claim": "c", "claimed_at": "yesterday"}, {"amount": "one"}],
    ids=str,
)
def test_a_hold_that_cannot_be_read_is_set_aside_and_alarmed(
    world: Sweeping, members: dict[str, Any]
) -> None:
    _, odd = world.sold()
    _, jti = world.sold()
    spoiled(world, odd, **members)
    world.pass_(UNUSED_S + 1)
    with caught() as lines:
        assert world.sweep() == {**NOTHING, "lookedAt": 2, "released": 1, "waiting": 1}
    assert world.state(jti) == RELEASED
    assert [line["part"] for line in lines.json if line["message"] == "be:set-aside"] == ["sweeper"]
    assert world.sweep() == NOTHING
    world.pass_(3601)
    assert world.sweep() == ONE_WAITING


def test_waiting_jobs_keep_no_later_hold_from_its_turn(
    world: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits goes to the back of the index, however many it is."""
    monkeypatch.setattr(sweeping, "PAGE", 1)
    for _ in range(6):
        world.submitted()
    world.pass_(2)
    for _ in range(6):
        world.sold()
    world.pass_(UNUSED_S + 1)
    assert world.sweep() == {**NOTHING, "lookedAt": 12, "released": 6, "waiting": 6}
    assert world.money() == (6, 6)


def test_the_sweeper_asks_for_the_job_and_for_nothing_else(world: Sweeping) -> None:
    """Upstream gets its own id of the job; what it does not know yet is never started again."""
    job, jti = world.submitted()
    assert world.hold("ann", jti).job_id == job
    assert world.upstream.started == [OWN_JOB + jti]
    world.pass_(UNUSED_S + 1)
    world.sweep()
    assert world.upstream.jobs == {job: RUNNING}
    assert world.upstream.started == [OWN_JOB + jti]


def test_a_status_call_in_the_middle_of_a_sweep_moves_the_credit_once(world: Sweeping) -> None:
    """The call settles the hold while the sweeper asks upstream; both see the job's end."""
    job, jti = world.submitted()
    world.upstream.jobs[job] = COMPLETED
    world.pass_(UNUSED_S + 1)
    ask, meanwhile = world.upstream.status, threading.Event()

    def asked(job_id: str, secret: str, timeout_s: float) -> Any:
        if not meanwhile.is_set():
            meanwhile.set()
            world.pass_(1)
            assert world.status("ann", job).json["credit"] == "captured"
        return ask(job_id, secret, timeout_s)

    world.upstream.status = asked  # type: ignore[method-assign]
    assert world.sweep()["lookedAt"] == 1
    assert [entry.type for entry in world.gateway.entries("ann")].count("capture") == 1
    assert (world.state(jti), world.money()) == (CAPTURED, (0, 0))


def many(world: Sweeping, number: int) -> list[str]:
    """The ids of tokens that were bought at once and not used, past their time."""
    world.add({"userId": "ann", "amount": number})
    tokens = [world.vend("ann", {}).json["token"] for _ in range(number)]
    assert len(set(tokens)) == number
    world.pass_(UNUSED_S + 1)
    return [entry.subject for entry in world.gateway.entries("ann")[-number:]]


def test_however_many_are_past_their_time_one_sweep_resolves_them(
    world: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "PAGE", 2)
    many(world, 17)
    assert world.sweep() == {**NOTHING, "lookedAt": 17, "released": 17}
    assert world.money() == (17, 0)


def test_holds_that_cannot_be_resolved_keep_none_behind_them_waiting(
    world: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the oldest page are met by trouble, now and in every sweep after."""
    monkeypatch.setattr(sweeping, "PAGE", 1)
    stuck = set(many(world, 8)[:4])
    settle = holds.settle

    def troubled(ledger: Any, hold: Hold, *args: Any, **kwargs: Any) -> Hold:
        if hold.jti in stuck:
            raise Busy()
        return settle(ledger, hold, *args, **kwargs)

    monkeypatch.setattr(holds, "settle", troubled)
    assert world.sweep() == {**NOTHING, "lookedAt": 8, "released": 4, "waiting": 4}
    assert world.money() == (4, 4)


def test_a_sweep_whose_time_runs_out_says_so_and_the_next_goes_on(world: Sweeping) -> None:
    many(world, 5)
    left = iter([60.0, 60.0, 60.0, sweeping.RESERVE_S - 0.001])

    class Ending(Context):
        def get_remaining_time_in_millis(self) -> int:
            return int(next(left) * 1000)

    with caught() as lines:
        handler = world.gateway.function("sweeper").lambda_handler
        assert handler({}, Ending()) == {**NOTHING, "lookedAt": 3, "released": 3}
        assert world.sweep() == {**NOTHING, "lookedAt": 2, "released": 2}
    behind = [line.get("SweeperBehind") for line in lines.json if line["message"] == "sweep"]
    assert behind == [1, None]
    assert world.money() == (5, 0)
